#!/bin/sh
# A catalog that was lost comes back from the repositories: runs, drills, sets and configurations.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

"$HOLDFAST" init -r "$work/one" --key-file "$work/one.key" >/dev/null
"$HOLDFAST" init -r "$work/two" --key-file "$work/two.key" --copy-chunker-params --from-repo "$work/one" \
    --from-key-file "$work/one.key" >/dev/null
mkdir data
echo one >data/file
cat >holdfast.yaml <<END
state: $work/state
repositories:
  one: {url: $work/one, key_file: $work/one.key}
  two: {url: $work/two, key_file: $work/two.key}
sets:
  shop:
    repositories: [one, two]
    sources: [{files: {paths: [$work/data]}}]
    schedule: "* * * * *"
    retention: {daily: 7}
    drill: after_backup
    notify: {on_failure: ["https://hooks.example.org/services/abc"]}
  blog:
    repositories: [two]
    sources: [{files: {paths: [$work/data]}}]
END
chmod 600 holdfast.yaml

# runs FILE: what the catalog says of backups and drills that came of themselves.
runs() {
    "$PYTHON" - "$work/state/catalog.db" <<'END'
import sqlite3
import sys

db = sqlite3.connect(sys.argv[1])
for row in db.execute("select set_name, kind, state, snapshot, verdict, bytes, bytes_added, files"
                      " from runs where state not in ('queued', 'running', 'interrupted') and kind <> 'retention'"
                      " order by 1, 2, 4"):
    print(*row)
END
}

# A service does a backup; others are done by hand.
start_service worker
until_true 180 service_says 'backup of shop: success'
stop_service
runs >by-service
[ "$(wc -l <by-service)" -ge 1 ] || fail "the service recorded nothing"
unset HOLDFAST_REPOSITORY HOLDFAST_KEY_FILE || :
echo two >data/file
status 0 "$HOLDFAST" backup --set shop
status 0 "$HOLDFAST" backup --set blog
"$HOLDFAST" backup -r "$work/two" --key-file "$work/two.key" data >/dev/null

# Beside what is there: what the service recorded is not doubled.
status 0 "$HOLDFAST" catalog rebuild --json
json out 'lines[0]["backups"] == 2 and lines[0]["known"] >= 1 and lines[0]["complete"]'
json out 'lines[0]["drills"] >= 2 and lines[0]["without_set"] == 1 and lines[0]["repositories"] == 2'
runs >before
grep -vxFf before by-service >missing || :
[ ! -s missing ] || fail "runs of the service are not as they were: $(cat missing)"

# Again, and nothing is written, not even into the audit log.
"$HOLDFAST" audit list --limit unlimited --json >audit.before
status 0 "$HOLDFAST" catalog rebuild --json
json out '[lines[0][k] for k in ("backups", "drills", "configs")] == [0, 0, 0]'
"$HOLDFAST" audit list --limit unlimited --json >audit.after
same audit.before audit.after
runs >again
same before again

# Lost, and back.
rm -rf state
status 0 "$HOLDFAST" catalog rebuild
has out 'cannot come back'
runs >rebuilt
same before rebuilt
status 0 "$HOLDFAST" catalog status --json
json out 'lines[0]["kind"] == "SQLite" and lines[0]["runs"] >= 5'
json out '[l["set"] for l in lines[1:]] == ["blog", "shop"]'
json out '"last_success" in lines[2] and "last_proven" in lines[2] and lines[2]["failures"] == 0'
status 0 "$HOLDFAST" audit list --json
json out 'lines[0]["action"] == "catalog.rebuild" and lines[0]["details"]["backups"] >= 3'
status 0 "$HOLDFAST" audit verify

# Killed in the middle at any time: the next one ends the work.
for wait in 0.01 0.02 0.04 0.06 0.08 0.1; do
    rm -rf state
    "$HOLDFAST" catalog rebuild >/dev/null 2>&1 &
    victim=$!
    sleep "$wait"
    kill -9 "$victim" 2>/dev/null || :
    wait "$victim" 2>/dev/null || :
    status 0 "$HOLDFAST" catalog rebuild
    runs >rebuilt
    same before rebuilt
done

# Two at once write each run once.
rm -rf state
"$HOLDFAST" catalog rebuild >first.out 2>&1 &
first=$!
status 0 "$HOLDFAST" catalog rebuild
wait "$first" || fail "the other one failed: $(cat first.out)"
runs >rebuilt
same before rebuilt

# A repository that is away and a damaged snapshot are named, the rest comes back.
rm -rf state
mv one away
status 3 "$HOLDFAST" catalog rebuild --json
has err 'repository one is left out'
json out 'not lines[0]["complete"] and lines[0]["repositories"] == 1 and lines[0]["backups"] >= 3'
mv away one
rm -rf state
damaged=$(ls "$work/two/snapshots" | head -1)
cp -a two two.kept
chmod u+w "two/snapshots/$damaged"
printf x | dd of="two/snapshots/$damaged" bs=1 seek=60 conv=notrunc 2>/dev/null
evidence=$(ls "$work/one/drills" | head -1)
cp -a one one.kept
chmod u+w "one/drills/$evidence"
printf x | dd of="one/drills/$evidence" bs=1 seek=60 conv=notrunc 2>/dev/null
status 3 "$HOLDFAST" catalog rebuild
has err "$damaged"
has err "$evidence"
rm -rf one two state
mv one.kept one
mv two.kept two

# Without the configuration either: it travels in the snapshots.
# shown FILE: all that the configuration says, whatever its order.
shown() { "$HOLDFAST" config show -c "$1" --json | "$PYTHON" -c 'import json, sys; print(json.dumps(json.load(sys.stdin), sort_keys=True))'; }
shown holdfast.yaml >shown.before
mv holdfast.yaml lost.yaml
status 2 "$HOLDFAST" catalog rebuild
status 0 "$HOLDFAST" catalog rebuild -r "$work/two" --key-file "$work/two.key" --write-config found.yaml
[ "$(stat -c %a found.yaml)" = 600 ] || fail "others may read what was found"
shown found.yaml >shown.after
same shown.before shown.after
grep -q 'https://hooks.example.org/services/abc' found.yaml || fail "the address of a notice was cut"
status 1 "$HOLDFAST" catalog rebuild -r "$work/two" --key-file "$work/two.key" --write-config found.yaml
has err 'found.yaml'
status 0 "$HOLDFAST" catalog rebuild -c found.yaml
runs >rebuilt
same before rebuilt
# Nothing of it was stored before: it says so.
"$HOLDFAST" init -r "$work/three" --key-file "$work/three.key" >/dev/null
status 1 "$HOLDFAST" catalog rebuild -r "$work/three" --key-file "$work/three.key" --write-config none.yaml
has err 'carries a configuration'
[ ! -e none.yaml ] || fail "a file without a configuration"
