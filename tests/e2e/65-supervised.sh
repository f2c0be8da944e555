#!/bin/sh
# A supervisor hears when service and worker are ready, how they are, that they live, and that they end.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

listener=''
at_end() { [ -z "$listener" ] || kill "$listener"; }

# Writes down what it is told, a line each; with READY=1 also whether a port answers at that moment.
cat >supervisor.py <<'PY'
import os
import socket
import sys

link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
link.bind(sys.argv[1].replace("@", "\0", 1) if sys.argv[1][0] == "@" else sys.argv[1])
open("listens", "w", encoding="ascii").close()
while True:
    text = link.recv(4096).decode()
    with open("heard", "a", encoding="utf-8") as out:
        out.write(text + "\n")
        if text == "READY=1" and os.path.exists("port"):
            port = int(open("port", encoding="ascii").read())
            with socket.create_connection(("127.0.0.1", port), 20):
                out.write("and it answers\n")
PY

make_repository
mkdir data
echo one >data/file
free_ports 1 >port
put_config <<YAML
sets:
  shop:
    repositories: [main]
    sources: [{files: {paths: [$work/data]}}, {command: {name: environment, argv: [sh, -c, "env; until [ -e $work/go ]; do sleep 0.2; done"]}}]
    schedule: "* * * * *"
serve:
  listen: ["127.0.0.1:$(cat port)"]
YAML

# supervise SOCKET: somebody listens there.
supervise() {
    [ -z "$listener" ] || kill "$listener"
    rm -f heard listens
    "$PYTHON" supervisor.py "$1" &
    listener=$!
    until_true 60 test -e listens
}

# heard LINE: the supervisor is told a line that begins so.
heard() { until_true 180 grep -qs "^$1" heard; }

supervise "$work/notify"
NOTIFY_SOCKET="$work/notify" WATCHDOG_USEC=1000000 start_service serve
heard 'READY=1'
heard 'and it answers'
heard 'WATCHDOG=1'
heard 'STATUS=0 jobs under way'
heard 'STATUS=1 job under way'
touch go # it lasts until it was heard of
until_true 180 service_says 'backup of shop: success'
# No child can speak to the supervisor.
status 0 "$HOLDFAST" dump latest command/environment
has out PATH=
lacks out NOTIFY_SOCKET
lacks out WATCHDOG
stop_service
heard 'STOPPING=1'

# The worker, and an abstract socket.
rm port
supervise "@holdfast-e2e-$$"
NOTIFY_SOCKET="@holdfast-e2e-$$" start_service worker
heard 'READY=1'
stop_service
heard 'STOPPING=1'
! grep -q WATCHDOG heard || fail "signs of life that nobody asked for"

NOTIFY_SOCKET=nonsense status 2 "$HOLDFAST" worker
has err 'NOTIFY_SOCKET: no Unix socket: nonsense'
