#!/bin/sh
# A whole set back to where it was: planned, put in place, checked, undone.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

bin='' dsn='' server=''
start_postgres shop
sql() { "$PYTHON" -c 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2])' "$@"; }
rows() { "$PYTHON" -c 'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute("select * from t order by a").fetchall())' "$1"; }
count() { psql -c 'select count(*) from item'; }
# All that the application is, in a form that can be compared.
state() {
    "$bin/pg_dump" -h "$server" -U postgres shop | grep -v '^\\\(un\)\?restrict'
    rows app.db
    (cd files && find . ! -name '*.tmp' -printf '%p %y %m %s %T@ %l\n' | sort && find . -type f ! -name '*.tmp' -exec sha256sum {} + | sort)
    cat rules
}

psql -c "create table item (id serial primary key, name text);
    insert into item (name) select 'item ' || i from generate_series(1, 1000) i"
make_tree files
echo 'never saved' >files/note.tmp
sql app.db "pragma journal_mode = wal; create table t (a integer primary key, b text); insert into t values (1, 'one'), (2, 'two');"
echo 'rule one' >rules
printf '#!/bin/sh\ncat %s/rules\n' "$PWD" >save
printf '#!/bin/sh\ngrep -q "^rule" -\n' >check
printf '#!/bin/sh\ncat >%s/rules\n' "$PWD" >apply
printf '#!/bin/sh\n[ ! -e %s/sick ] || { echo not well >&2; exit 1; }\n' "$PWD" >health
chmod +x save check apply health
cat >holdfast.yaml <<YAML
state: $PWD/state
repositories:
  main: { url: $PWD/repo, key_file: $PWD/key }
sets:
  shop:
    sources:
      - postgres: { name: shop, dsn: "$dsn" }
      - sqlite: { path: $PWD/app.db }
      - files: { paths: [$PWD/files], exclude: ["*.tmp"] }
      - command: { name: rules, argv: [$PWD/save], check: [$PWD/check], apply: [$PWD/apply] }
    repositories: [main]
    health_checks: [[$PWD/health]]
YAML
chmod 600 holdfast.yaml
status 0 "$HOLDFAST" init -r repo --key-file key
status 0 "$HOLDFAST" backup --set shop
state >sound

# The accident.
psql -c 'delete from item where id > 10; create table junk (a int)'
sql app.db "delete from t; insert into t values (9, 'later')"
echo changed >files/one
rm -r files/a
mkdir files/later
echo new >files/later/file
echo 'rule two' >rules
echo 'still not saved' >files/note.tmp
state >damaged

# The plan changes nothing.
status 0 "$HOLDFAST" restore latest --set shop --in-place --plan
has out 'postgres/shop  shop'
has out '1 table, 1000 rows'
has out '1 replaced, 1 removed'
has out 'it is applied with --apply only'
status 0 "$HOLDFAST" restore latest --set shop --in-place --plan --json
json out '{p["place"]: p["rows"] for p in lines[0]["sources"]}["sqlite/app.db"] == 2 and lines[0]["health_checks"] == 1'
state >now
cmp damaged now || fail 'a plan changed something'
[ ! -e state/restores ] || fail 'a plan left a journal'
status 2 setsid -w "$HOLDFAST" restore latest --set shop --in-place
has err '--yes'

# A health check that fails: everything is as it was before.
touch sick
status 1 "$HOLDFAST" restore latest --set shop --in-place --yes
has err 'not well'
has err 'the state before is back'
rm sick
state >now
cmp damaged now || fail 'a failed restore changed something'

# An SQLite database that is in use: nothing is changed.
mkfifo hold
"$PYTHON" -c '
import sqlite3, sys, time
c = sqlite3.connect(sys.argv[1]); c.execute("select * from t").fetchall(); print("open", flush=True); sys.stdin.read()' app.db <hold >held &
exec 9>hold
until_true 60 grep -q open held
status 11 "$HOLDFAST" restore latest --set shop --in-place --yes
has err 'another process has'
exec 9>&-
wait
state >now
cmp damaged now || fail 'a refused restore changed something'

