#!/bin/sh
# The same words through --server against a real service: backups of a PostgreSQL database, a verification, a restore.
# shellcheck disable=SC2154 # lib.sh sets work and dsn
set -eu
terminal=$(dirname "$(readlink -f "$0")")/terminal.py
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

start_postgres shop
psql -c 'create table sale (id int primary key, what text)' -c "insert into sale values (1, 'one'), (2, 'two')"
make_repository
port=$(free_ports 1)
mkdir served uploads disk
echo picture >uploads/picture
put_config served/holdfast.yaml <<YAML
sets:
  own: {repositories: [main], sources: [{files: {paths: [$work/served]}}]}
serve:
  listen: ["127.0.0.1:$port"]
  compat:
    pos:
      key_file: $HOLDFAST_KEY_FILE
      database_url_file: $work/database.url
      upload_dir: $work/uploads
      roots: [$work/disk]
YAML
echo "postgresql://postgres@$(echo "$server" | sed 's,/,%2F,g')/shop?schema=public" >database.url
chmod 600 database.url
unset HOLDFAST_REPOSITORY HOLDFAST_KEY_FILE
on_server() { (cd served && "$HOLDFAST" "$@"); }
token_file() {
    status 0 on_server token add "$1" --role "$2" --verb '*' --set '*'
    grep -o 'hf_[A-Za-z0-9_-]*' out | head -1 >"$1.token"
    chmod 600 "$1.token"
}
token_file admin admin
token_file manager manager
cd served
start_service serve
cd ..
wait_ready "$port"

export HOLDFAST_SERVER="http://127.0.0.1:$port" HOLDFAST_TOKEN_FILE="$work/admin.token"
backup_cli() { "$HOLDFAST" "$@"; }
status 0 backup_cli list
has out 'No backup configurations'
status 2 backup_cli create --type database
has err 'no backup configuration is of type database'
for kind in database files; do
    cat >"$kind.json" <<JSON
{"id": "daily-$kind", "name": "Daily $kind", "type": "$kind", "schedule": "0 2 * * *",
 "retention": {"daily": 7, "weekly": 4, "monthly": 6}, "destinations": [{"type": "local", "config": {"path": "$work/disk/$kind"}}], "enabled": true}
JSON
    status 0 backup_cli schedule --file "$kind.json"
    has out 'Backup configuration saved successfully'
    has out 'Next runs of daily-'
done
# What only the service can know is said in its words.
sed "s|$work/disk|/elsewhere|" files.json >outside.json
status 2 backup_cli schedule --file outside.json
has err 'destinations[0].config.path: lies outside'

# The examples of the document.
status 0 backup_cli create --type database
for line in 'Backup ID: ' 'Size: ' 'Duration: ' 'Files: 1'; do
    has out "$line"
done
id=$(sed -n 's/^Backup ID: //p' out)
status 0 backup_cli list --config daily-database
has out "$id"
has out 'success'
status 0 backup_cli verify --backup "$id"
has out 'Backup integrity verified'
psql -c 'delete from sale'
status 2 setsid "$HOLDFAST" restore --backup "$id" --verify
has err 'say --yes, or answer on a terminal'
status 0 "$PYTHON" "$terminal" no "$HOLDFAST" restore --backup "$id" --verify
has out 'Restore cancelled'
[ "$(psql -c 'select count(*) from sale')" = 0 ] || fail 'it was restored'
status 0 "$PYTHON" "$terminal" yes "$HOLDFAST" restore --backup "$id" --verify
has out 'WARNING: This will overwrite current data. Continue? (yes/no): '
has out 'Restore completed successfully'
[ "$(psql -c 'select count(*) from sale')" = 2 ] || fail 'the rows did not come back'
status 0 backup_cli stats
has out 'Backups:      1, 1 successful, 0 failed; success rate 100 %'
has out 'Configs:      2, 2 enabled, 0 disabled'

# A name, JSON, and what was done in the overview.
status 0 backup_cli create -c daily-files -t files -n 'before the upgrade' --json
json out 'lines[-1]["message_type"] == "backup" and lines[-1]["configId"] == "daily-files" and lines[-1]["status"] == "success"'
status 0 env -u HOLDFAST_SERVER "$HOLDFAST" snapshots -r "$work/disk/files" --key-file "$work/key" --tag 'name:before the upgrade' --json
json out 'len(lines[0]) == 1'
status 0 backup_cli cleanup
has out 'Retention policies applied successfully'
status 0 backup_cli cleanup --dry-run --explain
has out 'daily-files in '
has out 'daily-database in '
has out 'keep: '
has out '0 snapshots would be forgotten, 1 kept, 0 waiting'
has out 'Dry run: nothing was removed'
status 0 backup_cli cleanup --config daily-files --json
json out '[(s["set"], s["state"], s["keep"], s["dry_run"]) for s in lines[-1]["sets"]] == [("daily-files", "ready", 1, False)]'
status 0 backup_cli cleanup --config own --dry-run
has out 'own: nothing is backed up yet'
status 2 backup_cli cleanup --config nobody --dry-run
status 1 env HOLDFAST_TOKEN_FILE="$work/manager.token" "$HOLDFAST" cleanup --dry-run
has err 'you may not do this'
status 0 backup_cli list
has out 'daily-database (1):'
has out 'daily-files (1):'
status 0 backup_cli list --configs --json
json out '[c["id"] for c in lines[0]["configs"]] == ["daily-database", "daily-files"]'
# The same is said on the service's own machine.
status 0 backup_cli list --config daily-files
cp out there
status 0 env -u HOLDFAST_SERVER "$HOLDFAST" list --config daily-files --config-file served/holdfast.yaml
cmp out there || fail 'the two answers differ'

# What the service refuses.
status 1 backup_cli verify --backup id-123
has out 'Backup integrity check failed'
status 2 backup_cli restore --backup id-123 --yes
has err 'Backup integrity check failed. Cannot restore.'
for bad in .. ../../configs '%2e%2e' 'a/b?c#d' "$(printf '\033[31m')"; do
    got=0
    backup_cli verify "--backup=$bad" >out 2>err || got=$?
    [ "$got" = 1 ] || [ "$got" = 2 ] || fail "status $got: $bad"
    ! grep -q "$(printf '\033')" out err || fail 'control characters were printed'
done
status 2 backup_cli create --config nobody
has err 'Backup configuration not found'
status 2 backup_cli restore --backup "$id" -e nowhere --yes
has err 'there is no such environment'
status 0 env HOLDFAST_TOKEN_FILE="$work/manager.token" "$HOLDFAST" stats
status 1 env HOLDFAST_TOKEN_FILE="$work/manager.token" "$HOLDFAST" create --type database
has err 'Insufficient permissions (needs admin, super_admin; the token has manager)'
echo hf_0000000000000000_wrong >wrong.token
status 12 env HOLDFAST_TOKEN_FILE="$work/wrong.token" "$HOLDFAST" list
lacks err hf_0000
status 12 env -u HOLDFAST_TOKEN_FILE "$HOLDFAST" list
has err 'Authentication required'
stop_service
status 11 backup_cli list
