#!/usr/bin/python3
"""What cannot be read is named, all the rest is stored, and the exit status is 3.

Runs the program as a user who may not read everything. A repository that cannot be written is
never mistaken for that: it is status 1, also when a source is unreadable at the same time.
"""

import contextlib
import errno
import os
import shutil
import sys
import threading

import rig

verdicts = rig.Verdicts()


class World:
    """A source that belongs to root and a repository that belongs to the user."""

    def __init__(self, folder):
        self.folder = folder
        self.home = f"{folder}/home"
        self.source = f"{folder}/source"
        os.mkdir(self.home)
        binary = shutil.copy(rig.HOLDFAST, f"{folder}/holdfast")  # where every user can reach it
        os.chmod(binary, 0o755)
        uid = rig.NOBODY if rig.IS_ROOT else None
        if rig.IS_ROOT:
            os.chown(self.home, rig.NOBODY, rig.NOBODY)
        self.program = rig.Program(f"{self.home}/repository", f"{self.home}/key", binary, uid).init()
        self.shim = shutil.copy(rig.SHIM, f"{folder}/shim.so")
        self.make_source()

    def make_source(self):
        noise = rig.Noise(11)
        for name in ("open", "closed", "listed"):
            os.makedirs(f"{self.source}/{name}")
            for n in range(4):
                path = f"{self.source}/{name}/file {n}"
                with open(path, "wb") as f:
                    f.write(noise.bytes(2000 + 300 * n))
                os.chmod(path, 0o644)
            os.chmod(f"{self.source}/{name}", 0o755)
        os.chmod(self.source, 0o755)

    def path(self, name):
        return f"{self.source}/{name}"

    def readable_state(self, *without):
        """What comes back, given names (and all below them) that do not."""
        return {name: entry for name, entry in rig.tree_state(self.source).items()
                if not any(name == w or name.startswith(w + "/") for w in without)}

    def contents(self, state):
        """Without owners and modes: the user cannot give files away."""
        return {name: entry[-1] if entry[0] == "file" else entry[0] for name, entry in state.items()}

    def restore_complaints(self, snapshot, wanted):
        target = f"{self.home}/target"
        result = self.program.json("restore", f"{snapshot}:{self.source}", "--target", target)
        complaints = result.complaints(rig.OK)
        if os.path.isdir(target):
            found = self.contents(rig.tree_state(target))
            wanted = self.contents(wanted)
            complaints += [f"{name} came back wrong" for name in set(wanted) | set(found)
                           if wanted.get(name) != found.get(name)]
        else:
            complaints.append("the restore made nothing")
        subprocess_free(target)
        return complaints


def subprocess_free(target):
    """Remove a tree whatever its modes are."""
    for at, _, _ in os.walk(target):
        with contextlib.suppress(OSError):
            os.chmod(at, 0o700)
    shutil.rmtree(target, ignore_errors=True)


def named_complaints(world, result, names):
    """Each of the names must be told, as JSON or in words, and nothing else."""
    complaints = []
    paths = {world.path(name) for name in names}
    if result.is_json:
        told = {m.get("item") for m in result.messages("error")}
        reasons = [m for m in result.messages("error") if not m.get("error", {}).get("message")]
        if reasons:
            complaints.append(f"an error without a reason: {reasons[0]}")
        if result.summary().get("error_count") != len(names):
            complaints.append(f"error_count is {result.summary().get('error_count')}")
        if told != paths:
            complaints.append(f"told were {sorted(map(str, told))} instead of {sorted(paths)}")
        return complaints
    lines = [line for line in result.err.splitlines() if line.startswith("error: ")]
    if len(lines) != len(names):
        complaints.append(f"{len(lines)} lines of errors instead of {len(names)}: {lines}")
    complaints += [f"{p} is not named" for p in paths if not any(p in line for line in lines)]
    return complaints


def unreadable_case(world, sentence, names, without):
    """Back up as text and as JSON; names are told, without is what does not come back."""
    for words in (["backup", world.source], ["--json", "backup", world.source]):
        with verdicts.case(f"{sentence}{' (JSON)' if words[0] == '--json' else ''}") as complaints:
            result = world.program.run(*words)
            complaints += result.complaints(rig.INCOMPLETE)
            complaints += named_complaints(world, result, names)
            newest = world.program.must("snapshots", "--latest", "1").array()[-1]
            complaints += world.restore_complaints(newest["id"], world.readable_state(*without))


@contextlib.contextmanager
def mode(path, bits):
    before = os.stat(path).st_mode
    os.chmod(path, bits)
    try:
        yield
    finally:
        os.chmod(path, before)


def test_permissions(world):
    with mode(world.path("open/file 1"), 0):
        unreadable_case(world, "an unreadable file is named and the rest is stored",
                        ["open/file 1"], ["open/file 1"])
    with mode(world.path("open/file 1"), 0), mode(world.path("open/file 3"), 0):
        unreadable_case(world, "two unreadable files are both named", ["open/file 1", "open/file 3"],
                        ["open/file 1", "open/file 3"])
    inside = [f"closed/file {n}" for n in range(4)]
    with mode(world.path("closed"), 0):
        unreadable_case(world, "an unreadable directory is named and the rest is stored",
                        ["closed"], inside)
    listed = [f"listed/file {n}" for n in range(4)]
    with mode(world.path("listed"), 0o444):
        unreadable_case(world, "files of a directory that can only be listed are named", listed, listed)
    with verdicts.case("when everything is readable again the status is 0") as complaints:
        result = world.program.json("backup", world.source)
        complaints += result.complaints(rig.OK)
        complaints += world.restore_complaints(result.summary()["snapshot_id"], world.readable_state())


