"""News for those who listen, and the end of it when they may not any more."""

import base64
import json
import os
import select
import socket
import unittest

import people
import rig


class Stream:
    """An event stream, or with socket a WebSocket, that is open."""

    def __init__(self, house, query="", socket_=False, cookie=None, token=None, status=None):
        headers = {"Authorization": "Bearer " + token} if token else {"Cookie": "hf_s=" + cookie}
        if socket_:
            headers.update({"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode()})
        self.sock = rig.connect(house.service.port)
        self.sock.sendall(rig.request("GET", "/api/v1/events" + ("/socket" if socket_ else "") + query, headers))
        self.answer = rig.read_answer(self.sock, "HEAD")
        self.rest = self.answer.rest
        self.status = self.answer.status

    def until(self, text):
        """Bytes up to and with text."""
        while text not in self.rest:
            more = self.sock.recv(65536)
            assert more, "the stream ended"
            self.rest += more
        return self.rest

    def has_ended(self, within_s):
        self.sock.settimeout(within_s)
        try:
            while True:
                if not self.sock.recv(65536):
                    return True
        except socket.timeout:
            return False
        except ConnectionResetError:
            return True

    def close(self):
        self.sock.close()


class Events(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.house = people.House()
        cls.boss = cls.house.settle()

    @classmethod
    def tearDownClass(cls):
        assert cls.house.close() == 0

    def open(self, query="", **who):
        stream = Stream(self.house, query, **who)
        self.addCleanup(stream.close)
        return stream

    def program(self, **changes):
        made = self.boss.post("/api/v1/tokens", {"name": "p", "kind": "api", "verbs": ["backup:read"], "sets": ["*"], **changes})
        self.assertEqual(made.status, 201, made.body)
        return made.json()

    def publish(self, topic):
        self.assertEqual(self.house.service.command("publish " + topic), "{}")

    def test_a_stream_has_the_events_of_its_topic(self):
        one, all_ = (self.open(query, cookie=self.boss.cookie) for query in ("?topic=jobs/ab", ""))
        self.assertEqual((one.status, one.answer.headers["content-type"]), (200, "text/event-stream"))
        self.publish("jobs/cd")
        self.publish("jobs/ab")
        while all_.rest.count(b"event: progress") < 2:
            all_.rest += all_.sock.recv(65536)
        self.assertEqual(one.until(b'{"percent":1}\n\n').count(b"event: progress"), 1)

    def test_a_socket_has_them_as_messages(self):
        one = self.open("?topic=jobs", cookie=self.boss.cookie, socket_=True)
        self.assertEqual(one.status, 101)

        def is_heard(): # once the thread of the sockets has this one
            self.publish("jobs/ab")
            return select.select([one.sock], [], [], 0.5)[0]

        rig.wait_until(is_heard, "an event comes")
        data = one.until(b"}}")
        size = data[1] & 127
        at = 2 if size < 126 else 4
        message = json.loads(data[at:])
        self.assertEqual((message["topic"], message["event"], message["data"]), ("jobs/ab", "progress", {"percent": 1}))

    def test_what_is_no_topic_is_refused(self):
        for query in ("?topic=Jobs", "?topic=jobs%20x", "?topic=" + "a" * 65, "?topic=../x"):
            for socket_ in (False, True):
                self.assertEqual(self.open(query, cookie=self.boss.cookie, socket_=socket_).status, 400, query)

    def test_a_token_for_a_set_hears_of_its_jobs_only(self):
        token = self.program(sets=["shop"])["token"]
        mine, other = (self.boss.post(f"/api/v1/sets/{set_}/backup").json()["job"] for set_ in ("shop", "wiki"))
        for query, status in (("", 403), ("?topic=jobs", 403), ("?topic=jobs/" + other, 403), ("?topic=jobs/nowhere", 403),
                              ("?topic=jobs/" + mine, 200)):
            self.assertEqual(self.open(query, token=token).status, status, query)
        self.assertEqual(self.open("", token=token, socket_=True).status, 403)
        self.assertEqual(self.open("?topic=jobs/" + mine, token=token, socket_=True).status, 101)

    def test_streams_end_with_the_session_they_were_opened_in(self):
        ways = {
            "disabled": lambda user: self.boss.ask("PATCH", "/api/v1/users/" + user.id, {"disabled": True}),
            "password": lambda user: user.post("/api/v1/auth/password", {"current": people.PASSWORD, "new": "another horse 7"}),
            "logout": lambda user: user.post("/api/v1/auth/logout"),
            "role": lambda user: self.boss.ask("PATCH", "/api/v1/users/" + user.id, {"role": "manager"}),
            "time": lambda user: self.house.sql("UPDATE sessions SET seen_ns = 1, created_ns = 1 WHERE user_id = ?", user.id),
        }
        opened = []
        for name, end in ways.items():
            user = self.house.user(self.boss, "u-" + name, "viewer")
            streams = [self.open(cookie=user.cookie, socket_=socket_) for socket_ in (False, True)]
            self.assertEqual([s.status for s in streams], [200, 101], name)
            opened.append((name, end, user, streams))
        for name, end, user, _ in opened:
            answer = end(user)
            self.assertIn(getattr(answer, "status", 200), (200, 204), name)
        for name, _, _, streams in opened:
            for stream in streams:
                self.assertTrue(stream.has_ended(rig.END_S), name)

    def test_streams_end_with_their_token(self):
        revoked, over = (self.program() for _ in range(2))
        streams = [self.open(token=t["token"], socket_=s) for t in (revoked, over) for s in (False, True)]
        self.boss.ask("DELETE", "/api/v1/tokens/" + revoked["id"])
        self.house.sql("UPDATE tokens SET expires_ns = 1 WHERE id = ?", over["id"])
        for stream in streams:
            self.assertTrue(stream.has_ended(rig.END_S))

    def test_streams_of_others_and_of_those_who_proved_themselves_stay(self):
        user = self.house.user(self.boss, "stays", "viewer")
        streams = [self.open(cookie=user.cookie), self.open(cookie=self.boss.cookie, socket_=True),
                   self.open(token=self.program()["token"])]
        self.assertEqual(user.post("/api/v1/auth/step-up", {"password": people.PASSWORD}).status, 200)
        for stream in streams:
            self.assertFalse(stream.has_ended(4))


if __name__ == "__main__":
    rig.main()
