"""Every route of the service against every principal, with sessions and tokens of the real catalog."""

import unittest

import grid
import people
import rig

STREAMS = ("/api/v1/events",) # whose answers have no end
KINDS = {"api_token": "api", "push_token": "push", "agent": "agent"}


class Grid(unittest.TestCase):
    def test_every_route_is_for_those_in_its_row_and_nobody_else(self):
        house = people.House()
        boss = house.settle()
        ids = {role: house.user(boss, "a-" + role, role).id for role in grid.ROLES[1:]}
        tokens = {}
        gone = house.user(boss, "gone", "super_admin")

        def make(kind, role, scope, sets, who=boss):
            made = who.post("/api/v1/tokens", {
                "name": "grid", "kind": KINDS[kind], "role": "viewer" if role == "none" else role,
                "verbs": [scope], "sets": sets})
            self.assertEqual(made.status, 201, made.body)
            return made.json()

        def token(kind, role, scope, proved):
            if (kind, role, scope, proved) not in tokens:
                sets = ["elsewhere"] if proved == "other set" else ["*"]
                tokens[kind, role, scope, proved] = make(kind, role, scope, sets)["token"]
            return tokens[kind, role, scope, proved]

        over, revoked = (make("api_token", "super_admin", "*", ["*"]) for _ in range(2))
        house.sql("UPDATE tokens SET expires_ns = 1 WHERE id = ?", over["id"])
        self.assertEqual(boss.ask("DELETE", "/api/v1/tokens/" + revoked["id"]).status, 204)
        outsiders = {
            "expired": {"Cookie": "hf_s=" + "0" * 64},
            "expired token": {"Authorization": "Bearer " + over["token"]},
            "revoked token": {"Authorization": "Bearer " + revoked["token"]},
            "token of somebody disabled": {
                "Authorization": "Bearer " + make("api_token", "super_admin", "*", ["*"], gone)["token"]},
            "disabled": {"Cookie": "hf_s=" + gone.cookie, "X-HF-CSRF": gone.csrf},
        }
        # Past the service, which would end the session, too.
        house.sql("UPDATE users SET is_disabled = 1 WHERE id = ?", gone.id)

        def headers_of(who):
            if who is None:
                return {}
            if isinstance(who, str):
                return dict(outsiders[who])
            kind, role, scope, proved = who
            if kind == "user":
                cookie = house.session(ids[role], proved)
                return {"Cookie": "hf_s=" + cookie, "X-HF-CSRF": people.csrf_of(cookie)}
            return {"Authorization": "Bearer " + token(kind, role, scope, proved)}

        def ask(route, who):
            headers, body = headers_of(who), b""
            if route["body_type"]:
                headers["Content-Type"] = "application/json" if route["body_type"] == "*" else route["body_type"]
                body = b"{}"
            target = route["path"].replace("{", "").replace("}", "").replace("...", "")
            port = house.service.told["bundle_port"] if route in bundles else house.service.port
            with rig.connect(port) as sock:
                sock.sendall(rig.request(route["method"], target, headers, body))
                answer = rig.read_answer(sock, "HEAD" if route["path"] in STREAMS else route["method"])
            # One of these says that it is not the right password, not that nobody may try.
            self.assertNotIn(b"proof_failed", answer.body)
            return answer.status

        bundles = house.service.told["bundles"]
        for routes in (house.service.routes, bundles):
            *wrong, tried = grid.check(routes, ask, outsiders=grid.OUTSIDERS, with_sets=True)
            self.assertEqual(wrong, [])
            self.assertGreater(tried, 3500 if routes is not bundles else 40)
        self.assertEqual(house.close(), 0)


if __name__ == "__main__":
    rig.main()
