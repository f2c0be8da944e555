"""Sets, runs, jobs and orders of the API; every answer is held against docs/openapi.yaml."""

import json
import time

import people
import rig
from api_case import Case, S


class Orders(Case):
    def test_an_order_becomes_a_job_that_can_be_looked_at(self):
        made = self.order("backup", {"tags": ["before upgrade"], "skip_if_unchanged": True})
        self.assertEqual(made.status, 202)
        id_ = made.json()["job"]
        self.assertEqual(made.headers["location"], "/api/v1/jobs/" + id_)
        job = self.job(id_)
        self.assertEqual((job["kind"], job["set"], job["state"], job["requested_by"], job["cause"]),
                         ("backup", "shop", "queued", "admin", "api"))
        self.assertEqual(job["arguments"], {"tags": ["before upgrade"], "skip_if_unchanged": True})
        self.assertEqual(job["result"]["id"], job["run"])
        self.assertEqual([j["id"] for j in self.boss.get("/api/v1/jobs").json()["jobs"]], [id_])
        self.assertEqual([r["job"] for r in self.boss.get("/api/v1/runs?state=queued").json()["runs"]], [id_])
        actor, action, thing, outcome, record = self.audit()
        self.assertEqual((actor, action, thing, outcome), ("admin", "backup", "shop", "done"))
        self.assertIn(id_, record)

    def test_each_verb_has_its_kind(self):
        for verb, body, kind in (("drill", {"snapshot": "latest"}, "drill"), ("check", {"read_data": True}, "check"),
                                 ("copy", None, "copy"), ("prune", {"dry_run": True}, "prune"),
                                 ("forget", {"keep_last": 3}, "retention"), ("forget", {"undo": ["ab12"]}, "retention"),
                                 ("stats", None, "check"), ("keys", None, "check"), ("keys/epochs", None, "check"),
                                 ("keys/reencrypt", None, "prune"), ("parity/status", None, "check"),
                                 ("parity/enable", {"percent": "10"}, "check"), ("parity/disable", {}, "check"),
                                 ("repair/index", None, "check"), ("repair/packs", None, "check"),
                                 ("tag", {"snapshots": ["ab12"], "add": ["pin"]}, "retention"),
                                 ("restore/plan", {"snapshot": "latest"}, "restore"),
                                 ("restore", {"snapshot": "ab12", "in_place": True}, "restore")):
            self.setUp()
            made = self.order(verb, body)
            self.assertEqual(made.status, 202, (verb, made.body))
            self.assertEqual(self.job(made.json()["job"])["kind"], kind)

    def test_what_works_on_a_repository_gets_the_only_one_or_asks_which(self):
        self.assertEqual(self.job(self.order("check").json()["job"])["arguments"], {"repository": "main"})
        self.assertEqual(self.order("check", set_="wiki").json()["detail"], "repository: the set has several, name one")
        self.assertEqual(self.order("prune", {"repository": "other"}).json()["detail"], "repository: is none of the set's")
        self.assertEqual(self.order("prune", {"repository": "remote"}, "wiki").status, 202)

    def test_commands_that_share_a_kind_are_named_in_the_job_and_the_run(self):
        for verb, body in (("stats", None), ("parity/enable", {"shards": "20+2"}), ("repair/packs", {"repository": "main"}),
                           ("tag", {"snapshots": ["ab12"], "remove": ["pin"]})):
            self.setUp()
            job = self.job(self.order(verb, body).json()["job"])
            self.assertEqual(job["arguments"], {**(body or {}), "repository": "main", "command": verb.replace("/", " ")})
            self.assertEqual(job["result"]["variant"], verb.replace("/", " "))
        for body in (None, {}, {"snapshots": []}, {"add": ["x"]}, {"snapshots": ["ab12"], "command": "stats"},
                     {"snapshots": ["ab12"], "set": ["x"]}, {"snapshots": ["ab\n12"]}):
            self.assertEqual(self.order("tag", body).status, 400, body)
        self.assertEqual(self.order("stats", {"command": "tag"}).status, 400)
        self.assertEqual(self.order("stats", set_="wiki").json()["detail"], "repository: the set has several, name one")

    def test_the_catalog_says_what_it_is(self):
        answer = self.boss.get("/api/v1/catalog")
        self.assertEqual((answer.status, answer.json()["kind"], answer.json()["jobs"]), (200, "SQLite", 0))
        self.order("backup")
        self.assertEqual(self.boss.get("/api/v1/catalog").json()["jobs"], 1)
        self.assertEqual(self.program(sets=["shop"]).get("/api/v1/catalog").status, 403)

    def test_a_plan_changes_nothing(self):
        arguments = self.job(self.order("restore/plan", {"snapshot": "latest"}).json()["job"])["arguments"]
        self.assertEqual(arguments, {"snapshot": "latest", "plan": True, "in_place": True})

    def test_a_restore_goes_to_its_places_or_into_a_folder_that_was_named_for_it(self):
        for target, status in (("/srv/restores/one", 202), ("/srv/restores", 400), ("/srv/restores/", 400),
                               ("/srv/restores/..", 400), ("/srv/restores/.", 400), ("/srv/restores/a/b", 400),
                               ("/srv/restores/../etc", 400), ("/srv/restoresx/a", 400), ("/etc", 400), ("a", 400),
                               ("srv/restores/a", 400), ("/srv//restores/a", 400), ("/", 400)):
            self.setUp()
            made = self.order("restore", {"snapshot": "latest", "target": target})
            self.assertEqual(made.status, status, (target, made.body))
        self.assertEqual(self.order("restore", {"snapshot": "latest"}).status, 400)
        self.assertEqual(self.order("restore", {"snapshot": "latest", "in_place": True, "target": "/srv/restores/a"}).status, 400)

    def test_tables_go_where_their_set_is_or_into_a_database_that_is_made(self):
        base = {"snapshot": "ab12:/postgres/shop"}
        for verb, more in (("restore/plan", {"plan": True}), ("restore", {})):
            for body in ({"into": "shop_before"}, {"into": "a", "tables": ["public.sale"], "as": "public.x"},
                         {"into": "a", "schemas": ["stock"]}, {"tables": ["public.sale"], "as": "public.sale_before"},
                         {"tables": ["public.sale"], "in_place": True}, {"tables": ["public.sale"], "data_only": True},
                         {"schemas": ["stock"]}, {"tables": ["a.b"], "in_place": False}, {"data_only": True},
                         {"schemas": ["stock"], "in_place": True}, {"schemas": ["stock"], "data_only": True}):
                self.setUp()
                made = self.order(verb, {**base, **body})
                self.assertEqual(made.status, 202, (verb, body, made.body))
                self.assertEqual(self.job(made.json()["job"])["arguments"], {**base, **body, **more})
            self.setUp()
            for body in ({"into": "a", "in_place": True}, {"into": "a", "tables": ["a.b"], "in_place": True},
                         {"into": "a", "tables": ["a.b"], "data_only": True}, {"into": "/etc/a"}, {"into": ""}, {"into": "a" * 64},
                         {"into": "a\nb"}, {"tables": []}, {"schemas": []}, {"tables": "a.b"}, {"tables": [1]}, {"tables": ["a\x00b"]},
                         {"as": "a.b"}, {"as": "a.b", "into": "a"}, {"into": "a", "dsn": "dbname=b"},
                         {"into": "a", "target": "/srv/restores/a"}, {"tables": ["a.b"], "target": "/srv/restores/a"},
                         {"into": "a", "include": ["x"]}, {"tables": ["a.b"], "dry_run": True}, {"into": "a", "force": True},
                         {"into": "a", "no_owner": True}, {"tables": ["a.b"], "globals": True}, {"into": "a", "jobs": 2}):
                self.assertEqual(self.order(verb, {**base, **body}).status, 400, (verb, body))
            for snapshot in ("latest", "latest:/sqlite/app.db", "latest:/bundle", "latest:/", "latest:/files/postgres/shop",
                             "latest/postgres/shop", "latest:/import/x:/postgres/shop"):
                for body in ({"into": "a"}, {"tables": ["a.b"]}, {"schemas": ["a"], "into": "a"}):
                    self.assertEqual(self.order(verb, {"snapshot": snapshot, **body}).status, 400, (verb, snapshot, body))
        self.assertEqual(self.boss.get("/api/v1/jobs").json()["jobs"], [])
        self.order("restore", {**base, "into": "a"})
        self.assertEqual(self.order("restore", {**base, "tables": ["a.b"]}).status, 409)
        self.assertIn("ab12:/postgres/shop", self.audit()[4])

    def test_arguments_that_name_machines_and_credentials_are_not_taken(self):
        for name in ("dsn", "dsn_password_file", "globals", "apply", "plan"):
            answer = self.order("restore", {"snapshot": "latest", "in_place": True, name: "x"})
            self.assertEqual((answer.status, answer.json()["detail"]), (400, name + ": is not known here"))

    def test_control_characters_are_refused(self):
        for body in ({"tags": ["a\nb"]}, {"tags": ["ok", "\x7f"]}, {"repository": "a\tb"}):
            answer = self.order("backup", body)
            self.assertEqual(answer.status, 400, body)
            self.assertIn("control character", answer.json()["detail"])
        self.assertEqual(self.boss.get("/api/v1/jobs").json()["jobs"], [])

    def test_a_set_that_nobody_configured_takes_no_orders(self):
        self.assertEqual(self.order("backup", set_="nowhere").status, 404)
        self.house.sql("INSERT INTO configs VALUES ('till', 'Till', 1, '{}', 1, 1, 1, NULL)")
        self.assertEqual(self.order("backup", set_="till").status, 202)
        self.house.sql("UPDATE configs SET deleted_ns = 2")
        self.assertEqual(self.order("backup", set_="till").status, 404)

    def test_one_restore_of_a_set_at_a_time(self):
        body = {"snapshot": "latest", "in_place": True}
        first = self.order("restore", body)
        self.assertEqual((first.status, self.order("restore", body).status), (202, 409))
        self.assertEqual(self.order("restore", body, "wiki").status, 202)
        self.assertEqual(self.boss.post(f"/api/v1/jobs/{first.json()['job']}/cancel").status, 200)
        self.assertEqual(self.order("restore", body).status, 202)

    def test_keys_are_measured_without_a_change_and_reencrypted_within_bounds(self):
        job = self.job(self.order("keys/epochs").json()["job"])
        self.assertEqual(job["arguments"], {"repository": "main", "command": "key reencrypt", "dry_run": True})
        job = self.job(self.order("keys/reencrypt", {"max_repack_size": "10G"}).json()["job"])
        self.assertEqual(job["arguments"], {"repository": "main", "command": "key reencrypt", "max_repack_size": "10G"})
        self.assertEqual(job["result"]["variant"], "key reencrypt")
        actor, action, thing, outcome, record = self.audit()
        self.assertEqual((actor, action, thing, outcome), ("admin", "key.reencrypt", "shop", "done"))
        self.assertIn(job["id"], record)
        for verb, body in (("keys/epochs", {"dry_run": False}), ("keys/epochs", {"max_repack_size": "1G"}), ("keys/reencrypt", {"dry_run": True}),
                           ("keys/reencrypt", {"max_repack_size": 5}), ("keys/reencrypt", {"max_repack_size": "1G\n"}),
                           ("keys/reencrypt", {"repository": "other"}), ("keys/reencrypt", {"command": "key rotate"})):
            self.assertEqual(self.order(verb, body).status, 400, (verb, body))

    def test_a_repository_is_reencrypted_once_at_a_time_whoever_asks(self):
        first = self.order("keys/reencrypt")
        self.assertEqual((first.status, self.order("keys/reencrypt").status), (202, 409))
        refused = self.order("keys/reencrypt", {"repository": "main"}, "wiki")
        self.assertEqual((refused.status, refused.json()["detail"]), (409, "the repository is being reencrypted, or will be"))
        self.assertEqual(self.order("keys/reencrypt", {"repository": "remote"}, "wiki").status, 202)
        self.assertEqual((self.order("keys/epochs").status, self.order("prune").status), (202, 202))
        self.assertEqual(self.boss.post(f"/api/v1/jobs/{first.json()['job']}/cancel").status, 200)
        self.assertEqual(self.order("keys/reencrypt").status, 202)

    def test_only_a_restore_of_the_set_is_undone(self):
        details = json.dumps({"message_type": "summary", "restore_id": "ab12cd34ef"})
        self.add_run(500, kind="restore", details=details)
        self.assertEqual(self.order("undo", {"restore": "ab12cd34ee"}).status, 404)
        self.assertEqual(self.order("undo", {"restore": "ab12cd34ef"}, "wiki").status, 404)
        made = self.order("undo", {"restore": "ab12cd34ef", "discard": True})
        self.assertEqual(self.job(made.json()["job"])["arguments"], {"restore": "ab12cd34ef", "discard": True})

    def test_a_full_queue_says_when_to_come_back(self):
        answers = [self.order("backup") for _ in range(101)]
        self.assertEqual([a.status for a in answers], [202] * 100 + [503])
        self.assertIn("retry-after", answers[-1].headers)

    def test_a_session_proves_itself_before_what_cannot_be_undone(self):
        self.house.sql("UPDATE sessions SET stepped_up_ns = 1")
        try:
            for verb in ("restore", "undo", "prune", "forget", "tag", "parity/disable", "keys/reencrypt"):
                self.assertEqual(self.order(verb, {}).json()["code"], "step_up_required")
            self.assertEqual(self.order("restore/plan", {"snapshot": "latest"}).status, 202)
        finally:
            self.house.sql("UPDATE sessions SET stepped_up_ns = ?", time.time_ns())


