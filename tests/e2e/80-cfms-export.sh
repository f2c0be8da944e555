#!/bin/sh
# Archives of CFMS out of its database, SQLite and PostgreSQL, read by other people's code; what is missing is said.
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"

server() { "$PYTHON" "$cases/cfms_server.py" "$@"; }
mkdir app keys out.d
server fill app
server schema sqlite >schema.sql
server sqlite app/app.db schema.sql app/data.sql
place="--database app/app.db --content-dir app/content"
export_to() { "$HOLDFAST" cfms export $place --output-dir out.d --key-dir keys "$@"; }

# Read as the application's restore does: records, contents by their sums, and the same again by ours.
cp app/app.db before.db
status 0 export_to --name demo --json
json out 'lines[-1]["archive_path"] == "out.d/demo.cfms.enc" and lines[-1]["key_path"] == "keys/demo.key"'
json out 'lines[-1]["metadata"]["version"] == "1.0" and lines[-1]["metadata"]["documents_count"] == 5 and
    lines[-1]["metadata"]["folders_count"] == 2 and lines[-1]["metadata"]["files_count"] == 5 and lines[-1]["missing"] == 0'
server read out.d/demo.cfms.enc keys/demo.key read
for name in 00 01 02 03; do
    id=$(printf "$name%.0s" $(seq 32))
    cmp "read/files/$id" "app/content/files/2026/$id" || fail "content $name is another one"
done
cmp read/files/init app/content/hello || fail "content init is another one"
[ ! -e read/files/unused ] || fail "a file that no revision refers to is in it"
"$PYTHON" -c 'import json, sqlite3
db = sqlite3.connect("app/app.db")
said = {d["id"]: d for d in json.load(open("read/documents.json", encoding="utf-8"))}
for id, title, created, folder in db.execute("SELECT * FROM documents"):
    d = said.pop(id)
    assert (d["title"], d["created_time"], d["folder_id"]) == (title, created, folder), id
    assert [(r["id"], r["file_id"], r["created_time"]) for r in d["revisions"]] == db.execute(
        "SELECT id, file_id, created_time FROM document_revisions WHERE document_id = ? ORDER BY created_time", (id,)).fetchall(), id
    assert [(r["id"], r["access_type"], json.dumps(r["rule_data"])) for r in d["access_rules"]] == db.execute(
        "SELECT id, access_type, rule_data FROM document_access_rules WHERE document_id = ?", (id,)).fetchall(), id
assert not said
said = {f["id"]: f for f in json.load(open("read/files.json", encoding="utf-8"))}
for id, sha, path, created, active in db.execute("SELECT * FROM files WHERE id <> ?", ("unused",)):
    f = said.pop(id)
    assert (f["sha256"], f["path"], f["created_time"], f["active"]) == (sha, path, created, bool(active)), id
assert not said
said = json.load(open("read/folders.json", encoding="utf-8"))
assert [(f["id"], f["name"], f["created_time"], f["parent_id"], len(f["access_rules"])) for f in said] == [
    (*row, int(row[0][0] == "f")) for row in db.execute("SELECT * FROM folders ORDER BY id")]' || fail "the records are others"
cmp app/app.db before.db || fail "the database was changed"
[ "$(stat -c %a keys/demo.key out.d/demo.cfms.enc | tr '\n' ' ')" = '600 600 ' ] || fail "others may read it"
status 0 "$HOLDFAST" import out.d/demo.cfms.enc --archive-key-file keys/demo.key --dry-run --json
json out 'lines[0]["kind"] == "cfms" and lines[0]["authenticated"] is True'

# Nothing is replaced, and names are names.
cp out.d/demo.cfms.enc keys/demo.key .
status 1 export_to --name demo
has err 'there is a demo.cfms.enc already'
rm out.d/demo.cfms.enc
status 1 export_to --name demo
has err 'there is a demo.key already'
cmp keys/demo.key demo.key || fail "the key was replaced"
[ -z "$(ls -A out.d)" ] || fail "an archive without its key was left"
for name in ../x a/b .hidden '' 'a b' "$(printf 'a\nb')" "$(printf 'a%.0s' $(seq 201))"; do
    status 2 export_to --name "$name"
