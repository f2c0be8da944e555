#!/bin/sh
# Archives into CFMS over WebSocket: announced, uploaded, started, looked at; what is wrong is refused, and a kill leaves the database whole.
# shellcheck disable=SC2154,SC2034 # lib.sh sets work; talk() reads pace
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/cfms.sh
. "$cases/cfms.sh"

mkdir old keys data
server fill old
server schema sqlite >schema.sql
server sqlite old/app.db schema.sql old/data.sql
echo "DELETE FROM files WHERE id = 'unused';" >unused.sql
server sqlite old/app.db unused.sql
server rows old/app.db >wanted
status 0 "$HOLDFAST" cfms export --database old/app.db --content-dir old/content --output-dir . --key-dir . --name ours
server read ours.cfms.enc ours.key tree
server write tree theirs.cfms.enc theirs.key # as the application does, without a MAC
fresh() {
    rm -rf new
    mkdir -p new/content/backups
    server fill new empty
    rm -r new/content/files new/content/hello
    server sqlite new/app.db schema.sql new/data.sql
}
fresh
make_repository
pace=0.11
# nothing_changed: the database and its folder are as fresh ones.
nothing_changed() {
    server rows new/app.db >rows
    [ "$(cat rows)" = '' ] || fail "something came into the database"
    [ -z "$(find new/content -type f)" ] || fail "contents were left"
}
no_uploads() { [ -z "$(find state/cfms -type f ! -name task)" ]; }

configure new "remap: false"
start
let_in
status 0 "$HOLDFAST" user add root --role super_admin --new-password-file password
status 0 "$HOLDFAST" user add eve --role manager --new-password-file password
catalog "UPDATE users SET must_change = 0"

# Who may, and what is asked in a wrong way or order.
talk 'with Client(PORT) as c, Client(PORT) as other:
    me, root, eve = admin(c), admin(other, "root"), admin(c, "eve")
    for action, data in (("initiate_backup_import", {}), ("start_backup_import", {"backup_task_id": "x"}),
                         ("get_backup_import_status", {"backup_task_id": "x"}), ("register_listener", {})):
        assert c.ask(action, data)["code"] == 401
        answer = c.ask(action, data, **eve)
        assert (answer["code"], answer["message"]) == (403, "Access denied"), answer
    for data, keyword in (({"timeout_seconds": 59}, "minimum"), ({"timeout_seconds": 3601}, "maximum"), ({"timeout_seconds": "60"}, "type")):
        answer = c.ask("initiate_backup_import", data, **me)
        assert answer["code"] == 400 and answer["data"]["validator"] == keyword, answer
    for action in ("start_backup_import", "get_backup_import_status"):
        for name in ("0" * 64, "../../etc", "x"):
            answer = c.ask(action, {"backup_task_id": name}, **me)
            assert (answer["code"], answer["message"]) == (404, "Backup task not found"), answer
    for name in ("0" * 64, "../../etc/passwd"):
        answer = c.ask("upload_file", {"task_id": name})
        assert (answer["code"], answer["message"]) == (404, "Task not found"), answer
    task = initiate(c, me)
    id = {"backup_task_id": task["backup_task_id"]}
    answer = c.ask("get_backup_import_status", id, **me)
    assert list(answer["data"]) == ["backup_task_id", "status", "current_step", "progress_percent", "documents_count", "folders_count",
                                    "files_count", "created_time", "started_time", "completed_time", "error_message"], answer
    assert answer["data"]["status"] == "pending" and answer["data"]["started_time"] is None, answer
    answer = other.ask("get_backup_import_status", id, **root)
    assert (answer["code"], answer["message"]) == (403, "Access denied"), answer
    answer = other.ask("start_backup_import", id, **root)
    assert (answer["code"], answer["message"]) == (403, "Not your backup task"), answer
    answer = c.ask("start_backup_import", id, **me)
    assert (answer["code"], answer["message"]) == (400, "Archive file not uploaded"), answer
    # Uploads that are short, long, of another sum, empty, too large, or announced in another way.
    content = os.urandom(20000)
    archive = task["archive_task_id"]
    for size in (19999, 20001, 100):
        answer = upload(c, archive, content, size=size)
        assert (answer["code"], answer["message"]) == (400, f"File size mismatch: expected {size}, got 20000"), answer
    answer = upload(c, archive, content, sha256="00" * 32)
    assert answer["code"] == 400 and answer["message"].startswith("SHA256 mismatch: expected 0000"), answer
    announce(c, archive, 0)
    assert c.recv() == "stop"
    announce(c, archive, 1 << 40)
    answer = json.loads(c.recv())
    assert (answer["code"], answer["message"]) == (400, "File is too large"), answer
    for data in ({}, {"file_size": -1}, {"file_size": "5"}, {"file_size": 5, "sha256": "no"}, {"file_size": 5, "name": "x"}):
        c.send(json.dumps({"action": "upload_file", "data": {"task_id": archive}}))
        c.recv()
        c.send(json.dumps({"action": "transfer_file", "data": data}))
        answer = json.loads(c.recv())
        assert (answer["code"], answer["message"]) == (400, "Invalid request for file transfer"), answer
    # Two at a time; a text where bytes are due; gone in the middle.
    announce(other, archive, 100000)
    assert other.recv() == "ready"
    other.send(bytes(9000))
    answer = c.ask("upload_file", {"task_id": archive})
    assert (answer["code"], answer["message"]) == (400, "Task is not in a valid state for upload"), answer
    other.send("text")
    assert other.close_code() == 1008
    gone = Client(PORT)
    announce(gone, archive, 100000)
    assert gone.recv() == "ready"
    gone.send(bytes(9000))
    gone.cut()
    until = time.monotonic() + 30
    while (answer := c.ask("upload_file", {"task_id": archive})).get("code") == 400:
        assert time.monotonic() < until, answer
        time.sleep(0.3)
    c.send("{}")
    assert json.loads(c.recv())["code"] == 400
    # A whole one whose last frame is full, with an empty one behind; then it is there.
    answer = upload(c, archive, os.urandom(16384))
    assert answer["code"] == 200, answer
    answer = c.ask("upload_file", {"task_id": archive})
    assert (answer["code"], answer["message"]) == (400, "Task is not in a valid state for upload"), answer
    answer = c.ask("start_backup_import", id, **me)
    assert (answer["code"], answer["message"]) == (400, "Key file not uploaded"), answer
    open("pending", "w").write(json.dumps(task))'
