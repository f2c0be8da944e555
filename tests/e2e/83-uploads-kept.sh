#!/bin/sh
# What is uploaded for a set gets into all of its repositories, and its rules judge it name by name, apart from the backups.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

port=$(free_ports 1)
mkdir data
echo one >data/file
cat >holdfast.yaml <<YAML
state: $work/state
repositories:
  main: {url: $work/main, key_file: $work/main.key}
  vault: {url: $work/vault, key_file: $work/vault.key}
sets:
  shop:
    repositories: [main, vault]
    sources: [{files: {paths: [$work/data]}}]
    retention: {last: 2, max_percent: 100}
serve:
  listen: ["127.0.0.1:$port"]
YAML
chmod 600 holdfast.yaml
status 0 "$HOLDFAST" init -r main --key-file main.key
status 0 "$HOLDFAST" init -r vault --key-file vault.key --from-repo main --from-key-file main.key --copy-chunker-params
status 0 "$HOLDFAST" token add boss --role admin --verb '*' --set '*'
token=$(grep -o 'hf_[A-Za-z0-9_-]*' out | head -1)
start_service serve
wait_ready "$port"
for n in 1 2 3; do
    echo "export $n" >"export.$n"
    status 0 curl -sf -H "Authorization: Bearer $token" -X POST -T "export.$n" "http://127.0.0.1:$port/api/v1/sets/shop/uploads/export.sql"
done
status 0 curl -sf -H "Authorization: Bearer $token" -X POST -T export.1 "http://127.0.0.1:$port/api/v1/sets/shop/uploads/other.sql"
stop_service

# in_repository NAME: the paths of what there is of the set there, with its uploads.
in_repository() {
    status 0 "$HOLDFAST" -r "$work/$1" --key-file "$work/$1.key" snapshots --set shop --uploads --json
    json_get out '" ".join(sorted(one["paths"][0] for one in lines[0]))'
}
[ "$(in_repository main)" = '/export.sql /export.sql /export.sql /other.sql' ] || fail 'nothing came'
[ "$(in_repository vault)" = '' ] || fail 'there was a backup'
status 0 "$HOLDFAST" backup --set shop
[ "$(in_repository vault)" = '/export.sql /export.sql /files /other.sql' ] || fail "the rules choose: $(in_repository vault)"
status 0 "$HOLDFAST" backup --set shop
status 0 "$HOLDFAST" forget --set shop --dry-run
has out 'would be forgotten: upload, no rule keeps it'
status 0 "$HOLDFAST" forget --set shop
[ "$(in_repository main)" = '/export.sql /export.sql /files /files /other.sql' ] || fail "$(in_repository main)"
[ "$(in_repository vault)" = '/export.sql /export.sql /files /files /other.sql' ] || fail "$(in_repository vault)"
