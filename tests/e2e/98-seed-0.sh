#!/bin/sh
# The document of Main Private Files, section by section as it stands there, with holdfast in the place of backup_server.py.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"

# "Running the Server": ours, with its profile; other ports, and bundles as files too.
free_ports 2 >ports
read -r api port <ports
sed -e "s,/var/lib/holdfast,$work/state," -e "s,/srv/holdfast,$work/repository," -e "s,/etc/holdfast,$work," \
    -e "s/:8080/:$api/" -e "s/:8787/:$port/g" -e "s,bundle: {}$,bundle: {export: $work/backups}," \
    "$cases/../../deploy/profiles/main-private-files.yaml" >holdfast.yaml
chmod 600 holdfast.yaml
mkdir -m 700 backups
status 0 "$HOLDFAST" init -r repository --key-file main.key
status 0 "$HOLDFAST" key public --set private-files
start_service serve
wait_ready "$api"

# "Backup Endpoint": its request body, and the answer that stands below it.
cat >bundle.json <<'END'
{
  "timestamp": "2024-01-01T00:00:00.000Z",
  "version": "1.0.0",
  "data": {
    "users": [],
    "sessions": [],
    "firewall_state": {},
    "metadata": {}
  }
}
END
status 0 curl -sS -f -m 120 -X POST -H 'Content-Type: application/json' -d @bundle.json "http://localhost:$port/backup"
json out 'list(lines[0]) == ["status", "message", "filename", "timestamp", "size"]'
json out 'lines[0]["status"] == "success" and lines[0]["message"] == "Backup saved successfully"'
json out '__import__("re").fullmatch("[0-9]{8}_[0-9]{6}", lines[0]["timestamp"])
    and lines[0]["filename"] == "backup_" + lines[0]["timestamp"] + ".json"'
name=$(json_get out 'lines[0]["filename"]')
size=$(json_get out 'lines[0]["size"]')

# "Backup Storage": the file is there under that name, as the Python server writes it.
[ "$(stat -c %s "backups/$name")" = "$size" ] || fail "not $size bytes: $(ls -l backups)"
status 0 "$PYTHON" -c '
import json, sys
sys.exit(open(sys.argv[2]).read() != json.dumps(json.load(open(sys.argv[1])), indent=2))' bundle.json "backups/$name"

# "Python Tests": what the published ones look at, but that ours is running already and keeps what it has.
cat >test_backup_server.py <<'END'
import json, os, unittest, urllib.error, urllib.request

BUNDLE = {"timestamp": "2024-01-01T12:00:00.000Z", "version": "1.0.0",
          "data": {"users": ["alice", "bob"], "sessions": ["session_123"], "firewall_state": {"active": True}, "metadata": {"source": "test"}}}

def post(path):
    request = urllib.request.Request(os.environ["SERVER"] + path, json.dumps(BUNDLE).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.status, json.load(answer)

class TestBackupServer(unittest.TestCase):
    def test_a_backup_is_saved(self):
        status, answer = post("/backup")
        self.assertEqual((status, answer["status"]), (200, "success"))
        name = answer["filename"]
        self.assertTrue(name.startswith("backup_") and name.endswith(".json"))
        with open("backups/" + name, encoding="utf-8") as f:
            saved = json.load(f)
        self.assertEqual((saved["timestamp"], saved["version"], saved["data"]["users"]), (BUNDLE["timestamp"], BUNDLE["version"], ["alice", "bob"]))

    def test_another_path_is_not_found(self):
        with self.assertRaises(urllib.error.HTTPError) as refused:
            post("/invalid")
        self.assertEqual(refused.exception.code, 404)
END
status 0 env SERVER="http://localhost:$port" "$PYTHON" -m unittest -q test_backup_server

# "Installation", "Usage", "TypeScript Tests", "Integration Example": the client, built and run by the document's lines.
for program in node npm; do
    command -v $program >/dev/null || { echo "there is no $program" >&2; exit 77; }
done
npm ping >/dev/null 2>&1 || { echo "npm reaches no registry" >&2; exit 77; }
mkdir client
cp -r "$cases/../../clients/typescript/src" "$cases"/../../clients/typescript/*.json client
cd client
status 0 npm install --no-audit --no-fund
status 0 npm run build
status 0 npm test
status 0 node -e "require('./dist/backup').buildBundle().then((bundle) => console.log(JSON.stringify(bundle)))"
json out 'list(lines[0]) == ["timestamp", "version", "data"] and list(lines[0]["data"]) == ["users", "sessions", "firewall_state", "metadata"]'
ls ../backups >../before
# The address is the only thing in this line that is not the document's.
status 0 node -e "require('./dist/backup').backupToServer({ url: 'http://localhost:$port/backup' }).then(() => console.log('Backup completed'))"
has out 'Backup completed'
ls ../backups | diff ../before - | sed -n 's/^> //p' >../added
[ "$(wc -l <../added)" = 1 ] || fail "there are other files: $(ls ../backups)"
"$PYTHON" -c '
import json, sys
saved = json.load(open(sys.argv[1], encoding="utf-8"))
sys.exit(saved["data"]["metadata"]["source"] != "main-private-files")' "../backups/$(cat ../added)" || fail "the file is no bundle of the client"

# "Security Considerations", "Future Enhancements": encrypted where it is kept, verified, and only for who may.
cd ..
status 0 "$HOLDFAST" backup --set private-files
status 0 "$HOLDFAST" drill private-files
has out proven
stop_service
! grep -rqF session_123 state repository || fail "a bundle is kept in plain text"
sed -i 's/, without_token: true//' holdfast.yaml
start_service serve
wait_ready "$api"
answers 401 POST "$port" /backup "$(cat bundle.json)"
status 0 "$HOLDFAST" token add client --kind push --verb push --set private-files
# shellcheck disable=SC2034 # answers() sends it
token=$(grep -o 'hf_[A-Za-z0-9_-]*' out | head -1)
answers 200 POST "$port" /backup "$(cat bundle.json)"
json out 'lines[0]["status"] == "success"'
