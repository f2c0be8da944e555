#!/bin/sh
# Tables of a snapshot: listed with their rows, and written as CSV and JSON that PostgreSQL reads back as what they were.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

bin='' dsn='' server=''
start_postgres shop
cat >tables.sql <<'SQL'
create table odd (id int primary key, "a, ""name""" text, "<b>" bytea, n numeric, at timestamptz, list text[]);
insert into odd values (1, null, null, null, null, null), (2, '', '', 0, '2026-11-22 12:00+00', '{}'),
    (3, '\N', '\x00ff', 'NaN', 'infinity', '{NULL,"NULL","a\\\"b"}'),
    (4, E'tab\t newline\n return\r back\\slash "quoted", comma \b\f\x0b\x01 süß \\.', null, 1e40, null, null),
    (5, ' blanks ', null, -0.10, null, null), (6, '=cmd()', null, 3, null, null);
create table one (only_one text);
insert into one values (null), (''), ('\.'), (E'\\.\n\\.'), ('\N'), ('x');
create table none ();
insert into none default values;
create table empty (a int, b int);
create table "we/ird.na%me" (a int);
insert into "we/ird.na%me" values (7);
create table many as select i, md5(i::text) from generate_series(1, 200000) i;
create table parts (a int) partition by range (a);
SQL
psql -f tables.sql
"$PYTHON" - <<'END'
import sqlite3
with sqlite3.connect("app.db") as db:
    db.execute('CREATE TABLE "odd ""name" (a, b)')
    db.executemany('INSERT INTO "odd ""name" VALUES (?, ?)', [(i, None) for i in range(12)])
END
cat >holdfast.yaml <<YAML
state: $PWD/state
repositories:
  main: { url: $PWD/repo, key_file: $PWD/key }
sets:
  shop:
    sources: [{ postgres: { name: shop, dsn: "$dsn" } }, { sqlite: { path: $PWD/app.db } }]
    repositories: [main]
YAML
chmod 600 holdfast.yaml
status 0 "$HOLDFAST" init -r repo --key-file key
export HOLDFAST_REPOSITORY="$PWD/repo" HOLDFAST_KEY_FILE="$PWD/key"
status 0 "$HOLDFAST" backup --set shop

# What there is
status 0 "$HOLDFAST" ls --databases latest
has out '200000  /postgres/shop  public.many'
has out '12  /sqlite/app.db  odd "name'
status 0 "$HOLDFAST" ls --databases latest --json
json out '[(l["kind"], l["path"], l["has_manifest"]) for l in lines if l["struct_type"] == "database"] ==
    [("postgres", "/postgres/shop", True), ("sqlite", "/sqlite/app.db", True)]'
json out '{l["name"]: l.get("rows") for l in lines if l["struct_type"] == "table"} ==
    {"odd": 6, "one": 6, "none": 1, "empty": 0, "we/ird.na%me": 1, "many": 200000, "parts": None, "odd \"name": 12}'
status 2 "$HOLDFAST" ls --databases latest /postgres

