#!/bin/sh
# Both archives of CFMS, made by other people's code: with a MAC and without, cut off, changed, with wrong keys.
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
# brought_back NAME: the newest snapshot has the file, its contents byte for byte, and its records.
brought_back() {
    rm -rf target
    status 0 "$HOLDFAST" restore latest:/import --target target
    cmp "target/$1" "$1" || fail "$1 is another one"
    same "target/$1.parts/files" "$1.content/files"
    for list in $(cd "$1.lists" && find . -name '*.jsonl'); do
        "$PYTHON" -c 'import json, sys
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
sys.exit(rows != json.load(open(sys.argv[2], encoding="utf-8")))' "target/$1.parts/$list" "$1.lists/$list" || fail "$list has other records"
    done
}

make_repository

make cfms plain.bin plain.key
status 2 import plain.bin
has err 'cfms: no key was given'
status 2 import plain.bin --archive-key-file plain.key
has out 'cfms, version 1.0'
has out 'not authenticated'
[ "$(count)" = 0 ] || fail "something was stored without the word"
status 0 import plain.bin --archive-key-file plain.key --allow-unauthenticated --json
json out 'lines[0]["kind"] == "cfms" and lines[0]["authenticated"] is False and lines[0]["parts"] == 6'
json out 'lines[0]["created"].startswith("2026-11-20T20:49:58")'
brought_back plain.bin

# With a MAC nobody has to say a word, and a changed archive is refused whatever is said.
make cfms-mac mac.bin mac.key
status 0 import mac.bin --archive-key-file plain.key --archive-key-file mac.key --json
json out 'lines[0]["kind"] == "cfms" and lines[0]["authenticated"] is True'
brought_back mac.bin
"$PYTHON" -c 'import sys
b = bytearray(open("mac.bin", "rb").read()); b[3] ^= 4; open("changed.bin", "wb").write(b)'
status 2 import changed.bin --archive-key-file mac.key --allow-unauthenticated
has err 'cfms:'

make conf conf.bin conf.key
status 2 import conf.bin --archive-key-file plain.key
has err 'cfms-conf:'
status 0 import conf.bin --archive-key-file conf.key --json
json out 'lines[0]["kind"] == "cfms-conf" and lines[0]["authenticated"] is True and "secrets" in lines[0]["note"]'
json out 'lines[0]["created"] == "2026-05-20T06:46:34.123456+00:00"'
brought_back conf.bin
"$PYTHON" -c 'import json
m = json.load(open("target/conf.bin.parts/manifest.json"))
assert m["components"] == ["accounts", "documents"] and m["configuration"]["security"]["pepper"] == "p"
assert [(t["name"], t["rows"]) for t in m["tables"]] == [("files", 3), ("users", 0)]
assert [f["storage_path"] for f in m["files"]] == [f"content/files/{i}" for i in range(3)]' || fail "the manifest is another one"

# What leaves no snapshot.
before=$(count)
for name in plain mac conf; do
    size=$(stat -c %s $name.bin)
    for cut in 16 48 $((size / 2 / 16 * 16)) $((size - 16)) $((size - 1)); do
        head -c "$cut" $name.bin >short.bin
        status 2 import short.bin --archive-key-file $name.key --allow-unauthenticated
    done
    status 2 import $name.bin --archive-key-file /dev/null --allow-unauthenticated
done
echo '{}' >none.key
status 2 import plain.bin --archive-key-file none.key --allow-unauthenticated
[ "$(count)" = "$before" ] || fail "something that was refused has left a snapshot"
