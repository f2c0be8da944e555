#!/bin/sh
# The service takes bundles and keeps them over a kill, lets its first user log in, and answers the POS application's calls.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

service=''
finish() {
    [ -z "$service" ] || kill "$service" 2>/dev/null || :
    rm -rf "$work"
}
trap finish EXIT

# Free ports: the service takes them a moment later.
"$PYTHON" -c '
import socket
ends = [socket.socket() for _ in range(2)]
for end in ends:
    end.bind(("127.0.0.1", 0))
print(*[end.getsockname()[1] for end in ends])' >ports
read -r api bundles <ports

make_repository
mkdir data
echo one >data/file
cat >holdfast.yaml <<END
state: $work/state
repositories:
  main: {url: $HOLDFAST_REPOSITORY, key_file: $HOLDFAST_KEY_FILE}
sets:
  shop:
    repositories: [main]
    sources: [{files: {paths: [$work/data]}}, {bundle: {names: counted}}]
serve:
  listen: ["127.0.0.1:$api"]
  compat: {bundle: {set: shop, listen: ["127.0.0.1:$bundles"], without_token: true}}
END
chmod 600 holdfast.yaml

cat >ask.py <<'END'
"""METHOD PORT PATH [BODY [HEADER=VALUE...]]: one request; prints the status and then the body."""
import http.client
import sys

method, port, path, *rest = sys.argv[1:]
link = http.client.HTTPConnection("127.0.0.1", int(port), timeout=20)
headers = dict(word.split("=", 1) for word in rest[1:])
if rest:
    headers.setdefault("Content-Type", "application/json")
link.request(method, path, rest[0] if rest else None, headers)
answer = link.getresponse()
print(answer.status, answer.read().decode(), *[value for name, value in answer.getheaders() if name == "Set-Cookie"])
END
ask() { "$PYTHON" ask.py "$@" >out 2>err || fail "no answer: $*"; }

start() {
    "$HOLDFAST" serve >serve.out 2>serve.err &
    service=$!
    left=100
    until "$PYTHON" ask.py GET "$api" /readyz 2>/dev/null | grep -q '^200'; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "the service does not answer: $(cat serve.out serve.err)"
        sleep 0.2
    done
}

bundle='{"timestamp":"2026-01-01T12:00:00.000Z","version":"1.0.0","data":{"users":["alice"],"sessions":[],"firewall_state":{},"metadata":{}}}'
start
ask POST "$bundles" /backup "$bundle"
has out '503 '
status 0 "$HOLDFAST" key public --set shop
kill "$service"
wait "$service" || :

# Everything that was answered with 200 is there, also after a kill.
start
for _ in 1 2 3; do
    ask POST "$bundles" /backup "$bundle"
    has out '200 {"status": "success", "message": "Backup saved successfully", "filename": "backup_'
done
ask POST "$bundles" /backup/ "$bundle"
has out '404 {"error": "Not found"}'
ask POST "$bundles" /backup '{"a":'
has out '500 {"error": "Internal server error", "status": "failed"}'
ask POST "$bundles" /backup "$bundle" Origin=https://evil.example.org
has out '403 '
ask POST "$bundles" /backup "$bundle" Host=evil.example.org
lacks out '200'
kill -9 "$service"
wait "$service" 2>/dev/null || :
[ "$(find state/spool/shop -name '*.sealed' | wc -l)" = 3 ] || fail "bundles were lost: $(ls state/spool/shop)"
status 0 "$HOLDFAST" backup --set shop
status 0 "$HOLDFAST" restore latest:/bundle --target back
[ "$(find back -name 'backup_*.json' | wc -l)" = 3 ] || fail "not all bundles came back: $(find back)"
[ "$(find state/spool/shop -name '*.sealed' | wc -l)" = 0 ] || fail "bundles wait that are stored"

# The password was told once, at the first start, and opens the door.
start
lacks serve.out password
lacks serve.err password
ask GET "$api" /api/backup/configs
has out '401 {"error":"Authentication required"'
printf 'a-good-long-password\n' >password
status 0 "$HOLDFAST" user passwd admin --new-password-file password
ask POST "$api" /api/v1/auth/login '{"username":"admin","password":"wrong-password-1"}'
has out '401 '
ask POST "$api" /api/v1/auth/login '{"username":"admin","password":"a-good-long-password"}'
has out '200 '
has out 'hf_s='
kill "$service"
got=0
wait "$service" || got=$?
service=''
[ "$got" = 0 ] || [ "$got" = 130 ] || fail "the service ended with $got: $(cat serve.err)"
