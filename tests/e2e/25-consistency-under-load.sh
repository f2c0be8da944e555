#!/bin/sh
# Money is moved between tables without end while 20 backups are taken: in every copy the sum is right.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

ROUNDS=20
bin='' dsn='' server='' writers=''
start_postgres bank
[ -x "$bin/pgbench" ] || exit 77
stop_writers() {
    # shellcheck disable=SC2086
    [ -z "$writers" ] || kill $writers 2>/dev/null || true
    writers=
}
at_end() { stop_writers; }

# 200 accounts with 1000 each in either of two tables; what is moved is also noted in a third.
psql -c "create table giro (id int primary key, cents bigint not null);
    create table savings (id int primary key, cents bigint not null);
    create table moved (id bigserial primary key, cents bigint not null);
    insert into giro select i, 1000 from generate_series(1, 200) i;
    insert into savings select i, 1000 from generate_series(1, 200) i"
cat >transfer.sql <<'SQL'
\set from random(1, 200)
\set to random(1, 200)
\set cents random(-500, 500)
begin;
update giro set cents = cents - :cents where id = :from;
update savings set cents = cents + :cents where id = :to;
insert into moved (cents) values (:cents);
commit;
SQL
cat >writer.py <<'END'
import random, sqlite3, sys, time
c = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
while True:
    cents = random.randint(-500, 500)
    c.execute("begin immediate")
    c.execute("update giro set cents = cents - ? where id = ?", (cents, random.randint(1, 200)))
    c.execute("update savings set cents = cents + ? where id = ?", (cents, random.randint(1, 200)))
    c.execute("insert into moved (cents) values (?)", (cents,))
    c.execute("commit")
    time.sleep(0.003)
END
cat >account.py <<'END'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
if len(sys.argv) > 2:
    c.execute("pragma journal_mode = " + sys.argv[2])
    for table in "giro", "savings":
        c.execute(f"create table {table} (id integer primary key, cents integer not null)")
        c.executemany(f"insert into {table} values (?, 1000)", [(i,) for i in range(1, 201)])
    c.execute("create table moved (id integer primary key, cents integer not null)")
    c.commit()
total, = c.execute("select (select sum(cents) from giro) + (select sum(cents) from savings)").fetchone()
moved, = c.execute("select coalesce(sum(cents), 0) from moved").fetchone()
saved, = c.execute("select sum(cents) from savings").fetchone()
count, = c.execute("select count(*) from moved").fetchone()
check, = c.execute("pragma integrity_check").fetchone()
print(total, saved - moved, check, count)
END
"$PYTHON" account.py log.db wal >out
"$PYTHON" account.py journal.db delete >out

cat >holdfast.yaml <<YAML
state: $PWD/state
repositories:
  main: { url: $PWD/repo, key_file: $PWD/key }
sets:
  bank:
    sources:
      - postgres: { name: bank, dsn: "$dsn" }
      - sqlite: { path: $PWD/log.db }
      - sqlite: { path: $PWD/journal.db }
    repositories: [main]
YAML
chmod 600 holdfast.yaml
make_repository

"$bin/pgbench" -n -f transfer.sql -c 4 -j 1 -R 2000 -T 3600 "$dsn" >bench.log 2>&1 &
writers=$!
for database in log.db log.db journal.db journal.db; do
    "$PYTHON" writer.py "$database" 2>writer.log &
    writers="$writers $!"
done

# count NAME: how many transfers the live database has seen.
count() {
    case $1 in
    postgres) psql -c 'select count(*) from moved' ;;
    *) "$PYTHON" account.py "$1" | cut -d' ' -f4 ;;
    esac
}
# Until each of them has seen another one: no copy is taken of what the copy before it has.
await_writers() {
    for name in postgres log.db journal.db; do
        before=$(count "$name")
        tries=0
        until [ "$(count "$name")" -gt "$before" ]; do
            tries=$((tries + 1))
            [ "$tries" -lt 600 ] || fail "nobody writes to $name: $(tail -1 writer.log) $(tail -1 bench.log)"
            sleep 0.1
        done
    done
}
round=0
while [ "$round" -lt "$ROUNDS" ]; do
    await_writers
    status 0 "$HOLDFAST" backup --set bank
    round=$((round + 1))
done
for pid in $writers; do
    kill -0 "$pid" 2>/dev/null || fail "a writer ended: $(tail -1 writer.log) $(tail -1 bench.log)"
done
stop_writers

# grown FILE COUNT: more has been moved than in the copy before.
grown() {
    [ "$2" -gt "$(cat "$1" 2>/dev/null || echo 0)" ] || fail "nobody wrote between two backups: $1"
    echo "$2" >"$1"
}
status 0 "$HOLDFAST" snapshots --set bank --json
json_get out '"\n".join(s["id"] for s in sorted(lines[0], key=lambda s: s["time"]))' >ids
[ "$(wc -l <ids)" = "$ROUNDS" ] || fail "there are $(wc -l <ids) snapshots"
admin="host=$server user=postgres dbname=postgres"
while read -r id; do
    status 0 "$HOLDFAST" restore "$id:/postgres/bank" --into copy --dsn "$admin"
    psql -d "host=$server user=postgres dbname=copy" -c "select (select sum(cents) from giro) + (select sum(cents) from savings),
        (select sum(cents) from savings) - (select coalesce(sum(cents), 0) from moved), (select count(*) from moved)" >sums
    "$bin/dropdb" -h "$server" -U postgres copy
    case $(cat sums) in '400000|200000|'*) ;; *) fail "PostgreSQL, $id: $(cat sums)" ;; esac
    grown moved.postgres "$(cut -d'|' -f3 sums)"
    for database in log.db journal.db; do
        status 0 "$HOLDFAST" restore "$id:/sqlite/$database" --into "$PWD/copy.db"
        "$PYTHON" account.py copy.db >sums
        rm -f copy.db copy.db-wal copy.db-shm
        case $(cat sums) in '400000 200000 ok '*) ;; *) fail "$database, $id: $(cat sums)" ;; esac
        grown "moved.$database" "$(cut -d' ' -f4 sums)"
    done
done <ids
echo "$ROUNDS backups, $(cat moved.postgres), $(cat moved.log.db) and $(cat moved.journal.db) transfers: every sum is right"
