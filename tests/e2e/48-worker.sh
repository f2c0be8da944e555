#!/bin/sh
# A worker does what the schedules say, tells it, and another one goes on where it was killed.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

worker='' listener=''
finish() {
    for pid in $worker $listener; do kill "$pid" 2>/dev/null || :; done
    rm -rf "$work"
}
trap finish EXIT

# Writes down what it is asked, a line for each request.
cat >listener.py <<'END'
import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def note(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with open("heard", "a", encoding="ascii") as out:
            out.write(f"{self.command} {self.path}\n")
        self.send_response(200)
        self.end_headers()

    do_GET = do_POST = note

    def log_message(self, *words):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
with open("port.tmp", "w", encoding="ascii") as out:
    out.write(str(server.server_port))
import os
os.rename("port.tmp", "port")
server.serve_forever()
END
touch heard
"$PYTHON" listener.py &
listener=$!
until [ -s port ]; do sleep 0.1; done

make_repository
mkdir data
echo one >data/file
cat >holdfast.yaml <<END
state: $work/state
repositories:
  main: {url: $HOLDFAST_REPOSITORY, key_file: $HOLDFAST_KEY_FILE}
sets:
  shop:
    repositories: [main]
    sources: [{files: {paths: [$work/data]}}]
    schedule: "* * * * *"
    notify:
      on_success: ["heartbeat+http://127.0.0.1:$(cat port)/good"]
      on_failure: ["heartbeat+http://127.0.0.1:$(cat port)/bad"]
serve:
  outbound: {allowed: ["127.0.0.1:$(cat port)"]}
END
chmod 600 holdfast.yaml

count() { "$HOLDFAST" snapshots --json | "$PYTHON" -c 'import json, sys; print(len(json.load(sys.stdin)))'; }

# until_true SECONDS WORDS...: wait for a command to succeed.
until_true() {
    left=$1
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "never: $*"
        sleep 1
    done
}
has_snapshots() { [ "$(count)" -ge "$1" ]; }

"$HOLDFAST" worker >worker.out 2>worker.err &
worker=$!
until_true 120 has_snapshots 1
until_true 60 grep -qx 'GET /good' heard

# Only one at a time has the state folder.
status 11 "$HOLDFAST" worker
has err 'another'

# Killed, and its jobs and schedules are the next one's.
kill -9 "$worker"
wait "$worker" 2>/dev/null || :
had=$(count)
"$HOLDFAST" worker >worker.out 2>worker.err &
worker=$!
until_true 120 has_snapshots $((had + 1))

# What fails is told to the others, after it was tried again.
kill "$worker"
got=0
wait "$worker" || got=$?
[ "$got" = 0 ] || [ "$got" = 130 ] || fail "the worker ended with $got"
worker=''
lacks heard /bad
grep -q 'backup of shop: success' worker.out || fail "the worker told nothing: $(cat worker.out worker.err)"

# Every snapshot belongs to another minute: no run was doubled.
"$HOLDFAST" snapshots --json >out
"$PYTHON" - out <<'END'
import json
import sys

with open(sys.argv[1], encoding="utf-8") as text:
    minutes = [s["time"][:16] for s in json.load(text)]
assert len(minutes) == len(set(minutes)), minutes
END

