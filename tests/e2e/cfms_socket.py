"""A client of CFMS over WebSocket, with nothing but Python's own library, that can say what it must not.

As a program, "cfms_socket.py library FOLDER", it makes a package "websockets" of it, as far as the published client example uses that, for
machines whose own is too old to have it (websockets.sync, from 11.0)."""

import base64
import hashlib
import json
import os
import socket
import ssl
import struct
import sys
import time

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Closed(Exception):
    """The connection is over; the code of its close, or None when it was just cut."""


class Client:
    pace = 0  # seconds before a text; more than ten a second are too many in the long run

    def __init__(self, port, host="localhost", headers=(), context=None):
        if context is None:
            context = ssl._create_unverified_context()
        plain = socket.create_connection((host, port), timeout=120)
        self.sock = context.wrap_socket(plain, server_hostname=host)
        key = base64.b64encode(os.urandom(16)).decode()
        head = ["GET / HTTP/1.1", f"Host: {host}:{port}", "Connection: Upgrade", "Upgrade: websocket", f"Sec-WebSocket-Key: {key}",
                "Sec-WebSocket-Version: 13", *headers]
        self.sock.sendall("\r\n".join(head + ["", ""]).encode())
        self.rest = b""
        while b"\r\n\r\n" not in self.rest:
            more = self.sock.recv(4096)
            if not more:
                raise Closed(None)
            self.rest += more
        answer, self.rest = self.rest.split(b"\r\n\r\n", 1)
        self.status = int(answer.split()[1])
        if self.status != 101:
            raise Closed(self.status)

    def frame(self, opcode, payload, is_last=True):
        size = len(payload)
        head = bytes([(0x80 if is_last else 0) | opcode])
        head += bytes([0x80 | size]) if size < 126 else (bytes([0x80 | 126]) + struct.pack(">H", size) if size < 65536 else
                                                        bytes([0x80 | 127]) + struct.pack(">Q", size))
        self.sock.sendall(head + b"\0\0\0\0" + payload)  # a mask of zeros is one

    def send(self, message):
        if isinstance(message, str):
            time.sleep(self.pace)
        self.frame(*((TEXT, message.encode()) if isinstance(message, str) else (BINARY, bytes(message))))

    def take(self, size):
        while len(self.rest) < size:
            try:
                more = self.sock.recv(65536)
            except ConnectionError:
                more = b""
            if not more:
                raise Closed(None)
            self.rest += more
        out, self.rest = self.rest[:size], self.rest[size:]
        return out

    def recv(self):
        """A message: str or bytes."""
        while True:
            head = self.take(2)
            size = head[1] & 127
            if size == 126:
                size = struct.unpack(">H", self.take(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self.take(8))[0]
            payload = self.take(size)
            opcode = head[0] & 15
            if opcode == TEXT:
                return payload.decode()
            if opcode == BINARY:
                return payload
            if opcode == PING:
                self.frame(PONG, payload)
            if opcode == CLOSE:
                raise Closed(struct.unpack(">H", payload[:2])[0] if payload else None)

    def ask(self, action, data=None, **others):
        """The answer to a request as an object."""
        self.send(json.dumps({"action": action, **({} if data is None else {"data": data}), **others}))
        return json.loads(self.recv())

    def close_code(self):
        """The code of the close that comes next; "answer" when something else does."""
        try:
            return f"answer {self.recv()}"
        except Closed as e:
            return e.args[0]

    def cut(self):
        """Go without a word."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def __enter__(self):
        return self

    def close(self):
        try:
            self.frame(CLOSE, struct.pack(">H", 1000))
            while True:
                self.recv()
        except (Closed, OSError):
            self.sock.close()

    def __exit__(self, *_):
        self.close()


def login(client, name, password):
    answer = client.ask("login", {"username": name, "password": password})
    assert answer["code"] == 200, answer
    return {"username": name, "token": answer["data"]["token"]}


# Imports: announced, both parts uploaded, started, looked at.


def initiate(c, me):
    answer = c.ask("initiate_backup_import", {}, **me)
    assert answer["code"] == 200 and list(answer["data"]) == ["backup_task_id", "archive_task_id", "key_task_id", "timeout"], answer
    assert answer["data"]["timeout"] == 3600, answer
    return answer["data"]


def announce(c, task, size, sha256=None):
    c.send(json.dumps({"action": "upload_file", "data": {"task_id": task}}))
    assert c.recv() == '{"action": "transfer_file", "data": {}, "message": "waiting for file transfer"}'
    c.send(json.dumps({"action": "transfer_file", "data": {"file_size": size, **({"sha256": sha256} if sha256 else {})}}))


def upload(c, task, content, frame=8192, **others):
    announce(c, task, others.get("size", len(content)), others.get("sha256", hashlib.sha256(content).hexdigest()))
    assert c.recv() == "ready"
    for at in range(0, len(content) + 1, frame):
        c.send(content[at:at + frame])
    return json.loads(c.recv())


def bring(c, me, name, key=None):
    """Start to bring in NAME.cfms.enc; the name of the task."""
    task = initiate(c, me)
    for part, file in (("archive", name + ".cfms.enc"), ("key", (key or name) + ".key")):
        with open(file, "rb") as f:
            answer = upload(c, task[part + "_task_id"], f.read())
        assert (answer["code"], answer["message"]) == (200, "File received successfully"), answer
    answer = c.ask("start_backup_import", {"backup_task_id": task["backup_task_id"]}, **me)
    assert answer["code"] == 200 and answer["data"]["status"] == "processing", answer
    return task["backup_task_id"]


def follow(c, me, task):
    """What is said of it when it has ended."""
    until = time.monotonic() + 60
    while True:
        answer = c.ask("get_backup_import_status", {"backup_task_id": task}, **me)
        assert answer["code"] == 200, answer
        if answer["data"]["status"] in ("completed", "failed", "timeout"):
            return answer["data"]
        assert time.monotonic() < until, answer
        time.sleep(0.3)


if __name__ == "__main__" and sys.argv[1] == "library":
    os.makedirs(sys.argv[2] + "/websockets/sync")
    for name in ("__init__.py", "sync/__init__.py"):
        open(f"{sys.argv[2]}/websockets/{name}", "w", encoding="ascii").close()
    with open(sys.argv[2] + "/websockets/sync/client.py", "w", encoding="ascii") as f:
        f.write(f"""import sys
from urllib.parse import urlsplit
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
from cfms_socket import Client
def connect(url, ssl):
    return Client(urlsplit(url).port, urlsplit(url).hostname, context=ssl)
""")
