#!/bin/sh
# Files of the Vevurn POS service that are copied to a bucket, and addresses by which they are read without keys: the bytes are those of
# the file, and nothing else can be read with such an address, nor after its time.  The bucket is that of a real gateway.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"
command -v radosgw >/dev/null || exit 77

"$PYTHON" "$here/../support/ceph-up" --owner $$ "$work/ceph" >/dev/null || fail "the gateway"
# shellcheck disable=SC1091 # made just now
. "$work/ceph/env"
make_tree data/uploads
printf '%064d\n' 7 >pos.hex
chmod 600 pos.hex
mkdir out.d
export HOLDFAST_REPOSITORY="s3:$HOLDFAST_TEST_S3_URL/pos/repository" HOLDFAST_KEY_FILE="$work/key"
status 0 "$HOLDFAST" init
status 0 "$HOLDFAST" backup "$work/data"
to="s3:$HOLDFAST_TEST_S3_URL/pos/backups"
vevurn() { "$HOLDFAST" export vevurn latest --type files --output-dir out.d --name shop "$@"; }
# fetch URL: its status; the body is in the file got.
fetch() { curl -s -o got -w '%{http_code}' "$1"; }

# What makes no sense leaves nothing.
status 2 vevurn --sign 60
status 2 vevurn --to "$to" --sign 604801
status 2 vevurn --to "$work/out.d" --sign 60
has err 'S3 only'
status 1 vevurn --to "s3:http://127.0.0.1:1/pos/backups" -o s3.patience=1
[ -z "$(ls out.d)" ] || fail "a file is there"

# Copied: named as that service names objects, and signed.
status 0 vevurn --to "$to" --sign 300 --encryption-key-file pos.hex --json
name=$(json_get out 'lines[0]["name"]')
object=$(json_get out 'lines[1]["object"]')
url=$(json_get out 'lines[1]["signed_url"]')
json out '__import__("re").fullmatch(r".*/backups/[0-9]{13}-[0-9a-f]{16}\.enc", lines[1]["object"])'
case $object in "$to/"*) ;; *) fail "another place: $object" ;; esac
[ "$(fetch "$url")" = 200 ] || fail "it cannot be read"
cmp got "out.d/$name" || fail "other bytes"
[ "$(fetch "$url" && rm got)" = 200 ] || fail "it cannot be read twice"
[ "$(curl -s -o got -w '%{http_code}' -r 16-31 "$url")" = 206 ] || fail "no range"
[ "$(stat -c %s got)" = 16 ] || fail "another range"
# Nothing else: no other object, no other method, no longer time, no other key.
[ "$(fetch "$(echo "$url" | sed 's|/backups/[^?]*|/repository/config|')")" = 403 ] || fail "it opens another object"
[ "$(fetch "$(echo "$url" | sed 's/X-Amz-Expires=300/X-Amz-Expires=3000/')")" = 403 ] || fail "it lives longer"
[ "$(curl -s -o got -w '%{http_code}' -X DELETE "$url")" = 403 ] || fail "it removes"
[ "$(curl -s -o got -w '%{http_code}' -T pos.hex "$url")" = 403 ] || fail "it writes"
[ "$(fetch "${url%%\?*}")" = 403 ] || fail "anybody can read it"
# It ends; and without --sign there is none.
status 0 vevurn --to "$to" --sign 1
url=$(sed -n 's/^URL: *//p' out)
sleep 3
[ "$(fetch "$url")" = 403 ] || fail "it does not end"
status 0 vevurn --to "$to"
has out "Copy:    $to/"
lacks out X-Amz
# A local folder takes copies, too, and signs none.
mkdir shelf
status 0 vevurn --to "$work/shelf"
[ "$(find shelf -type f | wc -l)" = 1 ] || fail "no copy"
# A signature stands nowhere but where it was printed.
! grep -rqF "$(echo "$url" | sed 's/.*X-Amz-Signature=//')" --exclude=out . || fail "the signature is written down"
# The file stays when its copy cannot be made, and that is said.
before=$(find out.d -type f | wc -l)
head -c 70M /dev/urandom >data/uploads/large
status 0 "$HOLDFAST" backup "$work/data"
status 2 vevurn --to "$work/shelf"
has err 'the file is in out.d; its copy is not made'
has err 'longer than 64 MiB'
[ "$(find out.d -type f | wc -l)" = $((before + 1)) ] || fail "the file is gone"
[ "$(find shelf -type f | wc -l)" = 1 ] || fail "half a copy is there"
# S3 takes longer ones, in parts.
status 0 vevurn --to "$to" --sign 300
long=$(sed -n 's/^File: *//p' out)
[ "$(fetch "$(sed -n 's/^URL: *//p' out)")" = 200 ] || fail "it cannot be read"
cmp got "out.d/$long" || fail "other bytes"

# A link of the service: the file of a snapshot, until the token that made it is revoked.
export HOLDFAST_REPOSITORY="$work/local"
status 0 "$HOLDFAST" init
port=$(free_ports 1)
cat >holdfast.yaml <<END
state: $work/state
repositories: {main: {url: $work/local, key_file: $work/key}}
sets: {shop: {repositories: [main], sources: [{files: {paths: [$work/data]}}]}}
serve: {listen: ["127.0.0.1:$port"]}
END
chmod 600 holdfast.yaml
head -c 3M /dev/urandom >data/uploads/large
status 0 "$HOLDFAST" backup --set shop --json
snapshot=$(json_get out '[l for l in lines if l["message_type"] == "summary"][0]["snapshot_id"]')
status 0 "$HOLDFAST" token add linker --role admin --verb backup:restore --set shop --json
token=$(grep -o 'hf_[A-Za-z0-9_-]*' out | head -1)
start_service serve
wait_ready "$port"
make_link() { # make_link PATH: its address
    curl -sf -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d "{\"path\": \"$1\"}" \
        "http://127.0.0.1:$port/api/v1/sets/shop/snapshots/$snapshot/link" >made.json || fail "no link"
    json_get made.json 'lines[0]["url"]'
}
url=$(make_link "/files$work/data/uploads/large")
[ "$(fetch "$url")" = 200 ] || fail "the link leads nowhere"
cmp got data/uploads/large || fail "other bytes"
tree=$(make_link "/files$work/data")
[ "$(fetch "$tree")" = 200 ] || fail "the link to a folder leads nowhere"
tar xf got -O --wildcards '*uploads/large' | cmp - data/uploads/large || fail "other bytes in the folder"
[ "$(fetch "$(echo "$url" | sed 's|path=[^&]*|path=/|')")" = 401 ] || fail "it opens all"
status 0 "$HOLDFAST" token revoke "$(echo "$token" | cut -d_ -f2)"
[ "$(fetch "$url")" = 401 ] || fail "the link outlives its token"
stop_service
status 0 "$HOLDFAST" audit verify
! grep -rqF "$(echo "$url" | sed 's/.*signature=//')" --exclude=made.json . || fail "the signature is written down"
