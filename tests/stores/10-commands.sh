#!/bin/sh
# The commands on a bucket: every way to name it, to unlock it and to be told what is wrong with it.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/../e2e/lib.sh"

work=${work:?}
: "${HOLDFAST_TEST_S3_URL:?there is no gateway; run script/test stores}"
url=$HOLDFAST_TEST_S3_URL
port=${url##*:}
bucket=commands-$$-$(date +%N)
export HOLDFAST_KEY_FILE="$PWD/key" HOLDFAST_CACHE_DIR="$PWD/cache"
make_tree source

# The bucket is made with the repository; a second one at the same place is refused.
export HOLDFAST_REPOSITORY="s3:$url/$bucket/first"
status 0 "$HOLDFAST" init
status 1 "$HOLDFAST" init
has err 'has objects there already'
status 0 "$HOLDFAST" backup source
status 0 "$HOLDFAST" snapshots --json
json out 'len(lines[0]) == 1'
status 0 "$HOLDFAST" restore latest --target target --verify
same source "target$PWD/source"
status 0 "$HOLDFAST" check --read-data
lacks out damage:
echo more >source/more
status 0 "$HOLDFAST" backup source --limit-upload 4096 --limit-download 4096
status 0 "$HOLDFAST" forget --keep-last 1 --prune
status 0 "$HOLDFAST" check --read-data
status 0 "$HOLDFAST" dump latest "$PWD/source/more"
has out more
status 0 "$HOLDFAST" stats
status 0 "$HOLDFAST" ls latest
status 0 "$HOLDFAST" diff latest latest
status 0 "$HOLDFAST" tag --add nightly latest
status 0 "$HOLDFAST" key add --new-key-file key2
status 0 "$HOLDFAST" --key-file key2 key list --json
json out 'len(lines[0]) == 2'

# The other names of the same place: bucket in the host's name, TLS, without and with a cache.
status 0 "$HOLDFAST" -r "s3:http://$HOLDFAST_TEST_S3_DOMAIN:$port/$bucket/first" -o s3.style=host snapshots --json
json out 'len(lines[0]) == 1'
status 0 "$HOLDFAST" -r "s3:$HOLDFAST_TEST_S3_TLS_URL/$bucket/first" -o s3.ca-file="$HOLDFAST_TEST_S3_CA" check --read-data
tls_port=${HOLDFAST_TEST_S3_TLS_URL##*:}
status 0 "$HOLDFAST" -r "s3:$HOLDFAST_TEST_S3_DOMAIN:$tls_port/$bucket/first" -o s3.style=host \
    -o s3.ca-file="$HOLDFAST_TEST_S3_CA" snapshots
status 0 "$HOLDFAST" --no-cache restore latest --target target2
same source "target2$PWD/source"

# A repository at the root of a bucket, and one beside another.
status 0 "$HOLDFAST" -r "s3:$url/$bucket-root" --key-file key3 init
status 0 "$HOLDFAST" -r "s3:$url/$bucket-root" --key-file key3 backup source
status 0 "$HOLDFAST" -r "s3:$url/$bucket/second/deeper" --key-file key4 init
status 0 "$HOLDFAST" -r "s3:$url/$bucket/second/deeper" --key-file key4 snapshots --json
json out 'lines[0] == []'

# Where keys come from.
id=$AWS_ACCESS_KEY_ID secret=$AWS_SECRET_ACCESS_KEY
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
status 2 "$HOLDFAST" snapshots
mkdir .aws
printf '[default]\naws_access_key_id = wrong\naws_secret_access_key = wrong\n[good]\naws_access_key_id = %s\naws_secret_access_key = %s\n' \
    "$id" "$secret" >.aws/credentials
export HOME="$PWD"
status 1 "$HOLDFAST" snapshots
lacks err wrong
status 0 "$HOLDFAST" -o s3.profile=good snapshots
status 0 env AWS_PROFILE=good "$HOLDFAST" snapshots
mv .aws/credentials elsewhere
status 0 env AWS_SHARED_CREDENTIALS_FILE="$PWD/elsewhere" AWS_PROFILE=good "$HOLDFAST" snapshots
status 0 "$HOLDFAST" -o s3.credentials-file="$PWD/elsewhere" -o s3.profile=good snapshots
printf %s "$id" >id
printf %s "$secret" >secret
status 0 env AWS_ACCESS_KEY_ID_FILE="$PWD/id" AWS_SECRET_ACCESS_KEY_FILE="$PWD/secret" "$HOLDFAST" snapshots
printf '{"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "%s"}\n' "$id" "$secret" >answer
status 0 "$HOLDFAST" -o s3.credentials-command="cat '$PWD/answer'" snapshots
status 1 "$HOLDFAST" -o s3.credentials-command=false snapshots
export AWS_ACCESS_KEY_ID="$id" AWS_SECRET_ACCESS_KEY="$secret"

# Somebody else's keys, another name, no name, options that make no sense.
status 1 env AWS_ACCESS_KEY_ID="$HOLDFAST_TEST_S3_OTHER_ID" AWS_SECRET_ACCESS_KEY="$HOLDFAST_TEST_S3_OTHER_SECRET" \
    "$HOLDFAST" snapshots
has err AccessDenied
status 10 "$HOLDFAST" -r "s3:$url/$bucket/none" snapshots
got=0
"$HOLDFAST" -r "s3:$url/$bucket-none/x" snapshots >out 2>err || got=$?
case $got in 1 | 10) ;; *) fail "status $got for a bucket that is not there" ;; esac
for wrong in "s3:" "s3:$url" "s3:ftp://x/y" "s3:http://user:word@127.0.0.1:$port/$bucket/first"; do
    status 2 "$HOLDFAST" -r "$wrong" snapshots
    lacks err word@ # the URL is not repeated
done
status 2 "$HOLDFAST" -o s3.none=1 snapshots
status 2 "$HOLDFAST" -o s3.connections=0 snapshots
status 2 "$HOLDFAST" -o s3.style=sideways snapshots

# The same from the configuration.
cat >holdfast.yaml <<END
state: $PWD/state
repositories:
  far:
    url: s3:$HOLDFAST_TEST_S3_TLS_URL/$bucket/first
    key_file: $PWD/key
    options: {s3.ca-file: $HOLDFAST_TEST_S3_CA, s3.connections: 2}
sets:
  shop:
    sources: [{files: {name: all, paths: [$PWD/source]}}]
    repositories: [far]
END
chmod 600 holdfast.yaml
unset HOLDFAST_REPOSITORY HOLDFAST_KEY_FILE
status 0 "$HOLDFAST" backup --config holdfast.yaml --set shop
status 0 "$HOLDFAST" -r "s3:$url/$bucket/first" --key-file key snapshots --set shop --json
json out 'lines[0][-1]["paths"] != []'
