#!/bin/sh
# A zip file of the published WireGuard Gateway, restored in place as if it were a backup of the set.
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/gateway.sh
. "$cases/gateway.sh"

gateway() { "$PYTHON" "$cases/gateway.py" "$@"; }
as_members() { "$HOLDFAST" import "$1" --set wireguard --as-members --allow-unauthenticated; }
imported() { # ZIP: its snapshot
    status 0 "$HOLDFAST" import "$1" --set wireguard --as-members --allow-unauthenticated --json
    json_get out 'next(l for l in lines if "snapshot_id" in l)["snapshot_id"]'
}
status 0 "$HOLDFAST" init -r repo --key-file key

# A client's file has a command, which is that of the installed file: it comes along.
sed -i 's/^\[Peer\]/PostUp = logger up\n[Peer]/' gw/instance/configs/site_00000002.conf gw/etc/site_00000002.conf
echo 'PrivateKey of the gateway' >gw/etc/wg0.conf
chmod 640 gw/etc/site_00000000.conf
iptables-save >rules.txt
zip=wireguard_backup_20261120_205152.zip
gateway zip "$PWD/gw" "$zip" rules.txt
gateway zip "$PWD/gw" no-rules.zip
status 0 gateway valid "$zip"
cp -a gw former
rules >rules.then

# Life goes on: another client, somebody's user, lost and changed files, other rules.
sql gw/main/wireguard.db "insert into user values (2, 'mallory', 'x', 1, null, 0, 0)"
sql gw/instance/configs.db 'delete from clients'
cp gw/etc/site_00000000.conf gw/etc/site_00000099.conf
cp gw/etc/site_00000000.conf gw/instance/configs/site_00000099.conf
rm gw/instance/configs/site_00000001.conf
echo '# changed' >>gw/etc/site_00000000.conf
echo 'a new key of the gateway' >gw/etc/private.key
printf '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -i eth1 -j ACCEPT\nCOMMIT\n*nat\nCOMMIT\n' | iptables-restore
state >changed
is_changed() { # WHAT
    state >now
    cmp changed now || fail "$1"
}
status 0 "$HOLDFAST" backup --set wireguard --json
latest=$(json_get out 'next(l for l in lines if "snapshot_id" in l)["snapshot_id"]')

# Nobody takes it by accident, and not without a set.
status 2 "$HOLDFAST" import "$zip" --set wireguard --as-members
has err 'is not authenticated'
status 2 "$HOLDFAST" import "$zip" --as-members --allow-unauthenticated
status 2 "$HOLDFAST" import "$zip" --set wireguard --as-members --allow-unauthenticated --as cfms
status 0 "$HOLDFAST" import "$zip" --set wireguard --as-members --dry-run
has out 'not authenticated'
status 0 "$HOLDFAST" snapshots --set wireguard --json
json out 'len(lines[0]) == 1'

# A snapshot of the form of a backup, which says what it is, and is not the latest.
id=$(imported "$zip")
json out 'lines[0]["as_members"] and not lines[0]["authenticated"]'
json out 'any("1 file of configs left out" in l.get("text", "") for l in lines)'
is_changed 'an import changed something'
status 0 "$HOLDFAST" snapshots --set wireguard --tag import:wireguard --json
json out 'lines[0][0]["tags"][:2] == ["import:wireguard", "unauthenticated"] and lines[0][0]["tags"][2] == "sha256:'"$(sha256sum "$zip" | cut -d' ' -f1)"'"'
"$HOLDFAST" ls "$id" | sed 's/^[^/]*//' | sort >listed
"$HOLDFAST" ls "$latest" | sed 's/^[^/]*//' | sort >of_backup
"$HOLDFAST" ls "$id" >/dev/null
[ "$(grep -c . listed)" = "$(($(grep -c . of_backup) + 1))" ] || fail "another form: $(diff listed of_backup)"
status 0 "$HOLDFAST" restore latest --set wireguard --in-place --plan --json
json out 'lines[0]["snapshot_id"] == "'"$latest"'" and lines[0]["authenticated"]'

# The plan says whose word it is, removes nothing, and changes nothing.
status 0 "$HOLDFAST" restore "$id" --set wireguard --in-place --plan
has out 'not authenticated'
status 0 "$HOLDFAST" restore "$id" --set wireguard --in-place --plan --json
json out 'any("not authenticated" in l.get("text", "") for l in lines)'
json out '[l for l in lines if "sources" in l][0]["authenticated"] is False'
json out 'sum(s["files_removed"] for l in lines for s in l.get("sources", [])) == 0'
is_changed 'a plan changed something'

confirm >confirmed 2>&1 &
status 0 in_place "$id" 60s
wait
clients_are_back
rules | cmp - rules.then || fail 'other rules'
# What the zip file knows nothing of is there.
[ "$(cat gw/etc/private.key)" = 'a new key of the gateway' ] || fail "the gateway's own key is gone"
[ "$(cat gw/etc/wg0.conf)" = 'PrivateKey of the gateway' ] || fail "the gateway's own interface is gone"
cmp gw/etc/site_00000099.conf gw/instance/configs/site_00000099.conf || fail 'a client that came later is gone'
[ -e gw/instance/configs/notes.txt ] || fail 'something else is gone'
[ "$(stat -c %a gw/etc/site_00000000.conf)" = 640 ] || fail 'others may read it'

status 0 "$HOLDFAST" undo
is_changed 'undo did not bring the state before back'

# Without rules: the firewall stays, and both say so.
id=$(imported no-rules.zip)
json out 'any("command iptables: the zip file holds nothing of it" in l.get("text", "") for l in lines)'
status 0 "$HOLDFAST" restore "$id" --set wireguard --in-place --plan
has out 'the snapshot does not have it'
rules >rules.changed
status 0 in_place "$id" 60s
has out 'but for command/iptables'
rules | cmp - rules.changed || fail 'the firewall was touched'
cmp gw/etc/site_00000001.conf gw/instance/configs/site_00000001.conf || fail 'a file did not come back'
status 0 "$HOLDFAST" undo
is_changed 'undo did not bring the state before back'

# A new machine has no database yet: nothing to compare with, and that is said.
rm gw/main/wireguard.db
status 0 as_members "$zip"
has out 'wireguard.db: no database is there now'
