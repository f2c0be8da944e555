#!/bin/sh
# POST /system/restore of WireGuard Gateway over a real set and its firewall: the application's zip file comes back in place, or all stays as it
# is: refused files, a health check that fails, a job that is killed, rules that nobody confirms.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/gateway.sh
. "$cases/gateway.sh"

open_service
gateway() { "$PYTHON" "$cases/gateway.py" "$@"; }
# Two more health checks: one that fails and one that waits as long as a file is there.
sed -i -e "s#^\( *\)health_checks:#&\n\1  - [test, '!', -e, $here/sick]\n\1  - [sh, -c, 'while [ -e $here/slow ]; do sleep 0.1; done']#" holdfast.yaml
cp holdfast.yaml base.yaml
serve_with() { # CONFIRM
    { cat base.yaml; printf 'serve:\n  listen: ["127.0.0.1:%s"]\n  compat: { gateway: { set: wireguard, confirm: %s } }\n' "$port" "$1"; } >holdfast.yaml
    start_service serve
    wait_ready "$port"
}
status 0 "$HOLDFAST" init -r repo --key-file key
boss=$(add_token boss admin)
second=$(add_token second admin)
third=$(add_token third admin)
viewer=$(add_token viewer viewer)

has_room() { [ "$(find state/imports -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" -lt 4 ]; }
# send STATUS TOKEN CURL-WORDS...: the form; out has the answer.
send() {
    wanted=$1
    with=$2
    shift 2
    until_true 60 has_room
    got=$(curl -sS -m 280 -o out -w '%{http_code}' -H "Authorization: Bearer $with" "$@" "http://127.0.0.1:$port/system/restore" 2>err) || :
    [ "$got" = "$wanted" ] || fail "status $got instead of $wanted: $* $(cat out err)"
}
confirmed() { # STATUS TOKEN
    got=$(curl -sS -m 280 -o out -w '%{http_code}' -X POST -H "Authorization: Bearer $2" "http://127.0.0.1:$port/system/restore/confirm")
    [ "$got" = "$1" ] || fail "status $got instead of $1: $(cat out)"
}

# What comes back, and what is there when it does.
echo 'PrivateKey of the gateway' >gw/etc/wg0.conf
iptables-save >rules.txt
gateway zip "$here/gw" good.zip rules.txt
gateway zip "$here/gw" no-rules.zip
cp -a gw former
rules >rules.then
sql gw/main/wireguard.db "insert into user values (2, 'mallory', 'x', 1, null, 0, 0)"
sql gw/instance/configs.db 'delete from clients'
rm gw/instance/configs/site_00000001.conf
echo '# changed' >>gw/etc/site_00000000.conf
printf '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -i eth1 -j ACCEPT\nCOMMIT\n*nat\nCOMMIT\n' | iptables-restore
rules >rules.changed
state >changed
is_changed() { # WHAT
    state >now
    cmp changed now || fail "$1: $(diff changed now)"
}
is_restored() {
    clients_are_back
    [ "$(cat gw/etc/private.key)" = "the gateway's own" ] || fail "the gateway's own key is gone"
}

