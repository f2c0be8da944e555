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
mkdir bin
if [ "$GATEWAY_FIREWALL" = file ]; then
    printf '#!/bin/sh\ncat "%s/gw/firewall"\n' "$here" >bin/iptables-save
    printf '#!/bin/sh\nrules=$(cat)\ncase $rules in *no_such_chain*) echo "line 5 failed" >&2; exit 1 ;; esac\n[ "${1-}" = --test ] || echo "$rules" >"%s/gw/firewall"\n' \
        "$here" >bin/iptables-restore
    mkdir gw # where jobs may write, too
    : >gw/firewall
    PATH=$here/bin:$PATH
fi
# Its application has both databases open, and its service brings up what configs.db calls active; links are files here.
mkdir service links
printf '#!/bin/sh\nexec "%s" "%s/application.py" "$1" "%s/service"\n' "$PYTHON" "$cases" "$here" >bin/systemctl
printf '#!/bin/sh\ncd "%s/links"\ncase $2 in show) [ -e "$4" ] ;; delete) rm "$4" && echo "link $4" >>../links.log ;; esac\n' "$here" >bin/ip
printf '#!/bin/sh\ncd "%s/links"\n[ "$2" != site_00000001 ] || { echo "not a WireGuard interface" >&2; exit 1; }\nrm "$2" && echo "down $2" >>../links.log\n' \
    "$here" >bin/wg-quick
printf '#!/bin/sh\n' >service/before
cat >>service/before <<END
"$PYTHON" -c 'import sqlite3; [print(*row) for row in sqlite3.connect("$here/gw/instance/configs.db").execute("select name from clients where status = \\"active\\"")]' |
    while read -r name; do : >"$here/links/\$name"; done
END
chmod +x bin/* service/before

# The profile, with its paths led here.
"$PYTHON" "$cases/gateway.py" make "$here/gw"
sed_profile() {
    sed -e "s#/var/lib/wireguard-gateway#$here/gw/main#g" -e "s#/opt/wireguard-gateway/instance#$here/gw/instance#g" \
        -e "s#/etc/wireguard#$here/gw/etc#g" -e "s#/var/lib/holdfast#$here/state#" -e "s#/srv/holdfast#$here/repo#" \
        -e "s#/etc/holdfast/main.key#$here/key#" -e "s#\[systemctl#[$here/bin/systemctl#" -e "s#ip link#sh $here/bin/ip link#g" \
        -e "s#wg-quick down#sh $here/bin/wg-quick down#" "$cases/../../deploy/profiles/wireguard-gateway.yaml"
}
sed_profile >holdfast.yaml
chmod 600 holdfast.yaml
# No child of the case, which waits for all of those.
(
    "$PYTHON" "$cases/application.py" supervise "$here/service" "$here/gw/instance/configs" \
        "$here/gw/main/wireguard.db" "$here/gw/instance/configs.db" >service/out 2>&1 &
    echo $! >service/pid
)
end_application() { kill "$(cat "$here/service/pid")"; }
at_end() { end_application; }
until_true 20 test -S service/socket
bin/systemctl start wireguard-gateway
sql() { "$PYTHON" -c 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2])' "$@"; }
# What the firewall does; a table without rules is none.
rules() { iptables-save | sed -n '/^[*]/h; /^-A\|DROP\| - /{G; s/\n/ /p}'; }
# Every byte, and who may read it, but for what is kept beside.
state() {
    (cd gw && find . ! -path '*holdfast-*' ! -name firewall -printf '%p %y %m\n' | sort &&
        find . -type f ! -path '*holdfast-*' ! -name firewall -exec sha256sum {} + | sort)
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

# Jobs have a PATH of their own, and start what the configuration names; a shell among them reads what it likes.
lead_firewall() { # FILE
    [ "$GATEWAY_FIREWALL" = kernel ] || sed -i -e "s#(iptables-save)#(sh $here/bin/iptables-save)#" -e "s#\[iptables-restore#[$here/bin/iptables-restore#" "$1"
}
# A service of this gateway can be asked on a port, which the rules let in, and has no work of its own.
open_service() {
    [ "$GATEWAY_FIREWALL" = file ] || ip link set lo up
    lead_firewall holdfast.yaml
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
