"""docs/openapi.yaml against the table of routes, and what the service answers against it."""

import json
import os
import re
import subprocess
import unittest

import contract
import people
import rig


def table():
    """The rows of `holdfast routes --json` that stand in the document; the others say 404."""
    out = subprocess.run([os.environ["HOLDFAST"], "routes", "--json"], check=True, capture_output=True)
    return [row for row in map(json.loads, out.stdout.splitlines()) if "..." not in row["path"]]


class Document(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.contract = contract.Contract()
        cls.rows = {(row["method"], row["path"]): row for row in table()}
        cls.operations = {(m, p): operation for m, p, operation in cls.contract.operations()}

    def test_every_route_stands_in_it_and_nothing_else(self):
        self.assertEqual(sorted(self.operations), sorted(self.rows))
        self.assertGreater(len(self.rows), 50)

    def test_it_says_of_each_route_who_may(self):
        for key, operation in self.operations.items():
            row = self.rows[key]
            self.assertEqual((operation["x-kinds"], operation["x-roles"], operation["x-scope"], operation["x-flags"]),
                             (row["kinds"], row["roles"], row["scope"], row["flags"]), key)
            self.assertEqual(operation.get("x-rate-minute", 0), row["rate_minute"], key)
            self.assertEqual(operation.get("x-listener", "api"), row["listener"], key)
            self.assertEqual(operation.get("security") == [], "anonymous" in row["kinds"], key)
            self.assertEqual(operation["summary"], row["summary"], key)

    def test_it_has_the_parameters_and_the_body_of_each_route(self):
        for key, operation in self.operations.items():
            row = self.rows[key]
            parameters = [self.contract.resolve(p) for p in operation.get("parameters", [])]
            in_path = [p["name"] for p in parameters if p["in"] == "path"]
            self.assertEqual(in_path, [s[1:-1] for s in row["path"].split("/") if s.startswith("{")], key)
            headers = {p["name"] for p in parameters if p["in"] == "header"}
            self.assertEqual("X-HF-CSRF" in headers, "csrf" in row["flags"], key)
            self.assertEqual("Idempotency-Key" in headers, "idempotent" in row["flags"], key)
            body = operation.get("requestBody")
            self.assertEqual(body is not None, row["body_type"] is not None, key)
            if body is not None:
                self.assertEqual(list(body["content"]), [row["body_type"].replace("*", "*/*")], key)

    def test_every_schema_is_one(self):
        for name, schema in self.contract.plain["components"]["schemas"].items():
            contract.jsonschema.Draft4Validator.check_schema(schema)
        self.assertEqual(self.contract.document["openapi"], "3.0.3")


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.contract = contract.Contract()
        cls.house = people.House()
        cls.boss = cls.house.settle()

    @classmethod
    def tearDownClass(cls):
        assert cls.house.close() == 0

    def ask(self, method, target, document=None):
        answer = self.boss.ask(method, target, document)
        self.contract.check(method, target, answer)
        return answer

    def test_every_get_answers_as_described(self):
        self.ask("POST", "/api/v1/sets/shop/backup", {"tags": ["a"]})
        self.ask("POST", "/api/v1/tokens", {"name": "t", "kind": "push", "verbs": ["push"], "sets": ["shop"]})
        answer = self.boss.ask("PUT", "/api/v1/configs/shop", people.config("shop"), {"If-None-Match": "*"})
        self.contract.check("PUT", "/api/v1/configs/shop", answer)
        self.assertEqual(answer.status, 201, answer.body)
        job = self.ask("GET", "/api/v1/jobs").json()["jobs"][0]
        me = self.ask("GET", "/api/v1/users").json()["users"][0]
        script = re.search(rb"/assets/(.+?\.js)", self.ask("GET", "/").body)[1].decode()
        queries = {"/content": "path=/etc/fstab", "/preview": "path=/etc/fstab", "/rows": "path=/t&format=csv", "/sets/{set}/files": "pattern=a", "/diff": "from=latest&to=abcd", "/schedules/next": "cron=@daily"}
        known = {"set": "shop", "snapshot": "latest", "job": job["id"], "run": job["run"], "user": me["id"], "file": script}
        for method, path, operation in self.contract.operations():
            if method != "GET" or path in ("/api/v1/events", "/api/v1/events/socket") or path.startswith("/system/") \
                    or "signed" in operation["x-flags"]:
                continue # which have tests of their own
            target = path
            for name, value in known.items():
                target = target.replace("{" + name + "}", value)
            query = next(("?" + query for end, query in queries.items() if path.endswith(end)), "")
            answer = self.ask("GET", target.replace("{configId}", "x") + query)
            self.assertEqual(answer.status, 200, (target, answer.body))

    def test_every_field_of_a_body_is_known_and_no_other(self):
        tried = 0
        for method, path, operation in self.contract.operations():
            body = operation.get("requestBody")
            if body is None or not path.startswith("/api/v1/") or "application/json" not in body["content"]:
                continue # uploads, and forms, which have tests of their own
            schema = self.contract.resolve(body["content"]["application/json"]["schema"])
            if "properties" not in schema or path.endswith(("/login", "/configs/{set}")):
                continue # which has tests of its own
            target = path.replace("{set}", "shop").replace("{", "").replace("}", "")
            for name in [*schema["properties"], "surprise"]:
                # Of no kind that a field has; what is missing besides may be named instead.
                answer = self.ask(method, target, {name: {"a": 1}})
                if answer.status == 404 and "{user}" in path:
                    continue
                self.assertEqual(answer.status, 400, (target, name, answer.body))
                said = answer.json()["detail"]
                self.assertEqual(said == name + ": is not known here", name == "surprise", (target, said))
                tried += 1
            for name in schema.get("required", []):
                answer = self.ask(method, target, {})
                self.assertEqual(answer.status, 400, target)
                self.assertTrue(answer.json()["detail"].endswith(": is missing"), answer.body)
        self.assertGreater(tried, 50)


if __name__ == "__main__":
    rig.main()
