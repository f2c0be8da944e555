#!/bin/sh
# Sets: all sources in one snapshot, one verdict each, and nothing silent when one is missing.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

sql() { "$PYTHON" -c 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2])' "$@"; }

make_tree files
sql app.db "create table t (a integer primary key, b text); insert into t values (1, 'one'), (2, 'two');"
printf '#!/bin/sh\ncat %s/rules\n' "$PWD" >save
printf '#!/bin/sh\ngrep -q "^rule" -\n' >check
chmod +x save check
echo 'rule one' >rules
cat >holdfast.yaml <<YAML
state: $PWD/state
repositories:
  main: { url: $PWD/repo, key_file: $PWD/key }
sets:
  shop:
    sources:
      - files: { paths: [$PWD/files], exclude: ["two"] }
      - sqlite: { path: $PWD/app.db }
      - command: { name: rules, argv: [$PWD/save], check: [$PWD/check] }
    repositories: [main]
    drill: after_backup
    tags: [nightly, "type:full"]
    schedule: { cron: "30 2 * * *", timezone: Europe/Berlin, jitter: 10m }
  lax:
    sources:
      - files: { paths: [$PWD/files] }
      - sqlite: { path: $PWD/missing.db }
    repositories: [main]
    on_error: incomplete
YAML
chmod 600 holdfast.yaml
status 0 "$HOLDFAST" config validate
status 0 "$HOLDFAST" init -r repo --key-file key
status 0 "$HOLDFAST" backup --set shop
has out 'proven  sqlite/app.db'
has out 'proven  command/rules'
export HOLDFAST_REPOSITORY="$PWD/repo" HOLDFAST_KEY_FILE="$PWD/key"
status 0 "$HOLDFAST" snapshots --set shop --json
json out 'len(lines[0]) == 1 and lines[0][0]["set"] == "shop"'
json out 'sorted(lines[0][0]["tags"]) == ["nightly", "type:full"]'
json out 'lines[0][0]["paths"] == ["/command/rules", "/files", "/sqlite/app.db"]'

# Everything in it is useful without holdfast.
status 0 "$HOLDFAST" restore latest --target back
"$PYTHON" -c '
import sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute("select * from t order by a").fetchall()
sys.exit(rows != [(1, "one"), (2, "two")])' back/sqlite/app.db || fail "another database came back"
cmp rules back/command/rules || fail "other rules came back"
cmp files/one "back/files$PWD/files/one" || fail "another file came back"
[ ! -e "back/files$PWD/files/a/two" ] || fail "an excluded file came back"

# A database goes back to where it was, over what is there now.
sql app.db "delete from t; insert into t values (9, 'later');"
status 2 "$HOLDFAST" restore latest --into app.db
status 2 "$HOLDFAST" restore latest:/files --into app.db
status 2 "$HOLDFAST" restore latest:/sqlite/app.db --into app.db --target back
status 0 "$HOLDFAST" restore latest:/sqlite/app.db --set shop --into app.db
"$PYTHON" -c '
import sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute("select * from t order by a").fetchall()
sys.exit(rows != [(1, "one"), (2, "two")])' app.db || fail "app.db did not come back"

# A check that refuses fails the drill; the backup itself is there.
echo 'broken' >rules
status 14 "$HOLDFAST" create --config shop
has out 'failed  command/rules'
status 0 "$HOLDFAST" snapshots --set shop --json
json out 'len(lines[0]) == 2'
echo 'rule two' >rules

# A source that is missing ends the backup, or makes it incomplete: as the set says.
printf '#!/bin/sh\nexit 7\n' >save
status 1 "$HOLDFAST" backup --set shop
has err 'command/rules'
status 0 "$HOLDFAST" snapshots --set shop --json
json out 'len(lines[0]) == 2'
status 3 "$HOLDFAST" backup --set lax
has err '/sqlite/missing.db'
status 14 "$HOLDFAST" drill lax
has out 'it is not in the backup'

# What is damaged in a source is not the repository.
printf 'sets:\n  odd:\n    sources: [{ sqlite: { path: %s/files/one } }]\n    repositories: [main]\n' "$PWD" | put_config odd.yaml
for words in 'backup --set odd' 'config test'; do
    # shellcheck disable=SC2086
    status 1 "$HOLDFAST" $words -c odd.yaml
    has err 'is not an SQLite database, or it is encrypted'
    lacks err 'holdfast check'
done

# Mistakes are told with the line.
# Who means a set names no snapshot of another.
status 0 "$HOLDFAST" snapshots --set lax --json
other=$(json_get out 'lines[0][-1]["id"]')
for verb in "forget --dry-run" "restore --target elsewhere" drill "ls -l"; do
    # shellcheck disable=SC2086
    status 1 "$HOLDFAST" $verb --set shop "$other"
    has err 'is not of set shop'
done
status 2 "$HOLDFAST" backup --set shopp
has err 'shop'
status 2 "$HOLDFAST" backup --set shop files
sed 's/on_error: incomplete/on_eror: incomplete/' holdfast.yaml >wrong.yaml
chmod 600 wrong.yaml
status 2 "$HOLDFAST" backup --set shop -c wrong.yaml
has err 'wrong.yaml:19'
has err 'on_error'
status 0 "$HOLDFAST" check --read-data
