"""Bodies, documents, times, rates and numbers: each limit is met with its status, and memory stays small."""

import json
import os
import socket
import threading
import time

import rig

MIB = 1 << 20


def chunked(body, size=65536):
    return b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + size]), body[i:i + size])
                    for i in range(0, len(body), size)) + b"0\r\n\r\n"


class Bodies(rig.Case):
    def post(self, target, body, headers=None):
        return self.ask("POST", target, {"Content-Type": "application/json", **(headers or {})}, body)

    def test_a_body_of_17_mib_is_told_that_it_is_too_large(self):
        body = b'"' + b"a" * (17 * MIB) + b'"'
        answer = self.post("/echo", body)
        self.assertEqual((answer.status, answer.json()["code"]), (413, "body_too_large"))
        headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
        answer, closed = rig.exchange_to_end(self.service.port, rig.request("POST", "/echo", headers) + chunked(body))
        self.assertEqual((answer.status, closed), (413, True))

    def test_a_body_as_large_as_the_limit_passes(self):
        body = b'"' + b"a" * (16 * MIB - 2) + b'"'
        self.assertEqual(self.post("/echo", body).json(), {"bytes": 16 * MIB})

    def test_who_asks_first_is_told_before_sending(self):
        for length, status in ((17 * MIB, 413), (5, 100)):
            raw = (f"POST /bytes HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                   f"Content-Length: {length}\r\n\r\n").encode()
            with rig.connect(self.service.port) as sock:
                sock.sendall(raw)
                self.assertEqual(rig.read_answer(sock).status, status)

    def test_a_body_of_another_type_or_encoding_is_refused(self):
        for headers, status in (({"Content-Type": "application/json; charset=utf-8"}, 200),
                                ({"Content-Type": "Application/JSON"}, 200), ({"Content-Type": "text/plain"}, 415),
                                ({}, 415), ({"Content-Type": "application/jsonx"}, 415),
                                ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415)):
            self.assertEqual(self.ask("POST", "/echo", headers, b"{}").status, status, headers)

    def test_a_body_where_none_is_taken_or_none_where_one_is_needed_is_refused(self):
        self.assertEqual(self.ask("GET", "/hello", body=b"x").status, 413)
        self.assertEqual(self.ask("POST", "/job", body=b"x").status, 413)
        self.assertEqual(self.ask("POST", "/echo").status, 411)
        self.assertEqual(self.ask("POST", "/bytes").status, 200)
        self.assertEqual(self.ask("POST", "/nowhere", body=b"x" * MIB).status, 404)

    def test_memory_for_bodies_has_a_bound_over_all_connections(self):
        head = rig.request("POST", "/bytes", {"Content-Length": str(12 * MIB)})
        socks = [rig.connect(self.service.port) for _ in range(8)]
        all_sent = threading.Barrier(len(socks)) # all but the last byte, or was refused
        statuses = []
        try:
            for sock in socks:
                sock.sendall(head)
            def send(sock):
                try:
                    sock.sendall(b"x" * (12 * MIB - 1))
                except OSError:
                    pass
                all_sent.wait()
                time.sleep(1)
                try:
                    sock.sendall(b"x")
                    statuses.append(rig.read_answer(sock).status)
                except OSError:
                    statuses.append(0)
            threads = [threading.Thread(target=send, args=(sock,)) for sock in socks]
            [t.start() for t in threads]
            [t.join() for t in threads]
        finally:
            [sock.close() for sock in socks]
        self.assertEqual(set(statuses), {200, 503})
        self.assertLess(self.service.rss_mb(), 100 if not os.environ.get("SANITIZED") else 1000)

    def test_nesting_of_100000_is_refused(self):
        for body in (b"[" * 100000, b"[" * 100000 + b"]" * 100000, b'{"a":' * 100000, b"[" * 65 + b"]" * 65):
            answer = self.post("/echo", body)
            self.assertEqual((answer.status, answer.json()["code"]), (400, "malformed_json"))
        self.assertEqual(self.post("/echo", b"[" * 64 + b"]" * 64).status, 200)
        self.assertEqual(self.post("/echo", b'"' + b"[" * 100 + b'\\""').status, 200)

    def test_many_small_values_are_refused_before_they_fill_memory(self):
        for body in (b"[" + b"0," * 7000000 + b"0]", b"[" + b"[]," * 5000000 + b"0]",
                     b"{" + b",".join(b'"%d":0' % i for i in range(10001)) + b"}"):
            answer = self.post("/echo", body)
            self.assertEqual((answer.status, answer.json()["detail"]), (400, "has more than 20000 values"))
        self.assertEqual(self.post("/echo", b"[" + b"0," * 19997 + b"0]").status, 200)

    def test_json_is_read_strictly(self):
        good = ["null", "0", "-0", "-1.5e+3", "1E5", '""', '"\\u00e9\\ud83d\\ude00"', "[]", "{}", " [ 1 , 2 ] ", "\t{}\r\n",
                '{"a":{"b":[true,false,null]}}', '"\u00e9"', '{"":0}', '"\\u0000"', "[0.1]", '["\\/\\b\\f\\n\\r\\t"]',
                "9223372036854775807", "-9223372036854775808"]
        bad = ["", " ", "nul", "True", "'a'", "[1,]", "[,1]", "[1 2]", "{a:1}", '{"a"}', '{"a":}', '{"a":1,}', '{"a":1 "b":2}',
               '{"a":1,"a":2}', "01", "+1", "1.", ".5", "1e", "0x1", "NaN", "Infinity", "-", "--1", '"', '"\\x"', '"\\u12"',
               '"\\ud800"', '"\\udc00"', '"a\nb"', '"\tb"', "[1]]", "[", "{", "]", "{}x", "{} {}", "//x\n1", "/**/1", '["a"',
               "[1}", "\ufeff[]", "1e999", "9223372036854775808", '{"a\\u0000b":1}', "[\x0b]", "\x00", "[\u00a01]"]
        raw_bad = [b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf5\x80\x80\x80"', b'["\xe9"]', b"\xff\xfe[\x00]\x00"]
        for text in good:
            self.assertEqual(self.post("/echo", text.encode()).status, 200, text)
        for body in [text.encode() for text in bad] + raw_bad:
            answer = self.post("/echo", body) if body else self.ask(
                "POST", "/echo", {"Content-Type": "application/json", "Content-Length": "0"})
            self.assertEqual((answer.status, answer.json().get("code")), (400, "malformed_json"), body)

    def test_fields_are_checked_with_the_path_to_the_fault(self):
        for document, detail in ((1, "the body: must be an object"), ({}, "name: is missing"), ({"name": 1}, "name: must be a text"),
                                 ({"name": "a", "id": 7}, "id: is not known here"), ({"name": "a", "keep": 0}, "keep: must be 1 to 99"),
                                 ({"name": "a", "keep": 1.5}, "keep: must be a whole number"), ({"name": "a", "keep": True}, "keep: must be a whole number"),
                                 ({"name": "a", "colour": "blue"}, "colour: must be one of red, green"), ({"name": "a\0"}, "name: must not have a NUL in it"),
                                 ({"name": "a", "sources": [{"path": "a"}, {}]}, "sources[1].path: is missing"),
                                 ({"name": "a", "sources": [{"path": "a", "x": 1}]}, "sources[0].x: is not known here"),
                                 ({"name": "a", "sources": [{"path": ""}]}, "sources[0].path: must have 1 to 10 bytes"),
                                 ({"name": "a", "sources": [1]}, "sources[0]: must be an object"),
                                 ({"name": "a", "sources": [{"path": "a"}] * 4}, "sources: must have 0 to 3 items"), ({"name": "a", "on": 1}, "on: must be true or false")):
            answer = self.ask_json("POST", "/fields", document)
            self.assertEqual((answer.status, answer.json()["detail"]), (400, detail))
            self.assertEqual(answer.headers["content-type"], "application/problem+json")
        whole = {"name": "a", "keep": 99, "colour": None, "sources": [{"path": "a"}], "on": True}
        self.assertEqual(self.ask_json("POST", "/fields", whole).status, 204)


class Streams(rig.Case):
    rss_limit_mb = 60

    def test_a_large_upload_streams_through_little_memory(self):
        head = rig.request("POST", "/sink", {"Content-Length": str(512 * MIB)})
        block = b"x" * MIB
        for raw, wrap in ((head, lambda b: b),
                          (rig.request("POST", "/sink", {"Transfer-Encoding": "chunked"}), chunked)):
            with rig.connect(self.service.port) as sock:
                sock.sendall(raw)
                for _ in range(512):
                    sock.sendall(block if wrap is not chunked else b"100000\r\n" + block + b"\r\n")
                if wrap is chunked:
                    sock.sendall(b"0\r\n\r\n")
                self.assertEqual(rig.read_answer(sock).json(), {"bytes": 512 * MIB})

    def test_a_slow_reader_of_an_upload_holds_the_client_back(self):
        body = b"x" * (8 * MIB)
        self.assertEqual(self.ask("POST", "/sink?slow=1", body=body).json(), {"bytes": len(body)})

    def test_a_handler_may_answer_before_the_upload_ends(self):
        answer = self.ask("POST", "/sink?stop=1", body=b"x" * (8 * MIB))
        self.assertEqual(answer.status, 200)

    def test_a_stream_longer_than_the_route_takes_is_refused(self):
        raw = rig.request("POST", "/small-sink", {"Transfer-Encoding": "chunked"}) + chunked(b"x" * (2 * MIB))
        answer, closed = rig.exchange_to_end(self.service.port, raw)
        self.assertEqual((answer.status, closed), (413, True))
        self.assertEqual(self.ask("POST", "/small-sink", body=b"x" * (2 * MIB)).status, 413)

    def test_a_client_that_leaves_in_an_upload_frees_the_worker(self):
        for _ in range(40):
            with rig.connect(self.service.port) as sock:
                sock.sendall(rig.request("POST", "/sink", {"Content-Length": "1000000"}) + b"x" * 1000)
        self.assertEqual(self.ask("GET", "/hello").status, 200)

    def test_who_leaves_in_the_middle_of_a_body_is_noticed_soon(self):
        sent = rig.request("POST", "/sink", {"Content-Length": str(2 * MIB)}) + b"x" * MIB
        half = rig.connect(self.service.port) # says that it ends, and reads on
        half.sendall(sent)
        half.shutdown(rig.socket.SHUT_WR)
        for _ in range(12): # fewer than there are workers
            with rig.connect(self.service.port) as sock:
                sock.sendall(sent) # an end that comes with the last bytes
        started = time.monotonic()
        while self.metric("holdfast_http_connections") > 1:
            self.assertLess(time.monotonic() - started, 30) # 60 s are usual for who is silent
            time.sleep(0.2)
        half.close()

    def test_a_body_that_was_sent_whole_before_its_end_is_read(self):
        for size in (1, 1000, 8 * MIB):
            with rig.connect(self.service.port) as sock:
                sock.sendall(rig.request("POST", "/sink?slow=1", body=b"x" * size))
                sock.shutdown(rig.socket.SHUT_WR)
                self.assertEqual(rig.read_answer(sock).json(), {"bytes": size})

    def test_a_large_download_streams_through_little_memory(self):
        for target in ("/stream?size=300000000", "/stream?size=300000000&known=1"):
            with rig.connect(self.service.port) as sock:
                sock.sendall(rig.request("GET", target))
                total = 0
                while total < 300000000:
                    got = len(sock.recv(1 << 20))
                    self.assertGreater(got, 0)
                    total += got

    def test_a_download_that_fails_looks_broken_to_the_client(self):
        self.assertIsNone(self.ask("GET", "/stream?size=100000&break=1").body)
        self.assertEqual(len(self.ask("GET", "/stream?size=100000").body), 100000)

    def test_clients_that_leave_in_a_download_free_the_workers(self):
        for _ in range(40):
            with rig.connect(self.service.port) as sock:
                sock.sendall(rig.request("GET", "/stream?size=300000000"))
                sock.recv(1000)
        self.assertEqual(self.ask("GET", "/hello").status, 200)

    def test_a_file_is_sent_whole_or_in_the_range_asked_for(self):
        whole = self.ask("GET", "/file")
        size = len(whole.body)
        self.assertEqual(whole.headers["content-disposition"], "attachment; filename=\"exe\"; filename*=UTF-8''exe")
        for said, status, part in (("bytes=0-99", 206, whole.body[:100]), ("bytes=100-", 206, whole.body[100:]),
                                   ("bytes=-50", 206, whole.body[-50:]), (f"bytes={size - 1}-{size + 5}", 206, whole.body[-1:]),
                                   (f"bytes={size}-", 416, None), ("bytes=-0", 416, None), ("bytes=5-2", 200, whole.body),
                                   ("bytes=0-1,5-6", 200, whole.body), ("lines=1-2", 200, whole.body), ("bytes=x", 200, whole.body)):
            answer = self.ask("GET", "/file", {"Range": said})
            self.assertEqual(answer.status, status, said)
            if part is not None:
                self.assertEqual(answer.body, part)
        head = self.ask("HEAD", "/file")
        self.assertEqual(int(head.headers["content-length"]), size)

    def test_the_name_of_a_download_is_safe_in_its_header(self):
        self.assertIn("filename=\"dump__1_.tar\"; filename*=UTF-8''dump%20%221%22.tar",
                      self.ask("GET", "/stream?size=1").headers["content-disposition"])


class Answers(rig.Case):
    def test_a_thing_changes_only_when_it_is_what_was_read(self):
        read = self.ask("GET", "/items/7")
        self.assertEqual(read.headers["etag"], '"7"')
        self.assertEqual(self.ask("GET", "/items/7", {"If-None-Match": '"7"'}).status, 304)
        for headers, status in (({}, 428), ({"If-Match": '"6"'}, 412), ({"If-Match": '"7"'}, 204), ({"If-Match": "*"}, 204)):
            self.assertEqual(self.ask("PUT", "/items/7", headers).status, status)

    def test_the_same_key_does_a_thing_once(self):
        who = {"Authorization": "Test 2 1 read"}
        key = {**who, "Idempotency-Key": f"k{time.time()}"}
        first = self.ask("POST", "/once", key)
        again = self.ask("POST", "/once", key)
        self.assertEqual((first.status, again.status, again.json()), (201, 201, first.json()))
        self.assertEqual(again.headers["idempotent-replayed"], "true")
        self.assertEqual(self.ask_json("POST", "/once", {}, key).status, 422)
        for bad in ("x" * 129, "a\tb", "caf\u00e9", ""):
            self.assertEqual(self.ask("POST", "/once", {**who, "Idempotency-Key": bad}).status, 400, bad)
        self.assertEqual(self.ask("POST", "/once", {**who, "Idempotency-Key": "~ " + "x" * 126}).status, 201)
        self.assertNotEqual(self.ask("POST", "/once", who).json(), first.json())

    def test_a_body_that_is_read_later_is_told_from_others_by_its_digest(self):
        key = {"Authorization": "Test 2 1 read", "Idempotency-Key": f"k{time.time()}"}
        self.assertEqual(self.ask("POST", "/sink-once", key, b"abc").json()["code"], "digest_required")
        named = {**key, "Content-Digest": "sha-256=:AAAA:"}
        first = self.ask("POST", "/sink-once", named, b"abc")
        again = self.ask("POST", "/sink-once", named, b"abcd")
        self.assertEqual((first.status, again.status, again.json()), (200, 200, first.json()))
        self.assertEqual(again.headers["idempotent-replayed"], "true")
        self.assertEqual(self.ask("POST", "/sink-once", {**key, "Content-Digest": "sha-256=:BBBB:"}, b"abc").status, 422)
        two = [b"Content-Digest: sha-256=:AAAA:", b"Content-Digest: sha-256=:BBBB:"]
        raw = rig.request("POST", "/sink-once", key, b"abc").replace(b"\r\n", b"\r\n" + b"\r\n".join(two) + b"\r\n", 1)
        self.assertEqual(rig.exchange(self.service.port, raw).status, 400)

    def test_long_work_answers_with_a_place_to_look(self):
        answer = self.ask("POST", "/job")
        self.assertEqual((answer.status, answer.headers["location"], answer.json()), (202, "/api/v1/jobs/42", {"job": "42"}))

    def test_a_fault_inside_tells_nothing_of_the_inside(self):
        answer = self.ask("GET", "/fault")
        self.assertEqual(answer.status, 500)
        self.assertNotIn(b"secret", answer.body)
        self.assertEqual(self.ask("GET", "/nothing").status, 500)

    def test_figures_are_told_in_the_form_of_prometheus(self):
        answer = self.ask("GET", "/metrics")
        names = set()
        for line in answer.body.decode().splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                float(value)
                names.add(name.split("{")[0])
        self.assertLessEqual({"holdfast_http_requests_total", "holdfast_http_request_seconds_bucket",
                              "holdfast_http_request_seconds_sum", "holdfast_http_connections"}, names)


class Times(rig.Case):
    options = ("head_ms=1500", "idle_ms=1500")

    def test_a_head_that_trickles_is_ended_with_408(self):
        with rig.connect(self.service.port) as sock:
            started = time.monotonic()
            try:
                for byte in rig.request("GET", "/hello", {"X": "y" * 1000}):
                    sock.sendall(bytes([byte]))
                    time.sleep(0.1)
            except (BrokenPipeError, ConnectionResetError):
                pass
            self.assertLess(time.monotonic() - started, 9) # 10 s are usual
            answer = rig.read_answer(sock)
            if answer is not None: # a reset may overtake it
                self.assertEqual(answer.status, 408)

    def test_silence_ends_with_408_and_idleness_without_a_word(self):
        with rig.connect(self.service.port) as sock:
            self.assertEqual(rig.read_answer(sock).status, 408)
        with rig.connect(self.service.port) as sock:
            sock.sendall(rig.request("GET", "/hello"))
            self.assertEqual(rig.read_answer(sock).status, 200)
            started = time.monotonic()
            self.assertEqual(sock.recv(100), b"")
            self.assertLess(time.monotonic() - started, 12) # 15 s are usual

    def test_a_body_that_trickles_is_ended_with_408(self):
        for target in ("/bytes", "/sink"):
            with rig.connect(self.service.port) as sock:
                sock.sendall(rig.request("POST", target, {"Content-Length": "100000"}))
                started = time.monotonic()
                try:
                    while time.monotonic() - started < 2 * rig.END_S:
                        sock.sendall(b"x")
                        time.sleep(0.1)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                self.assertLess(time.monotonic() - started, rig.END_S)

    def test_a_body_that_begins_fast_may_not_trickle_then(self):
        service = rig.Service("rate_ms=7000")
        with rig.connect(service.port) as sock:
            # So much that the whole would be fast enough for a quarter of an hour.
            sock.sendall(rig.request("POST", "/sink", {"Content-Length": "2000000"}) + b"x" * 1000000)
            started = time.monotonic()
            try:
                while time.monotonic() - started < 2 * rig.END_S:
                    sock.sendall(b"x")
                    time.sleep(0.1)
            except (BrokenPipeError, ConnectionResetError):
                pass
            self.assertLess(time.monotonic() - started, rig.END_S)
        self.assertEqual(service.stop()[0], 0)

    def test_many_that_trickle_do_not_hold_others_up(self):
        service = rig.Service(f"head_ms={5 * rig.END_S * 1000}")

        def wait_s():
            waits = []
            for _ in range(100):
                started = time.monotonic()
                self.assertEqual(rig.exchange(service.port, rig.request("GET", "/hello")).status, 200)
                waits.append(time.monotonic() - started)
            return sorted(waits)[95]

        usual_s = wait_s()
        slow = [rig.connect(service.port, source=f"127.0.1.{i % 200 + 1}") for i in range(300)]
        for sock in slow:
            sock.sendall(b"GET /hello HTTP/1.1\r\nX: ")
        self.assertLess(wait_s(), max(1, 5 * usual_s))
        for sock in slow: # all of them were there to the end
            sock.setblocking(False)
            self.assertRaises(BlockingIOError, sock.recv, 1)
            sock.close()
        self.assertEqual(service.stop()[0], 0)


class Rates(rig.Case):
    options = ("address_minute=100", "address_max=10")

    def tearDown(self):
        pass # its own requests would be too many

    def test_who_asks_too_often_is_told_when_to_come_back(self):
        seen = []
        started = time.monotonic()
        with rig.connect(self.service.port, source="127.0.2.1") as sock:
            while len(seen) < 100 or seen[-1].status == 200:
                sock.sendall(rig.request("GET", "/hello"))
                seen.append(rig.read_answer(sock))
                self.assertLessEqual(len(seen), 102 + (time.monotonic() - started) * 100 / 60)
        statuses = [answer.status for answer in seen]
        self.assertEqual(statuses, [200] * (len(seen) - 1) + [429])
        last = seen[-1]
        self.assertEqual((last.status, last.headers["ratelimit-limit"], last.headers["ratelimit-remaining"]), (429, "100", "0"))
        self.assertGreaterEqual(int(last.headers["retry-after"]), 1)
        self.assertEqual(self.ask("GET", "/hello", source="127.0.2.2").status, 200)

    def test_a_route_may_have_a_limit_of_its_own(self):
        statuses = [self.ask("GET", "/rated", source="127.0.2.3").status for _ in range(7)]
        self.assertEqual(statuses, [200] * 5 + [429] * 2)

    def test_the_addresses_of_one_customer_count_as_one(self):
        def ask(address):
            return self.ask("GET", "/rated", {"X-Forwarded-For": address}, source="127.0.0.9").status

        self.assertEqual([ask(f"2001:db8::{i:x}:1") for i in range(1, 8)], [200] * 5 + [429] * 2)
        self.assertEqual([ask(f"2001:db8:0:{i:x}::1") for i in range(1, 8)], [200] * 7)
        self.assertEqual([ask(f"198.51.100.{i}") for i in range(1, 8)], [200] * 7)

    def test_one_address_has_so_many_connections_and_a_proxy_has_more(self):
        for source, limit in (("127.0.2.4", 10), ("127.0.0.9", 20)):
            socks = [rig.connect(self.service.port, source=source) for _ in range(20)]
            alive = 0
            for sock in socks:
                try:
                    sock.sendall(rig.request("GET", "/healthz"))
                    answer = rig.read_answer(sock)
                except OSError:
                    answer = None
                alive += answer is not None
            [sock.close() for sock in socks]
            self.assertEqual(alive, limit)


    def test_connections_that_come_at_once_are_counted_too(self):
        most = 0
        for _ in range(10):
            alive = []
            begin, all_heard = threading.Barrier(30), threading.Barrier(30)

            def come():
                begin.wait()
                try:
                    with rig.connect(self.service.port, source="127.0.2.5") as sock:
                        sock.sendall(rig.request("GET", "/healthz"))
                        alive.append(rig.read_answer(sock) is not None)
                        all_heard.wait()
                except OSError:
                    alive.append(False)
                    all_heard.wait()

            comers = [threading.Thread(target=come) for _ in range(30)]
            [comer.start() for comer in comers]
            [comer.join() for comer in comers]
            self.assertEqual(len(alive), 30)
            most = max(most, sum(alive))
            rig.wait_until(lambda: self.metric("holdfast_http_connections", source="127.0.2.6") == 1, "they are gone")
        self.assertEqual(most, 10)


class Stops(rig.Case):
    def tearDown(self):
        pass

    def test_requests_under_way_are_finished_and_who_comes_is_turned_away(self):
        service = rig.Service()
        ends = []

        def is_turned_away():
            return rig.exchange(service.port, rig.request("GET", "/hello")) is None

        with rig.connect(service.port) as sock:
            sock.sendall(rig.request("GET", "/stream?size=50000000"))
            begun = sock.recv(1)
            stop = threading.Thread(target=lambda: ends.append(service.stop(rig.END_S * 1000)[0]))
            stop.start()
            rig.wait_until(is_turned_away, "new connections are turned away")
            self.assertEqual(ends, [])
            self.assertEqual(len(rig.read_answer(sock, have=begun).body), 50000000)
            stop.join()
        self.assertEqual(ends, [0])

    def test_it_stops_while_clients_come_and_go(self):
        def come(service, end):
            while not end.is_set():
                try:
                    with rig.connect(service.port) as sock:
                        sock.sendall(rig.request("GET", "/hello"))
                        while rig.read_answer(sock) is not None and not end.is_set():
                            sock.sendall(rig.request("GET", "/hello"))
                except OSError:
                    pass

        for round in range(30):
            service, end = rig.Service(), threading.Event()
            clients = [threading.Thread(target=come, args=(service, end)) for _ in range(6)]
            for client in clients:
                client.start()
            time.sleep(0.05)
            status, _ = service.stop()
            end.set()
            for client in clients:
                client.join()
            self.assertEqual(status, 0, round)

    def test_stopping_waits_no_longer_than_it_was_told(self):
        service = rig.Service()
        socks = [rig.connect(service.port) for _ in range(6)]
        socks[0].sendall(rig.request("GET", "/slow?ms=60000"))
        socks[1].sendall(rig.request("GET", "/events"))
        socks[2].sendall(rig.request("POST", "/sink", {"Content-Length": "1000"}) + b"x")
        socks[3].sendall(rig.request("GET", "/stream?size=1000000000"))
        socks[4].sendall(rig.request("POST", "/bytes", {"Content-Length": "1000"}) + b"x")
        time.sleep(0.5)
        status, seconds = service.stop(500)
        [sock.close() for sock in socks]
        self.assertEqual(status, 0)
        self.assertLess(seconds, rig.END_S / 2)


if __name__ == "__main__":
    rig.main()
