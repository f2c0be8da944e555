#!/bin/sh
# Backups of School ERP against other people's code and a real database: what is written is the application's document, what
# the application writes is brought back; and what is damaged, foreign or incomplete changes nothing.
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"
command -v node >/dev/null || exit 77

key=$(printf 'a1%.0s' $(seq 32))
public=$(printf '0123456789abcdef%.0s' 1 2 3 4)
echo "$key" >key
erp() { "$HOLDFAST" school-erp "$@"; }
school() { "$PYTHON" "$cases/school.py" "$@"; }
# What the database holds of the application's tables, as text.
content() {
    for table in User Teacher Student AcademicYear Class ClassSection StudentAttendance Announcement; do
        psql -c "select md5(coalesce(string_agg(t::text, ';' order by id), '')) from \"$table\" t"
    done
}
files() { find backups -name '*.enc' | wc -l; }
document() { # document FILE EXPRESSION: true of the document d
    school open "$key" "backups/$1" >document || fail "others cannot open $1"
    "$PYTHON" -c 'import json, sys; d = json.load(open("document", encoding="utf-8")); sys.exit(not eval(" ".join(sys.argv[1].split())))' "$2" ||
        fail "the document is not so: $2"
}

# What makes no sense.
unset DATABASE_URL BACKUP_DIR BACKUP_ENCRYPTION_KEY
status 2 erp create
has err 'no key given'
echo 12 >short
status 2 erp create --encryption-key-file short --dsn dbname=school
has err 'Encryption key must be 64 hex characters'
printf 'zz%.0s' $(seq 32) >nohex
status 2 erp create --encryption-key-file nohex --dsn dbname=school
has err 'Invalid key length'
status 2 erp create --encryption-key-file key
has err 'no database given'
status 2 erp create --encryption-key-file key --dsn postgresql://ann:hidden@localhost/school
lacks err hidden
status 2 env DATABASE_URL='postgresql://ann:hidden@localhost/school?schema=tenant' "$HOLDFAST" school-erp create --encryption-key-file key
has err 'schema other than public'
lacks err hidden

dsn=''
start_postgres school
psql -f "$cases/samples/school.sql"
export DATABASE_URL="$dsn" BACKUP_DIR="$PWD/backups" BACKUP_ENCRYPTION_KEY="$key"
before=$(content)

# Created: the document is what the application would have written.
status 0 erp create --as-user cuser1 --json
json out 'lines[0]["metadata"] and lines[0]["audited"] and lines[0]["problem"] is None'
json out 'lines[0]["tables"]["users"] == 40 and "exams" not in lines[0]["tables"]'
first=$(json_get out 'lines[0]["filename"]')
id=$(json_get out 'lines[0]["id"]')
sum=$(json_get out 'lines[0]["checksum"]')
[ "backups/backup-$(echo "$first" | cut -c8-31)-$id.enc" = "backups/$first" ] || fail "the name is not the application's: $first"
[ "$(stat -c %a "backups/$first")" = 600 ] || fail "others can read it"
document "$first" 'list(d) == ["version", "timestamp", "tables"] and d["version"] == "1.0"'
document "$first" 'list(d["tables"]) == ["users", "teachers", "students", "academicYears", "classes", "sections",
    "studentAttendance", "announcements", "auditLogs"]'
document "$first" 'list(d["tables"]["users"][0]) == ["id", "clerkId", "email", "firstName", "lastName", "phone", "avatar", "role",
    "active", "twoFactorEnabled", "twoFactorSecret", "twoFactorBackupCodes", "createdAt", "updatedAt"]'
document "$first" 'd["tables"]["teachers"][0] == {"id": "cteacher1", "userId": "cuser1", "employeeId": "E1", "qualification": "M.Sc.",
    "joinDate": "2020-06-01T00:00:00.000Z", "salary": 41000.5, "createdAt": "2025-01-02T03:04:05.600Z",
    "updatedAt": "2025-01-02T00:00:00.000Z"} and d["tables"]["teachers"][1]["salary"] is None'
document "$first" '[a["targetAudience"] for a in d["tables"]["announcements"]] == [["ALL", "A \"b\", {c}"], []]'
document "$first" 'd["tables"]["auditLogs"][0]["changes"] == {"a": [1, {"b": None}], "n": 1.5}
    and d["tables"]["auditLogs"][1]["changes"] is None'
document "$first" 'd["tables"]["studentAttendance"][0]["status"] == "LATE" and d["tables"]["users"][0]["firstName"] == "Ärn1"'
[ "$(sha256sum <document | cut -d' ' -f1)" = "$sum" ] || fail "the checksum is another one"
head -c 200 document | grep -q '^{"version":"1.0","timestamp":"....-..-..T..:..:..\....Z","tables":{"users":\[{"id":"' || fail "other white space"
[ "$(psql -c "select id, filename, size, location, encrypted, status, \"createdBy\" from \"Backup\"")" = \
    "$id|$first|$(stat -c %s "backups/$first")|LOCAL|t|COMPLETED|cuser1" ] || fail "the row of Backup is another one"