# Who may not, and files that nobody takes: each in the application's words, and nothing is touched.
{ cat base.yaml; printf 'serve: { compat: { gateway: { set: wireguard, confirm: nobody } } }\n'; } >bad.yaml
chmod 600 bad.yaml
status 2 "$HOLDFAST" config validate -c bad.yaml
has err 'confirm'
sed -i -e '/health_checks:/,$d' bad.yaml
printf 'serve: { compat: { gateway: { set: wireguard, confirm: health_checks } } }\n' >>bad.yaml
status 2 "$HOLDFAST" config validate -c bad.yaml
has err 'no health_checks'
serve_with health_checks
send 401 nothing -F backup_file=@good.zip
send 403 "$viewer" -F backup_file=@good.zip
json out 'lines[0]["error"] == "Admin access required"'
send 400 "$boss" -F other=x
json out 'lines[0] == {"error": "No backup file provided"}'
send 400 "$boss" -F backup_file=text
json out 'lines[0]["error"] == "No backup file provided"'
send 400 "$boss" -H 'Content-Type: application/json' -d '{}'
json out 'lines[0] == {"error": "No backup file provided"}'
send 400 "$boss" -F 'backup_file=@good.zip;filename='
json out 'lines[0] == {"error": "No file selected"}'
send 400 "$boss" -F 'backup_file=@good.zip;filename=good.tar'
json out 'lines[0] == {"error": "Invalid file type. Please upload a .zip file"}'
: >empty.zip
send 400 "$boss" -F backup_file=@empty.zip
json out 'lines[0] == {"error": "Backup validation failed", "details": "Backup file is empty"}'
truncate -s 51M large.zip
send 500 "$boss" -F backup_file=@large.zip
json out 'lines[0]["details"] == "413 Request Entity Too Large: The data value transmitted exceeds the capacity limit."'
refused() { # WHAT SENTENCE
    gateway spoil good.zip bad.zip "$1"
    send 400 "$boss" -F backup_file=@bad.zip
    json out "lines[0][\"details\"].find('$2') >= 0"
    json out 'lines[0]["error"] == "Backup validation failed"'
    ! grep -q "$work/state" out || fail "it tells where the file is: $(cat out)"
}
refused version 'Unsupported backup version: 2.0'
json out 'lines[0]["details"] == "Unsupported backup version: 2.0"'
refused traversal 'Malicious path detected: configs/../wg0.conf'
refused trigger 'evil'
refused hook 'PostUp'
refused rule 'bpf'
refused gateway 'wg0.conf'
refused damage 'wireguard.db'
head -c 2000 good.zip >cut.zip
send 400 "$boss" -F backup_file=@cut.zip
json out 'lines[0]["error"] == "Backup validation failed"'
confirmed 409 "$boss"
is_changed 'a refused file changed something'

# A health check that fails confirms nothing.
touch sick
send 500 "$boss" -F backup_file=@good.zip
json out 'lines[0]["error"] == "System restore failed" and "health check" in lines[0]["details"] and "is back" in lines[0]["details"]'
is_changed 'a failed restore changed something'
rm sick

