#!/bin/sh
# Keys are rotated: old secrets open nothing, everything restores, and what is old is packed again, also by runs that are killed.
set -eu
reader=$(dirname "$(readlink -f "$0")")/../reader/holdfast_reader.py
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

here=$PWD
export HOLDFAST_REPOSITORY="$here/repo"
with() { # with KEY STATUS WORDS...
    key=$1 wanted_status=$2
    shift 2
    status "$wanted_status" "$HOLDFAST" --key-file "$key" "$@"
}

status 0 "$HOLDFAST" init --key-file key
make_tree source
for n in 1 2 3 4 5 6 7 8; do
    mkdir -p "source/part$n"
    head -c 3000000 /dev/urandom >"source/part$n/noise"
    with key 0 backup source
done
with key 0 key add --new-key-file ann.key --label ann
with key 0 key add --new-key-file bob.key --label bob
echo 'correct horse' >password
with key 0 key add --new-password-file password --label everyone

# Nobody is locked out by mistake, and nothing happens without a yes.
with key 2 key rotate --yes --keep-key-file ann.key
has err '(bob)'
has err '(everyone)'
lacks err '(ann)'
has err '--drop-others'
status 2 setsid "$HOLDFAST" --key-file key key rotate --drop-others </dev/null
has err '--yes'
with key 2 key rotate --yes --drop-others --keep-key-file other.key
with key 0 key rotate --drop-others --keep-key-file ann.key --dry-run --json
json out 'lines[0]["epoch"] == 2 and lines[0]["keys_kept"] == 2 and lines[0]["keys_dropped"] == 2'
[ ! -e repo/epochs/2 ] || fail "a dry run has rotated the keys"

# The key in use leaked: it becomes another.
cp key leaked.key
cp -R repo copy
with key 0 key rotate --yes --drop-others --keep-key-file ann.key --keep-password-file password --new-key-file new.key
[ -e repo/epochs/2 ] && [ -e new.key ] || fail "the keys were not rotated"
for old in leaked.key bob.key; do
    with $old 12 snapshots
    has err 'the keys were rotated'
done
for kept in ann.key new.key; do
    with $kept 0 restore latest --target "out-$kept"
    same source "out-$kept$here/source"
done
status 0 "$HOLDFAST" --password-file password snapshots
with new.key 0 key list --json
json out '[k["epoch"] for k in lines[0]] == [2, 2, 2] and {k["state"] for k in lines[0]} == {"valid"}'
with new.key 0 key reencrypt --dry-run --json
json out 'lines[-1]["packs_left"] > 8 and lines[-1]["index_objects_left"] > 0 and lines[-1]["epochs"][1]["packs"] == 0'

# Backups go on, in the new epoch.
echo more >source/more
with new.key 0 backup source
with new.key 0 key reencrypt --dry-run --json
json out 'lines[-1]["epochs"][1]["packs"] > 0'
left=$(json_get out 'lines[-1]["packs_left"]')

# A part of it, then runs that are killed at any moment; what was done stays done.
with new.key 0 key reencrypt --max-repack-size 4M --json
json out "0 < lines[-1]['packs_left'] < $left and lines[-1]['rounds'] == 1"
for n in 1 2 3 4 5 6 7 8 9; do
    timeout -s KILL "0.0$n" "$HOLDFAST" --key-file new.key key reencrypt --max-repack-size 3M >killed 2>&1 || :
    with new.key 0 check
done
with new.key 0 key reencrypt --json
json out 'lines[-1]["packs_left"] == 0 and lines[-1]["index_objects_left"] == 0 and lines[-1]["snapshots_left"] == 8'
trash=$(json_get out 'lines[-1]["packs_left_in_trash"]')
[ "$trash" -gt 0 ] || fail "the old packs are not in the trash"
with new.key 0 key reencrypt
has out "$trash packs"
has out 'prune --empty-trash'
with new.key 0 check --read-data
with new.key 0 restore latest --target all
same source "all$here/source"
with new.key 0 prune --empty-trash
with new.key 0 key reencrypt -n --json
json out 'lines[-1]["packs_left_in_trash"] == 0 and lines[-1]["unreadable"] == 0'

# When the snapshots of before go, nothing of the first epoch is left.
with new.key 0 forget --keep-last 1
with new.key 0 prune
with new.key 0 key reencrypt -n --json
json out 'lines[-1]["snapshots_left"] == 0 and lines[-1]["records_left"] == 0'
with new.key 0 check --read-data

# A copy of before is read with the leaked key for ever, and the page says so.
status 0 "$HOLDFAST" -r copy --key-file leaked.key snapshots

# The independent reader finds its way.
status 0 "$PYTHON" "$reader" -r repo --key-file ann.key check

# A bundle that was sealed before a rotation is imported after it.
put=$(dirname "$HOLDFAST")/../tests/job/job_spool_put
cat >holdfast.yaml <<END
state: $here/state
repositories:
  main: {url: $here/repo, key_file: $here/new.key}
sets:
  app:
    sources: [bundle: {keep: 3}]
    repositories: [main]
END
chmod 600 holdfast.yaml
mkdir -p state/spool/app && chmod 700 state/spool/app
unset HOLDFAST_REPOSITORY
status 0 "$HOLDFAST" key public --set app --json
before=$(json_get out 'lines[0]["public_key"]')
echo '{"timestamp":"2026-11-20T20:50:02.080Z","version":"1.0.0","data":{"users":["alice"]}}' >bundle.json
status 0 "$put" "$here/state/spool/app" bundle.json
name=$(head -n 1 out)
status 0 "$HOLDFAST" -r repo --key-file new.key key rotate --yes --drop-others
status 0 "$HOLDFAST" backup --set app
status 0 "$HOLDFAST" dump -r repo --key-file new.key latest "/bundle/$name"
cmp out bundle.json || fail "the bytes of the bundle are others"
grep -q "$before" state/spool/app/recipients && fail "the backup did not note the new public key"
status 0 "$HOLDFAST" key public --set app --json
json out "lines[0]['public_key'] != '$before'"
