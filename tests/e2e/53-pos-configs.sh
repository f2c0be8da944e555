#!/bin/sh
# A backup configuration that is saved by the API runs by its schedule, changes and ends with it, also over a kill.
# shellcheck disable=SC2154,SC2034 # lib.sh sets work and server, and reads token
set -eu
examples=$(dirname "$(readlink -f "$0")")/../../deploy/configs
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

start_postgres shop
psql -c 'CREATE TABLE sales (id int PRIMARY KEY, what text); INSERT INTO sales VALUES (1, $$tea$$), (2, $$rice$$)'

port=$(free_ports 1)

make_repository # of another set; its key serves for all
mkdir uploads reports own disk
echo one >uploads/file
echo two >reports/file
echo "postgresql://postgres@$(echo "$server" | sed 's,/,%2F,g')/shop?schema=public" >database.url
chmod 600 database.url

# configure [LINE]: holdfast.yaml, with the database or not.
configure() {
    put_config <<YAML
sets:
  own: {repositories: [main], sources: [{files: {paths: [$work/own]}}]}
serve:
  listen: ["127.0.0.1:$port"]
  compat:
    pos:
      key_file: $HOLDFAST_KEY_FILE
      upload_dir: $work/uploads
      reports_dir: $work/reports
      exports_dir: $work/exports
      roots: [$work/disk]
${1:-}
YAML
}

start() {
    start_service serve
    wait_ready "$port"
}

# config ID TYPE SCHEDULE PATH: such a configuration.
config() {
    "$PYTHON" -c '
import json, sys
id, kind, schedule, path = sys.argv[1:]
print(json.dumps({"id": id, "name": id, "type": kind, "schedule": schedule,
                  "retention": {"daily": 7, "weekly": 4, "monthly": 6}, "enabled": True,
                  "destinations": [{"type": "local", "config": {"path": path}}]}))' "$@"
}

# runs ID: how many backups of it succeeded.
runs() {
    answers 200 GET "$port" "/api/backup/history/$1?limit=1000"
    json_get out 'sum(1 for one in lines[0]["backups"] if one["status"] == "success" and one["checksum"])'
}
has_runs() { [ "$(runs "$1")" -ge "$2" ]; }
# schedule ID EXPRESSION: true of the schedule that the catalog has of it; next is how many seconds ahead it comes.
schedule() {
    "$PYTHON" -c '
import sqlite3, sys, time
row = sqlite3.connect("file:state/catalog.db?mode=ro", uri=True).execute(
    "SELECT next_ns FROM schedules WHERE config_id = ?", (sys.argv[1],)).fetchone()
next = None if row is None else row[0] / 1e9 - time.time()
sys.exit(not eval(sys.argv[2]))' "$1" "$2"
}

configure
start
"$HOLDFAST" token add test --role admin --verb '*' --set '*' | head -1 >token.txt
read -r token <token.txt

# What cannot become a set here is refused with the place of the fault, and not kept.
answers 400 POST "$port" /api/backup/configs "$(config far files '* * * * *' /elsewhere/deep)"
has out '{"error":"destinations[0].config.path: lies outside the folders that are allowed'
answers 400 POST "$port" /api/backup/configs "$(config up files '* * * * *' "$work/disk/../own")"
has out '{"error":"destinations[0].config.path: '
answers 400 POST "$port" /api/backup/configs "$(config own files '* * * * *' "$work/disk/own")"
has out '{"error":"id: the host has a set \"own\" of its own"}'
answers 400 POST "$port" /api/backup/configs "$(config daily-db database '0 2 * * *' "$work/disk/db")"
has out '{"error":"type: DATABASE_URL not configured"}'
answers 200 GET "$port" /api/backup/configs
has out '{"configs":[]}'

