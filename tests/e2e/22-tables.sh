#!/bin/sh
# Tables of a PostgreSQL database as JSON and back.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

status 2 "$HOLDFAST" export tables
status 2 "$HOLDFAST" export tables --dsn postgresql://ann:secret@localhost/shop
has err 'password'
lacks err 'secret'
dsn=''
start_postgres shop
psql -c "create table item (id bigint primary key, name text, price numeric, at timestamptz default now());
    create table part (id int primary key, item bigint references item (id));
    insert into item select i, 'item ' || i, i * 1.5 from generate_series(1, 500) i;
    insert into item values (9007199254740993, E'quote \" back \\\\ line', 'NaN', 'infinity');
    insert into part select i, i from generate_series(1, 100) i"
before=$(psql -c "select md5(string_agg(i::text, '' order by id)) from item i")
status 0 "$HOLDFAST" export tables --dsn "$dsn"
cp out shop.json
"$PYTHON" -m json.tool shop.json >/dev/null || fail "the document is no JSON"
psql -c "delete from part; delete from item where id % 2 = 0; update item set name = 'spoiled'"
status 0 "$HOLDFAST" import tables --dsn "$dsn" shop.json
has out 'item: 501 rows'
[ "$before" = "$(psql -c "select md5(string_agg(i::text, '' order by id)) from item i")" ] || fail "items differ"
[ "$(psql -c 'select count(*) from part')" = 100 ] || fail "parts are missing"
psql -c "insert into item values (-1, 'extra')"
status 0 "$HOLDFAST" import tables --dsn "$dsn" --mode replace --json <shop.json
json out 'sorted(line["table"] for line in lines) == ["item", "part"]'
[ "$(psql -c 'select count(*) from item')" = 501 ] || fail "replace has left a row"
head -c 2000 shop.json >cut.json
status 13 "$HOLDFAST" import tables --dsn "$dsn" cut.json
has err 'nothing was changed'
status 1 "$HOLDFAST" export tables --dsn "$dsn" -T missing
has err 'missing'
