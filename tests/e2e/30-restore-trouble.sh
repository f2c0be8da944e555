#!/bin/sh
# What is in the way of a restore in place, or of its undo: all of the set changes, or nothing, and what is said is so.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

bin='' dsn='' server=''
start_postgres shop
sql() { "$PYTHON" -c 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2])' "$@"; }
rows() { "$PYTHON" -c 'import sqlite3, sys; print(*[r[0] for r in sqlite3.connect(sys.argv[1]).execute("select a from t order by a")])' "$1"; }
admin() { "$bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$server" -U postgres -d postgres -c "$1"; }
in_place() { "$HOLDFAST" restore "$1" --set "$2" --in-place --yes; }
restore_id() { status 0 "$HOLDFAST" undo --list --json; json_get out 'lines[0]["restore_id"]'; }
# All that the set is, on one line.
state() { echo "$(cat files/one) | $(rows app.db) | $(psql -c 'select string_agg(a::text, $$ $$ order by a) from t')"; }
# change N: something new everywhere.
change() {
    echo "$1" >files/one
    sql app.db "insert into t values ($1)"
    psql -c "insert into t values ($1)"
}
# set NAME SOURCES [MORE]: the set of this name, besides those that are there.
new_set() {
    [ -e holdfast.yaml ] || printf 'state: %s/state\nrepositories:\n  main: { url: %s/repo, key_file: %s/key }\nsets:\n' "$PWD" "$PWD" "$PWD" >holdfast.yaml
    printf '  %s:\n    repositories: [main]\n%s    sources:\n%s' "$1" "${3-}" "$2" >>holdfast.yaml
    chmod 600 holdfast.yaml
}

psql -c 'create table t (a int primary key); insert into t values (1)'
sql app.db 'create table t (a integer primary key); insert into t values (1)'
mkdir files
echo 1 >files/one
printf '#!/bin/sh\n[ ! -e %s/sick ]\n' "$PWD" >health
chmod +x health
new_set app "      - postgres: { name: shop, dsn: \"$dsn\" }
      - sqlite: { path: $PWD/app.db }
      - files: { paths: [$PWD/files] }
" "    health_checks: [[$PWD/health]]
"
status 0 "$HOLDFAST" init -r repo --key-file key
status 0 "$HOLDFAST" backup --set app
sound=$(state)

# The older of two restores cannot be undone while the later one stands: nothing changes, and nothing is left half done.
change 2
status 0 in_place latest app
older=$(restore_id)
change 3
status 0 in_place latest:/files app
before=$(state)
status 1 "$HOLDFAST" undo "$older"
has err 'something else has taken its place'
[ "$(state)" = "$before" ] || fail "a refused undo changed something: $(state)"
status 0 "$HOLDFAST" undo --list
lacks out undoing
status 0 "$HOLDFAST" backup --set app --dry-run
status 0 "$HOLDFAST" undo
status 0 "$HOLDFAST" undo "$older"
[ "$(state)" = '2 | 1 2 | 1 2' ] || fail "not as it was before both: $(state)"
for id in $("$HOLDFAST" undo --list | cut -d' ' -f1); do status 0 "$HOLDFAST" undo --discard "$id"; done

# A database that was made anew since is not the one that was restored.
status 0 in_place latest app
admin 'alter database shop rename to elsewhere'
admin 'create database shop'
psql -c 'create table t (a int primary key); insert into t values (7)'
before=$(state)
status 1 "$HOLDFAST" undo
has err 'is not the one that the restore put there'
[ "$(state)" = "$before" ] || fail "a refused undo changed something: $(state)"
admin 'drop database shop'
admin 'alter database elsewhere rename to shop'

# Neither while somebody uses an SQLite database, nor while the server is out of reach.
mkfifo hold
"$PYTHON" -c '
import sqlite3, sys
c = sqlite3.connect(sys.argv[1]); c.execute("select * from t").fetchall(); print("open", flush=True); sys.stdin.read()' app.db <hold >held &
user=$!
exec 9>hold
until_true 60 grep -q open held
status 11 "$HOLDFAST" undo
has err 'another process has'
[ "$(state)" = "$sound" ] || fail "a refused undo changed something: $(state)"
status 11 in_place latest app
lacks out Prepared
exec 9>&-
wait "$user"
sed "s#host=$server#host=$PWD/nowhere#" holdfast.yaml >elsewhere.yaml
chmod 600 elsewhere.yaml
status 11 "$HOLDFAST" undo -c elsewhere.yaml
[ "$(state)" = "$sound" ] || fail "a refused undo changed something: $(state)"
status 0 "$HOLDFAST" undo
status 0 "$HOLDFAST" undo --discard

# No id is no restore, and what waits for nothing cannot be confirmed.
status 0 in_place latest app
status 2 "$HOLDFAST" undo ''
status 1 "$HOLDFAST" undo --confirm 0123456789abcdef
has err 'there is no restore'
status 2 "$HOLDFAST" undo --confirm "$(restore_id)"
has err 'does not wait'
status 0 "$HOLDFAST" undo

