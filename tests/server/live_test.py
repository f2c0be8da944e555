"""Event streams, WebSockets and TLS."""

import base64
import json
import os
import select
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import time

import rig


class Events(rig.Case):
    options = ("streams_max=600", "address_max=2000", "connections_max=2000")

    def listen(self, target="/events", headers=None):
        sock = rig.connect(self.service.port)
        sock.sendall(rig.request("GET", target, headers))
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(1)
        self.assertIn(b"200 OK", head)
        self.assertIn(b"text/event-stream", head)
        return sock

    def publish(self, topic, document):
        self.assertEqual(self.ask_json("POST", f"/publish/{topic}", document).status, 204)

    def hear(self, sock, until):
        data = b""
        while until not in data:
            more = sock.recv(65536)
            if not more:
                break
            data += more
        return data

    def test_listeners_hear_what_is_published_on_their_topic(self):
        with self.listen("/events?topic=a") as a, self.listen() as all_:
            self.publish("b", {"n": 1})
            self.publish("a", {"n": 2})
            heard = self.hear(a, b'{"n":2}')
            self.assertNotIn(b'{"n":1}', heard)
            self.assertIn(b"event: note\ndata: {\"n\":2}\n\n", heard)
            self.assertIn(b'{"n":1}', self.hear(all_, b'{"n":2}'))

    def test_who_comes_back_goes_on_where_it_was(self):
        with self.listen() as sock:
            self.publish("x", {"n": 10})
            heard = self.hear(sock, b"\n\n\r\n")
        last = heard.split(b"id: ")[1].split(b"\n")[0].decode()
        self.publish("x", {"n": 11})
        self.publish("x", {"n": 12})
        with self.listen(headers={"Last-Event-ID": last}) as sock:
            heard = self.hear(sock, b'{"n":12}')
            self.assertIn(b'{"n":11}', heard)
            self.assertNotIn(b'{"n":10}', heard)
        with self.listen(headers={"Last-Event-ID": "99999999"}) as sock:
            self.assertIn(b"event: lost", self.hear(sock, b"\n\n"))
        self.assertEqual(self.ask("GET", "/events", {"Last-Event-ID": "x"}).status, 400)

    def test_one_that_does_not_read_is_dropped_and_costs_nothing(self):
        with self.listen() as deaf:
            text = "x" * 500000
            for _ in range(60):
                self.publish("big", {"t": text})
            total, more = 0, b"x"
            while more:
                try:
                    more = deaf.recv(1 << 20)
                except OSError:
                    break
                total += len(more)
        self.assertLess(total, 30000000)

    def test_500_idle_streams_cost_no_threads_and_little_memory(self):
        threads, before = self.service.threads(), self.service.rss_mb()
        socks = [self.listen() for _ in range(500)]
        self.assertEqual(self.service.threads(), threads)
        used = self.service.rss_mb()
        self.publish("x", {"n": 1})
        for sock in socks:
            self.assertIn(b'{"n":1}', self.hear(sock, b"\n\n"))
        if not os.environ.get("SANITIZED"):
            print(f"500 streams: {used:.1f} MB in all, {used - before:.1f} MB for them")
            self.assertLess(used, 64)
        extra = [self.listen() for _ in range(100)]
        answer = self.ask("GET", "/events")
        self.assertEqual((answer.status, answer.json()["code"]), (503, "too_many_streams"))
        [sock.close() for sock in socks + extra]
        # Who hung up is noticed, though nobody reads from him.
        self.check_no_streams()

    def check_no_streams(self):
        rig.wait_until(lambda: self.metric("holdfast_http_streams") == 0, "they are gone")

    def test_who_goes_before_the_handshake_is_answered_takes_no_place(self):
        for target in ("/event-socket?ms=300", "/events?ms=300"):
            socks = [rig.connect(self.service.port) for _ in range(10)]
            for sock in socks:
                sock.sendall(rig.request("GET", target, {
                    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                    "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode()}))
            time.sleep(0.1)
            for sock in socks:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()
            time.sleep(0.4)
            self.check_no_streams()


class Socket:
    """A client for WebSockets that can say what it must not."""

    def __init__(self, port, target="/socket", headers=None, key=None):
        self.sock = rig.connect(port)
        key = key or base64.b64encode(os.urandom(16)).decode()
        base = {"Connection": "keep-alive, Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": key,
                "Sec-WebSocket-Version": "13"}
        base.update(headers or {})
        self.sock.sendall(rig.request("GET", target, {k: v for k, v in base.items() if v is not None}))
        self.answer = rig.read_answer(self.sock)
        self.data = self.answer.rest

    def send(self, opcode, payload, fin=True, masked=True, rsv=0):
        size = len(payload)
        head = bytes([(0x80 if fin else 0) | rsv | opcode])
        mask_bit = 0x80 if masked else 0
        head += (bytes([mask_bit | size]) if size < 126 else bytes([mask_bit | 126]) + struct.pack(">H", size)
                 if size < 65536 else bytes([mask_bit | 127]) + struct.pack(">Q", size))
        mask = os.urandom(4) if masked else b""
        if masked:
            payload = bytes(b ^ mask[i % 4] for i, b in enumerate(payload)) if size < 100000 else \
                (int.from_bytes(payload, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")).to_bytes(size, "big")
        self.sock.sendall(head + mask + payload)

    def take(self, size):
        while len(self.data) < size:
            more = self.sock.recv(65536)
            if not more:
                return None
            self.data += more
        out, self.data = self.data[:size], self.data[size:]
        return out

    def frame(self):
        """(opcode, payload), or None when the connection is cut."""
        try:
            head = self.take(2)
            if head is None:
                return None
            size = head[1] & 127
            if size == 126:
                size = struct.unpack(">H", self.take(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self.take(8))[0]
            return head[0] & 15, self.take(size)
        except (ConnectionResetError, TypeError):
            return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def code(frame):
    """Of a close; None for one without, and for a connection that is cut."""
    if frame is None or frame == (8, b""):
        return None
    return struct.unpack(">H", frame[1][:2])[0] if frame[0] == 8 else frame


class WebSockets(rig.Case):
    def test_the_handshake_is_that_of_the_standard(self):
        with Socket(self.service.port, key="dGhlIHNhbXBsZSBub25jZQ==") as ws:
            self.assertEqual((ws.answer.status, ws.answer.headers["sec-websocket-accept"]), (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
        for headers, status in (({"Origin": "http://localhost"}, 101), ({"Origin": "http://evil.org"}, 403), ({"Origin": "null"}, 403),
                                ({"Upgrade": None}, 426), ({"Connection": "close"}, 426), ({"Sec-WebSocket-Version": "8"}, 426),
                                ({"Sec-WebSocket-Key": None}, 400), ({"Sec-WebSocket-Key": "short"}, 400)):
            with Socket(self.service.port, headers=headers) as ws:
                self.assertEqual(ws.answer.status, status, headers)

    def test_messages_come_back_whole_however_they_are_cut(self):
        with Socket(self.service.port) as ws:
            for opcode, payload in ((1, b""), (1, "héllo".encode()), (2, bytes(range(256))), (2, b"x" * 70000)):
                ws.send(opcode, payload)
                self.assertEqual(ws.frame(), (opcode, payload))
            ws.send(1, b"ab", fin=False)
            ws.send(9, b"ping")
            self.assertEqual(ws.frame(), (10, b"ping"))
            ws.send(0, b"cd")
            self.assertEqual(ws.frame(), (1, b"abcd"))
            ws.send(1, b"end")
            self.assertEqual(code(ws.frame()), 4000)

    def test_what_the_standard_forbids_ends_the_socket(self):
        for what, send, codes in (("no mask", lambda ws: ws.send(1, b"a", masked=False), (1002,)),
                                  ("a reserved bit", lambda ws: ws.send(1, b"a", rsv=0x40), (1002,)),
                                  ("an unknown opcode", lambda ws: ws.send(3, b"a"), (1002,)),
                                  ("text that is not UTF-8", lambda ws: ws.send(1, b"\xc0\xaf"), (1007,)),
                                  ("a long ping", lambda ws: ws.send(9, b"x" * 126), (1002, None)),
                                  ("a ping in parts", lambda ws: ws.send(9, b"x", fin=False), (1002, None)),
                                  ("a part of nothing", lambda ws: ws.send(0, b"x"), (1002,)),
                                  ("a message of more than 1 MiB", lambda ws: ws.send(2, b"x" * ((1 << 20) + 1)), (1009, None)),
                                  ("a forged length", lambda ws: ws.sock.sendall(b"\x82\xff" + b"\xff" * 8 + b"abcd"), (1002, 1009, None))):
            with self.subTest(what), Socket(self.service.port) as ws:
                try:
                    send(ws)
                except OSError:
                    pass
                self.assertIn(code(ws.frame()), codes)

    def test_a_message_of_1_mib_passes_as_far_as_its_answer_fits(self):
        with Socket(self.service.port) as ws:
            ws.send(2, b"x" * (200 << 10))
            self.assertEqual(len(ws.frame()[1]), 200 << 10)

    def test_too_many_messages_end_the_socket(self):
        with Socket(self.service.port) as ws:
            try:
                for _ in range(60):
                    ws.send(1, b"a")
            except OSError:
                pass
            frame = ws.frame()
            while frame and frame[0] == 1:
                frame = ws.frame()
            self.assertEqual(code(frame), 1008)

    def test_one_that_does_not_read_is_cut(self):
        with Socket(self.service.port) as ws:
            for _ in range(18):
                ws.send(1, b"flood")
            rig.wait_until(lambda: self.metric("holdfast_http_streams") == 0, "the socket is cut")
            total, frame = 0, ws.frame()
            while frame:
                total, frame = total + 1, ws.frame()
            self.assertLess(total, 18 * 5000)

    def test_the_events_of_the_hub_come_through_a_socket(self):
        with Socket(self.service.port, "/event-socket") as ws:
            def is_heard(): # once the thread of the sockets has this one
                self.assertEqual(self.ask_json("POST", "/publish/x", {"n": 5}).status, 204)
                return select.select([ws.sock], [], [], 0.5)[0]

            rig.wait_until(is_heard, "an event comes")
            opcode, payload = ws.frame()
            document = json.loads(payload)
            self.assertEqual((opcode, document["topic"], document["event"], document["data"]), (1, "x", "note", {"n": 5}))

    def test_a_stop_closes_sockets_with_a_word(self):
        service = rig.Service()
        with Socket(service.port) as ws:
            self.assertEqual(service.stop(1000)[0], 0)
            self.assertEqual(code(ws.frame()), 1001)


class Tls(rig.Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="holdfast-tls-")
        cls.service = rig.Service(f"certificates={cls.folder}", "head_ms=3000")

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.folder)

    def shake(self, **settings):
        context = ssl.create_default_context(cafile=self.folder + "/tls.pem")
        for name, value in settings.items():
            setattr(context, name, value)
        sock = rig.connect(self.service.tls)
        return context.wrap_socket(sock, server_hostname="localhost")

    def test_the_certificate_made_at_first_run_is_the_one_that_is_shown(self):
        with self.shake() as sock:
            seen = sock.getpeercert(binary_form=True)
            digest = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-fingerprint", "-sha256"], input=seen,
                                    capture_output=True, check=True).stdout.decode()
            self.assertEqual(digest.strip().split("=")[1], self.service.fingerprint)
        self.assertEqual(os.stat(self.folder + "/tls.key").st_mode & 0o777, 0o600)

    def test_requests_bodies_and_streams_pass_through_tls(self):
        with self.shake() as sock:
            sock.sendall(rig.request("POST", "/sink", body=b"x" * 3000000))
            self.assertEqual(rig.read_answer(sock).json(), {"bytes": 3000000})
            sock.sendall(rig.request("GET", "/stream?size=2000000"))
            self.assertEqual(len(rig.read_answer(sock).body), 2000000)
            sock.sendall(rig.request("GET", "/file"))
            answer = rig.read_answer(sock)
            self.assertEqual(len(answer.body), int(answer.headers["content-length"]))
            self.assertIn("strict-transport-security", answer.headers)

    def test_the_guard_stands_behind_tls_as_well(self):
        for raw, status in ((b"GET /hello HTTP/1.1\nHost: localhost\n\n", 400),
                            (b"GET /hello HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n", 400)):
            with self.shake() as sock:
                sock.sendall(raw)
                self.assertEqual(rig.read_answer(sock).status, status)

    def test_old_versions_are_refused(self):
        with self.assertRaises((ssl.SSLError, OSError)):
            self.shake(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
        with self.shake(maximum_version=ssl.TLSVersion.TLSv1_2) as sock:
            self.assertEqual(sock.version(), "TLSv1.2")

    def test_when_it_is_read_again_a_new_certificate_is_used_without_losing_connections(self):
        service = type(self).service
        with self.shake() as old:
            before = old.getpeercert(binary_form=True)
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                            "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", self.folder + "/tls.key",
                            "-out", self.folder + "/tls.pem"], check=True, capture_output=True)
            self.assertEqual(service.command("reload"), "reloaded")
            with self.shake() as new:
                self.assertNotEqual(new.getpeercert(binary_form=True), before)
            old.sendall(rig.request("GET", "/hello"))
            self.assertEqual(rig.read_answer(old).status, 200)

    def test_a_socket_upgrades_behind_tls(self):
        with self.shake() as sock:
            sock.sendall(rig.request("GET", "/socket", {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                                                        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}))
            self.assertEqual(rig.read_answer(sock).status, 101)
            sock.sendall(b"\x81\x82\0\0\0\0hi")
            heard = b""
            while len(heard) < 4 and (more := sock.recv(100)):
                heard += more
            self.assertEqual(heard, b"\x81\x02hi")

    def test_a_listener_that_hangs_up_behind_tls_is_noticed(self):
        def streams():
            lines = self.ask("GET", "/metrics").body.decode().splitlines()
            return next(float(line.split()[1]) for line in lines if line.startswith("holdfast_http_streams "))

        with self.shake() as sock:
            sock.sendall(rig.request("GET", "/events"))
            sock.recv(100)
            self.assertEqual(streams(), 1)
            # A proper end: words of TLS in front of that of the connection.
            sock.settimeout(0.2)
            try:
                sock.unwrap()
            except OSError:
                pass
        end = time.monotonic() + 5 # before a comment would be written to it
        while streams() > 0 and time.monotonic() < end:
            time.sleep(0.1)
        self.assertEqual(streams(), 0)

    def test_a_handshake_that_does_not_go_on_is_cut(self):
        with rig.connect(self.service.tls) as sock:
            sock.sendall(b"\x16\x03\x01")
            started = time.monotonic()
            try:
                while sock.recv(100):
                    pass
            except ConnectionResetError:
                pass
            self.assertLess(time.monotonic() - started, 9) # 10 s are usual


if __name__ == "__main__":
    rig.main()
