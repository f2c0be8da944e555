"""The routes of WireGuard Gateway: who may, what they answer, and how often a backup is made.

Stands in for the commands: identity_service.c.  Jobs are ended here, by hand.
"""

import threading
import time
import unittest

import rig
from api_case import Case, Client

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


if __name__ == "__main__":
    rig.main()