# Killed when all was back again and what had been prepared was being removed: nothing of it is needed to go on.
touch sick
before=$(state)
discard_killed() {
    status 1 in_place latest app
    has err 'the state before is back'
    # What is on disk when the last step is not: the phase of the way back, and nothing beside.
    journal=$(ls -t state/restores/*.json | head -1)
    sed -i 's/"phase": *"failed"/"phase": "swapping"/' "$journal"
    grep -q swapping "$journal" || fail 'the journal looks different'
}
discard_killed
status 0 "$HOLDFAST" undo
has out 'had been interrupted'
[ "$(state)" = "$before" ] || fail "going on changed something: $(state)"
rm sick

# What SQLite keeps beside a database belongs to it: a log that came back with the tree would be applied to the database that stands there.
mkdir web
"$PYTHON" -c '
import sqlite3
c = sqlite3.connect("web/data.db"); c.execute("pragma journal_mode = wal"); c.execute("create table t (a integer primary key)")
c.execute("insert into t values (1)"); c.commit()
import os; os._exit(0)'
new_set web "      - sqlite: { path: $PWD/web/data.db }
      - files: { paths: [$PWD/web], exclude: [data.db] }
"
[ -s web/data.db-wal ] || fail 'the log is not there'
status 0 "$HOLDFAST" backup --set web
sql web/data.db 'delete from t; insert into t values (2); pragma wal_checkpoint(truncate)'
status 2 in_place latest web
has err 'exclude "data.db*" there'
[ "$(rows web/data.db)" = 2 ] || fail "the database is damaged: $(rows web/data.db)"

# A backup that read while a restore changed places stores nothing.
mkfifo gate
printf '#!/bin/sh\n[ ! -e %s/slow ] || { mv %s/slow %s/begun; read -r go <%s/gate; }\necho rule\n' "$PWD" "$PWD" "$PWD" "$PWD" >rules
chmod +x rules
new_set mix "      - command: { name: rules, argv: [$PWD/rules] }
      - files: { paths: [$PWD/files] }
"
status 0 "$HOLDFAST" backup --set mix
touch slow
"$HOLDFAST" backup --set mix >mixed 2>&1 &
reader=$!
until_true 60 test -e begun
status 0 in_place latest mix
has out 'Set mix is restored, but for command/rules, which stays as it is'
echo go >gate
got=0
wait "$reader" || got=$?
[ "$got" = 11 ] || fail "the backup ended with $got: $(cat mixed)"
grep -qF 'exchanged what was being read' mixed || fail "it says: $(cat mixed)"
status 0 "$HOLDFAST" backup --set mix
status 0 in_place latest:/files mix
has out 'files of set mix is restored'

# Of a database of which only a part is stored the rest would be gone.  Tables without their rows are told.
psql -c 'create table other (a int); insert into other values (1); create table log (a int); insert into log values (1)'
new_set part "      - postgres: { name: shop, dsn: \"$dsn\", exclude_tables: [public.other], exclude_table_data: [public.log] }
"
status 0 "$HOLDFAST" backup --set part
status 2 in_place latest part
has err 'only some of its tables are stored'
status 2 "$HOLDFAST" restore latest:/postgres/shop --into shop --dsn "$dsn" --in-place -r repo --key-file key --set part
has err 'only some tables'
[ "$(psql -c 'select count(*) from other')" = 1 ] || fail 'a table is gone'
status 0 "$HOLDFAST" restore latest --set part --in-place --plan
has out '1 of the tables without rows'
admin 'alter database shop rename to shop_aside'
status 0 in_place latest part
lacks out 'is kept'
[ "$(psql -c 'select count(*) from t')" = 2 ] || fail 'the part was not made'
status 0 "$HOLDFAST" undo
status 0 "$HOLDFAST" undo --discard
admin 'alter database shop_aside rename to shop'
psql -c 'drop table other; drop table log'

# Who may use a database stays so, and an owner who may make databases but no roles restores it.
admin "create role owner login createdb; create role user1; create role user2; alter database shop owner to owner;
    comment on database shop is 'the shop''s'; revoke all on database shop from public; grant connect on database shop to user1 with grant option;
    grant connect on database shop to user2; set role user1; grant connect on database shop to user2"
psql -c 'alter table t owner to owner; grant select on t to user1; alter schema public owner to owner'
rights() {
    admin "select has_database_privilege('public', 'shop', 'connect'), has_database_privilege('user1', 'shop', 'connect with grant option'),
        has_database_privilege('user2', 'shop', 'connect'), shobj_description(oid, 'pg_database') from pg_database where datname = 'shop'"
}
given="f|t|t|the shop's"
[ "$(rights)" = "$given" ] || fail "rights are $(rights)"
new_set own "      - postgres: { name: shop, dsn: \"host=$server user=owner dbname=shop\" }
"
status 0 "$HOLDFAST" backup --set own
status 0 in_place latest own
[ "$(rights)" = "$given" ] || fail "rights became $(rights)"
status 0 "$HOLDFAST" undo
[ "$(rights)" = "$given" ] || fail "rights became $(rights)"
# Other rights than those of the backup stay, and where no database is left those of the backup come.
admin "revoke all on database shop from user1 cascade; grant all on database shop to public; comment on database shop is 'open'"
[ "$(rights)" = 't|f|t|open' ] || fail "rights are $(rights)"
status 0 in_place latest own
[ "$(rights)" = 't|f|t|open' ] || fail "rights became $(rights)"
status 0 "$HOLDFAST" undo --discard
admin 'drop database shop'
status 0 in_place latest own
[ "$(rights)" = "$given" ] || fail "a database that was made anew has rights $(rights)"

# Not even the folders are there: they are made, and go again.
mkdir -p deep/er
sql deep/er/data.db 'create table t (a integer primary key); insert into t values (1)'
echo page >deep/er/page
new_set deep "      - sqlite: { path: $PWD/deep/er/data.db }
      - files: { paths: [$PWD/deep/er], exclude: ['data.db*'] }
"
status 0 "$HOLDFAST" backup --set deep
rm -r deep
status 0 in_place latest:/sqlite/data.db deep
[ "$(rows deep/er/data.db)" = 1 ] || fail 'the database is not back'
status 0 "$HOLDFAST" undo
[ ! -e deep/er/data.db ] || fail 'undo left the database'
status 0 "$HOLDFAST" undo --discard
[ ! -e deep ] || fail 'a folder is left over'
status 0 in_place latest deep
[ "$(rows deep/er/data.db) $(cat deep/er/page)" = '1 page' ] || fail 'not all is back'
status 0 "$HOLDFAST" undo
[ ! -e deep/er/data.db ] && [ ! -e deep/er/page ] || fail 'undo left something'
status 0 "$HOLDFAST" undo --discard

# The plan counts what is then done: another owner, several names.
mkdir links
for one in one two three; do echo "$one" >"links/$one"; done
ln links/one links/again
touch -d '2026-01-02' links/*
new_set links "      - files: { paths: [$PWD/links] }
"
status 0 "$HOLDFAST" backup --set links
echo changed >links/two
[ "$(id -u)" != 0 ] || chown 12345 links/three
status 0 "$HOLDFAST" restore latest --set links --in-place --plan --json
wanted=$(json_get out '"{files_new} files new, {files_replaced} replaced, {files_removed} removed, {files_unchanged} as they are".format(**lines[0]["sources"][0])')
status 0 in_place latest links
has out "Prepared files: $wanted"
status 0 "$HOLDFAST" undo

# A path that has become a link is a link in its place: what it leads to may be another path of the set.
mkdir linked
status 0 "$HOLDFAST" undo --discard
sed -i "s#paths: \[$PWD/links\]#paths: [$PWD/links, $PWD/linked]#" holdfast.yaml
status 0 "$HOLDFAST" backup --set links
rmdir linked
ln -s links linked
status 0 in_place latest links
[ -d linked ] && [ ! -h linked ] || fail 'the folder is not back'
status 0 "$HOLDFAST" undo
[ -h linked ] || fail 'the link is not back'

# What cannot be read any more is replaced all the same, kept as it is, and comes back so.
sql lone.db 'create table t (a integer primary key); insert into t values (1)'
new_set lone "      - sqlite: { path: $PWD/lone.db }
"
status 0 "$HOLDFAST" backup --set lone
echo 'this is no database' >lone.db
echo 'and this no log' >lone.db-wal
status 0 in_place latest lone
has out 'There is no safety snapshot'
has out 'what was there is kept'
[ "$(rows lone.db)" = 1 ] || fail 'the database is not back'
status 0 "$HOLDFAST" undo
[ "$(cat lone.db lone.db-wal)" = "$(printf 'this is no database\nand this no log')" ] || fail 'undo brought something else'

# What is said of one database does not make a restore of the whole set of it.
for words in '--dsn dbname=shop' --globals '--jobs 2' --force --with-sessions; do
    # shellcheck disable=SC2086
    status 2 "$HOLDFAST" restore latest --set app --in-place --yes $words
    has err 'without --into'
done
for words in '--table public.t' '--schema public'; do
    # shellcheck disable=SC2086
    status 2 "$HOLDFAST" restore latest --set app --in-place --yes $words
    has err '--yes go with --in-place of a set'
    # shellcheck disable=SC2086
    status 2 "$HOLDFAST" restore latest --set app --in-place $words
    has err 'need SNAPSHOT:/postgres/NAME'
done
for words in '--as public.u' --data-only; do
    # shellcheck disable=SC2086
    status 2 "$HOLDFAST" restore latest --set app --in-place $words
done
