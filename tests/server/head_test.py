"""Heads that two parsers may read differently, paths that try to be others, Hosts and Origins."""

import random
import socket
import time
import unittest

import rig

GOOD = b"Host: localhost\r\n"

# What is wrong, the bytes up to the empty line, the status.
HEADS = [
    ("two Content-Length", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    ("two different Content-Length", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400),
    ("a list of Content-Length", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Content-Length: 5, 5\r\n\r\nhello", 400),
    ("a negative Content-Length", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Content-Length: -5\r\n\r\nhello", 400),
    ("a Content-Length with a sign", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Content-Length: +5\r\n\r\nhello", 400),
    ("a hexadecimal Content-Length", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Content-Length: 0x5\r\n\r\nhello", 400),
    ("an empty Content-Length", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Content-Length:\r\n\r\nhello", 400),
    ("Content-Length and Transfer-Encoding", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding and Content-Length", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    ("an unknown Transfer-Encoding", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n", 400),
    ("a Transfer-Encoding behind another", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked that is not quite", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked in quotes", b"POST /bytes HTTP/1.1\r\n" + GOOD + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', 400),
    ("two Transfer-Encoding", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
    ("a vertical tab in Transfer-Encoding", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked in HTTP/1.0", b"POST /bytes HTTP/1.0\r\n" + GOOD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("a blank in front of a colon", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Content-Length : 5\r\n\r\nhello", 400),
    ("a blank in front of the colon of Transfer-Encoding", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    ("no Host", b"GET /hello HTTP/1.1\r\n\r\n", 400),
    ("no Host in HTTP/1.0", b"GET /hello HTTP/1.0\r\n\r\n", 400),
    ("two Hosts", b"GET /hello HTTP/1.1\r\n" + GOOD + GOOD + b"\r\n", 400),
    ("an empty Host", b"GET /hello HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ("a Host with a user", b"GET /hello HTTP/1.1\r\nHost: me@localhost\r\n\r\n", 400),
    ("a Host with a path", b"GET /hello HTTP/1.1\r\nHost: localhost/x\r\n\r\n", 400),
    ("a NUL in a value", b"GET /hello HTTP/1.1\r\n" + GOOD + b"X: a\x00b\r\n\r\n", 400),
    ("a NUL in a name", b"GET /hello HTTP/1.1\r\n" + GOOD + b"X\x00Y: a\r\n\r\n", 400),
    ("a NUL that begins a line", b"GET /hello HTTP/1.1\r\n" + GOOD + b"\x00X: a\r\nHost: evil\r\n\r\n", 400),
    ("a NUL in the target", b"GET /hello\x00x HTTP/1.1\r\n" + GOOD + b"\r\n", 400),
    ("a NUL in the version", b"GET /hello HTTP/1.1\x00\r\n" + GOOD + b"\r\n", 400),
    ("a lone CR in a value", b"GET /hello HTTP/1.1\r\n" + GOOD + b"X: a\rb\r\n\r\n", 400),
    ("a lone CR as an end of line", b"GET /hello HTTP/1.1\r\n" + GOOD + b"X: a\rContent-Length: 5\r\n\r\n", 400),
    ("a lone LF behind a value", b"GET /hello HTTP/1.1\r\n" + GOOD + b"X: a\nY: b\r\n\r\n", 400),
    ("a lone LF behind the last value", b"GET /hello HTTP/1.1\r\n" + GOOD + b"X: a\n\r\n", 400),
    ("a lone LF as the empty line", b"GET /hello HTTP/1.1\r\n" + GOOD + b"X: a\r\n\n", 400),
    ("lone LFs only", b"GET /hello HTTP/1.1\nHost: localhost\n\n", 400),
    ("a lone LF behind the request line", b"GET /hello HTTP/1.1\n" + GOOD + b"\r\n", 400),
    ("a folded header", b"GET /hello HTTP/1.1\r\n" + GOOD + b"X: a\r\n b\r\n\r\n", 400),
    ("a folded first header", b"GET /hello HTTP/1.1\r\n X: a\r\n" + GOOD + b"\r\n", 400),
    ("a folded Transfer-Encoding", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    ("a header without a colon", b"GET /hello HTTP/1.1\r\n" + GOOD + b"nothing\r\n\r\n", 400),
    ("a header without a name", b"GET /hello HTTP/1.1\r\n" + GOOD + b": a\r\n\r\n", 400),
    ("two blanks in the request line", b"GET  /hello HTTP/1.1\r\n" + GOOD + b"\r\n", 400),
    ("two blanks before the version", b"GET /hello  HTTP/1.1\r\n" + GOOD + b"\r\n", 400),
    ("a blank in the target", b"GET /hel lo HTTP/1.1\r\n" + GOOD + b"\r\n", 400),
    ("a tab in the request line", b"GET\t/hello HTTP/1.1\r\n" + GOOD + b"\r\n", 400),
    ("a whole URL", b"GET http://localhost/hello HTTP/1.1\r\n" + GOOD + b"\r\n", 400),
    ("an asterisk", b"GET * HTTP/1.1\r\n" + GOOD + b"\r\n", 400),
    ("a fragment", b"GET /hello#x HTTP/1.1\r\n" + GOOD + b"\r\n", 400),
    ("TRACE", b"TRACE /hello HTTP/1.1\r\n" + GOOD + b"\r\n", 501),
    ("CONNECT", b"CONNECT /hello HTTP/1.1\r\n" + GOOD + b"\r\n", 501),
    ("OPTIONS", b"OPTIONS /hello HTTP/1.1\r\n" + GOOD + b"\r\n", 501),
    ("a method in small letters", b"get /hello HTTP/1.1\r\n" + GOOD + b"\r\n", 501),
    ("HTTP/2.0", b"GET /hello HTTP/2.0\r\n" + GOOD + b"\r\n", 505),
    ("HTTP/1.2", b"GET /hello HTTP/1.2\r\n" + GOOD + b"\r\n", 505),
    ("another Expect", b"POST /bytes HTTP/1.1\r\n" + GOOD + b"Expect: magic\r\nContent-Length: 5\r\n\r\nhello", 417),
    ("two Origins", b"GET /hello HTTP/1.1\r\n" + GOOD + b"Origin: http://a\r\nOrigin: http://b\r\n\r\n", 400),
    ("two Authorizations", b"GET /hello HTTP/1.1\r\n" + GOOD + b"Authorization: a\r\nAuthorization: b\r\n\r\n", 400),
    ("a head of 9 KiB", b"GET /hello HTTP/1.1\r\n" + GOOD + b"X: " + b"a" * 9000 + b"\r\n\r\n", 431),
    ("101 headers", b"GET /hello HTTP/1.1\r\n" + GOOD + b"X: a\r\n" * 100 + b"\r\n", 431),
    ("a target of 3 KiB", b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\n" + GOOD + b"\r\n", 414),
]

PATHS = [
    ("/../hello", 400), ("/./hello", 400), ("/x/../hello", 400), ("/hello/..", 400), ("/hello/.", 400),
    ("/%2e%2e/hello", 400), ("/%2e/hello", 400), ("/.%2e/hello", 400), ("//hello", 400), ("/hello//", 400),
    ("/items%2f7", 400), ("/items%2F7", 400), ("/items/..%2fhello", 400), ("/items/%5c..%5c", 400),
    ("/items/a\\b", 400), ("/items/%00", 400), ("/items/a%00.txt", 400), ("/items/%0a", 400), ("/items/%7f", 400),
    ("/items/%c0%af", 400), ("/items/%c0%ae%c0%ae", 400), ("/items/%e0%80%af", 400), ("/items/%ff", 400),
    ("/items/%ed%a0%80", 400), ("/items/%f4%90%80%80", 400), ("/items/%", 400), ("/items/%2", 400), ("/items/%zz", 400),
    ("/items/%u002f", 400), ("/items/\xe9", 400), ("/query?q=%00", 400), ("/query?q=1&q=2", 400),
    ("/query?q=%c0%af", 400), ("/query?=1", 400), ("/query?q=%", 400), ("/query?page=0", 400),
    ("/query?page=-1", 400), ("/query?limit=201", 400), ("/query?limit=1e9", 400), ("/query?page=99999999999999999999", 400),
    ("/query?" + "&".join(f"a{i}=1" for i in range(33)), 400),
    ("/hello/", 404), ("/Hello", 404), ("/hello/x", 404), ("/items", 404), ("/items/", 404), ("/nowhere", 404),
    ("/%68ello", 200), ("/items/%252f", 200), ("/items/..a", 200), ("/items/%c3%a9", 200), ("/items/a%20b", 200),
    ("/query?q=%2f..", 200), ("/query?page=2&limit=200", 200), ("/tree/a/b/c", 200), ("/items/special", 200),
]


class Heads(rig.Case):
    options = ("head_ms=2000",)

    def test_what_two_parsers_may_read_differently_is_refused_and_ends_the_connection(self):
        for what, raw, status in HEADS:
            with self.subTest(what):
                answer, closed = rig.exchange_to_end(self.service.port, raw)
                self.assertIsNotNone(answer, what)
                self.assertEqual(answer.status, status)
                self.assertTrue(closed)

    def test_nothing_behind_a_refused_head_is_taken_for_a_request(self):
        for what, raw, _ in HEADS:
            with self.subTest(what):
                with rig.connect(self.service.port) as sock:
                    try:
                        sock.sendall(raw + rig.request("POST", "/count"))
                        data = b""
                        while more := sock.recv(65536):
                            data += more
                    except (ConnectionResetError, BrokenPipeError):
                        pass
                    self.assertNotIn(b'"count"', data)

    def test_nothing_behind_a_chunked_body_is_taken_for_a_request(self):
        chunked = {"Transfer-Encoding": "chunked"}
        for body in (b"5\r\nhello\r\n0\r\n\r\n", b"5;x=y\r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n",
                     b"5\r\nhello\r\n0\r\nX: y\r\n\r\n"):
            raw = rig.request("POST", "/bytes", chunked) + body + rig.request("GET", "/hello")
            with rig.connect(self.service.port) as sock:
                sock.sendall(raw)
                first = rig.read_answer(sock)
                self.assertIn(first.status, (200, 400))
                self.assertEqual(first.rest, b"")
                self.assertIsNone(rig.read_answer(sock))

    def test_malformed_chunks_are_refused(self):
        for body in (b"x\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloo\r\n0\r\n\r\n",
                     b"fffffffffffffffff\r\nhello", b"0x5\r\nhello\r\n0\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n"):
            answer, closed = rig.exchange_to_end(
                self.service.port, rig.request("POST", "/bytes", {"Transfer-Encoding": "chunked"}) + body)
            self.assertTrue(closed)
            self.assertIn(answer.status if answer else 400, (400, 413), body)

    def test_a_path_is_read_in_one_way_or_not_at_all(self):
        for path, status in PATHS:
            with self.subTest(path):
                raw = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode("latin-1")
                answer = rig.exchange(self.service.port, raw)
                self.assertEqual(answer.status, status)

    def test_parameters_are_decoded_once(self):
        self.assertEqual(self.ask("GET", "/items/%252f").json(), {"id": "%2f"})
        self.assertEqual(self.ask("GET", "/tree/a/b%20c/d").json(), {"rest": "a/b c/d"})
        self.assertEqual(self.ask("GET", "/query?q=a+b%2Fc&page=3&limit=20").json(),
                         {"page": 3, "limit": 20, "offset": 40, "q": "a b/c"})

    def test_only_our_hosts_are_answered(self):
        for host, status in (("localhost", 200), ("LOCALHOST", 200), (f"localhost:{self.service.port}", 200),
                             ("127.0.0.1", 200), ("[::1]:80", 200), ("backup.example.org", 200),
                             ("evil.example.org", 421), ("localhost.evil.org", 421), ("127.0.0.2", 421),
                             ("localhost.", 421), ("[::2]", 421)):
            self.assertEqual(self.ask("GET", "/hello", host=host).status, status, host)

    def test_pages_of_other_sites_change_nothing(self):
        for headers, status in (({}, 202), ({"Origin": "http://localhost"}, 202), ({"Origin": "HTTP://LOCALHOST"}, 202),
                                ({"Origin": "https://localhost"}, 403), ({"Origin": "http://evil.org"}, 403),
                                ({"Origin": "null"}, 403), ({"Origin": "http://localhost:81"}, 403),
                                ({"Sec-Fetch-Site": "same-origin"}, 202), ({"Sec-Fetch-Site": "none"}, 202),
                                ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403)):
            self.assertEqual(self.ask("POST", "/job", headers).status, status, headers)
            self.assertEqual(self.ask("GET", "/hello", headers).status, 200)

    def test_a_costly_get_is_for_our_pages_only_and_has_no_head(self):
        admin = {"Authorization": "Test 1 3 x"}
        self.assertEqual(self.ask("GET", "/costly", admin).status, 200)
        self.assertEqual(self.ask("GET", "/costly", {**admin, "Sec-Fetch-Site": "cross-site"}).status, 403)
        self.assertEqual(self.ask("HEAD", "/costly", admin).status, 405)

    def test_another_method_is_told_which_there_are(self):
        answer = self.ask("DELETE", "/items/7")
        self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, HEAD, PUT"))
        self.assertEqual(self.ask("HEAD", "/hello").status, 200)

    def test_requests_share_a_connection_one_after_another_and_at_once(self):
        with rig.connect(self.service.port) as sock:
            for _ in range(50):
                sock.sendall(rig.request("GET", "/hello"))
                self.assertEqual(rig.read_answer(sock).status, 200)
            sock.sendall(rig.request("GET", "/items/1") + rig.request("POST", "/bytes", body=b"abc") +
                         rig.request("GET", "/nowhere") + rig.request("GET", "/items/2"))
            rest, seen = b"", []
            for _ in range(4):
                answer = rig.read_answer(sock, have=rest)
                rest = answer.rest
                seen.append((answer.status, answer.json().get("id"), answer.json().get("bytes")))
            self.assertEqual(seen, [(200, "1", None), (200, None, 3), (404, None, None), (200, "2", None)])

    def test_every_answer_has_the_security_headers(self):
        for method, target in (("GET", "/hello"), ("GET", "/nowhere"), ("DELETE", "/hello"), ("GET", "/viewer"),
                               ("GET", "/fault"), ("GET", "/file"), ("GET", "/stream?size=10"), ("GET", "//")):
            answer = self.ask(method, target)
            for name in ("content-security-policy", "x-content-type-options", "referrer-policy", "cache-control",
                         "cross-origin-opener-policy"):
                self.assertIn(name, answer.headers, (method, target))
            self.assertEqual(answer.headers["cache-control"], "no-store")
            self.assertNotIn("access-control-allow-origin", answer.headers)

    def test_random_bytes_never_end_the_service(self):
        rng = random.Random(7)
        good = rig.request("POST", "/bytes", {"X": "y"}, b"hello")
        for _ in range(300):
            raw = bytearray(good)
            for _ in range(rng.randint(1, 6)):
                raw[rng.randrange(len(raw))] = rng.randrange(256)
            with rig.connect(self.service.port) as sock:
                sock.sendall(raw)
                sock.shutdown(socket.SHUT_WR)
                try:
                    while sock.recv(65536):
                        pass
                except ConnectionResetError:
                    pass

    def test_half_requests_are_let_go(self):
        raw = rig.request("POST", "/bytes", {"X": "y"}, b"hello")
        for size in range(0, len(raw), 3):
            with rig.connect(self.service.port) as sock:
                sock.sendall(raw[:size])
        time.sleep(0.2)


class Proxies(rig.Case):
    """127.0.0.9 is a proxy of ours; on Linux all of 127/8 is this machine."""

    def seen(self, source, headers):
        told = self.ask("GET", "/hello", headers, source=source).json()
        return told["address"], told["origin"].split("://")[0]

    def test_only_a_proxy_of_ours_speaks_for_others(self):
        behind = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
        self.assertEqual(self.seen("127.0.0.1", behind), ("127.0.0.1", "http"))
        self.assertEqual(self.seen("127.0.0.9", behind), ("198.51.100.7", "https"))

    def test_of_a_list_the_last_address_that_is_no_proxy_counts(self):
        for said, address in (("1.2.3.4, 198.51.100.7", "198.51.100.7"), ("198.51.100.7, 127.0.0.9", "198.51.100.7"),
                              ("nonsense", "127.0.0.9"), ("1.2.3.4, nonsense", "127.0.0.9"), ("2001:db8::1", "2001:db8::1")):
            self.assertEqual(self.seen("127.0.0.9", {"X-Forwarded-For": said})[0], address, said)

    def test_the_host_behind_a_proxy_must_be_ours(self):
        for source, status in (("127.0.0.9", 421), ("127.0.0.1", 200)):
            answer = self.ask("GET", "/hello", {"X-Forwarded-Host": "evil.org"}, source=source)
            self.assertEqual(answer.status, status)

    def test_figures_are_for_this_machine_or_a_token(self):
        behind = {"X-Forwarded-For": "198.51.100.7"}
        self.assertEqual(self.ask("GET", "/metrics", source="127.0.0.1").status, 200)
        self.assertEqual(self.ask("GET", "/metrics", behind, source="127.0.0.9").status, 401)
        for scope, status in (("metrics:read", 200), ("other", 403)):
            headers = {**behind, "Authorization": f"Test 2 1 {scope}"}
            self.assertEqual(self.ask("GET", "/metrics", headers, source="127.0.0.9").status, status)


if __name__ == "__main__":
    rig.main()
