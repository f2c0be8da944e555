#!/bin/sh
# Every repository in v*/ must be read by holdfast and by the independent reader, and can be written to.
# Usage: HOLDFAST=PROGRAM golden_test.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-/usr/bin/python3}
scratch=$(mktemp -d)
trap 'chmod -R u+rwX "$scratch"; rm -rf "$scratch"' EXIT
export HOLDFAST_CACHE_DIR="$scratch/cache" PYTHONDONTWRITEBYTECODE=1
umask 022
bad=0

# Say in one line whether the command in the other arguments succeeds.
say() {
    sentence=$1
    shift
    if "$@" >"$scratch/said" 2>&1; then
        echo "ok $name: $sentence"
    else
        cat "$scratch/said"
        echo "FAILED $name: $sentence"
        bad=1
    fi
}

holdfast() { "$HOLDFAST" "$@" --repo "$copy/repo" --key-file "$copy/key"; }
reader() { "$python" "$here/../reader/holdfast_reader.py" -r "$copy/repo" --key-file "$copy/key" "$@"; }

# The snapshots are those expected, no more.
holdfast_lists() { holdfast snapshots --json | grep -oE '"id": ?"[0-9a-f]{64}"' | grep -oE '[0-9a-f]{64}' | sort | diff - "$scratch/ids"; }
reader_lists() { reader snapshots | cut -d' ' -f1 | sort | diff - "$scratch/ids"; }

compare() { "$python" "$here/../reader/tree_manifest.py" compare "$copy/expected/$1" "$scratch/out$source"; }

# Only root can bring back devices and owners, so another user's restore may end with 1.
holdfast_restores() {
    status=0
    holdfast restore "$1" --target "$scratch/out" --numeric-ids --verify || status=$?
    [ $status = 0 ] || { [ $status = 1 ] && [ "$(id -u)" != 0 ]; } || return 1
    compare "$1"
}
reader_restores() { reader restore "$1" "$scratch/out" && compare "$1"; }

forget_restored() {
    [ ! -e "$scratch/out" ] || { chmod -R u+rwX "$scratch/out" && rm -rf "$scratch/out"; }
}

password_opens() {
    "$HOLDFAST" snapshots --repo "$copy/repo" --password-file "$copy/password" &&
        "$python" "$here/../reader/holdfast_reader.py" -r "$copy/repo" --password-file "$copy/password" snapshots
}

# A copy with the folders that git does not keep.
copy_out() {
    copy=$scratch/$1
    mkdir -p "$copy"
    cp -R "$here/$1/." "$copy"
    (cd "$copy/repo" && mkdir -p packs index snapshots commits trash condemned keys)
    chmod 600 "$copy/key"
    source=$(cat "$copy/source")
    (cd "$copy/expected" && ls) | sort >"$scratch/ids"
}

writes_on() {
    holdfast prune && [ -z "$(ls "$copy/repo/condemned")" ] && holdfast backup "$here" && holdfast check --read-data && reader check
}

for name in $(cd "$here" && ls -d v*/*/ | sed 's|/$||'); do
    copy_out "$name"
    say 'holdfast lists its snapshots' holdfast_lists
    say 'the reader lists its snapshots' reader_lists
    say 'holdfast check --read-data finds no damage' holdfast check --read-data
    say 'the reader finds no damage' reader check
    [ ! -e "$copy/password" ] || say 'its password opens it' password_opens
    while read -r id; do
        say "holdfast restores snapshot $id" holdfast_restores "$id"
        forget_restored
        say "the reader restores snapshot $id" reader_restores "$id"
        forget_restored
    done <"$scratch/ids"
    say 'after a prune and a backup it is whole' writes_on
    while read -r id; do
        say "after that the reader restores snapshot $id" reader_restores "$id"
        forget_restored
    done <"$scratch/ids"
done
exit $bad
