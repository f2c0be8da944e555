#!/bin/sh
# What the service writes into its audit log reaches a syslog server; one that is away is told, and delays nothing.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

listener=''
at_end() { [ -z "$listener" ] || kill "$listener"; }

cat >listener.py <<'PY'
import socket
link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
link.bind("log")
while True:
    with open("heard", "a", encoding="utf-8") as out:
        out.write(link.recv(100000).decode() + "\n")
PY
port=$(free_ports 1)
make_repository
put_config <<YAML
serve:
  listen: ["127.0.0.1:$port"]
  audit: {syslog: "unix:$work/log"}
YAML
status 0 "$HOLDFAST" config show
has out "unix:$work/log"

# Nobody listens yet: the service answers all the same, and says what waits.
start_service serve
wait_ready "$port"
answers 401 POST "$port" /api/v1/auth/login '{"username":"admin","password":"wrong-password-1"}'
until_true 120 grep -qF "records wait for unix:$work/log" service.err
"$PYTHON" listener.py &
listener=$!
until_true 120 grep -qs ' holdfast [0-9]* login - {' heard
# What arrived is what the log has.
status 0 "$HOLDFAST" audit verify
"$PYTHON" - <<'PY' || fail "heard: $(cat heard)"
import json, re
lines = open("heard", encoding="utf-8").read().splitlines()
for line in lines:
    head, record = re.fullmatch(r"<(\d+)>1 \d{4}-\d\d-\d\dT[\d:.]{15}Z \S+ holdfast \d+ \S+ - (\{.*\})", line).groups()
    assert int(head) // 8 == 13 and json.loads(record)["seq"] >= 1
numbers = [json.loads(line.split(" - ", 1)[1])["seq"] for line in lines]
assert numbers == sorted(set(numbers)), numbers
PY
stop_service

sed -i 's|syslog: "unix:.*"|syslog: "tls:host:1"|' holdfast.yaml
status 2 "$HOLDFAST" serve
has err 'holdfast.yaml:6: syslog takes unix:PATH'
