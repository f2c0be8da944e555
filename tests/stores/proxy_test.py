#!/usr/bin/python3
"""The proxy does what its plan says, and nothing else; in front of a small server of this test."""

import http.client
import http.server
import json
import os
import socket
import sys
import threading
import time
import unittest
import urllib.error
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from gateway import Proxy  # noqa: E402

LIST = b"<ListBucketResult>%s</ListBucketResult>"


class Server(http.server.BaseHTTPRequestHandler):
    """Objects in a dictionary; a listing is sent in chunks, as gateways do."""

    protocol_version = "HTTP/1.1"
    objects = {}

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        size = int(self.headers["Content-Length"])
        body = self.rfile.read(size)
        if len(body) == size:
            self.objects[self.path] = body
            self.answer(200)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(403, b"<Error/>")

    def do_GET(self):
        if "list-type" not in self.path:
            self.answer(*(200, self.objects[self.path]) if self.path in self.objects else (404,))
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        body = LIST % b"".join(b"<Contents><Key>%s</Key></Contents>" % key.encode() for key in self.objects)
        for at in range(0, len(body), 40):
            piece = body[at:at + 40]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def do_HEAD(self):
        self.send_response(200 if self.path in self.objects else 404)
        self.send_header("Content-Length", str(len(self.objects.get(self.path, b""))))
        self.end_headers()

    def do_DELETE(self):
        self.objects.pop(self.path, None)
        self.answer(204)

    def handle(self):
        try:
            super().handle()
        except OSError:  # faults are what this is about
            pass

    def finish(self):
        pass

    def log_message(self, *_):
        pass


class ProxyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
        cls.server.daemon_threads = True
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.proxy = Proxy(f"http://127.0.0.1:{cls.server.server_port}").__enter__()
        cls.address = urllib.parse.urlsplit(cls.proxy.url)

    @classmethod
    def tearDownClass(cls):
        cls.proxy.__exit__()
        cls.server.shutdown()
        cls.server.server_close()

    def setUp(self):
        Server.objects.clear()
        Server.objects["/b/k"] = b"0123456789" * 100
        self.connection = None
        self.plan()

    def tearDown(self):
        self.connection.close()

    def plan(self, *rules, **more):
        self.proxy.plan(rules=list(rules), **more)
        if self.connection:
            self.connection.close()
        self.connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=10)

    def ask(self, method="GET", path="/b/k", body=None, headers=None):
        """(status, body) of one request; any failure of the connection is an exception."""
        self.connection.request(method, path, body, headers or {})
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def fails(self, method="GET", path="/b/k", body=None):
        with self.assertRaises((http.client.HTTPException, OSError)) as caught:
            self.ask(method, path, body)
        self.connection.close()
        return caught.exception

    def test_without_rules_everything_passes_on_one_connection(self):
        big = os.urandom(3_000_000)
        self.assertEqual(self.ask("PUT", "/b/new", big), (200, b""))
        self.assertEqual(self.ask("GET", "/b/new"), (200, big))
        self.assertEqual(self.ask("HEAD", "/b/new"), (200, b""))
        self.assertEqual(self.ask("GET", "/b/none")[0], 404)
        self.assertEqual(self.ask("DELETE", "/b/new"), (204, b""))
        self.assertIn(b"<Key>/b/k</Key>", self.ask("GET", "/b?list-type=2")[1])
        counters = self.proxy.counters()
        self.assertEqual(counters["requests"], {"put": 1, "get": 2, "head": 1, "delete": 1, "list": 1})
        self.assertEqual(counters["bytes_in"]["put"], len(big))
        self.assertEqual(counters["bytes_out"]["get"], len(big))
        self.assertEqual(counters["connections"], 1)
        self.assertEqual(counters["statuses"], {"200": 4, "404": 1, "204": 1})

    def test_a_client_that_expects_to_be_asked_is_asked(self):
        sock = socket.create_connection((self.address.hostname, self.address.port), timeout=10)
        sock.sendall(b"PUT /b/e HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        self.assertTrue(sock.recv(1000).startswith(b"HTTP/1.1 100 "))
        sock.sendall(b"abc")
        self.assertTrue(sock.recv(1000).startswith(b"HTTP/1.1 200 "))
        sock.close()
        self.assertEqual(Server.objects["/b/e"], b"abc")

    def test_kinds_follow_path_and_query(self):
        self.plan(log=True)
        for method, path in (("POST", "/b?delete"), ("POST", "/b/k?uploads"), ("PUT", "/b/k?uploadId=1&partNumber=2"),
                             ("PUT", "/b"), ("GET", "/b?uploads"), ("DELETE", "/b/k?uploadId=1")):
            self.ask(method, path, b"")
        self.assertEqual([entry["kind"] for entry in self.proxy.log()],
                         ["delete-many", "begin-upload", "part", "bucket", "list-uploads", "abort-upload"])

    def test_rules_strike_the_requests_they_name(self):
        self.plan({"fault": "status", "kind": "get", "at": [1, 3]},
                  {"fault": "status", "status": 500, "method": "HEAD", "from": 1},
                  {"fault": "status", "status": 429, "key": "/x/", "times": 1})
        self.assertEqual([self.ask()[0] for _ in range(5)], [200, 503, 200, 503, 200])
        self.assertEqual([self.ask("HEAD")[0] for _ in range(3)], [200, 500, 500])
        self.assertEqual([self.ask("PUT", "/b/x/1", b"1")[0] for _ in range(3)], [429, 200, 200])
        self.assertEqual(self.proxy.counters()["faults"], {"status": 5})

    def test_chance_follows_the_seed_and_not_the_order(self):
        def struck(seed, order):
            self.plan({"fault": "status", "chance": 0.5}, seed=seed)
            got = {"GET": [], "HEAD": []}
            for method in order:
                got[method].append(self.ask(method)[0])
            return got
        first = struck(1, ["GET", "HEAD"] * 12)
        self.assertEqual(first, struck(1, ["GET"] * 12 + ["HEAD"] * 12))
        self.assertNotEqual(first, struck(2, ["GET", "HEAD"] * 12))
        self.assertEqual(set(first["GET"]), {200, 503})

    def test_an_error_carries_its_code_and_the_time_to_wait(self):
        self.plan({"fault": "status", "status": 503, "code": "SlowDown", "retry_after": 7, "headers": {"X-A": "b"}})
        self.connection.request("GET", "/b/k")
        answer = self.connection.getresponse()
        self.assertEqual((answer.status, answer.headers["Retry-After"], answer.headers["X-A"]), (503, "7", "b"))
        self.assertIn(b"<Code>SlowDown</Code>", answer.read())
        self.assertEqual(self.ask("PUT", "/b/n", b"x" * 100_000)[0], 503)
        self.assertNotIn("/b/n", Server.objects)

    def test_drop_and_reset_carry_nothing_out(self):
        self.plan({"fault": "drop"})
        self.fails("DELETE")
        self.plan({"fault": "reset", "after_bytes": 500_000})
        self.assertIsInstance(self.fails("PUT", "/b/n", b"x" * 8_000_000), ConnectionError)
        self.assertEqual(list(Server.objects), ["/b/k"])

    def test_a_lost_reply_was_carried_out(self):
        self.plan({"fault": "lost-reply"})
        self.fails("PUT", "/b/n", b"there")
        self.fails("DELETE")
        self.assertEqual(Server.objects, {"/b/n": b"there"})

    def test_bodies_are_cut_changed_and_slowed(self):
        self.plan({"fault": "truncate", "after_bytes": 17})
        self.assertEqual(len(self.fails().partial), 17)
        self.plan({"fault": "wrong-body"})
        _, got = self.ask()
        self.assertEqual(sum(a != b for a, b in zip(got, Server.objects["/b/k"], strict=True)), 1)
        self.plan({"fault": "drip", "bytes_per_s": 2000})
        started = time.monotonic()
        self.assertEqual(self.ask()[1], Server.objects["/b/k"])
        self.assertGreater(time.monotonic() - started, 0.4)

    def test_listings_can_be_stale_and_short(self):
        path = "/b?list-type=2"
        self.plan({"fault": "stale-list", "kind": "list"})
        _, first = self.ask("GET", path)
        Server.objects["/b/later"] = b""
        self.assertEqual(self.ask("GET", path)[1], first)
        self.plan({"fault": "short-list"})
        self.assertEqual(self.ask("GET", path)[1], first)
        self.plan()
        self.assertIn(b"later", self.ask("GET", path)[1])

    def test_redirects_garbage_and_errors_in_good_answers(self):
        self.plan({"fault": "redirect", "at": 0, "to": "http://elsewhere"}, {"fault": "error-in-200", "at": 0})
        self.connection.request("GET", "/b/k?x=1")
        answer = self.connection.getresponse()
        self.assertEqual((answer.status, answer.headers["Location"]), (307, "http://elsewhere/b/k?x=1"))
        answer.read()
        status, body = self.ask("POST", "/b?delete", b"...")
        self.assertEqual((status, b"<Code>InternalError</Code>" in body), (200, True))
        self.plan({"fault": "garbage"})
        self.fails()

    def test_latency_and_delay_are_waited_for(self):
        self.plan({"fault": "delay", "delay_ms": 300, "at": 1}, latency_ms=100)
        seconds = []
        for _ in range(8):
            started = time.monotonic()
            self.ask()
            seconds.append(time.monotonic() - started)
        self.assertGreater(seconds[0], 0.2)  # one for the connection, one for the request
        self.assertGreater(seconds[1], 0.4)
        self.assertTrue(0.1 < min(seconds[2:]) < 0.25, seconds)

    def test_a_hanging_request_is_answered_by_nobody(self):
        self.plan({"fault": "hang"})
        self.connection.timeout = 0.5
        self.assertIsInstance(self.fails("PUT", "/b/n", b"x"), TimeoutError)

    def test_a_plan_with_a_mistake_is_refused(self):
        for plan in ({"rules": [{"fault": "none such"}]}, {"latency": 5}, {"rules": [{}]}):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                self.proxy.ask("/plan", json.dumps(plan).encode())
            caught.exception.close()

    def test_bodies_pass_at_200_megabytes_a_second_of_processor_time(self):
        big = os.urandom(32 << 20)
        before = self.processor_seconds()
        for _ in range(4):
            self.ask("PUT", "/b/big", big)
            self.assertEqual(len(self.ask("GET", "/b/big")[1]), len(big))
        used = self.processor_seconds() - before
        self.assertGreater(8 * len(big) / 1e6 / max(used, 0.01), 200)

    def processor_seconds(self):
        with open(f"/proc/{self.proxy.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    unittest.main()