[ "$(psql -c "select action, resource, \"resourceId\", changes->>'filename', \"userId\" from audit_logs where resource = 'backup'")" = \
    "CREATE|backup|$id|$first|cuser1" ] || fail "the audit row is another one"

# A table that refuses its row is told, and the backup stays.
status 3 erp create --as-user nobody --tables students,users
has err 'the database was not told: table audit_logs'
second=$(head -1 out)
document "$second" 'list(d["tables"]) == ["users", "students"]'
status 2 erp create --tables users,pupils
has err 'pupils is no table'
status 1 erp create --tables users,exams
has err 'no table Exam'
BACKUP_ENCRYPTION_KEY=$public status 1 erp create
has err 'published source'
[ "$(files)" = 2 ] || fail "a backup that failed left a file"
BACKUP_ENCRYPTION_KEY=$public status 0 erp create --as-user cuser1 --allow-public-key
third=$(head -1 out)

# Listed: the newest first; what the application leaves when it is killed is no backup.
crashed=backup-2025-11-21T10-03-35-495Z-04407c0c8e2a9185adef6193aabc4599.enc
head -c 16 /dev/urandom >"backups/$crashed"
head -c 16 /dev/zero >>"backups/$crashed"
printf '\037\213\010\0\0\0\0\0\0\003' >>"backups/$crashed"
touch backups/notes.enc
ln -s "$first" "backups/backup-2026-01-01T00-00-00-000Z-$id.enc"
status 0 erp list --json
json out "[(l['filename'], l['status']) for l in lines] == [('$third', 'COMPLETED'), ('$second', 'COMPLETED'), ('$first', 'COMPLETED'),
    ('$crashed', 'FAILED')]"
status 0 erp list
has out 'unreadable'

# Looked at without --import: nothing changes.
psql -c "delete from \"StudentAttendance\"; update \"User\" set \"firstName\" = 'spoiled'; delete from \"Announcement\"; delete from \"ClassSection\";
    delete from \"Class\"; delete from \"AcademicYear\"; delete from \"Teacher\" where id = 'cteacher2'"
spoiled=$(content)
status 0 erp restore "$id"
has out 'users: 0 to insert, 40 there already'
has out 'studentAttendance: 11 to insert, 0 there already'
has out 'Nothing was imported'
[ "$(content)" = "$spoiled" ] || fail "looking changed something"
DATABASE_URL='' status 0 erp restore "$id"
has out 'users: 40'

# What is no backup, or not ours, or damaged, changes nothing.
status 2 erp restore ../key
has err 'Invalid backup ID'
status 2 erp restore "backups/$first"
has err 'Invalid backup ID'
status 1 erp restore 00000000000000000000000000000000 --import
has err 'Backup file not found on disk'
status 13 erp restore "$crashed" --import
has err 'tag is all zero'
lacks err 'holdfast check'
BACKUP_ENCRYPTION_KEY=$(printf 'b2%.0s' $(seq 32)) status 13 erp restore "$id" --import
has err 'Unsupported state or unable to authenticate data'
made=backup-2026-02-02T00-00-00-000Z-00000000000000000000000000000002.enc
head -c 700 "backups/$first" >"backups/$made"
status 13 erp restore "$made" --import
has err 'Unsupported state or unable to authenticate data'
refused() { # refused STATUS WORDS: the document that comes in, sealed as the application seals
    school seal "$key" "backups/$made"
    status "$1" erp restore "$made" --import
    has err "$2"
    [ "$(content)" = "$spoiled" ] || fail "a backup that was refused changed something"
}
head='"version":"1.0","timestamp":"2025-11-21T10:28:30.846Z"'
printf '' | refused 13 'not JSON'
printf '{%s}' "$head" | refused 13 'Invalid backup format'
printf '{"version":"2.0","timestamp":"2025-11-21T10:28:30.846Z","tables":{}}' | refused 13 'Invalid backup format'
printf '{%s,"tables":{"users":[{"id":"x"' "$head" | refused 13 'JSON'
"$PYTHON" -c 'print("{" + "'"$(printf %s "$head" | sed 's/"/\\"/g')"'" + ",\"tables\":{\"users\":" + "[" * 3000 + "]" * 3000 + "}}")' | refused 13 'deep'
printf '{%s,"tables":{"academicYears":[{"id":"y","name":"2026","isCurrent":"perhaps"}]}}' "$head" | refused 1 'column isCurrent'
printf '{%s,"tables":{"academicYears":[{"id":"y","name":"2026","colour":1}]}}' "$head" | refused 1 'no column colour'
printf '{%s,"tables":{"pg_authid":[{"id":"y"}]}}' "$head" | refused 1 'no table pg_authid'
printf '{%s,"tables":{"audit_logs":[{"id":"y"}]}}' "$head" | refused 1 'no table audit_logs'
printf '{%s,"tables":{"academicYears":[{"id":"y","name":"%s","isCurrent":true}],"classes":[{"id":"c","name":"8","academicYearId":"none"}]}}' \
    "$head" "'); drop table \\\"User\\\"; --" | refused 1 'table Class: row 1: column academicYearId'
