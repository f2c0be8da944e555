#!/bin/sh
# A first backup, a second one, and both come back as they were.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

make_tree source
make_repository
has out 'Made repository'
has out "Made the key file $PWD/key"
[ "$(stat -c %a key)" = 600 ] || fail "the key file can be read by others"

status 0 "$HOLDFAST" backup source
has out '3 new'
has out 'saved.'
cp -a source first
echo changed >source/one
rm -r source/a/b
status 0 "$HOLDFAST" backup source

status 0 "$HOLDFAST" snapshots
has out '2 snapshots'
status 0 "$HOLDFAST" snapshots --json
old=$(json_get out 'lines[0][0]["short_id"]')

status 0 "$HOLDFAST" restore "latest:$PWD/source" --target new
same source new
status 0 "$HOLDFAST" restore "$old:$PWD/source" --target old --verify
same first old
[ "$(stat -c %Y old/one)" = "$(stat -c %Y first/one)" ] || fail "the time of a file is lost"
[ "$(readlink old/a/link)" = ../one ] || fail "a link is lost"

status 0 "$HOLDFAST" ls -l latest "$PWD/source"
has out '/source/one'
lacks out '/source/a/two'
status 0 "$HOLDFAST" find 'tw*'
has out '/source/a/two'
status 0 "$HOLDFAST" diff "$old" latest
has out 'M '
has out '/source/a/b/large'
status 0 "$HOLDFAST" dump latest "$PWD/source/one"
[ "$(cat out)" = changed ] || fail "dump writes something else"
"$HOLDFAST" dump "$old" "$PWD/source" | tar xf - -C "$(mkdir tar && echo tar)"
same first tar
status 0 "$HOLDFAST" check --read-data
has out 'No damage found'
status 0 "$HOLDFAST" backup --dry-run source
has out 'Dry run'

# Directories above the source belong to a snapshot, and others may change them at any moment.
sleep 3 # times that are younger than two seconds are not trusted
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    status 0 "$HOLDFAST" backup source
    status 0 "$HOLDFAST" backup --skip-if-unchanged source
    ! grep -q 'no snapshot was made' out || break
done
has out 'no snapshot was made'
[ "$attempt" = 1 ] || echo "made $attempt attempts"

# A closed pipe and a full disk are failures, not silence.
status 1 sh -c '"$HOLDFAST" ls latest >/dev/full'
has err 'standard output'