class Keys(Case):
    def test_whoever_repeats_a_request_gets_the_same_job(self):
        first = self.order("backup", {"force": True}, **{"Idempotency-Key": "k1"})
        again = self.order("backup", {"force": True}, **{"Idempotency-Key": "k1"})
        self.assertEqual((again.status, again.body), (202, first.body))
        self.assertEqual(again.headers["location"], first.headers["location"])
        self.assertEqual(again.headers["idempotent-replayed"], "true")
        self.assertEqual(len(self.boss.get("/api/v1/jobs").json()["jobs"]), 1)

    def test_a_key_is_good_for_one_request(self):
        self.order("backup", **{"Idempotency-Key": "k2"})
        self.assertEqual(self.order("backup", {"force": True}, **{"Idempotency-Key": "k2"}).status, 422)
        self.assertEqual(self.order("drill", **{"Idempotency-Key": "k2"}).status, 422)

    def test_a_key_of_somebody_else_is_another(self):
        self.order("backup", **{"Idempotency-Key": "k3"})
        other = self.program(role="admin")
        answer = other.ask("POST", "/api/v1/sets/shop/backup", None, {"Idempotency-Key": "k3"})
        self.assertEqual(answer.status, 202)
        self.assertNotIn("idempotent-replayed", answer.headers)

    def test_a_refusal_is_repeated_too(self):
        for replayed in (False, True):
            answer = self.order("backup", {"surprise": 1}, **{"Idempotency-Key": "k4"})
            self.assertEqual(answer.status, 400)
            self.assertEqual("idempotent-replayed" in answer.headers, replayed)

    def test_a_key_is_1_to_128_characters(self):
        self.assertEqual(self.order("backup", **{"Idempotency-Key": "k" * 129}).status, 400)
        self.assertEqual(self.order("backup", **{"Idempotency-Key": "k" * 128}).status, 202)


