#!/bin/sh
# Forgetting by name and by rules, bringing back, and what prune makes final.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

make_repository
for day in 01 02 03 04 05; do
    rm -rf source
    make_tree source
    head -c 50000 /dev/urandom >"source/$day"
    status 0 "$HOLDFAST" backup source --time "2026-03-$day 10:00" --tag "day$day" -q
done
count() {
    status 0 "$HOLDFAST" snapshots --json
    json out "len(lines[0]) == $1"
}
count 5

status 0 "$HOLDFAST" forget --keep-last 2 --keep-tag day01 --dry-run
has out 'would be forgotten'
has out 'last snapshot'
count 5
status 0 "$HOLDFAST" forget --keep-last 2 --keep-tag day01
count 3

status 0 "$HOLDFAST" snapshots --all
has out 'forgotten'
status 0 "$HOLDFAST" snapshots --all --json
id=$(json_get out '[s["id"] for s in lines[0] if s["tags"] == ["day03"]][0]')
status 0 "$HOLDFAST" forget --undo "$id"
count 4
status 1 "$HOLDFAST" forget --undo "$id"
status 0 "$HOLDFAST" restore "$id:$PWD/source" --target back --verify

status 0 "$HOLDFAST" forget "$id"
count 3
status 2 "$HOLDFAST" forget "$id" --keep-last 1
status 0 "$HOLDFAST" prune --dry-run
has out 'Would remove'
before=$(du -sk repo | cut -f1)
status 0 "$HOLDFAST" prune
has out 'to the trash for 7 days'
has out 'Removed 0 packs for good: 0 B are free'
status 0 "$HOLDFAST" stats
has out 'Trash:'
status 2 "$HOLDFAST" prune --empty-trash --max-unused 10%
status 0 "$HOLDFAST" prune --empty-trash --dry-run --json
json out 'lines[-1]["packs_freed"] > 0 and lines[-1]["bytes_in_trash"] == 0'
status 0 "$HOLDFAST" prune --empty-trash
has out 'are free'
[ "$(du -sk repo | cut -f1)" -lt "$before" ] || fail "emptying the trash has freed nothing"
status 0 "$HOLDFAST" stats
lacks out 'Trash:'
status 1 "$HOLDFAST" forget --undo "$id"
status 0 "$HOLDFAST" check --read-data
status 0 "$HOLDFAST" restore "latest:$PWD/source" --target last --verify
same source last

status 0 "$HOLDFAST" tag --add kept --remove day05 latest
status 0 "$HOLDFAST" snapshots --tag kept --json
json out 'len(lines[0]) == 1 and lines[0][0]["tags"] == ["kept"] and "original" in lines[0][0]'
count 3
status 0 "$HOLDFAST" forget --keep-last 1 --group-by '' --prune
count 1
status 0 "$HOLDFAST" check --read-data
