#!/bin/sh
# A backup configuration saved by the API has two destinations, a bucket and a folder: tried, backed up, verified, restored,
# pruned; keys come from a file, and are seen nowhere.
# shellcheck disable=SC2154,SC2034 # lib.sh sets work, and reads token
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/../e2e/lib.sh"

: "${HOLDFAST_TEST_S3_TLS_URL:?there is no gateway; run script/test stores}"
endpoint=$HOLDFAST_TEST_S3_TLS_URL
bucket=saved-$$-$(date +%N)
secret=$AWS_SECRET_ACCESS_KEY
umask 077
printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$AWS_ACCESS_KEY_ID" "$secret" >credentials
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
export AWS_SHARED_CREDENTIALS_FILE="$work/credentials" SSL_CERT_FILE="$HOLDFAST_TEST_S3_CA"

port=$(free_ports 1)
make_repository # its key serves for all
mkdir uploads reports disk
echo one >uploads/file
echo two >reports/file
cat >holdfast.yaml <<YAML
state: $work/state
repositories:
  main: {url: $HOLDFAST_REPOSITORY, key_file: $HOLDFAST_KEY_FILE}
sets:
  own: {repositories: [main], sources: [{files: {paths: [$work/uploads]}}]}
serve:
  listen: ["127.0.0.1:$port"]
  compat:
    pos:
      key_file: $HOLDFAST_KEY_FILE
      upload_dir: $work/uploads
      reports_dir: $work/reports
      exports_dir: $work/exports
      roots: [$work/disk]
YAML
start_service serve
wait_ready "$port"
"$HOLDFAST" token add test --role super_admin --verb '*' --set '*' | head -1 >token.txt
read -r token <token.txt

# config BUCKET: the configuration "both".
config() {
    "$PYTHON" -c '
import json, sys
bucket, endpoint, path = sys.argv[1:]
print(json.dumps({"id": "both", "name": "Both", "type": "files", "schedule": "0 0 1 1 *", "enabled": True,
                  "retention": {"daily": 1, "weekly": 0, "monthly": 0},
                  "destinations": [{"type": "s3", "config": {"bucket": bucket, "region": "us-east-1", "folder": "a/b",
                                                             "endpoint": endpoint}},
                                   {"type": "local", "config": {"path": path}}]}))' "$1" "$endpoint" "$work/disk/both"
}
s3() { "$HOLDFAST" -r "s3:$endpoint/$bucket/a/b" --key-file "$HOLDFAST_KEY_FILE" "$@"; }

# Trying says what is missing, and makes nothing.
answers 500 POST "$port" /api/backup/configs/test "$(config "$bucket")"
has out "there is no bucket $bucket"
status 0 "$HOLDFAST" -r "s3:$endpoint/$bucket/other" --key-file key-of-other init # makes the bucket
answers 200 POST "$port" /api/backup/configs/test "$(config "$bucket")"
has out '"success":true'
status 10 s3 snapshots

answers 200 POST "$port" /api/backup/configs "$(config "$bucket")"
has out '"success":true'
answers 200 POST "$port" /api/backup/create '{"configId": "both"}'
has out '"success":true'
has out '"s3-'
has out '"local-'
id=$(json_get out 'lines[0]["backup"]["id"]')
status 0 s3 check --read-data
status 0 s3 restore latest --target back
same uploads "back/files$work/uploads"

# It is verified from the bucket when the folder is gone, and is brought back from there.
answers 200 POST "$port" "/api/backup/verify/$id" '{}'
has out '"isValid":true'
mv disk/both away
echo changed >uploads/file
answers 200 POST "$port" "/api/backup/restore/$id" '{}'
has out '"success":true'
[ "$(cat uploads/file)" = one ] || fail "not brought back: $(cat uploads/file)"
mv away disk/both

# With the bucket out of reach the folder gets its snapshot, but that is no success: both are wanted.  It comes later.
mv credentials elsewhere
echo three >uploads/file
answers 500 POST "$port" /api/backup/create '{"configId": "both"}'
has out 'the backup is in 1 of the 2 repositories'
mv elsewhere credentials
status 0 s3 dump latest "/files$work/uploads/file"
has out one
answers 200 POST "$port" /api/backup/create '{"configId": "both"}'
status 0 s3 dump latest "/files$work/uploads/file"
has out three

stop_service
for file in service.out service.err state/configs/both@1.json; do
    ! grep -qF -e "$secret" "$file" || fail "$file has the secret key"
done
