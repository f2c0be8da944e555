#!/bin/sh
# Scratch space that is full: a drill says that it did not check, and never that a sound backup failed; a backup
# that needs room for a copy stores nothing and says why.
set -eu
[ "$(id -u)" = 0 ] || exit 77 # the server of a drill is another user's, and mounting is root's
[ "${1:-}" = inside ] || exec unshare --mount --propagation private /bin/sh "$0" inside
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

dsn=''
start_postgres shop
chmod 755 .
psql -c "create table item as select i, md5(i::text) as name from generate_series(1, 150000) i; create index on item (name)"
"$PYTHON" -c '
import sqlite3
for name, rows in ("large.db", 50000), ("small.db", 5):
    c = sqlite3.connect(name)
    c.execute("create table t (a, b)")
    c.executemany("insert into t values (?, ?)", ((i, "x" * 100) for i in range(rows)))
    c.commit()'
make_repository
put_config <<YAML
sets:
  shop:
    sources:
      - sqlite: { path: $PWD/large.db }
      - sqlite: { path: $PWD/small.db }
      - postgres: { name: shop, dsn: "$dsn" }
    repositories: [main]
YAML
scratch=$(mktemp -d /tmp/holdfast-scratch.XXXXXX) # the path of a server's socket has at most 107 bytes
mount -t tmpfs -o size=2m,mode=755 tmpfs "$scratch"
at_end() { umount "$scratch" && rmdir "$scratch"; }
status 1 env TMPDIR="$scratch" "$HOLDFAST" backup --set shop
has err 'its copy: write at byte'
has err 'No space left on device'
status 0 "$HOLDFAST" snapshots --json
json out 'lines == [[]]'
status 0 "$HOLDFAST" backup --set shop

# drill SIZE: with so much room; the verdicts are in verdicts, and nothing is left.
drill() {
    mount -o "remount,size=$1" "$scratch"
    got=0
    "$HOLDFAST" drill shop --scratch "$scratch" --json >out 2>err || got=$?
    json_get out '" ".join(m["verdict"] for m in lines[0]["members"])' >verdicts
    [ -z "$(ls -A "$scratch")" ] || fail "left in $1: $(ls -A "$scratch")"
    case "$got $(cat verdicts)" in
    '0 proven proven proven' | '3 not checked'*) ;;
    *) fail "a drill in $1: status $got" ;;
    esac
}
# A server cannot have a socket of any length.
deep=$PWD/$(printf '%0100d' 0)
mkdir "$deep"
status 3 "$HOLDFAST" drill shop --scratch "$deep" --json
json out 'lines[0]["members"][0]["why"].endswith("choose a scratch folder with a shorter path")'
json out '[m["verdict"] for m in lines[0]["members"]] == ["not checked", "proven", "proven"]'

drill 2m
[ "$(cat verdicts)" = 'not checked not checked proven' ] || fail "$(cat verdicts)"
json out 'lines[0]["members"][1]["why"].endswith("No space left on device")'
# The server is in want of room at each stage of its life: rows, indexes, its log, which ends it.
size=36
until [ "$(cat verdicts)" = 'proven proven proven' ]; do
    size=$((size + 4))
    [ "$size" -lt 200 ] || fail "never room enough: $(cat verdicts)"
    drill "${size}m"
done
[ "$size" -gt 40 ] || fail 'there was always room enough'
