#!/bin/sh
# The document of CFMS's backups, section by section as it stands there: a client of the server orders one, and the archive is what it says.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/cfms.sh
. "$cases/cfms.sh"

# "Standalone Test" wants two documents, a folder and two files.
mkdir app keys data
server fill app empty
rm -r app/content/files app/content/hello
mkdir -p app/content/backups app/content/files
server schema sqlite >schema.sql
printf 'the first content\n' >app/content/files/f1
printf 'the second content\n' >app/content/files/f2
"$PYTHON" - >records.sql <<'END'
import hashlib
print("INSERT INTO folders VALUES('folder1', 'Reports', 1234567890.5, NULL);")
print("INSERT INTO folder_access_rules(access_type, folder_id, rule_data) VALUES('read', 'folder1', '{\"match\": \"any\"}');")
for i, content in (("1", b"the first content\n"), ("2", b"the second content\n")):
    print(f"INSERT INTO files VALUES('f{i}', '{hashlib.sha256(content).hexdigest()}', './content/files/f{i}', 1234567890.5, 1);")
    print(f"INSERT INTO documents VALUES('doc{i}', 'Document {i}', 1234567890.5, 'folder1');")
    print(f"INSERT INTO document_revisions(document_id, file_id, created_time) VALUES('doc{i}', 'f{i}', 1234567890.5);")
print("INSERT INTO document_access_rules(access_type, document_id, rule_data) VALUES('read', 'doc1', '{\"match\": \"any\"}');")
END
server sqlite app/app.db schema.sql app/data.sql records.sql
make_repository
configure app
start
let_in

# "Via WebSocket Client": the program as it stands, but for its port; with its own library where that is new enough.
cat >example.py <<'END'
import json
import ssl
from websockets.sync.client import connect

ssl_context = ssl.create_default_context()
ssl_context.check_hostname = False
ssl_context.verify_mode = ssl.CERT_NONE

with connect("wss://localhost:5104", ssl=ssl_context) as websocket:
    # Login first
    login_request = {
        "action": "login",
        "data": {
            "username": "admin",
            "password": "your_password"
        }
    }
    websocket.send(json.dumps(login_request))
    login_response = json.loads(websocket.recv())
    token = login_response["data"]["token"]
    
    # Generate backup
    backup_request = {
        "action": "generate_backup",
        "data": {
            "backup_name": "my_backup"
        },
        "username": "admin",
        "token": token
    }
    websocket.send(json.dumps(backup_request))
    backup_response = json.loads(websocket.recv())
    
    print(f"Backup created at: {backup_response['data']['archive_path']}")
END
sed "s/:5104/:$port/" example.py >here.py
"$PYTHON" -c 'import websockets.sync.client' 2>/dev/null || "$PYTHON" "$cases/cfms_socket.py" library library
status 0 env PYTHONPATH="$work/library" "$PYTHON" here.py
has out 'Backup created at: ./content/backups/my_backup.cfms.enc'

# "Archive Format", "Encryption": read by other people's code.  "Key Storage": keys lie apart, in a folder of their own.
[ ! -e app/content/backups/my_backup.key ] || fail "the key lies beside its archive"
server read app/content/backups/my_backup.cfms.enc keys/my_backup.key tree
[ "$(cd tree && find . -type f | sort | tr '\n' ' ')" = './documents.json ./files.json ./files/f1 ./files/f2 ./folders.json ./metadata.json ' ] ||
    fail "the archive holds $(find tree)"
same tree/files app/content/files
"$PYTHON" - <<'END' || fail "the archive is not as the document says"
import json
def read(name):
    with open(name, encoding="utf-8") as f:
        return json.load(f)
metadata, documents, folders, files, key = (read(n) for n in ("tree/metadata.json", "tree/documents.json", "tree/folders.json", "tree/files.json",
                                                               "keys/my_backup.key"))
