"""Configurations, figures, the audit log and messages of the API; every answer is held against docs/openapi.yaml."""

import json
import re
import time
import urllib.parse
from datetime import datetime

import people
import rig
from api_case import Case, S

# Of a repository whose keys were rotated once, as a job told the catalog.
KEYS = {"epoch": 2, "packs_left": 3, "bytes_left": 40, "index_objects_left": 1, "records_left": 2, "snapshots_left": 1, "packs_left_in_trash": 0,
        "bytes_left_in_trash": 0, "unreadable": 0, "keys_past": 0, "keys_unfinished": 0,
        "epochs": [{"epoch": n, "keys": n - 1, "packs": 3, "pack_bytes": 40, "index_objects": 1, "packs_in_trash": 0, "bytes_in_trash": 0,
                    "snapshots": 1, "records": 2} for n in (1, 2)]}


class Configs(Case):
    def put(self, document, match=None, id_=None, none=None, client=None):
        headers = {**({"If-Match": match} if match else {}), **({"If-None-Match": none} if none else {})}
        return (client or self.boss).ask("PUT", "/api/v1/configs/" + (id_ or document["id"]), document, headers)

    def test_a_configuration_comes_back_byte_for_byte_with_its_version(self):
        self.assertEqual(self.put(people.config("bytes"), none="*").status, 201)
        answer = self.boss.get("/api/v1/configs/bytes")
        self.assertEqual(answer.body, json.dumps(people.config("bytes")).encode())
        self.assertEqual(answer.headers["etag"], '"1"')
        self.assertEqual(self.boss.ask("GET", "/api/v1/configs/bytes", None, {"If-None-Match": '"1"'}).status, 304)
        listed = [c for c in self.boss.get("/api/v1/configs").json()["configs"] if c["id"] == "bytes"][0]
        self.assertEqual((listed["name"], listed["enabled"], listed["version"]), ("Daily", True, 1))

    def test_a_change_names_what_it_changes(self):
        document = people.config("change")
        for match, none, status in ((None, None, 428), ('"1"', None, 412), (None, "*", 201), (None, "*", 412), (None, None, 428),
                                    ('"2"', None, 412), ('"1"', None, 200), ('"1"', None, 412), ("*", None, 200)):
            answer = self.put(document, match, none=none)
            self.assertEqual(answer.status, status, (match, none, answer.body))
        self.assertEqual(self.boss.get("/api/v1/configs/change").headers["etag"], '"3"')
        self.assertEqual(self.audit()[:4], ("admin", "config.save", "change", "done"))

    def test_a_configuration_that_is_none_is_refused_with_the_place_of_the_fault(self):
        for changes, said in (({"schedule": "* * * *"}, "schedule"), ({"surprise": 1}, "surprise"), ({"retention": {}}, "retention")):
            answer = self.put(people.config("bad", **changes), none="*")
            self.assertEqual(answer.status, 400)
            self.assertIn(said, answer.json()["detail"])
        self.assertEqual(self.put(people.config("one"), none="*", id_="two").status, 400)
        self.assertEqual(self.boss.get("/api/v1/configs/bad").status, 404)

    def test_deleting_names_the_version_and_keeps_nothing_but_history(self):
        self.put(people.config("gone"), none="*")
        for match, status in ((None, 428), ('"7"', 412), ('"1"', 204), ('"1"', 404)):
            answer = self.boss.ask("DELETE", "/api/v1/configs/gone", None, {"If-Match": match} if match else {})
            self.assertEqual(answer.status, status, match)
        self.assertEqual(self.audit()[1:3], ("config.delete", "gone"))

    def test_a_token_for_a_set_has_its_configuration_only(self):
        for id_ in ("mine", "theirs"):
            self.put(people.config(id_), none="*")
        program = self.program(role="admin", sets=["mine"])
        self.assertEqual([c["id"] for c in program.get("/api/v1/configs").json()["configs"]], ["mine"])
        self.assertEqual((program.get("/api/v1/configs/mine").status, program.get("/api/v1/configs/theirs").status), (200, 403))
        self.assertEqual(self.put(people.config("theirs"), "*", client=program).status, 403)


