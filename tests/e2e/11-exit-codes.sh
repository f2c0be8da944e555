#!/bin/sh
# Each kind of failure has its exit status, one sentence, and a hint where there is something to do.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

status 2 "$HOLDFAST"
status 2 "$HOLDFAST" bakcup
has err 'hint: did you mean backup?'
status 2 "$HOLDFAST" backup --exclud x /tmp
has err 'hint: did you mean --exclude?'
status 2 "$HOLDFAST" snapshots
has err 'no repository given'
status 2 "$HOLDFAST" diff one
status 0 "$HOLDFAST" --help
status 0 "$HOLDFAST" diff --help
status 0 "$HOLDFAST" version

make_tree source
make_repository
status 1 "$HOLDFAST" init
[ "$(wc -l <err)" = 1 ] || fail "more than one line"
status 10 "$HOLDFAST" -r "$PWD/nothing" snapshots
has err 'hint: '
mkdir empty
status 10 "$HOLDFAST" -r "$PWD/empty" snapshots
status 2 "$HOLDFAST" -r 'gopher://x' snapshots
status 2 "$HOLDFAST" --key-file "$PWD/nokey" snapshots
echo "$(printf '%064d' 1)" >wrong
status 12 "$HOLDFAST" --key-file wrong snapshots
has err 'hint: '
status 2 "$HOLDFAST" --key-file key --password-file wrong snapshots

status 0 "$HOLDFAST" backup source
status 3 "$HOLDFAST" backup source "$PWD/gone"
has err "$PWD/gone"
status 1 "$HOLDFAST" backup "$PWD/gone"
status 1 "$HOLDFAST" ls 0123456789abcdef
status 2 "$HOLDFAST" restore latest
status 2 "$HOLDFAST" restore latest --target / --delete
status 2 "$HOLDFAST" forget
status 1 "$HOLDFAST" dump latest /no/such/file

# Damage: a byte of every pack.
for pack in repo/packs/*/*; do
    chmod u+w "$pack"
    printf '\377' | dd of="$pack" bs=1 seek=200 conv=notrunc status=none
done
status 13 "$HOLDFAST" check --read-data
status 13 "$HOLDFAST" restore latest --target broken

# Interrupted: while a stream that never ends is read.
mkfifo pipe
sleeper=''
at_end() { [ -z "$sleeper" ] || kill "$sleeper"; }
# A backup whose stream comes to a halt; more than a pipe holds of it was read.
begin() {
    rm -f is_read
    (head -c 1000000 /dev/zero && : >is_read && exec sleep 600) >pipe &
    sleeper=$!
    "$HOLDFAST" backup --stdin <pipe >out 2>err &
    backup=$!
    until_true 60 test -e is_read
}
begin
kill -INT "$backup" 2>/dev/null || true
kill "$sleeper"
got=0
wait "$backup" || got=$?
# A shell starts background jobs with SIGINT ignored, and holdfast leaves it so.
[ "$got" = 0 ] || [ "$got" = 130 ] || fail "status $got of an interrupted backup"
begin
kill -TERM "$backup"
got=0
wait "$backup" || got=$?
[ "$got" = 130 ] || fail "status $got after SIGTERM"
