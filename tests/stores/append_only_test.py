#!/usr/bin/python3
"""Keys that may read and write and remove nothing: everything works but prune, which leaves no trace."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from worlds import Program, Source, gateway, rig  # noqa: E402

NOBODY_REMOVES = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Deny", "Principal": "*", "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
     "Resource": ["arn:aws:s3:::%s/*"]}]}


class AppendOnlyTest(unittest.TestCase):
    def setUp(self):
        gateway.need()
        context = rig.scratch_folder()
        self.folder = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.bucket = gateway.new_bucket("append")
        self.addCleanup(gateway.remove_all, self.bucket)
        self.program = Program(f"s3:{gateway.URL}/{self.bucket}/p", self.folder + "/key", self.folder + "/cache")
        self.source = Source(self.folder + "/source", 5)

    def test_backups_and_forget_work_and_prune_is_refused_before_it_writes(self):
        self.program.must("init")
        gateway.client().put_bucket_policy(Bucket=self.bucket,
                                           Policy=json.dumps(NOBODY_REMOVES) % self.bucket)
        for _ in range(2):
            self.assertEqual(self.program.run("backup", self.source.folder).complaints(rig.OK), [])
            self.source.mutate()
        result = self.program.run("forget", "--keep-last", "1")
        self.assertEqual(result.complaints(rig.OK), [])
        self.assertIn("keys that may remove objects", result.out)
        before = gateway.keys_of(self.bucket)

        result = self.program.run("prune")

        self.assertEqual(result.complaints(rig.FAILED), [])
        self.assertIn("may not remove anything", result.err)
        self.assertEqual(gateway.keys_of(self.bucket), before)
        self.assertEqual(self.program.run("backup", self.source.folder).complaints(rig.OK), [])

        gateway.client().delete_bucket_policy(Bucket=self.bucket)
        self.program.must("prune")
        self.program.must("check", "--read-data")


if __name__ == "__main__":
    unittest.main()
