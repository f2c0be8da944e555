#!/bin/sh
# A WireGuard Gateway as a set.
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
