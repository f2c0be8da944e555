#!/bin/sh
# An import into a set is a snapshot of that set, and no state of it.
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"

here=$PWD
put=$(dirname "$HOLDFAST")/../tests/job/job_spool_put
make() { "$PYTHON" "$cases/archives.py" "$@"; }
in_main() { HOLDFAST_REPOSITORY=$here/main HOLDFAST_KEY_FILE=$here/main.key "$HOLDFAST" "$@"; }
snapshots() { status 0 in_main snapshots --json "$@"; }

mkdir www
echo one >www/page
cat >holdfast.yaml <<END
state: $here/state
repositories:
  main: {url: $here/main, key_file: $here/main.key}
  vault: {url: $here/vault, key_file: $here/vault.key}
sets:
  app:
    sources:
      - bundle: {keep: 10}
      - files: {name: www, paths: [$here/www]}
    repositories: [main]
    tags: [mine]
    retention: {last: 1}
  both:
    sources: [files: {name: www, paths: [$here/www]}]
    repositories: [main, vault]
END
chmod 600 holdfast.yaml
status 0 "$HOLDFAST" init -r main --key-file main.key
status 0 "$HOLDFAST" init -r vault --key-file vault.key
status 0 "$HOLDFAST" key public --set app
make bundle pushed.json
status 0 "$put" "$here/state/spool/app" pushed.json
pushed=$(head -n 1 out)
status 0 "$HOLDFAST" backup --set app --json
backup=$(json_get out 'lines[-1]["snapshot_id"]')

# Two imports, of which one looks like the set's own bundles.
make wireguard gateway.zip
status 0 "$HOLDFAST" import gateway.zip --set app --allow-unauthenticated --json
import=$(json_get out 'lines[-1]["snapshot_id"]')
mkdir backups
make bundle backups/backup_20200101_120000.json
status 0 "$HOLDFAST" import backups --set app --allow-unauthenticated --json
bundles=$(json_get out 'lines[-1]["snapshot_id"]')
snapshots --set app --tag import:wireguard
json out "[s['id'] for s in lines[0]] == ['$import']"
json out "sorted(lines[0][0]['tags']) == ['import:wireguard', 'mine', 'unauthenticated'] and lines[0][0]['set'] == 'app'"

# The latest is still the backup; an import is had by its id or its tag.
status 0 in_main restore latest:/www --set app --target target
cmp "target$here/www/page" www/page || fail "the latest is no backup"
status 0 in_main restore "$import:/import" --set app --target imported
cmp imported/gateway.zip gateway.zip || fail "the archive is another one"
same imported/gateway.zip.parts gateway.zip.content
status 0 in_main restore "$bundles:/bundle" --set app --into "$here/files"
json_text=$(cat files/backup_20200101_120000.json)
case $json_text in *session_123*) fail "sessions came back unasked" ;; *alice*) ;; *) fail "no bundle" ;; esac

# What belongs to the set's state cannot come from an import.
echo two >www/page
status 2 in_main restore "$import" --set app --in-place --yes
has err "the snapshot does not have it"
[ "$(cat www/page)" = two ] || fail "an import was restored in place"

# The next backup compares itself with the last one, and carries on its bundles only.
status 0 "$HOLDFAST" backup --set app --json
json out "lines[-1]['parent'] == '$backup'"
status 0 in_main ls latest --set app
has out "/bundle/$pushed"
lacks out backup_20200101

# A drill by id proves the archive as files.
status 0 in_main drill "$import" --set app
status 0 in_main drill "$bundles" --set app

# Retention keeps one backup, and the imports.
status 0 "$HOLDFAST" forget --set app --json
snapshots --set app
json out "'$import' in [s['id'] for s in lines[0]] and '$bundles' in [s['id'] for s in lines[0]]"

# Which of several repositories has to be said.
status 2 "$HOLDFAST" import gateway.zip --set both --allow-unauthenticated
has err 'name it with -r'
status 0 "$HOLDFAST" import gateway.zip --set both -r vault --key-file vault.key --allow-unauthenticated
status 2 "$HOLDFAST" import gateway.zip --set nobody --allow-unauthenticated
status 0 "$HOLDFAST" check -r main --key-file main.key --read-data
