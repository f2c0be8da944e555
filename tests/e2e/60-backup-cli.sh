#!/bin/sh
# The words of the POS service's command line against this machine: backups of a PostgreSQL database, with and without a catalog.
# shellcheck disable=SC2154 # lib.sh sets work and dsn
set -eu
terminal=$(dirname "$(readlink -f "$0")")/terminal.py
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

start_postgres shop
psql -c 'create table sale (id int primary key, what text)' -c "insert into sale values (1, 'one'), (2, 'two')"
mkdir uploads disk && echo picture >uploads/picture
make_repository
repository=$HOLDFAST_REPOSITORY
key=$HOLDFAST_KEY_FILE
unset HOLDFAST_REPOSITORY HOLDFAST_KEY_FILE
cat >holdfast.yaml <<YAML
state: $work/state
repositories:
  main: {url: $repository, key_file: $key}
sets:
  daily-db-backup:
    repositories: [main]
    sources: [{postgres: {dsn: "$dsn", globals: false}}]
    schedule: "0 2 * * *"
  files-backup:
    repositories: [main]
    sources: [{files: {paths: [$work/uploads]}}]
    retention: {last: 1, max_percent: 100}
serve:
  compat: {pos: {key_file: $key, upload_dir: $work/uploads, roots: [$work/disk]}}
YAML
chmod 600 holdfast.yaml
backup_cli() { "$HOLDFAST" "$@"; }

# Without a catalog nothing makes one, and a backup is named by its snapshot.
status 0 backup_cli create --type database
has out 'Backup ID: '
has out 'Size: '
has out 'Duration: '
has out 'Files: 1'
snapshot=$(sed -n 's/^Backup ID: //p' out)
[ "${#snapshot}" = 64 ] || fail "no snapshot: $snapshot"
[ ! -e state/catalog.db ] || fail 'a catalog was made'
status 0 backup_cli verify --backup "$snapshot"
has out 'Backup integrity verified'
status 0 backup_cli verify --backup "$(echo "$snapshot" | cut -c1-8)" --json
json out 'lines[-1]["isValid"] is True and lines[-1]["message"] == "Backup integrity verified"'
status 1 backup_cli list --config daily-db-backup
has err 'there is no catalog'
status 1 backup_cli stats
[ ! -e state/catalog.db ] || fail 'a catalog was made'

# A configuration is checked, kept, and the first thing that makes the catalog.
cat >config.json <<JSON
{"id": "weekly", "name": "Weekly", "type": "files", "schedule": "0 1 * * 0", "retention": {"daily": 1, "weekly": 8, "monthly": 12},
 "destinations": [{"type": "local", "config": {"path": "$work/disk"}}], "enabled": true}
JSON
sed 's/"0 1 \* \* 0"/"0 25 * * 0"/' config.json >cron.json
sed "s|\"path\": \"$work/disk\"|\"path\": \"backup\"|" config.json >path.json
grep -v '"destinations"' config.json >cut.json
status 2 backup_cli schedule --file cron.json
has err 'Invalid cron schedule'
status 2 backup_cli schedule --file path.json
has err 'destinations[0].config.path: '
status 2 backup_cli schedule --file cut.json
echo '{}' >empty.json
status 2 backup_cli schedule --file empty.json
has err 'id is required'
status 2 backup_cli schedule --file nowhere.json
status 2 backup_cli schedule nowhere
head -c 70000 /dev/zero | tr '\0' ' ' >large.json
status 2 backup_cli schedule --file large.json
[ ! -e state/catalog.db ] || fail 'a catalog was made'
# As the service does it: it has to become a set here, under a name of its own.
sed 's/"type": "files"/"type": "full"/' config.json >full.json
status 2 backup_cli schedule --file full.json
has err 'DATABASE_URL not configured'
sed 's/"id": "weekly"/"id": "files-backup"/' config.json >twice.json
status 2 backup_cli schedule --file twice.json
sed "s|$work/disk|/elsewhere|" config.json >outside.json
status 2 backup_cli schedule --file outside.json
has err 'destinations[0].config.path: lies outside'
status 0 backup_cli list --configs --json
json out 'len(lines[0]["configs"]) == 2'

