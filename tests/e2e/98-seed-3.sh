#!/bin/sh
# The document of School ERP's backup service, section by section as it stands there: its lines of TypeScript run over the command.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"
command -v node >/dev/null || exit 77

erp() { "$HOLDFAST" school-erp "$@"; }
unset BACKUP_DIR BACKUP_ENCRYPTION_KEY DATABASE_URL XDG_STATE_HOME
dsn=''
start_postgres school
psql -f "$cases/samples/school.sql"
export HOME="$work" DATABASE_URL="$dsn"

# "Troubleshooting", the key; "Generate Encryption Key": its line, and "Environment Variables": the folder is ./backups unless said.
BACKUP_ENCRYPTION_KEY=your_64_character_hex_string_here status 2 erp create
has err 'Encryption key must be 64 hex characters'
BACKUP_ENCRYPTION_KEY=$(node -e "console.log(require('crypto').randomBytes(32).toString('hex'))")
export BACKUP_ENCRYPTION_KEY
mkdir backups

# The application's own modules, under the names by which the document imports them, with the command in place of their code.
mkdir -p node_modules/@/lib/actions node_modules/@/lib/utils
echo '{"type": "module"}' >node_modules/@/lib/package.json
cat >node_modules/@/lib/utils/backup-service <<'END'
import { spawnSync } from 'node:child_process';

function erp(...words) {
  const done = spawnSync(process.env.HOLDFAST, ['school-erp', ...words, '--json'], { encoding: 'utf8' });
  const said = done.stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  return done.status === 0 ? { success: true, said } : { success: false, error: done.stderr };
}
const one = ({ said, ...result }, name) => (said ? { ...result, [name]: said.at(-1) } : result);

export const createBackup = async () => one(erp('create', '--as-user', 'cuser1'), 'metadata');
export const listBackups = async () => erp('list').said;
export const restoreBackup = async (id) => {
  const result = one(erp('restore', id, '--import', '--as-user', 'cuser1'), 'counts');
  return result.success ? { success: true, recordsRestored: result.counts.recordsRestored } : result;
};
export const deleteBackup = async (id) => one(erp('delete', id, '--as-user', 'cuser1'), 'deleted');
END
cat >node_modules/@/lib/actions/backupActions <<'END'
import * as service from '../utils/backup-service';

