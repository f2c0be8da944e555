#!/bin/sh
# Every verb as a job of the service: in the sandbox that its keeper makes for it, on real sources.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

work=${work:?}
bin='' dsn='' server='' as=''
start_postgres shop
psql -c "create table sale (id serial primary key, what text);
    insert into sale (what) select 'item ' || i from generate_series(1, 3000) i" >/dev/null

# The same server by TCP too.
port=$(free_ports 1)
# shellcheck disable=SC2086
(cd / && $as "$bin/pg_ctl" -D "$server/data" -w -l "$server/log" -m fast \
    -o "-c fsync=off -c listen_addresses=127.0.0.1 -c port=$port -k $server" restart) >"$work/server.log" 2>&1 ||
    fail "pg_ctl: $(tail -3 "$work/server.log")"
dsn="$dsn port=$port"

mkdir app
make_tree app/uploads
"$PYTHON" - <<'END'
import sqlite3
c = sqlite3.connect("app/app.db")
c.execute("pragma journal_mode=wal")
c.execute("create table t (x)")
c.executemany("insert into t values (?)", [(i,) for i in range(500)])
c.commit()
END
echo rules >app/rules
printf '#!/bin/sh\ncat >"%s/app/rules"\n' "$PWD" >apply
chmod 755 apply
secret=canary-71c0ffee
printf '%s\n' "$secret" >password
chmod 600 password
cat >holdfast.yaml <<YAML
state: $PWD/state
repositories:
  main: { url: $PWD/repo, password_file: $PWD/password }
  second: { url: $PWD/second, password_command: [cat, $PWD/password] }
sets:
  all:
    sources:
      - files: { paths: [$PWD/app/uploads] }
      - sqlite: { path: $PWD/app/app.db }
      - postgres: { name: shop, dsn: "$dsn" }
      - command: { name: rules, argv: [cat, $PWD/app/rules], check: [grep, -q, rules], apply: [$PWD/apply] }
    repositories: [main, second]
    required_repositories: 2
    drill: after_backup
  tcp:
    sources:
      - postgres: { name: shop, dsn: "host=127.0.0.1 port=$port user=postgres dbname=shop" }
    repositories: [main]
  plain:
    sources:
      - files: { paths: [$PWD/app/uploads] }
      - sqlite: { path: $PWD/app/app.db }
    repositories: [main]
YAML
chmod 600 holdfast.yaml
status 0 "$HOLDFAST" init -r repo --password-file password
status 0 "$HOLDFAST" init -r second --password-file password --from-repo repo --from-password-file password --copy-chunker-params

# job VERB SET STATUS ARGUMENTS: run one to its end, with no service; out and err are what it said.
number=0
job() {
    number=$((number + 1))
    folder="$PWD/state/jobs/job$number.1"
    mkdir -p "$folder"
    # shellcheck disable=SC2089
    set_field=${2:+"\"set\":\"$2\","}
    printf '{"format":1,"id":"job%s","attempt":1,"verb":"%s","config":"%s",%s"arguments":%s,"limits":{"time_s":600,"stall_s":300,"grace_s":5},"must_confine":%s}\n' \
        "$number" "$1" "$PWD/holdfast.yaml" "$set_field" "$4" "${confined:-false}" >"$folder/request"
    "$HOLDFAST" --keep-job "$folder" <"$folder/request" || fail "the keeper of $1 ended with $?"
    for file in lines errors; do
        [ ! -e "$folder/$file" ] || cp "$folder/$file" "$work/$([ $file = lines ] && echo out || echo err)"
    done
    cp "$folder/exit" "$work/exit"
    [ "$3" = why ] || grep -q "\"status\":$3[,}]" exit || fail "$1 $2: $(cat exit)"
    rm -r "$folder"
}
[ "$(id -u)" != 0 ] || confined=true

# Arguments and environments of all processes that begin from here on, looked at without end.
cat >scan.py <<'END'
import os, time
before = {name for name in os.listdir("/proc") if name.isdigit()}
while True:
    time.sleep(0.02)
    for number in filter(str.isdigit, os.listdir("/proc")):
        if number in before:
            continue
        for path in f"/proc/{number}/cmdline", f"/proc/{number}/environ":
            try:
                with open(path, "rb", 0) as f:
                    if b"canary-" + b"71c0ffee" in f.read():
                        open("seen", "a").write(path + "\n")
            except OSError:
                pass
    with open("looks", "a") as f:
        f.write(".")
END
"$PYTHON" scan.py &
scanner=$!
at_end() { kill "$scanner" 2>/dev/null; }

job backup plain 0 '{}'
json out 'len(lines[-1]["snapshot_id"]) == 64 and lines[-1]["error_count"] == 0'
job backup tcp 0 '{"tags":["nightly"]}'
job backup all 0 '{}'
json out '[l for l in lines if l["message_type"] == "drill"][-1]["verdict"] == "proven"'
json out '[l for l in lines if l["message_type"] == "summary"][0]["degraded"] is False'
job drill all 0 '{}'
json out '{m["place"].split("/")[0]: m["verdict"] for m in lines[-1]["members"]} == dict.fromkeys(["files", "sqlite", "postgres", "command"], "proven")'
job drill tcp 0 '{}'
job check '' 0 '{"repository":"main","read_data":true}'
job check '' 0 '{"repository":"second"}'
job copy all 0 '{}'

