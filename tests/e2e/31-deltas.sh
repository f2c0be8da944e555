#!/bin/sh
# What changed a little is stored as what differs, and stays readable whatever is forgotten.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

make_repository

# Rows as a database dumps them, one of a hundred changed each night; small files, one line each; and folders of many files, of
# which one changes in each folder.
cat >night.py <<'END'
import os, random, sys

night = int(sys.argv[1])
chance = random.Random(1)
rows = [f"{i}\t{chance.getrandbits(128):032x}\n" for i in range(300000)]
for n in range(1, night + 1):
    chance = random.Random(n)
    for i in chance.sample(range(len(rows)), len(rows) // 100):
        rows[i] = f"{i}\t{chance.getrandbits(128):032x}\n" if chance.random() < 0.8 else ""
os.makedirs("data/small", exist_ok=True)
with open("data/rows", "w") as f:
    f.writelines(rows)
for i in range(200):
    chance = random.Random(i)
    lines = [f"{chance.getrandbits(256):x}\n" for _ in range(100)]
    lines[chance.randrange(100)] += f"night {night}\n"
    with open(f"data/small/{i}", "w") as f:
        f.writelines(lines)
for folder in range(12):
    os.makedirs(f"data/many/{folder}", exist_ok=True)
    for i in range(300):
        if night in (0, i):
            with open(f"data/many/{folder}/{i}", "w") as f:
                f.write(f"file {i} of folder {folder}, night {night}\n")
END
for night in 0 1 2 3; do
    "$PYTHON" night.py $night
    cp -a data "was$night"
    status 0 "$HOLDFAST" backup --json data
    cp out "added$night"
done
"$PYTHON" - <<'END' || fail "later nights are not stored as deltas"
import json

added = [json.loads(open(f"added{n}").read().splitlines()[-1])["data_added_packed"] for n in range(4)]
print(added)
# Without deltas each night would take as much as the first.  Where chunks end depends on the repository's key, and in some
# no base is found: nights took 1 to 13 % of the first in 25 repositories.
assert sum(added[1:]) * 5 < 3 * added[0], added
END

# Of the folders only what changed is stored: the first night took more than three others together.
for index in repo/index/*; do
    status 0 "$HOLDFAST" inspect "index/${index##*/}"
    cp out "said-${index##*/}"
done
"$PYTHON" - <<'END' || fail "pages of folders are not stored as deltas"
import glob, json

sizes = sorted(pack["size"] for name in glob.glob("said-*") for pack in json.load(open(name))["packs"] if pack["class"] == "tree")
print(sizes)
assert len(sizes) == 4 and sum(sizes[:3]) * 3 < sizes[3], sizes
END
status 0 "$HOLDFAST" stats --mode raw-data --json
json out 'lines[0]["delta_count"] > 100 and lines[0]["delta_size"] * 10 < lines[0]["delta_plain_size"]'
status 0 "$HOLDFAST" stats
has out 'Deltas:'
status 0 "$HOLDFAST" check --read-data

# Without the pack of a base nothing that rests on it is called sound.
largest=$(find repo/packs -type f -printf '%s %p\n' | sort -n | tail -1 | cut -d' ' -f2)
mv "$largest" elsewhere
status 0 "$HOLDFAST" snapshots --json
last=$(json_get out 'lines[0][3]["short_id"]')
status 13 "$HOLDFAST" check
has out "affected: snapshot $last: $PWD/data/rows"
mv elsewhere "$largest"
status 0 "$HOLDFAST" check

# Each night comes back, also when the night that the others rest on is forgotten.
restore_all() {
    for night in "$@"; do
        status 0 "$HOLDFAST" snapshots --json
        id=$(json_get out "lines[0][$night - $1]['id']")
        rm -rf back
        status 0 "$HOLDFAST" restore "$id" --target back
        same "was$night" "back$PWD/data"
    done
}
restore_all 0 1 2 3
status 0 "$HOLDFAST" snapshots --json
first=$(json_get out 'lines[0][0]["id"]')
status 0 "$HOLDFAST" forget "$first"
status 0 "$HOLDFAST" prune --max-unused 0
restore_all 1 2 3
status 0 "$HOLDFAST" check --read-data
status 0 "$HOLDFAST" stats
has out 'Deltas:'
