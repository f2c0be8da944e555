#!/bin/sh
# Pushed bundles: from the spool into the repositories of a set, a drill, and back as files.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

here=$PWD
put=$(dirname "$HOLDFAST")/../tests/job/job_spool_put
push() { "$put" "$here/state/spool/app" "$@"; }
waiting() { find state/spool/app -name '*.sealed' | wc -l; }

cat >holdfast.yaml <<END
state: $here/state
repositories:
  main: {url: $here/main, key_file: $here/main.key}
  vault: {url: $here/vault, key_file: $here/vault.key}
sets:
  app:
    sources: [bundle: {keep: 3}]
    repositories: [main, vault]
END
chmod 600 holdfast.yaml
status 0 "$HOLDFAST" init -r main --key-file main.key
status 0 "$HOLDFAST" init -r vault --key-file vault.key --from-repo main --from-key-file main.key --copy-chunker-params

cat >first.json <<'END'
{"timestamp":"2026-11-20T20:50:02.080Z","version":"1.0.0","data":{"users":["alice"],"sessions":["session_123"]}}
END
echo '{"n": 1e2, "n": 12345678901234567890123, "t": "\u00e9"}' >second.json

# Nobody has said to whom bundles are sealed.
mkdir -p state/spool/app && chmod 700 state/spool/app
status 1 push first.json
has out '503 Service Unavailable'

# Both repositories are told to the spool; a key is public, so it may be shown.
status 0 "$HOLDFAST" key public -r main --key-file main.key --json
json out 'len(lines[0]["public_key"]) == 64'
public=$(json_get out 'lines[0]["public_key"]')
status 0 "$HOLDFAST" key public --set app
has out "$public"
[ "$(wc -l <state/spool/app/recipients)" = 2 ] || fail "not two recipients"

# What waits is in both repositories after the backup, and gone from the spool.
status 0 push first.json second.json
first=$(head -n 1 out)
second=$(tail -n 1 out)
! grep -rq session_123 state || fail "a bundle is readable in the spool"
status 0 "$HOLDFAST" backup --set app
[ "$(waiting)" = 0 ] || fail "bundles still wait"
for r in main vault; do
    status 0 "$HOLDFAST" dump -r $r --key-file $r.key latest "/bundle/$first"
    cmp out first.json || fail "the bytes of $r are others"
done
status 0 "$HOLDFAST" drill app --json
has out '"proven"'

# While a repository that is required cannot be reached, bundles stay; each is stored once.  Another process may
# give the names of a second again, so this one lets it pass.
sleep 1.1
mv vault away
status 0 push first.json
status 1 "$HOLDFAST" backup --set app
[ "$(waiting)" = 1 ] || fail "a bundle has left that one repository only holds"
mv away vault
status 0 "$HOLDFAST" backup --set app
[ "$(waiting)" = 0 ] || fail "bundles still wait"
status 0 "$HOLDFAST" ls -r vault --key-file vault.key latest
[ "$(grep -c '/bundle/backup_.*json' out)" = 3 ] || fail "not three bundles"

# A dry run stores nothing and removes nothing; neither does a repository that is none of the set's.
status 0 push first.json
status 0 "$HOLDFAST" backup --set app --dry-run
status 0 "$HOLDFAST" init -r other --key-file other.key
status 3 "$HOLDFAST" backup --set app -r other --key-file other.key
has err 'sealed to other repositories'
[ "$(waiting)" = 1 ] || fail "a bundle was lost"
status 0 "$HOLDFAST" backup --set app

# Back as files of the published form: sessions only when asked for.
status 0 "$HOLDFAST" restore -r main --key-file main.key latest:/bundle --into backups --json
json out 'lines[-1]["files"] == 3'
# The second was carried on until three newer ones were there.
status 0 "$HOLDFAST" find -r main --key-file main.key "$second"
has out "$second"
snapshot=$("$HOLDFAST" snapshots -r main --key-file main.key --json | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)[0]["id"])')
status 0 "$HOLDFAST" restore -r main --key-file main.key "$snapshot:/bundle/$second" --into second.out
printf '{\n  "n": 12345678901234567890123,\n  "t": "\\u00e9"\n}' >wanted
cmp second.out wanted || fail "not as Python writes it"
status 0 "$HOLDFAST" restore -r main --key-file main.key "$snapshot:/bundle/$first" --into first.out
! grep -q session_123 first.out || fail "a session came back"
status 1 "$HOLDFAST" restore -r main --key-file main.key "$snapshot:/bundle/$first" --into first.out --with-sessions
status 0 "$HOLDFAST" restore -r main --key-file main.key "$snapshot:/bundle/$first" --into first.out --with-sessions --force
"$PYTHON" -c 'import json, sys; sys.exit(json.load(open("first.json")) != json.load(open("first.out")))' || fail "not the bundle"
status 2 "$HOLDFAST" restore -r main --key-file main.key latest --target t --with-sessions
status 0 "$HOLDFAST" restore -r main --key-file main.key latest --set app --in-place --plan
has out 'stays as it is'
