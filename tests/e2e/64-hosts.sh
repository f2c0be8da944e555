#!/bin/sh
# Two hosts share a catalog in PostgreSQL: what is queued is done where its set is.
# shellcheck disable=SC2154,SC2086 # lib.sh sets work and others
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

workers=''
at_end() { for pid in $workers; do kill "$pid" 2>/dev/null || :; done; }
# A worker of another name; the name of a host belongs to root.
as_host() {
    if [ "$(id -u)" = 0 ] && unshare --uts true 2>/dev/null; then
        shift_name=$1
        shift
        exec unshare --uts sh -c 'hostname "$0" && exec "$@"' "$shift_name" "$@"
    fi
    exit 77
}
(as_host test true) || exit 77
start_postgres catalog

make_repository
mkdir near far both
echo n >near/file
echo f >far/file
echo b >both/file
# config HOST SETS...
config() {
    host=$1
    shift
    {
        echo "state: $work/state-$host"
        echo "catalog: \"postgresql:///catalog?host=$server&user=postgres\""
        echo "repositories: {main: {url: $HOLDFAST_REPOSITORY, key_file: $HOLDFAST_KEY_FILE}}"
        echo "sets:"
        for set in "$@"; do
            echo "  ${set%:*}:"
            echo "    repositories: [main]"
            echo "    sources: [{files: {paths: [$work/${set%:*}]}}]"
            [ "$set" = "${set%:*}" ] || echo "    hosts: [${set#*:}]"
        done
    } >"$host.yaml"
    chmod 600 "$host.yaml"
    mkdir -p "state-$host"
}
config alpha near both:beta
config beta far both:beta
status 0 "$HOLDFAST" catalog status -c alpha.yaml
cp state-alpha/catalog.key state-beta/

# queue NUMBER SET: as a service writes it that has no sources itself.
queue() {
    now=$(date +%s%N)
    psql -c "set search_path = holdfast; insert into runs (id, job_id, attempt, set_name, kind, state, cause,
        requested_by, created_ns, bytes, bytes_added, files) values ('run$1', 'job$1', 1, '$2', 'backup', 'queued', 'api',
        'ann', $now, 0, 0, 0);
        insert into jobs (id, run_id, kind, set_name, arguments, cause, requested_by, state, priority, not_before_ns, writer,
        attempts, attempts_max, backoff_ms, interruptions, fence, created_ns) values ('job$1', 'run$1', 'backup', '$2', '{}',
        'api', 'ann', 'queued', 0, 0, '$2', 1, 1, 0, 0, 0, $now)"
}
state_of() { psql -c "select state from holdfast.runs where id = 'run$1'"; }
has_succeeded() {
    case $(state_of "$1") in
    success) ;;
    failed) fail "run $1: $(psql -c "select error from holdfast.runs where id = 'run$1'") $(cat ./*.err)" ;;
    *) return 1 ;;
    esac
}

queue 1 far
queue 2 both
queue 3 near
(as_host alpha "$HOLDFAST" worker -c alpha.yaml) >alpha.out 2>alpha.err &
workers=$!
until_true 180 has_succeeded 3
# Nobody who is there has these.
[ "$(state_of 1)" = queued ] || fail "alpha took what it does not have"
[ "$(state_of 2)" = queued ] || fail "alpha took what belongs to beta"
(as_host beta "$HOLDFAST" worker -c beta.yaml) >beta.out 2>beta.err &
workers="$workers $!"
until_true 180 has_succeeded 1
until_true 180 has_succeeded 2
status 0 "$HOLDFAST" snapshots --json
json out 'sorted((s["set"], s["hostname"]) for s in lines[0]) ==
    [("both", "beta"), ("far", "beta"), ("near", "alpha")]'

# The catalog is lost, and back, in PostgreSQL too; each configuration brings its sets.
for pid in $workers; do
    kill "$pid"
    wait "$pid" 2>/dev/null || :
done
workers=''
what="select set_name, kind, state, snapshot, bytes from holdfast.runs order by 1"
psql -c "$what" >before
psql -c 'drop schema holdfast cascade' 2>drop.err
status 0 "$HOLDFAST" catalog rebuild -c beta.yaml --json
json out 'lines[0]["backups"] == 3'
psql -c "$what" >after
same before after
status 0 "$HOLDFAST" catalog rebuild -c beta.yaml --json
json out 'lines[0]["backups"] == 0 and lines[0]["known"] == 3'
