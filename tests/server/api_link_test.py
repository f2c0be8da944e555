"""Links to downloads: what they are good for, for how long, and whose they are.

Stands in for the command that reads: identity_service.c, which shows what it was asked.
"""

import hashlib
import hmac
import json
import os
import time
from urllib.parse import parse_qsl, quote, urlsplit

import people
import rig
from api_case import CONTRACT, Case

ID = "0123456789abcdef" * 4
AT = f"/api/v1/sets/shop/snapshots/{ID}/link"
FILE = "/files/a b/\u00e4&=?#%2F"


def hkdf(key, info):
    secret = hmac.new(b"\0" * 32, key, hashlib.sha256).digest()
    return hmac.new(secret, info + b"\1", hashlib.sha256).digest()


class Links(Case):
    def make(self, client=None, at=AT, path=FILE, **more):
        answer = (client or self.boss).post(at, {"path": path, **more})
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()

    def raw(self, target, headers=None, method="GET"):
        """Somebody who has nothing but the link."""
        with rig.connect(self.house.service.port) as sock:
            sock.sendall(rig.request(method, target, headers or {}))
            answer = rig.read_answer(sock, method)
        if method == "GET":
            CONTRACT.check(method, target, answer)
        return answer

    @staticmethod
    def target(link):
        parts = urlsplit(link["url"])
        return f"{parts.path}?{parts.query}"

    def read(self, link, **more):
        return self.raw(self.target(link), **more)

    @staticmethod
    def changed(target, **changes):
        path, query = target.split("?")
        pairs = {**dict(parse_qsl(query)), **changes}
        return path + "?" + "&".join(f"{k}={quote(v, safe='')}" for k, v in pairs.items() if v is not None)

    def sign(self, path, pairs):
        """A second implementation of the signature."""
        with open(self.house.folder + "/catalog.key", "rb") as file:
            key = hkdf(file.read(), b"holdfast signed links")
        fields = ["holdfast link 1", "GET", path, pairs["path"], pairs.get("repository", ""), pairs["by"], pairs["expires"]]
        return hmac.new(key, "".join(f + "\0" for f in fields).encode(), hashlib.sha256).hexdigest()

    def records(self, action):
        return self.house.sql("SELECT actor, object, outcome, record FROM audit WHERE action = ? ORDER BY seq DESC", action)

    def test_who_has_it_reads_that_one_file(self):
        for client, actor in ((self.boss, "admin"), (self.program(role="admin", verbs=["backup:restore"], sets=["shop"]), "token:")):
            link = self.make(client, repository="main", seconds=60)
            answer = self.read(link)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(answer.headers["content-type"], "application/octet-stream")
            self.assertEqual(answer.headers["cache-control"], "no-store")
            shown = json.loads(answer.body)
            self.assertEqual((shown["verb"], shown["set"], shown["arguments"]["words"], shown["arguments"]["repository"]),
                             ("dump", "shop", [ID, FILE], "main"))
            # Credentials that come beside it count for nothing, good or bad; nor does the page that leads here.
            for headers in ({"Authorization": "Bearer hf_no"}, {"Cookie": "hf_s=" + "0" * 64},
                            {"Sec-Fetch-Site": "cross-site", "Origin": "https://mail.example"}):
                self.assertEqual(self.read(link, headers=headers).status, 200)
            for action, details in (("restore.link", '"expires_at"'), ("restore.download", '"link":true')):
                row = self.records(action)[0]
                self.assertTrue(row[0].startswith(actor), row)
                self.assertEqual(row[1], "shop")
                self.assertIn(details, row[3].replace(" ", ""))

    def test_its_signature_is_the_one_that_is_written_down(self):
        link = self.make(seconds=100)
        target = self.target(link)
        pairs = dict(parse_qsl(target.split("?")[1]))
        self.assertEqual(pairs["path"], FILE)
        self.assertEqual(pairs["signature"], self.sign(AT, pairs))
        self.assertLessEqual(abs(int(pairs["expires"]) - time.time() - 100), 5)
        self.assertRegex(pairs["by"], "^session:[0-9a-f]{32}$")

    def test_nothing_of_it_can_be_changed(self):
        link = self.make()
        target = self.target(link)
        pairs = dict(parse_qsl(target.split("?")[1]))
        self.assertEqual(self.raw(target).status, 200)
        others = [self.changed(target, **change) for change in (
            {"path": "/etc/shadow"}, {"path": FILE + "/"}, {"repository": "main"}, {"expires": str(int(pairs["expires"]) + 1)},
            {"by": "session:" + "0" * 32}, {"by": "token:" + "0" * 16}, {"signature": "0" * 64}, {"signature": ""}, {"signature": None},
            {"signature": pairs["signature"].upper()}, {"expires": None}, {"by": None}, {"path": None},
            {"signature": pairs["signature"][:-1]})]
        others += [target.replace("/shop/", "/wiki/"), target.replace(ID, ID[:-1] + "0"), target.split("?")[0], AT + "?"]
        for other in others:
            self.assertNotEqual(other, target)
            self.assertEqual(self.raw(other).status, 401, other)
        self.assertEqual(self.raw(target, method="HEAD").status, 405)
        # Nor is it good elsewhere, nor is anything but a link good there.
        self.assertEqual(self.raw(target.replace("/link?", "/content?")).status, 401)
        self.assertEqual(self.boss.get(f"{AT}?path=/a").status, 401)
        self.assertEqual(self.program().get(AT).status, 401)

    def test_it_ends_with_its_time_and_none_lives_longer(self):
        for seconds in (0, 301, -1, 1.5, "60"):
            self.assertEqual(self.boss.post(AT, {"path": "/a", "seconds": seconds}).status, 400)
        link = self.make(seconds=1)
        time.sleep(2.1)
        self.assertEqual(self.read(link).status, 401)
        target = self.target(self.make())
        pairs = dict(parse_qsl(target.split("?")[1]))
        for seconds, status in ((0, 401), (290, 200), (400, 401), (10**9, 401)):
            pairs["expires"] = str(int(time.time()) + seconds)
            pairs["signature"] = self.sign(AT, pairs)
            self.assertEqual(self.raw(self.changed(AT + "?", **pairs)).status, status, seconds)
        pairs["expires"] = "never"
        self.assertEqual(self.raw(self.changed(AT + "?", **{**pairs, "signature": self.sign(AT, pairs)})).status, 401)

    def test_it_ends_with_the_session(self):
        ann = self.house.user(self.boss, f"ann{time.time_ns()}", "admin")
        link = self.make(ann)
        self.assertEqual(self.read(link).status, 200)
        self.assertEqual(ann.post("/api/v1/auth/logout").status, 204)
        self.assertEqual(self.read(link).status, 401)
        # One that nobody used for long is over, and links do not count as using it.
        bob = self.house.user(self.boss, f"bob{time.time_ns()}", "admin")
        link = self.make(bob)
        self.house.sql("UPDATE sessions SET seen_ns = seen_ns - 600000000000 WHERE user_id = ?", bob.id)
        seen = self.house.sql("SELECT seen_ns FROM sessions WHERE user_id = ?", bob.id)
        self.assertEqual(self.read(link).status, 200)
        self.assertEqual(self.house.sql("SELECT seen_ns FROM sessions WHERE user_id = ?", bob.id), seen)
        self.house.sql("UPDATE sessions SET seen_ns = seen_ns - 600000000000 WHERE user_id = ?", bob.id)
        self.assertEqual(self.read(link).status, 401)

    def test_it_ends_with_the_role_the_user_and_the_token(self):
        users = "/api/v1/users/"
        for change in ({"role": "manager"}, {"disabled": True}):
            for with_token in (False, True):
                who = self.house.user(self.boss, f"c{time.time_ns()}", "admin")
                if with_token:
                    made = who.post("/api/v1/tokens", {"name": "p", "kind": "api", "role": "admin", "verbs": ["*"], "sets": ["*"]})
                    self.assertEqual(made.status, 201, made.body)
                    link = json.loads(self.raw_post(made.json()["token"]))
                else:
                    link = self.make(who)
                self.assertEqual(self.read(link).status, 200)
                answer = self.boss.ask("PATCH", users + who.id, change)
                self.assertIn(answer.status, (200, 204), answer.body)
                self.assertIn(self.read(link).status, (401, 403), (change, with_token))
        # Past the service, which would end the session, too: the role of this moment counts.
        who = self.house.user(self.boss, f"d{time.time_ns()}", "admin")
        link = self.make(who)
        self.house.sql("UPDATE users SET role = 'viewer' WHERE id = ?", who.id)
        self.assertIn(self.read(link).status, (401, 403))
        made = self.boss.post("/api/v1/tokens", {"name": "p", "kind": "api", "role": "admin", "verbs": ["*"], "sets": ["*"]}).json()
        link = json.loads(self.raw_post(made["token"]))
        self.assertEqual(self.read(link).status, 200)
        self.assertEqual(self.boss.ask("DELETE", "/api/v1/tokens/" + made["id"]).status, 204)
        self.assertEqual(self.read(link).status, 401)

    def raw_post(self, token):
        headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
        with rig.connect(self.house.service.port) as sock:
            sock.sendall(rig.request("POST", AT, headers, json.dumps({"path": "/a"}).encode()))
            answer = rig.read_answer(sock, "POST")
        self.assertEqual(answer.status, 201, answer.body)
        return answer.body

    def test_a_download_that_runs_breaks_off_with_the_token(self):
        made = self.boss.post("/api/v1/tokens", {"name": "p", "kind": "api", "role": "admin", "verbs": ["*"], "sets": ["*"]}).json()
        client = self.program()
        client.token = made["token"]
        at = "/api/v1/sets/shop/snapshots/{}/link"
        link = self.make(client, at=at.format("cafe" * 16))
        with rig.connect(self.house.service.port) as sock:
            sock.sendall(rig.request("GET", self.target(link)))
            self.await_patient("1")
            self.assertEqual(self.boss.ask("DELETE", "/api/v1/tokens/" + made["id"]).status, 204)
            self.await_patient("0")

    def await_patient(self, wanted):
        end = time.monotonic() + 20
        while (now := self.house.service.command("patient")) != wanted and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(now, wanted)

    def test_making_one_takes_what_the_download_takes(self):
        for client, status in ((self.program(role="manager"), 403), (self.program(role="admin", verbs=["backup:read"]), 403),
                               (self.program(role="admin", sets=["wiki"]), 403), (people.Client(self.house), 401)):
            self.assertEqual(client.post(AT, {"path": "/a"}).status, status)
        self.assertEqual(self.boss.ask("POST", AT, {"path": "/a"}, {"X-HF-CSRF": "no"}).status, 403)
        self.house.sql("UPDATE sessions SET stepped_up_ns = 1")
        answer = self.boss.post(AT, {"path": "/a"})
        self.house.sql("UPDATE sessions SET stepped_up_ns = ?", time.time_ns())
        self.assertEqual((answer.status, answer.json()["code"]), (403, "step_up_required"))

    def test_what_makes_no_sense_makes_none(self):
        before = len(self.records("restore.link"))
        for document in ({}, {"path": "a"}, {"path": "/../a"}, {"path": "/a\n"}, {"path": "/a", "repository": "\t"}, {"path": "/a", "to": "me"},
                         {"path": "/" + "\u00e4" * 400}):
            self.assertEqual(self.boss.post(AT, document).status, 400, document)
        for snapshot in ("latest", ID[:63], "-" + ID[1:], ID.upper()):
            self.assertEqual(self.boss.post(f"/api/v1/sets/shop/snapshots/{snapshot}/link", {"path": "/a"}).status, 400, snapshot)
        self.assertEqual(self.boss.post(f"/api/v1/sets/elsewhere/snapshots/{ID}/link", {"path": "/a"}).status, 404)
        self.assertEqual(len(self.records("restore.link")), before)

    def test_no_signature_is_written_down_anywhere(self):
        link = self.make()
        signature = dict(parse_qsl(urlsplit(link["url"]).query))["signature"]
        self.read(link)
        self.raw(self.changed(self.target(link), path="/b"))
        self.boss.post(f"/api/v1/sets/shop/snapshots/{'face' * 16}/link", {"path": "/a"})
        for folder, _, files in os.walk(self.house.folder):
            for name in files:
                with open(os.path.join(folder, name), "rb") as file:
                    self.assertNotIn(signature.encode(), file.read(), name)


if __name__ == "__main__":
    rig.main()