[ "$(find state/cfms -type f ! -name task | wc -l)" = 1 ] || fail "there are other uploads: $(find state/cfms)"
[ -z "$(find state/cfms -perm /077)" ] || fail "others may read uploads"
nothing_changed

# All of it: records and contents are those of the old server; who listens is told; nothing of the uploads is kept.
talk 'with Client(PORT) as c, Client(PORT) as ear:
    me = admin(c)
    answer = ear.ask("register_listener", {}, **me)
    assert answer["code"] == 200, answer
    task = bring(c, me, "ours")
    answer = c.ask("start_backup_import", {"backup_task_id": task}, **me)
    assert (answer["code"], answer["message"]) == (400, "Backup task already in processing state"), answer
    data = follow(c, me, task)
    assert data["status"] == "completed" and data["progress_percent"] == 100 and data["current_step"] == "Restore completed", data
    assert (data["documents_count"], data["folders_count"], data["files_count"], data["error_message"]) == (5, 2, 5, None), data
    told = ear.recv()
    assert isinstance(told, bytes), told
    told = json.loads(told)
    assert told == {"action": "backup_import_completed", "data": {"backup_task_id": task, "status": "success", "documents_imported": 5,
                    "folders_imported": 2, "files_imported": 5, "error": None}}, told'
came_in() {
    server rows new/app.db >got
    normal wanted >wanted.n
    normal got >got.n
    cmp wanted.n got.n || fail "the records are others"
    [ "$(find new/content -type f | wc -l)" = 5 ] || fail "there are other contents"
}
came_in
[ "$(find state/cfms -type f ! -name task | wc -l)" = 1 ] || fail "uploads were kept: $(find state/cfms)" # that of "pending"

# What is taken already, what proves nothing, and a key of something else come in not at all, and are not said to.
talk 'with Client(PORT) as c:
    me = admin(c)
    data = follow(c, me, bring(c, me, "ours"))
    assert data["status"] == "failed" and "nothing was changed" in data["error_message"] and data["documents_count"] == 0, data
    assert data["job"] and "/" not in data["error_message"], data'
came_in
fresh
talk 'with Client(PORT) as c:
    me = admin(c)
    for name, key in (("theirs", "theirs"), ("ours", "theirs")):
        data = follow(c, me, bring(c, me, name, key))
        assert data["status"] == "failed" and data["error_message"] == "The import failed. The record of the job says why", data'
nothing_changed
stop_service
configure new "allow_unauthenticated: true"
# One whose time is over cannot be started, takes nothing more, and what it had is removed.
"$PYTHON" -c 'import json
task = json.load(open("pending"))
name = "state/cfms/" + task["backup_task_id"] + "/task"
said = json.load(open(name))
said["until"] = said["created"] + 1
json.dump(said, open(name, "w"))'
start
talk 'task = json.load(open("pending"))
id = {"backup_task_id": task["backup_task_id"]}
with Client(PORT) as c:
    me = admin(c)
    answer = c.ask("get_backup_import_status", id, **me)
    assert (answer["data"]["status"], answer["data"]["error_message"]) == ("timeout", "Backup import timed out"), answer
    answer = c.ask("start_backup_import", id, **me)
    assert (answer["code"], answer["message"]) == (408, "Backup import timed out"), answer
    answer = c.ask("upload_file", {"task_id": task["key_task_id"]})
    assert (answer["code"], answer["message"]) == (400, "Task is either not started yet or has already ended"), answer'
until_true 10 no_uploads
talk 'with Client(PORT) as c:
    me = admin(c)
    data = follow(c, me, bring(c, me, "theirs"))
    assert data["status"] == "completed", data'
came_in

# Killed while an import is under way: it is all in or not at all, and the next service knows which.
fresh
talk 'with Client(PORT) as c:
    me = admin(c)
    open("task", "w").write(bring(c, me, "ours"))'
kill_service
server rows new/app.db >got
[ ! -s got ] || { normal wanted >wanted.n; normal got >got.n; cmp wanted.n got.n || fail "a part of it came in"; }
start
talk 'with Client(PORT) as c:
    me = admin(c)
    data = follow(c, me, open("task").read())
    open("said", "w").write(data["status"])'
[ "$(cat said)" = completed ] || fail "it ended as $(cat said)"
came_in
status 0 "$HOLDFAST" audit list --json
has out '"start_backup_import"'
stop_service
lacks service.out your_password
