#!/bin/sh
# A backup configuration that is saved by the API runs by its schedule, changes and ends with it, also over a kill.
# shellcheck disable=SC2154 # lib.sh sets work, and server
set -eu
examples=$(dirname "$(readlink -f "$0")")/../../deploy/configs
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

service=''
at_end() { [ -z "$service" ] || kill "$service" 2>/dev/null || :; }
start_postgres shop
psql -c 'CREATE TABLE sales (id int PRIMARY KEY, what text); INSERT INTO sales VALUES (1, $$tea$$), (2, $$rice$$)'

"$PYTHON" -c '
import socket
end = socket.socket()
end.bind(("127.0.0.1", 0))
print(end.getsockname()[1])' >port
read -r port <port

make_repository # of another set; its key serves for all
mkdir uploads reports own disk
echo one >uploads/file
echo two >reports/file
echo "postgresql://postgres@$(echo "$server" | sed 's,/,%2F,g')/shop?schema=public" >database.url
chmod 600 database.url

# configure [LINE]: holdfast.yaml, with the database or not.
configure() {
    cat >holdfast.yaml <<YAML
state: $work/state
repositories:
  main: {url: $HOLDFAST_REPOSITORY, key_file: $HOLDFAST_KEY_FILE}
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
    chmod 600 holdfast.yaml
}

cat >ask.py <<'END_PY'
"""METHOD PATH [BODY]: one request with the token; prints the status and then the body."""
import http.client
import sys

port, token = int(open("port").read()), open("token").read().strip()
method, path, *rest = sys.argv[1:]
link = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
link.request(method, path, rest[0] if rest else None, headers)
answer = link.getresponse()
print(answer.status, answer.read().decode())
END_PY
ask() { "$PYTHON" ask.py "$@" >out 2>err || fail "no answer: $*"; }
touch token

start() {
    "$HOLDFAST" serve >serve.out 2>serve.err &
    service=$!
    left=300
    until "$PYTHON" ask.py GET /readyz 2>/dev/null | grep -q '^200'; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "the service does not answer: $(cat serve.out serve.err)"
        sleep 0.2
    done
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

# until_true WORDS...: wait for a command to succeed.
until_true() {
    left=200
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "never: $* $(cat serve.out serve.err)"
        sleep 1
    done
}
# runs ID: how many backups of it succeeded.
runs() {
    "$PYTHON" ask.py GET "/api/backup/history/$1?limit=1000" | "$PYTHON" -c '
import json, sys
all = json.loads(sys.stdin.read().split(" ", 1)[1])["backups"]
print(sum(1 for one in all if one["status"] == "success" and one["checksum"]))'
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
"$HOLDFAST" token add test --role admin --verb '*' --set '*' | head -1 >token

# What cannot become a set here is refused with the place of the fault, and not kept.
ask POST /api/backup/configs "$(config far files '* * * * *' /elsewhere/deep)"
has out '400 {"error":"destinations[0].config.path: lies outside the folders that are allowed'
ask POST /api/backup/configs "$(config up files '* * * * *' "$work/disk/../own")"
has out '400 {"error":"destinations[0].config.path: '
ask POST /api/backup/configs "$(config own files '* * * * *' "$work/disk/own")"
has out '400 {"error":"id: the host has a set \"own\" of its own"}'
ask POST /api/backup/configs "$(config daily-db database '0 2 * * *' "$work/disk/db")"
has out '400 {"error":"type: DATABASE_URL not configured"}'
ask GET /api/backup/configs
has out '200 {"configs":[]}'

# By its schedule, without a restart; its repository is made.
ask POST /api/backup/configs "$(config minutely files '* * * * *' "$work/disk/files")"
has out '200 {"success":true'
until_true has_runs minutely 1
[ -f disk/files/config ] || fail 'no repository was made'
document=$(find state/configs -name 'minutely@1.json')
[ -n "$document" ] || fail "no document: $(find state/configs)"
[ "$(stat -c %a "$document")" = 600 ] || fail 'others may read the document'
status 0 "$HOLDFAST" ls latest -r "$work/disk/files" --key-file "$HOLDFAST_KEY_FILE"
has out "/files$work/uploads/file"
has out "/files$work/reports/file"

# Killed between two runs, or in one: the next service goes on.
kill -9 "$service"
wait "$service" 2>/dev/null || :
configure "      database_url_file: $work/database.url"
start
until_true has_runs minutely 2

# Saved anew: the next run is that of the new schedule.
ask PUT /api/backup/configs/minutely "$(config minutely files '0 0 1 1 *' "$work/disk/files")"
has out '200 {"success":true'
until_true schedule minutely 'next is not None and next > 3600'
ask POST /api/backup/create '{"configId": "minutely"}'
has out '200 {"success":true'
until_true test -f state/configs/minutely@2.json
until_true test ! -e state/configs/minutely@1.json

# Where there was a repository none is made again.
mv disk/files away
ask POST /api/backup/create '{"configId": "minutely"}'
has out '500 '
has out 'was there and is gone: is its disk mounted?'
[ ! -e disk/files/config ] || fail 'a repository was made where one was'
rmdir disk/files 2>/dev/null || :
mv away disk/files
mv disk off
ask POST /api/backup/configs "$(config later files '0 2 * * *' "$work/disk/later")"
has out '200 '
ask POST /api/backup/create '{"configId": "later"}'
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
    ask POST /api/backup/configs "$(cat example.json)"
    has out '200 '
    ask POST /api/backup/create "{\"configId\": $("$PYTHON" -c 'import json; print(json.dumps(json.load(open("example.json"))["id"]))')}"
    has out '200 {"success":true'
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
ask GET /api/backup/history/weekly-full-backup
has out '"type":"full"'

# Retention, on request.
ask POST /api/backup/retention/apply
has out '200 {"success":true,"message":"Retention policies applied successfully"'

# Deleted: its schedule ends, its history and its snapshots stay.
had=$(runs minutely)
ask DELETE /api/backup/configs/minutely
has out '200 {"success":true'
until_true test ! -e state/configs/minutely@2.json
schedule minutely 'next is None' || fail 'a schedule is left'
[ "$(runs minutely)" = "$had" ] || fail 'history was lost'
ask POST /api/backup/create '{"configId": "minutely"}'
has out '404 '
status 0 "$HOLDFAST" snapshots -r "$work/disk/files" --key-file "$HOLDFAST_KEY_FILE"

kill "$service"
got=0
wait "$service" || got=$?
service=''
[ "$got" = 0 ] || [ "$got" = 130 ] || fail "the service ended with $got: $(cat serve.err)"
