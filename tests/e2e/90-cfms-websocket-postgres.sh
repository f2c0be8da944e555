#!/bin/sh
# Clients of CFMS over WebSocket when its records are in PostgreSQL, behind a password: archives out of it and into it are those of SQLite.
# shellcheck disable=SC2154,SC2034 # lib.sh sets work, start_postgres server and dsn; talk() reads pace
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/cfms.sh
. "$cases/cfms.sh"

# The same server twice: with SQLite, as a measure, and with PostgreSQL.
start_postgres cfms
mkdir app keys data
server fill app
mkdir app/content/backups
server schema sqlite >schema.sql
server sqlite app/app.db schema.sql app/data.sql
status 0 "$HOLDFAST" cfms export --database app/app.db --content-dir app/content --output-dir . --key-dir . --name measure
server read measure.cfms.enc measure.key measure
rm app/app.db
server schema postgres >postgres.sql
psql -f postgres.sql -f app/data.sql >/dev/null
rows() { psql -c "$(server ROWS)" | sort; }

# Its user owns the tables and is no superuser.
secret=canary-$(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' \n')
printf '%s\n' "$secret" >dsn.password
chmod 600 dsn.password
printf "create role cfms login password '%s';\n" "$secret" >role.sql
psql -f role.sql
psql -c "$(echo documents folders files document_revisions document_access_rules folder_access_rules user_groups users | tr ' ' '\n' |
    sed 's/.*/alter table & owner to cfms;/')"
sed 's/^/#/' "$server/data/pg_hba.conf" >hba
{ echo 'local all cfms scram-sha-256' && echo 'local all all trust'; } >>hba
cat hba >"$server/data/pg_hba.conf"
psql -c 'select pg_reload_conf()' >/dev/null

make_repository
as_postgres=$dsn
dsn="host=$server user=cfms dbname=cfms"
configure app "dsn_password_file: $work/dsn.password"
dsn=$as_postgres
pace=0.11
start
let_in

# Ordered by a client: the archive of the same records and contents.
talk 'with Client(PORT) as c:
    answer = c.ask("generate_backup", {"backup_name": "pg"}, **admin(c))
    assert answer["code"] == 200 and answer["message"] == "Success", answer
    data = answer["data"]
    assert data["archive_path"] == "./content/backups/pg.cfms.enc", data
    assert [data["metadata"][n] for n in ("version", "documents_count", "folders_count", "files_count")] == ["1.0", 5, 2, 5], data'
server read app/content/backups/pg.cfms.enc keys/pg.key pg
rm measure/metadata.json pg/metadata.json
same measure pg

# A server that lacks them gets them from the archive, by its own client; ids that it has then are refused, and nothing changes.
psql -c "delete from files where id = 'unused'" # no revision refers to it
rows >wanted
psql -c 'truncate documents, folders, files, document_revisions, document_access_rules, folder_access_rules'
rm -r app/content/files app/content/hello
[ -z "$(rows)" ] || fail "there are records"
talk 'with Client(PORT) as c:
    me = admin(c)
    data = follow(c, me, bring(c, me, "measure"))
    assert data["status"] == "completed" and data["error_message"] is None, data
    assert (data["documents_count"], data["folders_count"], data["files_count"]) == (5, 2, 5), data'
came_in() {
    rows >got
    normal wanted >wanted.n
    normal got >got.n
    diff wanted.n got.n || fail "the records are others"
    [ "$(find app/content/restore -type f | wc -l)" = 5 ] || fail "there are other contents"
}
came_in
for file in measure/files/*; do
    cmp "$file" "app/content/restore/files/${file##*/}" || fail "the content of ${file##*/} is another one"
done
talk 'with Client(PORT) as c:
    me = admin(c)
    data = follow(c, me, bring(c, me, "measure"))
    assert data["status"] == "failed" and "nothing was changed" in data["error_message"], data'
came_in

# Killed while one is under way: all of it or nothing, and the next service knows which.
psql -c 'truncate documents, folders, files, document_revisions, document_access_rules, folder_access_rules'
rm -r app/content/restore
talk 'with Client(PORT) as c:
    me = admin(c)
    open("task", "w").write(bring(c, me, "measure"))'
kill_service
start
talk 'with Client(PORT) as c:
    me = admin(c)
    data = follow(c, me, open("task").read())
    assert data["status"] == "completed", data'
came_in

# A database that is away, or lets nobody in any more, is no backup, and the client is not told what was wrong.
printf 'wrong\n' >dsn.password
talk 'with Client(PORT) as c:
    answer = c.ask("generate_backup", {"backup_name": "none"}, **admin(c))
    assert (answer["code"], answer["message"], answer["data"]["error"]) == (500, "Failed to generate backup", "the record of the job says why"), answer
    assert "cfms" not in answer["data"]["error"], answer'
[ ! -e app/content/backups/none.cfms.enc ] || fail "there is an archive"
catalog "SELECT error FROM runs WHERE kind = 'export' ORDER BY created_ns DESC LIMIT 1" >run
grep -q 'password authentication failed' run || fail "the run is $(cat run)"
stop_service
! grep -rqF "$secret" state service.out service.err run || fail "something holds the password"
