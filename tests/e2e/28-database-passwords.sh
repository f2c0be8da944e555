#!/bin/sh
# The password of a PostgreSQL database: every way to give it opens the database, also for the programs that
# a backup runs, and no process ever shows it.
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

server='' watcher=''
start_postgres shop
at_end() { [ -z "$watcher" ] || kill "$watcher" 2>/dev/null || true; }
# Known to this shell and to files only: an argument would be seen.
secret=canary-$(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' \n')
printf '%s\n' "$secret" >password
chmod 600 password
printf "create role ann superuser login password '%s';\n" "$secret" >role.sql
psql -f role.sql
psql -c "create table item as select i, md5(i::text) as name from generate_series(1, 50000) i; select lo_from_bytea(0, 'x')" >/dev/null
sed 's/^/#/' "$server/data/pg_hba.conf" >hba
{ echo 'local all ann scram-sha-256' && echo 'local all all trust'; } >>hba
cat hba >"$server/data/pg_hba.conf"
psql -c 'select pg_reload_conf()' >/dev/null
printf '%s:*:*:ann:%s\n' "$server" "$secret" >passfile
printf '[shop]\nhost=%s\nuser=ann\ndbname=shop\npassword=%s\n' "$server" "$secret" >services
printf 'wrong-%s\n' "$secret" >wrong
chmod 600 passfile services wrong
printf '#!/bin/sh\ncat %s/password\n' "$PWD" >tell
chmod +x tell

source_of() {
    cat <<YAML
  $1:
    sources:
      - postgres: { name: shop, dsn: "${3:-host=$server user=ann dbname=shop}", globals: true$2 }
    repositories: [main]
YAML
}
{
    printf 'state: %s/state\nrepositories:\n  main: { url: %s/repo, key_file: %s/key }\nsets:\n' "$PWD" "$PWD" "$PWD"
    source_of file ", password_file: $PWD/password"
    source_of command ", password_command: [$PWD/tell]"
    source_of none ''
    source_of wrong ", password_file: $PWD/wrong"
    source_of missing ", password_file: $PWD/nowhere"
    source_of failing ', password_command: ["/bin/false"]'
    source_of service '' service=shop
    source_of passfile '' "host=$server user=ann dbname=shop passfile=$PWD/passfile"
} >holdfast.yaml
chmod 600 holdfast.yaml
make_repository
export PGSERVICEFILE="$PWD/services"

cat >watch.py <<'END'
"""Look for a word in what every process shows of itself, until the folder has a file "over"."""
import glob, os, sys
word = open("password", "rb").read().strip()
looks = programs = found = 0
while not os.path.exists("over"):
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as f:
                text = f.read()
        except OSError:
            continue
        looks += 1
        programs += b"--section=" in text or b"--globals-only" in text
        found += word in text
        if found == 1 and word in text:
            open("spotted", "w").close()
    if not os.path.exists("watching"):
        open("watching", "w").close()
print(looks, programs, found, file=open("seen", "w"))
END
watch() {
    rm -f over watching
    "$PYTHON" watch.py &
    watcher=$!
    until_true 60 test -e watching
}
# seen: how often in what was looked at a program of PostgreSQL was, and how often the word.
seen() {
    touch over
    wait "$watcher"
    # shellcheck disable=SC2046
    set -- $(cat seen)
    looks=$1 programs=$2 found=$3
}
# The watcher is not blind.
watch
env CANARY="$secret" sleep 60 &
canary=$!
until_true 50 test -e spotted
kill "$canary"
seen

watch
for set in file command passfile service; do
    status 0 "$HOLDFAST" backup --set "$set" --json
    cat out err >>told
done
status 0 env PGPASSFILE="$PWD/passfile" "$HOLDFAST" -v backup --set none
cat out err >>told
status 0 "$HOLDFAST" restore latest:/postgres/shop --into copy --dsn "host=$server user=ann dbname=postgres" \
    --dsn-password-file password
status 0 env PGPASSFILE="$PWD/passfile" "$HOLDFAST" restore latest:/postgres/shop --into other \
    --dsn "host=$server user=ann dbname=postgres"
seen
[ "$found" = 0 ] || fail "the password was seen $found times"
[ "$programs" -ge 1 ] || fail "no program was seen in $looks looks"

status 1 "$HOLDFAST" backup --set wrong
has err 'password authentication failed for user "ann"'
lacks err "$secret"
status 1 "$HOLDFAST" backup --set none
has err 'no password supplied'
status 2 "$HOLDFAST" backup --set missing
has err "$PWD/nowhere"
status 2 "$HOLDFAST" backup --set failing
has err '/bin/false'
status 0 "$HOLDFAST" snapshots --json
json out 'len(lines[0]) == 5'
status 0 "$HOLDFAST" config show
lacks out "$secret"
! grep -rqF "$secret" told repo "$server/log" || fail "something holds the password"
echo "$looks looks, $programs at programs: no password"
