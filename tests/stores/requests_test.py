#!/usr/bin/python3
"""How many requests the everyday work costs, counted by the proxy.

Each request is paid for, with money or with the time of a journey. The bars are those of the
project; what was counted is printed, too. The tree is like a kernel's in the number and sizes of
its files, and does not compress, so that 150 MB of it are stored.
"""

import os
import random
import shutil
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from worlds import BucketTest, World, gateway  # noqa: E402

FILES = 5_000
MEAN_SIZE = 30_000


def make_tree(folder):
    dice = random.Random("kernel")
    for number in range(FILES):
        place = f"{folder}/{number % 13}/{number % 97}"
        os.makedirs(place, exist_ok=True)
        with open(f"{place}/file{number}.c", "wb") as out:
            out.write(dice.randbytes(int(dice.expovariate(1 / MEAN_SIZE))))


class RequestsTest(BucketTest):
    name = "requests"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = cls.enterClassContext(gateway.Proxy())
        cls.world = World(cls.folder, cls.bucket, "tree", 1, cls.proxy)
        cls.program = cls.world.program(cls.proxy.url, cls.bucket, "tree", "cache")
        cls.tree = cls.world.folder + "/kernel"
        make_tree(cls.tree)
        cls.program.must("init")
        cls.first = cls.counted("first backup", "backup", cls.tree)

    @classmethod
    def counted(cls, what, *words, program=None):
        """What a command that has to work costs: the proxy's counters and the log of requests."""
        cls.proxy.plan(log=True)
        (program or cls.program).must(*words)
        counters, log = cls.proxy.counters(), cls.proxy.log()
        print(f"{what}: {counters['requests']}, {sum(counters['bytes_in'].values())} bytes up, "
              f"{sum(counters['bytes_out'].values())} down, {counters['connections']} connections", flush=True)
        return counters, log

    def test_a_backup_without_changes_costs_four_requests_and_listings(self):
        self.counted("backup again", "backup", self.tree)
        # Folders above the tree belong to it, and other programs may work in them: one quiet run counts.
        for _ in range(20):
            counters, log = self.counted("backup without changes", "backup", self.tree)
            others = [entry for entry in log if entry["kind"] != "list"]
            if len(others) <= 4:
                break
        self.assertLessEqual(len(others), 4, [(e["kind"], e["path"]) for e in others])
        self.assertLessEqual(counters["requests"].get("list", 0), 16)

    def test_the_first_backup_costs_fifteen_puts_for_100_megabytes(self):
        counters, _ = self.first
        stored = counters["bytes_in"]["put"]
        self.assertGreater(stored, FILES * MEAN_SIZE * 0.9)
        self.assertLessEqual(counters["requests"]["put"], 15 * stored / 100e6)
        self.assertNotIn("part", counters["requests"])

    def test_one_file_costs_six_gets_after_opening(self):
        for number in (1, 2_345):
            shutil.rmtree(self.folder + "/target", ignore_errors=True)
            path = f"{self.tree}/{number % 13}/{number % 97}"
            _, log = self.counted("restore of one file", "restore", f"latest:{path}", "--include", f"file{number}.c",
                                  "--target", self.folder + "/target")
            with open(f"{path}/file{number}.c", "rb") as wanted, \
                    open(f"{self.folder}/target/file{number}.c", "rb") as found:
                self.assertEqual(wanted.read(), found.read())
            gets = [e for e in log if e["kind"] in ("get", "head")
                    and not any(part in e["path"] for part in ("/config", "/keys/"))]
            self.assertLessEqual(len(gets), 6, [(e["kind"], e["path"], e["range"]) for e in gets])

    def test_prune_removes_however_many_objects_with_few_requests(self):
        world = World(self.folder, self.bucket, "pruned", 2, self.proxy)
        far = world.program(self.proxy.url, self.bucket, "pruned", "cache")
        world.direct.must("init", "--parity", "on")
        for _ in range(20):
            self.assertEqual(world.backup(), [])
        world.direct.must("forget", "--keep-last", "1")
        before = gateway.keys_of(self.bucket, "pruned/packs/")
        counters, log = self.counted("prune", "prune", program=far)
        self.assertLess(len(gateway.keys_of(self.bucket, "pruned/packs/")), len(before) - 15)
        # What is tried beforehand, and the list of what goes.
        singles = [e["path"].split("/pruned/")[1].split("/")[0] for e in log if e["kind"] == "delete"]
        self.assertEqual([s for s in singles if s not in ("may-remove", "probe")], ["condemned"], singles)
        # Of each kind of object a request, and one for its parity.
        self.assertLessEqual(counters["requests"]["delete-many"], 12)
        self.assertEqual(world.settle(targets=list(world.states)), ([], []))
        self.assertEqual(len(world.states), 1)
        self.assertEqual(world.look_at_everything(), [])

    def test_listing_snapshots_costs_less_the_second_time(self):
        first, _ = self.counted("snapshots", "snapshots")
        second, _ = self.counted("snapshots again", "snapshots")
        self.assertLessEqual(second["total"], first["total"])


if __name__ == "__main__":
    unittest.main()
