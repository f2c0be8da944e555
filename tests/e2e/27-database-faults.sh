#!/bin/sh
# What goes wrong with a PostgreSQL database during a backup: a sentence, an exit status, and never a
# snapshot that looks whole.
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

bin='' dsn='' server='' as='' proxy=''
start_postgres shop
stop_proxy() {
    [ -z "$proxy" ] || kill "$proxy" 2>/dev/null || true
    proxy=
}
at_end() { stop_proxy; }
psql -c "create table item as select i, md5(i::text) as name from generate_series(1, 20000) i;
    create table sale as select i, repeat('s', i % 90) as note from generate_series(1, 20000) i;
    create table part (i int) partition by range (i); create table part_1 partition of part for values from (0) to (9999);
    insert into part select generate_series(1, 5000); select lo_from_bytea(0, decode(repeat('ab', 500000), 'hex'))" >/dev/null
cat >holdfast.yaml <<YAML
state: $PWD/state
repositories:
  main: { url: $PWD/repo, key_file: $PWD/key }
sets:
  strict:
    sources:
      - postgres: { name: shop, dsn: "host=$PWD/way user=postgres dbname=shop" }
    repositories: [main]
  lax:
    sources:
      - postgres: { name: shop, dsn: "host=$PWD/way user=postgres dbname=shop" }
      - files: { paths: [$PWD/files] }
    repositories: [main]
    on_error: incomplete
  poor:
    sources:
      - postgres: { name: shop, dsn: "host=$server user=poor dbname=shop" }
    repositories: [main]
YAML
chmod 600 holdfast.yaml
make_tree files
make_repository

start_proxy() {
    stop_proxy
    rm -rf way
    mkdir way
    "$PYTHON" "$here/proxy.py" "$PWD/way" "$server" "$@" &
    proxy=$!
    until_true 60 test -e way/.s.PGSQL.5432
}
count() { status 0 "$HOLDFAST" snapshots --json && json_get out 'len(lines[0])'; }
# refused WORD...: a backup of the set "strict" fails with these words, and there is no new snapshot.  What
# a connection of our own says is known to pass (11); of pg_dump only its status is (1).
refused() {
    got=0
    "$HOLDFAST" backup --set strict >out 2>err || got=$?
    failed "$got"
    told "$@"
}
failed() { [ "$1" = 11 ] || { [ "$1" = 1 ] && grep -q 'pg_dump.* ended with' err; } || fail "status $1"; }
told() {
    for word; do has err "$word"; done
    has err 'postgres/shop: database shop'
    [ "$(grep -c '^holdfast:' err)" = 1 ] || fail "more or less than one sentence"
    [ "$(count)" = "$snapshots" ] || fail "there is a snapshot"
}
# held: a backup of "strict" stops in the middle of the rows of a table; its end is in the file status.
held() {
    start_proxy hold 300000
    (got=0 && "$HOLDFAST" backup --set strict >out 2>err || got=$?; echo "$got" >status) &
    backup=$!
    until_true 60 test -e way/held
}
go_on() {
    touch way/go
    wait "$backup"
}

# How much passes: pg_dump's questions and all rows.
start_proxy
status 0 "$HOLDFAST" backup --set strict
bytes=$(cat way/bytes)
[ "$bytes" -gt 2000000 ] || fail "only $bytes bytes passed"
snapshots=1

# The connection is lost at the first byte and at every tenth.
for tenth in 0 1 2 3 4 5 6 7 8 9; do
    start_proxy cut "$((bytes * tenth / 10 + 1))"
    refused 'server'
done
start_proxy cut "$((bytes * 6 / 10))"
status 3 "$HOLDFAST" backup --set lax
has err '/postgres/shop/manifest.json'
snapshots=$((snapshots + 1))
status 0 "$HOLDFAST" ls latest:/postgres/shop
lacks out manifest.json
status 14 "$HOLDFAST" drill lax --scratch /tmp
has out 'failed  postgres/shop'
has out 'proven  files'
status 1 "$HOLDFAST" restore latest:/postgres/shop --into copy --dsn "$dsn"

# Sessions that the administrator ends, a statement that he cancels, and a restart; but limits of time that he
# set for everybody are not for backups.
held
psql -c "select count(pg_terminate_backend(pid)) from pg_stat_activity where pid <> pg_backend_pid() and datname = 'shop'" >count
[ "$(cat count)" -ge 2 ] || fail "$(cat count) sessions"
go_on
failed "$(cat status)"
told ' connection '
held
psql -c "select count(pg_cancel_backend(pid)) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and datname = 'shop'" >count
go_on
[ "$(cat count)" -ge 1 ] || fail "nothing was cancelled"
[ "$(cat status)" = 1 ] || fail "status $(cat status)"
told 'canceling statement due to user request'
held
# shellcheck disable=SC2086
(cd / && $as "$bin/pg_ctl" -D "$server/data" -m immediate -w -l "$server/log" \
    -o "-c fsync=off -c listen_addresses= -k $server" restart) >server.log 2>&1
go_on
failed "$(cat status)"
told 'server'
psql -c "alter database shop set statement_timeout = '1s'; alter database shop set idle_in_transaction_session_timeout = '1s';
    alter role postgres set lock_timeout = '1s'"
held
sleep 2
go_on
[ "$(cat status)" = 0 ] || fail "status $(cat status)"
snapshots=$((snapshots + 1))
psql -c 'alter database shop reset all; alter role postgres reset all'

# Nobody can change a table in the middle; what changes its rows is not seen.
held
for change in 'drop table item' 'alter table sale add more int' 'truncate sale' 'drop table part_1' 'alter table item rename to other'; do
    status 1 psql -c "set lock_timeout = '100ms'; $change"
    has err 'lock timeout'
done
psql -c 'delete from sale; insert into item select 1, null; create table later (i int)'
go_on
[ "$(cat status)" = 0 ] || fail "status $(cat status)"
snapshots=$((snapshots + 1))
status 0 "$HOLDFAST" restore latest:/postgres/shop --into copy --dsn "$dsn"
[ "$(psql -d "host=$server user=postgres dbname=copy" -c "select (select count(*) from sale), (select count(*) from item),
    to_regclass('later') is null")" = '20000|20000|t' ] || fail "the copy is not of the moment"

# A program of an older version comes first in PATH: another is used.
mkdir old
printf '#!/bin/sh\n[ "$*" = --version ] && echo "pg_dump (PostgreSQL) 12.4" && exit\ntouch %s/used\nexit 1\n' "$PWD" >old/pg_dump
chmod +x old/pg_dump
status 0 env PATH="$PWD/old:/usr/bin:/bin" "$HOLDFAST" backup --set strict
[ ! -e used ] || fail "the older program was used"
snapshots=$((snapshots + 1))

# A role that may not read everything.
psql -c 'create role poor login; grant select on sale to poor'
status 1 "$HOLDFAST" backup --set poor
told 'role poor may not read' 'public.item'
status 0 "$HOLDFAST" check --read-data
echo "$bytes bytes, $snapshots snapshots, each of them sound"
