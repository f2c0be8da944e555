#!/bin/sh
# What the service writes into its audit log reaches a syslog server; one that is away is told, and delays nothing.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

service='' listener=''
finish() {
    for pid in $service $listener; do kill "$pid" 2>/dev/null || :; done
    rm -rf "$work"
}
trap finish EXIT

cat >listener.py <<'PY'
import socket
link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
link.bind("log")
while True:
    with open("heard", "a", encoding="utf-8") as out:
        out.write(link.recv(100000).decode() + "\n")
PY
"$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' >port
port=$(cat port)
make_repository
cat >holdfast.yaml <<YAML
state: $work/state
repositories:
  main: {url: $HOLDFAST_REPOSITORY, key_file: $HOLDFAST_KEY_FILE}
serve:
  listen: ["127.0.0.1:$port"]
  audit: {syslog: "unix:$work/log"}
YAML
chmod 600 holdfast.yaml
status 0 "$HOLDFAST" config show
has out "unix:$work/log"

# Nobody listens yet: the service answers all the same, and says what waits.
"$HOLDFAST" serve >served 2>failures &
service=$!
login() {
    "$PYTHON" - "$port" <<'PY' || fail "no answer"
import http.client, json, sys, time
for left in range(300, 0, -1):
    try:
        link = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
        link.request("POST", "/api/v1/auth/login", json.dumps({"username": "admin", "password": "wrong-password-1"}), {"Content-Type": "application/json"})
        assert link.getresponse().status == 401
        break
    except ConnectionRefusedError:
        assert left > 1
        time.sleep(0.2)
PY
}
login
"$PYTHON" listener.py &
listener=$!
left=300
until grep -qs ' holdfast [0-9]* login - {' heard; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || fail "the record does not arrive: $(cat heard failures)"
    sleep 0.2
done
grep -q "records wait for unix:$work/log" failures || fail "it was not told that records wait: $(cat failures)"
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
kill "$service"
got=0
wait "$service" || got=$?
service=''
[ "$got" = 0 ] || [ "$got" = 130 ] || fail "the service ended with $got"

sed -i 's|syslog: "unix:.*"|syslog: "tls:host:1"|' holdfast.yaml
status 2 "$HOLDFAST" serve
has err 'holdfast.yaml:6: syslog takes unix:PATH'
