#!/bin/sh
# What was renamed or moved and then edited is stored as what differs from what it was.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

make_repository

# Sources of a program in folders, and a dump.
cat >make.py <<'END'
import os, random

chance = random.Random(1)
for folder in range(12):
    os.makedirs(f"data/tree/part {folder}", exist_ok=True)
    for file in range(20):
        with open(f"data/tree/part {folder}/file{file}.c", "w") as f:
            f.writelines(f"{chance.getrandbits(256):x}\n" for _ in range(200))
os.makedirs("data/dumps", exist_ok=True)
with open("data/dumps/shop-2026-11-21.sql", "w") as f:
    f.writelines(f"{n}\t{chance.getrandbits(256):x}\n" for n in range(20000))
END
cat >edit.py <<'END'
import os, sys

# A line more in each file below; editors write a new file and rename it.
for folder, _, files in os.walk(sys.argv[1]):
    for name in files:
        path = os.path.join(folder, name)
        with open(path) as f:
            lines = f.readlines()
        lines.insert(len(lines) // 2, "edited\n")
        with open(path + ".new", "w") as f:
            f.writelines(lines)
        os.rename(path + ".new", path)
END
"$PYTHON" make.py
status 0 "$HOLDFAST" backup --json data
first=$(json_get out 'lines[-1]["data_added_packed"]')

# stored WHAT: a backup adds less than a tenth of the first, and comes back as it is.
turn=0
stored() {
    turn=$((turn + 1))
    cp -a data "was$turn"
    status 0 "$HOLDFAST" backup --json data
    added=$(json_get out 'lines[-1]["data_added_packed"]')
    echo "$1: $added bytes of $first"
    [ $((added * 10)) -lt "$first" ] || fail "$1: $added bytes are added, the first backup took $first"
    status 0 "$HOLDFAST" restore latest --target back
    same "was$turn" "back$PWD/data"
    rm -rf back
}

mv data/tree data/renamed
"$PYTHON" edit.py data/renamed
stored 'a folder renamed, its files edited'
# Each after the file that it was, although editors' new files have inodes of other former ones.
[ $((added * 40)) -lt "$first" ] || fail "files of a renamed folder: $added bytes are added, the first backup took $first"

mkdir -p data/deep/below
mv "data/renamed/part 3" "data/deep/below/moved"
"$PYTHON" edit.py data/deep
stored 'a folder moved, its files edited'

mv data/renamed/part\ 4 kept
cp -r kept 'data/renamed/part 4'
mv data/renamed data/again
rm -rf kept
"$PYTHON" edit.py 'data/again/part 4'
stored 'a folder copied below one renamed'

for n in 1 2 3 4 5 6 7 8 9; do
    mv "data/again/part 5/file$n.c" "data/again/part 5/other$n.c"
    sed -i '$d' "data/again/part 5/other$n.c"
done
stored 'files renamed and cut'

sed '5000s/^/changed /' data/dumps/shop-2026-11-21.sql >data/dumps/shop-2026-11-22.sql
stored "tonight's dump beside yesterday's"

# All of it new, nothing alike: it is stored whole, and right.
mkdir data/new
head -c 300000 /dev/urandom | base64 >data/new/file1.c
cp -a data last
status 0 "$HOLDFAST" backup data
status 0 "$HOLDFAST" restore latest --target back
same last "back$PWD/data"
status 0 "$HOLDFAST" check --read-data
status 0 "$HOLDFAST" stats
has out 'Deltas:'

# The level is a matter of configuration, of the command line before it; the least level is not what was asked for.
cat >holdfast.yaml <<END
repositories:
  main: {url: $PWD/sets, key_file: $PWD/set.key}
sets:
  shop:
    sources: [files: {paths: [$PWD/data/again]}]
    repositories: [main]
    compression: off
END
status 0 "$HOLDFAST" init -r "$PWD/sets" --key-file "$PWD/set.key"
size_of_set() {
    status 0 env -u HOLDFAST_REPOSITORY -u HOLDFAST_KEY_FILE "$HOLDFAST" backup --config holdfast.yaml --set shop --force --json "$@"
    json_get out 'lines[-1]["data_added_packed"]'
}
raw=$(size_of_set)
rm -rf sets && status 0 "$HOLDFAST" init -r "$PWD/sets" --key-file "$PWD/set.key"
max=$(size_of_set --compression max)
[ $((max * 10)) -lt $((raw * 7)) ] || fail "compression off: $raw bytes, max: $max"
status 2 env -u HOLDFAST_REPOSITORY -u HOLDFAST_KEY_FILE "$HOLDFAST" backup --config holdfast.yaml --set shop --compression 20
has err '--compression: "20" is not auto, off, max or 1 to 19'

# What was stored raw is compressed later; nothing is left for a second run.
rm -rf sets && status 0 "$HOLDFAST" init -r "$PWD/sets" --key-file "$PWD/set.key"
size_of_set >/dev/null
status 0 "$HOLDFAST" prune -r "$PWD/sets" --key-file "$PWD/set.key" --recompress --dry-run
has out 'Would compress'
status 0 "$HOLDFAST" prune -r "$PWD/sets" --key-file "$PWD/set.key" --recompress --json
json out 'lines[-1]["packs_recompressed"] > 0 and lines[-1]["bytes_gained"] * 4 > lines[-1]["bytes_before"]'
status 0 "$HOLDFAST" prune -r "$PWD/sets" --key-file "$PWD/set.key" --recompress --json
json out 'lines[-1]["packs_recompressed"] == 0 and lines[-1]["packs_removed"] == 0 and not lines[-1]["has_untried"]'
status 0 "$HOLDFAST" check -r "$PWD/sets" --key-file "$PWD/set.key" --read-data
status 2 "$HOLDFAST" prune -r "$PWD/sets" --key-file "$PWD/set.key" --recompress=off
status 2 "$HOLDFAST" prune -r "$PWD/sets" --key-file "$PWD/set.key" --recompress --empty-trash
status 2 "$HOLDFAST" prune -r "$PWD/sets" --key-file "$PWD/set.key" --recompress 9
