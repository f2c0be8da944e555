#!/bin/sh
# The profiles in deploy/ are configurations as they stand; that of Main Private Files takes over from the former server.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
profiles=$(dirname "$(readlink -f "$0")")/../../deploy/profiles
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

for profile in "$profiles"/*.yaml; do
    status 0 "$HOLDFAST" config validate -c "$profile"
done

# --- As its page says, in other places.
free_ports 2 >ports
read -r api bundles <ports
sed -e "s,/var/lib/holdfast,$work/state," -e "s,/srv/holdfast,$work/repository," -e "s,/etc/holdfast,$work," \
    -e "s/:8080/:$api/" -e "s/:8787/:$bundles/g" "$profiles/main-private-files.yaml" >holdfast.yaml
chmod 600 holdfast.yaml
mkdir backups
for second in 00 01; do
    printf '{\n  "timestamp": "2024-01-01T12:00:%s.000Z",\n  "version": "1.0.0",\n  "data": {\n    "users": [],\n    "sessions": []\n  }\n}' \
        "$second" >"backups/backup_20240101_1200$second.json"
done
status 0 "$HOLDFAST" init -r repository --key-file main.key
status 2 "$HOLDFAST" import backups --set private-files
status 0 "$HOLDFAST" import backups --set private-files --allow-unauthenticated
status 0 "$HOLDFAST" key public --set private-files
start_service serve
wait_ready "$api"

# The published client's bundle, the other program's, and a page of a browser.
push() {
    status 0 curl -sS -m 60 -w '\n%{http_code}\n' -H 'Content-Type: application/json' "$@" "http://localhost:$bundles/backup"
}
push -d '{"timestamp": "2024-01-02T00:00:00.000Z", "version": "1.0.0", "data": {"users": ["ann"], "sessions": ["secret"]}}'
[ "$(tail -1 out)" = 200 ] || fail 'the bundle was refused'
name=$(sed -n 's/.*"filename": "\([^"]*\)".*/\1/p' out)
[ -n "$name" ] || fail 'the answer names no file'
push -d '{"type": "chalk-bundle", "version": "1.0.0", "content": {"strokes": []}, "integrity": "00"}'
[ "$(tail -1 out)" = 200 ] || fail 'the other bundle was refused'
other=$(sed -n 's/.*"filename": "\([^"]*\)".*/\1/p' out)
push -H 'Origin: https://elsewhere.example' -d '{}'
[ "$(tail -1 out)" = 403 ] || fail 'a page may push'

status 0 "$HOLDFAST" backup --set private-files
status 0 "$HOLDFAST" drill private-files
has out proven
stop_service
status 0 "$HOLDFAST" dump latest /bundle/backup.manifest.json --set private-files
grep -F "\"$name\"" out | grep -qF '"kind":"bundle"' || fail 'not called a bundle'
grep -F "\"$other\"" out | grep -qF '"kind":"chalk"' || fail 'not told apart'
status 0 "$HOLDFAST" restore latest:/bundle --set private-files --into back
[ -s "back/$name" ] || fail "$name did not come back"
! grep -q secret "back/$name" || fail 'a session came back'

# What the former server had kept.
old=$("$HOLDFAST" snapshots --set private-files --tag import:bundle --json | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)[0]["id"])')
status 0 "$HOLDFAST" restore "$old" --set private-files --target old
found=$(find old -name backup_20240101_120001.json)
cmp "$found" backups/backup_20240101_120001.json || fail 'an old bundle is not as it was'
