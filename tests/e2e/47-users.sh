#!/bin/sh
# Users, tokens and the audit log of the service, on the machine where it runs.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

mkdir data
cat >holdfast.yaml <<YAML
state: $PWD/state
repositories:
  main: { url: $PWD/repo, password_file: $PWD/repo.password }
sets:
  shop:
    sources: [ { files: { paths: [$PWD/data] } } ]
    repositories: [main]
YAML
chmod 600 holdfast.yaml
canary='canary-5ca1ab1e-of-ann'
echo "$canary" >ann.password
echo password1 >weak.password
echo "$canary-2" >other.password
chmod 600 ./*.password

# Users.
status 0 "$HOLDFAST" user add root --role super_admin --new-password-file other.password
status 0 "$HOLDFAST" user add Ann --role manager --new-password-file ann.password
has out 'Added Ann, a manager.'
status 1 "$HOLDFAST" user add ann --new-password-file ann.password
has err 'is there already'
status 2 "$HOLDFAST" user add bob --new-password-file weak.password
has err 'tried first'
status 2 "$HOLDFAST" user add bob --new-password-file missing.password
status 2 "$HOLDFAST" user add 'b b' --new-password-file ann.password
status 2 "$HOLDFAST" user add bob --role owner --new-password-file ann.password
status 2 setsid "$HOLDFAST" user add bob </dev/null
has err 'no terminal'
# The password of a repository is not taken for that of a user.
status 2 env HOLDFAST_PASSWORD_FILE="$PWD/ann.password" HOLDFAST_PASSWORD=hunter222222 setsid "$HOLDFAST" user add bob </dev/null
status 0 "$HOLDFAST" user list --json
json out '[u["name"] for u in lines[0]] == ["ann", "root"] and lines[0][0]["role"] == "manager" and "password" not in lines[0][0]'

status 0 "$HOLDFAST" user role ann admin
status 2 "$HOLDFAST" user role ann owner
status 1 "$HOLDFAST" user role nobody admin
has err 'user nobody: no such user'
status 0 "$HOLDFAST" user disable ann
status 0 "$HOLDFAST" user list
has out 'disabled'
status 0 "$HOLDFAST" user enable ann
status 0 "$HOLDFAST" user passwd ann --new-password-file other.password
status 2 "$HOLDFAST" user disable root
has err 'last super_admin'
status 2 "$HOLDFAST" user delete root
status 2 "$HOLDFAST" user role root admin

# Tokens.
status 2 "$HOLDFAST" token add till
has err '--verb and --set'
status 2 "$HOLDFAST" token add till --verb 'read *' --set shop
status 2 "$HOLDFAST" token add till --verb read --set shop --days 1000
status 2 "$HOLDFAST" token add till --verb read --set shop --days unlimited
status 0 "$HOLDFAST" token add till --kind push --verb push --set shop --days 30
token=$(head -1 out)
echo "$token" | grep -qE '^hf_[0-9a-f]{16}_[0-9a-f]{64}$' || fail "no token: $token"
secret=${token##*_}
status 0 "$HOLDFAST" token list --json
json out 'lines[0][0]["kind"] == "push" and lines[0][0]["sets"] == ["shop"] and "revoked" not in lines[0][0]'
lacks out "$secret"
id=$(json_get out 'lines[0][0]["id"]')
status 0 "$HOLDFAST" token revoke "$id"
status 1 "$HOLDFAST" token revoke 0000000000000000
status 0 "$HOLDFAST" token list
has out revoked

# The audit log.
status 0 "$HOLDFAST" user delete ann
status 0 "$HOLDFAST" audit list --limit 3
[ "$(wc -l <out)" = 3 ] || fail 'not three records'
has out 'user.delete ann: done'
status 0 "$HOLDFAST" audit list --object ann --json
json out '[l["action"] for l in lines] == ["user.delete", "user.password", "user.enable", "user.disable", "user.role"]
    and all(l["actor"].startswith("local:") for l in lines)'
status 0 "$HOLDFAST" audit list --limit unlimited --json
for word in "$canary" "$secret"; do
    lacks out "$word"
    ! grep -rqF "$word" state || fail "the state folder has $word"
done
status 0 "$HOLDFAST" audit verify
has out 'records, unchanged.'
"$PYTHON" - <<'END'
import sqlite3
c = sqlite3.connect("state/catalog.db")
c.execute("update audit set record = replace(record, 'user.delete', 'user.enable') where seq = (select max(seq) from audit)")
c.commit()
END
status 13 "$HOLDFAST" audit verify
status 13 "$HOLDFAST" audit verify --json
json out 'not lines[0]["sound"] and lines[0]["bad_record"] > 0'

# What cannot be recorded does not happen.
"$PYTHON" - <<'END'
import sqlite3
c = sqlite3.connect("state/catalog.db")
c.execute("delete from audit_head")
c.commit()
END
status 13 "$HOLDFAST" user add carl --new-password-file ann.password
status 0 "$HOLDFAST" user list
lacks out carl
