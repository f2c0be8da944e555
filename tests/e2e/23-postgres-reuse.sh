#!/bin/sh
# Tables that did not change are taken over from the snapshot before, which everybody says who tells of
# them; what is restored is the database as it is.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

as='' bin='' dsn='' server=''
work=${work:?}
start_postgres shop
settle='select pg_stat_force_next_flush()' # counters of a session before it ends
psql -c "create type state as enum ('open', 'paid');
    create table item (id bigint generated always as identity primary key, name text not null, notes text);
    create table sale (id serial primary key, item bigint references item (id), s state default 'open');
    create table audit (at timestamptz, what jsonb);
    create table watched (what regclass);
    insert into item (name, notes) select 'item ' || i, repeat(md5(i::text), 300) from generate_series(1, 3000) i;
    insert into sale (item) select i % 2000 + 1 from generate_series(1, 50000) i;
    insert into audit values (now(), '{\"a\": [1, 2]}');
    insert into watched values ('item');
    select lo_from_bytea(4711, 'a large object'); $settle" >/dev/null
psql -c "alter database shop set log_statement = 'all'"
cat >holdfast.yaml <<YAML
state: $PWD/state
repositories:
  main: { url: $PWD/repo, key_file: $PWD/key }
sets:
  shop:
    sources:
      - postgres: { name: shop, dsn: "$dsn", reuse_unchanged_tables: 7d }
    repositories: [main]
YAML
chmod 600 holdfast.yaml
status 0 "$HOLDFAST" init -r repo --key-file key
export HOLDFAST_REPOSITORY="$PWD/repo" HOLDFAST_KEY_FILE="$PWD/key"
copies() { grep -c 'COPY public\.' "$server/log" || :; }
look() { "$bin/pg_dump" -h "$server" -U postgres "$1" | grep -v '^\\\(un\)\?restrict'; }
admin="host=$server user=postgres dbname=postgres"
check_restores() {
    look shop >shop.sql
    status 0 "$HOLDFAST" restore latest:/postgres/shop --into copy --dsn "$admin"
    look copy >copy.sql
    cmp shop.sql copy.sql || fail "the copy differs: $*"
    "$bin/dropdb" -h "$server" -U postgres copy
}

status 0 "$HOLDFAST" config show shop
has out '7d'

# The first has nothing to take over; the second reads what cannot be told unchanged.
status 0 "$HOLDFAST" backup --set shop --json
json out '"tables_reused" not in lines[-1]'
[ "$(copies)" = 4 ] || fail "$(copies) tables were read"
status 0 "$HOLDFAST" backup --set shop
has out '3 tables that did not change since snapshot'
[ "$(copies)" = 5 ] || fail "$(copies) tables were read"
status 0 "$HOLDFAST" ls --databases latest --json
json out '{l["name"] for l in lines if l.get("read")} == {"item", "sale", "audit"}'
status 0 "$HOLDFAST" ls --databases latest
has out 'public.item  (unchanged since it was read'
lacks out 'public.watched  ('
check_restores "after nothing changed"
status 0 "$HOLDFAST" drill shop --scratch /tmp
has out 'proven'
status 0 "$HOLDFAST" check --read-data
status 0 "$HOLDFAST" backup --set shop --dry-run --json
json out 'lines[-1]["tables_reused"] == 3'

# What changed is read, and comes back, also when no counter tells; the rest goes on.
psql -c "update sale set s = 'paid' where id = 7; $settle" >/dev/null
status 0 "$HOLDFAST" backup --set shop --json
json out 'lines[-1]["tables_reused"] == 2'
check_restores "after an update"
psql -c "set track_counts = off; delete from audit; insert into audit values (now(), 'null')"
status 0 "$HOLDFAST" backup --set shop --json
json out 'lines[-1]["tables_reused"] == 2'
check_restores "after a change that was not counted"

# Whoever does not believe it has everything read; that is where the next one begins.
status 0 "$HOLDFAST" backup --set shop --force --json
json out '"tables_reused" not in lines[-1]'
status 0 "$HOLDFAST" backup --set shop --json
json out 'lines[-1]["tables_reused"] == 3'

# A restore in place makes another database of the same name.
psql -c 'delete from sale'
status 0 "$HOLDFAST" restore latest:/postgres/shop --into shop --dsn "$admin" --in-place
status 0 "$HOLDFAST" backup --set shop --json
json out '"tables_reused" not in lines[-1]'
status 0 "$HOLDFAST" backup --set shop --json
json out 'lines[-1]["tables_reused"] == 3'
check_restores "after a restore in place"

# A crash of the server.
stop() { # shellcheck disable=SC2086
    (cd / && $as "$bin/pg_ctl" -D "$server/data" -w -m "$1" stop) >"$work/server.log" 2>&1 || fail "pg_ctl stop"
}
start() { # shellcheck disable=SC2086
    (cd / && $as "$bin/pg_ctl" -D "$server/data" -w -l "$server/log" \
        -o "-c fsync=off -c listen_addresses= -k $server" start) >"$work/server.log" 2>&1 || fail "pg_ctl start"
}
stop immediate
start
status 0 "$HOLDFAST" backup --set shop --json
json out '"tables_reused" not in lines[-1]'
status 0 "$HOLDFAST" backup --set shop --json
json out 'lines[-1]["tables_reused"] == 3'

# The cluster, put back as it was between two snapshots: numbers of transactions come a second time.
stop fast
cp -a "$server/data" "$server/earlier"
start
psql -c "$settle" >/dev/null
status 0 "$HOLDFAST" backup --set shop --json
psql -c "insert into audit select now(), 'true' from generate_series(1, 5); insert into audit values (now(), '1'); $settle" >/dev/null
status 0 "$HOLDFAST" backup --set shop --json
stop immediate
rm -rf "$server/data"
mv "$server/earlier" "$server/data"
start
psql -c "insert into audit select now(), 'false' from generate_series(1, 6); $settle" >/dev/null
status 0 "$HOLDFAST" backup --set shop --json
json out '"tables_reused" not in lines[-1]'
check_restores "after the cluster went back"

# Content that the repository lost is read again.
status 0 "$HOLDFAST" backup --set shop --json
json out 'lines[-1]["tables_reused"] == 3'
find repo/packs -type f -exec rm -f {} +
rm -rf "${XDG_CACHE_HOME:-$HOME/.cache}/holdfast"
status 0 "$HOLDFAST" repair index
status 0 "$HOLDFAST" backup --set shop --json
json out '"tables_reused" not in lines[-1]'
check_restores "after packs were lost"

sed -i 's/7d/often/' holdfast.yaml
status 2 "$HOLDFAST" backup --set shop
has err 'reuse_unchanged_tables'
