#!/bin/sh
# Where the configuration names addresses and networks, nobody else is served by any listener; behind a proxy it is the address that this names.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

free_ports 2 >ports
read -r api bundles <ports
make_repository
# configure CLIENTS
configure() {
    put_config <<END
sets:
  app: {repositories: [main], sources: [{bundle: {}}]}
serve:
  listen: ["127.0.0.1:$api"]
  proxies: [127.0.0.9]
  clients: $1
  compat: {bundle: {set: app, listen: ["127.0.0.1:$bundles"], without_token: true}}
END
}

# A list that cannot be read serves nobody, rather than everybody.
for bad in '[10.0.0.0/33]' '[10.0.0.1/8]' '[host.example.org]' '["2001:db8::/129"]' '["10.0.0.0/"]' '["10.0.0.0/8/8"]' '["/8"]'; do
    configure "$bad"
    status 2 "$HOLDFAST" serve
    has err 'is no address or network'
done
configure '[127.0.0.1, 127.0.4.0/22, 192.0.2.0/24, "2001:db8::/32"]'
status 0 "$HOLDFAST" key public --set app
start_service serve
wait_ready "$api"

# from STATUS ADDRESS METHOD PORT PATH [OPTION...]
from() {
    wanted=$1 address=$2 method=$3 port=$4 path=$5
    shift 5
    got=$(curl -s -m 60 -o out -w '%{http_code}' --interface "$address" -X "$method" "$@" "http://127.0.0.1:$port$path")
    [ "$got" = "$wanted" ] || fail "$got instead of $wanted: $address $method $path"
}
bundle='{"timestamp":"2024-01-01T00:00:00.000Z","version":"1.0.0","data":{}}'
push() { from "$1" "$2" POST "$bundles" /backup -H 'Content-Type: application/json' -d "$bundle"; }
for address in 127.0.0.1 127.0.4.0 127.0.7.255; do
    from 401 "$address" GET "$api" /api/v1/sets
    push 200 "$address"
done
for address in 127.0.0.2 127.0.3.255 127.0.8.0; do
    from 403 "$address" GET "$api" /api/v1/sets
    json out 'lines[0]["code"] == "address"'
    from 403 "$address" GET "$api" /healthz
    push 403 "$address"
done
[ "$(find state/spool/app -name '*.sealed' | wc -l)" = 3 ] || fail 'something was taken from elsewhere'

# Who is no proxy speaks for nobody; a proxy is asked for whom it speaks.
from 403 127.0.0.2 GET "$api" /healthz -H 'X-Forwarded-For: 192.0.2.7'
from 403 127.0.0.9 GET "$api" /healthz
from 200 127.0.0.9 GET "$api" /healthz -H 'X-Forwarded-For: 192.0.2.7'
from 200 127.0.0.9 GET "$api" /healthz -H 'X-Forwarded-For: 2001:db8:1::7'
from 403 127.0.0.9 GET "$api" /healthz -H 'X-Forwarded-For: 192.0.3.7'
from 403 127.0.0.9 GET "$api" /healthz -H 'X-Forwarded-For: 192.0.2.7, 198.51.100.1'
stop_service
