#!/bin/sh
# A WireGuard Gateway as a set, and its snapshots as the application's zip files.
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"

# The profile is a configuration, and what its documentation says is in it.
cp "$cases/../../deploy/profiles/wireguard-gateway.yaml" profile.yaml
chmod 600 profile.yaml
status 0 "$HOLDFAST" config validate -c profile.yaml
has out '1 set, all well'
status 0 "$HOLDFAST" config show wireguard -c profile.yaml --json
json out 'sorted(k for s in lines[0]["sets"]["wireguard"]["sources"] for k in s) == ["command", "files", "files", "sqlite", "sqlite"]'
json out 'len(lines[0]["sets"]["wireguard"]["health_checks"]) == 2 and lines[0]["sets"]["wireguard"]["drill"] == "after_backup"'

# A gateway in this folder.
here=$PWD
gateway() { "$PYTHON" "$cases/gateway.py" "$@"; }
gateway make "$here/gw"
cat >"$here/rules" <<'END'
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -i eth1 -o site_00000000 -j ACCEPT
COMMIT
END
cat >holdfast.yaml <<END
state: $here/state
repositories:
  main: { url: $here/repo, key_file: $here/key }
sets:
  gateway:
    sources:
      - sqlite: { name: wireguard.db, path: $here/gw/main/wireguard.db }
      - sqlite: { name: configs.db, path: $here/gw/instance/configs.db }
      - files: { name: configs, paths: [$here/gw/instance/configs] }
      - files: { name: etc, paths: [$here/gw/etc] }
      - command: { name: iptables, argv: [cat, $here/rules] }
    repositories: [main]
  other:
    sources: [files: { name: configs, paths: [$here/gw/instance/configs] }]
    repositories: [main]
END
chmod 600 holdfast.yaml
export_to() { "$HOLDFAST" export wireguard "$2" --set gateway --output-dir "$1"; }
status 0 "$HOLDFAST" init -r repo --key-file key
status 0 "$HOLDFAST" backup --set gateway --json
first=$(json_get out 'lines[-1]["snapshot_id"]')

# The zip file is one that the application takes, and all of its parts are as they were.
mkdir zips
status 0 export_to zips latest
has out '2 databases, 3 configurations, rules of the firewall'
has out 'It is not encrypted and holds private keys'
zip=$(ls zips/wireguard_backup_*.zip)
[ "$(ls -A zips | wc -l)" = 1 ] || fail "more than one file"
[ "$(stat -c %a "$zip")" = 600 ] || fail "others may read it"
status 0 gateway valid "$zip"
status 0 gateway same "$zip" "$here/gw"
unzip -p "$zip" iptables_rules.txt | cmp - rules || fail "other rules"
! grep -q "gateway's own" "$zip" || fail "keys of the gateway are in it"
status 0 "$HOLDFAST" import "$zip" --dry-run
has out 'Recognised:  wireguard, version 1.0'

# Never over another file.
before=$(sha256sum "$zip")
status 1 export_to zips latest
has err 'nothing was written'
[ "$(sha256sum "$zip")" = "$before" ] || fail "the file was replaced"
[ "$(ls -A zips | wc -l)" = 1 ] || fail "something was left behind"

# An older snapshot is had by its id; with --json the sum is told.
rm "$zip"
: >rules
rm gw/instance/configs/site_00000002.conf
sleep 1 # the name goes by the second
status 0 "$HOLDFAST" backup --set gateway
status 0 "$HOLDFAST" export wireguard "$first" --set gateway --output-dir zips --json
json out 'lines[0]["databases"] == 2 and lines[0]["configs"] == 3 and lines[0]["rules"] == 1 and not lines[0]["encrypted"]'
[ "$(json_get out 'lines[0]["sha256"]')" = "$(sha256sum <"$zip" | cut -d ' ' -f 1)" ] || fail "another sum"
[ "$(json_get out 'lines[0]["path"]')" = "$zip" ] || fail "another path"
mkdir later
status 0 export_to later latest
has out '2 configurations, no rules of the firewall'
status 0 gateway valid later/*.zip
status 0 gateway same later/*.zip "$here/gw"

# What the application would not take, and what is no gateway, is said and not written.
mkdir none
refused() { # WHY
    status 2 export_to none latest
    has err "$1"
    [ -z "$(ls -A none)" ] || fail "something was written"
}
status 2 "$HOLDFAST" export wireguard latest --set gateway
status 2 "$HOLDFAST" export wireguard latest --output-dir none
status 1 export_to missing latest
echo '[Interface]' >gw/instance/configs/half.conf
status 0 "$HOLDFAST" backup --set gateway
refused 'half.conf lacks [Interface] or [Peer]'
rm gw/instance/configs/half.conf
ln -s /etc/passwd gw/instance/configs/link.conf
status 0 "$HOLDFAST" backup --set gateway
refused 'link.conf is neither a file nor a folder'
rm gw/instance/configs/link.conf
echo x >gw/instance/configs/a..b.conf
status 0 "$HOLDFAST" backup --set gateway
refused 'Malicious path detected'
rm gw/instance/configs/a..b.conf
status 0 "$HOLDFAST" backup --set other
status 2 "$HOLDFAST" export wireguard latest --set other --output-dir none
has err 'it is none of a gateway'
[ -z "$(ls -A none)" ] || fail "something was written"