class Previews(Case):
    def next(self, cron, zone="UTC", **query):
        return self.boss.get("/api/v1/schedules/next?" + urllib.parse.urlencode({"cron": cron, "timezone": zone, **query}))

    def simulate(self, client=None, **question):
        return (client or self.boss).ask("POST", "/api/v1/retention/simulation", question)

    def test_the_next_runs_are_told_in_the_zone_of_the_set(self):
        answer = self.next("30 2 * * *", "Europe/Berlin", count=100).json()
        self.assertEqual((answer["cron"], answer["timezone"], len(answer["next"])), ("30 2 * * *", "Europe/Berlin", 100))
        for one in answer["next"]:
            self.assertEqual(datetime.fromisoformat(one["local"]), datetime.fromisoformat(one["at"][:19] + "+00:00"))
            self.assertRegex(one["local"], r"T02:30:00\+0[12]:00$" if one["clock"] is None else "")
        self.assertEqual(len(self.next("@hourly").json()["next"]), 10)

    def test_a_change_of_the_clocks_is_shown(self):
        runs = self.next("30 2 25-31 3,10 *", "Europe/Berlin", count=100).json()["next"] # the last Sunday is one of these
        moved = [one for one in runs if one["clock"] == "moved"]
        twice = [one for one in runs if one["clock"] == "twice"]
        self.assertTrue(moved and twice, runs)
        self.assertTrue(all(one["local"].endswith("T03:00:00+02:00") and one["local"][5:7] == "03" for one in moved), moved)
        self.assertTrue(all(one["local"].endswith("T02:30:00+02:00") and one["local"][5:7] == "10" for one in twice), twice)

    def test_what_is_no_expression_or_zone_is_refused_with_its_place(self):
        for cron, zone, said in (("0 0 32 * *", "UTC", "field 3 (day of month)"), ("x", "UTC", "cron"), ("@daily", "Mars/Base", "timezone"),
                                 ("@daily", "../../etc/passwd", "timezone")):
            answer = self.next(cron, zone)
            self.assertEqual(answer.status, 400, cron)
            self.assertIn(said, answer.json()["detail"])
        self.assertEqual(self.boss.get("/api/v1/schedules/next").status, 400)
        for count in ("0", "101", "x"):
            self.assertEqual(self.next("@daily", count=count).status, 400)

    def test_rules_are_simulated_by_the_code_that_applies_them(self):
        answer = self.simulate(retention={"daily": 2}, schedule={"cron": "0 2 * * *", "timezone": "UTC"}, days=30,
                               snapshots=[{"id": "ab", "time": "2026-11-01T00:00:00Z"}, {"id": "cd", "time": "2026-11-02T00:00:00Z", "pinned": True}])
        self.assertEqual(answer.status, 200, answer.body)
        there = [s for s in answer.json()["snapshots"] if s["action"] == "keep"]
        self.assertEqual([s["id"] for s in there], ["cd", None, None])
        self.assertIn("pinned", there[0]["reason"])
        self.assertIn("nothing proves", answer.json()["places"])
        proven = self.simulate(retention={"daily": 2}, drill="after_backup", check=None)
        self.assertIn("only verified and proven snapshots fill places", proven.json()["places"])

    def test_rules_that_are_none_are_refused_in_words(self):
        for question, said in (({"retention": {}}, "no rule"), ({"retention": {"daly": 1}}, "daily"), ({"retention": {"daily": 1}, "days": 1}, "schedule"),
                               ({"retention": {"daily": 1}, "days": 732}, "days"), ({"retention": {"daily": 1}, "schedule": "x"}, "schedule"),
                               ({"retention": {"daily": 1}, "drill": {"a": 1}}, "drill"), ({"retention": {"daily": 1}, "check": []}, "check"),
                               ({"retention": {"daily": 1}, "snapshots": [{"id": "a", "time": "yesterday"}]}, "snapshots[0].time"), ({}, "retention")):
            answer = self.simulate(**question)
            self.assertEqual(answer.status, 400, question)
            self.assertIn(said, answer.json()["detail"])
            self.assertNotIn("rules:", answer.json()["detail"])

    def test_how_a_set_is_configured_is_for_those_who_configure(self):
        self.assertEqual(self.boss.get("/api/v1/sets/shop/settings").json()["sources"], [{"kind": "files", "name": "files"}])
        self.assertEqual(self.boss.get("/api/v1/sets/none/settings").status, 404)
        self.assertEqual(self.program(role="admin", verbs=["backup:read"]).get("/api/v1/sets/shop/settings").status, 403)
        self.assertEqual(self.program(role="manager").get("/api/v1/sets/shop/settings").status, 403)


