"""The real service with its real routes and everything that is no honest request: each is answered as
documented, nothing is stored of it, and the service goes on in little memory.

What the frame does with heads, bodies and times by itself is tested in head_test.py and limits_test.py.
"""

import glob
import json
import os
import socket
import sys
import tempfile
import time
import unittest

os.environ.setdefault("SERVER_SERVICE", "")  # another program, whose tables of hostile heads are of use here
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/support")

import head_test  # noqa: E402
import json_suite  # noqa: E402
import rig  # noqa: E402
import service_rig  # noqa: E402

MIB = 1 << 20
CONFIG_MAX = 64 << 10
JSON = {"Content-Type": "application/json"}
FAILED = b'{"error": "Internal server error", "status": "failed"}'
CONFIG = """
state: {0}/state
repositories:
  main: {{ url: {0}/repo, key_file: {0}/key }}
sets:
  shop:
    repositories: [main]
    sources: [ {{ bundle: {{ names: counted }} }} ]
serve:
  listen: ["127.0.0.1:{1}"]
  compat: {{ bundle: {{ set: shop, listen: ["127.0.0.1:{2}"], without_token: true }} }}
"""
BUNDLE = b'{"timestamp":"2026-01-01T12:00:00.000Z","version":"1.0.0","data":{"users":["alice"]}}'


