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

from worlds import World, gateway, rig  # noqa: E402

FILES = 5_000
MEAN_SIZE = 30_000


def make_tree(folder):
    dice = random.Random("kernel")
    for number in range(FILES):
        place = f"{folder}/{number % 13}/{number % 97}"
        os.makedirs(place, exist_ok=True)
        with open(f"{place}/file{number}.c", "wb") as out:
            out.write(dice.randbytes(int(dice.expovariate(1 / MEAN_SIZE))))


class RequestsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        gateway.need()
        cls.folder_context = rig.scratch_folder()
        cls.folder = cls.folder_context.__enter__()
        cls.proxy = gateway.Proxy().__enter__()
        cls.bucket = gateway.new_bucket("requests")
        cls.world = World(cls.folder, cls.bucket, "tree", 1, cls.proxy)
        cls.program = cls.world.program(cls.proxy.url, cls.bucket, "tree", "cache")
        cls.tree = cls.world.folder + "/kernel"
        make_tree(cls.tree)
        cls.program.must("init")
        cls.first = cls.counted("first backup", "backup", cls.tree)

    @classmethod
    def tearDownClass(cls):
        gateway.remove_all(cls.bucket)
        cls.proxy.__exit__()
        cls.folder_context.__exit__(None, None, None)

    @classmethod
    def counted(cls, what, *words):
        """What a command that has to work costs: the proxy's counters and the log of requests."""
        cls.proxy.plan(log=True)
        cls.program.must(*words)
        counters, log = cls.proxy.counters(), cls.proxy.log()
        print(f"{what}: {counters['requests']}, {sum(counters['bytes_in'].values())} bytes up, "
              f"{sum(counters['bytes_out'].values())} down, {counters['connections']} connections", flush=True)
        return counters, log

    def test_a_backup_without_changes_costs_four_requests_and_listings(self):
        self.counted("backup again", "backup", self.tree)
        # Folders above the tree belong to it, and other tests may work in them: the best of three.
        runs = [self.counted("backup without changes", "backup", self.tree) for _ in range(3)]
        counters, log = min(runs, key=lambda run: run[0]["total"])
        others = [entry for entry in log if entry["kind"] != "list"]
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

    def test_listing_snapshots_costs_less_the_second_time(self):
        first, _ = self.counted("snapshots", "snapshots")
        second, _ = self.counted("snapshots again", "snapshots")
        self.assertLessEqual(second["total"], first["total"])


if __name__ == "__main__":
    unittest.main()