# As PostgreSQL writes it, byte for byte, and back through its own parser
path() { "$HOLDFAST" ls --databases latest --json | "$PYTHON" -c '
import json, sys
print(next(t["path"] for t in map(json.loads, sys.stdin) if t.get("name") == sys.argv[1]))' "$1"; }
for table in odd one none empty we/ird.na%me many; do
    status 0 "$HOLDFAST" dump latest "$(path "$table")" --as csv --target "$work/ours.csv"
    psql -c "copy \"$table\" to stdout (format csv, header, force_quote *)" >theirs.csv
    cmp ours.csv theirs.csv || fail "$table: the CSV is not PostgreSQL's"
    psql -c "begin; create temp table back (like \"$table\"); copy back from stdin (format csv, header);
        select count(*) from (table back except table \"$table\" union all table \"$table\" except table back) d" <ours.csv >count 2>err ||
        { [ "$table" = none ] || fail "$table is not read back: $(cat err)"; echo 0 >count; } # a set operation needs columns
    [ "$(tail -1 count)" = 0 ] || fail "$table came back as something else"
    rm ours.csv
done

# JSON: every value a text as PostgreSQL prints it
status 0 "$HOLDFAST" dump latest "$(path odd)" --as json
psql -c "set datestyle = 'ISO, YMD'; set timezone = 'UTC';
    select json_agg(json_build_array(id::text, \"a, \"\"name\"\"\", \"<b>\"::text, n::text, at::text, list::text) order by id) from odd" >wanted
"$PYTHON" - <<'END' || fail "the JSON is not the table"
import json
rows = [json.loads(line) for line in open("out", encoding="utf-8")]
assert list(rows[0]) == ["id", 'a, "name"', "<b>", "n", "at", "list"], list(rows[0])
assert [list(row.values()) for row in rows] == json.load(open("wanted", encoding="utf-8")), rows
END
status 0 "$HOLDFAST" dump latest "$(path many)" --as json --rows 3
[ "$(wc -l <out)" = 3 ] || fail "more rows than were wanted"

# Of SQLite: every value as a text
"$PYTHON" - <<'END'
import sqlite3
with sqlite3.connect("app.db") as db:
    db.execute('CREATE TABLE kinds (a, "b ""c")')
    db.executemany("INSERT INTO kinds VALUES (?, ?)", [(1, None), (0.1, ""), (2.0, b"\x00\xff"), ("=x", '"q"\n,\\'), (-2**63, "süß")])
END
status 0 "$HOLDFAST" backup --set shop
status 0 "$HOLDFAST" dump latest /sqlite/app.db --table kinds --as csv
printf 'a,"b ""c"\n"1",\n"0.1",""\n"2.0","\\x00ff"\n"=x","""q""\n,\\"\n"-9223372036854775808","s\303\274\303\237"\n' | cmp - out || fail "the CSV is another: $(cat out)"
status 0 "$HOLDFAST" dump latest /sqlite/app.db --table kinds --as json
json out '[list(l.values()) for l in lines] == [["1", None], ["0.1", ""], ["2.0", "\\x00ff"], ["=x", "\"q\"\n,\\"], ["-9223372036854775808", "süß"]]'
status 0 "$HOLDFAST" dump latest /sqlite/app.db --table 'odd "name' --as json --rows 3
[ "$(wc -l <out)" = 3 ] || fail "more rows than were wanted"

# What it is not made of
status 2 "$HOLDFAST" dump latest /sqlite/app.db --as csv
has err 'no rows of a table'
status 2 "$HOLDFAST" dump latest /postgres/shop/data/public.odd.copy --table odd --as csv
status 2 "$HOLDFAST" dump latest /sqlite/app.db --table odd
status 2 "$HOLDFAST" dump latest /sqlite/app.db --table sqlite_schema --as csv
has err 'it has no table sqlite_schema'
status 2 "$HOLDFAST" dump latest /sqlite/app.db.manifest.json --table 'odd "name' --as csv
status 2 "$HOLDFAST" dump latest /postgres/shop/manifest.json --as csv
status 2 "$HOLDFAST" dump latest /postgres/shop/data --as json --head
status 1 "$HOLDFAST" dump latest /postgres/nowhere/data/a.copy --as csv
status 2 "$HOLDFAST" dump latest "$(path odd)" --as xml

# Back where the configuration says that the database is
psql -c "create type mood as enum ('good'); create table moody (m mood); create schema stock; create table stock.item (id serial primary key, n text);
    insert into stock.item (n) select i from generate_series(1, 30) i; create schema \"s.p\"; create table \"s.p\".\"t\"\"x\" (a int); insert into \"s.p\".\"t\"\"x\" values (1)"
status 0 "$HOLDFAST" backup --set shop
ask() { "$bin/psql" -Xqt -A -h "$server" -U postgres -d "$1" -c "$2"; }
is() { [ "$(ask "$1" "$2")" = "$3" ] || fail "$1: $2 is not $3 but $(ask "$1" "$2")"; }
bring() { "$HOLDFAST" restore latest:/postgres/shop --set shop "$@"; }
before="$(ask postgres 'select count(*) from pg_database')"

# beside the present one
status 0 bring --table public.many --as public.many_before --plan --json
json out '[(l["place"], l["into"], l["makes_database"], l["way"], l["tables"], l["rows"]) for l in lines] == [("postgres/shop", "shop", False, "new", 1, 200000)]'
json out '[(p["to_name"], p["is_there"], p["rows"]) for p in lines[0]["parts"]] == [("many_before", False, 200000)]'
is shop "select to_regclass('public.many_before') is null" t
status 0 bring --table public.many --as public.many_before
is shop 'select count(*) from many_before' 200000
for plan in '' --plan; do
    # shellcheck disable=SC2086 # nothing, or one word
    status 1 bring --table public.many --as public.many_before $plan
    has err 'there is a table public.many_before already'
done

# its rows, and those of one with an odd name
psql -c 'delete from many where i > 5; delete from "s.p"."t""x"'
status 0 bring --table public.many --table '"s.p"."t""x"' --in-place --plan
has out 'takes the place of'
has out 'Database shop stays, and gets: 2 tables, 200001 rows'
is shop 'select count(*) from many' 5
status 0 bring --table public.many --table '"s.p"."t""x"' --in-place
is shop 'select count(*) from many' 200000
is shop 'select count(*) from "s.p"."t""x"' 1
status 0 bring --table public.odd --data-only --plan
has out 'is added to'
status 1 bring --table public.odd --data-only # the key is there
is shop 'select count(*) from odd' 6
for plan in '' --plan; do
    # shellcheck disable=SC2086
    status 1 bring --table public.nothing $plan
    has err 'the backup has no table public.nothing'
done
psql -c 'drop table odd'
for plan in --plan ''; do
    # shellcheck disable=SC2086
    status 1 bring --table public.odd --in-place $plan
done
status 0 bring --table public.odd
is shop 'select count(*) from odd' 6

# into one that is made: everything, a table, a schema
status 0 bring --into shop_look --plan --json
json out '[(l["into"], l["makes_database"], l["way"], l["tables"], l["parts"]) for l in lines] == [("shop_look", True, "new", 10, [])]'
is postgres 'select count(*) from pg_database' "$before"
status 0 bring --into shop_look
is shop_look 'select count(*) from many' 200000
is shop_look "select count(*) from pg_class where relname = 'many_before'" 0
status 0 bring --into one_table --table stock.item --as kept.item_2 --plan
has out 'Database one_table is made: 1 table, 30 rows'
status 0 bring --into one_table --table stock.item --as kept.item_2
is one_table 'select count(*), max(id) from kept.item_2' '30|30'
is one_table "select string_agg(relname, ' ') from pg_class c where relkind = 'r' and relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)" item_2
is one_table "select shobj_description(oid, 'pg_database') is null from pg_database where datname = 'one_table'" t
status 0 bring --into one_schema --schema stock
is one_schema 'select nextval('"'stock.item_id_seq'"')' 31
is postgres 'select count(*) from pg_database' "$((before + 3))"

# What is there already is nobody's but its owner's, and what fails leaves nothing
ask one_table 'drop table kept.item_2' # which is no database of the set
for name in one_table postgres shop; do
    for plan in '' --plan; do
        # shellcheck disable=SC2086
        status 1 bring --into $name --table stock.item $plan
        has err "$name"
        # shellcheck disable=SC2086
        status 1 bring --into $name $plan
    done
done
is one_table "select to_regclass('stock.item') is null and to_regclass('kept.item_2') is null" t
is postgres "select to_regclass('stock.item') is null" t
status 1 bring --into no_mood --table public.moody
has err 'public.mood'
status 2 bring --into more --table stock.item --in-place
status 2 bring --into more --table stock.item --data-only
status 2 bring --in-place --table stock.item --jobs 2
status 2 bring --into more --in-place
status 2 bring --into more --yes
status 2 "$HOLDFAST" restore latest --set shop --table stock.item
status 2 "$HOLDFAST" restore latest:/postgres/shop --table stock.item
status 2 "$HOLDFAST" restore latest:/postgres/shop --table stock.item --dsn dbname=postgres
status 2 "$HOLDFAST" restore latest:/sqlite/app.db --set shop --into "$PWD/back.db" --plan
[ ! -e back.db ] || fail "a plan made a file"
status 1 "$HOLDFAST" restore latest:/postgres/other --set shop --into more
is postgres 'select count(*) from pg_database' "$((before + 3))"

# A database in another encoding is CSV as it is, and no JSON
"$bin/createdb" -h "$server" -U postgres --encoding LATIN1 --locale C --template template0 old
"$bin/psql" -Xq -h "$server" -U postgres -d old -c "create table t (a text); insert into t values (U&'s\\00fc\\00df')"
sed -i "s/dbname=shop/dbname=old/; s/name: shop, dsn/name: old, dsn/" holdfast.yaml
status 0 "$HOLDFAST" backup --set shop
status 0 "$HOLDFAST" dump latest /postgres/old/data/public.t.copy --as csv
printf 'a\n"s\374\337"\n' | cmp - out || fail "the bytes were changed"
status 2 "$HOLDFAST" dump latest /postgres/old/data/public.t.copy --as json
has err 'LATIN1'

# SQLite that is damaged, or too large to look into
"$PYTHON" - <<'END'
import sqlite3
with sqlite3.connect("large.db") as db:
    db.execute("CREATE TABLE t (a)")
    db.execute("INSERT INTO t VALUES (zeroblob(140000000))")
with sqlite3.connect("broken.db") as db:
    db.execute("PRAGMA page_size = 1024")
    db.execute("CREATE TABLE t (a)")
    db.executemany("INSERT INTO t VALUES (?)", [("x" * 200,) for _ in range(100)])
with open("broken.db", "r+b") as file:
    file.seek(5 * 1024)
    file.write(b"\xff" * 1024)
END
sed -i "s|sources: .*|sources: [{ sqlite: { path: $PWD/large.db } }, { sqlite: { path: $PWD/broken.db } }]|" holdfast.yaml
printf '    on_error: incomplete\n' >>holdfast.yaml
status 3 "$HOLDFAST" backup --set shop
status 2 "$HOLDFAST" dump latest /sqlite/large.db --table t --as csv
has err 'larger than 128 MiB'
status 13 "$HOLDFAST" dump latest /sqlite/broken.db --table t --as csv
