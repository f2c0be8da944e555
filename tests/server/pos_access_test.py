"""Who may ask the POS service what, and how it says no: made from the table of routes."""

import unittest

from pos_rig import KINDS, Pos, ROLES

WHERE = {"{configId}": "x", "{backupId}": "x", "{path...}": "nothing/here"}
LOGIN = {"error": "Authentication required",
         "message": "You must be logged in to access this resource"}
# The seed's document, word for word.
DOCUMENT = """
| POST | `/api/backup/create` | Create manual backup | admin, super_admin |
| GET | `/api/backup/configs` | List backup configurations | admin, super_admin, manager |
| POST | `/api/backup/configs` | Save backup configuration | admin, super_admin |
| PUT | `/api/backup/configs/:id` | Update backup configuration | admin, super_admin |
| DELETE | `/api/backup/configs/:id` | Delete backup configuration | admin, super_admin |
| GET | `/api/backup/history/:configId` | Get backup history | admin, super_admin, manager |
| GET | `/api/backup/stats` | Get backup statistics | admin, super_admin, manager |
| POST | `/api/backup/verify/:backupId` | Verify backup integrity | admin, super_admin |
| POST | `/api/backup/configs/test` | Test backup configuration | admin, super_admin |
| POST | `/api/backup/restore/:backupId` | Restore from backup | admin, super_admin |
| POST | `/api/backup/restore-point` | Create restore point | admin, super_admin |
| POST | `/api/backup/retention/apply` | Apply retention policies | admin, super_admin |
"""
# docs/applications/vevurn-pos.md
SCOPES = {
    ("GET", "configs"): "backup:read", ("GET", "history"): "backup:read", ("GET", "stats"): "backup:read",
    ("POST", "create"): "backup:run", ("POST", "verify"): "backup:run",
    ("POST", "restore-point"): "backup:run", ("POST", "retention"): "backup:run",
    ("POST", "configs"): "backup:configure",
    ("PUT", "configs"): "backup:configure", ("DELETE", "configs"): "backup:configure",
    ("POST", "restore"): "backup:restore"}


def rows(pos):
    for route in pos.routes:
        path = route["path"][len("/api/backup"):]
        for name, value in WHERE.items():
            path = path.replace(name, value)
        if "nothing" not in path:
            yield route, route["method"], path


class Access(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pos = Pos()
        cls.addClassCleanup(cls.pos.stop)

    def test_the_table_has_the_documented_roles(self):
        found = {(r["method"], p): set(r["roles"]) for r, _, p in rows(self.pos)
                 for p in [r["path"]]}
        count = 0
        for line in DOCUMENT.strip().splitlines():
            _, method, path, _, roles, _ = [cell.strip() for cell in line.split("|")]
            path = path.strip("`").replace(":id", "{configId}")
            path = path.replace(":configId", "{configId}").replace(":backupId", "{backupId}")
            self.assertEqual(found[method, path], {r.strip() for r in roles.split(",")}, line)
            count += 1
        self.assertEqual(count, len(found))

    def test_the_table_has_the_documented_scopes(self):
        self.assertEqual({(m, r["path"].split("/")[3]): r["scope"] for r, m, _ in rows(self.pos)}, SCOPES)

    def test_every_route_for_every_principal(self):
        count = 0
        for route, method, path in rows(self.pos):
            for kind in KINDS:
                for role in ROLES:
                    for scopes in ("*", route["scope"], "other"):
                        may = (kind in ("user", "api") and role in route["roles"]
                               and (kind == "user" or scopes != "other"))
                        answer = self.pos.ask(method, path, role=role, kind=kind, scopes=scopes)
                        who = (method, path, kind, role, scopes, answer.status)
                        if may:
                            self.assertNotIn(answer.status, (401, 403), who)
                        else:
                            self.assertEqual(answer.status, 403, who)
                            got = answer.json()
                            self.assertEqual((got["success"], got["message"], got["current"]),
                                             (False, "Insufficient permissions", role), who)
                            self.assertEqual(set(got["required"]), set(route["roles"]))
                        count += 1
            for answer in (self.pos.ask(method, path, role=None),
                           self.pos.ask(method, path, role=None,
                                        headers={"Authorization": "Test expired"})):
                self.assertEqual((answer.status, answer.json()), (401, LOGIN))
                count += 1
        self.assertEqual(count, 12 * (4 * 5 * 3 + 2))

    def test_two_refusals_keep_their_own_words(self):
        for method, path, error in (
                ("POST", "/restore/x", "Insufficient permissions to perform restore"),
                ("DELETE", "/configs/x", "Insufficient permissions to delete backup configuration")):
            got = self.pos.ask(method, path, role="manager").json()
            self.assertEqual(got, {"success": False, "message": "Insufficient permissions",
                                   "required": ["admin", "super_admin"], "current": "manager",
                                   "error": error})

    def test_sessions_need_their_own_header(self):
        for _, method, path in rows(self.pos):
            if method == "GET":
                continue
            for headers in ({"X-HF-CSRF": None}, {"X-HF-CSRF": "other"},
                            {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
                answer = self.pos.ask(method, path, headers=headers)
                self.assertEqual((answer.status, answer.json()["success"]), (403, False))
                self.assertIn(answer.json()["code"], ("csrf", "cross_site"))

    def test_what_destroys_needs_a_fresh_proof(self):
        for method, path in (("POST", "/restore/x"), ("DELETE", "/configs/x")):
            answer = self.pos.ask(method, path, how="Stale")
            self.assertEqual((answer.status, answer.json()["code"]), (403, "step_up_required"))
            token = self.pos.ask(method, path, kind="api", how="Stale")
            self.assertNotEqual(token.status, 403)

    def test_what_is_not_there_is_said_in_its_form(self):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            for path in ("/nothing", "/nothing/here", "/restores/1/2/3"):
                answer = self.pos.ask(method, path, role=None)
                error = answer.json()["error"]
                self.assertEqual((answer.status, answer.json()["success"], error["message"], error["code"]),
                                 (404, False, f"Route /api/backup{path} not found", "NOT_FOUND"))
                self.assertRegex(error["timestamp"], "^20.*Z$")
        answer = self.pos.ask("GET", "/create")
        self.assertEqual((answer.status, answer.json()["error"]["code"], answer.headers["Allow"]),
                         (405, "METHOD_NOT_ALLOWED", "POST"))

    def test_too_many_requests_are_said_in_its_form(self):
        for _ in range(100):
            last = self.pos.ask("GET", "/stats", role="super_admin")
            if last.status != 200:
                break
        self.assertEqual((last.status, last.json()), (429, {"success": False, "error": {
            "message": "Too many requests from this IP, please try again later.",
            "code": "RATE_LIMIT_EXCEEDED", "retryAfter": "1 minute"}}))
        self.assertIn("Retry-After", last.headers)
        self.assertIn("RateLimit-Limit", last.headers)

    def test_paths_are_read_in_one_way_only(self):
        for path in ("/configs/..%2fx", "/verify/%2e%2e", "/history/a%00b", "//configs", "/configs/%ff"):
            self.assertIn(self.pos.ask("GET", path).status, (400, 404), path)

    def test_every_answer_has_the_security_headers(self):
        for _, method, path in rows(self.pos):
            for role in (None, "manager"):
                headers = self.pos.ask(method, path, role=role).headers
                self.assertEqual(headers["Cache-Control"], "no-store")
                self.assertEqual(headers["X-Content-Type-Options"], "nosniff")


if __name__ == "__main__":
    unittest.main()
