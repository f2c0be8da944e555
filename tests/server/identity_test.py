"""Coming in, staying in and going out, over the real catalog."""

import json
import time
import unittest

import people
import rig
from people import PASSWORD, Client, House, totp

DAY_NS = 86400 * 10**9


class First(unittest.TestCase):
    def setUp(self):
        self.house = House()
        self.boss = Client(self.house)

    def tearDown(self):
        self.assertEqual(self.house.close(), 0)

    def test_the_first_login_leads_through_password_and_second_factor_to_everything(self):
        boss = self.boss
        came = boss.login("admin", self.house.password)
        self.assertEqual((came.status, came.json()["must"]), (200, "password_change_required"))
        refused = boss.get("/api/v1/users")
        self.assertEqual((refused.status, refused.json()["code"]), (403, "password_change_required"))
        self.assertEqual(boss.get("/t/who").status, 403)
        changed = boss.post("/api/v1/auth/password", {"current": self.house.password, "new": PASSWORD})
        self.assertEqual((changed.status, changed.json()["must"]), (200, "totp_enrolment_required"))
        self.assertEqual(boss.get("/api/v1/users").json()["code"], "totp_enrolment_required")
        secret = boss.post("/api/v1/auth/totp/new").json()["secret"]
        for wrong in ("000000", "999999"):
            if wrong != totp(secret):
                self.assertEqual(boss.post("/api/v1/auth/totp/confirm", {"secret": secret, "code": wrong}).status, 403)
        self.assertEqual(boss.get("/api/v1/users").status, 403)
        kept = boss.post("/api/v1/auth/totp/confirm", {"secret": secret, "code": totp(secret)})
        self.assertEqual((kept.status, len(kept.json()["recovery_codes"])), (200, 10))
        self.assertEqual(boss.get("/api/v1/users").status, 200)
        self.assertIsNone(boss.get("/api/v1/auth/session").json()["must"])
        self.assertEqual(Client(self.house).login("admin", self.house.password).status, 401)

    def test_the_first_password_is_made_once(self):
        self.assertRegex(self.house.password, r"^([a-z2-9]{5}-){3}[a-z2-9]{5}$")
        self.house.service.stop()
        self.house.start()
        self.assertIsNone(self.house.service.told["password"])
        self.assertEqual(self.boss.login("admin", self.house.password).status, 200)

    def test_what_cannot_be_recorded_does_not_happen(self):
        self.house.sql("DELETE FROM audit_head")
        self.assertEqual(self.boss.login("admin", self.house.password).status, 500)
        self.assertIsNone(self.boss.cookie)
        self.assertEqual(self.house.sql("SELECT count(*) FROM sessions"), [(0,)])

    def test_failures_are_counted_over_a_kill(self):
        for _ in range(5):
            self.assertEqual(Client(self.house, "198.51.100.1").login("admin", "wrong password").status, 401)
        # The counter says 1 s by now; as if it were at its longest.
        self.house.sql("UPDATE login_failures SET until_ns = until_ns + 900000000000 WHERE bucket LIKE 'pair:%'")
        self.house.kill()
        self.house.start()
        here = Client(self.house, "198.51.100.1").login("admin", self.house.password)
        self.assertEqual(here.status, 401)
        self.assertGreater(int(here.headers["retry-after"]), 800)
        self.assertEqual(Client(self.house, "203.0.113.5").login("admin", self.house.password).status, 200)


class Secure(unittest.TestCase):
    def test_the_cookie_of_a_service_with_tls_is_for_its_host_alone(self):
        house = House("secure")
        came = Client(house).login("admin", house.password)
        name, *words = came.headers["set-cookie"].split("; ")
        self.assertRegex(name, "^__Host-hf_s=[0-9a-f]{64}$")
        self.assertEqual(sorted(words), ["HttpOnly", "Path=/", "SameSite=Strict", "Secure"])
        answer = Client(house).ask("GET", "/api/v1/auth/session", headers={"Cookie": name.removeprefix("__Host-")})
        self.assertEqual(answer.status, 401)
        self.assertEqual(house.close(), 0)


