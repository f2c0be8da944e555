#!/bin/sh
# What restore replaces, leaves, deletes and refuses.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

make_tree source
make_repository
status 0 "$HOLDFAST" backup source
restore() { status 0 "$HOLDFAST" restore "latest:$PWD/source" --target target "$@"; }

restore --dry-run
[ ! -e target/one ] || fail "a dry run has written"
restore --include two
[ -e target/a/two ] && [ ! -e target/one ] || fail "--include"
rm -rf target
restore --exclude b
[ -e target/a/two ] && [ ! -e target/a/b ] || fail "--exclude"
printf '# a comment\n\ntwo\n' >patterns
rm -rf target
restore --exclude-file patterns
[ -e target/one ] && [ ! -e target/a/two ] || fail "--exclude-file"
restore
same source target

echo mine >target/one
restore --overwrite never
[ "$(cat target/one)" = mine ] || fail "--overwrite never"
restore --overwrite if-newer
[ "$(cat target/one)" = mine ] || fail "--overwrite if-newer"
restore --overwrite if-changed
[ "$(cat target/one)" = one ] || fail "--overwrite if-changed"
echo two >target/one
restore --overwrite always
same source target

echo extra >target/extra
mkdir -p target/empty/more
restore
[ -e target/extra ] || fail "deleted unasked"
restore --delete --dry-run
[ -e target/extra ] || fail "a dry run has deleted"
restore --delete --verify
has out 'deleted'
same source target

status 2 "$HOLDFAST" restore latest --target / --delete
status 2 "$HOLDFAST" restore latest --target target --overwrite sometimes
status 1 "$HOLDFAST" restore "latest:/no/such/place" --target target

# A link in the target leads nowhere.
rm -rf target outside
mkdir outside target
ln -s "$PWD/outside" target/a
"$HOLDFAST" restore "latest:$PWD/source" --target target >out 2>err || true
[ -z "$(ls outside)" ] || fail "restore has followed a link out of the target"
