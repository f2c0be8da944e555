#!/usr/bin/python3
"""Sets with repositories here, at the gateway, and at addresses where nobody answers."""

import contextlib
import json
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from worlds import BucketTest, Program, gateway, rig  # noqa: E402

NO_REPOSITORY = {"HOLDFAST_REPOSITORY": "", "HOLDFAST_KEY_FILE": ""}
SILENT = ("silent", "mute")
SILENCE_S = 9  # three attempts that nobody answers


class SetsTest(BucketTest):
    name = "sets"

    def setUp(self):
        self.place = self.enterContext(rig.scratch_folder())
        self.main = Program(self.place + "/main", self.place + "/key", self.place + "/cache")
        self.far = Program(f"s3:{gateway.URL}/{self.bucket}/{self._testMethodName}", self.place + "/key",
                           self.place + "/cache")
        self.main.must("init")
        self.far.must("init", "--from-repo", self.main.repository, "--from-key-file", self.main.key_file,
                      "--copy-chunker-params")
        self.sockets = contextlib.ExitStack()
        self.addCleanup(self.sockets.close)

    def silent_url(self):
        listener = self.sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
        return f"s3:http://127.0.0.1:{listener.getsockname()[1]}/bucket/r"

    def backup(self, names, required):
        """The set's source writes down when it was asked for its bytes."""
        urls = {"main": self.main.repository, "far": self.far.repository,
                **{name: self.silent_url() for name in SILENT}}
        source = {"name": "clock", "argv": ["/bin/sh", "-c", f"date +%s.%N | tee {self.place}/began"]}
        config = {"repositories": {name: {"url": urls[name], "key_file": self.main.key_file,
                                          **({"options": {"s3.timeout": 3, "s3.patience": 1}} if name in SILENT else {})}
                                   for name in names},
                  "sets": {"all": {"repositories": names, "required_repositories": required,
                                   "sources": [{"command": source}]}}}
        with open(self.place + "/holdfast.yaml", "w") as out:
            json.dump(config, out)
        os.chmod(self.place + "/holdfast.yaml", 0o600)
        self.asked = time.time()
        result = self.main.json("backup", "--config", self.place + "/holdfast.yaml", "--set", "all", extra=NO_REPOSITORY)
        self.took_s = time.time() - self.asked
        with open(self.place + "/began") as file:
            self.waited_s = float(file.read()) - self.asked
        return result

    def test_stores_that_do_not_answer_delay_no_start_and_are_waited_for_together(self):
        for names in (["main", "silent", "far", "mute"], ["mute", "far", "main", "silent"]):
            result = self.backup(names, 2)
            self.assertEqual(result.complaints(rig.OK), [])
            self.assertLess(self.waited_s, SILENCE_S - 2)
            self.assertGreater(self.took_s, SILENCE_S - 1)
            self.assertLess(self.took_s, 2 * SILENCE_S - 1)
            summary = result.summary()
            self.assertTrue(summary["degraded"])
            for one in summary["repositories"]:
                self.assertEqual("error" in one, one["name"] in SILENT, one)
                self.assertEqual("snapshot_id" in one, one["name"] not in SILENT, one)
        for program in (self.main, self.far):
            self.assertEqual(len(program.snapshot_ids()), 2)
            program.must("check", "--read-data")

    def test_too_many_that_do_not_answer_fail_the_run_but_not_the_backup(self):
        result = self.backup(["silent", "main"], 2)
        self.assertEqual(result.complaints(rig.FAILED), [])
        self.assertLess(self.waited_s, SILENCE_S - 2)
        self.assertEqual(len(self.main.snapshot_ids()), 1)


if __name__ == "__main__":
    unittest.main()
