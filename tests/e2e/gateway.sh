# shellcheck shell=sh
# Read by cases about a gateway: one in this folder, with its firewall.  That is the one of a network namespace of the case; where
# the kernel gives none, programs of the same names keep a file.
if [ -z "${GATEWAY_FIREWALL-}" ]; then
    GATEWAY_FIREWALL='file'
    export GATEWAY_FIREWALL
    if printf '*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n' | unshare -nm iptables-restore 2>/dev/null; then
        GATEWAY_FIREWALL=kernel exec unshare -nm "$0" "$@"
    fi
fi
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"

here=$PWD
echo "firewall: $GATEWAY_FIREWALL"
if [ "$GATEWAY_FIREWALL" = file ]; then
    mkdir bin
    printf '#!/bin/sh\ncat "%s/rules.now"\n' "$here" >bin/iptables-save
    printf '#!/bin/sh\nrules=$(cat)\ncase $rules in *no_such_chain*) echo "line 5 failed" >&2; exit 1 ;; esac\n[ "${1-}" = --test ] || echo "$rules" >"%s/rules.now"\n' \
        "$here" >bin/iptables-restore
    chmod +x bin/*
    : >rules.now
    PATH=$here/bin:$PATH
fi

# The profile, with its paths led here.
"$PYTHON" "$cases/gateway.py" make "$here/gw"
sed_profile() {
    sed -e "s#/var/lib/wireguard-gateway#$here/gw/main#g" -e "s#/opt/wireguard-gateway/instance#$here/gw/instance#g" \
        -e "s#/etc/wireguard#$here/gw/etc#g" -e "s#/var/lib/holdfast#$here/state#" -e "s#/srv/holdfast#$here/repo#" \
        -e "s#/etc/holdfast/main.key#$here/key#" "$cases/../../deploy/profiles/wireguard-gateway.yaml"
}
sed_profile >holdfast.yaml
chmod 600 holdfast.yaml
sql() { "$PYTHON" -c 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2])' "$@"; }
# What the firewall does; a table without rules is none.
rules() { iptables-save | sed -n '/^[*]/h; /^-A\|DROP\| - /{G; s/\n/ /p}'; }
# Every byte, and who may read it, but for what is kept beside.
state() {
    (cd gw && find . ! -path '*holdfast-*' -printf '%p %y %m\n' | sort && find . -type f ! -path '*holdfast-*' -exec sha256sum {} + | sort)
    rules
}
dump() { "$PYTHON" -c 'import sqlite3, sys; [print(line) for db in sys.argv[1:] for line in sqlite3.connect(db).iterdump()]' "$@"; }
# The same, with what databases hold in place of how they are laid out.
content() {
    state | grep -v 'wireguard.db$\|configs.db$'
    dump gw/main/wireguard.db gw/instance/configs.db
}
in_place() { setsid -w "$HOLDFAST" restore "$1" --set wireguard --in-place --yes --apply --confirm-within "$2"; }
masquerades() { rules | grep -q MASQUERADE; }
# Once the rules that go back unless somebody confirms them are in force.
confirm() {
    until_true 60 masquerades
    until id=$("$HOLDFAST" undo --list | grep swapping); do sleep 0.1; done
    "$HOLDFAST" undo --confirm "${id%% *}"
}

iptables-restore <<'END'
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:WG_CLIENTS - [0:0]
-A INPUT -p udp -m udp --dport 51820 -m comment --comment "the tunnel" -j ACCEPT
-A FORWARD -i eth1 -o site_00000000 -j ACCEPT
-A FORWARD -i site_00000000 -o eth1 -m state --state RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -j WG_CLIENTS
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o site_00000000 -j MASQUERADE
COMMIT
END

# A service of this gateway can be asked on a port, which the rules let in, and has no work of its own.
open_service() {
    if [ "$GATEWAY_FIREWALL" = kernel ]; then
        ip link set lo up
    else # jobs have a PATH of their own
        sed -i "s#iptables-save\|iptables-restore#$here/bin/&#g" holdfast.yaml
    fi
    sed -i '/schedule:\|retention:/d' holdfast.yaml
    iptables-save | sed 's/^-A INPUT -p udp/-A INPUT -i lo -j ACCEPT\n&/' | iptables-restore
    port=$(free_ports 1)
}
add_token() {
    status 0 "$HOLDFAST" token add "$1" --role "$2" --verb '*' --set '*'
    grep -o 'hf_[A-Za-z0-9_-]*' out | head -1
}
# Databases and clients are those of the folder former again.
clients_are_back() {
    for db in main/wireguard.db instance/configs.db; do
        dump "gw/$db" >now
        dump "former/$db" | cmp - now || fail "$db is another"
    done
    for conf in site_00000000 site_00000001 site_00000002; do
        for folder in etc instance/configs; do
            cmp "gw/$folder/$conf.conf" "former/instance/configs/$conf.conf" || fail "$folder/$conf.conf is another"
        done
    done
}
