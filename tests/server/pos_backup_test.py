"""Backups, history, figures, verification and restores of the POS service."""

import calendar
import datetime
import json
import threading
import time
import unittest

from pos_rig import DAILY, Pos, config

SNAPSHOT = "ab" * 32
ASYNC = {"Prefer": "respond-async"}


class Backups(unittest.TestCase):
    def setUp(self):
        self.pos = Pos()
        self.addCleanup(self.pos.stop)
        self.pos.ask("POST", "/configs", config(id="shop", type="full"))
        self.pos.ask("POST", "/configs", DAILY)
        self.pos.outcomes = {"backup": ("success", SNAPSHOT, "-")}

    def check(self, answer, status, body):
        self.assertEqual((answer.status, answer.json()), (status, body))

    def create(self, **body):
        return self.pos.ask("POST", "/create", {"configId": "shop", **body})

    # create

    def test_create_answers_with_the_finished_result(self):
        before = datetime.datetime.now(datetime.timezone.utc)
        answer = self.create()
        got = answer.json()
        self.assertEqual((answer.status, got["success"], list(got)), (200, True, ["success", "backup"]))
        backup = got["backup"]
        self.assertEqual(list(backup), ["id", "configId", "timestamp", "type", "size", "duration",
                                        "status", "files", "checksum"])
        self.assertRegex(backup["id"], "^[0-9a-f]{32}$")
        self.assertRegex(backup["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        when = datetime.datetime.fromisoformat(backup["timestamp"].replace("Z", "+00:00"))
        self.assertLess(abs((when - before).total_seconds()), 10)
        self.assertIsInstance(backup["duration"], float)
        self.assertEqual({k: backup[k] for k in ("configId", "type", "size", "status", "files", "checksum")},
                         {"configId": "shop", "type": "full", "size": 1234, "status": "success",
                          "files": ["main:" + SNAPSHOT, "remote:" + SNAPSHOT], "checksum": SNAPSHOT})
        job = self.pos.done[0]
        self.assertEqual([job[k] for k in ("kind", "set", "config", "arguments", "requested_by")],
                         ["backup", "shop", "shop", "{}", "somebody"])
        self.assertIn(("somebody", "backup", "shop", "done"), self.pos.audit())

    def test_create_without_a_configuration_is_refused(self):
        for body in ({}, {"configId": None}, {"configId": ""}, {"configId": 0}, {"configId": False},
                     {"type": "full"}, None):
            self.check(self.pos.ask("POST", "/create", body), 400,
                       {"error": "Backup configuration ID is required"})
        self.check(self.pos.ask("POST", "/create", {"configId": "nobody"}), 404,
                   {"error": "Backup configuration not found"})
        self.assertEqual(self.pos.sql("SELECT count(*) FROM jobs"), [(0,)])

    def test_create_refuses_what_it_does_not_know(self):
        for body in ({"configId": "shop", "type": "everything"}, {"configId": "shop", "path": "/etc"},
                     {"configId": ["shop"]}, {"configId": {"id": "x"}}, [], "shop", b"{", b"\xff{}"):
            answer = self.pos.ask("POST", "/create", body)
            self.assertEqual((answer.status, list(answer.json())), (400, ["error"]), body)
        self.assertEqual(self.pos.sql("SELECT count(*) FROM jobs"), [(0,)])

    def test_a_backup_that_fails_is_an_error_and_is_in_the_history(self):
        self.pos.outcomes = {"backup": ("failed", "-", "-")}
        answer = self.create()
        got = answer.json()
        self.assertEqual((answer.status, got["error"], got["details"]),
                         (500, "Failed to create backup", "back up shop: it did not work"))
        self.assertEqual({k: got["backup"][k] for k in ("status", "size", "files", "error")},
                         {"status": "failed", "size": 0, "files": [], "error": got["details"]})
        self.assertNotIn("checksum", got["backup"])
        self.assertEqual(self.pos.ask("GET", "/history/shop").json()["backups"], [got["backup"]])

    def test_an_incomplete_backup_is_partial(self):
        self.pos.outcomes = {"backup": ("incomplete", SNAPSHOT, "-")}
        backup = self.create().json()["backup"]
        self.assertEqual((backup["status"], backup["checksum"]), ("partial", SNAPSHOT))

    def test_who_does_not_want_to_wait_gets_the_job(self):
        self.pos.outcomes = {}
        for prefer in ("respond-async", "wait=5, respond-async", "Respond-Async; x=1"):
            answer = self.pos.ask("POST", "/create", {"configId": "shop"}, headers={"Prefer": prefer})
            job = answer.json()["job"]
            self.check(answer, 202, {"success": True, "job": job})
            self.assertEqual(answer.headers["Location"], "/api/v1/jobs/" + job)
            self.assertEqual(answer.headers["Preference-Applied"], "respond-async")

    def test_a_request_that_is_repeated_with_its_key_gets_the_same_backup(self):
        key = {"Idempotency-Key": "evening-7"}
        first = self.pos.ask("POST", "/create", {"configId": "shop"}, headers=key)
        again = self.pos.ask("POST", "/create", {"configId": "shop"}, headers=key)
        self.check(again, 200, first.json())
        self.assertEqual(again.headers["Idempotent-Replayed"], "true")
        other = self.pos.ask("POST", "/create", {"configId": "shop"}, headers={"Idempotency-Key": "evening-8"})
        self.assertNotEqual(other.json()["backup"]["id"], first.json()["backup"]["id"])
        self.assertEqual(self.pos.sql("SELECT count(*) FROM jobs"), [(2,)])
        asked = [entry for entry in self.pos.audit() if entry[1] == "backup"]
        self.assertEqual(len(asked), 2)

    def keyed(self, path, body, key="night-1"):
        return self.pos.ask("POST", path, body, headers={"Idempotency-Key": key})

    def under_way(self, path, body):
        """Ask in a thread, until the job is there; gives the thread and where its answer will be."""
        answers = []
        asking = threading.Thread(target=lambda: answers.append(self.keyed(path, body)))
        asking.start()
        until = time.monotonic() + 20
        while not self.pos.sql("SELECT 1 FROM jobs WHERE state = 'queued'") and time.monotonic() < until:
            time.sleep(0.01)
        return asking, answers

    def test_a_request_that_is_repeated_while_its_job_is_under_way_is_told_of_that_job(self):
        for path, body, more in (("/create", {"configId": "shop"}, set()),
                                 ("/restore-point", {"description": "before the update"}, {"restorePointId"})):
            self.pos.outcomes = {}
            self.pos.sql("DELETE FROM idempotency")
            asking, answers = self.under_way(path, body)
            (job,), = self.pos.sql("SELECT id FROM jobs WHERE state = 'queued'")
            for _ in range(2):
                again = self.keyed(path, body)
                self.assertEqual((again.status, again.json()["job"]), (202, job))
                self.assertEqual(set(again.json()), {"success", "job"} | more)
                self.assertEqual(again.headers["Location"], "/api/v1/jobs/" + job)
                # As if the first had waited for a minute.
                self.pos.sql("UPDATE idempotency SET created_ns = created_ns - 61000000000")
            self.pos.outcomes = {"backup": ("success", SNAPSHOT, "-")}
            asking.join()
            self.check(self.keyed(path, body), 200, answers[0].json())
        self.assertEqual(self.pos.sql("SELECT count(*) FROM jobs"), [(2,)])
        self.assertEqual(self.pos.sql("SELECT count(*) FROM restore_points"), [(1,)])

    def test_a_request_whose_job_failed_may_be_repeated_with_its_key(self):
        for path, body in (("/create", {"configId": "shop"}), ("/restore-point", {"description": "x"})):
            self.pos.outcomes = {"backup": ("failed", "-", "-")}
            self.assertEqual(self.keyed(path, body, path).status, 500)
            self.pos.outcomes = {"backup": ("success", SNAPSHOT, "-")}
            self.assertEqual(self.keyed(path, body, path).status, 200)
        self.assertEqual(len(self.pos.done), 4)

    def test_a_job_that_nobody_finds_again_is_told_to_the_log(self):
        self.pos.outcomes = {}
        asking, answers = self.under_way("/create", {"configId": "shop"})
        self.pos.sql("DELETE FROM runs")
        asking.join()
        self.check(answers[0], 500, {"error": "Failed to create backup", "details": "The log says why"})
        with open(self.pos.folder + "/log") as log:
            self.assertIn("POST /api/backup/create: ", log.read())

    def test_few_requests_wait_and_the_rest_get_the_job(self):
        self.pos.outcomes = {}
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.create())) for _ in range(7)]
        for t in threads:
            t.start()
        until = time.monotonic() + 60
        while len(answers) < 3 and time.monotonic() < until:
            time.sleep(0.02)
        self.assertEqual([a.status for a in answers], [202] * 3)
        self.assertEqual(self.pos.ask("GET", "/configs").status, 200)
        self.pos.outcomes = {"backup": ("success", SNAPSHOT, "-")}
        for t in threads:
            t.join()
        self.assertEqual(sorted(a.status for a in answers), [200] * 4 + [202] * 3)

    def test_a_service_that_stops_waits_for_no_job(self):
        pos = Pos()
        pos.ask("POST", "/configs", DAILY)
        answers = []

        def ask():
            try:
                answers.append(pos.ask("POST", "/create", {"configId": DAILY["id"]}).status)
            except OSError:
                answers.append("broken")

        asking = threading.Thread(target=ask)
        asking.start()
        while asking.is_alive() and not pos.sql("SELECT state FROM jobs"):
            time.sleep(0.02)
        self.assertEqual(pos.sql("SELECT state FROM jobs"), [("queued",)])
        begun = time.monotonic()
        pos.stop()
        asking.join()
        self.assertLess(time.monotonic() - begun, 60)
        self.assertEqual(len(answers), 1)

    def test_a_full_queue_is_said_to_pass(self):
        self.pos.outcomes = {}
        for _ in range(100):
            self.assertEqual(self.pos.ask("POST", "/create", {"configId": "shop"}, headers=ASYNC).status, 202)
        answer = self.pos.ask("POST", "/create", {"configId": "shop"}, headers=ASYNC)
        self.check(answer, 503, {"error": "Failed to create backup", "details": "It cannot be done at present"})
        self.assertIn("Retry-After", answer.headers)

    # history and figures

    def test_history_comes_in_pages_with_the_newest_first(self):
        self.pos.command("fill daily-db-backup 45")
        first = self.pos.ask("GET", "/history/daily-db-backup", role="manager").json()
        self.assertEqual({k: first[k] for k in first if k != "backups"},
                         {"total": 45, "page": 1, "limit": 20, "totalPages": 3})
        self.assertEqual(list(first), ["backups", "total", "page", "limit", "totalPages"])
        times = []
        for page in (1, 2, 3, 4):
            got = self.pos.ask("GET", f"/history/daily-db-backup?page={page}").json()["backups"]
            self.assertEqual(len(got), {1: 20, 2: 20, 3: 5, 4: 0}[page])
            times += [b["timestamp"] for b in got]
        self.assertEqual(times, sorted(times, reverse=True))
        self.assertEqual(len(set(times)), 45)
        limited = self.pos.ask("GET", "/history/daily-db-backup?page=2&limit=7").json()
        self.assertEqual((limited["totalPages"], len(limited["backups"])), (7, 7))
        self.assertEqual([b["timestamp"] for b in limited["backups"]], times[7:14])
        self.assertEqual(first["backups"][0]["duration"], 1.5)
        self.check(self.pos.ask("GET", "/history/nobody"), 200,
                   {"backups": [], "total": 0, "page": 1, "limit": 20, "totalPages": 0})

    def test_history_leaves_out_what_is_under_way_and_what_is_no_backup(self):
        self.pos.outcomes = {}
        self.pos.ask("POST", "/create", {"configId": "shop"}, headers=ASYNC)
        self.assertEqual(self.pos.ask("GET", "/history/shop").json()["total"], 0)
        self.pos.outcomes = {"backup": ("success", SNAPSHOT, "-"), "drill": ("success", "-", "proven")}
        backup = self.create().json()["backup"]
        self.pos.ask("POST", "/verify/" + backup["id"])
        got = self.pos.ask("GET", "/history/shop").json()
        self.assertEqual((got["total"], len(got["backups"])), (2, 2))

    def test_pages_that_make_no_sense_are_refused(self):
        for query in ("page=0", "page=-1", "page=x", "limit=0", "limit=1001", "limit=1000000000", "page=1e9",
                      "page=1&page=2"):
            self.assertEqual(self.pos.ask("GET", "/history/shop?" + query).status, 400, query)

    def test_stats_have_the_published_form(self):
        self.pos.command("fill daily-db-backup 20")
        self.create()
        self.pos.ask("POST", "/configs", config(id="off", enabled=False))
        self.check(self.pos.ask("GET", "/stats", role="manager"), 200, {"stats": {
            "total": {"backups": 21, "successful": 19, "failed": 2, "size": 19234, "avgDuration": 1},
            "recent": {"count": 21, "successful": 19, "failed": 2},
            "storage": {"database": 18000, "files": 0, "full": 1234},
            "configs": {"total": 3, "enabled": 2, "disabled": 1}, "successRate": 90}})
        self.pos.sql("UPDATE runs SET created_ns = created_ns - 864000000000000 WHERE set_name <> 'shop'")
        self.assertEqual(self.pos.ask("GET", "/stats").json()["stats"]["recent"],
                         {"count": 1, "successful": 1, "failed": 0})

    # verify

    def test_verify_holds_a_drill_of_that_snapshot(self):
        backup = self.create().json()["backup"]
        for state, verdict, valid, message in (
                ("success", "proven", True, "Backup integrity verified"),
                ("failed", "failed", False, "Backup integrity check failed")):
            self.pos.outcomes = {"drill": (state, "-", verdict)}
            self.check(self.pos.ask("POST", "/verify/" + backup["id"]), 200,
                       {"backupId": backup["id"], "isValid": valid, "message": message})
            job = self.pos.done[-1]
            self.assertEqual((job["kind"], job["set"], job["arguments"]),
                             ("drill", "shop", '{"snapshot":"%s"}' % SNAPSHOT))
        self.assertIn(("somebody", "verify", backup["id"], "done"), self.pos.audit())

    def test_what_is_no_backup_is_not_valid(self):
        self.pos.outcomes = {"backup": ("failed", "-", "-")}
        failed = self.create().json()["backup"]["id"]
        for name in ("0" * 32, "id-123", failed, "%22%3B--"):
            answer = self.pos.ask("POST", "/verify/" + name)
            self.assertEqual((answer.status, answer.json()["isValid"], answer.json()["message"]),
                             (200, False, "Backup integrity check failed"))
        self.assertEqual([j["kind"] for j in self.pos.done], ["backup"])

    def test_a_drill_that_was_not_held_says_nothing_of_the_backup(self):
        backup = self.create().json()["backup"]
        self.pos.outcomes = {"drill": ("failed", "-", "-")}
        self.check(self.pos.ask("POST", "/verify/" + backup["id"]), 500,
                   {"error": "Failed to verify backup", "details": "back up shop: it did not work"})

    def test_one_verification_of_a_backup_at_a_time(self):
        backup = self.create().json()["backup"]["id"]
        self.pos.outcomes = {}
        jobs = {self.pos.ask("POST", "/verify/" + backup, headers=ASYNC).json()["job"] for _ in range(3)}
        self.assertEqual(len(jobs), 1)

    # restore

    def test_restore_proves_the_backup_first(self):
        backup = self.create().json()["backup"]["id"]
        self.pos.outcomes = {"drill": ("success", "-", "proven"), "restore": ("success", "-", "-")}
        self.check(self.pos.ask("POST", "/restore/" + backup), 200,
                   {"success": True, "message": "Restore completed successfully"})
        self.assertEqual([(j["kind"], j["set"], j["arguments"]) for j in self.pos.done[1:]],
                         [("drill", "shop", '{"snapshot":"%s"}' % SNAPSHOT),
                          ("restore", "shop", '{"snapshot":"%s","in_place":true}' % SNAPSHOT)])
        self.assertIn(("somebody", "restore", backup, "done"), self.pos.audit())
        self.pos.ask("POST", "/restore/" + backup, {"targetEnvironment": "staging"})
        self.assertEqual([(j["kind"], j["set"]) for j in self.pos.done[3:]], [("restore", "staging")])

    def test_nothing_is_restored_over_a_failed_verification(self):
        backup = self.create().json()["backup"]["id"]
        self.pos.outcomes = {"drill": ("failed", "-", "failed"), "restore": ("success", "-", "-")}
        for name in (backup, backup, "unknown"):
            self.check(self.pos.ask("POST", "/restore/" + name), 400,
                       {"error": "Backup integrity check failed. Cannot restore."})
        self.assertEqual([j["kind"] for j in self.pos.done], ["backup", "drill"])
        self.pos.outcomes["drill"] = ("failed", "-", "-")
        self.pos.sql("UPDATE runs SET created_ns = 1 WHERE kind = 'drill'")
        answer = self.pos.ask("POST", "/restore/" + backup)
        self.assertEqual((answer.status, answer.json()["error"]), (500, "Failed to restore backup"))
        self.assertEqual([j["kind"] for j in self.pos.done], ["backup", "drill", "drill"])

    def test_an_old_verification_does_not_count(self):
        backup = self.create().json()["backup"]["id"]
        self.pos.outcomes = {"drill": ("success", "-", "proven"), "restore": ("success", "-", "-")}
        self.pos.ask("POST", "/verify/" + backup)
        self.pos.sql("UPDATE runs SET created_ns = created_ns - 3700000000000 WHERE kind = 'drill'")
        self.pos.ask("POST", "/restore/" + backup)
        self.assertEqual([j["kind"] for j in self.pos.done], ["backup", "drill", "drill", "restore"])

    def test_the_verification_of_another_snapshot_does_not_count(self):
        backup = self.create().json()["backup"]["id"]
        self.pos.outcomes = {"backup": ("success", "cd" * 32, "-"), "drill": ("success", "-", "proven"),
                             "restore": ("success", "-", "-")}
        other = self.create().json()["backup"]["id"]
        self.pos.ask("POST", "/verify/" + other)
        self.pos.ask("POST", "/restore/" + backup)
        self.assertEqual([j["kind"] for j in self.pos.done],
                         ["backup", "backup", "drill", "drill", "restore"])

    def test_only_known_targets(self):
        backup = self.create().json()["backup"]["id"]
        for target in ("/", "/etc", "production", "../shop", "shop/"):
            self.check(self.pos.ask("POST", "/restore/" + backup, {"targetEnvironment": target}), 400,
                       {"error": "targetEnvironment: there is no such environment"})
        for body in ({"targetEnvironment": 7}, {"target": "/"}, [], {"targetEnvironment": ""}):
            self.assertEqual(self.pos.ask("POST", "/restore/" + backup, body).status, 400)
        self.assertEqual(len(self.pos.done), 1)

    def test_one_restore_at_a_time(self):
        backup = self.create().json()["backup"]["id"]
        self.pos.outcomes = {"drill": ("success", "-", "proven")}
        self.pos.ask("POST", "/verify/" + backup)
        self.pos.outcomes = {}
        self.assertEqual(self.pos.ask("POST", "/restore/" + backup, headers=ASYNC).status, 202)
        self.check(self.pos.ask("POST", "/restore/" + backup, headers=ASYNC), 409,
                   {"error": "A restore to this environment is under way"})

    def test_a_restore_that_fails_is_an_error(self):
        backup = self.create().json()["backup"]["id"]
        self.pos.outcomes = {"drill": ("success", "-", "proven"), "restore": ("failed", "-", "-")}
        self.check(self.pos.ask("POST", "/restore/" + backup), 500,
                   {"error": "Failed to restore backup", "details": "back up shop: it did not work"})

    def test_who_does_not_wait_for_the_verification_asks_again(self):
        backup = self.create().json()["backup"]["id"]
        self.pos.outcomes = {}
        answer = self.pos.ask("POST", "/restore/" + backup, headers=ASYNC)
        self.check(answer, 202, {"success": True, "job": answer.json()["job"], "backupId": backup,
                                 "message": "The backup is being verified"})
        self.assertEqual(self.pos.sql("SELECT kind FROM jobs WHERE state = 'queued'"), [("drill",)])

    def test_who_asks_again_after_the_verification_may_use_the_same_key(self):
        backup = self.create().json()["backup"]["id"]
        self.pos.outcomes = {}
        headers = {"Idempotency-Key": "restore-1", **ASYNC}
        first = self.pos.ask("POST", "/restore/" + backup, headers=headers).json()
        self.assertEqual(first["message"], "The backup is being verified")
        self.pos.outcomes = {"drill": ("success", "-", "proven")}
        while not self.pos.sql("SELECT 1 FROM runs WHERE kind = 'drill' AND verdict = 'proven'"):
            time.sleep(0.01)
        self.pos.outcomes = {}
        again = self.pos.ask("POST", "/restore/" + backup, headers=headers)
        self.check(again, 202, {"success": True, "job": again.json()["job"]})
        self.assertEqual(self.pos.sql("SELECT kind FROM jobs WHERE state = 'queued'"), [("restore",)])
        self.check(self.pos.ask("POST", "/restore/" + backup, headers=headers), 202, again.json())
        self.assertEqual(self.pos.sql("SELECT count(*) FROM jobs WHERE kind = 'restore'"), [(1,)])

    # restore points

    def test_a_restore_point_is_a_backup_that_is_named(self):
        answer = self.pos.ask("POST", "/restore-point", {"description": "before the update"})
        point = answer.json()["restorePointId"]
        self.check(answer, 200, {"success": True, "restorePointId": point,
                                 "message": "Restore point created successfully"})
        run = self.pos.ask("GET", "/history/shop").json()["backups"][0]
        self.assertEqual(self.pos.sql("SELECT id, run_id, snapshot, description, created_by,"
                                      " (expires_ns - created_ns) / 86400000000000 FROM restore_points"),
                         [(point, run["id"], SNAPSHOT, "before the update", "somebody", 30)])
        self.assertIn(("somebody", "restore-point", "shop", "done"), self.pos.audit())

    def test_a_restore_point_needs_a_description(self):
        for body in (None, {}, {"description": ""}, {"description": None}, {"description": 0}):
            self.check(self.pos.ask("POST", "/restore-point", body), 400,
                       {"error": "Description is required for restore point"})
        for body in ({"description": 7}, {"description": "x" * 501}, {"description": "x", "y": 1}):
            self.assertEqual(self.pos.ask("POST", "/restore-point", body).status, 400)

    def test_a_restore_point_needs_something_to_back_up(self):
        self.check(self.pos.ask("POST", "/restore-point", {"description": "x", "configId": "nobody"}), 404,
                   {"error": "Backup configuration not found"})
        self.pos.ask("DELETE", "/configs/shop")
        self.check(self.pos.ask("POST", "/restore-point", {"description": "x"}), 400,
                   {"error": "No full backup configuration is enabled: name one by configId"})
        self.assertEqual(self.pos.ask("POST", "/restore-point",
                                      {"description": "x", "configId": DAILY["id"]}).status, 200)

    def test_a_restore_point_that_failed_is_none(self):
        self.pos.outcomes = {"backup": ("failed", "-", "-")}
        answer = self.pos.ask("POST", "/restore-point", {"description": "x"})
        self.assertEqual((answer.status, answer.json()["error"]), (500, "Failed to create restore point"))
        self.assertEqual(self.pos.sql("SELECT count(*) FROM restore_points"), [(0,)])

    def test_six_restore_points_in_an_hour(self):
        for _ in range(6):
            answer = self.pos.ask("POST", "/restore-point", {"description": "x"}, headers=ASYNC)
            self.assertEqual((answer.status, sorted(answer.json())), (202, ["job", "restorePointId", "success"]))
        answer = self.pos.ask("POST", "/restore-point", {"description": "x"}, headers=ASYNC)
        self.assertEqual((answer.status, answer.json()["error"]["code"]), (429, "RATE_LIMIT_EXCEEDED"))
        self.pos.sql("UPDATE restore_points SET created_ns = created_ns - 3700000000000")
        self.assertEqual(self.pos.ask("POST", "/restore-point", {"description": "x"}, headers=ASYNC).status, 202)

    def test_the_snapshot_of_a_restore_point_says_until_when_it_stays(self):
        self.pos.ask("POST", "/restore-point", {"description": "x"}, headers=ASYNC)
        (arguments,), = self.pos.sql("SELECT arguments FROM jobs WHERE kind = 'backup'")
        (expires,), = self.pos.sql("SELECT expires_ns FROM restore_points")
        tag, = json.loads(arguments)["tags"]
        word, _, until = tag.partition(":")
        self.assertEqual(word, "restore-point")
        self.assertEqual(calendar.timegm(time.strptime(until[:19], "%Y-%m-%dT%H:%M:%S")), expires // 10 ** 9)

    # retention

    def back_up(self):
        for name in ("shop", DAILY["id"]):
            self.assertEqual(self.pos.ask("POST", "/create", {"configId": name}).status, 200)

    def test_retention_without_backups_has_nothing_to_do(self):
        self.pos.ask("POST", "/create", {"configId": "shop"})
        self.pos.outcomes = {"retention": ("success", "-", "-")}
        self.assertEqual(self.pos.ask("POST", "/retention/apply").status, 200)
        self.assertEqual(self.pos.sql("SELECT set_name FROM jobs WHERE kind = 'retention'"), [("shop",)])

    def test_retention_is_applied_to_every_configuration(self):
        self.back_up()
        self.pos.outcomes = {"retention": ("success", "-", "-")}
        self.check(self.pos.ask("POST", "/retention/apply"), 200,
                   {"success": True, "message": "Retention policies applied successfully"})
        sets = {row[0] for row in self.pos.sql("SELECT set_name FROM jobs WHERE kind = 'retention'")}
        self.assertEqual(sets, {row[0] for row in self.pos.sql("SELECT id FROM configs WHERE deleted_ns IS NULL")})
        self.assertTrue(sets)
        self.assertIn(("somebody", "retention", "shop", "done"), self.pos.audit())

    def test_retention_that_fails_is_no_success(self):
        self.back_up()
        self.pos.outcomes = {"retention": ("failed", "-", "-")}
        answer = self.pos.ask("POST", "/retention/apply")
        self.assertEqual((answer.status, answer.json()["error"]), (500, "Failed to apply retention policies"))

    def test_retention_that_is_paused_is_told(self):
        self.back_up()
        self.pos.outcomes = {"retention": ("skipped", "-", "-")}
        answer = self.pos.ask("POST", "/retention/apply")
        self.assertEqual(answer.status, 200)
        self.assertIn("shop", answer.json()["paused"])

    def test_retention_that_is_under_way_is_not_begun_again(self):
        self.back_up()
        self.pos.outcomes = {}
        for _ in range(2):
            answer = self.pos.ask("POST", "/retention/apply", headers=ASYNC)
            self.assertEqual((answer.status, sorted(answer.json())), (202, ["job", "success"]))
        count, sets = self.pos.sql("SELECT count(*), count(DISTINCT set_name) FROM jobs WHERE kind = 'retention'")[0]
        self.assertEqual(count, sets)

    def test_retention_takes_no_fields(self):
        self.assertEqual(self.pos.ask("POST", "/retention/apply", {"force": True}).status, 400)


if __name__ == "__main__":
    unittest.main()