def test_incomplete_is_noted(world):
    with verdicts.case("the snapshot itself notes what it lacks") as complaints:
        with mode(world.path("open/file 2"), 0):
            snapshot = world.program.must("backup", world.source, statuses=(3,)).summary()["snapshot_id"]
        text = world.program.run("inspect", f"snapshots/{snapshot}").out
        if "open/file 2" not in text:
            complaints.append(f"inspect shows {text[:300]!r}")


def test_missing(world):
    with verdicts.case("a path that is not there is named, the other is stored") as complaints:
        result = world.program.json("backup", world.source, f"{world.folder}/not there")
        complaints += result.complaints(rig.INCOMPLETE)
        if "not there" not in result.err:
            complaints.append(f"standard error is {result.err!r}")
    with verdicts.case("when no path can be read there is no success") as complaints:
        result = world.program.json("backup", f"{world.folder}/not there")
        complaints += result.complaints(rig.FAILED, rig.INCOMPLETE)
        if "not there" not in result.err:
            complaints.append(f"standard error is {result.err!r}")


def test_read_error(world):
    """The memory of a process is a file whose first page cannot be read: EIO."""
    memory = f"/proc/{os.getpid()}/mem"
    with verdicts.case("a read error of a file is told with status 3") as complaints:
        try:
            with open(memory, "rb", buffering=0) as f:
                f.read(1)
        except OSError as why:
            if why.errno != errno.EIO:
                raise
        root = rig.Program(f"{world.folder}/own repository", f"{world.folder}/own key",
                           world.program.binary).init()
        result = root.json("backup", memory, world.path("open"))
        complaints += result.complaints(rig.INCOMPLETE)
        if "Input/output error" not in result.err or memory not in result.err:
            complaints.append(f"standard error is {result.err!r}")


def test_vanishing(world):
    """Files come, go and change while backups run."""
    steady = world.readable_state()
    folder = world.path("moving")
    os.mkdir(folder, 0o755)
    stop = threading.Event()

    def churn():
        n = 0
        while not stop.is_set():
            n += 1
            for name in (f"{folder}/{n % 50}", f"{folder}/{n * 7 % 50}/inner"):
                with contextlib.suppress(OSError):
                    if n % 3:
                        os.makedirs(os.path.dirname(name), exist_ok=True)
                        with open(name, "wb") as f:
                            f.write(b"x" * (n % 5000))
                    elif n % 2:
                        os.remove(name)
                    else:
                        shutil.rmtree(f"{folder}/{n % 50}")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for n in range(12):
            with verdicts.case(f"a tree that changes meanwhile is backed up, run {n}") as complaints:
                result = world.program.json("backup", world.source)
                complaints += result.complaints(rig.OK, rig.INCOMPLETE)
                strange = [m for m in result.messages("error")
                           if not m.get("item", "").startswith(folder)]
                if strange:
                    complaints.append(f"an error of what did not change: {strange[0]}")
                complaints += steady_complaints(world, result, steady)
    finally:
        stop.set()
        thread.join()
        shutil.rmtree(folder)


def steady_complaints(world, result, steady):
    target = f"{world.home}/target"
    again = world.program.json("restore", f"{result.summary()['snapshot_id']}:{world.source}",
                               "--target", target)
    found = {name: entry for name, entry in world.contents(rig.tree_state(target)).items()
             if name.split("/")[0] != "moving"}
    subprocess_free(target)
    wanted = world.contents(steady)
    return again.complaints(rig.OK) + ([] if found == wanted else ["what did not change came back wrong"])


def test_repository_errors(world):
    """A repository that cannot be written is status 1 even while a source is unreadable."""
    with mode(world.path("open/file 1"), 0):
        for n in range(1, 30):
            with verdicts.case(f"a failed write {n} beside an unreadable file is status 1") as complaints:
                with open(world.path("open/file 0"), "r+b") as f:
                    f.write(str(n).encode())
                plan = rig.shim_plan(call="any", at=n, errno=errno.EIO) | {"LD_PRELOAD": world.shim}
                result = world.program.json("backup", world.source, extra=plan)
                if result.status == rig.INCOMPLETE:
                    break  # there are no more calls
                complaints += result.complaints(rig.FAILED)
        if n < 8:
            verdicts.failed("writes of a backup can fail", f"only {n} did")
    repository = world.program.repository
    with verdicts.case("a repository that is read-only to the user is status 1") as complaints:
        folders = [at for at, _, _ in os.walk(repository)]
        with contextlib.ExitStack() as stack:
            for folder in folders:
                stack.enter_context(mode(folder, 0o555))
            with open(world.path("open/file 0"), "r+b") as f:
                f.write(b"changed once more")
            result = world.program.json("backup", world.source)
        complaints += result.complaints(rig.FAILED)
        if "Permission denied" not in result.sentence():
            complaints.append(f"the sentence is {result.sentence()!r}")
    with verdicts.case("all is whole at the end") as complaints:
        complaints += rig.check_complaints(world.program, "--read-data")


def main():
    with rig.scratch_folder() as folder:
        world = World(folder)
        for test in (test_permissions, test_incomplete_is_noted, test_missing, test_read_error,
                     test_vanishing, test_repository_errors):
            test(world)
    verdicts.finish()


if __name__ == "__main__":
    sys.exit(main())
