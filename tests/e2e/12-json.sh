#!/bin/sh
# JSON lines have the names that scripts for restic read.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

export HOLDFAST_REPOSITORY="$PWD/repo" HOLDFAST_KEY_FILE="$PWD/key"
status 0 "$HOLDFAST" init --json
json out 'lines[0]["message_type"] == "initialized" and len(lines[0]["id"]) == 32'

make_tree source
printf raw >"$(printf 'source/raw\377name')"
status 0 "$HOLDFAST" backup source --json -v --tag a,b
json out 'lines[-1]["message_type"] == "summary"'
json out 'lines[-1]["files_new"] == 4 and lines[-1]["files_changed"] == 0'
json out 'all(k in lines[-1] for k in "dry_run files_unmodified dirs_new data_blobs tree_blobs data_added
    data_added_packed total_files_processed total_bytes_processed backup_start backup_end total_duration
    snapshot_id".split())'
json out 'any(l["message_type"] == "status" and l["percent_done"] <= 1 for l in lines)'
json out 'sum(l["message_type"] == "verbose_status" and l["action"] == "new" for l in lines) >= 4'
[ ! -s err ] || fail "something on standard error"
id=$(json_get out 'lines[-1]["snapshot_id"]')

status 0 "$HOLDFAST" snapshots --json
json out 'len(lines) == 1 and len(lines[0]) == 1'
json out 'all(k in lines[0][0] for k in "time tree paths hostname username uid gid tags program_version
    summary id short_id".split())'
json out "lines[0][0]['id'] == '$id' and lines[0][0]['tags'] == ['a', 'b']"

status 0 "$HOLDFAST" ls latest --json
json out 'lines[0]["message_type"] == "snapshot" and lines[1]["message_type"] == "node"'
json out '[__import__("base64").b64decode(l["path_b64"])[-8:] for l in lines if "path_b64" in l] == [b"raw\xffname"]'
json out 'all(k in lines[-1] for k in "name type path uid gid size mode permissions mtime".split())'

status 0 "$HOLDFAST" find two --json
json out "lines[0][0]['hits'] == 1 and lines[0][0]['snapshot'] == '$id'"
status 0 "$HOLDFAST" find two one nothing --json --lines
json out "{(l['name'], l['snapshot']) for l in lines} == {('one', '$id'), ('two', '$id')}"
status 2 "$HOLDFAST" find two --lines

# A line about it in front of what is dumped, also of the root.
status 0 "$HOLDFAST" dump latest:"$PWD/source" one --head
[ "$(tail -1 out)" = one ] || fail "the file does not follow its line"
head -1 out >line
json line 'lines[0]["name"] == "one" and lines[0]["size"] == 4'
status 0 "$HOLDFAST" dump latest / --head
head -1 out >line
json line 'lines[0]["type"] == "dir" and "size" not in lines[0]'

# What is not there, or is nothing to work on, once the repository is open.
status 1 "$HOLDFAST" dump latest /none --json
json err 'lines[-1]["cause"] == "not-found"'
status 2 "$HOLDFAST" dump latest:"$PWD/source" a/link --json
json err 'lines[-1]["cause"] == "invalid"'
status 10 "$HOLDFAST" -r "$PWD/none" ls latest --json
json err '"cause" not in lines[-1]'

echo more >>source/one
mkdir source/new
status 0 "$HOLDFAST" backup source -q
status 0 "$HOLDFAST" diff "$id" latest --json
json out '{(l["modifier"], l["path"].rsplit("source")[-1]) for l in lines if l["message_type"] == "change"}
    == {("M", "/one"), ("+", "/new/")}'
json out 'lines[-1]["message_type"] == "statistics" and lines[-1]["changed_files"] == 1'

# Pages from the newest to the oldest, each once.
status 0 "$HOLDFAST" snapshots --json --page 1
json out 'len(lines[0]["snapshots"]) == 1'
newest=$(json_get out 'lines[0]["snapshots"][0]["id"]')
status 0 "$HOLDFAST" snapshots --json --page 1 --after "$(json_get out 'lines[0]["next"]')"
json out "lines[0]['next'] is None and [s['id'] for s in lines[0]['snapshots']] == ['$id']"
status 0 "$HOLDFAST" snapshots --json --page 5
json out "lines[0]['next'] is None and [s['id'] for s in lines[0]['snapshots']] == ['$newest', '$id']"
for bad in x 1 "1." ".$id" "-1.$id" "1.$id-"; do
    status 2 "$HOLDFAST" snapshots --json --page 1 --after "$bad"
done
status 2 "$HOLDFAST" snapshots --page 1
status 2 "$HOLDFAST" snapshots --json --after "1.$id"

# By its id only what is of the set: these are of none.
for command in "ls $id" "dump $id /" "diff $id latest" "stats $id" "snapshots $id"; do
    # shellcheck disable=SC2086
    status 1 "$HOLDFAST" $command --set shop --json
    json err 'lines[-1]["cause"] == "not-found"'
done

status 0 "$HOLDFAST" restore latest --target back --json
json out 'lines[-1]["message_type"] == "summary" and lines[-1]["files_restored"] >= 4'

status 0 "$HOLDFAST" forget --keep-last 1 --json
json out 'len(lines[0][0]["keep"]) == 1 and len(lines[0][0]["remove"]) == 1'
json out 'lines[0][0]["reasons"][0]["matches"] == ["last snapshot"]'
json out 'set(lines[0][0]) >= {"tags", "host", "paths", "keep", "remove", "reasons"}'

status 0 "$HOLDFAST" check --json
json out 'lines[-1]["message_type"] == "summary" and lines[-1]["num_errors"] == 0'
json out 'all(k in lines[-1] for k in "broken_packs suggest_repair_index suggest_prune".split())'
status 0 "$HOLDFAST" stats --mode restore-size --json
json out 'lines[0]["snapshots_count"] == 1 and lines[0]["total_file_count"] == 4'
status 0 "$HOLDFAST" stats --json
json out 'lines[0]["raw_data"]["total_blob_count"] > 0'
status 0 "$HOLDFAST" key list --json
json out 'lines[0][0]["current"] is True'
status 0 "$HOLDFAST" prune --json
json out 'lines[-1]["message_type"] == "summary"'
status 0 "$HOLDFAST" version --json
json out 'lines[0]["message_type"] == "version"'

status 3 "$HOLDFAST" backup source "$PWD/gone" --json
json err 'lines[0]["message_type"] == "error" and "message" in lines[0]["error"]'
json err 'lines[0]["item"].endswith("/gone") and "during" in lines[0]'
status 10 "$HOLDFAST" -r "$PWD/nothing" snapshots --json
json err 'lines[-1]["message_type"] == "exit_error" and lines[-1]["code"] == 10'
status 2 "$HOLDFAST" snapshots --bogus --json
json err 'lines[-1]["code"] == 2'
