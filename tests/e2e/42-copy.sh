#!/bin/sh
# Copies between repositories: what moves, what is refused, what survives kills and damage.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

here=$PWD

from="--from-repo $PWD/near --from-key-file $PWD/near.key"
near() { "$HOLDFAST" "$@" -r "$here/near" --key-file "$here/near.key"; }
far() { "$HOLDFAST" "$@" -r "$here/far" --key-file "$here/far.key"; }

make_tree files
head -c 3000000 /dev/urandom >files/noise
status 0 near init
status 0 near backup files --tag first
cp files/noise before
printf x | dd of=files/noise bs=1 seek=1500000 conv=notrunc 2>/dev/null
status 0 near backup files --tag second

# What cannot be copied is refused before anything is read.
status 0 "$HOLDFAST" init -r alien --key-file alien.key
# shellcheck disable=SC2086
status 2 "$HOLDFAST" copy -r alien --key-file alien.key $from
has err 'do not share chunker parameters'
has err '--copy-chunker-params'
status 2 near copy --from-repo near --from-key-file near.key
has err 'the same repository'
status 2 near copy
has err 'name the other repository with --from-repo'
# shellcheck disable=SC2086
status 2 "$HOLDFAST" init -r other --key-file other.key $from
has err '--copy-chunker-params'
[ ! -e other ] || fail "a repository was made"

# With a secret of its own.
# shellcheck disable=SC2086
status 0 "$HOLDFAST" init -r far --key-file far.key $from --copy-chunker-params
# shellcheck disable=SC2086
status 0 far copy $from --dry-run --json
json out 'lines[-1]["dry_run"] and lines[-1]["snapshots_copied"] == 2'
[ -z "$(find far -path "*/packs/*" -type f)" ] || fail "a dry run has written"
# shellcheck disable=SC2086
status 0 far copy $from --tag first
has out '1 snapshot copied, 0 there already'
status 0 far restore latest --target back1
cmp before "back1$PWD/files/noise" || fail "another file came back"
before=$(du -sb far/packs | cut -f1)
# The second differs by one byte of three million: next to nothing moves.
status 0 env HOLDFAST_FROM_REPOSITORY="$PWD/near" HOLDFAST_FROM_KEY_FILE="$PWD/near.key" \
    "$HOLDFAST" copy -r far --key-file far.key --json
json out 'lines[-1]["snapshots_copied"] == 1 and lines[-1]["snapshots_present"] == 1'
json out 'lines[-2]["message_type"] == "copied" and lines[-2]["snapshot_id"] != lines[-2]["source_snapshot_id"]'
after=$(du -sb far/packs | cut -f1)
[ $((after - before)) -lt $((before / 2)) ] || fail "far grew from $before to $after"
status 0 far restore latest --target back2
same files "back2$PWD/files"
status 0 far check --read-data
status 0 far snapshots --json
json out '[s["tags"] for s in lines[0]] == [["first"], ["second"]] and all(s["original"] for s in lines[0])'
# shellcheck disable=SC2086
status 0 far copy $from
has out '0 snapshots copied, 2 there already'
# And back: they are known there.
status 0 near copy --from-repo far --from-key-file far.key
has out '0 snapshots copied, 2 there already'

# Killed at any moment, the next run finishes; nothing half is ever listed.
head -c 60000000 /dev/urandom >files/noise
status 0 near backup files --tag third
for wait in 0.01 0.02 0.03 0.05 0.08 0.12 0.2; do
    # shellcheck disable=SC2086
    timeout -s KILL "$wait" "$HOLDFAST" copy -r far --key-file far.key $from >/dev/null 2>&1 || :
    status 0 far check --read-data
done
# shellcheck disable=SC2086
status 0 far copy $from
rm -rf back2
status 0 far restore latest --tag third --target back2
same files "back2$PWD/files"
status 0 far prune

# Damage in the source: named, not copied, and the rest is.
echo new >files/one
status 0 near backup files --tag fourth
pack=$(find near/packs -type f -size +1000k | sort | head -1)
printf 'damaged' | dd of="$pack" bs=1 seek=5000 conv=notrunc 2>/dev/null
# shellcheck disable=SC2086
status 0 "$HOLDFAST" init -r third --key-file third.key $from --copy-chunker-params
# shellcheck disable=SC2086
status 3 "$HOLDFAST" copy -r third --key-file third.key $from
has err "$(basename "$pack")"
has out 'could not be copied'
status 0 "$HOLDFAST" check -r third --key-file third.key --read-data
