#!/bin/sh
# A job that dies behind the commit of its snapshot is done again, and makes no second one.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

at_end() { kill_all "$(keepers)"; }
# Keepers of jobs of this state folder, and what is below a process.
keepers() {
    for place in /proc/[0-9]*; do
        case $({ tr '\0' ' ' <"$place/cmdline"; } 2>/dev/null) in
        *" --keep-job $work/state/jobs/"*) echo "${place#/proc/}" ;;
        esac
    done
}
below() {
    for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
        echo "$child"
        below "$child"
    done
}
# With what is below them.
kill_all() {
    # shellcheck disable=SC2048
    for pid in $*; do
        for one in $pid $(below "$pid"); do kill -9 "$one" 2>/dev/null || :; done
    done
}

make_repository
"$HOLDFAST" init -r "$work/second" --key-file "$work/key" --from-repo "$HOLDFAST_REPOSITORY" \
    --from-key-file "$HOLDFAST_KEY_FILE" --copy-chunker-params >out
# The drill behind the backup waits in the check of its first attempt.
printf '#!/bin/sh\nexec sleep 600\n' >check
chmod 755 check
put_config <<END
  second: {url: $work/second, key_file: $work/key}
sets:
  shop:
    repositories: [main, second]
    sources: [{command: {name: rules, argv: [date], check: [$work/check]}}]
    schedule: "* * * * *"
    drill: after_backup
END

list() { "$HOLDFAST" snapshots --json "$@"; }
is_stored() { list -r "$work/second" --key-file "$work/key" | grep -q '"job"'; }

start_service worker
until_true 300 is_stored
list >first
printf '#!/bin/sh\nexec cat >/dev/null\n' >check.new
chmod 755 check.new
mv check.new check
kill_all "$(keepers)"
until_true 300 service_says 'backup of shop: success'
stop_service

list >main
list -r "$work/second" --key-file "$work/key" >there
"$PYTHON" - <<'END'
import json

first, *places = [json.load(open(name, encoding="utf-8")) for name in ("first", "main", "there")]
assert len(first) == 1, first
for snapshots in places:
    jobs = [s["job"] for s in snapshots]
    assert jobs.count(first[0]["job"]) == 1 and len(set(jobs)) == len(jobs), jobs
END

# By hand: the figures are those of the first attempt, and an id belongs to a set. A repository that
# the environment names would be the only one.
unset HOLDFAST_REPOSITORY HOLDFAST_KEY_FILE
status 0 "$HOLDFAST" backup --set shop --job by-hand --json
cp out made
status 0 "$HOLDFAST" backup --set shop --job by-hand --again --json
"$PYTHON" - <<'END'
import json

def summary(name):
    lines = [json.loads(line) for line in open(name, encoding="utf-8") if line.startswith("{")]
    return [line for line in lines if line.get("message_type") == "summary"][-1]

made, found = summary("made"), summary("out")
assert found.pop("found") is True and "found" not in made, (made, found)
for told in (made, found):
    for repository in told["repositories"]:
        repository.pop("snapshots_copied")
assert made == found, (made, found)
END
status 0 "$HOLDFAST" backup --set shop --job by-hand --again
has out 'was saved by a former attempt'
status 2 "$HOLDFAST" backup --set shop --again
has err '--job goes with --set'
status 2 "$HOLDFAST" backup --job x "$work/check"