# By its schedule, without a restart; its repository is made.
answers 200 POST "$port" /api/backup/configs "$(config minutely files '* * * * *' "$work/disk/files")"
has out '{"success":true'
until_true 300 has_runs minutely 1
[ -f disk/files/config ] || fail 'no repository was made'
document=$(find state/configs -name 'minutely@1.json')
[ -n "$document" ] || fail "no document: $(find state/configs)"
[ "$(stat -c %a "$document")" = 600 ] || fail 'others may read the document'
status 0 "$HOLDFAST" ls latest -r "$work/disk/files" --key-file "$HOLDFAST_KEY_FILE"
has out "/files$work/uploads/file"
has out "/files$work/reports/file"

# Killed between two runs, or in one: the next service goes on.
kill_service
configure "      database_url_file: $work/database.url"
start
until_true 300 has_runs minutely 2

# Saved anew: the next run is that of the new schedule.
answers 200 PUT "$port" /api/backup/configs/minutely "$(config minutely files '0 0 1 1 *' "$work/disk/files")"
has out '{"success":true'
until_true 300 schedule minutely 'next is not None and next > 3600'
answers 200 POST "$port" /api/backup/create '{"configId": "minutely"}'
has out '{"success":true'
until_true 300 test -f state/configs/minutely@2.json
until_true 300 test ! -e state/configs/minutely@1.json

# Where there was a repository none is made again.
mv disk/files away
answers 500 POST "$port" /api/backup/create '{"configId": "minutely"}'
has out 'was there and is gone: is its disk mounted?'
[ ! -e disk/files/config ] || fail 'a repository was made where one was'
rmdir disk/files 2>/dev/null || :
mv away disk/files
mv disk off
answers 200 POST "$port" /api/backup/configs "$(config later files '0 2 * * *' "$work/disk/later")"
answers 500 POST "$port" /api/backup/create '{"configId": "later"}'
has out 'is not there: is its disk mounted?'
mv off disk

# The published examples, with places that are here: a database, files, both in two places that are alike.
for example in daily-db weekly-full files; do
    "$PYTHON" -c '
import json, sys
config = json.load(open(sys.argv[1]))
for i, place in enumerate(config["destinations"]):
    place["type"], place["config"] = "local", {"path": "%s/%s-%d" % (sys.argv[2], config["id"], i)}
print(json.dumps(config))' "$examples/backup-$example.json" "$work/disk" >example.json
    answers 200 POST "$port" /api/backup/configs "$(cat example.json)"
    answers 200 POST "$port" /api/backup/create "{\"configId\": $("$PYTHON" -c 'import json; print(json.dumps(json.load(open("example.json"))["id"]))')}"
    has out '{"success":true'
    has out '"local-'
done
# held PLACE KIND...: the newest snapshot there has these and nothing else.
held() {
    place=$1
    shift
    status 0 "$HOLDFAST" restore latest -r "$work/disk/$place" --key-file "$HOLDFAST_KEY_FILE" --target "back-$place"
    [ "$(cd "back-$place" && echo *)" = "$*" ] || fail "$place: $(find "back-$place" -maxdepth 2)"
}
held daily-db-backup-0 postgres
held files-backup-0 files
held weekly-full-backup-0 files postgres
held weekly-full-backup-1 files postgres
[ -f "back-files-backup-0/files$work/uploads/file" ] || fail 'an upload is missing'
answers 200 GET "$port" /api/backup/history/weekly-full-backup
has out '"type":"full"'

# Retention, on request.
answers 200 POST "$port" /api/backup/retention/apply
has out '{"success":true,"message":"Retention policies applied successfully"'

# Deleted: its schedule ends, its history and its snapshots stay.
had=$(runs minutely)
answers 200 DELETE "$port" /api/backup/configs/minutely
has out '{"success":true'
until_true 300 test ! -e state/configs/minutely@2.json
schedule minutely 'next is None' || fail 'a schedule is left'
[ "$(runs minutely)" = "$had" ] || fail 'history was lost'
answers 404 POST "$port" /api/backup/create '{"configId": "minutely"}'
status 0 "$HOLDFAST" snapshots -r "$work/disk/files" --key-file "$HOLDFAST_KEY_FILE"

stop_service
