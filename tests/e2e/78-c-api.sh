#!/bin/sh
# libholdfast.so: the examples in C and Python do the work, against a real database; other symbols are hidden.
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"

root=$(dirname "$(dirname "$cases")")
library=$(dirname "$(readlink -f "$HOLDFAST")")/api
cc=${CC:-cc}
for program in "$cc" nm readelf; do
    command -v "$program" >/dev/null || exit 77
done

# What is seen from outside.
nm -D --defined-only "$library/libholdfast.so.0" | sed -n 's/.* [A-Z] //p' | sort >symbols
cat >wanted <<'END'
hf_backup_create
hf_backup_delete
hf_backup_list
hf_backup_restore
hf_close
hf_open
END
cmp wanted symbols || fail "the library shows other symbols: $(cat symbols)"
readelf -d "$library/libholdfast.so.0" >dynamic
grep -qF 'Library soname: [libholdfast.so.0]' dynamic || fail "another soname"

# The header by itself, as C and as C++ where there is a compiler for that, and the example.
status 0 "$cc" -std=c99 -Wall -Wextra -Wpedantic -Werror -I"$root/include" -o backup "$root/examples/backup.c" -L"$library" -l:libholdfast.so.0
if command -v c++ >/dev/null; then
    echo '#include <holdfast.h>' >one.cc
    status 0 c++ -Wall -Wextra -Werror -I"$root/include" -fsyntax-only one.cc
fi

export LD_LIBRARY_PATH="$library" HOLDFAST_LIBRARY="$library/libholdfast.so.0"
example() { "$PYTHON" "$root/examples/backup.py" "$@"; }
unset DATABASE_URL BACKUP_ENCRYPTION_KEY BACKUP_DIR BACKUP_USER

# What makes no sense is an error with a code and a sentence, not the end of the process.
status 1 ./backup
has err 'error 6: no folder'
export BACKUP_DIR="$PWD/backups"
status 1 ./backup
has err 'error 6: a backup takes an encryption key'
BACKUP_ENCRYPTION_KEY=12 status 1 ./backup
has err 'error 6: Encryption key must be 64 hex characters'
BACKUP_ENCRYPTION_KEY=$(printf 'a1%.0s' $(seq 32))
export BACKUP_ENCRYPTION_KEY
DATABASE_URL="host=$PWD dbname=none" status 1 ./backup
has err 'error 5: '
status 1 example restore ../backup
has err 'error 6: Invalid backup ID'
status 1 env BACKUP_DIR="$PWD/nowhere" "$PYTHON" "$root/examples/backup.py" list
has err 'error 1: '

dsn=''
start_postgres school
psql -f "$cases/samples/school.sql"
export DATABASE_URL="$dsn" BACKUP_USER=cuser1
status 0 ./backup
has out 'made '
has out ': 72 records, '
has out 'wrote 0'
has out 'deleted'
lacks out 'was not told'
[ "$(psql -c "select string_agg(action::text, ',' order by \"timestamp\") from audit_logs where resource = 'backup'")" = 'CREATE,DELETE' ] ||
    fail "the database does not know"
DATABASE_URL='postgresql://u@localhost/x?schema=y' status 1 ./backup
has err 'schema other than public'
BACKUP_ENCRYPTION_KEY=$(printf '0123456789abcdef%.0s' 1 2 3 4) status 1 ./backup
has err 'error 4: '

# From Python, and with the command on the same folder.
status 0 example create users academicYears classes
file=$(cut -d' ' -f1 out)
status 0 example list
has out "$file "
has out ' readable'
status 0 "$HOLDFAST" school-erp restore "$file"
has out 'academicYears: 0 to insert, 1 there already'
psql -c "update \"User\" set phone = '1' where id = 'cuser3'; delete from \"StudentAttendance\"; delete from \"ClassSection\";
    delete from \"Class\"; delete from \"AcademicYear\""
status 0 example restore "$file"
has out '42 0 0'
[ "$(psql -c 'select count(*) from "Class"')" = 0 ] || fail "looking has written"
psql -c 'alter table "Class" add check (name <> '"'7')"
status 1 example restore --import "$file"
has err 'table Class: row 1'
[ "$(psql -c 'select count(*) from "AcademicYear"')" = 0 ] || fail "a restore that failed has written"
status 0 example restore --import --skip-failures "$file"
has out 'classes: cclass: '
has out '42 2 1'
BACKUP_ENCRYPTION_KEY=$(printf 'b2%.0s' $(seq 32)) status 1 example restore --import "$file"
has err 'error 3: '
status 0 example delete "$file"
has out 'deleted'
status 1 example delete "$file"
has err 'error 1: File not found or could not be deleted'