# Now in earnest, without the command.
status 0 "$HOLDFAST" restore latest --set shop --in-place --yes --json
id=$(json_get out 'lines[-1]["restore_id"]')
safety=$(json_get out 'lines[-1]["safety_snapshot_id"]')
json out 'lines[-1]["health_checks"] == 1'
[ "$(cat rules)" = 'rule two' ] || fail 'a command was applied without being asked for'
echo 'rule one' >rules
state >now
cmp sound now || fail 'another state came back'
echo 'rule two' >rules
[ "$(cat files/note.tmp)" = 'still not saved' ] || fail 'an excluded file was touched'
export HOLDFAST_REPOSITORY="$PWD/repo" HOLDFAST_KEY_FILE="$PWD/key"
status 0 "$HOLDFAST" snapshots --set shop --tag safety --json
json out "'$safety' in [s['id'] for s in lines[0]]"
status 0 "$HOLDFAST" undo --list
has out "$id"
status 0 "$HOLDFAST" backup --set shop --dry-run

# Undone: exactly as it was.
status 0 "$HOLDFAST" undo "$id"
state >now
cmp damaged now || fail 'undo did not bring the state before back'
status 2 "$HOLDFAST" undo "$id"
status 0 "$HOLDFAST" undo --discard "$id"
[ "$(psql -c "select count(*) from pg_database where datname like 'holdfast%'")" = 0 ] || fail 'a database is left over'
[ -z "$(find . -name '*holdfast-*' ! -name 'holdfast-*' -o -name '.holdfast-restore-*')" ] || fail 'something is left beside'

# One source alone.
status 0 "$HOLDFAST" restore latest:/sqlite/app.db --set shop --in-place --yes
[ "$(rows app.db)" = "[(1, 'one'), (2, 'two')]" ] || fail 'the database is not back'
[ "$(count)" = 10 ] || fail 'another source was touched'
status 0 "$HOLDFAST" undo

# A command that nobody confirms goes back, and all the rest with it.
status 130 setsid -w "$HOLDFAST" restore latest --set shop --in-place --yes --apply --confirm-within 1s
has err 'not confirmed'
state >now
cmp damaged now || fail 'what nobody confirmed was kept'

# Confirmed from elsewhere it stays, and undo takes it back.
confirm() {
    until id=$("$HOLDFAST" undo --list | grep swapping); do sleep 0.1; done
    "$HOLDFAST" undo --confirm "${id%% *}"
}
confirm &
status 0 setsid -w "$HOLDFAST" restore latest --set shop --in-place --yes --apply --confirm-within 60s
wait
has out 'command/rules is in place'
state >now
cmp sound now || fail 'the command was not applied'
status 0 "$HOLDFAST" undo
state >now
cmp damaged now || fail 'the command was not taken back'

# Killed in the middle: what is mixed is not backed up, and the next command brings the old state back.
mkfifo pulse
printf '#!/bin/sh\necho beat >%s/pulse\nsleep 60\n' "$PWD" >health
"$HOLDFAST" restore latest --set shop --in-place --yes >out 2>err &
pid=$!
read -r beat <pulse
[ "$beat" = beat ] || fail 'no health check was run'
kill -9 $pid
wait $pid || true
status 11 "$HOLDFAST" backup --set shop
has err 'holdfast undo'
status 0 "$HOLDFAST" undo
has out 'had been interrupted'
state >now
cmp damaged now || fail 'a kill left something changed'
status 0 "$HOLDFAST" backup --set shop

# Nothing is there: all of it is made, and undo leaves nothing again.
printf '#!/bin/sh\n' >health
"$bin/psql" -Xq -h "$server" -U postgres -d postgres -c 'drop database shop'
rm -r files app.db
status 0 "$HOLDFAST" restore "$(latest_id)" --set shop --in-place --yes
[ "$(count)" = 10 ] || fail 'the database was not made'
[ "$(cat files/later/file)" = new ] || fail 'the files were not made'
status 0 "$HOLDFAST" undo
[ ! -e files ] && [ ! -e app.db ] || fail 'undo left something'
status 2 "$HOLDFAST" restore latest:/nothing --set shop --in-place --yes