done
[ "$(ls -A keys)" = demo.key ] || fail "there are other keys"
status 0 export_to --key-dir out.d
has out 'out.d/backup_'
has out 'who takes one takes both'

# What is not there, is not a file, lies elsewhere, was changed or cannot be read is named.
rm -r out.d && mkdir out.d
long() { printf "$1%.0s" $(seq 32); }
echo secret >secret
files=app/content/files/2026
mv "$files/$(long 00)" kept
ln -s ../../../../secret "$files/$(long 00)"
mv "$files/$(long 01)" "$files/elsewhere"
printf x | dd of="$files/$(long 02)" bs=1 seek=5 conv=notrunc 2>/dev/null
"$PYTHON" -c 'import sqlite3, sys
db = sqlite3.connect("app/app.db")
db.execute("UPDATE files SET path = ? WHERE id = ?", ("./content/../secret", "03" * 32))
db.execute("UPDATE files SET path = ? WHERE id = ?", (sys.argv[1] + "/secret", "init"))
db.execute("INSERT INTO document_revisions(document_id, file_id, created_time) VALUES(?, ?, 1)", ("hello", "gone\x1b[31m"))
db.commit()' "$PWD"
status 2 export_to --name holes
has err 'no archive was made'
"$PYTHON" -c 'import sqlite3
db = sqlite3.connect("app/app.db")
db.execute("UPDATE document_revisions SET file_id = ? WHERE file_id LIKE ?", ("gone", "gone%"))
db.commit()'
status 3 export_to --name holes --json
json out 'lines[-1]["missing"] == 6 and lines[-1]["metadata"]["files_count"] == 5'
json err 'len([l for l in lines if l["message_type"] == "error"]) == 6'
has err 'a symbolic link stands in the way'
has err 'No such file'
has err 'not what its SHA-256 says'
has err 'leads out'
has err 'does not lead below'
has err 'file gone: a revision refers to it'
server read out.d/holes.cfms.enc keys/holes.key holes
[ -z "$(ls holes/files)" ] || fail "a content that is not right is in the archive"
"$PYTHON" -c 'import json; assert len(json.load(open("holes/metadata.json"))["missing"]) == 5' || fail "the archive does not say it"

# Other schemas.
"$PYTHON" -c 'import sqlite3
db = sqlite3.connect("later.db")
db.executescript(open("schema.sql").read() + "ALTER TABLE documents ADD COLUMN status INT; DROP TABLE folder_access_rules")'
status 2 "$HOLDFAST" cfms export --database later.db --content-dir app/content --output-dir out.d --key-dir keys
has err 'lacks table folder_access_rules'
has err 'documents.status'
status 1 "$HOLDFAST" cfms export --database none.db --content-dir app/content --output-dir out.d --key-dir keys
status 2 "$HOLDFAST" cfms export --database "postgresql://u:secret@h/d" --content-dir app/content --output-dir out.d --key-dir keys
lacks err u:secret
[ ! -e none.db ] || fail "a database was made"

# A file system without room leaves neither file.
rm -r app
mkdir app
server fill app
server sqlite app/app.db schema.sql app/data.sql
ls out.d keys >before
(trap '' XFSZ; ulimit -f 1000; status 1 export_to --name full) || exit 1
ls out.d keys >after
cmp before after || fail "something was left"

# PostgreSQL says the same.
dsn=''
start_postgres cfms
server schema postgres >postgres.sql
psql -f postgres.sql -f app/data.sql >/dev/null
status 0 "$HOLDFAST" cfms export --database "$dsn" --content-dir app/content --output-dir out.d --key-dir keys --name pg
server read out.d/pg.cfms.enc keys/pg.key pg
rm read/metadata.json pg/metadata.json
same read pg
psql -c 'alter table files add column encryption_key text' >/dev/null
status 2 "$HOLDFAST" cfms export --database "$dsn" --content-dir app/content --output-dir out.d --key-dir keys
has err 'files.encryption_key'
