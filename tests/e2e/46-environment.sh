#!/bin/sh
# Values of variables that may be secrets stand in no process's /proc/PID/environ, and are found all the same.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

make_repository
cat >child <<'END'
#!/bin/sh
tr '\0' '\n' </proc/$PPID/environ | sed 's/^/parent: /'
sed 's/^/own: /' <<-LINES
	$PGPASSWORD
	$PLAIN
LINES
END
chmod +x child
status 0 env PGPASSWORD=canary-1 AWS_SECRET_ACCESS_KEY=canary-2 DATABASE_URL=canary-3 BACKUP_ENCRYPTION_KEY=canary-4 \
    PLAIN=visible "$HOLDFAST" backup --stdin-from-command --stdin-filename seen -- ./child
status 0 "$HOLDFAST" dump latest /seen
has out 'parent: PLAIN=visible'
has out 'parent: PGPASSWORD='
lacks out 'parent: PGPASSWORD=c'
lacks out canary-2
lacks out canary-3
lacks out canary-4
has out 'own: canary-1'