status 0 backup_cli schedule --file config.json
has out 'Backup configuration saved successfully'
has out 'Next runs of weekly'
[ "$(grep -c '^  20' out)" = 3 ] || fail 'not three next runs'
status 0 backup_cli schedule -f config.json --json
json out 'lines[0]["id"] == "weekly" and len(lines[0]["next_runs"]) == 3'
sed 's/true}/false}/' config.json >off.json
status 0 backup_cli schedule --file off.json
has out 'is not enabled'
status 0 backup_cli list --configs --json
json out '[c["id"] for c in lines[0]["configs"]] == ["weekly", "daily-db-backup", "files-backup"]'
status 0 backup_cli audit list --json
json out 'len([l for l in lines if l.get("action") == "config.save"]) == 3'

# With a catalog what is done is known.
status 0 backup_cli create --type database
id=$(sed -n 's/^Backup ID: //p' out)
[ "${#id}" = 32 ] || fail "no id of a run: $id"
status 0 backup_cli create -c daily-db-backup -n 'before the upgrade' --json
json out 'lines[-1]["message_type"] == "backup" and lines[-1]["status"] == "success" and lines[-1]["type"] == "database"'
json out 'any(line.get("message_type") == "summary" for line in lines)'
status 0 backup_cli snapshots -r "$repository" --key-file "$key" --tag 'name:before the upgrade' --json
json out 'len(lines[0]) == 1'
status 0 backup_cli list --config daily-db-backup
[ "$(grep -c success out)" = 2 ] || fail 'not two backups'
has out "$id"
status 0 backup_cli list -c daily-db-backup --limit 1 --json
json out 'len(lines[0]["backups"]) == 1 and lines[0]["total"] == 2'
status 0 backup_cli list
has out 'daily-db-backup (2):'
has out 'No backups'
status 0 backup_cli list --config nobody
has out 'No backups'
status 0 backup_cli stats
has out 'Backups:      2, 2 successful, 0 failed; success rate 100 %'
status 0 backup_cli stats --json
json out 'lines[0]["stats"]["total"]["backups"] == 2 and lines[0]["stats"]["configs"]["total"] == 1'
# A repository that is named is measured, as ever.
status 0 backup_cli stats -r "$repository" --key-file "$key"
has out 'Stored:'

# A configuration that was kept is a set; its first backup makes its repository.
status 0 backup_cli create --config weekly
kept=$(sed -n 's/^Backup ID: //p' out)
[ -e disk/config ] || fail 'there is no repository'
status 0 backup_cli verify --backup "$kept"
rm uploads/picture
status 0 backup_cli restore --backup "$kept" --yes
[ "$(cat uploads/picture)" = picture ] || fail 'the picture did not come back'
status 0 backup_cli stats --json
json out 'lines[0]["stats"]["total"]["backups"] == 3 and lines[0]["stats"]["storage"]["files"] > 0'

# A dry run of the retention says what would go, and why, and leaves it.
for _ in 1 2 3; do
    status 0 backup_cli create --config files-backup
done
count() {
    status 0 backup_cli snapshots -r "$repository" --key-file "$key" --set files-backup --json
    json_get out 'len(lines[0])'
}
status 0 backup_cli cleanup --dry-run
has out '2 snapshots would be forgotten, 1 kept'
has out 'Dry run: nothing was removed'
lacks out 'Received'
status 0 backup_cli cleanup -n --explain
has out 'Received'
has out 'would be forgotten: '
status 0 backup_cli cleanup --dry-run --json
json out 'lines[-1]["dry_run"] is True'
json out '[s["remove"] for s in lines[-1]["sets"] if s["set"] == "files-backup"] == [2]'
[ "$(count)" = 3 ] || fail 'the dry run removed something'
status 2 backup_cli cleanup --config nobody
status 2 backup_cli cleanup --config daily-db-backup
has err 'has no retention'
status 0 backup_cli cleanup --config files-backup
has out 'Retention policies applied successfully'
[ "$(count)" = 1 ] || fail 'the retention was not applied'
status 0 backup_cli cleanup --config files-backup
[ "$(count)" = 1 ] || fail 'the last one went'

