"""Imports: what of a form is written down for the job, and what never becomes one.

Nothing here reads an archive: that is the job's, and tests/e2e/93-import-api.sh has it.
"""

import json
import os
import stat
import time

import rig
from api_case import CONTRACT, Case, form, part

AT = "/api/v1/sets/shop/imports"
ZIP = b"PK\x03\x04" + bytes(range(256)) * 900
KIND = "multipart/form-data; boundary=XYZ"


ARCHIVE = part("archive", ZIP, "a.zip")


class Importing(Case):
    def setUp(self):
        super().setUp()
        self.client = self.program(role="admin", verbs=["backup:upload"], sets=["shop"])
        self.house.service.command("sweep") # of the jobs before, which are done
        self.assertEqual(self.arrived(), [])

    def arrived(self):
        folder = self.house.folder + "/imports"
        return sorted(os.listdir(folder)) if os.path.exists(folder) else []

    def post(self, body=form(ARCHIVE), target=AT, kind=KIND, **headers):
        headers = {"Authorization": "Bearer " + self.client.token, "Content-Type": kind, **headers}
        raw = rig.request("POST", target, headers, body)
        with rig.connect(self.house.service.port) as sock:
            sock.sendall(raw)
            answer = rig.read_answer(sock, "POST")
        CONTRACT.check("POST", target, answer)
        return answer

    def jobs(self):
        return self.house.sql("SELECT count(*) FROM jobs")[0][0]

    def refused(self, status, code, *args, **what):
        before = self.jobs()
        answer = self.post(*args, **what)
        self.assertEqual((answer.status, answer.json()["code"]), (status, code), answer.body)
        self.assertEqual(self.jobs(), before)
        self.house.service.command("sweep")
        self.assertEqual(self.arrived(), [])
        return answer.json()["detail"]

    def test_an_archive_lies_there_until_its_job_has_ended(self):
        answer = self.post(form(part("as", b"wireguard"), ARCHIVE, part("key", b"1" * 64, "a.hex"), part("key", b"2" * 64, "b.hex"),
                                part("allow_unauthenticated", b"true"), part("as_members", b"true")))
        self.assertEqual(answer.status, 202, answer.body)
        job = answer.json()["job"]
        self.assertEqual(answer.headers["location"], "/api/v1/jobs/" + job)
        row = self.house.sql("SELECT kind, set_name, arguments, place, writer, attempts_max FROM jobs WHERE id = ?", job)[0]
        self.assertEqual(row[:2] + row[3:], ("import", "shop", "test", "shop", 1))
        arguments = json.loads(row[2])
        self.assertEqual(self.arrived(), [arguments.pop("arrival")])
        self.assertEqual(arguments, {"as": "wireguard", "file": "a.zip", "keys": 2, "allow_unauthenticated": True, "as_members": True})
        folder = self.house.folder + "/imports/" + self.arrived()[0]
        self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode), 0o700)
        for name, text in (("archive/a.zip", ZIP), ("key.0", b"1" * 64), ("key.1", b"2" * 64)):
            self.assertEqual(stat.S_IMODE(os.stat(f"{folder}/{name}").st_mode), 0o600)
            with open(f"{folder}/{name}", "rb") as file:
                self.assertEqual(file.read(), text)
        self.assertEqual(self.audit()[1:4], ("import", "shop", "done"))
        self.house.service.command("sweep")
        self.assertEqual(len(self.arrived()), 1)
        self.house.sql("UPDATE jobs SET state = 'running' WHERE id = ?", job)
        self.house.service.command("sweep")
        self.assertEqual(len(self.arrived()), 1)
        self.house.sql("UPDATE jobs SET state = 'done' WHERE id = ?", job)
        self.house.service.command("sweep")
        self.assertEqual(self.arrived(), [])

    def test_a_name_leads_nowhere(self):
        for sent, name in (("/etc/../c d.zip", "c d.zip"), ("../../x", "x"), ("key.0", "key.0"), ("-rf", "-rf")):
            job = self.post(form(part("archive", ZIP, sent), part("dry_run", b"true"))).json()["job"]
            arguments = json.loads(self.house.sql("SELECT arguments FROM jobs WHERE id = ?", job)[0][0])
            self.assertEqual((arguments["file"], arguments["dry_run"]), (name, True))
            folder = f"{self.house.folder}/imports/{arguments['arrival']}"
            self.assertEqual((os.listdir(folder), os.listdir(folder + "/archive")), (["archive"], [name]))

    def test_a_form_says_what_is_wrong_with_it(self):
        for said, *parts in (("archive: is missing", part("as", b"cfms")), ("archive: is empty", part("archive", b"", "a.zip")),
                             ("archive: is there twice", ARCHIVE, ARCHIVE), ("archive: must be a file", part("archive", ZIP)),
                             ("as: is there twice", part("as", b"cfms"), part("as", b"cfms"), ARCHIVE),
                             ("as: must be a text", part("as", b""), ARCHIVE), ("as: must be a text", part("as", b"a\nb"), ARCHIVE),
                             ("as: has at most 255 bytes", part("as", b"a" * 256), ARCHIVE),
                             ("name: must be a text", part("name", b"\xff"), ARCHIVE),
                             ("dry_run: must be true or false", part("dry_run", b"1"), ARCHIVE),
                             ("as_members: must be true or false", part("as_members", b"yes"), ARCHIVE),
                             ("arrival: is no field", part("arrival", b"0" * 32), ARCHIVE),
                             ("as: is no file", part("as", b"cfms", "as"), ARCHIVE),
                             *(("needs a name in one line", part("archive", ZIP, name)) for name in ("a\tb", "", "a/", "..", "x/.")),
                             ("key: has at most 4096 bytes", ARCHIVE, part("key", b"1" * 4097, "k")),
                             ("key: at most 16", ARCHIVE, *(17 * [part("key", b"1", "k")])),
                             ("repository: is none of the set's", ARCHIVE, part("repository", b"remote"))):
            self.assertIn(said, self.refused(400, "invalid_form", form(*parts)))
        self.assertIn("breaks off", self.refused(400, "invalid_form", ARCHIVE))
        self.assertIn("boundary", self.refused(400, "invalid_form", kind="multipart/form-data"))
        self.client = self.program(role="admin")
        self.assertIn("name one", self.refused(400, "invalid_form", target="/api/v1/sets/wiki/imports"))
        self.refused(404, "not_found", target="/api/v1/sets/nowhere/imports")
        self.refused(415, "unsupported_media_type", kind="application/zip")

    def test_a_body_has_bounds(self):
        self.refused(413, "body_too_large", form(part("archive", bytes(1000001), "a.zip")))
        raw = rig.request("POST", AT, {"Authorization": "Bearer " + self.client.token, "Content-Type": KIND, "Transfer-Encoding": "chunked"})
        body = part("archive", bytes(1000001), "a.zip")
        answer = rig.exchange(self.house.service.port, raw + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        self.assertEqual(answer.status, 413)

    def test_what_breaks_off_is_no_job_and_goes(self):
        before = self.jobs()
        raw = rig.request("POST", AT, {"Authorization": "Bearer " + self.client.token, "Content-Type": KIND, "Content-Length": "100000"})
        with rig.connect(self.house.service.port) as sock:
            sock.sendall(raw + ARCHIVE[:50000])
            end = time.monotonic() + rig.END_S
            while not self.arrived() and time.monotonic() < end:
                time.sleep(0.05)
            self.house.service.command("sweep")
            self.assertEqual(len(self.arrived()), 1) # somebody writes there
        while self.arrived() and time.monotonic() < end:
            self.house.service.command("sweep")
            time.sleep(0.05)
        self.assertEqual((self.arrived(), self.jobs()), ([], before))

    def test_only_some_are_on_their_way_at_a_time(self):
        for _ in range(4):
            self.assertEqual(self.post().status, 202)
        answer = self.post()
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "5"))
        self.house.sql("UPDATE jobs SET state = 'done'")
        self.house.service.command("sweep")
        self.assertEqual(self.post().status, 202)

    def test_who_may(self):
        self.client = self.program(role="admin", verbs=["backup:upload"], sets=["wiki"])
        self.refused(403, "forbidden")
        self.client = self.program(role="admin", verbs=["backup:run"], sets=["shop"])
        self.refused(403, "forbidden")
        self.client = self.program(role="manager", verbs=["backup:upload"], sets=["shop"])
        self.refused(403, "forbidden")


if __name__ == "__main__":
    rig.main()
