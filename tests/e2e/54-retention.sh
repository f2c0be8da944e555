#!/bin/sh
# Retention by the policy of the service: limits, approval, pins, pauses, and a worker that applies it behind each backup.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

make_repository
mkdir data
put_config <<YAML
sets:
  shop:
    repositories: [main]
    sources: [{files: {paths: [$work/data]}}]
    retention: {daily: 2}
YAML
unset HOLDFAST_REPOSITORY HOLDFAST_KEY_FILE
main() { "$HOLDFAST" -r "$work/repo" --key-file "$work/key" "$@"; }
count() { main snapshots --json | "$PYTHON" -c 'import json, sys; print(len(json.load(sys.stdin)))'; }

# Twelve snapshots that the store got on twelve days; what they say of themselves is today.
days='12 11 10 9 8 7 6 5 4 3 2 1'
for day in $days; do
    echo "$day" >data/file
    status 0 "$HOLDFAST" backup --set shop --json
    touch -d "$day days ago" "repo/commits/$(json_get out 'lines[-1]["snapshot_id"]')"
done
[ "$(count)" = 12 ] || fail "not twelve: $(count)"

# A plan: ten too many, two of which may go at once.
status 0 "$HOLDFAST" forget --set shop --dry-run
has out '2 snapshots would be forgotten, 2 kept, 8 waiting'
has out 'one run removes at most 20 %'
[ "$(count)" = 12 ] || fail 'a dry run forgot something'
status 0 "$HOLDFAST" forget --set shop --dry-run --json
json out 'len(lines[0]) == 1 and lines[0][0]["state"] == "limited" and lines[0][0]["remove"] == 2'
limited=$(json_get out 'lines[0][0]["digest"]')
approved=$(json_get out 'lines[0][0]["approve"]')
oldest=$(json_get out 'lines[0][0]["snapshots"][-1]["id"]')

# While backups fail, and when the clock was later before, nothing goes, and the exit status says so.
status 11 "$HOLDFAST" forget --set shop --failed-runs 3
has err 'the last backup of the set failed (3 in a row)'
status 1 "$HOLDFAST" forget --set shop --clock-seen 2100-01-01
has err 'the clock went back'
status 2 "$HOLDFAST" forget --set shop --failed-runs many
status 2 "$HOLDFAST" forget --set shop --host elsewhere
status 2 "$HOLDFAST" forget --keep-last 1 --approve "$limited"
[ "$(count)" = 12 ] || fail 'something was forgotten'

# What is pinned stays; the plan that was shown is no longer the one that is made.
status 0 main tag --add pin "$oldest"
status 1 "$HOLDFAST" forget --set shop --approve "$approved"
has err 'something has changed'
status 0 "$HOLDFAST" forget --set shop
has out '2 snapshots forgotten'
has out 'pinned'
[ "$(count)" = 10 ] || fail "not ten: $(count)"

# With the digest all of it goes.
status 0 "$HOLDFAST" forget --set shop --dry-run --json
approved=$(json_get out 'lines[0][0]["approve"]')
status 0 "$HOLDFAST" forget --set shop --approve "$approved"
[ "$(count)" = 3 ] || fail "not three: $(count)"
main snapshots | grep -q pin || fail 'the pinned one is gone'
status 0 "$HOLDFAST" forget --set shop
has out '0 snapshots forgotten'

# A worker does it behind each backup.
sed -i 's/    retention: {daily: 2}/    retention: {last: 1, max_percent: 100}\n    schedule: "* * * * *"/' holdfast.yaml
start_service worker
until_true 300 service_says 'retention of shop: success'
stop_service
[ "$(count)" -le 3 ] || fail "too many are left: $(count)"
main snapshots | grep -q pin || fail 'the pinned one is gone'
"$PYTHON" - <<'END_PY'
import json
import sqlite3
runs = sqlite3.connect("file:state/catalog.db?mode=ro", uri=True).execute(
    "SELECT state, details FROM runs WHERE kind = 'retention' AND state = 'success'").fetchall()
assert runs and json.loads(runs[0][1])[0]["state"] == "ready", runs
END_PY

# By hand the catalog is asked: a failure that it knows of is a pause.
"$PYTHON" - <<'END_PY'
import sqlite3
db = sqlite3.connect("state/catalog.db")
db.execute("UPDATE sets SET failures = 2")
db.commit()
END_PY
status 11 "$HOLDFAST" forget --set shop
has err '(2 in a row)'
