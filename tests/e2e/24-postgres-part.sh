#!/bin/sh
# Single tables and schemas of a PostgreSQL database: dropped, spoiled, and brought back.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

bin='' dsn='' server=''
start_postgres shop
psql -c "create schema stock; create schema \"a.b\";
    create table stock.item (id bigint generated always as identity primary key, name text not null, price numeric);
    create index on stock.item (name);
    create table sale (id serial primary key, item bigint references stock.item (id), at timestamptz default now());
    create table \"a.b\".\"c\"\"d
\$(touch /tmp/x)\" (a int primary key);
    create table \"-t\" (a int);
    insert into stock.item (name, price) select 'item ' || i, i * 1.5 from generate_series(1, 2000) i;
    insert into sale (item) select i % 2000 + 1 from generate_series(1, 5000) i;
    insert into \"a.b\".\"c\"\"d
\$(touch /tmp/x)\" select generate_series(1, 10);
    insert into \"-t\" values (1)" >/dev/null
cat >holdfast.yaml <<YAML
state: $PWD/state
repositories:
  main: { url: $PWD/repo, key_file: $PWD/key }
sets:
  shop:
    sources:
      - postgres: { name: shop, dsn: "$dsn" }
    repositories: [main]
YAML
chmod 600 holdfast.yaml
status 0 "$HOLDFAST" init -r repo --key-file key
export HOLDFAST_REPOSITORY="$PWD/repo" HOLDFAST_KEY_FILE="$PWD/key"
status 0 "$HOLDFAST" backup --set shop

look() { "$bin/pg_dump" -h "$server" -U postgres shop | grep -v '^\\\(un\)\?restrict'; }
bring() {
    wanted_status=$1
    shift
    status "$wanted_status" "$HOLDFAST" restore latest:/postgres/shop --into shop \
        --dsn "host=$server user=postgres dbname=postgres" "$@"
}
count() { psql -c "select count(*) from $1"; }
look >shop.sql
same_again() { look >again.sql; cmp shop.sql again.sql || fail "the database differs"; }

# Dropped.
psql -c 'drop table sale; drop table "-t"'
bring 0 --table public.sale --table=public.-t --json
json out 'lines[-1]["tables"] == 2 and lines[-1]["rows"] == 5001'
same_again
bring 1 --table public.sale
has err 'there is a table public.sale already'
has err '--as'

# Spoiled, while another table refers to it.
psql -c "update stock.item set name = 'wrong' where id % 2 = 0; delete from stock.item i where not exists
    (select from sale where item = i.id)"
bring 0 --table stock.item --in-place
same_again
psql -c "insert into stock.item (name) values ('later'); insert into sale (item) select max(id) from stock.item"
bring 1 --table stock.item --in-place
has err 'sale_item_fkey'
[ "$(count stock.item)" = 2001 ] || fail "a restore that failed changed rows"
psql -c "delete from sale where item > 2000; delete from stock.item where id > 2000"

# Added.
psql -c 'delete from sale where id <= 100'
bring 1 --table public.sale --data-only
psql -c 'delete from sale'
bring 0 --table public.sale --data-only
[ "$(count sale)" = 5000 ] || fail "rows were not added"


# Of whole schemas, and of all tables, whatever refers to what.
psql -c "update stock.item set name = 'wrong' where id % 2 = 0"
psql -c "select setval('sale_id_seq', 5000); select setval('stock.item_id_seq', 2000)" >/dev/null
bring 0 --schema stock --schema public --in-place
same_again
bring 0 --table stock.item --schema stock --in-place # a schema of which all is named already
psql -c 'delete from sale; delete from stock.item'
bring 1 --schema public --data-only # their items are not there
has err 'sale_item_fkey'
[ "$(count '"-t"')" = 1 ] || fail "a restore that failed added rows"
# A key between tables that are both filled is checked when all rows are in: then they are all out again, and it stands as before.
psql -c 'alter table sale add constraint own foreign key (id) references stock.item (id) deferrable; comment on constraint own on sale is $$mine$$'
bring 1 --table stock.item --table public.sale --data-only
has err 'foreign keys: '
has err '"own"'
[ "$(count sale) $(count stock.item)" = '0 0' ] || fail "a restore whose keys failed in the end added rows"
[ "$(psql -c "select count(*) from pg_constraint where conname in ('own', 'sale_item_fkey') and convalidated")" = 2 ] ||
    fail "a restore that failed took a key away"
[ "$(psql -c "select obj_description(oid) from pg_constraint where conname = 'own'")" = mine ] || fail "the key lost its comment"
psql -c 'alter table sale drop constraint own'
bring 1 --data-only # rows of other tables are there
psql -c 'delete from "-t"; delete from "a.b"."c""d
$(touch /tmp/x)"'
bring 0 --data-only --plan
[ "$(count sale)" = 0 ] || fail "a plan added rows"
bring 0 --data-only --json
json out 'lines[-1]["tables"] == 4 and lines[-1]["rows"] == 7011'
same_again

# Beside the present one.
bring 0 --table stock.item --as stock.item_before
[ "$(count stock.item_before)" = 2000 ] || fail "the table beside has other rows"
[ "$(psql -c "select to_regclass('stock.item_before_pkey') is not null")" = t ] || fail "its key has another name"
bring 1 --table stock.item --as stock.item_before
psql -c 'drop table stock.item_before'

# Names.
psql -c 'drop schema "a.b" cascade' 2>/dev/null
bring 0 --schema '"a.b"'
# shellcheck disable=SC2016 # a name, not a command
bring 0 --in-place --table '"a.b"."c""d
$(touch /tmp/x)"'
bring 1 --in-place --table 'a.b.c"d'
has err 'the backup has no table'
for name in sale .sale public. '"public.sale' '"public"sale' ''; do
    bring 2 --table "$name"
done
psql -c 'drop schema stock cascade' 2>/dev/null
bring 0 --schema stock
psql -c 'alter table sale add foreign key (item) references stock.item (id)'
psql -c "select setval('sale_id_seq', 5000); select setval('stock.item_id_seq', 2000)" >/dev/null
same_again

# What does not go together, and nothing that was left.
bring 2 --table public.sale --data-only --in-place
bring 2 --schema stock --as stock.x
bring 1 --schema nowhere --in-place
has err 'no rows of tables in schema nowhere'
bring 2 --as public.x
bring 2 --table public.sale --jobs 2
status 2 "$HOLDFAST" restore latest:/postgres/shop --into shop --table public.sale
[ "$(psql -c "select count(*) from pg_namespace where nspname like 'holdfast%'")" = 0 ] || fail "something is left over"
