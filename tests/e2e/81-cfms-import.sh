#!/bin/sh
# Archives of CFMS into its database, SQLite and PostgreSQL: all of it or nothing, whatever is in them and whoever kills us.
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"

server() { "$PYTHON" "$cases/cfms_server.py" "$@"; }
long() { printf "$1%.0s" $(seq 32); }
mkdir old
server fill old
server schema sqlite >schema.sql
server sqlite old/app.db schema.sql old/data.sql
server sqlite old/app.db /dev/stdin <<'SQL'
DELETE FROM files WHERE id = 'unused';
SQL
status 0 "$HOLDFAST" cfms export --database old/app.db --content-dir old/content --output-dir . --key-dir . --name ours
server read ours.cfms.enc ours.key tree

# A server that was just installed, but for its own "hello" and "init".
fresh() {
    rm -rf new
    mkdir -p new/content
    server fill new empty
    rm -r new/content/files new/content/hello
    server sqlite new/app.db schema.sql new/data.sql
}
bring() { "$HOLDFAST" cfms import "$@" --database new/app.db --content-dir new/content; }
# nothing_changed: the database and its folder are as fresh ones.
nothing_changed() {
    server rows new/app.db >rows
    [ "$(cat rows)" = '' ] || fail "something came into the database"
    [ -z "$(find new/content -type f)" ] || fail "contents were left"
}
# changed_tree EXPRESSION: archive.cfms.enc is the tree with something done to its lists: d, o, f.
changed_tree() {
    rm -rf other
    cp -r tree other
    "$PYTHON" -c 'import json, os, sys
names = ("documents", "folders", "files", "metadata")
d, o, f, m = (json.load(open(f"other/{n}.json", encoding="utf-8")) for n in names)
exec(sys.argv[1])
for n, l in zip(names, (d, o, f, m)):
    m.update({f"{n}_count": len(l)} if n != "metadata" else {})
    json.dump(l, open(f"other/{n}.json", "w", encoding="utf-8"), indent=2, ensure_ascii=False)' "$1"
    server write other archive.cfms.enc archive.key mac
}
refused() {
    wanted_status=$1
    shift
    status "$wanted_status" bring archive.cfms.enc --archive-key-file archive.key "$@"
    nothing_changed
}

# There and back: the same records, contents byte for byte where the application looks for them.
fresh
server rows old/app.db >wanted
status 0 bring ours.cfms.enc --archive-key-file ours.key --dry-run --json
json out 'lines[-1]["dry_run"] and lines[-1]["documents_imported"] == 5 and lines[-1]["authenticated"]'
nothing_changed
status 0 bring ours.cfms.enc --archive-key-file ours.key --json
json out '[(l["status"], l["current_step"], l["progress_percent"]) for l in lines[:-1]] == [
    ("decrypting", "Decrypting archive", 10), ("extracting", "Extracting archive", 30), ("importing", "Loading metadata", 40),
    ("importing", "Importing files", 50), ("importing", "Importing folders", 60), ("importing", "Importing documents", 80),
    ("importing", "Finalizing import", 95), ("completed", "Restore completed", 100)]'
json out '(lines[-1]["documents_imported"], lines[-1]["folders_imported"], lines[-1]["files_imported"]) == (5, 2, 5)'
json out 'lines[-1]["revisions"] == 6 and lines[-1]["missing"] == 0 and lines[-1]["remapped"] == 0'
has err 'name the group sysop'
lacks err 'the group user'
# JSON is written in another form, and says the same.
normal() { "$PYTHON" -c 'import sys
print("".join(sorted(line.replace("\": ", "\":").replace(", ", ",") for line in open(sys.argv[1], encoding="utf-8"))), end="")' "$1"; }
server rows new/app.db >got
normal wanted >wanted.n
normal got >got.n
cmp wanted.n got.n || fail "the records are others"
same_contents() {
    for n in 00 01 02 03; do
        cmp "new/content/restore/files/$(long $n)" "old/content/files/2026/$(long $n)" || fail "content $n is another one"
    done
    cmp new/content/restore/files/init old/content/hello || fail "content init is another one"
    [ "$(find new/content -type f | wc -l)" = 5 ] || fail "there are other files"
}
same_contents
[ -z "$(find new/content/restore -perm /077)" ] || fail "others may read it"
"$PYTHON" -c 'import sqlite3
db = sqlite3.connect("new/app.db")
for id, path in db.execute("SELECT id, path FROM files"):
    assert path == f"./content/restore/files/{id}", path
assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)] and not db.execute("PRAGMA foreign_key_check").fetchall()'
# What came in goes out again.
status 0 "$HOLDFAST" cfms export --database new/app.db --content-dir new/content --output-dir . --key-dir . --name again
server read again.cfms.enc again.key again
same tree/files again/files
cmp tree/folders.json again/folders.json || fail "folders are others"

