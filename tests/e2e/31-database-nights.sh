#!/bin/sh
# A database that is a file: what its nights take, and that each comes back whatever was done to it.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

make_repository
mkdir data

# night.py NUMBER: what is done before that night's backup.  The log of write-ahead mode is there while the process is.
cat >night.py <<'END'
import random, sqlite3, sys

night = int(sys.argv[1])
chance = random.Random(night)
db = sqlite3.connect("data/shop.db", isolation_level=None)


def note(most):
    return f"{chance.getrandbits(4 * 30):030x}"[:chance.randint(5, most)]


def update(part):
    count = db.execute("SELECT max(id) FROM orders").fetchone()[0]
    db.execute("BEGIN")
    for i in chance.sample(range(1, count + 1), count // part):
        db.execute("UPDATE orders SET cents = ?, note = ? WHERE id = ?", (chance.randrange(100000), note(30), i))
    db.execute("COMMIT")


if night == 0:
    db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, cents INTEGER, note TEXT)")
    db.execute("BEGIN")
    db.executemany("INSERT INTO orders VALUES (?, ?, ?)", ((i, chance.randrange(100000), note(30)) for i in range(1, 400001)))
    db.execute("COMMIT")
    db.execute("CREATE INDEX by_cents ON orders (cents)")
elif night in (1, 2):
    update(200)
elif night == 3:
    db.execute("BEGIN")
    db.executemany("INSERT INTO orders VALUES (?, ?, ?)", ((i, 7, note(30)) for i in range(400001, 480001)))
    db.execute("COMMIT")
elif night == 4:
    db.execute("DELETE FROM orders WHERE id % 3 = 0")
    db.execute("VACUUM")
elif night == 5:
    db.execute("PRAGMA page_size = 8192")
    db.execute("VACUUM")
elif night == 6:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    update(200)
else:
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("DELETE FROM orders WHERE id > 1000")
    db.execute("VACUUM")
assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
if night == 6:
    print("ready", flush=True)
    sys.stdin.read()
db.close()
END

# With the log of the sixth night there, which closing would bring in.
mkfifo go ready
for night in 0 1 2 3 4 5 6 7; do
    if [ $night = 6 ]; then
        "$PYTHON" night.py $night <go >ready &
        exec 3>go
        read -r _ <ready
        [ -s data/shop.db-wal ] || fail "there is no log"
    else
        "$PYTHON" night.py $night
    fi
    cp -a data "was$night"
    status 0 "$HOLDFAST" backup --json data
    cp out "added$night"
    if [ $night = 6 ]; then
        exec 3>&-
        wait
    fi
done
"$PYTHON" - <<'END' || fail "nights of a database take more than what changed"
import json, os

added = [json.loads(open(f"added{n}").read().splitlines()[-1])["data_added_packed"] for n in range(8)]
print(added)
# An update of a row takes some 500 bytes, for its row in the index moves; where chunks end depends on the repository's key.  What is new
# of the third night is new.
assert sum(added[1:3]) * 7 < 2 * added[0], added
assert added[3] < added[0] / 2, added
END

status 0 "$HOLDFAST" check --read-data
for night in 0 1 2 3 4 5 6 7; do
    rm -rf back
    status 0 "$HOLDFAST" restore "$(json_get "added$night" 'lines[-1]["snapshot_id"]')" --target back
    same "was$night" "back$PWD/data"
    "$PYTHON" - "back$PWD/data/shop.db" <<'END' || fail "night $night is no sound database"
import sqlite3, sys

assert sqlite3.connect(sys.argv[1]).execute("PRAGMA integrity_check").fetchone() == ("ok",)
END
done
