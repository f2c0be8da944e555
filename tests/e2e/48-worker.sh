#!/bin/sh
# A worker does what the schedules say, tells it, and another one goes on where it was killed.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

listener=''
at_end() { [ -z "$listener" ] || kill "$listener"; }

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
until_true 60 test -s port

make_repository
mkdir data
echo one >data/file
put_config <<END
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

count() { "$HOLDFAST" snapshots --json | "$PYTHON" -c 'import json, sys; print(len(json.load(sys.stdin)))'; }

has_snapshots() { [ "$(count)" -ge "$1" ]; }

start_service worker
until_true 180 has_snapshots 1
until_true 120 grep -qx 'GET /good' heard

# Only one at a time has the state folder.
status 11 "$HOLDFAST" worker
has err 'another'

# Killed, and its jobs and schedules are the next one's.
kill_service
had=$(count)
start_service worker
until_true 180 has_snapshots $((had + 1))
until_true 120 service_says 'backup of shop: success'

stop_service
lacks heard /bad

# Every snapshot is that of another minute of the schedule: no run was doubled, however late it began.
status 0 "$HOLDFAST" snapshots --json
"$PYTHON" - out <<'END' || fail 'a run was doubled'
import json
import sqlite3
import sys

with open(sys.argv[1], encoding="utf-8") as text:
    jobs = [s["job"] for s in json.load(text)]
keys = dict(sqlite3.connect("file:state/catalog.db?mode=ro", uri=True).execute("SELECT id, dedup FROM jobs"))
moments = [int(keys[job].removeprefix("shop@")) for job in jobs]
assert len(moments) == len(set(moments)) and all(moment % 60 == 0 for moment in moments), moments
END
