#!/bin/sh
# A configuration of the API backs up what the owner of the host has opened to it: databases of servers by name, SQLite, folders.
# shellcheck disable=SC2154,SC2034 # lib.sh sets work and server, and reads token
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

start_postgres shop
psql -c 'CREATE DATABASE crm'
"$bin/psql" -X -q -d "host=$server user=postgres dbname=crm" -c 'CREATE TABLE people AS SELECT 1 AS id'
secret=cHb9-canary-kT4
psql -c "CREATE ROLE ann SUPERUSER LOGIN PASSWORD '$secret'"
{ echo 'local all ann scram-sha-256' && echo 'local all all trust'; } >hba
cat hba >"$server/data/pg_hba.conf"
psql -c 'select pg_reload_conf()' >/dev/null
port=$(free_ports 1)
make_repository
mkdir -p apps/files elsewhere disk own
echo one >apps/files/one
echo two >apps/files/two.tmp
echo other >elsewhere/secret
"$PYTHON" -c 'import sqlite3; db = sqlite3.connect("apps/app.db"); db.execute("CREATE TABLE t AS SELECT 1 AS a"); db.commit()'
echo "$secret" >server.password
chmod 600 server.password

put_config <<YAML
sets:
  own: {repositories: [main], sources: [{files: {paths: [$work/own]}}]}
serve:
  listen: ["127.0.0.1:$port"]
  compat:
    pos:
      key_file: $HOLDFAST_KEY_FILE
      roots: [$work/disk]
      source_roots: [$work/apps]
      servers:
        local: {dsn: "host=$server user=ann", password_file: $work/server.password}
        shop: {dsn: "host=$server user=postgres dbname=shop"}
YAML
start_service serve
wait_ready "$port"
"$HOLDFAST" token add test --role admin --verb '*' --set '*' | head -1 >token.txt
read -r token <token.txt

# config SOURCES: a configuration of these.
config() {
    printf '{"id": "apps", "name": "apps", "type": "full", "schedule": "0 2 1 1 *", "enabled": true,
"retention": {"daily": 7, "weekly": 4, "monthly": 6}, "destinations": [{"type": "local", "config": {"path": "%s/disk/apps"}}],
"sources": [%s]}' "$work" "$1"
}
postgres() { printf '{"type": "postgres", "config": %s}' "$1"; }
sqlite() { printf '{"type": "sqlite", "config": {"path": "%s"}}' "$1"; }
files() { printf '{"type": "files", "config": {"paths": ["%s"], "exclude": ["*.tmp"]}}' "$1"; }

# What may be named is told, and neither where it is nor what opens it.
answers 200 GET "$port" /api/v1/source-places
has out "{\"servers\":[{\"name\":\"local\",\"database\":null},{\"name\":\"shop\",\"database\":\"shop\"}],\"folders\":[\"$work/apps\"]}"

# What was not opened is refused with its place, whoever asks.
refused() {
    answers 400 POST "$port" /api/backup/configs "$(config "$1")"
    has out "{\"error\":\"sources[0].$2"
}
refused "$(sqlite "$work/elsewhere/app.db")" 'config.path: lies outside'
refused "$(files "$work/apps/../elsewhere")" 'config.paths[0]: goes through'
refused "$(postgres '{"server": "elsewhere"}')" 'config.server: this host knows no server'
refused "$(postgres '{"server": "shop", "database": "crm"}')" 'config.database: the server shop is allowed'
refused "$(postgres '{"server": "local", "database": "crm host=127.0.0.1"}')" 'config.database: must be letters'
refused "$(postgres '{"server": "local", "password_command": ["/bin/sh"]}')" 'config.password_command: unknown field'
refused '{"type": "command", "name": "x", "config": {"argv": ["/bin/sh"]}}' 'type: a command would run with the rights of the service'
answers 200 GET "$port" /api/backup/configs
has out '{"configs":[]}'

# A trial connects before anything is saved, and says which source fails without its address.
answers 500 POST "$port" /api/backup/configs/test "$(config "$(postgres '{"server": "local", "database": "nothing"}')")"
has out 'nothing'
sources="$(postgres '{"server": "local", "database": "crm"}'), $(postgres '{"server": "shop"}'), $(sqlite "$work/apps/app.db"), $(files "$work/apps/files")"
answers 200 POST "$port" /api/backup/configs/test "$(config "$sources")"
has out 'Backup configuration test passed'

# Saved it is backed up: exactly these.
answers 200 POST "$port" /api/backup/configs "$(config "$sources")"
answers 200 POST "$port" /api/backup/create '{"configId": "apps"}'
has out '{"success":true'
status 0 "$HOLDFAST" ls latest -r "$work/disk/apps" --key-file "$HOLDFAST_KEY_FILE"
has out '/postgres/crm'
has out '/postgres/shop'
has out '/sqlite/app.db'
has out "/files$work/apps/files/one"
! grep -q 'two.tmp\|secret' out || fail 'more was backed up than was asked for'
! grep -rq "$secret" state || fail 'the password stands in the state folder'

# A link that leads out afterwards is not followed: the job looks again.
mv apps/files apps/files.away
ln -s "$work/elsewhere" apps/files
answers 500 POST "$port" /api/backup/create '{"configId": "apps"}'
has out 'a symbolic link leads out of the folders that are allowed for sources'
rm apps/files
mv apps/files.away apps/files
answers 200 POST "$port" /api/backup/create '{"configId": "apps"}'
has out '{"success":true'

stop_service
