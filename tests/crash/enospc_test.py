#!/usr/bin/python3
"""A disk that is full: a tmpfs of a few MiB in a mount namespace of its own.

No shim here, the kernel itself runs out of room. Whatever was committed before stays whole, a
failure says what is missing, and once there is room again everything works.
"""

import contextlib
import os
import shutil
import subprocess
import sys

import rig

verdicts = rig.Verdicts()
NO_SPACE = "No space left on device"
BLOCK = 4096


class Disk:
    """The tmpfs, and a file that takes what is left of it."""

    def __init__(self, place, size):
        self.place = place
        self.filler = f"{place}/filler"
        os.makedirs(place, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", place],
                       check=True)

    def resize(self, size):
        subprocess.run(["mount", "-o", f"remount,size={size}", self.place], check=True)

    def free(self):
        room = os.statvfs(self.place)
        return room.f_bavail * room.f_frsize

    def fill(self, leave):
        """Take all but so many bytes."""
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.filler)
        with open(self.filler, "wb") as f:
            os.posix_fallocate(f.fileno(), 0, max(BLOCK, self.free() - leave))

    def drain(self):
        os.remove(self.filler)


class World:
    """A repository on the small disk; source and restores are elsewhere."""

    def __init__(self, folder, disk):
        self.folder = folder
        self.disk = disk
        self.noise = rig.Noise(3)
        self.source = f"{folder}/source"
        os.mkdir(self.source)
        self.program = rig.Program(f"{disk.place}/repository", f"{folder}/key").init()
        self.states = {}

    def write(self, name, size):
        with open(f"{self.source}/{name}", "wb") as f:
            f.write(self.noise.random.randbytes(size))

    def backup(self):
        state = rig.tree_state(self.source)
        result = self.program.json("backup", "--pack-size", "1M", self.source)
        if result.status == rig.OK:
            self.states[result.summary()["snapshot_id"]] = state
        return result

    def whole_complaints(self, *options):
        """Everything committed is listed, whole and comes back."""
        complaints = []
        listed = set(self.program.snapshot_ids())
        if listed != set(self.states):
            complaints.append(f"{len(listed)} snapshots are listed instead of {len(self.states)}")
        for i in listed & set(self.states):
            complaints += rig.restore_complaints(self.program, i, self.source,
                                                 f"{self.folder}/target", self.states[i])
        return complaints + rig.check_complaints(self.program, *options)

    def adopt(self, state):
        """A commit may be durable although its command failed later."""
        for i in set(self.program.snapshot_ids()) - set(self.states):
            self.states[i] = state


def space_complaints(result):
    """What is wrong with a failure for want of room."""
    complaints = result.complaints(rig.FAILED)
    if NO_SPACE not in result.sentence():
        complaints.append(f"{NO_SPACE!r} is not in {result.sentence()!r}")
    return complaints


def test_large_backup(world):
    for n in range(3):
        world.write(f"small {n}", 150_000)
        world.backup()
    with verdicts.case("a backup larger than the disk fails and says so") as complaints:
        world.write("large", 9_000_000)
        complaints += space_complaints(world.backup())
    with verdicts.case("what was committed before is whole beside a full disk") as complaints:
        world.disk.fill(0)
        complaints += world.whole_complaints("--read-data")
    with verdicts.case("a restore onto a full disk fails and says so") as complaints:
        newest = list(world.states)[-1]
        result, _ = rig.restored_state(world.program, newest, world.source,
                                       f"{world.disk.place}/target")
        complaints += result.complaints(rig.FAILED)
        if NO_SPACE not in result.err:
            complaints.append(f"{NO_SPACE!r} is not in {result.err[-300:]!r}")
        shutil.rmtree(f"{world.disk.place}/target", ignore_errors=True)
    world.disk.drain()


