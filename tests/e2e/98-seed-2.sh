#!/bin/sh
# The document of Vevurn POS's backup service, section by section as it stands there: its twelve calls, seven commands and three configurations.
# shellcheck disable=SC2154,SC2034 # lib.sh sets work and server, and reads token
set -eu
examples=$(dirname "$(readlink -f "$0")")/../../deploy/configs
terminal=$(dirname "$(readlink -f "$0")")/terminal.py
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

start_postgres shop
psql -c 'create table sale (id int primary key, what text)' -c "insert into sale values (1, 'tea'), (2, 'rice')"
api=$(free_ports 1)

# "Environment Variables Required": each where it belongs here; the service takes none of them from its environment.
make_repository
mkdir served uploads reports exports disk
echo picture >uploads/picture
echo table >reports/table
echo sheet >exports/sheet
"$PYTHON" -c 'import os; print(os.urandom(32).hex())' >pos.key # BACKUP_ENCRYPTION_KEY
echo "postgresql://postgres@$(echo "$server" | sed 's,/,%2F,g')/shop" >database.url
put_config served/holdfast.yaml <<YAML
serve:
  listen: ["127.0.0.1:$api"]
  compat:
    pos:
      database_url_file: $work/database.url
      upload_dir: $work/uploads
      reports_dir: $work/reports
      exports_dir: $work/exports
      key_file: $work/pos.key
      roots: [$work/disk]
YAML
chmod 600 database.url pos.key
unset HOLDFAST_REPOSITORY HOLDFAST_KEY_FILE
ln -s "$HOLDFAST" served/backup-cli
cd served
for role in super_admin admin manager viewer; do
    status 0 "$HOLDFAST" token add "$role" --role "$role" --verb '*' --set '*'
    grep -o 'hf_[A-Za-z0-9_-]*' ../out | head -1 >"../$role.token"
    chmod 600 "../$role.token"
done
start_service serve
wait_ready "$api"

# "Configuration Examples": the three, with a place that is here.
for example in daily-db weekly-full files; do
    "$PYTHON" -c '
import json, sys
config = json.load(open(sys.argv[1]))
config["destinations"] = [{"type": "local", "config": {"path": sys.argv[2] + "/" + config["id"]}}]
json.dump(config, open("backup-%s.json" % sys.argv[3], "w"), indent=2)' "$examples/backup-$example.json" "$work/disk" "$example"
done

# answers_to ROLE STATUS METHOD PATH [BODY]
answers_to() {
    token=$(cat "../$1.token")
    wanted=$2 method=$3 path=/api/backup$4
    shift 4
    answers "$wanted" "$method" "$api" "$path" "$@"
}
# "API Endpoints Summary", the last column: managers read, and nothing else; whoever is nobody of these does not even that.
answers_to manager 403 DELETE /configs/x
for call in 'POST /create' 'POST /configs' 'POST /configs/test' 'PUT /configs/x' 'POST /verify/x' 'POST /restore/x' \
    'POST /restore-point' 'POST /retention/apply'; do
    # shellcheck disable=SC2086
    answers_to manager 403 $call '{}'
done
for call in /configs /history/x /stats; do
    for role in manager admin super_admin; do
        answers_to "$role" 200 GET "$call"
    done
    answers_to viewer 403 GET "$call"
    json out 'lines[0]["message"] == "Insufficient permissions" and lines[0]["required"] == ["admin", "super_admin", "manager"]
        and lines[0]["current"] == "viewer"'
done

# Its rows, one after the other.  POST configs/test: tried before they are saved, for real, and nothing is kept.
answers_to admin 400 POST /configs/test '{}'
has out '{"error":"name is required"}'
for example in daily-db weekly-full files; do
    answers_to admin 200 POST /configs/test "$(cat "backup-$example.json")"
    has out '{"success":true,"message":"Backup configuration test passed"}'
done
[ -z "$(ls -A ../disk)" ] || fail "something was kept: $(ls -A ../disk)"
brief() { printf '{"name": "n", "type": "%s", "destinations": [{"type": "local", "config": {"path": "%s"}}]}' "$@"; }
answers_to admin 200 POST /configs/test "$(brief files "$work/disk/brief")"
answers_to admin 400 POST /configs/test "$(brief files /elsewhere)"
has out 'destinations[0].config.path: lies outside'
echo file >../disk/file
answers_to admin 500 POST /configs/test "$(brief files "$work/disk/file")"
json out 'lines[0]["error"] == "Failed to test backup configuration" and "repository" in lines[0]["details"]'
rm ../disk/file
cp -p ../database.url ../database.good
sed -i 's,/shop$,/nowhere,' ../database.url
answers_to admin 500 POST /configs/test "$(brief database "$work/disk/brief")"
json out '"source postgres/" in lines[0]["details"] and "nowhere" in lines[0]["details"]'
answers_to admin 200 POST /configs/test "$(brief files "$work/disk/brief")"
cp -p ../database.good ../database.url
[ -z "$(ls -A ../disk)" ] || fail "something was kept: $(ls -A ../disk)"
answers_to admin 200 GET /configs
has out '{"configs":[]}'

# POST configs, PUT configs/:id, GET configs.
answers_to super_admin 200 POST /configs "$(cat backup-daily-db.json)"
has out '{"success":true,"message":"Backup configuration saved successfully"}'
answers_to admin 200 PUT /configs/daily-db-backup "$(cat backup-daily-db.json)"
answers_to admin 200 POST /configs "$(cat backup-weekly-full.json)"
answers_to admin 200 GET /configs
json out '[c["id"] for c in lines[0]["configs"]] == ["daily-db-backup", "weekly-full-backup"]'
json out 'lines[0]["configs"][0] == json.load(open("backup-daily-db.json"))'

