"""A service with the real identity, and people and programs who come to it."""

import base64
import hashlib
import hmac
import json
import secrets
import shutil
import sqlite3
import struct
import tempfile
import time

import rig

PASSWORD = "correct horse battery"
# As the service itself would hash it; each time it does takes a tenth of a second of a processor and more.
HASH = "$argon2id$v=19$m=65536,t=3,p=1$Ok9JdNuWfGvL9gcFBZZnBA$FCtYWIpzXT76+dTj8coLeb0ChQ6qWtKGz42GShR2O/k"


def totp(secret, steps=0):
    """The code of RFC 6238 at a time so many steps from now."""
    counter = struct.pack(">Q", int(time.time()) // 30 + steps)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at:at + 4], 'big') & 0x7fffffff) % 1000000:06}"


def config(id_, **changes):
    """A backup configuration of the API."""
    return {"id": id_, "name": "Daily", "type": "database", "schedule": "0 2 * * *",
            "retention": {"daily": 7, "weekly": 4, "monthly": 6},
            "destinations": [{"type": "local", "config": {"path": "/backup"}}], "enabled": True, **changes}


class House:
    """A service on a folder of its own."""

    def __init__(self, *options):
        self.folder = tempfile.mkdtemp(prefix="identity-")
        self.options = options
        self.start()
        self.password = self.service.told["password"]

    def start(self):
        self.service = rig.Service(self.folder, *self.options)

    def kill(self):
        self.service.process.kill()
        self.service.process.wait()
        self.service.process.stdout.close()
        self.service.process.stdin.close()

    def close(self):
        status, _ = self.service.stop()
        shutil.rmtree(self.folder)
        return status

    def sql(self, statement, *values):
        with sqlite3.connect(self.folder + "/catalog.db", timeout=60) as db:
            rows = db.execute(statement, values).fetchall()
        db.close()
        return rows

    def settle(self):
        """The client of the super_admin as after the first login, and no second factors needed."""
        self.sql("INSERT INTO settings (name, value, category, updated_ns) VALUES ('identity.totp', 'voluntary', 'identity', 0)")
        (id_,), = self.sql("SELECT id FROM users WHERE name = 'admin'")
        return self.settled(id_)

    def user(self, boss, name, role):
        """A new user who has chosen PASSWORD, and is in."""
        made = boss.post("/api/v1/users", {"name": name, "role": role})
        assert made.status == 201, made.body
        return self.settled(made.json()["id"])

    def settled(self, id_):
        """Past the service: the user has PASSWORD and a session that was proved with it."""
        self.sql("UPDATE users SET password = ?, must_change = 0 WHERE id = ?", HASH, id_)
        client = Client(self)
        client.id, client.cookie = id_, self.session(id_, True)
        client.csrf = csrf_of(client.cookie)
        return client

    def session(self, user, is_proved):
        """A session without a login: its token."""
        token, now = secrets.token_hex(32), time.time_ns()
        self.sql("INSERT INTO sessions (hash, id, user_id, created_ns, seen_ns, stepped_up_ns)"
                 " VALUES (?, ?, ?, ?, ?, ?)", hashlib.sha256(token.encode()).hexdigest(), secrets.token_hex(16), user,
                 now, now, now if is_proved else None)
        return token


def csrf_of(token):
    return hashlib.sha256(b"holdfast csrf " + token.encode()).hexdigest()


class Client:
    """A browser: keeps its cookie and sends the word against cross-site requests."""

    def __init__(self, house, address=None):
        self.house = house
        self.address = address # behind the proxy that is believed
        self.cookie = self.csrf = None

    def ask(self, method, target, document=None, headers=None):
        headers = dict(headers or {})
        where = {}
        if self.address:
            headers["X-Forwarded-For"] = self.address
            where["source"] = "127.0.0.9"
        if self.cookie:
            headers.setdefault("Cookie", "hf_s=" + self.cookie)
        if self.csrf:
            headers.setdefault("X-HF-CSRF", self.csrf)
        body = b""
        if document is not None:
            headers["Content-Type"], body = "application/json", json.dumps(document).encode()
        raw = rig.request(method, target, headers, body)
        with rig.connect(self.house.service.port, **where) as sock:
            sock.sendall(raw)
            answer = rig.read_answer(sock, method)
        given = answer.headers.get("set-cookie", "")
        if "=" in given:
            self.cookie = given.split(";")[0].split("=")[1] or None
        if answer.status == 200 and answer.body.startswith(b"{") and "csrf" in answer.json():
            self.csrf = answer.json()["csrf"]
        return answer

    def get(self, target):
        return self.ask("GET", target)

    def post(self, target, document=None):
        return self.ask("POST", target, document)

    def login(self, name, password, code=None):
        return self.post("/api/v1/auth/login", {"username": name, "password": password, **({"code": code} if code else {})})

    def is_in(self):
        return self.get("/t/who").status == 200
