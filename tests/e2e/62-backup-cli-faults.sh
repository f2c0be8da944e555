#!/bin/sh
# --server against services that refuse, fail, lie, are slow or are not there; what is asked for with a token, and of whom.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

start_stand_in() {
    mkfifo "input$1"
    # shellcheck disable=SC2086
    "$PYTHON" "$here/backup_service.py" $2 <"input$1" >"port$1" 2>"log$1" &
    eval "exec $3>input$1"
    until_true 60 test -s "port$1"
}
start_stand_in 1 '' 8
url="http://127.0.0.1:$(cat port1)"
echo hf_1_secret >token
export HOLDFAST_SERVER="$url" HOLDFAST_TOKEN_FILE="$work/token"
backup_cli() { "$HOLDFAST" "$@"; }
answer() { printf '%s' "$1" >answer; : >requests; }

# Refusals, in the words of whoever refuses, and what the status becomes.
for row in '401:12' '403:1' '404:1' '409:1' '429:11' '500:1' '502:11' '503:11' '302:1' '418:2'; do
    answer "[[${row%:*}, {\"Location\": \"$url/elsewhere\"}, {\"error\": \"No, \\u001b[31mnot you\", \"details\": \"so\"}]]"
    status "${row#*:}" backup_cli stats
    has err 'No, '
    has err 'not you: so'
    lacks err hf_1_secret
    ! grep -q "$(printf '\033')" out err || fail 'control characters were printed'
    [ "$(wc -l <requests)" = 1 ] || fail "${row%:*}: asked more than once"
done
answer '[[403, {}, {"success": false, "message": "Insufficient permissions", "required": ["admin", "super_admin"], "current": "viewer"}]]'
status 1 backup_cli create --config a
has err 'Insufficient permissions (needs admin, super_admin; the token has viewer)'
answer '[[429, {}, {"success": false, "error": {"message": "Too many requests from this IP, please try again later.", "code": "X"}}]]'
status 11 backup_cli list
has err 'Too many requests'
answer '[[502, {}, "<html>Bad gateway</html>"]]'
status 11 backup_cli list
has err 'the service answered with status 502'

# Answers that are none.
for body in '"<html></html>"' '"[1]"' '"{"' '""' '{"configs": {}}' '{"backups": []}' '{"configs": 3}'; do
    answer "[[200, {}, $body]]"
    status 1 backup_cli list
done
answer '[[200, {"times": 200000}, "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"]]'
status 1 backup_cli list
answer '[[200, {}, {"configs": [{"id": 5}, 7, null, {"id": "a\u001b[2J", "name": ["x"], "type": {}, "schedule": null, "enabled": "yes"}]}]]'
status 0 backup_cli list --configs
! grep -q "$(printf '\033')" out || fail 'control characters were printed'
answer '[[200, {}, {"backups": [{"id": null, "size": -5, "duration": 1e308, "timestamp": "a\nb", "status": 5, "error": "\u001b[31m"}, [], "x"], "total": "many"}]]'
status 0 backup_cli list --config a
! grep -q "$(printf '\033')" out || fail 'control characters were printed'
answer '[[200, {}, {"stats": {"total": 3, "successRate": "all"}}]]'
status 0 backup_cli stats
for body in '{"success": true}' '{"success": true, "backup": []}' '{"success": true, "backup": {"status": 4}}'; do
    answer "[[200, {}, $body]]"
    status 1 backup_cli create --config a
done
answer '[[200, {}, {"backupId": "a", "isValid": "yes"}]]'
status 1 backup_cli verify --backup a
answer '[[200, {}, {"backupId": "a", "isValid": false}]]'
status 1 backup_cli verify --backup a
has out 'Backup integrity check failed'

# What is asked: names are names, whatever is in them.
answer '[[200, {}, {"backupId": "a", "isValid": true}]]'
status 0 backup_cli verify --backup 'a/../b?c=d#e f%'
json requests 'lines[0]["path"] == "/api/backup/verify/a%2F..%2Fb%3Fc%3Dd%23e%20f%25" and lines[0]["method"] == "POST"'
json requests 'lines[0]["headers"]["Authorization"] == "Bearer hf_1_secret"'
for bad in . ..; do
    : >requests
    status 2 backup_cli verify --backup "$bad"
    status 2 backup_cli list --config "$bad"
    [ ! -s requests ] || fail 'something was asked'
done
answer '[[200, {}, {"success": true, "message": "saved"}]]'
printf '{"id": "a", "name":   "A", "type": "files", "schedule": "0 2 * * *", "retention": {"daily": 1, "weekly": 0, "monthly": 0},\n "destinations": [{"type": "local", "config": {"path": "/b"}}], "enabled": true}\n' >config.json
status 0 backup_cli schedule --file config.json
json requests 'lines[0]["body"] == open("config.json").read() and lines[0]["headers"]["Content-Type"] == "application/json"'

