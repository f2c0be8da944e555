"""Configurations of the POS service: what it takes, keeps, gives back and refuses."""

import glob
import json
import os
import unittest

from pos_rig import DAILY, Pos, config

EXAMPLES = os.path.dirname(os.path.abspath(__file__)) + "/../../deploy/configs/*.json"
SAVED = {"success": True, "message": "Backup configuration saved successfully"}


class Configs(unittest.TestCase):
    def setUp(self):
        self.pos = Pos()
        self.addCleanup(self.pos.stop)

    def check(self, answer, status, body):
        self.assertEqual((answer.status, answer.json()), (status, body))

    def test_there_are_none_at_first(self):
        self.check(self.pos.ask("GET", "/configs"), 200, {"configs": []})

    def test_what_was_saved_comes_back_in_its_order(self):
        self.check(self.pos.ask("POST", "/configs", DAILY), 200, SAVED)
        got = self.pos.ask("GET", "/configs", role="manager")
        self.assertEqual(got.body, json.dumps({"configs": [DAILY]}, separators=(",", ":")).encode())

    def test_the_text_is_kept_byte_for_byte(self):
        text = json.dumps(DAILY, indent=2).encode()
        self.check(self.pos.ask("POST", "/configs", text), 200, SAVED)
        self.assertEqual(self.pos.sql("SELECT document FROM configs"), [(text.decode(),)])

    def test_the_published_examples_are_taken(self):
        paths = sorted(glob.glob(EXAMPLES))
        self.assertEqual(len(paths), 3)
        for path in paths:
            with open(path, "rb") as file:
                self.check(self.pos.ask("POST", "/configs", file.read()), 200, SAVED)
        self.assertEqual([c["id"] for c in self.pos.ask("GET", "/configs").json()["configs"]],
                         ["daily-db-backup", "files-backup", "weekly-full-backup"])

    def test_saving_again_makes_a_version_and_a_record(self):
        for name in ("One", "Two"):
            self.check(self.pos.ask("PUT", "/configs/daily-db-backup", config(name=name)), 200, SAVED)
        self.assertEqual(self.pos.sql("SELECT version, name FROM configs"), [(2, "Two")])
        self.assertEqual(self.pos.audit(), [("somebody", "config.save", DAILY["id"], "done")] * 2)

    def test_a_missing_field_is_named_in_the_published_order(self):
        for missing in ("id", "name", "type", "schedule", "retention", "destinations"):
            for value in (None, "", 0, False):
                self.check(self.pos.ask("POST", "/configs", config(**{missing: value})), 400,
                           {"error": missing + " is required"})
            less = {k: v for k, v in DAILY.items() if k != missing}
            self.check(self.pos.ask("POST", "/configs", less), 400, {"error": missing + " is required"})
        self.check(self.pos.ask("POST", "/configs", {}), 400, {"error": "id is required"})
        self.check(self.pos.ask("POST", "/configs", {"id": "x", "retention": {}}), 400,
                   {"error": "name is required"})
        self.check(self.pos.ask("GET", "/configs"), 200, {"configs": []})

    def test_a_schedule_matters_only_when_it_is_enabled(self):
        for bad in ("* * * * * *", "61 * * * *", "sometimes", "0 0 31 2 *"):
            self.check(self.pos.ask("POST", "/configs", config(schedule=bad)), 400,
                       {"error": "Invalid cron schedule"})
        self.check(self.pos.ask("POST", "/configs", config(schedule="sometimes", enabled=False)), 200,
                   SAVED)

    def test_bad_values_are_refused_with_the_path_to_them(self):
        secret = {"type": "s3", "config": {"bucket": "b-1", "region": "r", "folder": "f",
                                           "secretAccessKey": "hunter2"}}
        local = {"type": "local", "config": {"path": "/outside"}}
        for change, path in (
                ({"retention": {"daily": -1, "weekly": 0, "monthly": 0}}, "retention.daily"),
                ({"retention": {"daily": 10 ** 9, "weekly": 0, "monthly": 0}}, "retention.daily"),
                ({"retention": {"daily": 0, "weekly": 0, "monthly": 0}}, "retention"),
                ({"type": "everything"}, "type"),
                ({"destinations": [secret]}, "destinations[0].config.secretAccessKey"),
                ({"destinations": [local]}, "destinations[0].config.path"),
                ({"destinations": [{"type": "local", "config": {"path": "/a/../etc"}}]},
                 "destinations[0].config.path"),
                ({"id": "../x"}, "id"), ({"id": "-x"}, "id"), ({"isAdmin": True}, "isAdmin")):
            answer = self.pos.ask("POST", "/configs", config(**change))
            self.assertEqual(answer.status, 400, change)
            self.assertTrue(answer.json()["error"].startswith(path + ":"), answer.body)
            self.assertNotIn(b"hunter2", answer.body)
        self.assertEqual(self.pos.sql("SELECT count(*) FROM configs"), [(0,)])

    def test_bad_bodies_are_refused(self):
        for body in (b"{", b"[]", b"null", b'"x"', b'{"id":1,"id":2}', b"\xff", b"[" * 10000,
                     b'{"id":"\\u0000"}'):
            answer = self.pos.ask("POST", "/configs", body)
            self.assertEqual(answer.status, 400, body[:20])
            self.assertEqual(list(answer.json()), ["error"])
        self.assertEqual(self.pos.ask("POST", "/configs", b" " * 70000).status, 413)
        self.assertEqual(self.pos.ask("POST", "/configs", DAILY,
                                      headers={"Content-Type": "text/plain"}).status, 415)

    def test_the_id_of_the_body_must_be_that_of_the_address(self):
        self.check(self.pos.ask("PUT", "/configs/other", DAILY), 400,
                   {"error": "id: must be the one of the address"})

    def test_a_configuration_is_tried_by_a_job_and_not_kept(self):
        self.pos.outcomes["check"] = ("success", "-", "-")
        passed = {"success": True, "message": "Backup configuration test passed"}
        self.check(self.pos.ask("POST", "/configs/test", DAILY), 200, passed)
        brief = {key: DAILY[key] for key in ("name", "type", "destinations")}
        self.check(self.pos.ask("POST", "/configs/test", brief), 200, passed)
        whole, completed = [json.loads(json.loads(row[0])["document"]) for row in self.pos.sql(
            "SELECT arguments FROM jobs ORDER BY created_ns")]
        self.assertEqual(whole, DAILY)
        self.assertEqual({key: completed[key] for key in brief}, brief)
        self.check(self.pos.ask("POST", "/configs", completed), 200, SAVED) # it has all that saving asks for
        self.assertEqual(self.pos.audit()[:2], [("somebody", "config.test", DAILY["id"], "done"),
                                                ("somebody", "config.test", "new", "done")])
        self.assertEqual(self.pos.sql("SELECT id FROM configs"), [(completed["id"],)])
        history = self.pos.ask("GET", "/history/" + DAILY["id"]).json()
        self.assertEqual(history["total"], 0)

    def test_a_trial_that_fails_says_what_does_not_work(self):
        self.pos.outcomes["check"] = ("failed", "-", "-")
        answer = self.pos.ask("POST", "/configs/test", DAILY)
        self.assertEqual((answer.status, answer.json()["error"]), (500, "Failed to test backup configuration"))
        self.assertTrue(answer.json()["details"])

    def test_a_trial_that_makes_no_sense_makes_no_job(self):
        for missing in ("name", "type", "destinations"):
            less = {k: v for k, v in DAILY.items() if k != missing}
            self.check(self.pos.ask("POST", "/configs/test", less), 400, {"error": missing + " is required"})
        for bad in (config(secret="x"), config(type="half"), config(schedule="never"), b"[", b"[]"):
            self.assertEqual(self.pos.ask("POST", "/configs/test", bad).status, 400, bad)
        self.assertEqual(self.pos.sql("SELECT count(*) FROM jobs"), [(0,)])

    def test_if_match_is_honoured_when_it_is_sent(self):
        first = self.pos.ask("POST", "/configs", DAILY)
        self.assertEqual(first.headers["ETag"], '"1"')
        second = self.pos.ask("PUT", "/configs/daily-db-backup", DAILY, headers={"If-Match": '"1"'})
        self.assertEqual((second.status, second.headers["ETag"]), (200, '"2"'))
        for tag in ('"1"', '"3"', "2", '""', '"x"', '"99999999999999999999999"'):
            for method in ("PUT", "DELETE"):
                body = DAILY if method == "PUT" else None
                answer = self.pos.ask(method, "/configs/daily-db-backup", body, headers={"If-Match": tag})
                self.check(answer, 412,
                           {"error": "The backup configuration is not the one that was read"})
        self.assertEqual(self.pos.sql("SELECT version, deleted_ns FROM configs"), [(2, None)])
        any_there = {"If-Match": "*"}
        self.check(self.pos.ask("PUT", "/configs/daily-db-backup", DAILY, headers=any_there), 200, SAVED)
        for method, body in (("PUT", config(id="new")), ("DELETE", None)):
            self.check(self.pos.ask(method, "/configs/new", body, headers=any_there), 404,
                       {"error": "Backup configuration not found"})

    def test_deleting_keeps_backups(self):
        self.pos.ask("POST", "/configs", DAILY)
        self.pos.command("fill daily-db-backup 3")
        self.check(self.pos.ask("DELETE", "/configs/daily-db-backup"), 200,
                   {"success": True, "message": "Backup configuration deleted successfully"})
        self.check(self.pos.ask("GET", "/configs"), 200, {"configs": []})
        self.assertEqual(self.pos.ask("GET", "/history/daily-db-backup").json()["total"], 3)
        self.check(self.pos.ask("DELETE", "/configs/daily-db-backup"), 404,
                   {"error": "Backup configuration not found"})
        self.assertEqual(self.pos.audit()[-1], ("somebody", "config.delete", DAILY["id"], "done"))

    def test_what_cannot_be_recorded_does_not_happen(self):
        self.pos.ask("POST", "/configs", DAILY)
        self.pos.sql("ALTER TABLE audit RENAME TO gone")
        for method, path, body, error in (
                ("PUT", "/configs/daily-db-backup", config(name="New"),
                 "Failed to save backup configuration"),
                ("DELETE", "/configs/daily-db-backup", None, "Failed to delete backup configuration"),
                ("POST", "/create", {"configId": DAILY["id"]}, "Failed to create backup"),
                ("POST", "/restore-point", {"description": "x", "configId": DAILY["id"]},
                 "Failed to create restore point")):
            self.check(self.pos.ask(method, path, body), 500,
                       {"error": error, "details": "The log says why"})
        self.check(self.pos.ask("GET", "/configs"), 200, {"configs": [DAILY]})
        self.assertEqual(self.pos.sql("SELECT count(*) FROM jobs"), [(0,)])

    def test_a_catalog_that_fails_says_nothing_of_itself(self):
        self.pos.sql("ALTER TABLE configs RENAME TO gone")
        for method, path, body, error in (
                ("GET", "/configs", None, "Failed to get backup configurations"),
                ("GET", "/history/x", None, "Failed to get backup history"),
                ("GET", "/stats", None, "Failed to get backup statistics"),
                ("POST", "/configs", DAILY, "Failed to save backup configuration"),
                ("POST", "/create", {"configId": "x"}, "Failed to create backup")):
            self.check(self.pos.ask(method, path, body), 500,
                       {"error": error, "details": "The log says why"})


if __name__ == "__main__":
    unittest.main()
