#!/bin/sh
# Archives of other programs, made by other people's code: recognised by what they hold, stored whole, brought back byte for
# byte; and what is refused, which leaves no snapshot.
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"

make() { "$PYTHON" "$cases/archives.py" "$@"; }
import() { "$HOLDFAST" import "$@"; }
count() {
    status 0 "$HOLDFAST" snapshots --json
    json_get out 'len(lines[0])'
}
# brought_back NAME: the newest snapshot has the file and its parts as they were.
brought_back() {
    rm -rf target
    status 0 "$HOLDFAST" restore latest:/import --target target
    cmp "target/$1" "$1" || fail "$1 is another one"
    same "target/$1.parts" "$1.content"
    json_file "target/$1.manifest.json" "m['file']['size'] == os.path.getsize('$1')"
    json_file "target/$1.manifest.json" "m['file']['sha256'] == hashlib.sha256(open('$1', 'rb').read()).hexdigest()"
    json_file "target/$1.manifest.json" \
        "all(p['sha256'] == hashlib.sha256(open('$1.content/' + p['path'], 'rb').read()).hexdigest() for p in m['parts'])"
}
json_file() {
    "$PYTHON" -c 'import hashlib, json, os, sys
m = json.load(open(sys.argv[1], encoding="utf-8"))
sys.exit(not eval(sys.argv[2]))' "$1" "$2" || fail "$1 is not so: $2"
}

make_repository
printf '%064d' 7 >school.hex
printf '0123456789abcdef%.0s' 1 2 3 4 >published.hex
printf 'ab%.0s' $(seq 32) >other.hex

# WireGuard Gateway, under a name that says something else.
make wireguard photo.jpg
status 0 import photo.jpg --dry-run
has out 'wireguard, version 1.0'
has out 'not authenticated'
[ "$(count)" = 0 ] || fail "a dry run has stored something"
status 2 import photo.jpg
has err 'not authenticated'
has err '--allow-unauthenticated'
[ "$(count)" = 0 ] || fail "something was stored without the word"
status 0 import photo.jpg --allow-unauthenticated --json
json out 'lines[0]["message_type"] == "import" and lines[0]["kind"] == "wireguard" and lines[0]["authenticated"] is False'
json out 'lines[0]["created"] == "2026-11-20T20:51:52.894049+00:00" and lines[0]["parts"] == 6'
json out 'lines[-1]["message_type"] == "summary" and len(lines[-1]["snapshot_id"]) == 64'
brought_back photo.jpg
json_file target/photo.jpg.manifest.json 'm["kind"] == "wireguard" and m["authenticated"] is False'
status 0 "$HOLDFAST" snapshots --json
json out 'lines[0][0]["tags"] == ["import:wireguard", "unauthenticated"]'

# School ERP: the key is in a file, and proves who made it.
make school data.bin "$(cat school.hex)"
status 2 import data.bin
has err 'school-erp: no key was given'
status 2 import data.bin --archive-key-file other.hex
has err 'school-erp: Unsupported state or unable to authenticate data'
lacks err "$(cat other.hex)"
status 0 import data.bin --archive-key-file other.hex --archive-key-file school.hex --name export.enc --json
json out 'lines[0]["kind"] == "school-erp" and lines[0]["authenticated"] is True and lines[0]["name"] == "export.enc"'
mv data.bin export.enc
mv data.bin.content export.enc.content
brought_back export.enc
json_file target/export.enc.manifest.json 'm["created"] == "2025-11-21T10:28:30.846Z"'
# The key of the application's own source proves nothing.
make school published.enc "$(cat published.hex)"
status 2 import published.enc --archive-key-file published.hex
has out 'not authenticated'
has out 'published source'
status 0 import published.enc --archive-key-file published.hex --allow-unauthenticated
brought_back published.enc

# Bundles: a folder as their server keeps it, and one under another name.
mkdir backups
for second in 00 01 02; do
    make bundle "backups/backup_20240101_1200$second.json"
done
status 0 import backups --allow-unauthenticated --json
json out 'lines[0]["kind"] == "bundle" and lines[0]["bundles"] == 3 and lines[0]["authenticated"] is False'
rm -rf target
status 0 "$HOLDFAST" restore latest:/bundle --target target
rm target/backup.manifest.json
same target backups
cp backups/backup_20240101_120000.json single
touch -d '2026-01-02 03:04:05 UTC' single
status 0 import single --allow-unauthenticated
status 0 "$HOLDFAST" dump latest /bundle/backup_20260102_030405.json
cmp out single || fail "the bundle is another one"
echo '[1]' >backups/backup_20240101_120003.json
status 2 import backups --allow-unauthenticated
has err 'backup_20240101_120003.json'
status 0 import backups --allow-unauthenticated --as bundle
rm backups/backup_20240101_120003.json
echo note >backups/README
status 2 import backups --allow-unauthenticated
has err 'README'
rm backups/README
ln -s /etc/hostname backups/backup_20240101_120009.json
status 2 import backups --allow-unauthenticated
rm backups/backup_20240101_120009.json

# Names that are no moment: alone the file's time counts, in a folder nobody can say what was meant.
for name in backup_20241399_000000 backup_20230229_000000 backup_99990101_000000 backup_20240101_240000; do
    cp single $name.json
    touch -d '2026-01-02 03:04:05 UTC' $name.json
    status 0 import $name.json --allow-unauthenticated
    status 0 "$HOLDFAST" dump latest /bundle/backup_20260102_030405.json
    mv $name.json backups
    status 2 import backups --allow-unauthenticated
    has err "$name"
    rm backups/$name.json
done

# What an archive says of itself reaches no terminal as it is.
printf '{"timestamp": "t", "version": "1\\u009b31m", "data": {}}' >colour.json
status 0 import colour.json --dry-run
has out '1\xc2\x9b31m'

# What leaves no snapshot.
before=$(count)
size=$(stat -c %s photo.jpg)
for cut in 1 100 $((size / 2)) $((size - 1)); do
    head -c "$cut" photo.jpg >cut.zip
    status 2 import cut.zip --allow-unauthenticated
    has err 'wireguard: Invalid ZIP'
done
size=$(stat -c %s export.enc)
for cut in 1 40 $((size / 2)) $((size - 1)); do
    head -c "$cut" export.enc >cut.enc
    status 2 import cut.enc --archive-key-file school.hex
done
{ cat export.enc; echo; } >longer.enc
status 2 import longer.enc --archive-key-file school.hex
head -c 5000 /dev/urandom >noise
status 2 import noise --archive-key-file school.hex
has err 'no archive that is known here'
has err 'bundle:'
has err 'wireguard:'
: >empty
status 2 import empty
truncate -s 3T sparse
status 2 import sparse
rm sparse
mkfifo fifo
status 2 import fifo
status 2 import nowhere
status 2 import photo.jpg --as school-erp --archive-key-file school.hex
has err 'it cannot be read as school-erp'
status 2 import photo.jpg --as sheep
status 2 import photo.jpg --archive-key-file nowhere
head -c 5000 /dev/zero >long.hex
status 2 import export.enc --archive-key-file long.hex
status 2 import photo.jpg --allow-unauthenticated --name ../x
status 2 import backups --name x --allow-unauthenticated
mkdir nothing
status 2 import nothing --allow-unauthenticated
[ "$(count)" = "$before" ] || fail "something that was refused has left a snapshot"

# Nothing of the process that reads has stayed, nor any file beside ours.
status 0 "$HOLDFAST" check --read-data