# What keeps a repository, and tags of the set's own snapshots.
job measure '' 0 '{"repository":"main","command":"stats"}'
json out 'lines[-1]["message_type"] == "stats" and lines[-1]["raw_data"]["pack_count"] > 0'
job keys '' 0 '{"repository":"main","command":"key list"}'
json out 'len(lines[-1]) == 1 and lines[-1][0]["current"] is True'
job reencrypt '' 0 '{"repository":"second","command":"key reencrypt","dry_run":true}'
json out 'lines[-1]["epoch"] == 1 and lines[-1]["packs_left"] == 0'
status 0 "$HOLDFAST" key rotate -r second --password-file password --yes
job reencrypt '' 0 '{"repository":"second","command":"key reencrypt","dry_run":true}'
json out 'lines[-1]["epoch"] == 2 and lines[-1]["packs_left"] > 0 and lines[-1]["rounds"] == 0'
job reencrypt '' 0 '{"repository":"second","command":"key reencrypt"}'
json out 'lines[-1]["packs_left"] == 0 and lines[-1]["index_objects_left"] == 0 and lines[-1]["packs_reencrypted"] > 0'
job copy all 0 '{}'
job check '' 0 '{"repository":"second","read_data":true}'
job parity '' 0 '{"repository":"second","command":"parity enable","percent":"10"}'
job parity '' 0 '{"repository":"second","command":"parity status"}'
json out 'lines[-1]["enabled"] is True and lines[-1]["unprotected"] == 0'
job parity '' 0 '{"repository":"second","command":"parity disable"}'
job repair '' 0 '{"repository":"second","command":"repair index"}'
job repair '' 0 '{"repository":"second","command":"repair packs"}'
job tag tcp 0 '{"repository":"main","command":"tag","snapshots":["latest"],"add":["pin"]}'
json out 'lines[-1]["changed_snapshots"] == 1'
status 0 "$HOLDFAST" snapshots -r repo --password-file password --set plain --json
job tag tcp 1 '{"repository":"main","command":"tag","snapshots":["'"$(json_get out 'lines[0][-1]["id"]')"'"],"add":["pin"]}'
has err 'is not of set tcp'

# Back in place, applied, and undone.
cp -r app/uploads uploads.before
psql -c 'delete from sale'
echo changed >app/uploads/one
job restore all 0 '{"snapshot":"latest","in_place":true}'
same uploads.before app/uploads
[ "$(psql -c 'select count(*) from sale')" = 3000 ] || fail "the rows are not back"
job undo '' 0 '{}'
grep -q changed app/uploads/one || fail "the restore is not undone"

# Rules are put in force by the set's program, and taken back when nobody confirms them.
echo 'rules of today' >app/rules
job restore all 130 '{"snapshot":"latest","in_place":true,"apply":true,"confirm_within":"1s"}'
has err confirm
grep -q today app/rules || fail "rules that nobody confirmed stayed"

job restore plain 0 '{"snapshot":"latest","target":"'"$PWD"'/elsewhere/deep"}'
same uploads.before "$(find elsewhere -type d -name uploads)"
job forget plain 0 '{"keep_last":1}'
job prune '' 0 '{"repository":"main"}'
job check '' 0 '{"repository":"main","read_data":true}'

# What is wrong with a job is written down, whoever is there to read it.
job prune '' why '{"repository":"none"}'
grep -q 'no repository' exit || fail "exit: $(cat exit)"
job backup plain why '{"exclude":["x"]}'
grep -q 'no argument' exit || fail "exit: $(cat exit)"
echo wrong >password
job check '' 12 '{"repository":"main"}'
echo "$secret" >password

# Nobody has seen the password but those who read it.
kill "$scanner"
wait "$scanner" || true
[ -s looks ] || fail "nobody has looked"
[ ! -s seen ] || fail "the password stood in $(cat seen)"

# Without root there is no network namespace: that is told, and a job that must be confined does not run.
[ "$(id -u)" = 0 ] || exit 0
chmod 755 "$work"
mkdir own
cp -r uploads.before own/files
cp password own/password
cat >own/holdfast.yaml <<YAML
state: $PWD/own/state
repositories: { main: { url: $PWD/own/repo, password_file: $PWD/own/password } }
sets: { plain: { sources: [{ files: { paths: [$PWD/own/files] } }], repositories: [main] } }
YAML
chmod 600 own/holdfast.yaml
chown -R nobody own
as_nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"; }
status 0 as_nobody "$HOLDFAST" init -r own/repo --password-file own/password
for must in true false; do
    folder="$PWD/own/state/jobs/$must.1"
    as_nobody mkdir -p "$folder"
    printf '{"format":1,"id":"%s","verb":"backup","config":"%s","set":"plain","must_confine":%s}\n' \
        $must "$PWD/own/holdfast.yaml" $must >"$folder/request"
    as_nobody "$HOLDFAST" --keep-job "$folder" <"$folder/request" || fail "the keeper ended with $?"
done
grep -q 'sandbox has gaps' own/state/jobs/true.1/exit || fail "exit: $(cat own/state/jobs/true.1/exit)"
grep -q '"status":0' own/state/jobs/false.1/exit || fail "exit: $(cat own/state/jobs/false.1/exit own/state/jobs/false.1/errors)"
grep -q 'namespace' own/state/jobs/false.1/process || fail "the gap is not told"
