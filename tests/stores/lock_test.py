#!/usr/bin/python3
"""Object Lock on the gateway: what is locked stays, whoever asks and whatever holdfast is told, and nothing
is called free that is not."""

import datetime
import json
import os
import re
import sys
import unittest
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from worlds import Program, Source, gateway, rig  # noqa: E402

import botocore.exceptions  # noqa: E402

NEEDED = re.compile(r"^p/(packs/|index/|snapshots/|commits/|keys/|config$)")
NOBODY_REMOVES = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Deny", "Principal": "*", "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
     "Resource": ["arn:aws:s3:::%s/*"]}]}


def options(days, mode="compliance"):
    return ["-o", f"s3.object-lock={mode}", "-o", f"s3.object-lock-days={days}"]


def new_name():
    """The name of a bucket that nobody has made."""
    return f"locked-{uuid.uuid4().hex[:12]}"


class LockTest(unittest.TestCase):
    def setUp(self):
        gateway.need()
        context = rig.scratch_folder()
        self.folder = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.s3 = gateway.client()
        self.bucket = new_name()
        self.source = Source(self.folder + "/source", 17)
        self.program = self.at("p", *options(10))

    def at(self, prefix, *words, url=None, cache="cache"):
        return Program(f"s3:{url or gateway.URL}/{self.bucket}/{prefix}", self.folder + "/key",
                       f"{self.folder}/{cache}", words)

    def versions(self, kind="Versions"):
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket)
        return [v for page in pages for v in page.get(kind, [])]

    def stored(self):
        """Bytes of packs that the bucket keeps, seen or hidden."""
        return sum(v["Size"] for v in self.versions() if v["Key"].startswith("p/packs/"))

    def denied(self, call, **how):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(Bucket=self.bucket, **how)
        self.assertEqual(caught.exception.response["Error"]["Code"], "AccessDenied", how)

    def days_left(self, key):
        head = self.s3.head_object(Bucket=self.bucket, Key=key)
        if "ObjectLockRetainUntilDate" not in head:
            return 0
        left = head["ObjectLockRetainUntilDate"] - datetime.datetime.now(datetime.timezone.utc)
        return left.total_seconds() / 86400

    def least_days(self):
        return min(self.days_left(key) for key in gateway.keys_of(self.bucket) if NEEDED.match(key))

    def backup(self, program=None):
        return (program or self.program).json("backup", self.source.folder)

    def restores(self, snapshot, state, program=None):
        self.assertEqual(rig.restore_complaints(program or self.program, snapshot, self.source.folder,
                                                self.folder + "/target", state), [])

    def test_nobody_removes_what_a_snapshot_needs_before_the_date(self):
        for mode in ("compliance", "governance"):
            self.bucket = new_name()
            program = self.at("p", *options(10, mode))
            program.must("init")
            self.backup(program)
            needed = [v for v in self.versions() if NEEDED.match(v["Key"])]
            self.assertGreaterEqual({re.sub("/.*", "", v["Key"][2:]) for v in needed},
                                    {"packs", "index", "snapshots", "commits", "keys", "config"})
            for version in needed:
                head = self.s3.head_object(Bucket=self.bucket, Key=version["Key"])
                self.assertEqual(head["ObjectLockMode"], mode.upper())
                self.assertTrue(14.9 < self.days_left(version["Key"]) <= 15, version["Key"])
                which = {"Key": version["Key"], "VersionId": version["VersionId"]}
                self.denied(self.s3.delete_object, **which)
                soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=9)
                self.denied(self.s3.put_object_retention, **which,
                            Retention={"Mode": mode.upper(), "RetainUntilDate": soon})
            for version in self.versions():
                if not NEEDED.match(version["Key"]):
                    self.s3.delete_object(Bucket=self.bucket, Key=version["Key"], VersionId=version["VersionId"])
            program.must("check", "--read-data")

    def test_what_somebody_has_hidden_comes_back(self):
        self.program.must("init")
        state = rig.tree_state(self.source.folder)
        snapshot = self.backup().summary()["snapshot_id"]
        gateway.remove_all(self.bucket)
        self.assertEqual(self.program.run("--no-cache", "snapshots").complaints(10), [])
        self.assertEqual(gateway.keys_of(self.bucket), [])
        for marker in self.versions("DeleteMarkers"):
            if marker["IsLatest"] and NEEDED.match(marker["Key"]):
                self.s3.delete_object(Bucket=self.bucket, Key=marker["Key"], VersionId=marker["VersionId"])
        self.program.must("--no-cache", "check", "--read-data")
        self.restores(snapshot, state)

    def test_init_refuses_a_bucket_that_was_made_without_object_lock(self):
        self.bucket = gateway.new_bucket("unlocked")
        result = self.at("p", *options(10)).run("init")
        self.assertEqual(result.complaints(rig.USAGE), [])
        self.assertIn("was made without Object Lock", result.err)
        self.assertEqual(gateway.keys_of(self.bucket), [])
        self.assertFalse(os.path.exists(self.folder + "/key"))
        plain = self.at("p")
        plain.must("init")
        result = self.backup(self.at("p", *options(10)))
        self.assertEqual(result.complaints(rig.FAILED), [])
        self.assertIn("made with Object Lock", result.err + result.out)
        self.assertEqual(plain.snapshot_ids(), [])
        for words in (["-o", "s3.object-lock=compliance"], ["-o", "s3.object-lock-days=3"]):
            self.assertEqual(self.at("p", *words).run("snapshots").complaints(rig.USAGE), [])

    def test_the_next_backup_locks_what_was_stored_without_and_then_asks_for_nothing(self):
        self.s3.create_bucket(Bucket=self.bucket, ObjectLockEnabledForBucket=True)
        plain = self.at("p")
        plain.must("init")
        self.backup(plain)
        self.assertEqual(self.least_days(), 0)
        first = set(gateway.keys_of(self.bucket, "p/snapshots/") + gateway.keys_of(self.bucket, "p/commits/"))
        with gateway.Proxy() as proxy:
            program = self.at("p", *options(10), url=proxy.url)
            # An extension that fails for a moment, and one of which nobody hears, change nothing.
            proxy.plan(rules=[{"kind": "other", "key": "/packs/", "at": 0, "fault": "status", "status": 503,
                               "code": "SlowDown"},
                              {"kind": "other", "key": "/index/", "at": 0, "fault": "lost-reply"}])
            result = self.backup(program)
            self.assertEqual(result.complaints(rig.OK), [])
            # Packs of content and trees, the index, the key slot, the config.
            self.assertGreaterEqual(result.summary()["locks_extended"], 5)
            for key in gateway.keys_of(self.bucket):
                if NEEDED.match(key) and key not in first:
                    self.assertGreater(self.days_left(key), 14.9, key)
            summaries, counts = [], []
            for _ in range(3):
                proxy.plan(log=True)
                summaries.append(self.backup(program).summary())
                counts.append([(e["kind"], e["path"]) for e in proxy.log() if e["kind"] != "list"])
            self.assertEqual([s["locks_extended"] for s in summaries], [0, 0, 0])
            self.assertLessEqual(min(map(len, counts)), 4, counts)

    def test_a_longer_promise_is_kept_for_what_is_there(self):
        self.program.must("init")
        self.backup()
        longer = self.at("p", *options(40))
        self.assertGreater(self.backup(longer).summary()["locks_extended"], 4)
        old = [k for k in gateway.keys_of(self.bucket) if NEEDED.match(k) and self.days_left(k) < 40]
        self.assertEqual(len(old), 2, old)  # the first snapshot and its commit
        result = longer.json("prune", "--extend-locks")
        self.assertEqual(result.complaints(rig.OK), [])
        self.assertEqual(result.summary()["locks_extended"], 2)
        self.assertGreater(self.least_days(), 59.9)

    def test_nothing_is_called_free_that_the_bucket_keeps(self):
        self.program.must("init")
        first = self.backup().summary()["snapshot_id"]
        with open(self.source.folder + "/c/large", "wb") as out:
            out.write(os.urandom(300_000))
        state = rig.tree_state(self.source.folder)
        second = self.backup().summary()["snapshot_id"]
        self.program.must("forget", first)
        before = self.stored()

        kept = self.program.json("prune").summary()
        self.assertEqual((kept["packs_removed"], kept["packs_freed"], kept["bytes_freed"]), (0, 0, 0))
        self.assertEqual((kept["packs_hidden"], kept["snapshots_locked"]), (0, 1))
        self.assertIn("first_lock_ends", kept)
        self.assertEqual(self.versions("DeleteMarkers"), [m for m in self.versions("DeleteMarkers")
                                                          if not NEEDED.match(m["Key"])])

        said = self.program.run("prune", "--hide-locked", "--dry-run")
        self.assertIn("Would hide", said.out)
        hidden = self.program.json("prune", "--hide-locked").summary()
        self.assertGreater(hidden["packs_hidden"], 0)
        self.assertEqual((hidden["packs_freed"], hidden["bytes_freed"]), (0, 0))
        self.assertGreaterEqual(self.stored(), before)
        self.program.must("check", "--read-data")
        self.restores(second, state)

    def test_a_prune_without_the_option_says_that_nothing_is_free_either(self):
        self.program.must("init")
        first = self.backup().summary()["snapshot_id"]
        self.program.must("forget", first)
        kept = self.at("p").json("prune", "--keep-locked").summary()
        self.assertEqual((kept["packs_removed"], kept["snapshots_locked"]), (0, 1))
        hidden = self.at("p").json("prune").summary()
        self.assertGreater(hidden["packs_hidden"], 0)
        self.assertEqual(hidden["bytes_freed"], 0)

    def test_what_was_forgotten_comes_back_after_a_prune(self):
        self.program.must("init")
        states = {}
        for _ in range(3):
            states[self.backup().summary()["snapshot_id"]] = rig.tree_state(self.source.folder)
            self.source.mutate()
        ids = list(states)
        self.program.must("forget", "--keep-last", "1", "--prune")
        self.assertEqual(self.program.snapshot_ids(), ids[2:])
        self.program.must("prune", "--max-unused", "0")
        states[self.backup().summary()["snapshot_id"]] = rig.tree_state(self.source.folder)
        self.program.must("forget", "--undo", ids[0])
        self.program.must("check", "--read-data")
        for snapshot in (ids[0], *list(states)[2:]):
            self.assertEqual(rig.restore_complaints(self.program, snapshot, self.source.folder,
                                                    self.folder + "/target", states[snapshot]), [])

    def test_keys_that_remove_nothing_do_all_but_prune(self):
        self.program.must("init")
        self.s3.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(NOBODY_REMOVES) % self.bucket)
        first = self.backup().summary()["snapshot_id"]
        self.source.mutate()
        self.backup()
        result = self.program.run("forget", first)
        self.assertEqual(result.complaints(rig.OK), [])
        self.assertIn("keys that may remove", result.out)
        before = gateway.keys_of(self.bucket)
        result = self.program.run("prune")
        self.assertEqual(result.complaints(rig.FAILED), [])
        self.assertIn("waits for a prune with keys that may", result.err)
        self.assertEqual(gateway.keys_of(self.bucket), before)
        longer = self.at("p", *options(40))
        self.assertGreater(longer.json("prune", "--extend-locks").summary()["locks_extended"], 5)
        self.s3.delete_bucket_policy(Bucket=self.bucket)
        self.program.must("prune")

    def test_a_slot_that_stays_as_a_version_is_told(self):
        self.program.must("init")
        result = self.program.run("key", "passwd", "--new-key-file", self.folder + "/new")
        self.assertEqual(result.complaints(rig.OK), [])
        self.assertIn("keeps its slot as an older version", result.out)

    def test_the_program_knows_no_way_to_override_a_lock(self):
        with open(self.program.binary, "rb") as file:
            binary = file.read()
        self.assertIn(b"x-amz-object-lock-mode", binary)
        self.assertNotIn(b"bypass", binary.lower())


if __name__ == "__main__":
    unittest.main()