# A job that is waited for, with a service that is away in between; and places that are none of a job.
job=/api/v1/jobs/0123456789abcdef0123456789abcdef
answer "[[202, {\"Location\": \"$job\"}, {\"success\": true, \"job\": \"x\"}], [200, {}, {\"state\": \"queued\"}], [503, {}, {}],
 [200, {}, {\"state\": \"running\"}], [200, {}, {\"state\": \"success\", \"run\": \"r1\", \"result\": {}}],
 [200, {}, {\"backups\": [{\"id\": \"r0\"}, {\"id\": \"r1\", \"status\": \"success\", \"size\": 2048, \"duration\": 1.25, \"files\": [\"a\", \"b\"]}]}]]"
status 0 backup_cli create --config a
has out 'Backup ID: r1'
has out 'Files: 2'
has err running
json requests '[l["path"] for l in lines][1:5] == ["'$job'"] * 4'
answer "[[202, {\"Location\": \"$job\"}, {\"job\": \"x\"}], [200, {}, {\"state\": \"failed\", \"result\": {\"error\": \"disk full\", \"verdict\": null}}]]"
status 1 backup_cli verify --backup a
has err 'disk full'
answer "[[202, {\"Location\": \"$job\"}, {\"job\": \"x\", \"message\": \"The backup is being verified\"}],
 [200, {}, {\"state\": \"success\", \"result\": {\"verdict\": \"proven\"}}],
 [202, {\"Location\": \"$job\"}, {\"job\": \"y\"}], [200, {}, {\"state\": \"failed\", \"result\": {\"error\": \"a check failed\"}}]]"
status 1 backup_cli restore --backup a --yes
has err 'Failed to restore backup: a check failed'
answer "[[202, {\"Location\": \"$job\"}, {\"job\": \"x\"}], [404, {}, {\"detail\": \"no such job\"}]]"
status 1 backup_cli create --config a
has err 'the job goes on, but nobody says how'
for place in https://evil.example.org/api/v1/jobs/0123456789abcdef0123456789abcdef /api/v1/users "$job/../../users" ''; do
    answer "[[202, {\"Location\": \"$place\"}, {\"job\": \"x\"}]]"
    status 1 backup_cli create --config a
    [ "$(wc -l <requests)" = 1 ] || fail "asked at $place"
done

# Slow is no failure; and whoever waits may leave.
answer '[[200, {"wait": 3}, {"configs": []}]]'
status 0 backup_cli list --configs
answer '[[200, {"wait": 60}, {"configs": []}]]'
"$HOLDFAST" list >out 2>err &
waiting=$!
until_true 60 test -s requests
kill -TERM "$waiting"
got=0
wait "$waiting" || got=$?
[ "$got" = 130 ] || fail "status $got"
answer '[[200, {}, {"success": true, "backup": {"status": "failed"}}]]'
status 1 backup_cli create --config a
has err 'Failed to create backup: the service does not say why'

# An argument of any bytes is no reason to end badly.
answer '[[200, {}, {"isValid": false}]]'
status 1 backup_cli verify --json --backup "$(printf 'a\377b')"
json out 'lines[0]["isValid"] is False and lines[0]["backupId"].startswith("a")'

# A token goes to no one without TLS, and to no one whose certificate does not hold.
answer '[[200, {}, {"configs": []}]]'
for bad in http://example.org https://ann:secret@127.0.0.1/ ftp://127.0.0.1 nonsense:// "$url?a=b" "$url#a"; do
    status 2 backup_cli list --server "$bad"
    lacks err secret@
done
status 2 backup_cli list --token-file nowhere
printf 'two words\n' >words
status 2 backup_cli list --token-file words
[ ! -s requests ] || fail 'something was asked'
status 0 backup_cli list --server "$url///"
json requests 'lines[0]["path"] == "/api/backup/configs"'
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout tls.key -out tls.pem -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 >openssl.log 2>&1 || fail "openssl: $(cat openssl.log)"
start_stand_in 2 'tls.pem tls.key' 9
: >requests
status 1 backup_cli list --server "https://127.0.0.1:$(cat port2)"
[ ! -s requests ] || fail 'the token was shown to a stranger'
status 0 backup_cli list --server "https://127.0.0.1:$(cat port2)" --ca-file tls.pem
json requests 'lines[0]["headers"]["Authorization"] == "Bearer hf_1_secret"'
exec 8>&- 9>&-
wait
status 11 backup_cli list
has err "ask $url"