# Nothing is guessed.
status 2 backup_cli create
has err 'no backup configuration is of type full'
status 2 backup_cli create --type files
has err 'several configurations are of type files: name one of weekly, files-backup'
status 2 backup_cli create --type nonsense
status 2 backup_cli create --config 'nobody'
status 2 backup_cli create --config daily-db-backup --name 'a,b'
status 2 backup_cli create --config daily-db-backup --name "$(printf 'a\033b')"
status 2 backup_cli create --config daily-db-backup -n
status 2 backup_cli list --limit 5000
status 2 backup_cli list --configs --config x
status 0 backup_cli create --config daily-db-backup --dry-run
has out 'Dry run: nothing was stored.'
status 0 backup_cli stats --json
json out 'lines[0]["stats"]["total"]["backups"] == 6'

# A backup that fails is known too.
mv "$repository" "$repository.away"
status 10 backup_cli create --config daily-db-backup
has err 'Failed to create backup: '
status 10 backup_cli verify --backup "$id"
mv "$repository.away" "$repository"
status 0 backup_cli list -c daily-db-backup --json
json out '[b["status"] for b in lines[0]["backups"]] == ["failed", "success", "success"] and lines[0]["backups"][0]["error"]'

# Proof, by a drill; and what cannot be proven is not valid.
status 0 backup_cli verify --backup "$id"
has out 'Backup integrity verified'
for bad in id-123 ffffffffffffffffffffffffffffffff ../../etc/passwd "'; drop table runs; --" "$(printf '\033[31m')" ''; do
    got=0
    backup_cli verify "--backup=$bad" >out 2>err || got=$?
    [ "$got" = 1 ] || { [ "$bad" = '' ] && [ "$got" = 2 ]; } || fail "status $got: $bad"
    ! grep -q "$(printf '\033')" out err || fail 'control characters were printed'
done
status 1 backup_cli verify --backup id-123
has out 'Backup integrity check failed'
status 1 backup_cli restore --backup id-123 --verify --yes
has err 'Backup integrity check failed. Cannot restore.'

# Restore asks, on a terminal; only the whole word is an answer.
psql -c 'delete from sale'
status 2 setsid "$HOLDFAST" restore --backup "$id"
has err 'say --yes, or answer on a terminal'
status 2 setsid "$HOLDFAST" restore --backup "$id" --json
for answer in no y '' yessir; do
    status 0 "$PYTHON" "$terminal" "$answer" "$HOLDFAST" restore --backup "$id" --verify
    has out 'WARNING: This will overwrite current data. Continue? (yes/no): '
    has out 'Restore cancelled'
    [ "$(psql -c 'select count(*) from sale')" = 0 ] || fail 'it was restored'
done
status 2 backup_cli restore --backup "$id" -e nowhere --yes
has err 'there is no such environment'
status 2 backup_cli restore --backup "$id" --target back
status 2 backup_cli restore --backup "$id" --include x
status 2 backup_cli restore --backup "$id" latest
status 2 backup_cli restore
status 2 backup_cli restore latest --environment shop --target back
status 0 "$PYTHON" "$terminal" YES "$HOLDFAST" restore --backup "$id" -e daily-db-backup --verify
has out 'Restore completed successfully'
[ "$(psql -c 'select count(*) from sale')" = 2 ] || fail 'the rows did not come back'
psql -c 'delete from sale where id = 2'
status 0 backup_cli restore -b "$snapshot" --yes
[ "$(psql -c 'select count(*) from sale')" = 2 ] || fail 'the rows did not come back by the snapshot'
status 0 backup_cli audit list --json
json out 'len([l for l in lines if l.get("action") == "restore"]) == 3 and len([l for l in lines if l.get("action") == "drill"]) >= 2'