class People(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.house = House()
        cls.boss = cls.house.settle()
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        if cls.house.close() != 0:
            raise AssertionError("the service ended with a failure")

    def setUp(self):
        # Only the tests about it are about how often somebody tries.
        self.house.sql("DELETE FROM login_failures")
        self.house.sql("UPDATE sessions SET stepped_up_ns = ?", time.time_ns())

    def someone(self, role="viewer"):
        type(self).count += 1
        client = self.house.user(self.boss, f"user{self.count}", role)
        client.name = f"user{self.count}"
        return client

    def enrol(self, client):
        """(secret, recovery codes); the code of this step is used up, that of the next is not."""
        secret = client.post("/api/v1/auth/totp/new").json()["secret"]
        kept = client.post("/api/v1/auth/totp/confirm", {"secret": secret, "code": totp(secret)})
        self.assertEqual(kept.status, 200, kept.body)
        return secret, kept.json()["recovery_codes"]

    # Coming in

    def test_all_that_is_wrong_with_a_login_is_answered_alike(self):
        gone = self.someone()
        self.boss.ask("PATCH", f"/api/v1/users/{gone.id}", {"disabled": True})
        answers = [Client(self.house).login(*said) for said in (
            ("nobody", PASSWORD), (self.someone().name, "wrong password"), (gone.name, PASSWORD),
            ("no such name!", PASSWORD), (gone.name, "x" * 1000))]
        self.assertEqual({answer.status for answer in answers}, {401})
        self.assertEqual(len({answer.body for answer in answers}), 1)
        self.assertTrue(all("set-cookie" not in answer.headers for answer in answers))

    def test_a_login_that_makes_no_sense_is_refused_by_its_form(self):
        for document in ({}, {"username": "a"}, {"username": "a", "password": 1}, {"username": "", "password": "x"},
                         {"username": "a", "password": "x", "role": "admin"}, {"username": "a" * 129, "password": "x"},
                         {"username": "a\0b", "password": "x"}, []):
            self.assertEqual(Client(self.house).post("/api/v1/auth/login", document).status, 400, document)

    def test_a_login_gives_a_new_token_and_ends_the_session_that_was_there(self):
        ann = self.someone()
        planted = "a" * 64
        victim = Client(self.house)
        victim.cookie = planted
        self.assertEqual(victim.login(ann.name, PASSWORD).status, 200)
        self.assertNotEqual(victim.cookie, planted)
        before = victim.cookie
        self.assertEqual(victim.login(ann.name, PASSWORD).status, 200)
        for token in (planted, before):
            answer = Client(self.house).ask("GET", "/t/who", headers={"Cookie": "hf_s=" + token})
            self.assertEqual(answer.status, 401)
        self.assertTrue(victim.is_in())

    def test_a_stale_cookie_keeps_nobody_from_coming_in(self):
        ann = self.someone()
        ann.post("/api/v1/auth/logout")
        ann.cookie = "b" * 64
        self.assertEqual(ann.get("/t/who").status, 401)
        self.assertEqual(ann.login(ann.name, PASSWORD).status, 200)

    def test_a_page_of_another_site_can_neither_log_in_nor_act(self):
        ann = self.someone()
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            for path, said in (("login", {"username": ann.name, "password": PASSWORD}), ("logout", None)):
                self.assertEqual(ann.ask("POST", "/api/v1/auth/" + path, said, headers).status, 403)
        self.assertTrue(ann.is_in())

    def test_a_session_acts_only_with_its_own_word(self):
        ann, bob = self.someone(), self.someone()
        for word in ("", bob.csrf, ann.csrf[:-1], ann.csrf + "0"):
            self.assertEqual(ann.ask("POST", "/api/v1/auth/logout", headers={"X-HF-CSRF": word}).status, 403)
        self.assertTrue(ann.is_in())
        self.assertEqual(ann.post("/api/v1/auth/logout").status, 204)

    # Staying in

    def test_after_leaving_the_token_is_nobodys(self):
        ann = self.someone()
        token = ann.cookie
        answer = ann.post("/api/v1/auth/logout")
        self.assertIn("Max-Age=0", answer.headers["set-cookie"])
        ann.cookie = token
        self.assertFalse(ann.is_in())

    def test_a_session_is_over_when_it_was_idle_or_lived_too_long(self):
        for role, column, seconds, is_over in (
                ("viewer", "seen_ns", 3590, False), ("viewer", "seen_ns", 3610, True), ("admin", "seen_ns", 910, True),
                ("manager", "created_ns", 43100, False), ("manager", "created_ns", 43300, True)):
            ann = self.someone(role)
            self.house.sql(f"UPDATE sessions SET {column} = ? WHERE user_id = ?", time.time_ns() - seconds * 10**9, ann.id)
            self.assertEqual(ann.is_in(), not is_over, (role, column, seconds))

    def test_sessions_end_when_the_user_is_disabled_changes_role_or_is_deleted(self):
        acts = (lambda i: self.boss.ask("PATCH", f"/api/v1/users/{i}", {"disabled": True}),
                lambda i: self.boss.ask("PATCH", f"/api/v1/users/{i}", {"role": "manager"}),
                lambda i: self.boss.ask("DELETE", f"/api/v1/users/{i}"),
                lambda i: self.boss.post(f"/api/v1/users/{i}/password"),
                lambda i: self.boss.ask("DELETE", f"/api/v1/users/{i}/sessions"))
        for act in acts:
            ann = self.someone()
            self.assertTrue(ann.is_in())
            self.assertIn(act(ann.id).status, (200, 204))
            self.assertFalse(ann.is_in())

    def test_a_user_sees_and_ends_his_own_sessions_only(self):
        ann, bob = self.someone(), self.someone()
        other = Client(self.house)
        other.login(ann.name, PASSWORD)
        listed = ann.get("/api/v1/auth/sessions").json()["sessions"]
        self.assertEqual(sorted(one["current"] for one in listed), [False, True])
        theirs = bob.get("/api/v1/auth/sessions").json()["sessions"][0]["id"]
        self.assertEqual(ann.ask("DELETE", f"/api/v1/auth/sessions/{theirs}").status, 404)
        one = next(one["id"] for one in listed if not one["current"])
        self.assertEqual(ann.ask("DELETE", f"/api/v1/auth/sessions/{one}").status, 204)
        self.assertEqual((ann.is_in(), other.is_in(), bob.is_in()), (True, False, True))
        self.assertEqual(ann.ask("DELETE", "/api/v1/auth/sessions").status, 204)
        self.assertFalse(ann.is_in())

    def test_a_proof_gives_a_new_token_and_opens_what_needs_it(self):
        self.house.sql("UPDATE sessions SET stepped_up_ns = ?", time.time_ns() - 301 * 10**9)
        boss, before = self.boss, self.boss.cookie
        refused = boss.post("/api/v1/users", {"name": "later", "role": "viewer"})
        self.assertEqual((refused.status, refused.json()["code"]), (403, "step_up_required"))
        for said in ({}, {"password": PASSWORD, "code": "123456"}):
            self.assertEqual(boss.post("/api/v1/auth/step-up", said).status, 400)
        self.assertEqual(boss.post("/api/v1/auth/step-up", {"password": "wrong password"}).status, 403)
        self.assertEqual(boss.post("/api/v1/users", {"name": "later", "role": "viewer"}).status, 403)
        self.assertEqual(boss.post("/api/v1/auth/step-up", {"password": PASSWORD}).status, 200)
        self.assertNotEqual(boss.cookie, before)
        self.assertEqual(Client(self.house).ask("GET", "/t/who", headers={"Cookie": "hf_s=" + before}).status, 401)
        self.assertEqual(boss.post("/api/v1/users", {"name": "later", "role": "viewer"}).status, 201)

    def test_proofs_are_limited_in_tries(self):
        ann = self.someone()
        for _ in range(5):
            self.assertEqual(ann.post("/api/v1/auth/step-up", {"password": "wrong password"}).status, 403)
        limited = ann.post("/api/v1/auth/step-up", {"password": PASSWORD})
        self.assertEqual(limited.status, 403)
        self.assertIn("retry-after", limited.headers)
        self.assertEqual(ann.post("/api/v1/auth/password", {"current": PASSWORD, "new": "another long one"}).status, 403)

    # Passwords

    def test_a_changed_password_ends_all_other_sessions(self):
        ann = self.someone()
        other = Client(self.house)
        other.login(ann.name, PASSWORD)
        before = ann.cookie
        self.assertEqual(ann.post("/api/v1/auth/password", {"current": PASSWORD, "new": "another long one"}).status, 200)
        self.assertNotEqual(ann.cookie, before)
        self.assertEqual((ann.is_in(), other.is_in()), (True, False))
        self.assertEqual(Client(self.house).login(ann.name, PASSWORD).status, 401)
        self.assertEqual(Client(self.house).login(ann.name, "another long one").status, 200)

    def test_bad_passwords_are_refused_and_only_who_knows_the_present_one_hears_why(self):
        ann = self.someone()
        for new in ("short", "password1", "x" * 129, "aaaaaaaaaa", PASSWORD):
            self.assertEqual(ann.post("/api/v1/auth/password", {"current": PASSWORD, "new": new}).status, 400, new)
            self.house.sql("DELETE FROM login_failures")
        self.assertEqual(ann.post("/api/v1/auth/password", {"current": "not it at all", "new": "short"}).status, 403)
        self.assertTrue(ann.is_in())
        self.assertEqual(Client(self.house).login(ann.name, PASSWORD).status, 200)

    # Second factors

    def test_a_code_is_needed_and_good_once(self):
        ann = self.someone()
        secret, _ = self.enrol(ann)
        one = Client(self.house)
        asked = one.login(ann.name, PASSWORD)
        self.assertEqual((asked.status, asked.json()["code"]), (401, "totp_required"))
        self.assertIsNone(one.cookie)
        self.assertEqual(one.login(ann.name, "wrong password").json()["code"], "login_failed")
        code = totp(secret, 1)
        self.assertEqual(one.login(ann.name, PASSWORD, code).status, 200)
        self.assertEqual(Client(self.house).login(ann.name, PASSWORD, code).status, 401)
        self.assertEqual(Client(self.house).login(ann.name, PASSWORD, totp(secret, 3)).status, 401)

    def test_a_recovery_code_is_good_once(self):
        ann = self.someone()
        _, codes = self.enrol(ann)
        self.assertEqual(Client(self.house).login(ann.name, PASSWORD, codes[3]).status, 200)
        self.assertEqual(Client(self.house).login(ann.name, PASSWORD, codes[3]).status, 401)
        self.assertEqual(Client(self.house).login(ann.name, PASSWORD, codes[4]).status, 200)

    def test_codes_are_limited_in_tries(self):
        ann = self.someone()
        _, codes = self.enrol(ann)
        for i in range(5):
            answer = Client(self.house, f"192.0.{i}.1").login(ann.name, PASSWORD, "f" * 32)
            self.assertEqual(answer.status, 401)
        limited = Client(self.house, "192.0.9.1").login(ann.name, PASSWORD, codes[0])
        self.assertEqual(limited.status, 401)
        self.assertIn("retry-after", limited.headers)
        self.assertTrue(ann.is_in()) # who is in stays in

    def test_a_second_factor_is_neither_replaced_nor_removed_without_it(self):
        ann = self.someone()
        _, codes = self.enrol(ann)
        secret = ann.post("/api/v1/auth/totp/new").json()["secret"]
        replaced = ann.post("/api/v1/auth/totp/confirm", {"secret": secret, "code": totp(secret)})
        self.assertEqual(replaced.status, 409)
        self.assertEqual(ann.post("/api/v1/auth/totp/remove", {"code": "f" * 32}).status, 403)
        self.assertEqual(ann.post("/api/v1/auth/totp/remove", {"code": codes[9]}).status, 204)
        self.assertEqual(Client(self.house).login(ann.name, PASSWORD).status, 200)

    def test_recovery_codes_are_renewed_with_a_code_and_told_once(self):
        ann = self.someone()
        _, former = self.enrol(ann)
        path = "/api/v1/auth/totp/codes"
        self.assertEqual(ann.post(path, {"code": "f" * 32}).status, 403)
        self.house.sql("UPDATE sessions SET stepped_up_ns = NULL WHERE user_id = ?", ann.id)
        self.assertEqual(ann.post(path, {"code": former[0]}).json()["code"], "step_up_required")
        self.assertEqual(ann.post("/api/v1/auth/step-up", {"password": PASSWORD}).status, 200)
        renewed = ann.post(path, {"code": former[0]})
        self.assertEqual(renewed.status, 200)
        codes = renewed.json()["recovery_codes"]
        self.assertEqual((len(set(codes)), set(codes) & set(former)), (10, set()))
        for code in (former[0], former[1]):
            self.assertEqual(Client(self.house, "192.0.7.1").login(ann.name, PASSWORD, code).status, 401)
        self.assertEqual(Client(self.house, "192.0.8.1").login(ann.name, PASSWORD, codes[0]).status, 200)
        records = self.house.sql("SELECT outcome, record FROM audit WHERE action = 'totp.codes' AND object = ? ORDER BY seq", ann.name)
        self.assertEqual([row[0] for row in records], ["refused", "done"])
        for code in codes + former:
            self.assertNotIn(code, records[1][1])

    def test_who_has_no_second_factor_gets_no_recovery_codes(self):
        ann = self.someone()
        self.assertEqual(ann.post("/api/v1/auth/totp/codes", {"code": "f" * 32}).status, 403)

    def test_a_lost_second_factor_is_removed_by_a_super_admin(self):
        ann = self.someone()
        self.enrol(ann)
        self.assertEqual(self.boss.ask("DELETE", f"/api/v1/users/{ann.id}/totp").status, 204)
        self.assertFalse(ann.is_in())
        self.assertEqual(Client(self.house).login(ann.name, PASSWORD).status, 200)

    def test_admins_enrol_where_the_policy_says_so_and_others_need_not(self):
        admin, manager = self.someone("admin"), self.someone("manager")
        policy = "/api/v1/auth/policy"
        self.assertEqual(self.boss.get(policy).json(), {"totp": "voluntary"})
        try:
            self.assertEqual(self.boss.ask("PUT", policy, {"totp": "admins"}).status, 200)
            self.assertEqual((admin.is_in(), manager.is_in()), (False, True))
            self.assertEqual(admin.get("/api/v1/auth/session").json()["must"], "totp_enrolment_required")
            self.enrol(admin)
            self.assertTrue(admin.is_in())
        finally:
            self.house.sql("UPDATE settings SET value = 'voluntary' WHERE name = 'identity.totp'")
        self.assertEqual(self.boss.ask("PUT", policy, {"totp": "never"}).status, 400)

    # Guessing

    def test_guessing_makes_the_guesser_wait_and_nobody_else(self):
        ann = self.someone()
        for _ in range(5):
            Client(self.house, "198.51.100.7").login(ann.name, "wrong password")
        refused = Client(self.house, "198.51.100.200").login(ann.name, PASSWORD) # of the same network
        self.assertEqual(refused.status, 401)
        self.assertGreaterEqual(int(refused.headers["retry-after"]), 1)
        self.assertTrue(ann.is_in())
        self.assertEqual(Client(self.house, "203.0.113.9").login(ann.name, PASSWORD).status, 200)
        self.assertEqual(Client(self.house, "198.51.100.7").login(self.someone().name, PASSWORD).status, 200)

    def test_an_address_may_try_thirty_times_a_minute_whatever_the_names(self):
        last = None
        for i in range(31):
            # Too long to be computed, so that this takes no minute.
            last = Client(self.house, "192.0.2.77").login(f"name{i}", "x" * 500)
            self.assertEqual(last.status, 401)
        self.assertIn("retry-after", last.headers)

    def test_after_a_day_of_guessing_from_everywhere_the_second_factor_decides(self):
        ann, bob = self.someone(), self.someone()
        _, codes = self.enrol(bob)
        for one, code, status in ((ann, None, 401), (bob, codes[0], 200)):
            Client(self.house, "192.0.2.1").login(one.name, "x" * 500)
            self.house.sql("UPDATE login_failures SET count = 100 WHERE bucket LIKE 'account:%'")
            self.assertEqual(Client(self.house, "203.0.113.1").login(one.name, PASSWORD, code).status, status)
        self.assertTrue(ann.is_in())

    def test_an_unlocked_user_need_not_wait(self):
        ann = self.someone()
        for _ in range(6):
            Client(self.house, "198.51.100.7").login(ann.name, "x" * 500)
        self.assertEqual(Client(self.house, "198.51.100.7").login(ann.name, PASSWORD).status, 401)
        self.assertEqual(self.boss.post(f"/api/v1/users/{ann.id}/unlock").status, 204)
        self.assertEqual(Client(self.house, "198.51.100.7").login(ann.name, PASSWORD).status, 200)

    # Users

    def test_a_super_admin_is_always_left(self):
        me = self.boss.get("/api/v1/auth/session").json()["user"]["id"]
        for method, document in (("DELETE", None), ("PATCH", {"disabled": True}), ("PATCH", {"role": "admin"})):
            answer = self.boss.ask(method, f"/api/v1/users/{me}", document)
            self.assertEqual(answer.status, 400)
            self.assertIn("last super_admin", answer.json()["detail"])
        self.assertTrue(self.boss.is_in())

    def test_users_are_listed_changed_and_deleted(self):
        ann = self.someone()
        path = f"/api/v1/users/{ann.id}"
        self.assertEqual(self.boss.ask("PATCH", path, {"role": "manager", "disabled": True}).status, 204)
        told = self.boss.get(path).json()
        self.assertEqual((told["name"], told["role"], told["disabled"]), (ann.name, "manager", True))
        self.assertNotIn("argon2", json.dumps(self.boss.get("/api/v1/users").json()))
        self.assertEqual(self.boss.ask("PATCH", path, {"disabled": False}).status, 204)
        self.assertEqual(Client(self.house).login(ann.name, PASSWORD).status, 200)
        self.assertEqual(self.boss.post("/api/v1/users", {"name": ann.name.upper(), "role": "viewer"}).status, 409)
        self.assertEqual(self.boss.post("/api/v1/users", {"name": "a b", "role": "viewer"}).status, 400)
        self.assertEqual(self.boss.ask("PATCH", path, {"role": "owner"}).status, 400)
        self.assertEqual(self.boss.ask("PATCH", path, {"password": "x"}).status, 400)
        self.assertEqual(self.boss.ask("DELETE", path).status, 204)
        for method in ("GET", "DELETE"):
            self.assertEqual(self.boss.ask(method, path).status, 404)

    # Tokens

    def token(self, client, **said):
        document = {"name": "ci", "kind": "api", "verbs": ["read"], "sets": ["*"], **said}
        return client.post("/api/v1/tokens", document)

    def use(self, token, target="/t/who", method="GET"):
        return Client(self.house).ask(method, target, headers={"Authorization": "Bearer " + token})

    def test_a_token_is_shown_once_and_does_what_it_is_for(self):
        ann = self.someone("manager")
        made = self.token(ann, role="viewer").json()
        self.assertRegex(made["token"], "^hf_[0-9a-f]{16}_[0-9a-f]{64}$")
        self.assertNotIn(made["token"][20:], json.dumps(ann.get("/api/v1/tokens").json()))
        self.assertEqual(self.use(made["token"]).json()["name"], "token:" + made["id"])
        self.assertEqual(self.use(made["token"], "/t/manager").status, 403)
        other = self.token(ann, verbs=["write"]).json()["token"]
        self.assertEqual(self.use(other).status, 403)
        for wrong in (made["token"][:-1] + ("0" if made["token"][-1] != "0" else "1"), "hf_", "x" * 84, other[:20] + made["token"][20:]):
            self.assertEqual(self.use(wrong).status, 401)
        for said in ("Basic YTpi", "Bearer", "bearer  " + made["token"]):
            answer = Client(self.house).ask("GET", "/t/who", headers={"Authorization": said})
            self.assertEqual(answer.status, 401, said)

    def test_a_token_for_some_sets_touches_no_others(self):
        ann = self.someone()
        token = self.token(ann, sets=["shop", "web-1"]).json()["token"]
        for target, status in (("/t/sets/shop", 200), ("/t/sets/web-1", 200), ("/t/sets/web", 403), ("/t/sets/*", 403),
                               ("/t/who", 403), ("/t/looks", 200)):
            self.assertEqual(self.use(token, target).status, status, target)
        self.assertTrue(self.use(token, "/t/looks").json()["has_shop"])
        other = self.token(ann, sets=["web-1"]).json()["token"]
        self.assertFalse(self.use(other, "/t/looks").json()["has_shop"])

    def test_a_token_does_no_more_than_its_maker_may_at_that_time_and_later(self):
        ann = self.someone("manager")
        self.assertEqual(self.token(ann, role="admin").status, 403)
        self.assertEqual(self.token(ann, kind="push").status, 403)
        token = self.token(ann, role="manager").json()["token"]
        self.assertEqual(self.use(token, "/t/manager").status, 200)
        self.boss.ask("PATCH", f"/api/v1/users/{ann.id}", {"role": "viewer"})
        self.assertEqual(self.use(token, "/t/manager").status, 403)
        self.boss.ask("PATCH", f"/api/v1/users/{ann.id}", {"disabled": True})
        self.assertEqual(self.use(token).status, 401)

    def test_a_token_makes_no_tokens(self):
        token = self.token(self.boss, role="super_admin", verbs=["*"]).json()["token"]
        answer = Client(self.house).ask("POST", "/api/v1/tokens", {}, {"Authorization": "Bearer " + token})
        self.assertEqual(answer.status, 403)
        self.assertEqual(self.use(token, "/api/v1/users").status, 200)

    def test_a_token_is_no_session_beside_a_cookie(self):
        ann = self.someone()
        answer = ann.ask("GET", "/t/who", headers={"Authorization": "Bearer hf_none"})
        self.assertEqual(answer.status, 401)

    def test_revoked_and_expired_tokens_are_none(self):
        ann, bob = self.someone(), self.someone()
        made = self.token(ann).json()
        self.assertEqual(bob.ask("DELETE", f"/api/v1/tokens/{made['id']}").status, 404)
        self.assertEqual(self.use(made["token"]).status, 200)
        self.assertEqual(bob.get("/api/v1/tokens").json()["tokens"], [])
        self.assertEqual(ann.ask("DELETE", f"/api/v1/tokens/{made['id']}").status, 204)
        self.assertEqual(self.use(made["token"]).status, 401)
        late = self.token(ann, days=1).json()
        self.house.sql("UPDATE tokens SET expires_ns = expires_ns - ? WHERE id = ?", DAY_NS + 10**9, late["id"])
        self.assertEqual(self.use(late["token"]).status, 401)

    def test_words_of_a_token_that_could_mean_something_else_are_refused(self):
        ann = self.someone()
        for said in ({"verbs": ["read *"]}, {"verbs": []}, {"sets": ["a\nb"]}, {"sets": [""]}, {"verbs": ["x" * 99] * 6},
                     {"days": 731}, {"days": 0}, {"kind": "root"}, {"verbs": [1]}):
            self.assertEqual(self.token(ann, **said).status, 400, said)

    # The audit log

    def test_acts_are_recorded_without_secrets(self):
        ann = self.someone("admin")
        typed = "my password in the wrong field"
        Client(self.house).login(typed, PASSWORD)
        made = self.token(ann, kind="push", verbs=["push"], sets=["shop"]).json()
        self.assertEqual(ann.post("/api/v1/auth/password", {"current": PASSWORD, "new": "another long one"}).status, 200)
        self.boss.ask("PATCH", f"/api/v1/users/{ann.id}", {"disabled": True})
        records = [row[0] for row in self.house.sql("SELECT record FROM audit ORDER BY seq")]
        actions = [json.loads(record)["action"] for record in records]
        for action in ("login", "user.add", "password.change", "token.add", "user.disable"):
            self.assertIn(action, actions)
        last = json.loads(records[-1])
        self.assertEqual((last["actor"], last["object"], last["details"]["address"]), ("admin", ann.name, "127.0.0.1"))
        everything = "\n".join(records)
        for secret in (PASSWORD, "another long one", typed, made["token"][20:], ann.cookie, self.boss.cookie, self.house.password):
            self.assertNotIn(secret, everything)


if __name__ == "__main__":
    rig.main()
