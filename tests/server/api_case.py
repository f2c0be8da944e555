"""A service and clients whose every answer is held against docs/openapi.yaml."""

import unittest

import contract
import people

S = 10**9
CONTRACT = contract.Contract()


def part(name, body, file=None):
    """Of a form, and the form: their boundary is XYZ."""
    where = f'; filename="{file}"' if file is not None else ""
    return f'--XYZ\r\nContent-Disposition: form-data; name="{name}"{where}\r\n\r\n'.encode() + body + b"\r\n"


def form(*parts):
    return b"".join(parts) + b"--XYZ--\r\n"


class Client(people.Client):
    """Whose token, if it has one, goes before its cookie."""
    token = None

    def ask(self, method, target, document=None, headers=None):
        headers = dict(headers or {})
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        answer = super().ask(method, target, document, headers)
        if target.startswith("/api/v1/"):
            CONTRACT.check(method, target, answer)
        return answer


class Case(unittest.TestCase):
    house_of = () # what its house is told

    @classmethod
    def setUpClass(cls):
        cls.house = people.House(*cls.house_of)
        settled = cls.house.settle()
        cls.boss = Client(cls.house)
        cls.boss.cookie, cls.boss.csrf = settled.cookie, settled.csrf

    @classmethod
    def tearDownClass(cls):
        assert cls.house.close() == 0

    def setUp(self):
        self.house.sql("UPDATE jobs SET state = 'done'")
        self.house.sql("UPDATE runs SET state = 'cancelled', ended_ns = 1 WHERE state IN ('queued', 'running')")

    def program(self, **token):
        made = self.boss.post("/api/v1/tokens", {"name": "p", "kind": "api", "verbs": ["*"], "sets": ["*"], **token})
        self.assertEqual(made.status, 201, made.body)
        client = Client(self.house)
        client.token = made.json()["token"]
        return client

    def order(self, verb, document=None, set_="shop", client=None, **headers):
        return (client or self.boss).ask("POST", f"/api/v1/sets/{set_}/{verb}", document, headers)

    def job(self, id_):
        return self.boss.get("/api/v1/jobs/" + id_).json()

    def add_run(self, number, **columns):
        row = {"id": f"{number:032x}", "attempt": 1, "set_name": "shop", "kind": "backup", "state": "success",
               "cause": "schedule", "requested_by": "system", "created_ns": number * S, "bytes": 10, "bytes_added": 1,
               "files": 2, **columns}
        self.house.sql(f"INSERT INTO runs ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", *row.values())
        return row["id"]

    def audit(self):
        return self.house.sql("SELECT actor, action, object, outcome, record FROM audit ORDER BY seq DESC LIMIT 1")[0]
