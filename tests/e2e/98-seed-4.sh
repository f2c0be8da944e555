#!/bin/sh
# The plan of WireGuard Gateway's backups, section by section as it stands there: what a backup holds, its routes, who may, what is refused,
# and the sequence of a restore with its way back.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/gateway.sh
. "$cases/gateway.sh"
if [ "$GATEWAY_FIREWALL" = kernel ]; then
    ip link set lo up
    iptables -A INPUT -i lo -j ACCEPT
fi

gateway() { "$PYTHON" "$cases/gateway.py" "$@"; }
port=$(free_ports 1)
{ sed_profile; printf 'serve:\n  listen: ["127.0.0.1:%s"]\n  compat: { gateway: { set: wireguard } }\n' "$port"; } >holdfast.yaml
lead_firewall holdfast.yaml
status 0 "$HOLDFAST" init -r repo --key-file key
add_token() { # NAME ROLE: a token, in the file NAME
    status 0 "$HOLDFAST" token add "$1" --role "$2" --verb '*' --set '*'
    grep -o 'hf_[A-Za-z0-9_-]*' out >"$1"
}
add_token boss admin
add_token clerk manager
sql gw/instance/configs.db "update clients set status = 'active' where id < '00000002'"
bin/systemctl stop
bin/systemctl start
links() { ls links | tr '\n' ' '; }
[ "$(links)" = 'site_00000000 site_00000001 ' ] || fail "the case itself has the interfaces $(links)"
# stopped_and_started WHAT LOG: since the last time, each once, and what was taken down meanwhile.
stopped_and_started() {
    [ "$(tr '\n' ' ' <service/log)" = 'stop start ' ] || fail "$1: $(cat service/log)"
    [ "$(sort links.log | tr '\n' ' ')" = "$2" ] || fail "$1: taken down: $(cat links.log)"
    bin/systemctl up || fail "$1: the application does not run"
    : >service/log
    : >links.log
}
iptables-save >rules.txt
echo 'pending' >gw/instance/pending.conf # "What is not included": outside of what the set names
start_service serve
wait_ready "$port"

# "New Routes", "Download Mechanism": the file, under its name, with its type; "What is included", "Backup Collection Process": what it holds.
mkdir zips
status 0 curl -sS -f -m 280 -OJ --output-dir zips -D head -H "Authorization: Bearer $(cat boss)" "http://127.0.0.1:$port/system/backup"
zip=$(echo zips/wireguard_backup_????????_??????.zip)
[ -s "$zip" ] || fail "another name: $(ls zips)"
has head 'Content-Type: application/zip'
has head "Content-Disposition: attachment; filename=$(basename "$zip")"
status 0 gateway valid "$zip"
status 0 gateway same "$zip" "$PWD/gw"
unzip -Z1 "$zip" | sort | tr '\n' ' ' >names
[ "$(cat names)" = "backup_metadata.json configs.db configs/notes.txt configs/site_00000000.conf configs/site_00000001.conf \
configs/site_00000002.conf iptables_rules.txt wireguard.db " ] || fail "it holds $(cat names)"
unzip -p "$zip" iptables_rules.txt | grep -q -- '-A FORWARD -i eth1 -o site_00000000 -j ACCEPT' || fail "the rules are others"
unzip -p "$zip" backup_metadata.json >metadata.json
"$PYTHON" -c 'import json
said = json.load(open("metadata.json"))
assert said["backup_version"] == "1.0" and said["timestamp"] and said["system_info"] and said["contents"], said' || fail "the metadata is other"
token=$(cat boss)
answers 200 GET "$port" /system/backup-status
json out 'lines[0]["data"]["operation"] == "backup" and lines[0]["data"]["state"] == "success" and "progress" in lines[0]["data"]'
# "Backup timestamp display of last successful backup"
answers 200 GET "$port" /system/backup-info
json out "[b['filename'] for b in lines[0]['data']['backups']] == ['$(basename "$zip")'] and lines[0]['data']['backups'][0]['created_at']"
# "Temporary storage", "Delete temporary files after successful download"
nothing_stays() { [ -z "$(find state gw -name 'wireguard_backup_*')" ]; }
until_true 60 nothing_stays

# "Access Control": once an hour for each user, admins only, no form of another site, and all of it is recorded.
answers 429 GET "$port" /system/backup
token=$(cat clerk)
for route in backup backup-status backup-info; do
    answers 403 GET "$port" "/system/$route"
done
token=''
for route in backup backup-status backup-info; do
    answers 401 GET "$port" "/system/$route"
done
# shellcheck disable=SC2034 # answers() sends it
token=$(cat boss)
answers 403 GET "$port" /system/backup '' 'Sec-Fetch-Site: cross-site'
stop_service
status 0 "$HOLDFAST" audit list --json
json out '[l["action"] for l in lines if l["actor"].startswith("token:")] == ["restore.download", "backup"]'