class Figures(Case):
    def test_statistics_count_what_ran(self):
        now = time.time_ns()
        for i in range(10):
            self.add_run(0, id=f"{0xf000 + i:032x}", set_name="figures", created_ns=now - i * S, started_ns=now - i * S,
                         ended_ns=now, state="failed" if i == 3 else "success", variant="database")
        figures = self.boss.get("/api/v1/statistics?set=figures&days=2").json()
        backup = figures["kinds"]["backup"]
        self.assertEqual((backup["runs"], backup["successful"], backup["failed"], backup["success_rate"]), (10, 9, 1, 90.0))
        self.assertEqual([(s["name"], s["size_bytes"]) for s in figures["sets"]], [("figures", 90)])
        self.assertEqual((len(figures["days"]), figures["truncated"]), (2, False))
        self.assertEqual((figures["types"][0]["added_bytes"], sum(day["added_bytes"] for day in figures["days"])), (10, 10))
        of_type = [self.boss.get(f"/api/v1/statistics?set=figures&type={type_}").json()["kinds"]["backup"]["runs"] for type_ in ("database", "files", "")]
        self.assertEqual(of_type, [10, 0, 0])
        for days in ("0", "367", "x", "-1"):
            self.assertEqual(self.boss.get("/api/v1/statistics?days=" + days).status, 400)

    def test_schedules_and_stores_are_what_the_catalog_knows(self):
        self.house.sql("INSERT INTO schedules VALUES ('shop', 1000000000, 2000000000, '{\"missed\":1}', 1), ('wiki', 1, 2, NULL, 1),"
                       " ('drill:shop', NULL, NULL, NULL, 1), ('check:shop/main', 1, 3000000000, NULL, 1)")
        self.house.sql("INSERT INTO stores VALUES ('main', 'up', 1000000000, -1, 3, NULL, 1000000000, 2000000000, 'ab', 3000000000,"
                       " 4000000000, ?), ('away', 'up', 1, -1, -1, NULL, 1, NULL, NULL, NULL, NULL, NULL)", json.dumps(KEYS))
        schedules = self.boss.get("/api/v1/schedules").json()["schedules"]
        self.assertEqual([(s["set"], s["kind"]) for s in schedules],
                         [("wiki", "backup"), ("shop", "backup"), ("shop", "check"), ("shop", "drill")])
        self.assertEqual([s["repository"] for s in schedules], [None, None, "main", None])
        self.assertIsNone(schedules[3]["next_at"])
        self.assertEqual((schedules[1]["next_at"], schedules[1]["details"]), ("1970-01-01T00:00:02.000000000Z", {"missed": 1}))
        self.assertEqual(self.boss.get("/api/v1/sets/shop").json()["next_at"], "1970-01-01T00:00:02.000000000Z")
        away, store = self.boss.get("/api/v1/stores").json()["stores"]
        self.assertEqual((store["name"], store["state"], store["bytes"], store["snapshots"]), ("main", "up", None, 3))
        self.assertEqual(store["verified_at"], "1970-01-01T00:00:02.000000000Z")
        self.assertEqual(store["checked_at"], "1970-01-01T00:00:03.000000000Z")
        self.assertEqual(store["keys"], {**KEYS, "measured_at": "1970-01-01T00:00:04.000000000Z"})
        self.assertIsNone(away["keys"])
        program = self.program(sets=["shop"])
        self.assertEqual([s["set"] for s in program.get("/api/v1/schedules").json()["schedules"]], ["shop"] * 3)
        self.assertEqual(program.get("/api/v1/stores").status, 403)

    def test_limits_are_told_to_who_may_restore(self):
        self.assertEqual(self.boss.get("/api/v1/limits").json(), {"restore_targets": ["/srv/restores"], "import_max": 1000000})
        self.assertEqual(self.program(verbs=["backup:read"]).get("/api/v1/limits").status, 403)

    def test_restore_points_are_listed_and_let_go(self):
        for i in range(3):
            self.house.sql("INSERT INTO restore_points VALUES (?, NULL, 'ab', 'before', 0, 'ann', ?, NULL)", f"{i:032x}", (i + 1) * S)
        page = self.boss.get("/api/v1/restore-points?limit=2").json()
        rest = self.boss.get("/api/v1/restore-points?limit=2&after=" + page["next"]).json()
        self.assertEqual([int(p["id"], 16) for p in page["restore_points"] + rest["restore_points"]], [2, 1, 0])
        self.assertIsNone(rest["next"])
        for status in (204, 404):
            self.assertEqual(self.boss.ask("DELETE", f"/api/v1/restore-points/{1:032x}").status, status)
        self.assertEqual(self.audit()[1], "restore-point.delete")


