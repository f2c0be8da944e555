#!/bin/sh
# A PostgreSQL database: backed up in a set, drilled, restored beside and in place.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

bin='' dsn='' server=''
start_postgres shop
psql -c "create schema stock;
    create table stock.item (id bigint generated always as identity primary key, name text not null, price numeric);
    create table sale (id serial primary key, item bigint references stock.item (id), at timestamptz default now());
    create view dear as select * from stock.item where price > 100;
    create materialized view totals as select item, count(*) from sale group by item;
    insert into stock.item (name, price) select 'item ' || i, i * 1.5 from generate_series(1, 2000) i;
    insert into sale (item) select i % 2000 + 1 from generate_series(1, 5000) i;
    refresh materialized view totals;
    select lo_from_bytea(4711, 'a large object')" >/dev/null
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
status 0 env HOLDFAST_PROGRESS_FPS=1000 "$HOLDFAST" backup --set shop --json
json out 'any(l.get("source") == "postgres/shop" for l in lines)'
status 0 "$HOLDFAST" ls latest:/postgres/shop
has out 'manifest.json'
has out 'data/stock.item.copy'
status 0 "$HOLDFAST" drill shop --scratch /tmp
has out 'proven'
has out 'tables'

look() { "$bin/pg_dump" -h "$server" -U postgres "$1" | grep -v '^\\\(un\)\?restrict'; }
admin="host=$server user=postgres dbname=postgres"
look shop >shop.sql
status 0 env HOLDFAST_PROGRESS_FPS=1000 "$HOLDFAST" restore latest:/postgres/shop --into copy --dsn "$admin" --json
json out '[l for l in lines if l.get("rows_done", 0) > 0][-1]["rows_done"] == lines[-1]["rows"]'
look copy >copy.sql
cmp shop.sql copy.sql || fail "the copy differs"
status 1 "$HOLDFAST" restore latest:/postgres/shop --into copy --dsn "$admin"
has err 'copy'
status 2 "$HOLDFAST" restore latest:/postgres/shop --into copy
status 2 "$HOLDFAST" restore latest:/postgres/shop --into copy --dsn 'postgresql://ann:secret@localhost/x'
lacks err 'secret'

# The accident, and the way back.
psql -c 'set client_min_messages to warning; drop table sale cascade; delete from stock.item'
status 0 "$HOLDFAST" restore latest:/postgres/shop --into shop --dsn "$admin" --in-place --json
kept=$(json_get out 'lines[-1]["kept"]')
look shop >again.sql
cmp shop.sql again.sql || fail "the database in place differs"
[ "$("$bin/psql" -XAtq -h "$server" -U postgres -d "$kept" -c 'select count(*) from stock.item')" = 0 ] ||
    fail "the database before was not kept"
[ "$(psql -c "select count(*) from pg_database where datname like 'holdfast%'")" = 0 ] || fail "something is left over"

# What is gone is told before anything is stored.
"$bin/psql" -Xq -h "$server" -U postgres -d postgres -c 'drop database shop'
status 1 "$HOLDFAST" backup --set shop
has err 'postgres/shop'
status 0 "$HOLDFAST" snapshots --set shop --json
json out 'len(lines[0]) == 1'
