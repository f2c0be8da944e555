#!/bin/sh
# A WireGuard Gateway back in place, with its firewall: all of it, or nothing.
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/gateway.sh
. "$cases/gateway.sh"

# The same set, but for the rules, which come from a file.
sed_profile | sed "/argv:/,/:POSTROUTING.*COMMIT/{/argv:/!d;s#argv:.*#argv: [cat, $PWD/bad.rules]#}" >bad.yaml
chmod 600 bad.yaml
is_damaged() { # WHAT
    state >now
    cmp damaged now || fail "$1"
}

status 0 "$HOLDFAST" init -r repo --key-file key
status 0 "$HOLDFAST" backup --set wireguard
has out 'proven  command/iptables'
content >sound

# A snapshot whose rules nobody takes, and one of an application without users, which its health check finds.
iptables-save | sed 's/-j WG_CLIENTS/-j no_such_chain/' >bad.rules
"$HOLDFAST" backup -c bad.yaml --set wireguard --json >out 2>err || [ $? = 14 ] || fail "no backup"
bad=$(json_get out 'next(l for l in lines if "snapshot_id" in l)["snapshot_id"]')
cp -p gw/main/wireguard.db users.db
sql gw/main/wireguard.db 'drop table user'
status 0 "$HOLDFAST" backup --set wireguard --json
sick=$(json_get out 'next(l for l in lines if "snapshot_id" in l)["snapshot_id"]')
cp -p users.db gw/main/wireguard.db
content >now
cmp sound now || fail "the case itself is not as it was"
status 0 "$HOLDFAST" backup --set wireguard --json
sound=$(json_get out 'next(l for l in lines if "snapshot_id" in l)["snapshot_id"]')

# Somebody else takes over.
sql gw/main/wireguard.db "insert into user values (2, 'mallory', 'x', 1, null, 0, 0)"
sql gw/instance/configs.db 'delete from clients'
rm gw/instance/configs/site_00000001.conf
echo '# changed' >>gw/etc/site_00000000.conf
printf '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -i eth1 -j ACCEPT\nCOMMIT\n*nat\nCOMMIT\n' | iptables-restore
state >damaged
! rules | grep -q MASQUERADE || fail "the rules are still there"

# The plan changes nothing.
status 0 "$HOLDFAST" restore "$sound" --set wireguard --in-place --plan
has out 'command/iptables'
is_damaged 'a plan changed something'

# Rules that iptables-restore refuses, an application that is not well, rules that nobody confirms: all is as it was.
in_place "$bad" 60s >out 2>err && fail 'bad rules were taken'
grep -q 'the state before is back\|nothing was changed' err || fail 'it does not say what is'
is_damaged 'bad rules changed something'
"$HOLDFAST" restore "$sick" --set wireguard --in-place --yes >out 2>err && fail 'a health check did not fail'
has err 'the state before is back'
is_damaged 'a failed restore changed something'
status 130 in_place "$sound" 1s
has err 'not confirmed'
is_damaged 'rules that nobody confirmed stayed'

# The same on a machine that was just started, whose firewall has no table yet that could be saved.
if [ "$GATEWAY_FIREWALL" = kernel ]; then
    # shellcheck disable=SC2016 # the shell inside knows them
    status 130 unshare -n setsid -w sh -c '"$@" || status=$?; iptables-save >rules.fresh; exit "$status"' sh \
        "$HOLDFAST" restore "$sound" --set wireguard --in-place --yes --apply --confirm-within 1s
    ! grep -q '^-A\|DROP\|WG_CLIENTS' rules.fresh || fail "rules that nobody confirmed stayed: $(cat rules.fresh)"
    is_damaged 'rules that nobody confirmed stayed'
fi

# Killed while the new rules are in force and everything has changed places.
setsid "$HOLDFAST" restore "$sound" --set wireguard --in-place --yes --apply --confirm-within 10m >out 2>err &
killed=$!
until_true 60 masquerades
until_true 60 sh -c "'$HOLDFAST' undo --list | grep -q swapping"
kill -9 "$killed"
wait "$killed" || :
rules | grep -q MASQUERADE || fail 'it was not killed in the middle'
status 0 "$HOLDFAST" undo
has out 'had been interrupted'
is_damaged 'what was killed is not as it was before'

[ -z "$(find gw -name '*holdfast-*')" ] || fail 'something is left beside'

# In earnest: the old state, rules included; and back again.
confirm >confirmed 2>&1 &
status 0 in_place "$sound" 60s
wait
content >now
cmp sound now || fail 'another state came back'
status 0 "$HOLDFAST" undo
is_damaged 'undo did not bring the state before back'

# The set's health checks can say that rules stay.
status 2 "$HOLDFAST" restore "$sound" --set wireguard --in-place --yes --confirm-by-checks
has err '--confirm-by-checks goes with --apply'
status 0 setsid -w "$HOLDFAST" restore "$sound" --set wireguard --in-place --yes --apply --confirm-by-checks
content >now
cmp sound now || fail 'another state came back'
status 0 "$HOLDFAST" undo
is_damaged 'undo did not bring the state before back'
sed '/health_checks:/,$d' holdfast.yaml >unchecked.yaml
chmod 600 unchecked.yaml
status 2 "$HOLDFAST" restore "$sound" -c unchecked.yaml --set wireguard --in-place --yes --apply --confirm-by-checks
has err 'no health checks'
is_damaged 'a refused restore changed something'
"$HOLDFAST" restore "$sick" --set wireguard --in-place --yes --apply --confirm-by-checks >out 2>err && fail 'a health check that fails confirmed it'
has err 'health check'
has err 'is back'
is_damaged 'a failed restore changed something'
