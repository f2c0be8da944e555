# shellcheck shell=sh
# Read by cases about clients of CFMS: its application, and the service with a listener for them.
# shellcheck disable=SC2154 # lib.sh sets work
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"

free_ports 2 >ports
read -r api port <ports
server() { "$PYTHON" "$cases/cfms_server.py" "$@"; }
# Lines of "rows", with JSON as it comes back from a database: other white space.
normal() { "$PYTHON" -c 'import sys
print("".join(sorted(line.replace("\": ", "\":").replace(", ", ",") for line in open(sys.argv[1], encoding="utf-8"))), end="")' "$1"; }
# configure APP [LINE]: holdfast.yaml, with APP/content and the database APP/app.db, or the one of dsn; LINE goes with them.
dsn=''
configure() {
    where="database: $work/$1/app.db"
    [ -z "$dsn" ] || where="dsn: \"$dsn\""
    put_config <<END
sets:
  shop: {repositories: [main], sources: [{files: {paths: [$work/data]}}]}
serve:
  listen: ["127.0.0.1:$api"]
  tls: {self_signed: true}
  compat:
    cfms:
      listen: ["127.0.0.1:$port"]
      $where
      content_dir: $work/$1/content
      output_dir: $work/$1/content/backups
      key_dir: $work/keys
      ${2-}
END
}
start() {
    start_service serve
    until_true 120 service_says 'clients of CFMS are served on wss://'
}

# catalog SQL [VALUE...]: rows of what the service remembers.
catalog() {
    "$PYTHON" -c 'import sqlite3, sys
with sqlite3.connect("state/catalog.db", timeout=60) as db:
    print(*db.execute(*sys.argv[1:2], sys.argv[2:]).fetchall(), sep="\n")' "$@"
}
# admin has the published example's password, and needs no second factor; who else is there need not change his.
let_in() {
    printf 'your_password\n' >password
    status 0 "$HOLDFAST" user passwd admin --new-password-file password
    catalog "INSERT INTO settings (name, value, category, updated_ns) VALUES ('identity.totp', 'voluntary', 'identity', 0)"
    catalog "UPDATE users SET must_change = 0"
}

# talk PROGRAM: Python with a client, and who is the admin.
pace=0 # seconds before each text
talk() {
    "$PYTHON" -W ignore -c "import sys
sys.path.insert(0, '$cases')
from cfms_socket import *
Client.pace = $pace
PORT, PASSWORD = $port, 'your_password'
def admin(client, name='admin'):
    return login(client, name, PASSWORD)
$1" >"$work/out" 2>"$work/err" || fail "it does not answer so: $(tail -3 "$work/err")"
}
