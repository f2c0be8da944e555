#!/bin/sh
# The routes of WireGuard Gateway over a real set: a backup is made and sent as its application's zip file, listed and sent again by its name;
# who may not gets nothing, and no zip file stays on the disk.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/gateway.sh
. "$cases/gateway.sh"

gateway() { "$PYTHON" "$cases/gateway.py" "$@"; }
open_service
cp holdfast.yaml base.yaml
configuration() { # COMPAT...
    cat base.yaml
    printf 'serve:\n  listen: ["127.0.0.1:%s"]\n' "$port"
    printf '  %s\n' "$@"
}
configuration >holdfast.yaml
status 0 "$HOLDFAST" init -r repo --key-file key
boss=$(add_token boss admin)
second=$(add_token second admin)
manager=$(add_token manager manager)
token=$boss

# Without the word there is nothing; a word about another set is refused.
start_service serve
wait_ready "$port"
answers 404 GET "$port" /system/backup
stop_service
configuration 'compat: { gateway: { set: nowhere } }' >bad.yaml
chmod 600 bad.yaml
status 2 "$HOLDFAST" config validate -c bad.yaml
has err 'gateway'
configuration 'compat: { gateway: { set: wireguard } }' >holdfast.yaml
status 0 "$HOLDFAST" config show --json
json out 'lines[0]["serve"]["compat"]["gateway"] == {"set": "wireguard", "confirm": "admin"}'
start_service serve
wait_ready "$port"

# The published call: a file that the application takes, with the headers that it had.
answers 200 GET "$port" /system/backup-status
json out 'lines[0]["data"] == {"operation": None, "state": "idle"}'
mkdir zips
status 0 curl -sS -f -m 280 -OJ --output-dir zips -D head -H "Authorization: Bearer $boss" "http://127.0.0.1:$port/system/backup"
zip=$(ls zips/wireguard_backup_*.zip)
status 0 gateway valid "$zip"
status 0 gateway same "$zip" "$here/gw"
active() { sed -n '/^[*]/h; /^-A\|DROP\| - /{G; s/ \[[0-9:]*\]//; s/\n/ /p}'; }
iptables-save | active >rules.now.active
unzip -p "$zip" iptables_rules.txt | active | cmp - rules.now.active || fail "other rules"
has head 'Content-Type: application/zip'
has head "Content-Disposition: attachment; filename=$(basename "$zip")"
has head "Content-Length: $(stat -c %s "$zip")"
has head 'Cache-Control: no-store'
answers 200 GET "$port" /system/backup-status
json out 'lines[0]["data"]["operation"] == "backup" and lines[0]["data"]["state"] == "success" and lines[0]["data"]["error"] is None'

# Once an hour for each.
answers 429 GET "$port" /system/backup
json out 'lines[0] == {"error": "Rate limit exceeded"}'
has head 'Retry-After: 3'
sleep 1 # the name has the second in it
token=$second
answers 200 GET "$port" /system/backup
cp out second.zip
status 0 gateway valid second.zip

# What is there, and by its name; the same snapshot is the same file.
answers 200 GET "$port" /system/backup-info
json out 'len(lines[0]["data"]["backups"]) == 2 and lines[0]["data"]["backup_dir"] == "wireguard"'
json out "lines[0]['data']['backups'][1]['filename'] == '$(basename "$zip")' and lines[0]['data']['backups'][1]['age_days'] == 0"
answers 200 GET "$port" "/system/backup/download/$(basename "$zip")"
cmp out "$zip" || fail "another file"
answers 404 GET "$port" /system/backup/download/wireguard_backup_20010101_000000.zip
json out 'lines[0]["error"] == "Backup file not found"'
answers 400 GET "$port" /system/backup/download/passwd
json out 'lines[0]["error"] == "Invalid backup filename"'
status 0 curl -s -o out -w '%{http_code}' --path-as-is -H "Authorization: Bearer $second" "http://127.0.0.1:$port/system/backup/download/../../etc/passwd"
has out '400'

# Who may not.
token=''
answers 401 GET "$port" /system/backup
json out 'lines[0]["error"] == "Authentication required"'
token=$manager
answers 403 GET "$port" /system/backup
answers 403 GET "$port" /system/backup-info
token=$boss
answers 403 GET "$port" /system/backup-info '' 'Sec-Fetch-Site: cross-site'

# A backup that cannot be made is told as that, and none of it counts.
mv "$here/gw/main/wireguard.db" aside.db
third=$(add_token third admin)
# shellcheck disable=SC2034 # answers() sends it
token=$third
answers 500 GET "$port" /system/backup
json out 'lines[0]["error"] == "Backup creation failed" and lines[0]["details"]'
mv aside.db "$here/gw/main/wireguard.db"
answers 200 GET "$port" /system/backup
cp out third.zip
status 0 gateway valid third.zip

# An import is no backup of the gateway.
status 0 curl -sf -H "Authorization: Bearer $boss" -F "archive=@$zip" -F allow_unauthenticated=true "http://127.0.0.1:$port/api/v1/sets/wireguard/imports"
imported() { "$HOLDFAST" snapshots -r repo --key-file key --tag import:wireguard --json | grep -q import:wireguard; }
until_true 60 imported
answers 200 GET "$port" /system/backup-info
json out 'len(lines[0]["data"]["backups"]) == 3'

# No file stays, and all of it is in the log.
nothing_stays() { [ -z "$(find state -name 'wireguard_backup_*')" ]; }
until_true 60 nothing_stays # that of the import goes a few seconds after its job
stop_service
status 0 "$HOLDFAST" audit list --json
json out '[l["action"] for l in lines if l.get("action") in ("backup", "restore.download")].count("restore.download") == 4'
status 0 "$HOLDFAST" audit verify
