#!/bin/sh
# The service takes bundles and keeps them over a kill, lets its first user log in, and answers the POS application's calls.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

free_ports 2 >ports
read -r api bundles <ports

make_repository
mkdir data
echo one >data/file
put_config <<END
sets:
  shop:
    repositories: [main]
    sources: [{files: {paths: [$work/data]}}, {bundle: {names: counted}}]
serve:
  listen: ["127.0.0.1:$api"]
  compat: {bundle: {set: shop, listen: ["127.0.0.1:$bundles"], without_token: true}}
END

start() {
    start_service serve
    wait_ready "$api"
}

bundle='{"timestamp":"2026-01-01T12:00:00.000Z","version":"1.0.0","data":{"users":["alice"],"sessions":[],"firewall_state":{},"metadata":{}}}'
start
answers 503 POST "$bundles" /backup "$bundle"
status 0 "$HOLDFAST" key public --set shop
stop_service

# Everything that was answered with 200 is there, also after a kill.
start
for _ in 1 2 3; do
    answers 200 POST "$bundles" /backup "$bundle"
    has out '{"status": "success", "message": "Backup saved successfully", "filename": "backup_'
done
answers 404 POST "$bundles" /backup/ "$bundle"
has out '{"error": "Not found"}'
answers 500 POST "$bundles" /backup '{"a":'
has out '{"error": "Internal server error", "status": "failed"}'
answers 403 POST "$bundles" /backup "$bundle" 'Origin: https://evil.example.org'
answers 421 POST "$bundles" /backup "$bundle" 'Host: evil.example.org'
kill_service
[ "$(find state/spool/shop -name '*.sealed' | wc -l)" = 3 ] || fail "bundles were lost: $(ls state/spool/shop)"
status 0 "$HOLDFAST" backup --set shop
status 0 "$HOLDFAST" restore latest:/bundle --target back
[ "$(find back -name 'backup_*.json' | wc -l)" = 3 ] || fail "not all bundles came back: $(find back)"
[ "$(find state/spool/shop -name '*.sealed' | wc -l)" = 0 ] || fail "bundles wait that are stored"

# The password was told once, at the first start, and opens the door.
start
lacks service.out password
lacks service.err password
answers 401 GET "$api" /api/backup/configs
has out '{"error":"Authentication required"'
printf 'a-good-long-password\n' >password
status 0 "$HOLDFAST" user passwd admin --new-password-file password
answers 401 POST "$api" /api/v1/auth/login '{"username":"admin","password":"wrong-password-1"}'
answers 200 POST "$api" /api/v1/auth/login '{"username":"admin","password":"a-good-long-password"}'
has head 'Set-Cookie: '
has head 'hf_s='
answers 200 GET "$api" /
has out '<title>holdfast</title>'
stop_service

# Without the console the rest is as it was.
sed 's/^serve:/&\n  console: false/' holdfast.yaml >other.yaml
chmod 600 other.yaml
start_service serve --config other.yaml
wait_ready "$api"
answers 404 GET "$api" /
answers 404 GET "$api" /assets/x
answers 401 GET "$api" /api/v1/sets
stop_service