export const createBackupAction = async () => {
  const { metadata, ...result } = await service.createBackup();
  return { ...result, data: metadata };
};
export const listBackupsAction = async () => ({ success: true, data: await service.listBackups() });
export const restoreBackupAction = service.restoreBackup;
export const deleteBackupAction = service.deleteBackup;
END
# run [NAME=VALUE]: what comes in, as a module of the application; variables of the document are exported before.
run() {
    { [ $# = 0 ] || printf 'const %s;\n' "$1"; cat; } >lines.mjs
    status 0 node lines.mjs
}

# "Create a Backup"
run <<'END'
import { createBackupAction } from '@/lib/actions/backupActions';

const result = await createBackupAction();

if (result.success) {
  console.log('Backup created:', result.data);
  // result.data contains: id, filename, size, location, etc.
} else {
  console.error('Backup failed:', result.error);
}
END
has out 'Backup created: {'
file=$(cd backups && ls backup-*.enc)
for word in "id: '" "filename: '$file'" "size: $(stat -c %s "backups/$file")" "location: 'LOCAL'"; do has out "$word"; done
id=$(echo "$file" | sed 's/.*-\(.*\)\.enc$/\1/')

# "List All Backups"
run <<'END'
import { listBackupsAction } from '@/lib/actions/backupActions';

const result = await listBackupsAction();

if (result.success) {
  console.log('Backups:', result.data);
  // result.data is an array of backup metadata
}
END
has out 'Backups: ['
has out "filename: '$file'"
has out "status: 'COMPLETED'"

# "Creation Process", "File Format": read by Node's and Python's code, which agree; the database knows of it.
"$PYTHON" "$cases/school.py" open "$BACKUP_ENCRYPTION_KEY" "backups/$file" >document || fail "others cannot open it"
"$PYTHON" -c 'import json
d = json.load(open("document", encoding="utf-8"))
assert list(d) == ["version", "timestamp", "tables"] and len(d["tables"]["users"]) == 40, list(d)' || fail "the document is another one"
[ "$(stat -c %s "backups/$file")" -lt $(($(stat -c %s document) / 2)) ] || fail "it is not compressed"
[ "$(psql -c 'select filename, status, encrypted from "Backup"')" = "$file|COMPLETED|t" ] || fail "the database has no metadata"
[ "$(psql -c "select action, \"resourceId\" from audit_logs where resource = 'backup'")" = "CREATE|$id" ] || fail "nobody noted it"

# The note under "Restore Process": looked at without being asked to import, it changes nothing.
psql -c 'delete from "StudentAttendance"'
status 0 erp restore "$id"
has out 'Nothing was imported'
[ "$(psql -c 'select count(*) from "StudentAttendance"')" = 0 ] || fail "it was imported"

# "Restore from Backup"
run "backupId = '$id'" <<'END'
import { restoreBackupAction } from '@/lib/actions/backupActions';

const result = await restoreBackupAction(backupId);

if (result.success) {
  console.log('Backup restored successfully');
  console.log('Records restored:', result.recordsRestored);
}
END
[ "$(cat out)" = 'Backup restored successfully
Records restored: 11' ] || fail "it was not restored"
[ "$(psql -c 'select count(*) from "StudentAttendance"')" = 11 ] || fail "the records did not come back"

# "Direct Service Usage", in one: a second backup, which goes again.
cat >direct.ts <<'END'
import { 
  createBackup, 
  restoreBackup, 
  listBackups, 
  deleteBackup 
} from '@/lib/utils/backup-service';

// Create backup
const result = await createBackup();

// List backups
const backups = await listBackups();

// Restore backup
const restoreResult = await restoreBackup(backupId);

// Delete backup
const deleteResult = await deleteBackup(backupId);
END
{ sed 's/restoreBackup(backupId)/restoreBackup(result.metadata.id)/; s/deleteBackup(backupId)/deleteBackup(result.metadata.id)/' direct.ts
    echo 'console.log(JSON.stringify({ result, backups, restoreResult, deleteResult }));'; } | run
json out 'lines[0]["result"]["success"] and len(lines[0]["backups"]) == 2 and lines[0]["backups"][1]["filename"] == "'"$file"'"'
json out 'lines[0]["restoreResult"] == {"success": True, "recordsRestored": 0} and lines[0]["deleteResult"]["success"]'

# "Encryption": every backup has an IV of its own.  "Authentication": what was changed is refused, and changes nothing.
status 0 erp create --as-user cuser1 --json
other=$(json_get out 'lines[0]["filename"]')
! cmp -s -n 16 "backups/$file" "backups/$other" || fail "two have one IV"
cp "backups/$other" kept
printf '\377' | dd of="backups/$other" bs=1 seek=40 conv=notrunc 2>/dev/null
cmp -s kept "backups/$other" && printf '\376' | dd of="backups/$other" bs=1 seek=40 conv=notrunc 2>/dev/null
run "backupId = '$other'" <<'END'
import { restoreBackupAction } from '@/lib/actions/backupActions';

console.log(JSON.stringify(await restoreBackupAction(backupId)));
END
json out 'lines[0]["success"] is False and lines[0]["error"]'

# "Troubleshooting": the file is gone; the disk is full, and nothing is left.
mv "backups/$other" kept
status 1 erp restore "$other" --import
has err 'Backup file not found on disk'
find backups -type f | sort >before
(trap '' XFSZ; ulimit -f 1; status 1 erp create) || exit 1
find backups -type f | sort | diff before - || fail "something was left"

# "Cloud Storage Integration", "Future Enhancements": a copy elsewhere, read back; selected tables.
mkdir copies
status 0 erp create --as-user cuser1 --tables users,students --to "$work/copies" --json
json out 'lines[0]["location"] == "BOTH" and list(lines[0]["tables"]) == ["users", "students"]'
copy=$(json_get out 'lines[0]["filename"]')
cmp "backups/$copy" "copies/$(echo "$copy" | tr '[:upper:]' '[:lower:]')" || fail "the copy is another file"

# "Delete a Backup"
run "backupId = '$id'" <<'END'
import { deleteBackupAction } from '@/lib/actions/backupActions';

const result = await deleteBackupAction(backupId);

if (result.success) {
  console.log('Backup deleted successfully');
}
END
has out 'Backup deleted successfully'
[ ! -e "backups/$file" ] || fail "it is still there"
[ "$(psql -c "select count(*) from \"Backup\" where id = '$id'")" = 0 ] || fail "its row is still there"