def test_prune(world):
    victim = list(world.states)[0]
    # How much the failed backup left free depends on how its packs met the end of the disk.
    world.disk.resize("7m")
    world.program.must("forget", victim)
    del world.states[victim]
    with verdicts.case("a prune without a single free block fails and harms nothing, or works") as complaints:
        world.disk.fill(0)
        result = world.program.json("prune", "--max-unused", "0%")
        complaints += [] if result.status == rig.OK else space_complaints(result)
        complaints += world.whole_complaints()
    with verdicts.case("a prune that packs nothing again works with 512 KiB free") as complaints:
        # The kernel counts a tmpfs's blocks per processor, so with less it may refuse at random.
        world.disk.fill(512 << 10)
        before = world.disk.free()
        complaints += world.program.json("prune", "--max-repack-size", "1").complaints(rig.OK)
        complaints += world.whole_complaints()
        if world.disk.free() < before:
            complaints.append(f"{before} bytes were free, and then {world.disk.free()}")
    with verdicts.case("without a single free block the trash can be emptied, which frees space") as complaints:
        world.disk.fill(0)
        in_trash = world.program.json("stats", "--mode", "raw-data").array()["trash_size"]
        before = world.disk.free()
        complaints += world.program.json("prune", "--empty-trash").complaints(rig.OK)
        complaints += world.whole_complaints()
        if world.disk.free() < before + in_trash or in_trash == 0:
            complaints.append(f"{world.disk.free() - before} bytes came back of {in_trash}")
    world.disk.drain()
    with verdicts.case("what a failed backup left goes with a prune two days later") as complaints:
        for key in rig.objects_of(world.program.repository):
            path = f"{world.program.repository}/{key}"
            os.utime(path, (os.stat(path).st_mtime - 2 * 86_400,) * 2)
        before = world.disk.free()
        # Packing again needs room for the copies before anything is removed.
        complaints += world.program.json("prune", "--max-repack-size", "1").complaints(rig.OK)
        complaints += world.program.json("prune", "--empty-trash").complaints(rig.OK)
        if world.disk.free() < before + (1 << 20):
            complaints.append(f"only {world.disk.free() - before} bytes came back")


def test_each_room(world):
    """The disk runs out at every point of a small backup."""
    done = []
    for blocks in range(0, 28):
        with verdicts.case(f"a backup with {blocks} free blocks works, or fails and harms nothing") as complaints:
            with contextlib.suppress(FileNotFoundError):
                os.remove(f"{world.source}/large")
            world.write(f"changing {blocks % 3}", 9_000)
            state = rig.tree_state(world.source)
            world.disk.fill(blocks * BLOCK)
            result = world.backup()
            done.append(result.status == rig.OK)
            complaints += [] if done[-1] else space_complaints(result)
            world.adopt(state)
            complaints += world.whole_complaints()
            world.disk.drain()
    if all(done) or not any(done):
        verdicts.failed("some of these backups have room enough and some have not", str(done))


def test_room_again(world):
    with verdicts.case("after the disk was enlarged the large backup works") as complaints:
        world.write("large", 9_000_000)
        world.disk.resize("60m")
        complaints += world.backup().complaints(rig.OK)
        complaints += world.whole_complaints("--read-data")
    with verdicts.case("prune works and all is whole at the end") as complaints:
        complaints += world.program.json("prune", "--max-unused", "0%").complaints(rig.OK)
        complaints += world.whole_complaints("--read-data")


def enter_namespace():
    """Run this test again where its mounts are seen by nobody else."""
    as_root = [] if rig.IS_ROOT else ["--map-root-user"]
    os.execv("/usr/bin/unshare", ["unshare", "--mount", "--propagation", "private", *as_root,
                                  sys.executable, os.path.abspath(__file__), "inside"])


def main():
    if sys.argv[1:] != ["inside"]:
        enter_namespace()
    with rig.scratch_folder() as folder:
        disk = Disk(f"{folder}/disk", "6m")
        try:
            world = World(folder, disk)
            for test in (test_large_backup, test_prune, test_each_room, test_room_again):
                test(world)
        finally:
            subprocess.run(["umount", disk.place], check=False)
    verdicts.finish()


if __name__ == "__main__":
    sys.exit(main())