# A second time everything is taken: refused by name, or under new ids that fit together.
cp new/app.db once.db
status 2 bring ours.cfms.enc --archive-key-file ours.key
has err 'there is a document hello already'
has err 'there is a file init already'
has err 'there is a folder ffff'
has err 'nothing was changed'
cmp new/app.db once.db || fail "the database was changed"
same_contents
status 0 bring ours.cfms.enc --archive-key-file ours.key --remap --json
json out 'lines[-1]["remapped"] == 12'
"$PYTHON" -c 'import os, sqlite3
db = sqlite3.connect("new/app.db")
new = "SELECT id FROM old.%s"
db.execute("ATTACH ? AS old", ("once.db",))
for table, n in (("documents", 5), ("files", 5), ("folders", 2)):
    ids = [r[0] for r in db.execute(f"SELECT id FROM {table} WHERE id NOT IN (SELECT id FROM old.{table})")]
    assert len(ids) == n and all(len(i) == 64 and set(i) <= set("0123456789abcdef") for i in ids), ids
# The same shape: titles in folders by name, contents by documents.
shape = """SELECT d.title, o.name, p.name, f.sha256, count(*) FROM {0}documents d LEFT JOIN {0}folders o ON o.id = d.folder_id
    LEFT JOIN {0}folders p ON p.id = o.parent_id JOIN {0}document_revisions r ON r.document_id = d.id JOIN {0}files f ON f.id = r.file_id
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""
once = db.execute(shape.format("old.")).fetchall()
assert [(*row[:4], 2 * row[4]) for row in once] == db.execute(shape.format("main.")).fetchall()
for id, path in db.execute("SELECT id, path FROM files"):
    assert os.path.exists("new/" + path), path
# Nothing new refers to anything old.
for table, owner, column, to in (("document_revisions", "document_id", "file_id", "files"), ("documents", "id", "folder_id", "folders"),
                                 ("folders", "id", "parent_id", "folders")):
    owners = "folders" if table == "folders" else "documents"
    assert db.execute(f"SELECT count(*) FROM main.{table} WHERE {owner} NOT IN (SELECT id FROM old.{owners}) AND {column} IN"
                      f" (SELECT id FROM old.{to})").fetchone() == (0,), table
for table in ("document_access_rules", "folder_access_rules"):
    column = table.split("_")[0] + "_id"
    assert [2 * n for n, in db.execute(f"SELECT count(*) FROM old.{table}")] == [n for n, in db.execute(f"SELECT count(*) FROM main.{table}")]
    assert db.execute(f"SELECT max(n) FROM (SELECT count(*) n FROM main.{table} GROUP BY {column})").fetchone() == db.execute(
        f"SELECT max(n) FROM (SELECT count(*) n FROM old.{table} GROUP BY {column})").fetchone(), table
assert not db.execute("PRAGMA foreign_key_check").fetchall()' || fail "the new records do not fit together"

# The archive of the application itself, which proves nothing.
server write tree theirs.cfms.enc theirs.key
fresh
status 2 bring theirs.cfms.enc --archive-key-file theirs.key
has err 'not authenticated'
nothing_changed
status 0 bring theirs.cfms.enc --archive-key-file theirs.key --allow-unauthenticated --json
json out 'lines[-1]["authenticated"] is False'
same_contents

# Refused, and nothing is left: other keys, changed bytes, hostile ids, dangling references, cycles, contents that are others.
fresh
changed_tree ''
status 2 bring archive.cfms.enc --archive-key-file ours.key
status 2 bring archive.cfms.enc --archive-key-file /dev/null
"$PYTHON" -c 'b = bytearray(open("archive.cfms.enc", "rb").read()); b[5000] ^= 1; open("archive.cfms.enc", "wb").write(b)'
refused 2
for change in 'f[0]["id"] = "../../x"' 'd[0]["id"] = "a/b"' 'o[0]["parent_id"] = ".."' 'd[0]["title"] = 5' 'm["version"] = "2.0"' \
    'f[0]["sha256"] = "00" * 32' 'd.append(d[0])' 'o.append(o[0])' 'd[0]["revisions"][0]["document_id"] = "hello"' \
    'd[0]["access_rules"] = [{"id": 1, "access_type": "read", "rule_data": 7}]'; do
    changed_tree "$change"
    refused 2
done
changed_tree 'd[0]["folder_id"] = "nowhere"'
refused 2
has err 'stands in folder nowhere'
changed_tree 'o[0]["parent_id"] = "nowhere"'
refused 2 --dry-run
has err 'stands in folder nowhere'
changed_tree 'o[0]["parent_id"], o[1]["parent_id"] = o[1]["id"], o[0]["id"]'
refused 2
has err 'in itself'
changed_tree 'o[1]["parent_id"] = o[1]["id"]'
refused 2 --remap
has err 'in itself'
# A title that the terminal would obey stays out of it, and one that is SQL comes in as it is.
changed_tree "$(printf 'd[0]["title"] = "x%s); DROP TABLE files; --"' "'")"
status 0 bring archive.cfms.enc --archive-key-file archive.key
"$PYTHON" -c "import sqlite3
assert sqlite3.connect('new/app.db').execute('SELECT count(*) FROM documents WHERE title LIKE ?', ('%DROP TABLE files%',)).fetchone() == (1,)"

# What the archive lacks is named, and what has no record stays out.
fresh
changed_tree 'os.remove("other/files/init"); open("other/files/extra", "w").write("x")'
status 3 bring archive.cfms.enc --archive-key-file archive.key --json
has err 'file init: the archive lacks its content'
json out 'lines[-1]["missing"] == 1 and lines[-1]["strays"] == 1'
[ ! -e new/content/restore/files/extra ] || fail "a content without a record came in"

# A revision of a file that is the server's own does not come in: it would open that file to others.
fresh
server sqlite new/app.db /dev/stdin <<'SQL'
INSERT INTO files(id, path, created_time, active) VALUES('other', './content/other', 1, 1);
SQL
changed_tree 'd[0]["revisions"][0]["file_id"] = "other"'
status 3 bring archive.cfms.enc --archive-key-file archive.key --json
has err 'a revision of file other'
json out 'lines[-1]["revisions_left_out"] == 1 and lines[-1]["revisions"] == 5'
server rows new/app.db | grep -c '^revision' >count
[ "$(cat count)" = 5 ] || fail "there are other revisions"
server rows new/app.db | grep '^revision.*|other|' && fail "the file of somebody else is open to others"

# A place that others hold, links, and contents that are there already.
fresh
mkdir -p new/content/restore/files
echo other >new/content/restore/files/init
status 1 bring ours.cfms.enc --archive-key-file ours.key
has err 'is there already, and is another content'
has err 'content/restore/files/init: no record has this content'
[ "$(find new/content -type f)" = new/content/restore/files/init ] || fail "contents were left"
[ "$(cat new/content/restore/files/init)" = other ] || fail "a file was replaced"
cp old/content/hello new/content/restore/files/init
status 0 bring ours.cfms.enc --archive-key-file ours.key
same_contents
fresh
mkdir elsewhere
ln -s ../../elsewhere new/content/restore
status 1 bring ours.cfms.enc --archive-key-file ours.key
has err 'a symbolic link stands in the way'
[ -z "$(ls elsewhere)" ] || fail "a link was followed"
rm new/content/restore

# Other schemas, and a database that somebody holds.
server sqlite new/app.db /dev/stdin <<'SQL'
ALTER TABLE folders ADD COLUMN inherit BOOLEAN;
SQL
status 2 bring ours.cfms.enc --archive-key-file ours.key
has err 'it has also folders.inherit'
nothing_changed

# A file system without room, at each of several moments.
fresh
for blocks in 1 20 2000 5000; do
    (trap '' XFSZ; ulimit -f "$blocks"; status 1 bring ours.cfms.enc --archive-key-file ours.key) || exit 1
    nothing_changed
done

# Stopped and killed while all contents are in their place and the server holds its database: the next import names what a
# kill left.
for signal in TERM KILL; do
    fresh
    rm -f held release
    "$PYTHON" -c 'import os, sqlite3, time
db = sqlite3.connect("new/app.db", isolation_level=None)
db.execute("BEGIN IMMEDIATE")
open("held", "w").close()
while not os.path.exists("release"):
    time.sleep(0.05)' &
    holder=$!
    until_true 30 [ -e held ]
    : >out
    "$HOLDFAST" cfms import ours.cfms.enc --archive-key-file ours.key --database new/app.db --content-dir new/content \
        --json >out 2>err &
    pid=$!
    until_true 60 grep -q 'Importing folders' out
    kill -"$signal" "$pid"
    wait "$pid" 2>/dev/null && fail "it succeeded all the same"
    touch release
    wait "$holder"
    if [ "$signal" = TERM ]; then
        nothing_changed
    else
        server rows new/app.db >rows
        [ ! -s rows ] || fail "records came in"
        same_contents
    fi
    status 0 bring ours.cfms.enc --archive-key-file ours.key
    [ "$(grep -c 'no record has this content' err)" = "$([ "$signal" = KILL ] && echo 5 || echo 0)" ] || fail "what was left is not named"
    same_contents
done

# Killed at any moment: the old state or the new one, and the next import brings it to its end.
before=0
after=0
pause=0
while [ "$after" -lt 3 ]; do
    fresh
    pause=$((pause * 5 / 4 + 2)) # early ones lie close together, for an idle machine
    [ "$pause" -lt 3000 ] || fail "it never came to its end"
    "$HOLDFAST" cfms import ours.cfms.enc --archive-key-file ours.key --database new/app.db --content-dir new/content >out 2>err &
    pid=$!
    sleep "$(printf '%d.%03d' $((pause / 1000)) $((pause % 1000)))"
    kill -9 "$pid" 2>/dev/null || :
    wait "$pid" 2>/dev/null || :
    server rows new/app.db >got
    if [ -s got ]; then
        after=$((after + 1))
        normal got >got.n
        cmp wanted.n got.n || fail "a part of it came in"
    else
        before=$((before + 1))
        left=$(find new/content -type f | wc -l)
        status 0 bring ours.cfms.enc --archive-key-file ours.key
        [ "$left" = "$(grep -c 'no record has this content' err)" ] || fail "what was left is not named"
    fi
    same_contents
done
[ "$before" -gt 3 ] || fail "it was too fast to be killed"

# PostgreSQL.
dsn=''
start_postgres cfms
server schema postgres >postgres.sql
fresh
psql -f postgres.sql -f new/data.sql >/dev/null
bring_pg() { "$HOLDFAST" cfms import "$@" --database "$dsn" --content-dir new/content; }
rows_pg() { psql -c "$(server ROWS)" | sort >got; }
status 0 bring_pg ours.cfms.enc --archive-key-file ours.key --dry-run
rows_pg
[ ! -s got ] || fail "a dry run changed something"
status 0 bring_pg ours.cfms.enc --archive-key-file ours.key
same_contents
rm -rf out.pg
status 0 "$HOLDFAST" cfms export --database "$dsn" --content-dir new/content --output-dir . --key-dir . --name pg
server read pg.cfms.enc pg.key out.pg
for list in documents folders; do
    "$PYTHON" -c 'import json, sys
def rows(name):
    found = json.load(open(name, encoding="utf-8"))
    for row in found:
        for part in row["access_rules"] + row.get("revisions", []):
            del part["id"]
    return found
sys.exit(rows(sys.argv[1]) != rows(sys.argv[2]))' tree/$list.json out.pg/$list.json || fail "$list are others"
done
same tree/files out.pg/files
status 2 bring_pg ours.cfms.enc --archive-key-file ours.key
has err 'there is a document hello already'
status 0 bring_pg ours.cfms.enc --archive-key-file ours.key --remap
[ "$(psql -c 'select count(*) from documents')" = 10 ] || fail "the second import is not there"
# A failure in the database takes everything back.
fresh
psql -c 'delete from document_revisions; delete from document_access_rules; delete from folder_access_rules; delete from documents;
    delete from files; delete from folders; alter table documents add check (title not like $$%3%$$)' >/dev/null
status 1 bring_pg ours.cfms.enc --archive-key-file ours.key
has err 'nothing was changed'
rows_pg
[ ! -s got ] || fail "a part of it came in"
[ -z "$(find new/content -type f)" ] || fail "contents were left"
