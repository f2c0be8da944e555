#!/bin/sh
# What clients send to a service's API becomes a snapshot when all of it has come, and in no other case: not when the client, the service or the
# connection ends before.  The service stays small, and what was uploaded is listed, downloaded and restored, but is no backup of the set.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

port=$(free_ports 1)
make_repository
mkdir data other restores
echo "of the shop" >data/page
echo "of the wiki" >other/page
put_config <<END
  bad: {url: $HOLDFAST_REPOSITORY, key_file: $work/bad.key}
sets:
  shop: {repositories: [main], sources: [{files: {paths: [$work/data]}}]}
  wiki: {repositories: [main], sources: [{files: {paths: [$work/other]}}]}
  locked: {repositories: [bad], sources: [{files: {paths: [$work/other]}}]}
serve:
  listen: ["127.0.0.1:$port"]
  upload_max: 1100M
  restore_targets: [$work/restores]
END
printf '%064d\n' 1 >bad.key
chmod 600 bad.key
status 0 "$HOLDFAST" backup --set shop
status 0 "$HOLDFAST" backup --set wiki
# add_token NAME VERBS SETS
add_token() {
    status 0 "$HOLDFAST" token add "$1" --role admin --verb "$2" --set "$3"
    grep -o 'hf_[A-Za-z0-9_-]*' out | head -1 >"$1.token"
}
add_token boss '*' '*'
add_token pusher backup:upload shop
add_token wiki '*' wiki

# Standard input that is a socket: its end counts when it was said.
status 2 "$HOLDFAST" backup --stdin-socket data
status 2 "$HOLDFAST" backup --stdin --stdin-socket </dev/null
"$PYTHON" - "$HOLDFAST" >out 2>err <<'END' || fail "a socket as standard input"
import json, socket, subprocess, sys

def back_up(name, *options, end):
    ours, theirs = socket.socketpair()
    child = subprocess.Popen([sys.argv[1], "backup", "--json", "--stdin", "--stdin-filename", name, *options], stdin=theirs,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    theirs.close()
    ours.sendall(b"x" * 100000)
    if end == "said":
        ours.shutdown(socket.SHUT_WR)
    else:
        ours.close()
    out, err = child.communicate(timeout=120)
    return child.returncode, b"snapshot_id" in out, b"without saying its end" in err

said = [back_up("a", "--stdin-socket", end="said"), back_up("b", "--stdin-socket", end="died"), back_up("c", end="died")]
print(said)
sys.exit(said != [(0, True, False), (130, False, True), (0, True, False)])
END

start_service serve
wait_ready "$port"
"$PYTHON" -W ignore "$here/upload.py" "$work" "$port" "$service" >out 2>err || fail "uploading"
service='' # which was killed in the middle of an upload

# It comes up again; what was under way is no snapshot, and nothing is damaged.
start_service serve
wait_ready "$port"
"$PYTHON" -W ignore "$here/upload.py" "$work" "$port" "$service" again >out 2>err || fail "uploading after the service was killed"
stop_service
status 0 "$HOLDFAST" audit verify
status 0 "$HOLDFAST" check --read-data
# Rules of the set leave uploads alone; they go by their tag, each name by itself.
status 0 "$HOLDFAST" forget --set shop --keep-last 1
status 0 "$HOLDFAST" snapshots --set shop --uploads --json
json out '[one["paths"][0] for one in lines[0]].count("/after") == 2 and len(lines[0]) == 7'
status 0 "$HOLDFAST" forget --tag upload:shop --keep-last 1
status 0 "$HOLDFAST" snapshots --set shop --uploads --json
json out 'sorted(one["paths"][0] for one in lines[0]) == ["/after", "/big", "/dump.sql", "/files", "/once", "/secret"]'
