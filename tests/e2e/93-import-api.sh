#!/bin/sh
# Archives of other programs are sent to the service's API as forms: a job makes a snapshot of each kind, and of what is hostile, damaged or
# proves nothing none.  The service looks at no archive, stays small, and keeps nothing of them.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"

make() { "$PYTHON" "$cases/archives.py" "$@"; }
port=$(free_ports 1)
make_repository
mkdir data
echo "of the app" >data/page
put_config <<END
sets:
  app: {repositories: [main], sources: [{files: {paths: [$work/data]}}], notify: {on_failure: ["https://hooks.example.org/services/abc"]}}
serve:
  listen: ["127.0.0.1:$port"]
  import_max: 64M
END
status 0 "$HOLDFAST" backup --set app
status 0 "$HOLDFAST" token add boss --role admin --verb '*' --set '*'
token=$(grep -o 'hf_[A-Za-z0-9_-]*' out | head -1)
start_service serve
wait_ready "$port"

# send STATUS CURL-WORDS...: a form with the token; out has the answer.
send() {
    wanted=$1
    shift
    got=$(curl -sS -m 120 -o out -w '%{http_code}' -H "Authorization: Bearer $token" "$@" "http://127.0.0.1:$port/api/v1/sets/app/imports" 2>err) || :
    [ "$got" = "$wanted" ] || fail "status $got instead of $wanted: $* $(cat out err)"
}
is_over() {
    answers 200 GET "$port" "/api/v1/jobs/$job"
    json out 'lines[0]["state"] in ("success", "failed", "queued", "running")'
    [ "$(json_get out 'lines[0]["state"] in ("success", "failed")')" = True ]
}
# imported STATE CURL-WORDS...: it is taken, and its job ends so; out has its run.
imported() {
    state=$1
    shift
    until_true 60 has_room
    send 202 "$@"
    job=$(json_get out 'lines[0]["job"]')
    until_true 120 is_over
    answers 200 GET "$port" "/api/v1/runs/$(json_get out 'lines[0]["run"]')"
    json out "lines[0]['state'] == '$state'"
}
has_room() { [ "$(find state/imports -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" -lt 4 ]; }
is_empty() { [ -z "$(find state/imports -mindepth 1)" ]; }
# brought_back FILE: the snapshot of the job has it and its parts as they were.
brought_back() {
    id=$(json_get out 'lines[0]["details"]["snapshot_id"]')
    rm -rf target
    status 0 "$HOLDFAST" restore "$id:/import" --target target
    cmp "target/$1" "$1" || fail "$1 is another one"
    same "target/$1.parts" "$1.content"
}

# Every kind of archive.
make wireguard gateway.zip
printf '%064d' 7 >school.hex
make school backup.enc "$(cat school.hex)"
make cfms old.cfms.enc old.key
make conf new.confbak new.key
make bundle backup_20240101_120000.json
openssl rand -hex 32 >pos.hex
{
    printf -- '--\n-- PostgreSQL database dump\n--\n\n-- Dumped by pg_dump version 15.1\n\nSELECT 1;\n'
    printf -- '--\n-- PostgreSQL database dump complete\n--\n\n'
} >database.sql
gzip -k database.sql
iv=$(openssl rand -hex 16)
{
    printf %s "$iv" | "$PYTHON" -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))'
    openssl enc -aes-256-cbc -K "$(cat pos.hex)" -iv "$iv" -in database.sql.gz
} >database.sql.gz.enc
"$PYTHON" - <<'END'
import zipfile
with zipfile.ZipFile("files.zip", "w") as z:
    z.writestr("uploads/a.txt", "x")
    z.writestr("reports/b.txt", "y")
END
trust='-F allow_unauthenticated=true'
# shellcheck disable=SC2086
imported success -F archive=@gateway.zip $trust
brought_back gateway.zip
imported success -F archive=@backup.enc -F key=@old.key -F key=@school.hex
brought_back backup.enc
# shellcheck disable=SC2086
imported success -F archive=@old.cfms.enc -F key=@old.key $trust
id=$(json_get out 'lines[0]["details"]["snapshot_id"]')
status 0 "$HOLDFAST" dump "$id" /import/old.cfms.enc
cmp out old.cfms.enc || fail "the archive of CFMS is another one"
imported success -F archive=@new.confbak -F key=@new.key
# shellcheck disable=SC2086
imported success -F archive=@backup_20240101_120000.json $trust
id=$(json_get out 'lines[0]["details"]["snapshot_id"]')
status 0 "$HOLDFAST" dump "$id" /bundle/backup_20240101_120000.json
cmp out backup_20240101_120000.json || fail "the bundle is another one"
# shellcheck disable=SC2086
imported success -F archive=@database.sql.gz.enc -F key=@pos.hex $trust
# shellcheck disable=SC2086
imported success -F archive=@files.zip -F as=vevurn-files -F 'name=a b.zip' $trust
id=$(json_get out 'lines[0]["details"]["snapshot_id"]')
status 0 "$HOLDFAST" dump "$id" '/import/a b.zip'
cmp out files.zip || fail "the zip file is another one"
status 0 "$HOLDFAST" snapshots --set app --json
json out 'sorted(t for s in lines[0] for t in s["tags"] if t != "unauthenticated") == ["import:" + k for k in sorted(("bundle", "cfms", "cfms-conf",
    "school-erp", "vevurn-database", "vevurn-files", "wireguard"))]'
