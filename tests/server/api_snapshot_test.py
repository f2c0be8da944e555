"""Looking into snapshots: what handlers ask of the commands that look, and what they make of their words.

Stands in for those commands: identity_service.c, which shows what it was asked.
"""

import json
import socket
import struct

import people
import rig
from api_case import Case

ID = "0123456789abcdef" * 4
AT = "/api/v1/sets/shop"
LOOKS = (f"{AT}/snapshots/%s", f"{AT}/snapshots/%s/files", f"{AT}/snapshots/%s/stats", f"{AT}/snapshots/%s/content?path=/a",
         f"{AT}/diff?from=%s&to=latest")


class Looking(Case):
    def shown(self, target):
        answer = self.boss.get(AT + target)
        self.assertEqual(answer.status, 200, answer.body)
        shown = json.loads(answer.body)
        self.assertEqual(shown["set"], "shop")
        return shown["verb"], {k: v for k, v in shown["arguments"].items() if v is not False}

    def test_each_route_is_a_command_with_its_words(self):
        for target, verb, arguments in (
                (f"/snapshots/{ID}", "snapshots", {"words": [ID], "uploads": True}),
                ("/snapshots/latest/files", "ls", {"words": ["latest", "/"], "uploads": True}),
                ("/snapshots/abcd/files?path=/etc&recursive=true", "ls",
                 {"words": ["abcd", "/etc"], "recursive": True, "uploads": True}),
                ("/snapshots/latest/stats?repository=main", "stats",
                 {"words": ["latest"], "mode": "restore-size", "repository": "main", "uploads": True}),
                ("/snapshots/latest/content?path=/-a%20b/%C3%A4", "dump",
                 {"words": ["latest", "/-a b/ä"], "head": True, "uploads": True}),
                ("/snapshots/latest/tables", "ls", {"words": ["latest"], "databases": True, "uploads": True}),
                ("/snapshots/latest/rows?path=/postgres/a/data/b.copy&format=csv", "dump",
                 {"words": ["latest", "/postgres/a/data/b.copy"], "head": True, "as": "csv", "uploads": True}),
                ("/snapshots/latest/rows?path=/sqlite/a.db&format=csv&table=odd%20%22t%5C%5C", "dump",
                 {"words": ["latest", "/sqlite/a.db"], "head": True, "as": "csv", "table": 'odd "t\\\\', "uploads": True}),
                ("/snapshots/latest/rows?path=/t&format=json&rows=9", "dump",
                 {"words": ["latest", "/t"], "head": True, "as": "json", "rows": 9, "uploads": True}),
                ("/files?pattern=-rf*", "find", {"words": ["-rf*"], "lines": True}),
                ("/files?pattern=a&snapshot=latest&ignore_case=true", "find",
                 {"words": ["a"], "in": ["latest"], "lines": True, "ignore_case": True, "uploads": True}),
                ("/diff?from=abcd&to=latest&metadata=true", "diff",
                 {"words": ["abcd", "latest"], "metadata": True, "uploads": True})):
            self.assertEqual(self.shown(target), (verb, arguments))
        for query, arguments in (
                (f"?limit=7&tag=a,b&after=12.{ID}", {"page": 7, "tags": ["a,b"], "after": "12." + ID}),
                ("", {"page": 50}), ("?uploads=true", {"page": 50, "uploads": True}),
                ("?forgotten=true", {"page": 50, "forgotten": True})):
            page = self.boss.get(f"{AT}/snapshots{query}").json()
            self.assertEqual(page["snapshots"][0]["arguments"], {"words": [], "uploads": False, "forgotten": False, **arguments})

    def test_what_makes_no_sense_starts_nothing(self):
        for target in ("/snapshots/abc", "/snapshots/ABCD", "/snapshots/-rf", "/snapshots/abcdx", "/snapshots/latest:", f"/snapshots/{ID}0",
                       "/snapshots?limit=0", "/snapshots?limit=1001", "/snapshots?limit=x", "/snapshots?forgotten=1", "/snapshots?after=1", "/snapshots?after=-1." + ID,
                       f"/snapshots?after=1.{ID[1:]}", "/snapshots?tag=", "/snapshots?repository=a%09", "/snapshots/latest/files?path=etc",
                       "/snapshots/latest/files?path=/a%0ab", "/snapshots/latest/files?path=/../a", "/snapshots/latest/files?path=/a/..",
                       "/snapshots/latest/files?path=/a//../b", "/snapshots/latest/files?recursive=yes", "/snapshots/latest/content",
                       "/snapshots/latest/content?path=", "/snapshots/latest/content?path=/%7f", "/files", "/files?pattern=",
                       "/files?pattern=" + 9 * "a*", "/files?pattern=" + 1001 * "a", "/files?pattern=a%00", "/files?pattern=a&snapshot=x",
                       "/snapshots/latest/rows?path=/a", "/snapshots/latest/rows?path=/a&format=xml", "/snapshots/latest/rows?format=csv",
                       "/snapshots/latest/rows?path=/a&format=csv&rows=0", "/snapshots/latest/rows?path=/a&format=csv&table=",
                       "/snapshots/latest/rows?path=/a&format=csv&table=a%0ab", "/snapshots/latest/rows?path=/a&format=csv&rows=-1",
                       "/snapshots/latest/preview", "/snapshots/latest/preview?path=a", "/snapshots/latest/preview?path=/a/../b",
                       "/diff?from=latest", "/diff?to=latest", "/diff?from=latest&to=/etc"):
            answer = self.boss.get(AT + target)
            self.assertEqual(answer.status, 400, (target, answer.body))
        self.assertEqual(self.boss.get(f"{AT}/snapshots/latest/files?path=/a..b/...").status, 200)

    def test_a_failure_before_the_first_byte_is_told_as_one(self):
        for target in LOOKS:
            for word, status in (("dead", 404), ("feed", 409), ("fade", 503), ("face", 500)):
                answer = self.boss.get(target % word)
                self.assertEqual(answer.status, status, target)
                self.assertNotIn(b"secret", answer.body)
                self.assertEqual("retry-after" in answer.headers, status == 503)

    def raw(self, target, version="1.1", method="GET"):
        token = self.program(verbs=["*"]).token
        lines = [f"{method} {target} HTTP/{version}", "Host: localhost", "Authorization: Bearer " + token, "", ""]
        with rig.connect(self.house.service.port) as sock:
            sock.sendall("\r\n".join(lines).encode())
            return rig.read_answer(sock, method)

    def test_one_behind_the_first_byte_breaks_the_answer_off(self):
        answer = self.raw(f"{AT}/snapshots/feedfeed/files")
        self.assertEqual((answer.status, answer.body), (200, None))
        answer = self.raw(f"{AT}/diff?from=feedfeed&to=latest")
        self.assertEqual((answer.status, answer.body), (200, None))

    def await_patient(self, wanted):
        end = people.time.monotonic() + 20
        while (now := self.house.service.command("patient")) != wanted and people.time.monotonic() < end:
            people.time.sleep(0.05)
        self.assertEqual(now, wanted)

    def test_who_hangs_up_while_nothing_comes_is_noticed(self):
        token = self.program(verbs=["*"]).token
        for how in ("closes", "resets"):
            with rig.connect(self.house.service.port) as sock:
                sock.sendall(rig.request("GET", f"{AT}/snapshots/cafe/files", {"Authorization": "Bearer " + token}))
                self.await_patient("1")
                if how == "resets":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.await_patient("0")

    def test_a_token_that_is_revoked_reads_no_further(self):
        made, other = (self.boss.post("/api/v1/tokens", {"name": "p", "kind": "api", "verbs": ["*"], "sets": ["*"]}).json() for _ in range(2))

        def ask(sock, token, path):
            sock.sendall(rig.request("GET", f"{AT}/snapshots{path}", {"Authorization": "Bearer " + token["token"]}))

        with rig.connect(self.house.service.port) as mine, rig.connect(self.house.service.port) as theirs, \
                rig.connect(self.house.service.port) as shared:
            # Behind a proxy the next one on a connection is somebody else.
            ask(shared, made, "")
            self.assertEqual(rig.read_answer(shared).status, 200)
            ask(mine, made, "/cafe/files")
            ask(theirs, other, "/cafe/files")
            self.await_patient("2")
            self.assertEqual(self.boss.ask("DELETE", "/api/v1/tokens/" + made["id"]).status, 204)
            self.await_patient("1")
            mine.settimeout(20)
            self.assertEqual(mine.recv(1), b"")
            people.time.sleep(4)
            self.await_patient("1")
            ask(shared, other, "")
            self.assertEqual(rig.read_answer(shared).status, 200)
        self.await_patient("0")

    def test_who_cannot_tell_a_broken_answer_gets_none(self):
        answer = self.raw(f"{AT}/snapshots/feedfeed/files", "1.0")
        self.assertEqual((answer.status, answer.json()["code"]), (505, "http_version"))
        self.assertEqual(self.raw(f"{AT}/snapshots/latest/files", "1.0").status, 200)

    def test_nothing_is_read_for_a_head(self):
        self.assertEqual(self.raw(f"{AT}/snapshots/latest/files", method="HEAD").status, 405)

    def test_a_download_has_its_size_a_harmless_name_and_a_record(self):
        answer = self.boss.get(f"{AT}/snapshots/latest/content?path=/etc/a%22b%3B%C3%A4")
        self.assertEqual(answer.headers["content-type"], "application/octet-stream")
        self.assertEqual(int(answer.headers["content-length"]), len(answer.body))
        self.assertEqual(answer.headers["content-disposition"],
                         "attachment; filename=\"a_b___\"; filename*=UTF-8''a%22b%3B%C3%A4")
        actor, action, thing, outcome, record = self.audit()
        self.assertEqual((actor, action, thing, outcome), ("admin", "restore.download", "shop", "begun"))
        self.assertIn("/etc/a", record)

    def preview(self, prefix, more):
        return self.boss.get(f"{AT}/snapshots/latest/preview?path=/stored/{prefix.hex()}/{more}")

    def test_a_preview_is_a_picture_of_four_kinds_or_a_text_and_never_runs(self):
        for prefix, kind in ((b"\x89PNG\r\n\x1a\n....", "image/png"), (b"\xff\xd8\xff.........", "image/jpeg"), (b"GIF89a......", "image/gif"),
                             (b"RIFF....WEBP", "image/webp"), (b"<svg xmlns='http://www.w3.org/2000/svg'><script>", "text/plain; charset=utf-8"),
                             (b"<!doctype html><script>alert(1)</script>", "text/plain; charset=utf-8"), ("süß".encode(), "text/plain; charset=utf-8")):
            for more in (0, 20, 3000):
                answer = self.preview(prefix, more)
                self.assertEqual((answer.status, answer.headers["content-type"]), (200, kind), prefix)
                self.assertEqual(answer.body, prefix + more * b"a")
                self.assertIn("sandbox", answer.headers["content-security-policy"])
                self.assertEqual((answer.headers["content-disposition"], answer.headers["x-content-type-options"]), ("attachment", "nosniff"))
        self.assertEqual(self.audit()[:4], ("admin", "restore.preview", "shop", "begun"))

    def test_a_preview_has_an_end(self):
        answer = self.preview(b"text", 10**7)
        self.assertEqual((answer.status, answer.body), (200, b"text" + 65532 * b"a"))
        self.assertEqual(self.preview(63 * b"a" + "ü".encode(), 10**6).body[-1:], b"a")
        png = b"\x89PNG\r\n\x1a\n...."
        self.assertEqual(len(self.preview(png, (4 << 20) - 12).body), 4 << 20)
        self.assertEqual((self.preview(png, (4 << 20) - 11).status, self.preview(png, 10**8).status), (413, 413))

    def test_what_is_neither_has_no_preview(self):
        for prefix in (b"\x00", b"a\x01", b"\xff\xfe", b"\x7fELF\x02", "ü".encode()[:1]):
            answer = self.preview(prefix, 100)
            self.assertEqual((answer.status, answer.json()["code"]), (415, "no_preview"), prefix)
        self.assertEqual((self.preview(b"", 0).status, self.preview(b"", 0).body), (200, b""))

    def test_rows_are_a_download_with_a_name_of_their_form(self):
        for form, kind, name in (("csv", "text/csv", "public.t.csv"), ("json", "application/x-ndjson", "public.t.jsonl")):
            answer = self.boss.get(f"{AT}/snapshots/latest/rows?path=/postgres/a/data/public.t.copy&format={form}")
            self.assertEqual((answer.status, answer.headers["content-type"]), (200, kind))
            self.assertIn(f'filename="{name}"', answer.headers["content-disposition"])
            self.assertEqual(self.audit()[1], "restore.download")

    def test_previews_and_rows_are_for_those_who_may_have_the_content(self):
        viewer, reader, other = self.program(role="viewer"), self.program(verbs=["backup:read"]), self.program(sets=["wiki"])
        for path in ("preview?path=/a", "rows?path=/a&format=csv"):
            for who in (viewer, reader, other):
                self.assertEqual(who.get(f"{AT}/snapshots/latest/{path}").status, 403)
        self.assertEqual((viewer.get(f"{AT}/snapshots/latest/tables").status, other.get(f"{AT}/snapshots/latest/tables").status), (200, 403))

    def test_content_is_for_those_who_may_restore_and_have_just_proved_themselves(self):
        content = f"{AT}/snapshots/latest/content?path=/a"
        viewer = self.program(role="viewer")
        self.assertEqual((viewer.get(f"{AT}/snapshots").status, viewer.get(content).status), (200, 403))
        reader = self.program(verbs=["backup:read"])
        self.assertEqual((reader.get(f"{AT}/files?pattern=a").status, reader.get(content).status), (200, 403))
        other = self.program(sets=["wiki"])
        for target in (f"{AT}/snapshots", f"{AT}/files?pattern=a", f"{AT}/diff?from=latest&to=latest", content):
            self.assertEqual(other.get(target).status, 403, target)
        self.house.sql("UPDATE sessions SET stepped_up_ns = 1")
        answer = self.boss.get(content)
        self.house.sql("UPDATE sessions SET stepped_up_ns = ?", people.time.time_ns())
        self.assertEqual((answer.status, answer.json()["code"]), (403, "step_up_required"))


if __name__ == "__main__":
    rig.main()