def is_json_of_python(body):
    """Whether the published server, which is written in Python, would have taken it; and it is not too deep."""
    try:
        text = body.decode()
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return max(text.count("["), text.count("{")) <= 64


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="holdfast-hostile-"))
        cls.api, cls.push = service_rig.free_ports(2)
        config = service_rig.write_file(cls.folder + "/holdfast.yaml", CONFIG.format(cls.folder, cls.api, cls.push))
        cls.service = service_rig.Service("serve", config, cls.api)
        service_rig.subprocess.run([service_rig.HOLDFAST, "init", "--repo", cls.folder + "/repo", "--key-file",
                                    cls.folder + "/key"], check=True, capture_output=True)
        cls.service.program("key", "public", "--set", "shop")
        made = cls.service.program("token", "add", "tests", "--role", "admin", "--verb", "*", "--set", "*", "--json")
        cls.bearer = {"Authorization": "Bearer " + json.loads(made.splitlines()[-1])["token"]}
        cls.service.start().wait_ready()

    @classmethod
    def tearDownClass(cls):
        status = cls.service.stop()
        assert status in (0, 130), (status, cls.service.said())

    def setUp(self):
        self.before = self.stored()

    def tearDown(self):
        """Whatever a test did, the service is there and small."""
        self.assertIsNone(self.service.process.poll(), self.service.said())
        self.assertEqual(service_rig.ask(self.api, "GET", "/healthz").status, 200)
        self.assertEqual(service_rig.ask(self.api, "GET", "/api/backup/configs", None, self.bearer).status, 200)
        if not os.environ.get("SANITIZED"):
            self.assertLess(self.service.memory_mb("VmHWM"), 100)

    def stored(self):
        """Bundles that wait, and configurations."""
        configs = self.service.process and service_rig.ask(self.api, "GET", "/api/backup/configs", None, self.bearer).body
        return len(glob.glob(self.folder + "/state/spool/shop/*.sealed")), configs

    def nothing_is_stored(self):
        self.assertEqual(self.stored(), self.before)

    def send(self, port, raw):
        answer = rig.exchange(port, raw)
        return answer.status if answer else None

    def post(self, body, headers=None, path="/backup"):
        return service_rig.ask(self.push, "POST", path, body, {**JSON, **(headers or {})})

    def save(self, body):
        return service_rig.ask(self.api, "POST", "/api/backup/configs", body, self.bearer)

    # Documents

    def test_the_json_suite_as_bundles(self):
        taken = 0
        for name, body in json_suite.CASES.items():
            with self.subTest(name):
                answer = self.post(body)
                wanted = 200 if is_json_of_python(body) else 500
                if name.startswith("y_"):
                    self.assertEqual(wanted, 200)
                self.assertEqual(answer.status, wanted)
                taken += answer.status == 200
                if wanted == 500:
                    self.assertEqual(answer.body, FAILED)
        self.assertGreater(taken, 95)
        self.assertEqual(self.stored()[0], self.before[0] + taken)

    def test_the_json_suite_as_configurations(self):
        for name, body in json_suite.CASES.items():
            with self.subTest(name):
                answer = self.save(body)
                wanted = 400 if len(body) <= CONFIG_MAX else 413
                self.assertEqual((answer.status, list(answer.json())), (wanted, ["error"]), answer.body)
                self.assertNotIn("-1", answer.json()["error"])
        self.nothing_is_stored()

    def test_depth_and_size(self):
        for body in (b"[" * 100000 + b"]" * 100000, b'{"a":' * 100000 + b"1" + b"}" * 100000, b"[" * 65 + b"]" * 65):
            self.assertEqual(self.post(body).status, 500)
            self.assertEqual(self.save(body).status, 400 if len(body) <= CONFIG_MAX else 413)
        self.assertEqual(self.save(b"[" * CONFIG_MAX).status, 400)
        large = b'{"data":"' + b"a" * (17 * MIB) + b'"}'
        self.assertEqual(self.post(large).status, 413)
        self.assertEqual(self.save(large).status, 413)
        many = b"{" + b",".join(b'"%d":0' % i for i in range(1000001)) + b"}"
        self.assertEqual(self.post(many).status, 500)
        self.nothing_is_stored()

    def test_bodies_of_other_types_and_none(self):
        for kind, status in (("text/plain", 415), ("application/x-www-form-urlencoded", 415), ("text/json", 415),
                             ("application/json; charset=utf-8", 200), ("multipart/form-data; boundary=x", 415)):
            answer = self.post(BUNDLE, {"Content-Type": kind})
            self.assertEqual(answer.status, status, kind)
            if status == 415:
                self.assertEqual(service_rig.ask(self.api, "POST", "/api/backup/configs", BUNDLE,
                                                 {**self.bearer, "Content-Type": kind}).status, 415)
        self.assertEqual(self.post(BUNDLE, {"Content-Encoding": "gzip"}).status, 415)
        self.assertEqual(self.post(b"").status, 500)
        answer = rig.exchange(self.push, b"POST /backup HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\r\n")
        self.assertEqual((answer.status, answer.body), (500, FAILED))
        self.assertEqual(self.stored()[0], self.before[0] + 1)

    def test_what_is_odd_about_a_bundle_and_no_fault(self):
        for body in (b'{"timestamp":"1970-01-01T00:00:00.000Z","version":"1.0.0","data":{}}',
                     b'{"timestamp":"9999-12-31T23:59:59.999Z","version":"1.0.0","data":{}}',
                     b'{"timestamp":"x","version":7,"data":[],"more":{"a":1,"a":2}}', b"[]", b"7"):
            self.assertEqual(self.post(body).status, 200, body)
        self.assertEqual(self.stored()[0], self.before[0] + 5)

    def test_who_may_not_push(self):
        for headers in ({"Origin": "https://evil.example.org"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                        {"Host": "evil.example.org"}, {"Host": "localhost.evil.example.org"}):
            self.assertIn(self.post(BUNDLE, headers).status, (400, 403, 421), headers)
        for path in ("/backup/", "/backup?x=1", "/Backup", "/backup/x", "/", "/../backup", "//backup", "/%62ackup/"):
            self.assertIn(self.post(BUNDLE, path=path).status, (400, 404), path)
        for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            self.assertEqual(service_rig.ask(self.push, method, "/backup").status, 501, method)
        self.nothing_is_stored()

    # Configurations

    def config(self, **changes):
        return {"id": "c1", "name": "c1", "type": "files", "schedule": "0 2 * * *", "enabled": False,
                "retention": {"daily": 7, "weekly": 4, "monthly": 6}, "compression": "gzip", "encryption": True,
                "destinations": [{"type": "local", "config": {"path": self.folder + "/pos"}}],
                "notifications": {"onSuccess": [], "onFailure": []}, **changes}

    def refused(self, place, **changes):
        answer = self.save(self.config(**changes))
        self.assertEqual(answer.status, 400, (changes, answer.body))
        self.assertIn(place, answer.json()["error"], changes)

    def test_schedules_that_are_none(self):
        for cron in ("", " ", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 * ",
                     "* * * * 8", "*/0 * * * *", "5/15 * * * *", "1-0 * * * *", "-1 * * * *", "1,,2 * * * *",
                     "a * * * *", "0 0 31 2 *", "@reboot", "@every 5m", "0 2 * * *; rm -rf /", "0 2 * * *\n* * * * *",
                     "\u0660 2 * * *", "1" * 5000 + " * * * *", "* " * 5000, "%30 2 * * *"):
            self.refused("schedule", schedule=cron, enabled=True)
        for cron in (None, 5, [], {}, True):
            self.refused("schedule", schedule=cron)
        self.nothing_is_stored()

    def test_fields_that_are_wrong(self):
        for place, changes in (
                ("retention.daily", {"retention": {"daily": -1, "weekly": 4, "monthly": 6}}),
                ("retention.daily", {"retention": {"daily": 1e9, "weekly": 4, "monthly": 6}}),
                ("retention.daily", {"retention": {"daily": "7", "weekly": 4, "monthly": 6}}),
                ("retention", {"retention": []}), ("type", {"type": "everything"}), ("type", {"type": ["files"]}),
                ("compression", {"compression": "lzma"}), ("destinations", {"destinations": {}}),
                ("destinations[0].type", {"destinations": [{"type": "ftp", "config": {}}]}),
                ("destinations[0].config.path", {"destinations": [{"type": "local", "config": {"path": "../x"}}]}),
                ("not JSON", {"destinations": [{"type": "local", "config": {"path": "/a\0b"}}]}),
                ("notifications", {"notifications": {"onSuccess": ["a@b.example\r\nBcc: c@d.example"], "onFailure": []}}),
                ("notifications", {"notifications": {"onSuccess": "a@b.example", "onFailure": []}}),
                ("enabled", {"enabled": "yes"}), ("unknown", {"role": "super_admin"}), ("unknown", {"__proto__": {}}),
                ("id", {"id": "../../etc"}), ("id", {"id": ""}), ("id", {"id": "a" * 5000}), ("id", {"id": 7}),
                ("not JSON", {"id": "a\0"}), ("id", {"id": "-rf"}), ("name", {"name": 7}), ("name", {"name": "x" * 50000})):
            self.refused(place, **changes)
        self.nothing_is_stored()

    # Heads and paths

    def test_heads_that_two_parsers_read_differently(self):
        for what, raw, status in head_test.HEADS:
            raw = raw.replace(b" /bytes ", b" /api/backup/configs ").replace(b" /hello ", b" /healthz ")
            for port in (self.api, self.push):
                with self.subTest(what, port=port):
                    self.assertEqual(self.send(port, raw), status)
        self.nothing_is_stored()

    def test_nothing_behind_a_refused_head_is_a_request(self):
        for what, raw, _ in head_test.HEADS:
            with self.subTest(what):
                self.send(self.push, raw.replace(b" /bytes ", b" /backup ") + rig.request("POST", "/backup", JSON, BUNDLE))
        self.nothing_is_stored()

    def test_paths_that_try_to_be_others(self):
        for path, status in (
                ("/api/backup/../v1/users", 400), ("/api/backup/%2e%2e/v1/users", 400), ("/api//backup/configs", 400),
                ("/api/backup/./configs", 400), ("/api/backup/history/%2e%2e%2fconfigs", 400),
                ("/api/backup/history/..%5c..", 400), ("/api/backup/history/%00", 400), ("/api/backup/history/c%c0%af", 400),
                ("/api/backup/history/%ff", 400), ("/api/backup/history/%", 400), ("/api/backup/configs;x=1", 404),
                ("/api/backup/configs/", 404), ("/API/backup/configs", 404), ("/api/backup", 404),
                ("/api/backup/history/nobody", 200), ("/api/backup/history/%252e%252e", 200),
                ("/api/backup/history/shop?page=0", 400), ("/api/backup/history/shop?limit=1e9", 400),
                ("/api/backup/history/shop?limit=99999999999999999999", 400), ("/api/backup/history/shop?page=1&page=2", 400),
                ("/api/v1/users/../../backup/configs", 400), ("/etc/passwd", 404), ("/.git/config", 404)):
            with self.subTest(path):
                self.assertEqual(self.send(self.api, rig.request("GET", path, self.bearer)), status)

    def test_a_backup_that_is_not_there_is_not_found_whatever_it_is_called(self):
        for path in ("/api/backup/verify/", "/api/backup/restore/"):
            for name in ("nobody", "0" * 32, "%2d%2dhelp", "..%00", "a" * 1500, "%27%20OR%201%3d1--", "latest"):
                with self.subTest(path + name[:20]):
                    status = service_rig.ask(self.api, "POST", path + name, b"", self.bearer).status
                    self.assertIn(status, (200, 400, 403, 404))
        jobs = service_rig.ask(self.api, "GET", "/api/backup/stats", None, self.bearer).json()
        self.assertNotIn("running", json.dumps(jobs))

    # Time

    def test_half_requests_and_those_that_trickle_hold_nobody_up(self):
        """From other addresses of this machine, since one has 64 connections at a time."""
        heads = (b"POST /backup HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
                 b"POST /backup HTTP/1.1\r\nHost: loc", b"G", b"",
                 b"POST /backup HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                 b"Transfer-Encoding: chunked\r\n\r\n5\r\n[1,")
        slow = []
        try:
            for address in range(2, 8):
                for number in range(60):
                    slow.append(socket.create_connection(("127.0.0.1", self.push), 20, (f"127.0.0.{address}", 0)))
                    slow[-1].sendall(heads[number % len(heads)])
            took = []
            for _ in range(50):
                started = time.monotonic()
                self.assertEqual(self.post(BUNDLE).status, 200)
                took.append(time.monotonic() - started)
                for sock in slow[::7]:
                    try:
                        sock.send(b"a")
                    except OSError:  # let go meanwhile
                        pass
            self.assertLess(sorted(took)[40], 9, "others waited") # 10 s is the time for a head
        finally:
            for sock in slow:
                sock.close()
        self.assertEqual(self.stored()[0], self.before[0] + 50)

    def test_a_thousand_bundles_in_a_row(self):
        names = {self.post(BUNDLE).json()["filename"] for _ in range(1000)}
        self.assertEqual(len(names), 1000)


if __name__ == "__main__":
    unittest.main()
