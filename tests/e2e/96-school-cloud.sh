#!/bin/sh
# Backups of School ERP beside which a signed manifest stands, and copies of them in a bucket of a real gateway: what was swapped, renamed,
# rolled back or altered is refused, what was deleted can be brought back for a while, and a copy is the file, byte for byte.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"
command -v radosgw >/dev/null || exit 77
command -v node >/dev/null || exit 77

"$PYTHON" "$cases/../support/ceph-up" --owner $$ "$work/ceph" >/dev/null || fail "the gateway"
# shellcheck disable=SC1091 # made just now
. "$work/ceph/env"
key=$(printf 'a1%.0s' $(seq 32))
erp() { "$HOLDFAST" school-erp "$@"; }
dsn=''
start_postgres school
psql -f "$cases/samples/school.sql"
psql -c 'alter table audit_logs alter "userId" drop not null'
export HOME="$work/home" DATABASE_URL="$dsn" BACKUP_DIR="$work/backups" BACKUP_ENCRYPTION_KEY="$key"
unset XDG_STATE_HOME
mkdir backups
status 0 erp list
has err 'the key of manifests is not there'
[ ! -e "$HOME" ] || fail "a list made a key"
rows() { psql -c "select count(*) from \"Backup\""; }

# Signed from the beginning, by a key that is made once; the application's own programs open the file as before.
status 0 erp create --json
json out 'lines[0]["proof"] == "proven" and lines[0]["location"] == "LOCAL" and lines[0]["copies"] == []'
one=$(json_get out 'lines[0]["filename"]')
[ "$(stat -c %a "$HOME/.local/state/holdfast/school-erp.key")" = 600 ] || fail "others can read the key"
"$PYTHON" "$cases/school.py" open "$key" "backups/$one" >document || fail "others cannot open it"
"$PYTHON" - "$one" "$HOME/.local/state/holdfast/school-erp.key" <<'END' || fail "the manifest is not as it is written down"
import hashlib, hmac, json, sys
name, key = sys.argv[1], bytes.fromhex(open(sys.argv[2]).read().strip())
text = open(f"backups/{name}.manifest", "rb").read()
m = json.loads(text)
file = open("backups/" + name, "rb").read()
document = open("document", "rb").read()
front = text[:text.rindex(b',"signature"')]
assert list(m) == ["format", "filename", "size", "sha256", "checksum", "created", "tables", "copies", "key_id", "signer", "signature"], list(m)
assert (m["filename"], m["size"], m["sha256"]) == (name, len(file), hashlib.sha256(file).hexdigest())
assert m["checksum"] == hashlib.sha256(document).hexdigest()
assert m["tables"] == {k: len(v) for k, v in json.loads(document)["tables"].items()}
assert m["signature"] == hmac.new(key, front, hashlib.sha256).hexdigest()
END
cp -p "backups/$one" "backups/$one.manifest" "$work"
status 0 erp restore "$one"
lacks err 'nothing shows'

# A second one, copied to the bucket and read back there.
status 0 "$HOLDFAST" init -r "s3:$HOLDFAST_TEST_S3_URL/school/repository" --key-file repository.key
to="s3:$HOLDFAST_TEST_S3_URL/school/backups"
status 0 erp create --to "$to" --json
json out 'lines[0]["location"] == "BOTH" and len(lines[0]["copies"]) == 1'
two=$(json_get out 'lines[0]["filename"]')
object=$(echo "$two" | tr '[:upper:]' '[:lower:]')
status 0 erp list --json
json out "[(l['filename'], l['proof'], l['location']) for l in lines] == [('$two', 'proven', 'BOTH'), ('$one', 'proven', 'LOCAL')]"
json out "lines[0]['copies'] == ['$to/$object']"
status 0 erp list
has out "$to/$object"
# Read by Amazon's own library.
fetch() {
    "$PYTHON" -W ignore - "$cases/../stores" "backups/$1" >got <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import gateway
sys.stdout.buffer.write(gateway.client().get_object(Bucket="school", Key=sys.argv[2])["Body"].read())
END
}
fetch "$object" || fail "there is no copy"
cmp got "backups/$two" || fail "the copy is another file"
fetch "$object.manifest" || fail "the copy has no manifest"
# A bucket that is not there, and one that breaks off: before anything is made, or the backup stays and it is said.
count=$(find backups -name '*.enc' | wc -l)
status 1 erp create --to "s3:$HOLDFAST_TEST_S3_URL/nowhere/backups"
[ "$(find backups -name '*.enc' | wc -l)" = "$count" ] || fail "it was made"

# Refused: the old file under the new name, with and without its manifest; a file that was altered; a manifest that was.
cp "backups/$two" kept
cp "backups/$two.manifest" kept.manifest
cp "$work/$one" "backups/$two"
status 13 erp restore "$two" --import
has err 'it is not the file that was written under this name'
status 3 erp list
has out 'it is not the file that was written under this name'
cp "$work/$one.manifest" "backups/$two.manifest"
status 13 erp restore "$two" --import
has err 'its manifest is that of another backup'
cp kept "backups/$two"
sed 's/"users":40/"users":41/' kept.manifest >"backups/$two.manifest"
status 13 erp restore "$two"
has err 'its manifest was changed'
cp kept.manifest "backups/$two.manifest"
status 0 erp restore "$two"
# Without a manifest, or with another key, it is said and done as before.
rm "backups/$two.manifest"
status 0 erp restore "$two"
has err 'it has no manifest: nothing shows that this is the backup that its name says'
cp kept.manifest "backups/$two.manifest"
status 2 erp restore "$two" --manifest-key-file other.key
[ ! -e other.key ] || fail "looking made a key"
printf '%064d\n' 5 >other.key
status 0 erp restore "$two" --manifest-key-file other.key
has err 'its manifest was signed with another key'

# Deleted: hidden from everybody, noted, and back again with its row.
[ "$(rows)" = 2 ] || fail "other rows"
status 0 erp delete "$one" --as-user cuser1
has out 'undelete'
[ "$(rows)" = 1 ] || fail "its row is still there"
[ -z "$(find backups -name "$one")" ] || fail "the application sees it"
status 1 erp restore "$one"
status 0 erp list --deleted --json
json out "[l['filename'] for l in lines] == ['$one']"
status 0 erp undelete "$one" --as-user cuser1
[ "$(rows)" = 2 ] || fail "its row is not there again"
cmp "backups/$one" "$work/$one" || fail "another file"
status 0 erp restore "$one"
[ "$(psql -c "select string_agg(action || ':' || coalesce(changes->>'action', ''), ' ' order by \"timestamp\") from audit_logs
    where action <> 'CREATE' and \"resourceId\" is not null and \"userAgent\" = 'holdfast' and changes->>'filename' = '$one'")" = 'DELETE:delete UPDATE:undelete' ] ||
    fail "nobody noted it"
# Removed when its time is over, by the next command that makes or deletes one; at once only for who says so twice.
status 2 erp delete "$one" --grace never
status 0 erp delete "$one" --grace 1s
status 0 erp list --deleted
has out "$one"
sleep 2
status 0 erp create
has out 'gone now'
[ -z "$(find backups -name "$one*")" ] || fail "something of it is left"
status 1 erp undelete "$one"
status 2 setsid "$HOLDFAST" school-erp delete "$two" --now </dev/null
has err '--yes'
status 0 erp delete "$two" --now --yes
[ -z "$(find backups -name "$two*")" ] || fail "something of it is left"
! grep -rqF "$(cat "$HOME/.local/state/holdfast/school-erp.key")" backups out err || fail "the key is told"
