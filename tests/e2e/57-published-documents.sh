#!/bin/sh
# What the documents of the two applications show, typed as it stands there, against a real service: bundles and POS backups.
# shellcheck disable=SC2154,SC2034 # lib.sh sets work and server, and reads token
set -eu
examples=$(dirname "$(readlink -f "$0")")/../../deploy/configs
terminal=$(dirname "$(readlink -f "$0")")/terminal.py
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

start_postgres shop
psql -c 'create table sale (id int primary key, what text)' -c "insert into sale values (1, 'tea'), (2, 'rice')"
free_ports 2 >ports
read -r api bundles <ports

# The variables of the POS document, each where it belongs here.
make_repository
mkdir served uploads reports exports disk
mkdir -m 700 backups
echo picture >uploads/picture
echo table >reports/table
echo sheet >exports/sheet
"$PYTHON" -c 'import os; print(os.urandom(32).hex())' >pos.key # BACKUP_ENCRYPTION_KEY
echo "postgresql://postgres@$(echo "$server" | sed 's,/,%2F,g')/shop" >database.url
cat >served/holdfast.yaml <<YAML
state: $work/state
repositories:
  main: {url: $HOLDFAST_REPOSITORY, key_file: $HOLDFAST_KEY_FILE}
sets:
  app: {repositories: [main], sources: [{bundle: {export: $work/backups}}]}
serve:
  listen: ["127.0.0.1:$api"]
  compat:
    bundle: {set: app, listen: ["127.0.0.1:$bundles"], without_token: true}
    pos:
      database_url_file: $work/database.url
      upload_dir: $work/uploads
      reports_dir: $work/reports
      exports_dir: $work/exports
      key_file: $work/pos.key
      roots: [$work/disk]
YAML
chmod 600 served/holdfast.yaml database.url pos.key
unset HOLDFAST_REPOSITORY HOLDFAST_KEY_FILE
ln -s "$HOLDFAST" served/backup-cli
cd served
status 0 "$HOLDFAST" key public --set app
for role in admin manager; do
    status 0 "$HOLDFAST" token add "$role" --role "$role" --verb '*' --set '*'
    grep -o 'hf_[A-Za-z0-9_-]*' ../out | head -1 >"../$role.token"
    chmod 600 "../$role.token"
done
start_service serve
wait_ready "$api"

# --- Bundles: the request body and the response of the document.
cat >../bundle.json <<'END'
{
  "timestamp": "2024-01-01T00:00:00.000Z",
  "version": "1.0.0",
  "data": {
    "users": [],
    "sessions": [],
    "firewall_state": {},
    "metadata": {}
  }
}
END
status 0 curl -sS -m 120 -X POST -H 'Content-Type: application/json' -d @../bundle.json "http://localhost:$bundles/backup"
json out 'list(lines[0]) == ["status", "message", "filename", "timestamp", "size"]'
json out 'lines[0]["status"] == "success" and lines[0]["message"] == "Backup saved successfully"'
json out '__import__("re").fullmatch("[0-9]{8}_[0-9]{6}", lines[0]["timestamp"])
    and lines[0]["filename"] == "backup_" + lines[0]["timestamp"] + ".json"'
name=$(json_get out 'lines[0]["filename"]')
size=$(json_get out 'lines[0]["size"]')
# "Check the backups/ directory for the saved backup file."
[ "$(stat -c %s "../backups/$name")" = "$size" ] || fail "not $size bytes: $(ls -l ../backups)"
status 0 "$PYTHON" -c '
import json, sys
sys.exit(open(sys.argv[2]).read() != json.dumps(json.load(open(sys.argv[1])), indent=2))' ../bundle.json "../backups/$name"

# --- The POS service: its examples of configurations, with a place that is here.
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
# The last column of its table: managers read, and nothing else.
answers_to manager 403 DELETE /configs/x
for call in 'POST /create' 'POST /configs' 'POST /configs/test' 'PUT /configs/x' 'POST /verify/x' 'POST /restore/x' \
    'POST /restore-point' 'POST /retention/apply'; do
    # shellcheck disable=SC2086
    answers_to manager 403 $call '{}'
done
for path in /configs /history/x /stats; do
    answers_to manager 200 GET "$path"
done

# Tried before they are saved, for real, and nothing is kept.
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

answers_to admin 200 POST /configs "$(cat backup-daily-db.json)"
has out '{"success":true,"message":"Backup configuration saved successfully"}'
answers_to admin 200 PUT /configs/daily-db-backup "$(cat backup-daily-db.json)"
answers_to admin 200 POST /configs "$(cat backup-weekly-full.json)"
answers_to admin 200 GET /configs
json out '[c["id"] for c in lines[0]["configs"]] == ["daily-db-backup", "weekly-full-backup"]'
json out 'lines[0]["configs"][0] == json.load(open("backup-daily-db.json"))'

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

# --- The lines of its command line.
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
status 0 ./backup-cli stats
has out 'Configs:      3, 3 enabled, 0 disabled'
status 0 env -u HOLDFAST_SERVER ./backup-cli cleanup --dry-run
has out 'daily-db-backup in local-'
has out 'files-backup: nothing is backed up yet'

answers_to admin 200 DELETE /configs/weekly-full-backup
has out '{"success":true,"message":"Backup configuration deleted successfully"}'
