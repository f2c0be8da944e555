#!/bin/sh
# A restore of a configuration of the API, which stands in no file, is undone by the API and by the command, and only as one of that set.
# shellcheck disable=SC2154,SC2034 # lib.sh sets work, and reads token
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

port=$(free_ports 1)
make_repository # of another set; its key serves for all
mkdir uploads own disk
echo first >uploads/file
echo first >own/file
put_config <<YAML
sets:
  own: {repositories: [main], sources: [{files: {paths: [$work/own]}}]}
serve:
  listen: ["127.0.0.1:$port"]
  compat:
    pos: {key_file: $HOLDFAST_KEY_FILE, upload_dir: $work/uploads, roots: [$work/disk]}
YAML
start_service serve
wait_ready "$port"
token=$("$HOLDFAST" token add all --role admin --verb '*' --set '*' | head -1)
all=$token
only_own=$("$HOLDFAST" token add own --role admin --verb '*' --set own | head -1)

# job STATE: wait for the job that the last answer named; it ended so, and out has it.
job() {
    id=$(json_get out 'lines[0]["job"]')
    until_true 120 has_ended "$id"
    json out "lines[0]['state'] == '$1'"
}
has_ended() {
    answers 200 GET "$port" "/api/v1/jobs/$1"
    [ "$(json_get out 'lines[0]["state"] in ("queued", "running")')" = False ]
}

config=$("$PYTHON" -c '
import json, sys
print(json.dumps({"id": "pos", "name": "pos", "type": "files", "schedule": "0 0 1 1 *", "enabled": True,
                  "retention": {"daily": 7, "weekly": 4, "monthly": 6},
                  "destinations": [{"type": "local", "config": {"path": sys.argv[1]}}]}))' "$work/disk/pos")
answers 200 POST "$port" /api/backup/configs "$config"
answers 200 POST "$port" /api/backup/create '{"configId": "pos"}'
answers 202 POST "$port" /api/v1/sets/own/backup
job success

# restore SET: in place, by the API; restored is its id.
restore() {
    answers 202 POST "$port" "/api/v1/sets/$1/restore" '{"snapshot": "latest", "in_place": true}'
    job success
    restored=$(json_get out 'lines[0]["result"]["details"]["restore_id"]')
}

# By the API.
echo second >uploads/file
restore pos
[ "$(cat uploads/file)" = first ] || fail 'it was not restored'
answers 404 POST "$port" /api/v1/sets/own/undo "{\"restore\": \"$restored\"}"
token=$only_own
answers 403 POST "$port" /api/v1/sets/pos/undo "{\"restore\": \"$restored\"}"
answers 404 POST "$port" /api/v1/sets/own/undo "{\"restore\": \"$restored\"}"
token=$all
answers 202 POST "$port" /api/v1/sets/pos/undo "{\"restore\": \"$restored\"}"
job success
[ "$(cat uploads/file)" = second ] || fail 'it was not undone by the API'

# By the command, which takes no restore of another set for that of this one.
restore pos
of_pos=$restored
echo second >own/file
restore own
status 1 "$HOLDFAST" undo --set own "$of_pos"
has err "there is no restore $of_pos of set own"
status 1 "$HOLDFAST" undo --set pos "$restored"
status 2 "$HOLDFAST" undo --set nowhere
status 0 "$HOLDFAST" undo --set pos --list
has out "$of_pos"
lacks out "$restored"
status 0 "$HOLDFAST" undo --set pos --list --json
json out 'all(line["set"] == "pos" for line in lines) and len(lines) == 2'
status 0 "$HOLDFAST" undo --set pos
[ "$(cat uploads/file)" = second ] || fail 'it was not undone by the command'
[ "$(cat own/file)" = first ] || fail 'another set was undone, too'
status 0 "$HOLDFAST" undo --set pos --discard "$of_pos"
status 0 "$HOLDFAST" undo --set own
[ "$(cat own/file)" = second ] || fail 'the set of the file was not undone'
status 1 "$HOLDFAST" undo --set pos

# Without --set too: by its id, and as the latest.
for which in id latest; do
    restore pos
    [ "$(cat uploads/file)" = first ] || fail 'it was not restored'
    case $which in
    id) status 0 "$HOLDFAST" undo "$restored" ;;
    latest) status 0 "$HOLDFAST" undo ;;
    esac
    [ "$(cat uploads/file)" = second ] || fail 'it was not undone without --set'
    status 0 "$HOLDFAST" undo --discard "$restored"
done
status 1 "$HOLDFAST" undo 0123456789
has err 'there is no restore 0123456789'
stop_service
