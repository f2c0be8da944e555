#!/bin/sh
# What backups of a set need is tried by the service, which says what is wrong; nothing is kept.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

port=$(free_ports 1)
make_repository
mkdir data
put_config <<YAML
sets:
  shop: {repositories: [main], sources: [{files: {paths: [$work/data]}}]}
  lost: {repositories: [main], sources: [{files: {paths: [$work/nowhere]}}]}
serve:
  listen: ["127.0.0.1:$port"]
YAML
status 0 "$HOLDFAST" token add boss --role admin --verb '*' --set '*'
token=$(grep -o 'hf_[A-Za-z0-9_-]*' out | head -1)
api() { curl -sf -H "Authorization: Bearer $token" "$@"; }
# try_set SET: order it, and leave the job in out.
try_set() {
    status 0 api -X POST "http://127.0.0.1:$port/api/v1/sets/$1/test"
    job=$(json_get out 'lines[0]["job"]')
    until_true 60 sh -c "curl -sf -H 'Authorization: Bearer $token' http://127.0.0.1:$port/api/v1/jobs/$job | grep -qE '\"state\": ?\"(success|failed)\"'"
    api "http://127.0.0.1:$port/api/v1/jobs/$job" >out
}

start_service serve
wait_ready "$port"
objects=$(find repo -type f | wc -l)
try_set shop
json out 'lines[0]["state"] == "success" and lines[0]["result"]["details"]["tried"] == 2'
try_set lost
json out 'lines[0]["state"] == "failed" and "nowhere" in lines[0]["result"]["error"]'
[ "$(find repo -type f | wc -l)" = "$objects" ] || fail 'something was kept'
status 0 api "http://127.0.0.1:$port/api/v1/version"
json out 'lines[0]["version"]'
stop_service
