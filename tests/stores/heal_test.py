#!/usr/bin/python3
"""Parity behind the gateway and behind an SFTP server: switched on later, it brings back what is
damaged there, bit for bit."""

import os
import random
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from worlds import BucketTest, Program, Source, gateway, rig  # noqa: E402

SFTP_SERVER = "/usr/lib/openssh/sftp-server"


class Bucket:
    """The objects of a repository at the gateway, past the program."""

    def __init__(self, bucket, prefix):
        self.bucket, self.prefix = bucket, prefix + "/"
        self.client = gateway.client()

    def keys(self, prefix):
        return [key[len(self.prefix):] for key in gateway.keys_of(self.bucket, self.prefix + prefix)]

    def get(self, key):
        return self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"].read()

    def put(self, key, content):
        self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=content)

    def remove(self, key):
        self.client.delete_object(Bucket=self.bucket, Key=self.prefix + key)


class Folder:
    """The same of a repository that is a folder of the server's."""

    def __init__(self, folder):
        self.folder = folder

    def keys(self, prefix):
        found = (os.path.relpath(os.path.join(at, name), self.folder)
                 for at, _, names in os.walk(self.folder) for name in names)
        return sorted(key for key in found if key.startswith(prefix) and not key.startswith("tmp/"))

    def get(self, key):
        with open(f"{self.folder}/{key}", "rb") as file:
            return file.read()

    def put(self, key, content):
        os.chmod(f"{self.folder}/{key}", 0o600)
        with open(f"{self.folder}/{key}", "wb") as out:
            out.write(content)

    def remove(self, key):
        os.remove(f"{self.folder}/{key}")


class HealTest(BucketTest):
    name = "heal"

    def at_the_gateway(self):
        name = self._testMethodName
        return (Program(f"s3:{gateway.URL}/{self.bucket}/{name}", f"{self.place}/key", f"{self.place}/cache"),
                Bucket(self.bucket, name))

    def behind_sftp(self):
        folder = f"{self.place}/served"
        return (Program(f"sftp:me@nowhere:{folder}", f"{self.place}/key", f"{self.place}/cache",
                        ["-o", f"sftp.command={SFTP_SERVER}"]), Folder(folder))

    def begin(self, program):
        """A repository with a few snapshots and, from then on, parity."""
        source = Source(f"{self.place}/source", 21)
        with open(source.folder + "/noise", "wb") as out:
            out.write(random.Random("heal").randbytes(3_000_000))
        program.must("init")
        for _ in range(2):
            program.must("backup", source.folder)
            source.mutate()
        self.assertFalse(program.json("parity", "status").array()["enabled"])
        program.must("parity", "enable")
        program.must("backup", source.folder)  # has parity at once
        status = program.json("parity", "status").array()
        self.assertTrue(status["enabled"])
        self.assertEqual(status["unprotected"], 0)
        return source

    def setUp(self):
        self.place = self.enterContext(rig.scratch_folder())

    def everything(self, objects):
        return {key: objects.get(key) for key in objects.keys("")}

    def damage(self, objects, key):
        """Half of the largest stretch that parity makes good, somewhere in the middle."""
        content = bytearray(objects.get(key))
        size = max(1, len(content) // 300)
        at = len(content) // 2
        content[at:at + size] = bytes(255 - b for b in content[at:at + size])
        objects.put(key, bytes(content))

    def restores(self, program, source):
        program.must("restore", f"latest:{source.folder}", "--target", self.place + "/back", "--verify")
        self.assertEqual(rig.tree_state(self.place + "/back"), rig.tree_state(source.folder))

    def check_heals_packs(self, program, objects):
        source = self.begin(program)
        right = self.everything(objects)
        packs = objects.keys("packs/")
        self.assertGreater(len(packs), 3)
        for key in packs:
            self.damage(objects, key)
        result = program.run("--no-cache", "check", "--read-data")
        self.assertEqual(result.complaints(rig.DAMAGED), [])
        for key in packs:
            self.assertIn(key, result.err)
        program.must("repair", "packs")
        self.assertEqual(self.everything(objects), right)
        program.must("--no-cache", "check", "--read-data")
        self.restores(program, source)

    def check_heals_the_rest(self, program, objects):
        source = self.begin(program)
        right = self.everything(objects)
        for folder in ("index/", "snapshots/", "commits/", "keys/"):
            objects.put(objects.keys(folder)[0], b"rubbish")
        objects.remove("config")
        self.damage(objects, objects.keys("packs/")[0])
        self.assertEqual(program.run("--no-cache", "check", "--read-data").complaints(rig.DAMAGED), [])
        program.must("--no-cache", "check", "--read-data", "--repair")
        self.assertEqual(self.everything(objects), right)
        self.restores(program, source)

    def test_damaged_packs_at_the_gateway_come_back(self):
        self.check_heals_packs(*self.at_the_gateway())

    def test_damaged_packs_behind_sftp_come_back(self):
        self.check_heals_packs(*self.behind_sftp())

    def test_what_is_no_pack_comes_back_at_the_gateway(self):
        self.check_heals_the_rest(*self.at_the_gateway())

    def test_what_is_no_pack_comes_back_behind_sftp(self):
        self.check_heals_the_rest(*self.behind_sftp())

    def test_without_parity_nothing_at_the_gateway_is_called_healed(self):
        program, objects = self.at_the_gateway()
        self.begin(program)
        program.must("parity", "disable")
        self.assertEqual(objects.keys("parity/"), [])
        key = objects.keys("packs/")[0]
        self.damage(objects, key)
        damaged = objects.get(key)
        self.assertEqual(program.run("--no-cache", "check", "--read-data", "--repair").complaints(rig.DAMAGED), [])
        self.assertEqual(objects.get(key), damaged)


if __name__ == "__main__":
    unittest.main()
