#!/bin/sh
# Zip files of a gateway that nobody should take, and restores of one that do not come to their end: all is as it was.
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/gateway.sh
. "$cases/gateway.sh"

gateway() { "$PYTHON" "$cases/gateway.py" "$@"; }
imported() { # ZIP: its snapshot
    status 0 "$HOLDFAST" import "$1" --set wireguard --as-members --allow-unauthenticated --json
    json_get out 'next(l for l in lines if "snapshot_id" in l)["snapshot_id"]'
}
status 0 "$HOLDFAST" init -r repo --key-file key
echo 'PrivateKey of the gateway' >gw/etc/wg0.conf
iptables-save >rules.txt
gateway zip "$PWD/gw" good.zip rules.txt
state >before

# Each has one thing that is wrong, and says which.
refused() { # WHAT TEXT
    gateway spoil good.zip "$1.zip" "$1"
    status 2 "$HOLDFAST" import "$1.zip" --set wireguard --as-members --allow-unauthenticated
    has err "$2"
}
refused hook 'site_00000000.conf: it has PostUp'
refused hook-case 'site_00000000.conf: it has pOSTdOWN'
refused save 'site_00000000.conf: it has SaveConfig'
refused key 'site_00000000.conf: it has PreSharedUp'
refused trigger 'wireguard.db: it has the trigger evil'
refused view 'wireguard.db: it has the view evil'
refused virtual 'wireguard.db: it has the table evil'
refused column 'wireguard.db: its table user is another than that of the present database'
refused table 'wireguard.db: it lacks the table alert_history'
refused index 'wireguard.db: it has the index evil'
refused check 'wireguard.db: its table alert_history is another'
refused damage 'wireguard.db'
refused rule 'iptables_rules.txt'
refused rule-file 'iptables_rules.txt'
refused chain 'iptables_rules.txt'
refused version 'Unsupported backup version: 2.0'
refused traversal 'Malicious path detected'
refused gateway "wg0.conf: $PWD/gw/etc has another file of this name"
refused stranger 'app.db: set wireguard has no SQLite database "app.db"'

# Where no database is there to compare with, what does something by itself is not taken either.
mv gw/main/wireguard.db kept.db
for what in trigger view virtual; do
    status 2 "$HOLDFAST" import "$what.zip" --set wireguard --as-members --allow-unauthenticated
    has err 'and only tables and indexes are taken'
done
mv kept.db gw/main/wireguard.db
# A link in the way, and a folder that is gone.
mv gw/etc/site_00000000.conf kept.conf
ln -s ../../kept.conf gw/etc/site_00000000.conf
status 2 "$HOLDFAST" import good.zip --set wireguard --as-members --allow-unauthenticated
rm gw/etc/site_00000000.conf
mv kept.conf gw/etc/site_00000000.conf
mv gw/etc kept
status 2 "$HOLDFAST" import good.zip --set wireguard --as-members --allow-unauthenticated
has err "$PWD/gw/etc, where .conf files go"
mv kept gw/etc
# A restore would take what cannot be read for what is to be removed.
if [ "$(id -u)" = 0 ]; then
    mkdir gw/etc/closed
    echo 1 >gw/etc/closed/file
    chown -R 65534 gw/etc/closed
    chmod 700 gw/etc/closed
    status 11 setpriv --bounding-set -dac_override,-dac_read_search \
        "$HOLDFAST" import good.zip --set wireguard --as-members --allow-unauthenticated
    has err 'not all of configs and etc could be read'
    rm -r gw/etc/closed
fi
state >now
cmp before now || fail 'an import changed something'
status 0 "$HOLDFAST" snapshots --set wireguard --json
json out 'lines == [[]]'

# What was imported, and the other state that it is to replace.
good=$(imported good.zip)
gateway spoil good.zip large.zip large
large=$(imported large.zip)
# The kernel takes no MASQUERADE there; the programs that stand for it take no such chain.
sed '/^:PREROUTING/a :no_such_chain - [0:0]' rules.txt | sed '/-o site_00000000 -j MASQ/a -A INPUT -j MASQUERADE' >odd.rules
gateway zip "$PWD/gw" odd.zip odd.rules
odd=$(imported odd.zip)
sql gw/main/wireguard.db "insert into user values (2, 'mallory', 'x', 1, null, 0, 0)"
rm gw/instance/configs/site_00000001.conf
echo '# changed' >>gw/etc/site_00000000.conf
printf '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -i eth1 -j ACCEPT\nCOMMIT\n*nat\nCOMMIT\n' | iptables-restore
state >before
is_before() { # WHAT
    state >now
    diff before now >out || fail "$1"
    [ -z "$(find gw -name '*holdfast-*')" ] || fail "$1: something is left beside"
}

in_place "$odd" 60s >out 2>err && fail 'rules that nobody takes were taken'
grep -q 'the state before is back\|nothing was changed' err || fail 'it does not say what is'
is_before 'bad rules changed something'

{
    cat holdfast.yaml
    echo '      - ["false"]'
} >sick.yaml
chmod 600 sick.yaml
confirm >confirmed 2>&1 &
setsid -w "$HOLDFAST" restore "$good" -c sick.yaml --set wireguard --in-place --yes --apply --confirm-within 60s >out 2>err && fail 'a health check did not fail'
wait
has err 'the state before is back'
is_before 'a failed health check left something'

status 130 in_place "$good" 1s
is_before 'rules that nobody confirmed stayed'

if [ "$GATEWAY_FIREWALL" = kernel ]; then
    cp -a gw/main main.kept
    mount -t tmpfs -o size=2m,mode=755 tmpfs gw/main
    at_end() { umount gw/main; end_application; }
    cp -a main.kept/. gw/main
    in_place "$large" 60s >out 2>err && fail 'a full disk was not noticed'
    has err 'No space left on device'
    has err 'nothing was changed'
    is_before 'a full disk changed something'
    umount gw/main
    at_end() { end_application; }
fi

# Killed while the new rules are in force and everything has changed places.
setsid "$HOLDFAST" restore "$good" --set wireguard --in-place --yes --apply --confirm-within 10m >out 2>err &
killed=$!
until_true 60 masquerades
until_true 60 sh -c "'$HOLDFAST' undo --list | grep -q swapping"
kill -9 "$killed"
wait "$killed" || :
masquerades || fail 'it was not killed in the middle'
status 0 "$HOLDFAST" undo
has out 'had been interrupted'
is_before 'what was killed is not as it was before'

# The zip file is as good as before.
confirm >confirmed 2>&1 &
status 0 in_place "$good" 60s
wait
masquerades || fail 'the rules did not come back'
status 0 "$HOLDFAST" undo
state >now
diff before now >out || fail 'undo did not bring the state before back'