# They are no state of the set.
status 0 "$HOLDFAST" restore latest --set app --target latest
cmp "latest/files$work/data/page" data/page || fail "the latest is no backup"

# What is told without storing anything, and what is refused.
before=$(find repo -type f | wc -l)
imported success -F archive=@gateway.zip -F dry_run=true
json out 'lines[0]["details"]["kind"] == "wireguard" and lines[0]["details"]["parts"] == 6'
imported failed -F archive=@gateway.zip
json out '"is not authenticated" in lines[0]["error"]'
imported failed -F archive=@backup.enc -F key=@pos.hex
json out '"unable to authenticate" in lines[0]["error"]'
# shellcheck disable=SC2086
imported failed -F archive=@gateway.zip -F as=sheep $trust
# shellcheck disable=SC2086
imported failed -F archive=@gateway.zip -F as=--help $trust
"$PYTHON" - <<'END'
import os, zipfile
with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("app.db", bytes(60 << 20))
    z.writestr("configs.db", bytes(60 << 20))
    z.writestr("backup_metadata.json", "{}")
with zipfile.ZipFile("slip.zip", "w") as z:
    z.writestr("../../etc/evil", "x")
    z.writestr("backup_metadata.json", "{}")
open("noise", "wb").write(os.urandom(5000))
open("deep.json", "w").write("[" * 1000000)
open("large", "wb").write(bytes(60 << 20))
open("larger", "wb").write(bytes(65 << 20))
END
head -c 2000 gateway.zip >cut.zip
# shellcheck disable=SC2086
imported failed -F archive=@slip.zip -F as=wireguard $trust
json out '"Malicious path detected" in lines[0]["error"]'
for file in bomb.zip noise deep.json cut.zip large; do
    # shellcheck disable=SC2086
    imported failed -F archive=@$file $trust
done
send 413 -F archive=@larger
send 400 -F archive=@gateway.zip -F arrival=0123456789abcdef0123456789abcdef
has out 'arrival: is no field of this form'
send 400 -F key=@school.hex
has out 'archive: is missing'
[ "$(find repo -type f | wc -l)" = "$before" ] || fail "what was refused has left something"

# Nothing stays, nobody is told, and the service has had none of it in memory.
until_true 60 is_empty
status 0 "$PYTHON" -c 'import sqlite3; print(sqlite3.connect("file:state/catalog.db?mode=ro", uri=True).execute("SELECT count(*) FROM outbox").fetchone())'
has out '(0,)'
"$PYTHON" - "$service" <<'END' || fail "the service has grown"
import sys
lines = open(f"/proc/{sys.argv[1]}/status").read().splitlines()
size = int([line for line in lines if line.startswith("VmHWM")][0].split()[1])
sys.exit(size > 100 << 10)
END

# What was on its way when the service was killed goes when it comes again.
"$PYTHON" - "$port" "$token" "$service" <<'END' || fail "a form that breaks off"
import os, socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(f"POST /api/v1/sets/app/imports HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {sys.argv[2]}\r\n"
          "Content-Type: multipart/form-data; boundary=X\r\nContent-Length: 1000000\r\n\r\n"
          "--X\r\nContent-Disposition: form-data; name=\"archive\"; filename=\"a\"\r\n\r\n".encode() + bytes(100000))
end = time.time() + 60
while not os.listdir("state/imports") and time.time() < end:
    time.sleep(0.1)
os.kill(int(sys.argv[3]), 9)
END
wait "$service" 2>/dev/null || :
service=''
[ -n "$(find state/imports -mindepth 1)" ] || fail "nothing was on its way"
start_service serve
wait_ready "$port"
until_true 60 is_empty
stop_service
status 0 "$HOLDFAST" check --read-data
status 0 "$HOLDFAST" audit verify
