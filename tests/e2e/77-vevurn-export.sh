#!/bin/sh
# Snapshots as files of the Vevurn POS service: other people's programs read them, and psql makes equal databases of them.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

bin='' dsn=''
export_to() { "$HOLDFAST" export vevurn "$@" --output-dir out.d; }
# open_sealed FILE: what openssl makes of it, with the key of the service.
open_sealed() {
    iv=$("$PYTHON" -c 'import sys; print(open(sys.argv[1], "rb").read(16).hex())' "$1")
    tail -c +17 "$1" | openssl enc -d -aes-256-cbc -K "$(cat pos.hex)" -iv "$iv"
}
file_name() { json_get out 'lines[0]["name"]'; }
# check_file: what was said of the last file is so, and there is nothing beside those that were said.
check_file() {
    name=$(file_name)
    [ "$(sha256sum "out.d/$name" | cut -d' ' -f1)" = "$(json_get out 'lines[0]["sha256"]')" ] || fail "another sum"
    [ "$(stat -c '%s %a' "out.d/$name")" = "$(json_get out 'lines[0]["size"]') 600" ] || fail "another size or mode"
    [ -z "$(find out.d -name 'holdfast-export*')" ] || fail "something is left"
}
text_of() { "$bin/pg_dump" --no-owner --no-acl -d "$(echo "$dsn" | sed "s/dbname=shop/dbname=$1/")" | grep -v '^\\\(un\)\?restrict'; }

start_postgres shop
psql -c "create extension if not exists pgcrypto" >/dev/null 2>&1 || :
psql -c "create schema \"Stock \"\"Room\";
    create type colour as enum ('red', 'green');
    create table \"Stock \"\"Room\".item (id bigint generated always as identity primary key, name text not null, price money,
        twice int generated always as (42) stored, hue colour default 'red');
    insert into \"Stock \"\"Room\".item (name, price) select E'it\\\\em\\t' || i || E'\\n\\\\.\\n', i * 1.5 from generate_series(1, 2000) i;
    create table sale (id serial primary key, item bigint references \"Stock \"\"Room\".item (id), at timestamptz default now(),
        raw bytea, doc jsonb, note text);
    insert into sale (item, raw, doc, note) select i % 2000 + 1, decode(md5(i::text), 'hex'), jsonb_build_object('i', i), null
        from generate_series(1, 5000) i;
    create table part (id int, v text) partition by range (id);
    create table part_1 partition of part for values from (0) to (100);
    insert into part values (1, 'ä'), (2, '');
    create table empty_one ();
    insert into empty_one default values;
    create table nothing (id int);
    create index sale_doc on sale using gin (doc);
    create function touch() returns trigger language plpgsql as \$f\$ begin raise 'never'; end \$f\$;
    create trigger t before insert on sale for each row execute function touch();
    create materialized view totals as select item, count(*) from sale group by item;
    alter table sale enable row level security;
    create policy p on sale using (id > 0);
    create sequence odd increment -3 maxvalue 10; select nextval('odd'); select nextval('odd');
    select lo_from_bytea(4711, 'a large object'), lo_from_bytea(4712, ''), lo_from_bytea(4713, repeat('x', 3000000)::bytea);
    comment on large object 4711 is 'it''s \\ large'" >/dev/null
mkdir -p srv/uploads/2025 srv/reports srv/exports app out.d
head -c 3000000 /dev/urandom >srv/uploads/2025/photo.jpg
printf 'x%.0s' $(seq 5000) >'srv/reports/Umsätze Q1.csv'
ln -s photo.jpg srv/uploads/2025/link
: >srv/reports/empty
echo '{}' >app/package.json
cat >holdfast.yaml <<YAML
state: $PWD/state
repositories:
  main: { url: $PWD/repo, key_file: $PWD/key }
sets:
  shop:
    sources:
      - postgres: { name: shop, dsn: "$dsn" }
      - files: { paths: [$PWD/srv/uploads, $PWD/srv/reports, $PWD/srv/exports, $PWD/app/package.json] }
    repositories: [main]
YAML
chmod 600 holdfast.yaml
status 0 "$HOLDFAST" init -r repo --key-file key
export HOLDFAST_REPOSITORY="$PWD/repo" HOLDFAST_KEY_FILE="$PWD/key"
status 0 "$HOLDFAST" backup --set shop
openssl rand -hex 32 >pos.hex
head -c 32 pos.hex >half.hex
# The server is not needed from here on, but to compare.
text_of shop >wanted

