"""The routes of WireGuard Gateway: who may, what they answer, and how often a backup is made.

Stands in for the commands: identity_service.c.  Jobs are ended here, by hand.
"""

import json
import os
import threading
import time
import unittest

import rig
from api_case import CONTRACT, Case, Client, form, part

ID = 4 * "0123456789abcdef"
ZIP = b"PK\n\0PK\n\0"


class Gateway(Case):
    house_of = ("gateway",)

    def setUp(self):
        self.house.sql("UPDATE jobs SET state = 'done'")
        self.house.sql("DELETE FROM runs")

    def get(self, path, client=None, **headers):
        return (client or self.boss).ask("GET", "/system/" + path, None, headers)

    def job(self):
        end = time.monotonic() + rig.END_S
        while time.monotonic() < end:
            rows = self.house.sql("SELECT id, run_id, arguments, set_name, kind FROM jobs WHERE state = 'queued'")
            if rows:
                return rows[0]
            time.sleep(0.02)
        self.fail("there is no job")

    def back_up(self, state, client=None):
        """The answer to a request whose job ends so."""
        answers = []
        asking = threading.Thread(target=lambda: answers.append(self.get("backup", client)))
        asking.start()
        job, run, *rest = self.job()
        self.assertEqual(rest, ["{}", "shop", "backup"])
        told = self.get("backup-status").json()["data"]
        self.assertEqual((told["operation"], told["state"], told["job"]), ("backup", "queued", job))
        snapshot = ID if state == "success" else None
        self.house.sql("UPDATE jobs SET state = 'done' WHERE id = ?", job)
        self.house.sql("UPDATE runs SET state = ?, snapshot = ?, error = ?, ended_ns = 1 WHERE id = ?", state, snapshot,
                       None if snapshot else "no space", run)
        asking.join(timeout=rig.END_S)
        return answers[0]

    def test_a_backup_is_made_and_sent_once_an_hour_for_each_user(self):
        self.assertEqual(self.get("backup-status").json(), {"status": "success", "data": {"operation": None, "state": "idle"}})
        answer = self.back_up("success")
        self.assertEqual((answer.status, answer.body), (200, ZIP))
        self.assertEqual((answer.headers["content-type"], answer.headers["content-disposition"], answer.headers["content-length"]),
                         ("application/zip", "attachment; filename=wireguard_backup_20261120_205152.zip", "8"))
        self.assertIn("no-store", answer.headers["cache-control"])
        rows = self.house.sql("SELECT actor, action, object, outcome FROM audit ORDER BY seq DESC LIMIT 2")
        self.assertEqual([row[1:] for row in rows], [("restore.download", "shop", "begun"), ("backup", "shop", "done")])
        again = self.get("backup")
        self.assertEqual((again.status, again.json()), (429, {"error": "Rate limit exceeded"}))
        self.assertTrue(3000 < int(again.headers["retry-after"]) <= 3601)
        other = self.house.user(self.boss, "second", "admin")
        self.assertEqual(self.back_up("success", other).status, 200)
        self.house.sql("UPDATE runs SET created_ns = created_ns - 3600000000000")
        self.assertEqual(self.back_up("success").status, 200)

    def test_a_backup_that_failed_says_so_and_does_not_count(self):
        for state in ("failed", "incomplete"):
            answer = self.back_up(state)
            self.assertEqual((answer.status, answer.json()), (500, {"error": "Backup creation failed", "details": "no space"}))
            told = self.get("backup-status").json()["data"]
            self.assertEqual((told["state"], told["error"]), (state, "no space"))
        self.assertEqual(self.back_up("success").status, 200)

    def test_what_is_there_is_listed_and_had_by_its_name(self):
        told = self.get("backup-info").json()
        self.assertEqual((told["status"], told["data"]["backup_dir"], told["data"]["max_age_days"]), ("success", "shop", None))
        backups = told["data"]["backups"]
        self.assertEqual([(b["filename"], b["path"], b["size"], b["created_at"]) for b in backups], [
            ("wireguard_backup_20261120_205152.zip", ID, 7, "2026-11-20T20:51:52.894049000Z"),
            ("wireguard_backup_20250102_030405.zip", "dead", 8, "2025-01-02T03:04:05.000000000Z")])
        self.assertGreater(backups[1]["age_days"], 600)
        answer = self.get("backup/download/wireguard_backup_20261120_205152.zip")
        self.assertEqual((answer.status, answer.body), (200, ZIP))
        answer = self.get("backup/download/wireguard_backup_20250102_030405.zip")
        self.assertEqual((answer.status, answer.json()["error"]), (500, "Backup download failed"))
        self.assertNotIn(b"secret", answer.body)
        for name, status, error in (("wireguard_backup_20261120_205151.zip", 404, "Backup file not found"), # an import
                                    ("wireguard_backup_20261120_205153.zip", 404, "Backup file not found"),
                                    *((name, 400, "Invalid backup filename") for name in (
                                        "x.zip", "wireguard_backup_2026112_205151.zip", "wireguard_backup_20261120_205152.zipx",
                                        "wireguard_backup_20261120_205152", "wireguard_backup_2026112a_205152.zip", "latest"))):
            answer = self.get("backup/download/" + name)
            self.assertEqual((answer.status, answer.json()["error"]), (status, error), name)

    def test_who_may(self):
        nobody = Client(self.house)
        manager = self.house.user(self.boss, "manager", "manager")
        stale = Client(self.house)
        stale.cookie = self.house.session(self.boss_id(), False)
        made = self.boss.post("/api/v1/tokens", {"name": "p", "kind": "api", "verbs": ["*"], "sets": ["wiki"], "role": "admin"})
        elsewhere = Client(self.house)
        elsewhere.token = made.json()["token"]
        for path in ("backup", "backup/download/wireguard_backup_20261120_205152.zip", "backup-info", "backup-status"):
            answer = self.get(path, nobody)
            self.assertEqual((answer.status, answer.json()["error"]), (401, "Authentication required"))
            self.assertEqual(self.get(path, manager).status, 403)
            self.assertEqual(self.get(path, elsewhere).status, 403)
            answer = self.get(path, stale)
            self.assertEqual(answer.status, 403 if path.startswith("backup") and "-" not in path.split("/")[0] else 200, path)
            if path != "backup-status":
                self.assertIn(self.get(path, **{"Sec-Fetch-Site": "cross-site"}).status, (403,), path)
                self.assertEqual(self.boss.ask("HEAD", "/system/" + path).status, 405)
        self.assertEqual(self.house.sql("SELECT count(*) FROM jobs WHERE state = 'queued'"), [(0,)])

    def boss_id(self):
        return self.house.sql("SELECT id FROM users WHERE name = 'admin'")[0][0]


