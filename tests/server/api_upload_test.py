"""Uploads: what becomes of the body of a request, and what never becomes a snapshot.

Stands in for the command that stores them: identity_service.c, which counts those whose end it was told.
"""

import base64
import hashlib
import time

import rig
from api_case import CONTRACT, Case

AT = "/api/v1/sets/shop/uploads/"
BODY = b"an export\n" * 20000


def digest(body, name="sha-256"):
    return f"{name}=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


class Uploading(Case):
    def setUp(self):
        super().setUp()
        self.client = self.program(role="admin", verbs=["backup:upload"], sets=["shop"])

    def post(self, name="export.sql", body=BODY, target=None, client=None, **headers):
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        target = target or AT + name
        raw = rig.request("POST", target, {"Authorization": "Bearer " + (client or self.client).token, **headers}, body)
        with rig.connect(self.house.service.port) as sock:
            sock.sendall(raw)
            answer = rig.read_answer(sock, "POST")
        CONTRACT.check("POST", target, answer)
        return answer

    def stored(self):
        return int(self.house.service.command("stored"))

    def refused(self, status, code, stored=0, **what):
        before = self.stored()
        answer = self.post(**what)
        self.assertEqual((answer.status, answer.json()["code"]), (status, code))
        self.assertEqual(self.stored(), before + stored)
        return answer

    def test_the_answer_says_what_was_stored_and_the_log_who_did_it(self):
        for name, headers in (("export.sql", {}), ("-rf%20%C3%A4", {"Content_Digest": digest(BODY)})):
            answer = self.post(name, **headers)
            self.assertEqual(answer.status, 201, answer.body)
            said = answer.json()
            self.assertEqual(said, {"snapshot": 4 * "0123456789abcdef", "name": "-rf ä" if headers else "export.sql",
                                    "size": len(BODY), "sha256": hashlib.sha256(BODY).hexdigest()})
            self.assertEqual(answer.headers["location"], "/api/v1/sets/shop/snapshots/" + said["snapshot"])
            rows = self.house.sql("SELECT actor, action, object, outcome, record FROM audit ORDER BY seq DESC LIMIT 2")
            self.assertEqual([row[1:4] for row in rows], [("upload", "shop", "done"), ("upload", "shop", "begun")])
            self.assertIn(said["sha256"], rows[0][4])

    def test_a_chunked_body_is_as_good(self):
        raw = rig.request("POST", AT + "x", {"Authorization": "Bearer " + self.client.token, "Transfer-Encoding": "chunked",
                                             "Content-Digest": digest(BODY)})
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(BODY[i:i + 7001]), BODY[i:i + 7001]) for i in range(0, len(BODY), 7001))
        answer = rig.exchange(self.house.service.port, raw + chunks + b"0\r\n\r\n")
        self.assertEqual((answer.status, answer.json()["size"]), (201, len(BODY)))

    def test_what_breaks_off_is_no_snapshot(self):
        before = self.stored()
        head = {"Authorization": "Bearer " + self.client.token}
        length = rig.request("POST", AT + "x", {**head, "Content-Length": "1000"})
        chunked = rig.request("POST", AT + "x", {**head, "Transfer-Encoding": "chunked"})
        for what in (length, length + b"x", length + 999 * b"x", chunked, chunked + b"5\r\nhello\r\n", chunked + b"5\r\nhel",
                     chunked + b"5\r\nhello\r\n0", chunked + b"5\r\nhello\r\nzz\r\n\r\n", chunked + b"5\r\nhello\r\n-0\r\n\r\n",
                     chunked + b"5\r\nhello!!0\r\n\r\n", chunked + b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n"):
            with rig.connect(self.house.service.port) as sock:
                sock.sendall(what)
                time.sleep(0.1)
                sock.shutdown(rig.socket.SHUT_WR)
                answer = rig.read_answer(sock)
                self.assertTrue(answer is None or answer.status >= 400, (what[-40:], answer and answer.status))
        end = time.monotonic() + rig.END_S
        while self.audit()[3] == "begun" and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual((self.audit()[3], self.stored()), ("failed", before))

    def test_a_token_that_is_revoked_sends_no_further(self):
        before = self.stored()
        made = self.boss.post("/api/v1/tokens", {"name": "p", "kind": "api", "verbs": ["*"], "sets": ["*"], "role": "admin"}).json()
        head = rig.request("POST", AT + "x", {"Authorization": "Bearer " + made["token"], "Content-Length": "1000000"})
        with rig.connect(self.house.service.port) as sock:
            sock.sendall(head + 1000 * b"x")
            rig.wait_until(lambda: self.audit()[1:4:2] == ("upload", "begun"), "the upload begins")
            self.assertEqual(self.boss.ask("DELETE", "/api/v1/tokens/" + made["id"]).status, 204)
            end = time.monotonic() + rig.END_S
            with self.assertRaises(OSError):
                while time.monotonic() < end:
                    sock.sendall(2000 * b"x")
                    time.sleep(0.1)
        rig.wait_until(lambda: self.audit()[1:4:2] == ("upload", "failed"), "the upload ends")
        self.assertEqual(self.stored(), before)

    def test_a_body_is_what_its_digest_says(self):
        wrong = digest(BODY[:-1])
        self.refused(400, "digest_mismatch", Content_Digest=wrong)
        self.assertEqual(self.audit()[3], "refused")
        self.refused(400, "digest_mismatch", Content_Digest=f"sha-512=:AAAA:, {wrong}")
        self.assertEqual(self.post(Content_Digest=f"sha-512=:AAAA:\t,  {digest(BODY)} ").status, 201)

    def test_a_digest_that_cannot_be_checked_passes_for_none(self):
        good = digest(BODY)
        for said in (digest(BODY, "sha-512"), digest(BODY, "SHA-256"), digest(BODY, "sha-2560"), good[:-1], good.replace("=:", "="),
                     "sha-256=::", "sha-256=:AAAA:", "sha-256", "=:AAAA:", good + ",", "," + good, good + "," + good, good + ";a", "sha-256=:",
                     good.replace(":", ": ", 1), hashlib.sha256(BODY).hexdigest(), ""):
            self.refused(400, "bad_digest", Content_Digest=said)

    def test_a_body_has_at_least_a_byte_and_at_most_what_the_configuration_says(self):
        self.refused(400, "empty_body", body=b"", Content_Length="0")
        self.assertEqual(self.post(body=1000000 * b"x").status, 201)
        self.refused(413, "body_too_large", body=1000001 * b"x")
        before = self.stored()
        raw = rig.request("POST", AT + "x", {"Authorization": "Bearer " + self.client.token, "Transfer-Encoding": "chunked"})
        answer = rig.exchange(self.house.service.port, raw + b"f4241\r\n" + 1000001 * b"x" + b"\r\n0\r\n\r\n")
        self.assertEqual((answer.status, self.stored()), (413, before))

    def test_what_fails_is_told_without_the_inside(self):
        for name, status, code, stored in (("busy", 503, "busy", 0), ("locked", 409, "conflict", 0), ("full", 500, "internal", 0),
                                           ("short", 500, "internal", 1)):
            answer = self.refused(status, code, stored, name=name)
            self.assertNotIn(b"secret", answer.body)
            self.assertEqual(self.audit()[3], "failed")
        self.refused(400, "invalid_field", name="x" * 256)
        self.refused(404, "not_found", target="/api/v1/sets/nowhere/uploads/x", client=self.program(role="admin"))

    def test_a_key_stores_a_body_once(self):
        self.refused(400, "digest_required", Idempotency_Key="u1")
        key = {"Idempotency_Key": "u1", "Content_Digest": digest(BODY)}
        self.refused(400, "digest_mismatch", body=BODY[:-1], **key) # which has used up nothing
        first = self.post(**key)
        self.assertEqual(first.status, 201)
        before = self.stored()
        again = self.post(**key)
        self.assertEqual((again.status, again.json(), again.headers["idempotent-replayed"]), (201, first.json(), "true"))
        self.refused(422, "key_reused", body=b"x", Idempotency_Key="u1", Content_Digest=digest(b"x"))
        self.refused(422, "key_reused", name="other", **key)
        self.assertEqual(self.stored(), before)

    def test_it_takes_the_scope_the_role_and_the_set(self):
        for token in ({"role": "manager", "verbs": ["*"]}, {"role": "admin", "verbs": ["backup:run", "backup:restore", "push"]},
                      {"role": "admin", "verbs": ["*"], "sets": ["wiki"]}):
            self.refused(403, "forbidden", client=self.program(**token))
        answer = self.boss.ask("POST", AT + "x", {}, {"X-HF-CSRF": "wrong"})
        self.assertEqual((answer.status, answer.json()["code"]), (403, "csrf"))
        self.assertEqual(self.boss.ask("POST", AT + "x", {}).status, 201)


if __name__ == "__main__":
    rig.main()