# A database inside a tree: it moves with neither, and what belongs together stays together.
mkdir app
sql app/data.db "pragma journal_mode = wal; create table t (a integer primary key, b text); insert into t values (1, 'one')"
echo page >app/page
config() {
    cat >holdfast.yaml <<YAML
state: $PWD/$2
repositories:
  main: { url: $PWD/repo, key_file: $PWD/key }
sets:
  web:
    sources:
      - sqlite: { path: $PWD/app/data.db }
      - files: { paths: [$PWD/app$3], exclude: ["$1"] }
    repositories: [main]
YAML
}
config 'data.db*' state ''
status 0 "$HOLDFAST" backup --set web
sql app/data.db "insert into t values (2, 'two')"
echo other >app/page
status 0 "$HOLDFAST" restore latest --set web --in-place --yes
[ "$(rows app/data.db) $(cat app/page)" = "[(1, 'one')] page" ] || fail 'tree and database do not fit'
status 0 "$HOLDFAST" undo
[ "$(rows app/data.db) $(cat app/page)" = "[(1, 'one'), (2, 'two')] other" ] || fail 'undo left a mixture'
status 0 "$HOLDFAST" undo --discard
[ "$(ls -A app | sort | tr '\n' ' ')" = 'data.db page ' ] || fail "left in the tree: $(ls -A app)"
config '*.tmp' state ''
status 2 "$HOLDFAST" restore latest --set web --in-place --yes
has err 'exclude "data.db*" there'
config 'data.db*' app/state ''
status 2 "$HOLDFAST" restore latest --set web --in-place --yes
has err 'the state folder'
config 'data.db*' state ", $PWD/app/inner"
status 2 "$HOLDFAST" restore latest --set web --in-place --yes
has err 'app/inner'
# A path that the snapshot never had is not taken for one that was empty then.
mkdir new
echo precious >new/file
config 'data.db*' state ", $PWD/new"
status 0 "$HOLDFAST" restore latest --set web --in-place --yes
has out 'not in the snapshot: stays'
[ "$(cat new/file)" = precious ] || fail 'what is new in the configuration was removed'

# Two trees in one folder, two sources beside each other and two databases of one server: each is prepared under its own name.
mkdir -p side/uploads side/reports side/third
for one in uploads reports third; do echo "$one" >"side/$one/file"; done
aside() { psql -d "host=$server user=postgres dbname=$1" -c "$2"; }
for one in left right; do
    "$bin/createdb" -h "$server" -U postgres "$one"
    aside "$one" 'create table t (a int); insert into t values (1)'
done
cat >>holdfast.yaml <<YAML
  side:
    sources:
      - files: { name: both, paths: [$PWD/side/uploads, $PWD/side/reports] }
      - files: { name: third, paths: [$PWD/side/third] }
      - postgres: { name: left, dsn: "host=$server user=postgres dbname=left" }
      - postgres: { name: right, dsn: "host=$server user=postgres dbname=right" }
    repositories: [main]
YAML
status 0 "$HOLDFAST" backup --set side
for one in uploads reports third; do echo changed >"side/$one/file"; done
for one in left right; do aside "$one" 'insert into t values (2)'; done
status 0 "$HOLDFAST" restore latest --set side --in-place --yes
for one in uploads reports third; do [ "$(cat "side/$one/file")" = "$one" ] || fail "$one is not back"; done
for one in left right; do [ "$(aside "$one" 'select count(*) from t')" = 1 ] || fail "$one is not back"; done
status 0 "$HOLDFAST" undo
for one in uploads reports third; do [ "$(cat "side/$one/file")" = changed ] || fail "$one was not undone"; done
for one in left right; do [ "$(aside "$one" 'select count(*) from t')" = 2 ] || fail "$one was not undone"; done