# "Upload Validation", "File Security", "Data Validation": what is wrong is refused with what it is, and changes nothing.
# Files of the application's own code, which have no sums; ours have.
gateway zip "$PWD/gw" theirs.zip rules.txt
state >before
spoilt() { # WHAT TEXT [ZIP]
    gateway spoil "${3-theirs.zip}" spoilt.zip "$1"
    status 2 "$HOLDFAST" import spoilt.zip --set wireguard --as-members --allow-unauthenticated
    has err "$2"
}
spoilt version 'Unsupported backup version: 2.0'
spoilt traversal 'Malicious path detected'
spoilt damage 'wireguard.db'
spoilt table 'wireguard.db: it lacks the table alert_history'
spoilt hook 'it has PostUp'
spoilt hook 'its SHA-256 is another than backup_metadata.json says' "$zip"
head -c 1000 "$zip" >spoilt.zip
"$HOLDFAST" import spoilt.zip --set wireguard --as-members --allow-unauthenticated >out 2>err && fail "half a file was taken"
echo 'no zip file' >spoilt.zip
"$HOLDFAST" import spoilt.zip --set wireguard --as-members --allow-unauthenticated >out 2>err && fail "a text was taken"
state >now
cmp before now || fail "an upload that was refused changed something"

# "Restoration Sequence": other users, clients and rules, and the file over them.
content >sound
status 0 "$HOLDFAST" import "$zip" --set wireguard --as-members --allow-unauthenticated --json
snapshot=$(json_get out 'next(l for l in lines if "snapshot_id" in l)["snapshot_id"]')
sql gw/main/wireguard.db "insert into user values (2, 'mallory', 'x', 1, null, 0, 0)"
sql gw/instance/configs.db 'delete from clients'
rm gw/instance/configs/site_00000001.conf
printf '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -i eth1 -j ACCEPT\nCOMMIT\n*nat\nCOMMIT\n' | iptables-restore
state >before
# "Restore System" with its warning: a plan first, which changes nothing.
status 0 "$HOLDFAST" restore "$snapshot" --set wireguard --in-place --plan
has out 'wireguard.db'
has out 'stop: '
state >now
cmp before now || fail "a plan changed something"
# "Running app keeps open handles": without steps 2 and 3 nothing is replaced.
sed '/^    restore:/,/timeout: 2m/d' holdfast.yaml >running.yaml
chmod 600 running.yaml
status 11 "$HOLDFAST" restore "$snapshot" -c running.yaml --set wireguard --in-place --yes
has err 'another process has'
state >now
cmp before now || fail "a database in use was replaced"

# "Error Handling & Rollback": a step that fails, here the health checks and then nobody who confirms the rules, and all is as it was.
{ sed_profile; echo '      - ["false"]'; } >sick.yaml
chmod 600 sick.yaml
confirm >confirmed 2>&1 &
setsid -w "$HOLDFAST" restore "$snapshot" -c sick.yaml --set wireguard --in-place --yes --apply --confirm-within 60s >out 2>err && fail "it is well"
wait
has err 'the state before is back'
state >now
cmp before now || fail "a failed restore left something"
status 130 in_place "$snapshot" 1s
state >now
cmp before now || fail "rules that nobody confirmed stayed"
bin/systemctl up || fail "the application does not run any more"
: >service/log
rm -f links/*
: >links/site_00000000
: >links.log

# Steps 1 to 9: a backup of what was there, the application and its interfaces down, databases, configurations, both up again, rules, and a
# look at what came of it.  Who confirms does so while they are up.
"$HOLDFAST" snapshots --set wireguard --tag safety --json >safe
confirm >confirmed 2>&1 &
status 0 in_place "$snapshot" 60s
wait
content >now
diff sound now || fail "it is not what the file holds"
stopped_and_started 'a restore' 'down site_00000000 '
[ "$(links)" = 'site_00000000 site_00000001 ' ] || fail "interfaces are up: $(links)"
"$HOLDFAST" snapshots --set wireguard --tag safety --json >safer
[ "$(json_get safer 'len(lines[0])')" -gt "$(json_get safe 'len(lines[0])')" ] || fail "nothing was kept of the state before"
status 0 "$HOLDFAST" undo
state >now
cmp before now || fail "the way back leads elsewhere"
# One that wg-quick does not know is removed.
stopped_and_started 'an undo' 'down site_00000000 link site_00000001 '
[ "$(links)" = '' ] || fail "interfaces of no client are up: $(links)"

# "POST /system/restore": the form of the page does the same, and the rules stay once the administrator has said that he still gets in.
start_service serve
wait_ready "$port"
got=$(curl -sS -m 280 -o out -w '%{http_code}' -H "Authorization: Bearer $(cat boss)" -F "backup_file=@$zip" "http://127.0.0.1:$port/system/restore")
[ "$got" = 202 ] || fail "status $got: $(cat out)"
json out 'lines[0]["status"] == "confirmation_required"'
got=$(curl -sS -m 280 -o out -w '%{http_code}' -X POST -H "Authorization: Bearer $(cat boss)" "http://127.0.0.1:$port/system/restore/confirm")
[ "$got" = 200 ] || fail "status $got: $(cat out)"
json out 'lines[0] == {"status": "success", "message": "System restored successfully"}'
# The zip file has no modes, and that of a file which is gone is known to nobody: it gets what its folder lets others see.
content | sed 's/\(site_00000001.conf f\) 640$/\1 644/' >now
diff sound now || fail "the form brought back something else"
stopped_and_started 'a form' ''
[ "$(links)" = 'site_00000000 site_00000001 ' ] || fail "interfaces are up: $(links)"
stop_service
status 0 "$HOLDFAST" undo --set wireguard
state >now
cmp before now || fail "the way back leads elsewhere"