# Killed while the new rules are in force and everything has changed places: a job takes it back.
touch slow
curl -sS -m 280 -o killed -w '%{http_code}' -H "Authorization: Bearer $boss" -F backup_file=@good.zip "http://127.0.0.1:$port/system/restore" >code &
sending=$!
until_true 60 masquerades
job_pid() { "$PYTHON" -c 'import glob, json; print([json.load(open(f))["pid"] for f in glob.glob("state/jobs/*/process")][0])'; }
kill -9 "$(job_pid)"
wait "$sending"
[ "$(cat code)" = 500 ] || fail "a restore that was killed was no failure: $(cat code killed)"
json killed 'lines[0]["error"] == "System restore failed" and "signal 9" in lines[0]["details"]'
rm slow
is_back() { state >now && cmp -s changed now; }
until_true 60 is_back
is_quiet() { ! ls state/jobs/* >/dev/null 2>&1; }
until_true 60 is_quiet
is_changed 'what was killed is not as it was before'
until_true 60 bin/systemctl up

# Killed while the application is being stopped: it is started again, and nothing was changed.
: >service/stop.waits
curl -sS -m 280 -o killed -w '%{http_code}' -H "Authorization: Bearer $boss" -F backup_file=@good.zip "http://127.0.0.1:$port/system/restore" >code &
sending=$!
is_stopping() { grep -q '"stopped": *true' state/restores/*.json; }
until_true 60 is_stopping
kill -9 "$(job_pid)"
rm service/stop.waits
wait "$sending"
[ "$(cat code)" = 500 ] || fail "a restore that was killed was no failure: $(cat code killed)"
is_going() { ! is_stopping && is_quiet && bin/systemctl up; }
until_true 60 is_going
is_changed 'what was killed while it stopped the application changed something'
: >service/log

# A browser's form, with a field that its page has; success is told with what the file says of itself.
until_true 60 has_room
"$PYTHON" - "$port" "$boss" <<'END' >out || fail "no success"
import http.client, sys
edge = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
body = (f'--{edge}\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\nx\r\n--{edge}\r\n'
        'Content-Disposition: form-data; name="backup_file"; filename="Backup (1).ZIP"\r\nContent-Type: application/x-zip-compressed\r\n\r\n').encode()
body += open("good.zip", "rb").read() + f"\r\n--{edge}--\r\n".encode()
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=280)
c.request("POST", "/system/restore", body, {"Authorization": "Bearer " + sys.argv[2], "Content-Type": "multipart/form-data; boundary=" + edge})
answer = c.getresponse()
print(answer.read().decode())
sys.exit(answer.status != 200)
END
json out '{k: v for k, v in lines[0].items() if k != "backup_info"} == {"status": "success", "message": "System restored successfully"}'
json out 'lines[0]["backup_info"]["version"] == "1.0" and lines[0]["backup_info"]["created_at"].startswith("20")'
json out 'lines[0]["backup_info"]["contents"] == {"databases": ["configs.db", "wireguard.db"], "iptables_rules": True, "configs": [f"site_0000000{i}.conf" for i in range(3)]}'
is_restored
rules | cmp - rules.then || fail 'other rules'
[ "$(tr '\n' ' ' <service/log)" = 'stop start ' ] && bin/systemctl up || fail "the application was told $(cat service/log)"
# shellcheck disable=SC2034 # answers() sends it
token=$boss
answers 200 GET "$port" /system/backup-status
json out 'lines[0]["data"]["operation"] == "restore" and lines[0]["data"]["state"] == "success"'

# Once an hour for each.
send 429 "$boss" -F backup_file=@good.zip
json out 'lines[0] == {"error": "Rate limit exceeded"}'
stop_service
status 0 "$HOLDFAST" undo --set wireguard
is_changed 'undo did not bring the state before back'

# An admin confirms: the answer says that and how; nobody who confirms is somebody who refuses.
serve_with admin
send 202 "$second" -F backup_file=@good.zip
json out 'lines[0]["status"] == "confirmation_required" and lines[0]["confirm"] == "POST /system/restore/confirm" and lines[0]["restore_id"]'
rules | grep -q MASQUERADE || fail 'the rules are not in force'
send 409 "$third" -F backup_file=@good.zip
confirmed 403 "$viewer"
confirmed 200 "$second"
json out 'lines[0]["status"] == "success"'
is_restored
rules | cmp - rules.then || fail 'other rules'
confirmed 409 "$second"
stop_service
status 0 "$HOLDFAST" undo --set wireguard
is_changed 'undo did not bring the state before back'

# Without rules there is nothing to confirm.
serve_with admin
send 200 "$third" -F backup_file=@no-rules.zip
json out 'lines[0]["backup_info"]["contents"]["iptables_rules"] is False'
is_restored
rules | cmp - rules.changed || fail 'the firewall was touched'
stop_service
status 0 "$HOLDFAST" undo --set wireguard
is_changed 'undo did not bring the state before back'

# Nobody confirms.
fourth=$(add_token fourth admin)
serve_with admin
send 202 "$fourth" -F backup_file=@good.zip
until_true 120 is_back
until_true 60 is_quiet
confirmed 500 "$fourth"
json out 'lines[0]["error"] == "System restore failed" and "not confirmed" in lines[0]["details"]'
is_changed 'rules that nobody confirmed stayed'

# No file stays, and all of it is in the log.
nothing_stays() { [ -z "$(find state/imports -mindepth 1)" ]; }
until_true 60 nothing_stays
stop_service
status 0 "$HOLDFAST" audit list --json
json out '{"import", "restore", "restore.confirm"} <= {l.get("action") for l in lines}'
status 0 "$HOLDFAST" audit verify
