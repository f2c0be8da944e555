#!/bin/sh
# A worker checks the repositories of a set by its schedule: snapshots become verified, damage is told.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

make_repository
mkdir data
echo one >data/file
put_config <<END
sets:
  shop:
    repositories: [main]
    sources: [{files: {paths: [$work/data]}}]
    retention: {last: 1, only: verified}
    check: {cron: "* * * * *", read_data: true}
    notify: {on_failure: ["https://hooks.example.org/bad"]}
END

status 0 "$HOLDFAST" schedule
has out 'check'
lacks out 'backup'
status 0 "$HOLDFAST" schedule shop --json
json out 'len(lines) == 1 and lines[0]["kind"] == "check" and lines[0]["repository"] == "main" and len(lines[0]["next_runs"]) == 3'
status 2 "$HOLDFAST" schedule wiki
status 2 "$HOLDFAST" schedule --server http://127.0.0.1:1
has err 'goes with --file'

status 0 "$HOLDFAST" backup --set shop --json
touch -d '1 day ago' "repo/commits/$(json_get out 'lines[-1]["snapshot_id"]')"
trust() {
    status 0 "$HOLDFAST" forget --set shop --dry-run --json
    json out "lines[-1][0]['snapshots'][0]['trust'] == '$1'"
}
trust none

start_service worker
until_true 180 service_says 'check of shop: success'
trust verified

# Damage fails the next one, is told, and takes the word back.
pack=$(find repo/packs -type f | head -n 1)
chmod 600 "$pack"
printf x | dd of="$pack" bs=1 seek=200 conv=notrunc status=none
until_true 180 service_says 'check of shop: failed'
trust none
stop_service
"$PYTHON" - <<'END' || fail 'see above'
import json
import sqlite3

catalog = sqlite3.connect("file:state/catalog.db?mode=ro", uri=True)
told = [json.loads(row[0]) for row in catalog.execute("SELECT payload FROM outbox")]
assert any("Check Failed" in json.dumps(one) for one in told), told
kinds = {row[0] for row in catalog.execute("SELECT kind FROM runs")}
assert "check" in kinds and "drill" not in kinds, kinds
END