number=0
for form in gzip bzip2 none; do
    for key in '' pos.hex; do
        status 0 export_to latest --set shop --compression $form ${key:+--encryption-key-file $key} --name "Daily Backup $form" --json
        json out 'lines[0]["type"] == "database" and lines[0]["tables"] == 7 and lines[0]["rows"] == 7003'
        check_file
        case $form$key in
        gzip) tail=sql.gz ;;
        gzip*) tail=sql.gz.enc ;;
        bzip2) tail=sql.bz2 ;;
        bzip2*) tail=sql.bz2.enc ;;
        none) tail=sql ;;
        *) tail=sql.enc ;;
        esac
        echo "$name" | grep -qE "^Daily Backup ${form}_20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}-[0-9]{3}Z_database.$tail\$" ||
            fail "the name is $name"
        if [ -n "$key" ]; then open_sealed "out.d/$name" >plain; else cp "out.d/$name" plain; fi
        case $form in
        gzip) gunzip -c <plain >"database-$number.sql" ;;
        bzip2) bunzip2 -c <plain >"database-$number.sql" ;;
        none) cp plain "database-$number.sql" ;;
        esac
        # Newer programs put a token in, each time another one.
        grep -v '^\\\(un\)\?restrict' "database-$number.sql" >"text-$number"
        cmp text-0 "text-$number" || fail "$name: another text"
        number=$((number + 1))
        # And we read it again ourselves.
        status 0 "$HOLDFAST" import "out.d/$name" ${key:+--archive-key-file $key} --dry-run --json
        json out 'lines[0]["kind"] == "vevurn-database" and lines[0]["parts"] == 1'
    done
done
[ "$(grep -c 'PostgreSQL database dump complete' database-0.sql)" = 1 ] || fail "it ends more than once"
psql -c 'create database copy' >/dev/null
"$bin/psql" -X -q -v ON_ERROR_STOP=1 -d "$(echo "$dsn" | sed 's/dbname=shop/dbname=copy/')" -f database-0.sql >/dev/null
text_of copy >found
cmp wanted found || { diff wanted found | head -20 >err; fail "the database is another one"; }

# Files.
for key in '' pos.hex; do
    status 0 export_to latest --set shop --type files --folder "/files$PWD/srv/uploads" --folder "/files$PWD/srv/reports" \
        --folder "/files$PWD/app/package.json" ${key:+--encryption-key-file $key} --json
    json out 'lines[0]["files"] == 4 and lines[0]["left_out"] == 1'
    check_file
    echo "$name" | grep -qE '^shop_20.*Z_files_backup_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.zip(\.enc)?$' ||
        fail "the name is $name"
    if [ -n "$key" ]; then open_sealed "out.d/$name" >files.zip; else cp "out.d/$name" files.zip; fi
    unzip -tq files.zip >/dev/null || fail "unzip does not take it"
    rm -rf unzipped
    "$PYTHON" -m zipfile -e files.zip unzipped
    cmp unzipped/uploads/2025/photo.jpg srv/uploads/2025/photo.jpg
    cmp 'unzipped/reports/Umsätze Q1.csv' 'srv/reports/Umsätze Q1.csv'
    cmp unzipped/config/package.json app/package.json
    [ "$(find unzipped -type f | wc -l)" = 4 ] || fail "other files"
    status 0 "$HOLDFAST" import "out.d/$name" ${key:+--archive-key-file $key} --dry-run --json
    json out 'lines[0]["kind"] == "vevurn-files" and lines[0]["parts"] == 4'
done

# Without being told which, the folders that have the service's names.
status 0 export_to latest --set shop --type files --name named --json
json out 'lines[0]["files"] == 3 and lines[0]["left_out"] == 1'
"$PYTHON" -m zipfile -l "out.d/$(file_name)" >out
has out uploads/2025/photo.jpg
lacks out link

# What is refused leaves nothing, and no file gives way to another.
count=$(ls out.d | wc -l)
first=$(find out.d -name '*sql.gz')
cp "$first" kept
status 1 export_to latest --set shop --name 'Daily Backup gzip'
has err 'there is a file of that name'
cmp "$first" kept || fail "a file has given way"
status 2 export_to latest --set shop --encryption-key-file half.hex
has err '32 characters'
lacks err "$(cat half.hex)"
status 2 export_to latest --set shop --name ../x
status 2 export_to latest --set shop --name ''
status 1 export_to latest:/postgres/other --set shop
status 2 export_to latest:/postgres/shop --set shop --type files
status 1 export_to latest --set shop --type files --folder /files/nowhere
status 2 export_to latest --set shop --folder /files
status 1 "$HOLDFAST" export vevurn latest --set shop --output-dir nowhere
status 2 "$HOLDFAST" export vevurn latest --set shop
[ "$(ls out.d | wc -l)" = "$count" ] || fail "something was left"
