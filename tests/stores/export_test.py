#!/usr/bin/python3
"""Exports longer than any object go to the gateway in parts: whole or not at all, whatever happens on the way."""

import glob
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from worlds import RepositoryTest, gateway, rig  # noqa: E402

LONG = 70_000_000
PATIENCE = "-o s3.patience=3 -o s3.timeout=5".split()


class ExportTest(RepositoryTest):
    name = "export"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.mkdir(cls.folder + "/uploads")
        with open(cls.folder + "/uploads/long", "wb") as out:
            out.write(random.Random("export").randbytes(LONG))
        cls.program.must("backup", cls.folder + "/uploads")
        cls.s3 = gateway.client()
        cls.proxy = cls.enterClassContext(gateway.Proxy())

    def export(self, *rules, limit=()):
        """Export through faults; returns the result, the file, and the objects that there are now."""
        prefix = self._testMethodName
        place = self.enterContext(rig.scratch_folder())
        self.proxy.plan(rules=list(rules), log=True)
        result = self.program.run("export", "vevurn", "latest", "--type", "files", "--output-dir", place, "--name", "shop",
                                  *PATIENCE, *limit, "--to", f"s3:{self.proxy.url}/{self.bucket}/{prefix}", limit_s=120)
        files = glob.glob(place + "/*.zip")
        self.assertEqual(len(files), 1)
        with open(files[0], "rb") as file:
            wanted = file.read()
        self.assertGreater(len(wanted), LONG)
        return result, wanted, gateway.keys_of(self.bucket, prefix + "/")

    def uploads(self):
        return self.s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])

    def is_there(self, wanted, keys):
        self.assertEqual(len(keys), 1)
        self.assertEqual(self.s3.get_object(Bucket=self.bucket, Key=keys[0])["Body"].read(), wanted)
        self.assertEqual(self.uploads(), [])

    def is_not_there(self, result, keys, *statuses):
        self.assertEqual(result.complaints(*statuses), [])
        self.assertIn("its copy is not made", result.err)
        self.assertEqual((keys, self.uploads()), ([], []))

    def test_a_long_file_goes_in_parts(self):
        result, wanted, keys = self.export()
        self.assertEqual(result.complaints(rig.OK), [])
        self.is_there(wanted, keys)
        self.assertGreaterEqual(self.proxy.counters()["requests"]["part"], 5)
        self.assertNotIn("put", self.proxy.counters()["requests"])

    def test_faults_that_pass_are_not_seen(self):
        result, wanted, keys = self.export(
            {"kind": "list-uploads", "fault": "garbage", "at": 0}, {"kind": "begin-upload", "fault": "drop", "at": 0},
            {"kind": "part", "at": 0, "fault": "reset"}, {"kind": "part", "at": 1, "fault": "lost-reply"},
            {"kind": "part", "at": 2, "fault": "status", "status": 503, "code": "SlowDown"},
            {"kind": "complete-upload", "at": 0, "fault": "error-in-200"},
            {"kind": "complete-upload", "at": 0, "fault": "lost-reply"},
            {"kind": "get", "at": 1, "fault": "truncate"})
        self.assertEqual(result.complaints(rig.OK), [])
        self.is_there(wanted, keys)
        self.assertEqual(sum(self.proxy.counters()["faults"].values()), 8)

    def test_a_part_that_is_refused_leaves_nothing(self):
        result, _, keys = self.export({"kind": "part", "from": 2, "fault": "status", "status": 403, "code": "AccessDenied"})
        self.is_not_there(result, keys, rig.FAILED)

    def test_a_store_that_goes_away_ends_in_time_without_an_object(self):
        result, _, keys = self.export({"kind": ["part", "complete-upload"], "from": 3, "fault": "drop"})
        self.is_not_there(result, keys, rig.FAILED)

    def test_other_bytes_than_were_sent_are_no_success(self):
        result, _, keys = self.export({"kind": "get", "at": 3, "fault": "wrong-body"})
        self.assertEqual(result.complaints(rig.DAMAGED), [])
        self.assertIn("what is read back is not what was written", result.err)
        self.assertEqual(len(keys), 1)

    def test_a_limit_holds_for_the_whole_file(self):
        self.export(limit=["--limit-upload", "40960"])
        parts = [entry for entry in self.proxy.log() if entry["kind"] == "part"]
        begin, end = parts[0]["at"], max(entry["at"] + entry["seconds"] for entry in parts)
        self.assertGreater(end - begin, 0.8 * LONG / (40960 * 1024))


if __name__ == "__main__":
    unittest.main()
