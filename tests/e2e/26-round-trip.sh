#!/bin/sh
# Whole databases there and back: pg_dump says the same of original and copy, and so does holdfast.
# "everything" has one of every kind of object; the two samples are our own.  HOLDFAST_SAMPLES names further files of
# SQL to make databases of, by absolute paths.
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

bin='' dsn='' server=''
start_postgres pgbench
[ -x "$bin/pgbench" ] || exit 77
make_repository
admin="host=$server user=postgres dbname=postgres"
"$bin/pgbench" -q -i -s 2 --foreign-keys --partitions=3 "$dsn" 2>/dev/null

cat >holdfast.yaml <<YAML
state: $PWD/state
repositories:
  main: { url: $PWD/repo, key_file: $PWD/key }
sets:
YAML
chmod 600 holdfast.yaml
names=pgbench
for file in "$here/../support/everything.sql" "$here/samples/film-rental.sql" "$here/samples/airline.sql" ${HOLDFAST_SAMPLES:-}; do
    names="$names $(basename "$file" .sql)"
    cp "$file" .
done
for name in $names; do
    if [ "$name" != pgbench ]; then
        "$bin/createdb" -h "$server" -U postgres "$name"
        PGOPTIONS='-c client_min_messages=error' psql -d "host=$server user=postgres dbname=$name" -o out -f "$name.sql"
    fi
    # The copy is backed up under the same name, so that its files and manifest can be compared.
    for database in "$name" "$name-copy"; do
        cat >>holdfast.yaml <<YAML
  $database:
    sources:
      - postgres: { name: it, dsn: "host=$server user=postgres dbname=$database" }
    repositories: [main]
YAML
    done
done

look() { "$bin/pg_dump" -h "$server" -U postgres "$1" | grep -v '^\\\(un\)\?restrict'; }
for name in $names; do
    status 0 "$HOLDFAST" backup --set "$name"
    status 0 "$HOLDFAST" restore latest:/postgres/it --set "$name" --into "$name-copy" --dsn "$admin"
    has out 'the same as its manifest'
    look "$name" >one.sql
    look "$name-copy" >two.sql
    cmp one.sql two.sql || fail "$name: pg_dump says: $(diff one.sql two.sql | head -20)"
    status 0 "$HOLDFAST" backup --set "$name-copy"
    for database in "$name" "$name-copy"; do
        status 0 "$HOLDFAST" dump latest /postgres/it/manifest.json --set "$database"
        mv out "$database.json"
    done
    "$PYTHON" -c '
import json, sys
one, two = (json.load(open(path)) for path in sys.argv[1:])
said = {k: v for k, v in one.items() if v != two[k]}
for key in "time", "database", "lsn":
    said.pop(key, None)
sys.exit(str(said)[:400] if said or one.keys() != two.keys() else 0)' "$name.json" "$name-copy.json" ||
        fail "$name: the manifests differ"
    echo "$name: $(wc -l <one.sql) lines of pg_dump, $(wc -c <one.sql) bytes: equal"
done