FILE = part("backup_file", ZIP, "b.zip")
FAILED = "System restore failed"
RESTORE = "0123456789abcdef"


class Restoring(Case):
    """POST /system/restore; the jobs are ended by hand."""
    house_of = ("gateway",)

    def setUp(self):
        self.house.sql("UPDATE jobs SET state = 'done'")
        self.house.sql("DELETE FROM runs")
        self.client = self.program(role="admin", verbs=["backup:restore"], sets=["shop"])
        self.house.service.command("sweep")

    def post(self, body=form(FILE), kind="multipart/form-data; boundary=XYZ", path="/system/restore", client=None, **headers):
        headers = {"Authorization": "Bearer " + (client or self.client).token, "Content-Type": kind, **headers}
        raw = rig.request("POST", path, headers if body else {k: v for k, v in headers.items() if k != "Content-Type"}, body)
        with rig.connect(self.house.service.port) as sock:
            sock.sendall(raw)
            answer = rig.read_answer(sock, "POST")
        CONTRACT.check("POST", path, answer)
        return answer

    def begin(self, **what):
        self.house.service.command("sweep") # of the jobs before, which are done
        answers = []
        asking = threading.Thread(target=lambda: answers.append(self.post(**what)))
        asking.start()
        return asking, answers

    def job(self, kind):
        end = time.monotonic() + rig.END_S
        while time.monotonic() < end:
            rows = self.house.sql("SELECT id, run_id, arguments, place, writer FROM jobs WHERE state = 'queued' AND kind = ?", kind)
            if rows:
                return rows[0]
            time.sleep(0.02)
        self.fail(f"there is no {kind}")

    def end(self, job, run, state, **columns):
        self.house.sql("UPDATE jobs SET state = 'done' WHERE id = ?", job)
        columns = {"state": state, "ended_ns": 1, **columns}
        self.house.sql(f"UPDATE runs SET {', '.join(f'{c} = ?' for c in columns)} WHERE id = ?", *columns.values(), run)

    def imported(self):
        """The import has made a snapshot; the job that restores it."""
        job, run, *_ = self.job("import")
        self.end(job, run, "success", snapshot=ID, details=json.dumps({"import": {
            "version": "1.0", "created": "2026-11-20", "contents": {"databases": ["configs.db"], "configs": [], "iptables_rules": True}}}))
        return self.job("restore")

    def wait_for_confirmation(self, run, restore=RESTORE):
        self.house.sql("UPDATE runs SET state = 'running', progress = ? WHERE id = ?",
                       json.dumps({"message_type": "restore_state", "restore_id": restore, "phase": "unconfirmed"}), run)

    def told(self, answer, status, said):
        self.assertEqual((answer.status, answer.json()), (status, said))

    def test_the_file_becomes_a_snapshot_and_that_is_restored(self):
        asking, answers = self.begin()
        job, run, arguments, place, writer = self.job("import")
        arguments = json.loads(arguments)
        with open(f"{self.house.folder}/imports/{arguments.pop('arrival')}/archive/wireguard_backup.zip", "rb") as file:
            self.assertEqual(file.read(), ZIP)
        self.assertEqual((arguments, place, writer), ({
            "file": "wireguard_backup.zip", "keys": 0, "as_members": True, "allow_unauthenticated": True, "repository": "main"}, "test", "shop"))
        job, run, arguments, place, writer = self.imported()
        self.assertEqual((json.loads(arguments), place, writer), (
            {"snapshot": ID, "in_place": True, "apply": True, "repository": "main"}, "test", "shop"))
        told = self.boss.ask("GET", "/system/backup-status").json()["data"]
        self.assertEqual((told["operation"], told["state"]), ("restore", "queued"))
        self.told(self.post(), 429, {"error": "Rate limit exceeded"})
        other = self.program(role="admin")
        self.house.sql("UPDATE runs SET requested_by = 'another'")
        self.told(self.post(client=other), 409, {"error": FAILED, "details": "Another restore is under way"})
        self.house.sql("UPDATE runs SET requested_by = (SELECT requested_by FROM jobs WHERE id = ?)", job)
        self.end(job, run, "success")
        asking.join(timeout=rig.END_S)
        self.told(answers[0], 200, {"status": "success", "message": "System restored successfully", "backup_info": {
            "version": "1.0", "created_at": "2026-11-20", "contents": {"databases": ["configs.db"], "configs": [], "iptables_rules": True}}})
        again = self.post()
        self.told(again, 429, {"error": "Rate limit exceeded"})
        self.assertTrue(3000 < int(again.headers["retry-after"]) <= 3601)
        self.house.sql("UPDATE runs SET created_ns = created_ns - 3600000000000")
        asking, answers = self.begin()
        self.end(*self.imported()[:2], "success")
        asking.join(timeout=rig.END_S)
        self.assertEqual(answers[0].status, 200)

    def test_what_came_to_nothing_says_so_and_does_not_count(self):
        for code, status, error in (("invalid", 400, "Backup validation failed"), ("failed", 500, FAILED)):
            asking, answers = self.begin()
            job, run, *_ = self.job("import")
            self.end(job, run, "failed", error_code=code,
                     error="/var/x/wireguard_backup.zip: it cannot be read as wireguard: Unsupported backup version: 2.0")
            asking.join(timeout=rig.END_S)
            self.told(answers[0], status, {"error": error, "details": "Unsupported backup version: 2.0"})
        for state in ("failed", "incomplete", "cancelled", "interrupted"):
            asking, answers = self.begin()
            self.end(*self.imported()[:2], state, error="it was not; the state before is back")
            asking.join(timeout=rig.END_S)
            self.told(answers[0], 500, {"error": FAILED, "details": "it was not; the state before is back"})

    def test_rules_wait_for_who_confirms(self):
        self.told(self.post(b"", path="/system/restore/confirm"), 409, {"error": "No restore waits for a confirmation"})
        asking, answers = self.begin()
        job, run, *_ = self.imported()
        self.told(self.post(b"", path="/system/restore/confirm"), 409, {"error": "No restore waits for a confirmation"})
        self.wait_for_confirmation(run)
        asking.join(timeout=rig.END_S)
        said = answers[0].json()
        self.assertEqual((answers[0].status, said["status"], said["confirm"], said["restore_id"], said["job"]),
                         (202, "confirmation_required", "POST /system/restore/confirm", RESTORE, job))
        before = int(self.house.service.command("kept"))
        asking, answers = self.begin(body=b"", path="/system/restore/confirm")
        end = time.monotonic() + rig.END_S
        while int(self.house.service.command("kept")) == before and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual(self.audit()[1:4], ("restore.confirm", "shop", "done"))
        self.assertEqual(answers, [])
        self.end(job, run, "success")
        asking.join(timeout=rig.END_S)
        self.told(answers[0], 200, {"status": "success", "message": "System restored successfully"})
        self.assertEqual(int(self.house.service.command("kept")), before + 1)

    def test_who_confirms_too_late_hears_how_it_ended(self):
        asking, _ = self.begin()
        job, run, *_ = self.imported()
        self.wait_for_confirmation(run, "f" * 16) # which waits no more
        asking.join(timeout=rig.END_S)
        asking, answers = self.begin(body=b"", path="/system/restore/confirm")
        time.sleep(0.2)
        self.end(job, run, "failed", error="not confirmed; the state before is back")
        asking.join(timeout=rig.END_S)
        self.told(answers[0], 500, {"error": FAILED, "details": "not confirmed; the state before is back"})
        self.told(self.post(b"", path="/system/restore/confirm"), 500,
                  {"error": FAILED, "details": "not confirmed; the state before is back"})

    def test_a_form_says_what_is_wrong_in_the_words_of_the_application(self):
        none, wrong_type = "No backup file provided", "Invalid file type. Please upload a .zip file"
        for error, *parts in ((none, part("other", b"x")), (none, part("backup_file", b"x")), (none, part("archive", ZIP, "a.zip")),
                              ("No file selected", part("backup_file", b"", "")), (wrong_type, part("backup_file", ZIP, "a.tar")),
                              (wrong_type, part("backup_file", ZIP, "zip")), ("backup_file is there twice", FILE, FILE)):
            answer = self.post(form(*parts))
            self.assertEqual((answer.status, answer.json()), (400, {"error": error}), parts)
        self.told(self.post(form(part("backup_file", b"", "a.ZIP"))), 400, {"error": "Backup validation failed", "details": "Backup file is empty"})
        for answer in (self.post(FILE), self.post(b"{}", "application/json"), self.post(form(FILE), "multipart/form-data")):
            self.assertEqual((answer.status, answer.json()["error"]), (400, none))
        self.told(self.post(form(part("backup_file", bytes(1000001), "a.zip"))), 500, {
            "error": FAILED, "details": "413 Request Entity Too Large: The data value transmitted exceeds the capacity limit."})
        self.assertEqual(self.house.sql("SELECT count(*) FROM jobs WHERE state = 'queued'"), [(0,)])
        self.house.service.command("sweep")
        self.assertEqual(os.listdir(self.house.folder + "/imports"), [])

    def test_who_may(self):
        elsewhere = self.program(role="admin", sets=["wiki"])
        reader = self.program(role="admin", verbs=["backup:read", "backup:run", "backup:upload"])
        manager = self.program(role="manager")
        viewer = self.program(role="viewer")
        for path, body in (("/system/restore", form(FILE)), ("/system/restore/confirm", b"")):
            for client in (elsewhere, reader, manager, viewer):
                self.assertEqual(self.post(body, path=path, client=client).status, 403)
            self.assertEqual(self.post(body, path=path, **{"Sec-Fetch-Site": "cross-site"}).status, 403)
            self.assertEqual(self.post(body, path=path, Authorization="Bearer x").status, 401)
        self.assertEqual(self.house.sql("SELECT count(*) FROM jobs WHERE state = 'queued'"), [(0,)])


if __name__ == "__main__":
    rig.main()
