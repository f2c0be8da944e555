#!/bin/sh
# Imported dumps go into a database of their own, statement by statement: what a stranger wrote runs no commands of psql, has no
# superuser's rights, and leaves no database when it fails.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

bin='' dsn=''
load() { "$HOLDFAST" restore "latest:/import/$1" --into "$2" --dsn "$loader"; }
# text_of DATABASE: what pg_dump says of it.
text_of() { "$bin/pg_dump" --no-owner --no-acl -d "$(echo "$dsn" | sed "s/dbname=shop/dbname=$1/")" | grep -v '^\\\(un\)\?restrict'; }
take() { status 0 "$HOLDFAST" import "$1" --allow-unauthenticated; }
# script WORDS: a file that pg_dump could have written, with WORDS in it, on line 5.
script() {
    { printf -- '--\n-- PostgreSQL database dump\n--\n\n'; cat; printf '\n--\n-- PostgreSQL database dump complete\n--\n\n'; } >"$1"
}
# refuses TEXT: the script on standard input cannot be loaded, for that reason, and leaves nothing.
refuses() {
    script odd.sql
    take odd.sql
    got=0
    load odd.sql odd >out 2>err || got=$?
    [ $got != 0 ] || fail "it was loaded: $(cat odd.sql)"
    has err "$1"
    [ "$(psql -c "select count(*) from pg_database where datname = 'odd'")" = 0 ] || fail "a database was left"
    if [ -e harm ] || [ -e /tmp/holdfast-harm-$$ ]; then fail "a command was run"; fi
}

start_postgres shop
psql -c "create role loader login createdb" -c "create role other login createdb superuser"
loader=$(echo "$dsn" | sed 's/dbname=shop/dbname=postgres/; s/user=[^ ]*//')" user=loader"
psql -c "create schema s;
    create table s.item (id bigint generated always as identity primary key, name text, price money);
    insert into s.item (name, price) select E'it\\\\em\\t;' || i || E'\\n\\\\.\\n', i from generate_series(1, 3000) i;
    create function s.old(a int) returns int language sql as 'select a + 1; -- ''quoted''; \$\$';
    create function s.atomic(a int) returns int language sql begin atomic select case when a > 1 then 1 else 2 end; select a + 2; end;
    create function s.body() returns trigger language plpgsql as \$body\$ begin raise notice '%; \$\$', 'x'; return new; end \$body\$;
    create trigger t before update on s.item for each row execute function s.body();
    create rule r as on delete to s.item do also (select 1; select 2);
    create view s.\"odd;name\" as select id from s.item where name <> E'a''b\\\\';
    comment on table s.item is 'it''s; \\ /* no comment -- at all';
    create table s.empty (id int); create materialized view s.m as select count(*) from s.item;
    select lo_from_bytea(4711, 'a large object')" >/dev/null
text_of shop >wanted
make_repository

# As the service wrote it, with rows as COPY and as INSERT, and as we write it.
"$bin/pg_dump" -d "$dsn" -f copy.sql --verbose --no-owner --no-acl 2>/dev/null
"$bin/pg_dump" -d "$dsn" -f insert.sql --no-owner --no-acl --inserts
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
status 0 "$HOLDFAST" backup --set shop
mkdir ours
status 0 "$HOLDFAST" export vevurn latest --set shop --compression none --output-dir ours
mv ours/*.sql ours.sql
for form in copy insert ours; do
    take $form.sql
    status 0 load $form.sql $form
    has out 'nothing says whether'
    text_of $form >found
    cmp wanted found || { diff wanted found | head -20 >err; fail "$form: another database"; }
done
status 0 "$HOLDFAST" restore latest:/import/ours.sql --into again --dsn "$loader" --json
json out 'lines[-1]["rows"] == 3000 and lines[-1]["statements"] > 20'

# A name that is taken, and options that make no sense.
status 1 load ours.sql again
has err 'exists'
status 2 "$HOLDFAST" restore latest:/import/ours.sql --into x --dsn "$loader" --in-place
status 2 "$HOLDFAST" restore latest:/import/ours.sql --into x
# Whoever may do anything does not run what nobody answers for.
for role in other postgres; do
    got=0
    "$HOLDFAST" restore latest:/import/ours.sql --into x --dsn "${loader%loader}$role" >out 2>err || got=$?
    [ $got != 0 ] || fail "role $role loaded it"
    has err 'nobody answers for the script'
done

echo 'create table public.t (id int); COMMIT; BEGIN; select nonsense;' | refuses 'line 5: column'
echo '\! touch harm' | refuses 'line 5: it has a command of psql'
printf 'select 1 \\! touch harm\n;' | refuses 'line 5: it has a command of psql'
printf 'select 1;\n\\o harm\nselect 2;' | refuses 'line 6: it has a command of psql'
printf 'create table public.t (a text);\ncopy public.t from stdin;\na\n\\.\n\\! touch harm\n' | refuses 'line 9: it has a command of psql'
echo 'create table public.t (); end; create table public.u ();' | refuses 'it ends the transaction'
echo 'rollback;' | refuses 'line 5: it ends the transaction'
echo "copy (select 1) to program 'touch /tmp/holdfast-harm-$$';" | refuses 'line 5: it copies in another way'
echo "copy pg_catalog.pg_class to stdout;" | refuses 'it copies in another way'
echo "create table public.t (a text); copy public.t from program 'id';" | refuses 'it copies in another way'
printf "create table public.t (a text);\ncopy public.t from '/etc/passwd' with (delimiter 'stdin');\n" | refuses 'line 6: it copies in another way'
printf "set standard_conforming_strings = off;\nselect 'a\\\\'; commit; --';\n" | refuses 'line 6'
echo "do \$\$ begin perform pg_read_file('/etc/passwd'); end \$\$;" | refuses 'permission denied'
echo "drop database shop;" | refuses 'line 5'
echo "alter system set work_mem = '1GB';" | refuses 'line 5'
printf '\n\nselect nonsense;\n' | refuses 'line 7: column'
printf 'create table public.t (a int);\ncopy public.t from stdin;\nx\n\\.\n' | refuses 'line 6: invalid input syntax'
printf 'create table public.t (a int);\ncopy public.t from stdin;\n1\n' | refuses 'line 6'
echo "select 'never ended" | refuses 'line 5: the script ends within a statement'
echo "create table public.t (a int); insert into public.t values (1);" | { script good.sql; take good.sql; status 0 load good.sql good; }
