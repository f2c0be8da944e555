#!/bin/sh
# A job whose process is killed twice, with its keeper and the service, is given up, and that is told once.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

worker='' listener=''
finish() {
    kill_all "$worker" "$(keepers)"
    [ -z "$listener" ] || kill "$listener"
    rm -rf "$work"
}

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
kill_all() {
    # shellcheck disable=SC2048
    for pid in $*; do
        for one in $pid $(below "$pid"); do kill -9 "$one" 2>/dev/null || :; done
    done
}
trap finish EXIT

cat >listener.py <<'END'
import http.server
import os


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with open("heard", "ab") as out:
            out.write(self.path.encode() + b" " + body.replace(b"\n", b" ") + b"\n")
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
with open("port.tmp", "w", encoding="ascii") as out:
    out.write(str(server.server_port))
os.rename("port.tmp", "port")
server.serve_forever()
END
touch heard
"$PYTHON" listener.py &
listener=$!
until [ -s port ]; do sleep 0.1; done

make_repository
printf '#!/bin/sh\nexec sleep 600\n' >slow
chmod 755 slow
put_config <<END
sets:
  shop:
    repositories: [main]
    sources: [{command: {name: rules, argv: [$work/slow]}}]
    schedule: "* * * * *"
    notify:
      on_failure: ["heartbeat+http://127.0.0.1:$(cat port)/bad"]
serve:
  outbound: {allowed: ["127.0.0.1:$(cat port)"]}
END

until_true() {
    left=$1
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "never: $* $(cat worker.out worker.err)"
        sleep 1
    done
}
has_keeper() { [ -n "$(keepers)" ]; }
told() { grep -c 'has not been heard of any more' heard || :; }
is_told() { [ "$(told)" -ge 1 ]; }

for attempt in 1 2; do
    "$HOLDFAST" worker >worker.out 2>worker.err &
    worker=$!
    until_true 200 has_keeper
    [ "$(told)" = 0 ] || fail "attempt $attempt was told: $(cat heard)"
    kill_all "$worker" "$(keepers)"
    wait "$worker" 2>/dev/null || :
done
"$HOLDFAST" worker >worker.out 2>worker.err &
worker=$!
until_true 200 is_told
sleep 3
[ "$(told)" = 1 ] || fail "it was told more than once: $(cat heard)"
grep -q '^/bad' heard || fail "others were told: $(cat heard)"