class Log(Case):
    def test_the_log_is_paged_and_filtered(self):
        for _ in range(3):
            self.order("backup")
        records = self.boss.get("/api/v1/audit?limit=2").json()["records"]
        self.assertEqual([r["action"] for r in records], ["backup", "backup"])
        older = self.boss.get(f"/api/v1/audit?limit=1&before={records[1]['seq']}").json()["records"]
        self.assertEqual(older[0]["seq"], records[1]["seq"] - 1)
        self.assertEqual(self.boss.get("/api/v1/audit?actor=nobody").json()["records"], [])
        self.assertEqual({r["object"] for r in self.boss.get("/api/v1/audit?object=shop").json()["records"]}, {"shop"})
        self.assertEqual(len(self.boss.get("/api/v1/audit?action=backup&outcome=done&object=shop&limit=3").json()["records"]), 3)
        for query in ("action=nothing", "outcome=refused&action=backup", "from=2099-01-01T00:00:00Z", "until=1999-01-01T00:00:00Z"):
            self.assertEqual(self.boss.get("/api/v1/audit?" + query).json()["records"], [], query)
        for query in ("before=0", "before=x", "limit=1001", "from=yesterday", "until=x"):
            self.assertEqual(self.boss.get("/api/v1/audit?" + query).status, 400, query)

    def test_a_log_that_was_changed_shows(self):
        self.order("backup")
        self.assertEqual(self.boss.get("/api/v1/audit/verdict").json()["sound"], True)
        [(seq, record)] = self.house.sql("SELECT seq, record FROM audit ORDER BY seq DESC LIMIT 1")
        self.house.sql("UPDATE audit SET record = ? WHERE seq = ?", record.replace("shop", "shap"), seq)
        verdict = self.boss.get("/api/v1/audit/verdict").json()
        self.assertEqual((verdict["sound"], verdict["bad_record"]), (False, seq))
        self.house.sql("UPDATE audit SET record = ? WHERE seq = ?", record, seq)


class Messages(Case):
    def test_a_test_message_is_put_into_the_outbox(self):
        self.assertEqual(self.boss.post("/api/v1/notifications/test", {"channel": "ops@example.org"}).json(), {"channel": "mail"})
        shown = self.boss.get("/api/v1/notifications?state=waiting").json()["notifications"][0]
        self.assertEqual((shown["channel"], shown["recipient"], shown["attempts"]), ("mail", "ops@example.org", 0))
        self.assertEqual(self.audit()[1:3], ("notification.test", "mail"))
        self.assertEqual(self.boss.post("/api/v1/notifications/test", {"channel": "gopher://x"}).status, 400)
        self.assertEqual(self.boss.get("/api/v1/notifications?state=lost").status, 400)

    def test_addresses_of_webhooks_are_nobodys_to_see(self):
        self.house.sql("INSERT INTO outbox (id, channel, recipient, payload, state, attempts, fence, next_ns, created_ns, ended_ns)"
                       " VALUES ('ab', 'slack', 'https://hooks.example/SECRET', '{}', 'sent', 1, 1, 1, 1, 2)")
        answer = self.boss.get("/api/v1/notifications?state=sent")
        self.assertEqual(len(answer.json()["notifications"]), 1)
        self.assertNotIn(b"SECRET", answer.body)


SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*)\})? (NaN|[-+]?Inf|[-+0-9.e]+)\Z')