assert metadata["version"] == "1.0" and isinstance(metadata["created_at"], float), metadata
assert [metadata[n] for n in ("documents_count", "folders_count", "files_count")] == [2, 1, 2], metadata
assert [(d["id"], len(d["revisions"]), len(d["access_rules"])) for d in documents] == [("doc1", 1, 1), ("doc2", 1, 0)], documents
assert [(f["id"], len(f["access_rules"])) for f in folders] == [("folder1", 1)], folders
assert all({"id", "path", "sha256", "created_time"} <= set(f) for f in files), files
assert len(bytes.fromhex(key["key"])) == 32 and key["algorithm"] == "AES-256-CBC" and key["backup_name"] == "my_backup" and key["created_at"], key
END

# "Request Format" and both forms of "Response Format"; a name is optional, and what is there already is not replaced.
talk 'with Client(PORT) as c:
    me = admin(c)
    request = {"action": "generate_backup", "data": {"backup_name": "optional_custom_name"}, "username": "admin", "token": me["token"]}
    c.send(json.dumps(request))
    answer = json.loads(c.recv())
    assert answer["code"] == 200 and answer["message"].lower() == "success", answer
    data = answer["data"]
    assert list(data) == ["archive_path", "key_path", "metadata"], data
    assert data["archive_path"] == "./content/backups/optional_custom_name.cfms.enc", data
    assert data["key_path"] == os.getcwd() + "/keys/optional_custom_name.key", data # the document: beside the archive
    assert list(data["metadata"]) == ["version", "created_at", "documents_count", "folders_count", "files_count"], data
    names = {c.ask("generate_backup", {}, **me)["data"]["archive_path"] for _ in range(3)} # also within one second
    assert len(names) == 3, names
    c.send(json.dumps(request))
    answer = json.loads(c.recv())
    assert answer["code"] == 409 and answer["message"] == "Failed to generate backup" and list(answer["data"])[0] == "error", answer
    os.rename("app/app.db", "away.db")
    answer = c.ask("generate_backup", {}, **me)
    os.rename("away.db", "app/app.db")
    assert answer["code"] == 500 and answer["message"] == "Failed to generate backup" and list(answer["data"])[0] == "error", answer'

# "Permission Required", "Security Considerations": nobody else.
status 0 "$HOLDFAST" user add eve --role manager --new-password-file password
catalog "UPDATE users SET must_change = 0"
talk 'with Client(PORT) as c:
    eve = login(c, "eve", PASSWORD)
    assert c.ask("generate_backup", {"backup_name": "eves"}, **eve)["code"] == 403
    assert c.ask("generate_backup", {"backup_name": "nobodys"})["code"] == 401'
[ -z "$(find app keys -name 'eves*' -o -name 'nobodys*')" ] || fail "somebody else got a backup"
stop_service

# "Programmatic Usage", "Expected Output": from a program it is a command, which says the same.
status 0 "$HOLDFAST" cfms export --database app/app.db --content-dir app/content --output-dir app/content/backups --key-dir keys --name manual_backup --json
json out 'lines[-1]["archive_path"] == "app/content/backups/manual_backup.cfms.enc" and lines[-1]["key_path"] == "keys/manual_backup.key"'
json out '[lines[-1]["metadata"][n] for n in ("version", "documents_count", "folders_count", "files_count")] == ["1.0", 2, 1, 2]'

# "Error Handling": a file that is not there is told, and the backup goes on.
mv app/content/files/f2 aside
status 3 "$HOLDFAST" cfms export --database app/app.db --content-dir app/content --output-dir app/content/backups --key-dir keys --name holes
has err f2
server read app/content/backups/holes.cfms.enc keys/holes.key holes
[ "$(ls holes/files)" = f1 ] || fail "the archive has $(ls holes/files)"

# "Future Enhancements": restored on another server, verified before it changes anything, and into a set, whose snapshots share what they have.
mkdir -p new/content
server sqlite new/app.db schema.sql app/data.sql
status 0 "$HOLDFAST" cfms import app/content/backups/my_backup.cfms.enc --archive-key-file keys/my_backup.key --database new/app.db --content-dir new/content
server rows new/app.db | grep -c . >got
server rows app/app.db | grep -c . >wanted
cmp got wanted || fail "$(cat got) records instead of $(cat wanted)"
mv aside app/content/files/f2
same app/content/files new/content/restore/files
status 0 "$HOLDFAST" import app/content/backups/my_backup.cfms.enc --archive-key-file keys/my_backup.key --set shop
status 0 "$HOLDFAST" check --read-data
