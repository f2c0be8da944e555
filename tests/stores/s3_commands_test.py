#!/usr/bin/python3
"""What users say about an S3 store: places, keys from all their sources, options, limits; and that a
store which shows old listings is not pruned."""

import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from worlds import Program, RepositoryTest, gateway, rig  # noqa: E402

NO_VARIABLES = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
ID, SECRET = gateway.KEYS["AWS_ACCESS_KEY_ID"], gateway.KEYS["AWS_SECRET_ACCESS_KEY"]


class S3CommandsTest(RepositoryTest):
    name = "commands"

    def write(self, name, text, mode=0o600):
        path = f"{self.folder}/{name}"
        with open(path, "w") as out:
            out.write(text)
        os.chmod(path, mode)
        return path

    def refused(self, result, status, word):
        self.assertEqual(result.complaints(status), [])
        self.assertIn(word, result.err)

    def test_init_makes_the_bucket_and_refuses_a_prefix_with_objects(self):
        bucket = self.bucket + "-new"
        place = f"s3:{gateway.URL}/{bucket}/a"
        Program(place, self.folder + "/key", self.folder + "/cache new").must("init")
        self.refused(Program(place, self.folder + "/key", self.folder + "/cache new").run("init"), rig.FAILED,
                     "objects there already")
        self.assertIn("a/config", gateway.keys_of(bucket))
        self.assertEqual([k for k in gateway.keys_of(bucket) if "probe" in k], [])
        gateway.remove_all(bucket)

    def test_keys_come_from_files_and_commands(self):
        keys = self.write("keys", f"[x]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n")
        answer = json.dumps({"Version": 1, "AccessKeyId": ID, "SecretAccessKey": SECRET})
        script = self.write("print keys", f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n", 0o700)
        home = {**NO_VARIABLES, "HOME": self.folder}
        for words in (("-o", f"s3.credentials-file={keys}", "-o", "s3.profile=x"),
                      ("-o", f"s3.credentials-command='{script}'")):
            self.program.must(*words, "snapshots", extra=home)
        for extra in ({"AWS_SHARED_CREDENTIALS_FILE": keys, "AWS_PROFILE": "x"},
                      {"AWS_ACCESS_KEY_ID_FILE": self.write("id", ID + "\n"),
                       "AWS_SECRET_ACCESS_KEY_FILE": self.write("secret", SECRET + "\n")}):
            self.program.must("snapshots", extra={**home, **extra})
        self.refused(self.program.run("snapshots", extra=home), rig.USAGE, "no keys for S3")
        self.refused(self.program.run("-o", "s3.credentials-command=false", "snapshots", extra=home),
                     rig.FAILED, "exit status 1")

    def test_a_configuration_names_options(self):
        keys = self.write("config keys", f"[x]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n")
        config = self.write("holdfast.yaml", json.dumps({
            "repositories": {"far": {"url": self.program.repository, "key_file": self.folder + "/key", "options": {
                "s3.credentials-file": keys, "s3.profile": "x", "s3.connections": 2}}},
            "sets": {"all": {"repositories": ["far"], "sources": [{"files": {"paths": [self.source.folder]}}]}}}))
        extra = {**NO_VARIABLES, "HOLDFAST_REPOSITORY": "", "HOLDFAST_KEY_FILE": ""}
        self.program.must("backup", "--config", config, "--set", "all", extra=extra)

    def test_options_that_are_none_are_refused(self):
        self.refused(self.program.run("-o", "s3.regoin=x", "snapshots"), rig.USAGE, "s3.region?")
        self.refused(self.program.run("-o", "s3.connections=0", "snapshots"), rig.USAGE, "from 1 to 64")
        self.refused(self.program.run("-o", "s3.region", "snapshots"), rig.USAGE, "NAME=VALUE")
        user = Program(f"s3:http://me:hush@127.0.0.1:1/{self.bucket}", self.folder + "/key", self.folder + "/cache")
        self.refused(user.run("snapshots"), rig.USAGE, "holds no keys")

    def test_a_limit_makes_a_backup_and_a_restore_slow(self):
        os.makedirs(self.folder + "/large", exist_ok=True)
        with open(self.folder + "/large/noise", "wb") as out:
            out.write(os.urandom(900_000))
        program = self.at("limited")
        program.must("init")
        started = time.monotonic()
        program.must("--limit-upload", "300", "backup", self.folder + "/large")
        self.assertGreater(time.monotonic() - started, 2.5)
        started = time.monotonic()
        program.must("-o", "limit-download=300", "restore", "latest", "--target", self.folder + "/slow")
        self.assertGreater(time.monotonic() - started, 2.5)

    def test_a_store_that_lists_late_is_not_pruned(self):
        with gateway.Proxy() as proxy:
            program = self.at("stale", url=proxy.url)
            program.must("init")
            program.must("--no-cache", "backup", self.source.folder)
            program.must("--no-cache", "forget", "latest")
            before = gateway.keys_of(self.bucket, "stale/")
            proxy.plan(rules=[{"fault": "stale-list"}])
            self.refused(program.run("--no-cache", "prune"), rig.FAILED, "nothing is removed")
            proxy.plan()
            self.assertEqual(gateway.keys_of(self.bucket, "stale/"), before)
            program.must("--no-cache", "prune")
            self.assertNotIn("stale/packs/", " ".join(gateway.keys_of(self.bucket, "stale/")))

    def test_a_store_that_was_sound_today_is_not_probed_again(self):
        program = self.at("once")
        program.must("init")
        program.must("backup", self.source.folder)
        with gateway.Proxy() as proxy:
            far = self.at("once", url=proxy.url)
            for words, is_probed in ((["prune"], True), (["prune"], False), (["--no-cache", "prune"], True)):
                proxy.plan(log=True)
                far.must(*words)
                self.assertEqual(any("/probe/" in str(line) for line in proxy.log()), is_probed, words)


if __name__ == "__main__":
    unittest.main()
