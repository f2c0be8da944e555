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

# What it is not made of
status 2 "$HOLDFAST" dump latest /sqlite/app.db --as csv
has err 'no rows of a PostgreSQL table'
status 2 "$HOLDFAST" dump latest /postgres/shop/manifest.json --as csv
status 2 "$HOLDFAST" dump latest /postgres/shop/data --as json --head
status 1 "$HOLDFAST" dump latest /postgres/nowhere/data/a.copy --as csv
status 2 "$HOLDFAST" dump latest "$(path odd)" --as xml

# A database in another encoding is CSV as it is, and no JSON
"$bin/createdb" -h "$server" -U postgres --encoding LATIN1 --locale C --template template0 old
"$bin/psql" -Xq -h "$server" -U postgres -d old -c "create table t (a text); insert into t values (U&'s\\00fc\\00df')"
sed -i "s/dbname=shop/dbname=old/; s/name: shop, dsn/name: old, dsn/" holdfast.yaml
status 0 "$HOLDFAST" backup --set shop
status 0 "$HOLDFAST" dump latest /postgres/old/data/public.t.copy --as csv
printf 'a\n"s\374\337"\n' | cmp - out || fail "the bytes were changed"
status 2 "$HOLDFAST" dump latest /postgres/old/data/public.t.copy --as json
has err 'LATIN1'