def parse(text):
    """The exposition format, strictly: {family: (type, [(labels, value)])}."""
    families, current = {}, None
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            current = line.split(" ", 3)[2]
            assert current not in families, current
            families[current] = [None, []]
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current and kind in ("counter", "gauge", "histogram") and (kind == "counter") == name.endswith("_total")
            families[name][0] = kind
        else:
            name, labels, value = SAMPLE.match(line).groups()
            assert name == current or (families[current][0] == "histogram" and re.sub("_(bucket|sum|count)$", "", name) == current)
            pairs = tuple(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', labels or ""))
            assert (name, pairs) not in [(n, p) for n, p, _ in families[current][1]], line
            families[current][1].append((name, pairs, float(value)))
    return families


class Metrics(Case):
    def test_the_figures_of_the_catalog_stand_in_metrics(self):
        now = time.time_ns()
        self.house.sql("INSERT INTO sets (name, success_ns, failures, proven_ns, pause_reason, updated_ns)"
                       " VALUES ('a\"b\\c', ?, 2, ?, 'why', 1)", now - 100 * S, now - 200 * S)
        self.house.sql("INSERT INTO stores VALUES ('far', 'down', 1, -1, -1, 'no route', 1, NULL, NULL, NULL, NULL, NULL),"
                       " ('near', 'up', 1, -1, -1, NULL, 1, ?, 'ab', ?, NULL, NULL)", now - 400 * S, now - 300 * S)
        self.add_run(1, id=f"{0xe001:032x}", set_name='a"b\\c', state="failed", kind="drill")
        self.order("backup")
        # What was read in the last ten seconds is good enough.
        deadline = time.monotonic() + 60
        while True:
            families = parse(self.boss.get("/metrics").body.decode())
            found = {(name, *(value for _, value in labels)): number for kind, samples in families.values() for name, labels, number in samples}
            if ("holdfast_runs", 'a\\"b\\\\c', "drill", "failed") in found or time.monotonic() > deadline:
                break
            time.sleep(1)
        name = 'a\\"b\\\\c'
        self.assertEqual(found["holdfast_runs", name, "drill", "failed"], 1)
        self.assertEqual((found["holdfast_set_failures", name], found["holdfast_set_paused", name]), (2, 1))
        self.assertTrue(100 <= found["holdfast_set_success_age_seconds", name] < 300)
        self.assertTrue(200 <= found["holdfast_set_proof_age_seconds", name] < 400)
        self.assertEqual((found["holdfast_jobs", "queued"], found["holdfast_jobs", "running"]), (1, 0))
        self.assertIn(("holdfast_messages", "waiting"), found)
        self.assertEqual((found["holdfast_store_up", "far"], found["holdfast_store_up", "near"]), (0, 1))
        for name, least in (("check", 300), ("verified", 400)):
            self.assertTrue(least <= found[f"holdfast_store_{name}_age_seconds", "near"] < least + 300)
            self.assertNotIn((f"holdfast_store_{name}_age_seconds", "far"), found)
        self.assertEqual(found["holdfast_catalog_up",], 1)

    def test_a_token_for_some_sets_sees_figures_of_these_only(self):
        self.house.sql("INSERT OR IGNORE INTO sets (name, success_ns, failures, updated_ns) VALUES ('shop', 1, 2, 1), ('wiki', 1, 3, 1)")
        self.add_run(1, id=f"{0xe101:032x}", set_name="shop")
        self.add_run(2, id=f"{0xe102:032x}", set_name="wiki")
        for sets, seen in ((["shop"], {"shop"}), (["wiki", "shop"], {"shop", "wiki"}), (["other"], set())):
            families = parse(self.program(verbs=["metrics:read"], sets=sets).get("/metrics").body.decode())
            samples = [(name, dict(labels)) for _, samples in families.values() for name, labels, _ in samples]
            self.assertEqual({labels["set"] for _, labels in samples if "set" in labels}, seen)
            names = {name for name, _ in samples}
            self.assertEqual("holdfast_set_failures" in names, bool(seen))
            self.assertFalse(names & {"holdfast_store_up", "holdfast_store_check_age_seconds", "holdfast_jobs", "holdfast_messages"})
            self.assertLessEqual({"holdfast_catalog_up", "holdfast_http_requests_total"}, names)
        whole = parse(self.program(verbs=["metrics:read"]).get("/metrics").body.decode())
        self.assertTrue(whole["holdfast_jobs"][1])


if __name__ == "__main__":
    rig.main()
