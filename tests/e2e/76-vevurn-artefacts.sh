#!/bin/sh
# Files of the Vevurn POS service, made with other people's programs: recognised, stored whole and taken apart; and what is refused,
# which leaves no snapshot.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

import() { "$HOLDFAST" import "$@"; }
count() {
    status 0 "$HOLDFAST" snapshots --json
    json_get out 'len(lines[0])'
}
# seal FILE: FILE.enc, as Node's cipher writes it behind its IV.
seal() {
    iv=$(openssl rand -hex 16)
    {
        printf %s "$iv" | "$PYTHON" -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))'
        openssl enc -aes-256-cbc -K "$(cat pos.hex)" -iv "$iv" -in "$1"
    } >"$1.enc"
}
# take FILE KIND [OPTION...]: imported as that kind; its parts are in target/parts.
take() {
    file=$1 kind=$2
    shift 2
    status 2 import "$file" "$@"
    has err 'not authenticated'
    status 0 import "$file" --allow-unauthenticated --json "$@"
    json out "lines[0]['kind'] == '$kind' and lines[0]['authenticated'] is False"
    rm -rf target
    status 0 "$HOLDFAST" restore latest:/import --target target
    cmp "target/$file" "$file" || fail "$file is another one"
    mv "target/$file.parts" target/parts
    sum=$(sha256sum "$file" | cut -d' ' -f1)
    grep -q "$sum" "target/$file.manifest.json" || fail "the manifest lacks the sum of $file"
}

bin='' dsn=''
start_postgres shop
psql -c "create table product (id serial primary key, name text);
    insert into product (name) select 'product ' || i from generate_series(1, 3000) i" >/dev/null
make_repository
openssl rand -hex 32 >pos.hex
openssl rand -hex 32 >other.hex
head -c 32 pos.hex >half.hex
"$bin/pg_dump" -d "$dsn" -f database.sql --verbose --no-owner --no-acl 2>/dev/null
gzip -9 -k database.sql
bzip2 -9 -k database.sql

# Databases, plain and encrypted; the key does no harm where there is nothing to open.
for form in sql sql.gz sql.bz2; do
    seal database.$form
    take database.$form vevurn-database
    cmp target/parts/database.sql database.sql || fail "$form: another text"
    take database.$form.enc vevurn-database --archive-key-file other.hex --archive-key-file pos.hex
    cmp target/parts/database.sql database.sql || fail "$form.enc: another text"
done
status 0 import database.sql.gz --archive-key-file other.hex --dry-run
has out 'compressed with gzip'
status 0 "$HOLDFAST" snapshots --json
json out 'all(s["tags"] == ["import:vevurn-database", "unauthenticated"] for s in lines[0])'

# Files, with sizes in front and behind them.
mkdir -p files/uploads/2025 files/reports files/config
head -c 300000 /dev/urandom >files/uploads/2025/photo.jpg
printf 'x%.0s' $(seq 5000) >'files/reports/Umsätze Q1.csv'
echo '{}' >files/config/package.json
(cd files && "$PYTHON" - <<'END'
import os, sys, zipfile
class Behind:
    """A file that cannot be gone back in: sizes go behind."""
    def __init__(self, name): self.file = open(name, "wb")
    def write(self, data): return self.file.write(data)
    def flush(self): self.file.flush()
for to in ("../front.zip", Behind("../behind.zip")):
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as z:
        for folder, _, names in sorted(os.walk(".")):
            if folder != ".":
                z.write(folder)
            for name in names:
                z.write(os.path.join(folder, name))
END
)
for name in front behind; do
    seal $name.zip
    take $name.zip vevurn-files
    same target/parts files
    take $name.zip.enc vevurn-files --archive-key-file pos.hex
    same target/parts files
done

# What is refused, and why.
before=$(count)
status 2 import database.sql.enc --allow-unauthenticated
has err 'vevurn-database:'
status 2 import database.sql.enc --allow-unauthenticated --as vevurn-database
has err 'key is missing'
status 2 import database.sql.gz.enc --allow-unauthenticated --archive-key-file other.hex --as vevurn-database
has err 'the key does not fit'
lacks err "$(cat other.hex)"
status 2 import database.sql.gz.enc --allow-unauthenticated --archive-key-file half.hex --as vevurn-database
has err '32 characters'
lacks err "$(cat half.hex)"
for file in database.sql database.sql.gz database.sql.bz2 front.zip behind.zip; do
    size=$(stat -c %s "$file")
    for cut in 1 100 $((size / 2)) $((size - 3)); do
        head -c "$cut" "$file" >cut.file
        status 2 import cut.file --allow-unauthenticated
    done
done
cat database.sql.gz database.sql.gz >two.gz
status 2 import two.gz --allow-unauthenticated --as vevurn-database
has err 'another compressed stream'
echo 'CREATE TABLE t ();' >plain.sql
status 2 import plain.sql --allow-unauthenticated
{ cat database.sql; echo '\! touch harm'; } >harm.sql
status 2 import harm.sql --allow-unauthenticated
[ ! -e harm ] || fail "a command of psql was run"
"$PYTHON" - <<'END'
import bz2, zipfile
head = b"--\n-- PostgreSQL database dump\n--\n\n"
open("bomb.bz2", "wb").write(bz2.compress(head + bytes(300 << 20)))
with zipfile.ZipFile("slip.zip", "w") as z:
    z.writestr("uploads/../../etc/evil", "x")
with zipfile.ZipFile("other.zip", "w") as z:
    z.writestr("letters/a", "x")
END
status 2 import bomb.bz2 --allow-unauthenticated --as vevurn-database
has err '500 times'
status 2 import slip.zip --allow-unauthenticated --as vevurn-files
has err 'Malicious path'
status 2 import other.zip --allow-unauthenticated
[ "$(count)" = "$before" ] || fail "something that was refused has left a snapshot"
status 0 import other.zip --allow-unauthenticated --as vevurn-files