rm "backups/$made"

# Brought back: everything is as it was.
status 0 erp restore "$id" --import --as-user cuser1 --json
json out 'lines[0]["imported"] and lines[0]["audited"] and lines[0]["failed"] == 0'
json out 'lines[0]["recordsRestored"] == 40 + 1 + 1 + 1 + 2 + 11 + 2'
json out '[c["table"] for c in lines[0]["counts"]][:6] == ["users", "academicYears", "classes", "sections", "teachers", "students"]'
[ "$(content)" = "$before" ] || fail "the tables are not what they were"
[ "$(psql -c "select changes->>'action', changes->>'recordsRestored' from audit_logs where action = 'UPDATE'")" = 'restore|58' ] ||
    fail "the audit row is another one"
status 0 erp restore "$first" --import --as-user cuser1
has out 'Records restored: 0; failed: 0'

# A file of the application: two records that lead nowhere fail the restore, or are left out and named.
printf '{%s,"tables":{"academicYears":[{"id":"y2","name":"2026","isCurrent":true}],
    "classes":[{"id":"c1","name":"8","academicYearId":"y2"},{"id":"c2","name":"9","academicYearId":"none"},
        {"id":"c3","name":"10","academicYearId":"y2"},{"id":"c4","name":"11","academicYearId":"none"}],
    "sections":[{"id":"s2","name":"A","classId":"c2","capacity":3},{"id":"s3","name":"A","classId":"c3","capacity":null}]}}' "$head" |
    school seal "$key" "backups/$made"
status 2 erp restore "$made" --skip-failures
status 1 erp restore "$made" --import
has err 'table Class: row 2: column academicYearId'
[ "$(content)" = "$before" ] || fail "a restore that failed changed something"
status 3 erp restore "$made" --import --skip-failures --as-user cuser1 --json
json err '[l["error"]["message"].split(": ")[1] for l in lines if l["message_type"] == "error"] == ["record c2", "record c4", "record s2"]'
json out 'lines[0]["recordsRestored"] == 4 and lines[0]["failed"] == 3 and lines[0]["audited"]'
[ "$(psql -c "select string_agg(id, ',' order by id) from \"Class\"")" = 'c1,c3,cclass' ] || fail "other classes"
[ "$(psql -c "select id from \"ClassSection\" where \"classId\" = 'c3'")" = s3 ] || fail "other sections"

# Deleted, and noted; what is no name of a backup is not touched.
status 2 erp delete notes.enc
has err 'Invalid backup ID'
status 2 erp delete "../backups/$first"
[ -e "backups/$first" ] || fail "it is gone"
status 0 erp delete "$id" --as-user cuser1
[ ! -e "backups/$first" ] || fail "it is still there"
[ "$(psql -c "select count(*) from \"Backup\" where id = '$id'")" = 0 ] || fail "its row is still there"
[ "$(psql -c "select \"resourceId\" from audit_logs where action = 'DELETE'")" = "$id" ] || fail "nobody noted it"
status 1 erp delete "$first"
has err 'File not found or could not be deleted'
DATABASE_URL="host=$PWD user=postgres dbname=school" status 11 erp delete "$second"
[ -e "backups/$second" ] || fail "it is gone, and the database does not know"

# A database of a later version: another table called Backup, and nobody who must have done it.
psql -c 'alter table "Backup" add "schoolId" text; alter table audit_logs alter "userId" drop not null'
status 0 erp create --json
json out 'lines[0]["audited"] and not lines[0]["metadata"] and lines[0]["problem"] is None'

# Killed at any moment: no file that is not whole.
psql -c "insert into \"AcademicYear\" select 'k' || i, repeat(md5(i::text), 20), false from generate_series(1, 60000) i"
rm -rf backups
for wait in 0.05 0.1 0.2 0.3 0.4 0.5 0.7 0.9; do
    "$HOLDFAST" school-erp create >/dev/null 2>&1 &
    victim=$!
    sleep "$wait"
    kill -9 "$victim" 2>/dev/null || :
    wait "$victim" 2>/dev/null || :
done
mkdir -p backups
find backups -name '*.enc' -printf '%f\n' >left
[ "$(wc -l <left)" -lt 8 ] || fail "nobody was killed in time"
while read -r file; do status 0 erp restore "$file"; done <left

# One moment: what is written while the tables are read is in all of them or in none.
rm -rf backups
(
    i=0
    while [ -e "$PWD/key" ] && [ ! -e "$PWD/enough" ]; do
        i=$((i + 1))
        psql -c "begin; insert into \"AcademicYear\" values ('p$i', 'pair', false); insert into \"Class\" values ('p$i', 'pair', 'p$i'); commit"
    done
) &
writer=$!
for _ in 1 2 3; do
    status 0 erp create
    document "$(head -1 out)" '{y["id"] for y in d["tables"]["academicYears"] if y["name"] == "pair"}
        == {c["id"] for c in d["tables"]["classes"] if c["name"] == "pair"}'
done
touch enough
wait "$writer"
