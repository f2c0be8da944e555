#!/bin/sh
# SIGHUP brings a renewed certificate to new connections while an old one goes on; a pair that cannot be used changes nothing.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

port=$(free_ports 1)
make_repository
mkdir data
put_config <<END
sets:
  shop: {repositories: [main], sources: [{files: {paths: [$work/data]}}]}
serve:
  listen: ["127.0.0.1:$port"]
  tls: {certificate: $work/tls.pem, key: $work/tls.key}
END

# certificate SERIAL [NAME]: make NAME.pem and NAME.key, by default those of the service.
certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -set_serial "$1" \
        -keyout "$work/${2:-tls}.key" -out "$work/${2:-tls}.pem" 2>"$work/err" || fail "openssl req"
}
# serves SERIAL: what a new connection gets.
serves() {
    openssl s_client -connect "127.0.0.1:$port" </dev/null 2>/dev/null | openssl x509 -noout -serial >"$work/out" 2>&1
    [ "$(cat "$work/out")" = "serial=$1" ]
}
said() { grep -qF -e "$1" "$work/service.out" "$work/service.err"; }

certificate 0x1001
start_service serve
until_true 120 serves 1001

# A connection that stays, and asks before and after.
cat >ask.py <<'END'
import http.client, os, ssl, sys, time
context = ssl._create_unverified_context()
link = http.client.HTTPSConnection("127.0.0.1", int(sys.argv[1]), timeout=60, context=context)
link.connect()
serial = link.sock.getpeercert(True)
def ask():
    link.request("GET", "/healthz")
    answer = link.getresponse()
    answer.read()
    assert answer.status == 200
ask()
own = link.sock.getsockname()
open("asked", "w").close()
while not os.path.exists("renewed"):
    time.sleep(0.2)
    ask()
ask()
assert link.sock.getsockname() == own and link.sock.getpeercert(True) == serial
END
"$PYTHON" -W ignore ask.py "$port" >heard 2>&1 &
asker=$!
until_true 60 test -e asked

certificate 0x1002
kill -HUP "$service"
until_true 60 said 'certificate read again, SHA-256'
serves 1002 || fail 'new connections get the old certificate'

# A key of another certificate, then no certificate at all: the log says so, and the service goes on.
certificate 0x1003 other
cp tls.key good.key
cp other.key tls.key
kill -HUP "$service"
until_true 60 said "the certificate stays what it was: $work/tls.key is not the key of $work/tls.pem"
serves 1002 || fail 'a pair that does not belong together was used'
echo nothing >tls.pem
kill -HUP "$service"
until_true 60 said "$work/tls.pem holds no certificate"
serves 1002 || fail 'the certificate is gone'

touch renewed
wait "$asker" || fail "the open connection was dropped"
cp other.pem tls.pem
kill -HUP "$service"
until_true 60 serves 1003
stop_service