class Runs(Case):
    def test_pages_go_through_all_runs_once(self):
        ids = [self.add_run(1000 + i // 3, id=f"{0xa000 + i:032x}", set_name="pages") for i in range(25)]
        seen, after = [], ""
        while True:
            page = self.boss.get("/api/v1/runs?set=pages&limit=10" + after).json()
            seen += [run["id"] for run in page["runs"]]
            if page["next"] is None:
                break
            after = "&after=" + page["next"]
        self.assertEqual(seen, ids[::-1])

    def test_runs_are_filtered(self):
        self.add_run(2000, set_name="f", kind="drill", verdict="proven", snapshot="ab")
        self.add_run(2001, set_name="f", kind="backup", state="failed", error="away", config_id="c")
        self.add_run(2002, set_name="f", kind="backup", state="running")
        for query, count in (("", 3), ("&kind=drill", 1), ("&state=failed", 1), ("&config=c", 1), ("&snapshot=ab", 1),
                             ("&ended=1", 2), ("&from=1970-01-01T00:33:21Z", 2), ("&until=1970-01-01T00:33:21Z", 1),
                             ("&kind=backup&state=success", 0)):
            runs = self.boss.get("/api/v1/runs?set=f" + query).json()["runs"]
            self.assertEqual(len(runs), count, query)

    def test_nonsense_in_a_query_is_refused(self):
        for query in ("kind=x", "state=", "limit=0", "limit=1001", "limit=-1", "limit=x", "after=x", "after=1", "after=1.",
                      "after=1.x", "after=0.aa", "after=99999999999999999999.aa", "after=1." + "a" * 33, "from=yesterday",
                      "until=2026-13-01T00:00:00Z"):
            self.assertEqual(self.boss.get("/api/v1/runs?" + query).status, 400, query)

    def test_the_log_of_a_run_is_for_admins_and_lines_that_are_none_are_left_out(self):
        id_ = self.add_run(91)
        self.assertEqual(self.boss.get(f"/api/v1/runs/{id_}/log").json(), {"lines": []})
        line = {"time": "2026-11-22T21:00:00.000000000Z", "from": "errors", "text": "<b>no\u202e</b>"}
        self.house.sql("INSERT INTO run_logs VALUES (?, ?)", id_, json.dumps({**line, "more": 1}) + "\nnonsense\n{\"text\":1}\n" + json.dumps(line) + "\n")
        self.assertEqual(self.boss.get(f"/api/v1/runs/{id_}/log").json(), {"lines": [line, line]})
        self.assertEqual(self.boss.get("/api/v1/runs/" + "0" * 32 + "/log").status, 404)
        self.assertEqual(self.program(role="admin", sets=["wiki"]).get(f"/api/v1/runs/{id_}/log").status, 404)
        self.assertEqual(self.program(role="manager").get(f"/api/v1/runs/{id_}/log").status, 403)

    def test_one_run_has_what_it_told(self):
        id_ = self.add_run(3000, details='{"message_type":"summary"}', progress='{"percent":1}', ended_ns=3001 * S)
        run = self.boss.get("/api/v1/runs/" + id_).json()
        self.assertEqual((run["details"], run["progress"]), ({"message_type": "summary"}, {"percent": 1}))
        self.assertEqual(run["ended_at"], "1970-01-01T00:50:01.000000000Z")
        self.assertEqual(self.boss.get("/api/v1/runs/" + "0" * 32).status, 404)

    def test_a_job_is_cancelled_once_and_stays_so(self):
        id_ = self.order("backup").json()["job"]
        for _ in range(2):
            answer = self.boss.post(f"/api/v1/jobs/{id_}/cancel")
            self.assertEqual((answer.status, answer.json()["state"]), (200, "cancelled"))
        self.assertEqual(self.audit()[1:3], ("job.cancel", id_))
        self.assertEqual(self.boss.post(f"/api/v1/jobs/{'0' * 32}/cancel").status, 404)
        self.assertEqual(self.boss.get("/api/v1/jobs/nowhere").status, 404)

    def test_arguments_are_for_those_who_may_give_orders(self):
        id_ = self.order("restore", {"snapshot": "latest", "target": "/srv/restores/x"}).json()["job"]
        viewer = self.program(role="viewer")
        self.assertNotIn("arguments", viewer.get("/api/v1/jobs/" + id_).json())
        self.assertNotIn("arguments", viewer.get("/api/v1/jobs").json()["jobs"][0])


class Sets(Case):
    def test_sets_are_those_of_the_file_of_the_api_and_of_history(self):
        self.house.sql("INSERT INTO configs VALUES ('kasse', 'Kasse', 1, '{}', 1, 1, 1, NULL)")
        self.house.sql("INSERT INTO sets (name, failures, updated_ns) VALUES ('old', 2, 1)")
        sets = {s["name"]: s for s in self.boss.get("/api/v1/sets").json()["sets"]}
        self.assertLessEqual({"shop": "file", "wiki": "file", "kasse": "api", "old": "history"}.items(),
                             {name: s["origin"] for name, s in sets.items()}.items())
        self.assertEqual(list(sets), sorted(sets))
        self.assertEqual((sets["shop"]["schedule"], sets["wiki"]["repositories"]), ("0 2 * * *", ["main", "remote"]))
        self.assertEqual((sets["old"]["state"], sets["kasse"]["state"]), ("failing", "new"))

    def test_a_set_shows_its_newest_runs(self):
        ids = [self.add_run(4000 + i, set_name="wiki") for i in range(12)]
        shown = self.boss.get("/api/v1/sets/wiki").json()
        self.assertEqual([run["id"] for run in shown["runs"]], ids[:1:-1])
        self.assertEqual(self.boss.get("/api/v1/sets/nowhere").status, 404)

    def test_a_set_tells_the_newest_drill_that_was_decided(self):
        self.assertIsNone(self.boss.get("/api/v1/sets/wiki").json()["last_drill"])
        self.add_run(5000, set_name="wiki", kind="drill", state="success", ended_ns=5000 * 10**9)
        failed = self.add_run(5001, set_name="wiki", kind="drill", state="failed", ended_ns=5001 * 10**9)
        self.house.sql("INSERT OR IGNORE INTO sets (name, failures, updated_ns) VALUES ('wiki', 0, 1)")  # as whatever ends leaves it
        for i in range(45):
            self.add_run(5002 + i, set_name="wiki", kind="drill", state="cancelled", ended_ns=1)
        self.add_run(5100, set_name="wiki", kind="drill", state="running")
        for shown in (self.boss.get("/api/v1/sets/wiki").json(), {s["name"]: s for s in self.boss.get("/api/v1/sets").json()["sets"]}["wiki"]):
            self.assertEqual(shown["last_drill"], {"run": failed, "state": "failed", "ended_at": "1970-01-01T01:23:21.000000000Z"})

    def test_a_set_tells_the_zone_that_its_times_are_in(self):
        self.house.sql("INSERT OR IGNORE INTO schedules VALUES ('shop', 1, 2, NULL, 1)")
        sets = {s["name"]: s["time_zone"] for s in self.boss.get("/api/v1/sets").json()["sets"]}
        self.assertEqual((sets["shop"], sets["wiki"]), ("Europe/Berlin", None))
        zones = {s["set"]: s["time_zone"] for s in self.boss.get("/api/v1/schedules").json()["schedules"]}
        self.assertEqual(zones["shop"], "Europe/Berlin")

    def test_a_configuration_tells_the_zone_that_it_names(self):
        for name, more in (("zoned", {"timezone": "Asia/Tokyo"}), ("unzoned", {})):
            saved = self.boss.ask("PUT", "/api/v1/configs/" + name, people.config(name, **more), {"If-None-Match": "*"})
            self.assertEqual(saved.status, 201, saved.body)
            self.house.sql("INSERT OR IGNORE INTO schedules VALUES (?, 1, 2, NULL, 1)", name)
        sets = {s["name"]: s["time_zone"] for s in self.boss.get("/api/v1/sets").json()["sets"]}
        schedules = {s["set"]: s["time_zone"] for s in self.boss.get("/api/v1/schedules").json()["schedules"]}
        for zones in (sets, schedules):
            self.assertEqual((zones["zoned"], zones["unzoned"]), ("Asia/Tokyo", None))
        self.assertEqual(self.boss.ask("PUT", "/api/v1/configs/mars", people.config("mars", timezone="Mars/Base"),
                                       {"If-None-Match": "*"}).status, 400)

    def test_a_set_rests_and_goes_on(self):
        answer = self.boss.post("/api/v1/sets/wiki/pause", {"reason": "moving house"})
        self.assertEqual((answer.json()["state"], answer.json()["pause_reason"]), ("paused", "moving house"))
        self.assertEqual(self.audit()[1:3], ("set.pause", "wiki"))
        answer = self.boss.post("/api/v1/sets/wiki/resume")
        self.assertNotEqual(answer.json()["state"], "paused")
        self.assertEqual(self.audit()[1:3], ("set.resume", "wiki"))
        self.assertEqual(self.boss.post("/api/v1/sets/nowhere/pause", {"reason": "x"}).status, 404)
        self.assertEqual(self.boss.post("/api/v1/sets/wiki/pause", {"reason": ""}).status, 400)


class Tokens(Case):
    def test_a_token_for_a_set_sees_and_does_nothing_of_others(self):
        program = self.program(role="admin", sets=["shop"])
        mine, other = self.order("backup").json()["job"], self.order("backup", set_="wiki").json()["job"]
        run = {id_: self.job(id_)["run"] for id_ in (mine, other)}
        for target, status in (("/api/v1/sets/shop", 200), ("/api/v1/sets/wiki", 403), ("/api/v1/runs", 403),
                               ("/api/v1/runs?set=wiki", 403), ("/api/v1/runs?set=shop", 200), ("/api/v1/jobs", 403),
                               ("/api/v1/jobs?set=shop", 200), ("/api/v1/jobs/" + mine, 200), ("/api/v1/jobs/" + other, 404),
                               ("/api/v1/runs/" + run[mine], 200), ("/api/v1/runs/" + run[other], 404)):
            self.assertEqual(program.get(target).status, status, target)
        self.assertEqual([s["name"] for s in program.get("/api/v1/sets").json()["sets"]], ["shop"])
        self.assertEqual([j["id"] for j in program.get("/api/v1/jobs?set=shop").json()["jobs"]], [mine])
        self.assertEqual(program.post(f"/api/v1/jobs/{other}/cancel").status, 404)
        self.assertEqual(self.job(other)["state"], "queued")
        self.assertEqual(self.order("backup", set_="wiki", client=program).status, 403)
        self.assertEqual(self.order("backup", client=program).status, 202)

    def test_scopes_keep_apart_what_they_name(self):
        reader, runner = self.program(role="admin", verbs=["backup:read"]), self.program(role="admin", verbs=["backup:run"])
        self.assertEqual((reader.get("/api/v1/sets").status, self.order("backup", client=reader).status), (200, 403))
        self.assertEqual((runner.get("/api/v1/sets").status, self.order("backup", client=runner).status), (403, 202))
        self.assertEqual(self.order("restore", {"snapshot": "a", "in_place": True}, client=runner).status, 403)
        self.assertEqual(self.order("prune", client=runner).status, 403)


if __name__ == "__main__":
    rig.main()
