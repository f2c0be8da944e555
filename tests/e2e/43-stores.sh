#!/bin/sh
# Sets with several repositories: one that is away, slow to come back, full, or different.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

here=$PWD

make_tree files
cat >holdfast.yaml <<YAML
state: $PWD/state
repositories:
  main: { url: $PWD/main, key_file: $PWD/main.key }
  remote: { url: $PWD/remote, key_file: $PWD/remote.key, retention: { last: 2 } }
  alien: { url: $PWD/alien, key_file: $PWD/alien.key }
  full: { url: $PWD/full/repo, key_file: $PWD/main.key }
sets:
  shop:
    sources: [files: { paths: [$PWD/files] }]
    repositories: [main, remote]
    required_repositories: 1
    drill: after_backup
  strict:
    sources: [files: { paths: [$PWD/files] }]
    repositories: [main, remote]
  mixed:
    sources: [files: { paths: [$PWD/files] }]
    repositories: [main, alien]
  room:
    sources: [files: { paths: [$PWD/files] }]
    repositories: [full, main, remote]
    required_repositories: 2
YAML
chmod 600 holdfast.yaml
status 0 "$HOLDFAST" init -r main --key-file main.key
status 0 "$HOLDFAST" init -r remote --key-file remote.key --from-repo main --from-key-file main.key \
    --copy-chunker-params
status 0 "$HOLDFAST" init -r alien --key-file alien.key
main() { "$HOLDFAST" "$@" -r "$here/main" --key-file "$here/main.key"; }
remote() { "$HOLDFAST" "$@" -r "$here/remote" --key-file "$here/remote.key"; }
count() {
    status 0 "$@" snapshots --json
    json_get out 'len(lines[0])'
}

# Both have it, from one reading.
status 0 "$HOLDFAST" backup --set shop --json
json out '[l for l in lines if l["message_type"] == "summary"][0]["degraded"] is False'
json out 'all("snapshot_id" in r for r in [l for l in lines if l["message_type"] == "summary"][0]["repositories"])'
[ "$(count main)" = 1 ] && [ "$(count remote)" = 1 ] || fail "not in both"

# Secrets that differ are told before anything is read.
status 2 "$HOLDFAST" backup --set mixed
has err 'repositories main and alien of set mixed do not share chunker parameters'
has err '--copy-chunker-params'

# One is away: the rule of one set is met, that of the other is not.
mv remote away
echo second >files/one
status 0 "$HOLDFAST" backup --set shop --json
json out '[l for l in lines if l["message_type"] == "summary"][0]["degraded"] is True'
json out '"error" in [l for l in lines if l["message_type"] == "summary"][0]["repositories"][1]'
has err 'repository remote was not brought up to date'
status 1 "$HOLDFAST" backup --set strict
has err 'the backup is in 1 of the 2 repositories that set strict requires'
status 0 "$HOLDFAST" restore latest --set shop --in-place --yes
has err 'repository remote'
status 1 "$HOLDFAST" copy --set shop
has err 'repository remote of set shop was not brought up to date'

# Back again, it gets what it missed, as far as its own rules would keep it.
mv away remote
echo third >files/one
status 0 "$HOLDFAST" copy --set shop --dry-run
before=$(cat out)
status 0 "$HOLDFAST" copy --set shop --json
json out 'lines[-1]["degraded"] is False and lines[-1]["snapshots_copied"] > 0'
[ -n "$before" ] || fail "the dry run told nothing"
status 0 "$HOLDFAST" copy --set shop
has out '0 snapshots copied'
status 0 "$HOLDFAST" copy --set strict
status 2 "$HOLDFAST" copy --set shop latest
status 2 "$HOLDFAST" copy --set shop -r main

# The first is away: the other takes the backup, restores come from there, drills too.
mv main away
echo fourth >files/one
status 0 "$HOLDFAST" backup --set shop
has err 'repository main was not brought up to date'
has out 'Degraded'
echo broken >files/one
status 0 "$HOLDFAST" restore latest --set shop --in-place --yes
[ "$(cat files/one)" = fourth ] || fail "not the newest came back: $(cat files/one)"
status 0 "$HOLDFAST" drill shop
has out 'proven'
status 1 "$HOLDFAST" backup --set strict
mv away main
status 0 "$HOLDFAST" undo
[ "$(cat files/one)" = broken ] || fail "undo brought another state: $(cat files/one)"
# The newest is not in the first repository: it is found all the same.
status 0 "$HOLDFAST" restore latest --set shop --in-place --yes
[ "$(cat files/one)" = fourth ] || fail "not the newest came back: $(cat files/one)"
status 0 "$HOLDFAST" copy --set shop
status 0 main check --read-data
status 0 remote check --read-data

# Each repository forgets by its own rules; without any, that is said.
status 2 "$HOLDFAST" forget --set shop
has err 'set shop has no retention'
status 0 "$HOLDFAST" forget --set shop -r "$here/remote" --dry-run
has out 'would be forgotten'
status 2 "$HOLDFAST" forget --set shop -r "$here/alien"
has err 'is no repository of set shop'
status 0 "$HOLDFAST" forget --set shop -r "$here/remote" --prune
left=$(count remote)
status 0 "$HOLDFAST" copy --set shop
[ "$(count remote)" = "$left" ] || fail "what was forgotten came back"

# Interrupted while it copies: the next run finds the rest.
head -c 40000000 /dev/urandom >files/noise
for wait in 0.02 0.05 0.1 0.15; do
    timeout -s KILL "$wait" "$HOLDFAST" backup --set shop >/dev/null 2>&1 || :
    status 0 main check
    status 0 remote check
done
status 0 "$HOLDFAST" backup --set shop
lacks out 'Degraded'
status 0 remote restore latest --target back
same files "back/files$PWD/files"

# A disk that is full, where there may be one of our own.
if unshare -m true 2>/dev/null; then
    mkdir full
    # shellcheck disable=SC2016
    status 0 unshare -m sh -euc '
        mount -t tmpfs -o size=2m tmpfs full
        "$1" init -r full/repo --key-file main.key --from-repo main --from-key-file main.key \
            --copy-chunker-params
        "$1" backup --set room' sh "$HOLDFAST"
    has err 'repository full was not brought up to date'
    has err 'No space left on device'
    has out 'Degraded'
    status 0 main check --read-data
    status 0 remote check --read-data
fi
