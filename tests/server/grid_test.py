"""Who may what: every route of the test's service against every principal, sessions and their proofs."""

import grid
import rig


def authorization(who):
    if who is None:
        return {}
    if who == "expired":
        return {"Authorization": "Test expired"}
    kind, role, scope, proved = who
    said = f"Test {grid.KINDS.index(kind)} {grid.ROLES.index(role)} {scope or '-'}"
    return {"Authorization": said + (" 60" if proved else ""), "X-HF-CSRF": "csrf-of-the-session"}


class Grid(rig.Case):
    def test_every_route_is_for_those_in_its_row_and_nobody_else(self):
        def ask(route, who):
            headers = authorization(who)
            body = b""
            if route["body_type"]:
                headers["Content-Type"], body = "application/json", b"{}"
            target = route["path"].replace("{id}", "7").replace("{path...}", "a/b").replace("{topic}", "t")
            socks[0].sendall(rig.request(route["method"], target, headers, body))
            answer = rig.read_answer(socks[0], route["method"])
            if answer.headers.get("connection") == "close":
                socks.pop().close()
                socks.append(rig.connect(self.service.port))
            return answer.status

        # The sockets stay open, or tell that they are sockets; the rest ends with its answer.
        routes = [route for route in self.service.routes if route["path"] not in ("/events", "/stream", "/file")]
        socks = [rig.connect(self.service.port)]
        *wrong, tried = grid.check(routes, ask)
        socks.pop().close()
        self.assertEqual(wrong, [])
        self.assertGreater(tried, 1500)

    def test_a_session_changes_nothing_without_its_word(self):
        admin = {"Authorization": "Test 1 3 -"}
        for said, status in (({}, 403), ({"X-HF-CSRF": ""}, 403), ({"X-HF-CSRF": "csrf-of-the-sessioN"}, 403),
                             ({"X-HF-CSRF": "csrf-of-the-session"}, 200)):
            self.assertEqual(self.ask("POST", "/admin", {**admin, **said}).status, status)
        self.assertEqual(self.ask("POST", "/admin", {"Authorization": "Test 2 3 write"}).status, 200)

    def test_a_proof_is_good_for_five_minutes(self):
        for age, status in ((0, 200), (290, 200), (310, 403), (-60, 403)):
            headers = {"Authorization": f"Test 1 4 - {age}", "X-HF-CSRF": "csrf-of-the-session"}
            answer = self.ask("DELETE", "/super", headers)
            self.assertEqual(answer.status, status, age)
            if status == 403:
                self.assertEqual(answer.json()["code"], "step_up_required")

    def test_nobody_is_let_in_while_it_cannot_be_known_who_asks(self):
        for said in ("Test away", "Test broken"):
            answer = self.ask("GET", "/viewer", {"Authorization": said})
            self.assertEqual((answer.status, answer.json()["status"]), (503, 503))
            self.assertIn("retry-after", answer.headers)
            self.assertNotIn(b"catalog", answer.body)

    def test_who_may_not_is_told_before_the_body_is_read(self):
        for said, status in (({}, 401), ({"Authorization": "Test 1 1 -"}, 403), ({"Authorization": "Test 2 3 write"}, 100)):
            raw = rig.request("POST", "/upload", {"Content-Length": "1000", "Content-Type": "application/json",
                                                  "Expect": "100-continue", **said})
            answer = rig.exchange(self.service.port, raw)
            self.assertEqual(answer.status, status)

    def test_stale_credentials_keep_nobody_from_what_everybody_may(self):
        for said in ("Test expired", "Test away"):
            self.assertEqual(self.ask("GET", "/hello", {"Authorization": said}).status, 200)


if __name__ == "__main__":
    rig.main()