# POST create, GET history/:configId, POST verify/:backupId.
answers_to admin 400 POST /create '{}'
has out '{"error":"Backup configuration ID is required"}'
answers_to admin 404 POST /create '{"configId": "nobody"}'
has out '{"error":"Backup configuration not found"}'
answers_to admin 200 POST /create '{"configId": "daily-db-backup", "type": "database"}'
json out 'lines[0]["success"] is True and lines[0]["backup"]["configId"] == "daily-db-backup" and lines[0]["backup"]["status"] == "success"'
first=$(json_get out 'lines[0]["backup"]["id"]')
answers_to admin 200 GET '/history/daily-db-backup?page=1&limit=20'
json out 'list(lines[0]) == ["backups", "total", "page", "limit", "totalPages"] and lines[0]["total"] == 1'
json out "lines[0][\"backups\"][0][\"id\"] == \"$first\""
answers_to admin 200 POST "/verify/$first"
json out "lines[0] == {\"backupId\": \"$first\", \"isValid\": True, \"message\": \"Backup integrity verified\"}"
answers_to admin 200 POST /verify/id-123
json out 'lines[0] == {"backupId": "id-123", "isValid": False, "message": "Backup integrity check failed"}'
# The same with a repository that is there, and with one that was.
answers_to admin 200 POST /configs/test "$(cat backup-daily-db.json)"
mv ../disk/daily-db-backup ../away
answers_to admin 500 POST /configs/test "$(cat backup-daily-db.json)"
has out 'was there and is gone: is its disk mounted?'
[ -z "$(ls -A ../disk)" ] || fail "something was kept: $(ls -A ../disk)"
mv ../away ../disk/daily-db-backup
# POST restore-point, POST restore/:backupId, POST retention/apply, GET stats.
answers_to admin 400 POST /restore-point '{}'
has out '{"error":"Description is required for restore point"}'
answers_to admin 200 POST /restore-point '{"description": "Before the upgrade"}'
json out 'lines[0]["success"] is True and lines[0]["message"] == "Restore point created successfully" and lines[0]["restorePointId"]'
psql -c 'delete from sale'
answers_to admin 200 POST "/restore/$first"
has out '{"success":true,"message":"Restore completed successfully"}'
[ "$(psql -c 'select count(*) from sale')" = 2 ] || fail 'the rows did not come back'
answers_to admin 200 POST /retention/apply
has out '{"success":true,"message":"Retention policies applied successfully"}'
answers_to admin 200 GET /stats
json out 'set(lines[0]["stats"]) == {"total", "recent", "storage", "configs", "successRate"} and lines[0]["stats"]["configs"]["total"] == 2'
json out 'lines[0]["stats"]["total"]["backups"] == 2 and lines[0]["stats"]["successRate"] == 100'

# "Backup Configuration Schema": each word of it is taken, and no other.
schema() {
    "$PYTHON" -c '
import json, sys
config = {"id": "schema", "name": "All of it", "type": "full", "schedule": "0 2 * * *", "retention": {"daily": 7, "weekly": 4, "monthly": 12},
          "compression": "gzip", "encryption": True, "destinations": [{"type": "local", "config": {"path": sys.argv[1]}}],
          "notifications": {"onSuccess": ["ops@example.org"], "onFailure": ["ops@example.org", "boss@example.org"]}, "enabled": True}
config[sys.argv[2]] = json.loads(sys.argv[3])
print(json.dumps(config))' "$work/disk/schema" "$@"
}
for word in full incremental differential database files; do
    answers_to admin 200 POST /configs "$(schema type "\"$word\"")"
done
for word in gzip bzip2 none; do
    answers_to admin 200 POST /configs "$(schema compression "\"$word\"")"
done
answers_to admin 200 PUT /configs/schema "$(schema enabled false)"
answers_to admin 400 POST /configs "$(schema type '"other"')"
answers_to admin 400 POST /configs "$(schema compression '"zip"')"
answers_to admin 400 POST /configs "$(schema password '"x"')"
answers_to admin 200 DELETE /configs/schema

# "CLI Commands Summary": its examples, with names that are here.
export HOLDFAST_SERVER="http://127.0.0.1:$api" HOLDFAST_TOKEN_FILE="$work/admin.token"
cp backup-files.json config.json
status 0 ./backup-cli schedule --file config.json
has out 'Backup configuration saved successfully'
status 0 ./backup-cli create --type database
id=$(sed -n 's/^Backup ID: //p' ../out)
status 0 ./backup-cli list --config daily-db-backup
has out "$id"
has out "$first"
psql -c 'delete from sale'
status 0 "$PYTHON" "$terminal" yes ./backup-cli restore --backup "$id" --verify
has out 'Restore completed successfully'
[ "$(psql -c 'select count(*) from sale')" = 2 ] || fail 'the rows did not come back'
status 0 ./backup-cli verify --backup "$id"
has out 'Backup integrity verified'
status 1 ./backup-cli verify --backup id-123
has out 'Backup integrity check failed'
status 2 "$PYTHON" "$terminal" yes ./backup-cli restore --backup id-123 --verify
has out 'Backup integrity check failed. Cannot restore.'
status 0 ./backup-cli stats
has out 'Configs:      3, 3 enabled, 0 disabled'
status 0 env -u HOLDFAST_SERVER ./backup-cli cleanup --dry-run
has out 'daily-db-backup in local-'
has out 'files-backup: nothing is backed up yet'

# DELETE configs/:id, the last of the twelve.
answers_to admin 200 DELETE /configs/weekly-full-backup
has out '{"success":true,"message":"Backup configuration deleted successfully"}'
