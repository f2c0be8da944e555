#!/bin/sh
# Snapshots of a service are listed, searched, compared and downloaded through its API; what fails, hangs up or is not allowed leaves nothing.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

service=''
finish() {
    [ -z "$service" ] || kill "$service" 2>/dev/null || :
    rm -rf "$work"
}
trap finish EXIT
port=$("$PYTHON" -c '
import socket
end = socket.socket()
end.bind(("127.0.0.1", 0))
print(end.getsockname()[1])')

make_repository
make_tree data
mkdir other
echo "of the wiki" >other/page
"$PYTHON" - "$work/data" <<'END'
import os
import sys

os.chdir(os.fsencode(sys.argv[1]))
for name in (b"-rf", b"with blank", b"a\nline", b"\xff\xfe", "süß".encode(), b"'\"$(x);`", b"%2e%2e", b"[a]*?"):
    with open(name, "wb") as file:
        file.write(b"content of " + name)
with open("big", "wb") as file:
    for _ in range(300):
        file.write(os.urandom(1 << 20))
END
put_config <<END
sets:
  shop: {repositories: [main], sources: [{files: {paths: [$work/data]}}]}
  wiki: {repositories: [main], sources: [{files: {paths: [$work/other]}}]}
  far: {repositories: [main], hosts: [elsewhere], sources: [{files: {paths: [$work/other]}}]}
serve:
  listen: ["127.0.0.1:$port"]
END
status 0 "$HOLDFAST" backup --set shop --tag first
echo changed >data/one
echo new >data/a/new
status 0 "$HOLDFAST" backup --set shop
status 0 "$HOLDFAST" backup --set wiki
# token NAME ROLE SETS
token() {
    status 0 "$HOLDFAST" token add "$1" --role "$2" --verb '*' --set "$3"
    grep -o 'hf_[A-Za-z0-9_-]*' out | head -1 >"$1.token"
}
token boss admin '*'
token second admin '*'
token viewer viewer '*'
token wiki admin wiki
# The service gets by without what names the repository here.
env -u HOLDFAST_REPOSITORY -u HOLDFAST_KEY_FILE "$HOLDFAST" serve >serve.out 2>serve.err &
service=$!
left=150
until "$PYTHON" -c 'import sys, urllib.request as u; u.urlopen("http://127.0.0.1:" + sys.argv[1] + "/readyz", timeout=5)' "$port" 2>/dev/null; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || fail "the service does not answer: $(cat serve.out serve.err)"
    sleep 0.2
done
"$PYTHON" -W ignore "$here/look.py" "$work" "$port" "$service" >out 2>err || fail "looking: $(cat serve.err)"
kill "$service"
got=0
wait "$service" || got=$?
service=''
[ "$got" = 0 ] || [ "$got" = 130 ] || fail "the service ended with $got: $(cat serve.err)"
status 0 "$HOLDFAST" audit verify
status 0 "$HOLDFAST" check --read-data
