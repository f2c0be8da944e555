#!/bin/sh
# Drills: proof, damage, evidence kept and gone with its snapshot.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

make_repository
status 1 "$HOLDFAST" drill
make_tree source
status 0 "$HOLDFAST" backup source -q
status 0 "$HOLDFAST" drill
has out 'proven'
status 0 "$HOLDFAST" drill latest --json
json out 'len(lines) == 1 and lines[0]["verdict"] == "proven" and lines[0]["members"][0]["files"] == 3'
status 0 "$HOLDFAST" drill --list --json
json out 'len(lines) == 2 and len({line["time"] for line in lines}) == 2'
status 0 "$HOLDFAST" drill --list --markdown
has out '| all files | proven |'
status 2 "$HOLDFAST" drill --markdown --json
status 1 "$HOLDFAST" drill no-such-set
has err 'no snapshot and no set no-such-set'
status 2 "$HOLDFAST" drill latest:/source

for pack in repo/packs/*/*; do
    printf 'damage' | dd of="$pack" bs=1 seek=200 conv=notrunc 2>/dev/null
done
status 14 "$HOLDFAST" drill
has out 'failed'
status 0 "$HOLDFAST" drill --list --json
json out '[line["verdict"] for line in sorted(lines, key=lambda line: line["time"])] == ["proven", "proven", "failed"]'

status 0 "$HOLDFAST" forget latest --prune
[ -z "$(find repo/drills -type f)" ] || fail "evidence outlived its snapshot"
