#!/usr/bin/python3
"""A pushed bundle that was acknowledged is never lost, and in a snapshot it is once.

`holdfast backup --set` takes bundles from the spool into a snapshot. It is killed at each of its
write-like system calls, and each of them fails once; between rounds more bundles arrive, and some
arrive while a backup runs. After each round every bundle that was acknowledged must wait in the
spool or stand in a committed snapshot, with its bytes; after a backup that nobody disturbs all of
them must be in the newest snapshot and none in the spool.
"""

import errno
import json
import os
import subprocess
import sys

import rig

SPOOL_PUT = os.path.join(os.path.dirname(rig.HOLDFAST), "../tests/job/job_spool_put")
KEEP = 5000  # more than arrive: each snapshot holds all

verdicts = rig.Verdicts()


class World:
    """A set of pushed bundles, and what was acknowledged."""

    def __init__(self, folder):
        self.folder = folder
        self.spool = f"{folder}/state/spool/app"
        self.config = f"{folder}/holdfast.yaml"
        self.told = {}  # name: bytes
        self.made = 0
        self.program = rig.Program(f"{folder}/repository", f"{folder}/key").init()
        with open(self.config, "w", encoding="utf-8") as f:
            json.dump({"state": f"{folder}/state",
                       "repositories": {"main": {"url": self.program.repository, "key_file": self.program.key_file}},
                       "sets": {"app": {"sources": [{"bundle": {"keep": KEEP}}], "repositories": ["main"]}}}, f)
        os.chmod(self.config, 0o600)
        self.program.must("key", "public", "--set", "app", "-c", self.config)

    def push(self, count=1):
        for _ in range(count):
            self.made += 1
            body = json.dumps({"n": self.made, "data": {"users": ["x" * (self.made % 70)]}}).encode()
            path = f"{self.folder}/body"
            with open(path, "wb") as f:
                f.write(body)
            name = subprocess.run([SPOOL_PUT, self.spool, path], stdout=subprocess.PIPE, check=True).stdout
            self.told[name.decode().strip()] = body

    def backup(self, extra=None):
        # Without -r: the repository is the set's.
        return self.program.json("backup", "--set", "app", "-c", self.config,
                                 extra={"HOLDFAST_REPOSITORY": "", **(extra or {})})

    def waiting(self):
        return {f.removesuffix(".sealed") for f in os.listdir(self.spool) if f.endswith(".sealed")}

    def stored(self):
        """Names in the newest committed snapshot."""
        listing = self.program.json("ls", "latest")
        if listing.status != rig.OK:
            return set()
        return {os.path.basename(m["path"]) for m in rig.json_lines(listing.out)
                if m.get("path", "").startswith("/bundle/backup_")}

    def complaints(self):
        waiting, stored = self.waiting(), self.stored()
        lost = set(self.told) - waiting - stored
        strange = (waiting | stored) - set(self.told)
        return [f"{n} was acknowledged and is gone" for n in lost] + [f"{n} comes from nowhere" for n in strange]

    def byte_complaints(self):
        target = f"{self.folder}/target"
        subprocess.run(["rm", "-rf", target], check=True)
        self.program.must("restore", "latest:/bundle", "--target", target)
        found = {}
        for name in os.listdir(target):
            if name.startswith("backup_"):
                with open(f"{target}/{name}", "rb") as f:
                    found[name] = f.read()
        return [] if found == self.told else [f"{len(found)} bundles restore, {len(self.told)} were acknowledged"]

    def settle(self):
        """A backup that nobody disturbs."""
        result = self.backup()
        complaints = result.complaints(rig.OK)
        if self.waiting():
            complaints.append("bundles still wait")
        if self.stored() != set(self.told):
            complaints.append("the newest snapshot has not all bundles")
        return complaints


def disturb(world, n, what, **plan):
    """One round; false when the n-th call made no difference."""
    world.push()
    with verdicts.case(f"the backup {what} at call {n}") as complaints:
        result = world.backup(rig.shim_plan(**plan))
        complaints += world.complaints()
        if n % 3 == 0:
            world.push()
        complaints += world.settle()
        if n % 10 == 0:
            complaints += world.byte_complaints()
    return result.status != rig.OK


def beside(world, n):
    """Bundles arrive while a backup runs."""
    with verdicts.case(f"bundles arrive beside backup {n}") as complaints:
        child = world.program.start("--json", "backup", "--set", "app", "-c", world.config,
                                    extra={"HOLDFAST_REPOSITORY": ""})
        world.push(6)
        complaints += world.program.collect(child).complaints(rig.OK)
        complaints += world.complaints() + world.settle()


def sweep(world, what, **plan):
    variable = "kill" if what == "is killed" else "at"
    n = 1
    while disturb(world, n, what, **{variable: n}, **plan):
        n += 1


def main():
    with rig.scratch_folder() as folder:
        world = World(folder)
        sweep(world, "is killed")
        for kind in ("fsync", "link", "remove"):
            sweep(world, f"meets EIO in a {kind}", call=kind, errno=errno.EIO)
        sweep(world, "meets a full disk", call="write", errno=errno.ENOSPC)
        for n in range(1, 11):
            beside(world, n)
        with verdicts.case("after all of that every bundle has its bytes and the repository is sound") as complaints:
            complaints += world.byte_complaints() + rig.check_complaints(world.program, "--read-data")
    verdicts.finish()


if __name__ == "__main__":
    sys.exit(main())
