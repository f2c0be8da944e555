#!/usr/bin/python3
"""Let every single write-like system call fail, and believe no success that is none.

For each command the shim (tests/support/shim.c) first tells how many calls of each kind it makes;
then each of them fails, once or from there on, with EIO or ENOSPC, on a fresh copy of the same
small repository. A failure must be told with status 1 and its cause, never as a success and never
as a source that could not be read (3); what was committed before must still be there, whole,
and the next backup must succeed. Short writes must make no difference at all.
"""

import errno
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import rig

verdicts = rig.Verdicts()
KINDS = ("write", "fsync", "link", "remove")


def write_files(folder, names, noise):
    os.makedirs(folder, exist_ok=True)
    for name, size in names.items():
        os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
        with open(f"{folder}/{name}", "wb") as f:
            f.write(noise.bytes(size))


class Base:
    """What each case begins with: two snapshots that share files, one more that is forgotten,
    keys that were rotated since, and a source that has changed since."""

    def __init__(self, folder):
        noise = rig.Noise(7)
        self.folder = folder
        self.source = f"{folder}/source"
        self.key, self.spare_key = f"{folder}/key", f"{folder}/spare key"
        self.program = rig.Program(f"{folder}/base", self.key).init()
        self.program.must("key", "add", "--new-key-file", self.spare_key)
        self.states, self.ids = {}, []
        write_files(self.source, {"a/one": 3000, "a/two": 20, "b/three": 9000}, noise)
        self.backup()
        os.remove(f"{self.source}/a/one")
        write_files(self.source, {"b/four": 5000}, noise)
        self.backup()
        write_files(self.source, {"b/five": 700}, noise)
        self.backup()
        self.program.must("forget", self.ids[0])
        del self.states[self.ids.pop(0)]
        self.program.must("key", "rotate", "--yes", "--keep-key-file", self.spare_key)
        slots = self.program.must("key", "list").array()
        self.spare_slot = next(s["id"] for s in slots if not s["current"])
        write_files(self.source, {"c/six": 4000, "a/two": 21}, noise)
        self.now = rig.tree_state(self.source)

    def backup(self):
        state = rig.tree_state(self.source)
        done = self.program.must("backup", self.source)
        self.ids.append(done.summary()["snapshot_id"])
        self.states[self.ids[-1]] = state


class Copy:
    """A copy of the base for one case."""

    def __init__(self, base, place):
        self.base = base
        self.folder = f"{base.folder}/{place}"
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder)
        shutil.copytree(base.program.repository, f"{self.folder}/repository")
        self.new_key = f"{self.folder}/new key"
        self.target = f"{self.folder}/target"
        self.note = f"{self.folder}/a call failed"
        self.program = rig.Program(f"{self.folder}/repository", base.key)

    def listing(self):
        result = self.program.json("snapshots")
        if complaints := result.complaints(rig.OK):
            raise RuntimeError(complaints[-1])
        return {s["id"]: s for s in result.array()}


class Command:
    """A command, and what its end means.  gone: snapshots that it may take away."""

    def __init__(self, name, words, gone=0, opens_with=("key",)):
        self.name = name
        self.words = words
        self.gone = gone  # how many of the oldest snapshots
        self.opens_with = opens_with

    def argv(self, copy):
        return [w.format(source=copy.base.source, first=copy.base.ids[0], new_key=copy.new_key,
                         spare=copy.base.spare_slot, target=copy.target) for w in self.words]

    def run(self, copy, plan):
        return copy.program.json(*self.argv(copy), extra=rig.shim_plan(**plan), limit_s=30)


COMMANDS = [
    Command("backup", ["backup", "{source}"]),
    Command("forget", ["forget", "{first}"], gone=1),
    Command("forget --prune", ["forget", "{first}", "--prune"], gone=1),
    Command("prune", ["prune", "--max-unused", "0%"]),
    Command("prune --recompress", ["prune", "--recompress=19"]),
    Command("key add", ["key", "add", "--new-key-file", "{new_key}"]),
    Command("key remove", ["key", "remove", "{spare}"]),
    Command("key passwd", ["key", "passwd", "--new-key-file", "{new_key}"],
            opens_with=("key", "new key")),
    Command("key rotate", ["key", "rotate", "--yes", "--drop-others", "--new-key-file", "{new_key}"],
            opens_with=("key", "new key")),
    Command("key reencrypt", ["key", "reencrypt"]),
    Command("tag", ["tag", "--add", "kept", "{first}"], gone=1),
    Command("repair index", ["repair", "index"]),
]


def kinds_of_objects(repository):
    """How many objects of each kind there are."""
    counts = {}
    for key in rig.objects_of(repository):
        counts[key.split("/")[0]] = counts.get(key.split("/")[0], 0) + 1
    return counts


def calls_of(command, base, place, kind):
    """How many calls of a kind a run makes: it dies at each number up to that."""
    def dies_at(n):
        return command.run(Copy(base, place), {"call": kind, "kill": n}).status == -9

    if not dies_at(1):
        return 0
    low, high = 1, 2  # it dies at low
    while dies_at(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if dies_at(middle) else (low, middle)
    return low


def key_complaints(command, copy):
    """The repository must open with what the user still has."""
    keys = [copy.base.key] if "new key" not in command.opens_with else [copy.base.key, copy.new_key]
    for key in keys:
        program = rig.Program(copy.program.repository, key)
        if os.path.exists(key) and program.json("key", "list").status == rig.OK:
            copy.program = program
            return []
    return ["no key file opens the repository any more"]


def after_complaints(command, copy, result, is_thorough):
    """All that must hold after a command ended, whichever way."""
    base = copy.base
    complaints = key_complaints(command, copy)
    if complaints:
        return complaints
    listed = copy.listing()
    new = [i for i in listed if i not in base.states]
    may_go = base.ids[:command.gone]
    states = dict(base.states)
    for i in new:
        states[i] = base.now if command.name == "backup" else base.states[base.ids[0]]
    for lost in set(base.ids) - set(listed) - set(may_go):
        complaints.append(f"snapshot {lost[:8]} is no longer listed")
    if len(new) > (command.name in ("backup", "tag")):
        complaints.append(f"{len(new)} new snapshots")
    if command.name == "tag" and base.ids[0] not in listed and not new:
        complaints.append("the tagged snapshot is gone and has no successor")
    if command.name == "backup" and result.status == rig.OK and not new:
        complaints.append("status 0, and there is no new snapshot")
    for i in listed if is_thorough else new:
        complaints += rig.restore_complaints(copy.program, i, base.source, copy.target, states[i])
    complaints += rig.check_complaints(copy.program, "--read-data")
    done = copy.program.json("backup", base.source)
    complaints += [f"next backup: {c}" for c in done.complaints(rig.OK)]
    if is_thorough and done.status == rig.OK:
        complaints += rig.restore_complaints(copy.program, done.summary()["snapshot_id"],
                                             base.source, copy.target, base.now)
    return complaints


def fault_complaints(command, copy, result, plan, usual):
    """What the command may say of its own fault."""
    kind, number = plan["call"], plan["errno"]
    if not os.path.exists(copy.note):
        return result.complaints(rig.OK)  # a run with fewer calls than the one that was counted
    if result.status == rig.OK:
        found = kinds_of_objects(copy.program.repository)
        if kind == "remove" and found == usual:
            return result.complaints()
        return [f"status 0 although a call of kind {kind} failed; objects {found}, usually {usual}"]
    complaints = result.complaints(rig.FAILED)
    if os.strerror(number) not in result.err:
        complaints.append(f"{os.strerror(number)!r} is not in {result.err[-300:]!r}")
    return complaints


def plans_for(counts):
    """Each fault of a command that makes so many calls of each kind."""
    for kind in KINDS:
        for n in range(1, counts[kind] + 1):
            yield {"call": kind, "at": n, "errno": errno.EIO}
            yield {"call": kind, "at": n, "errno": errno.EIO, "sticky": 1}
            if kind in ("write", "link"):
                yield {"call": kind, "at": n, "errno": errno.ENOSPC}
                yield {"call": kind, "at": n, "errno": errno.ENOSPC, "sticky": 1}


class Lane:
    """Runs the cases of some commands, one after the other, in a place of its own."""

    def __init__(self, base, place):
        self.base = base
        self.place = place
        self.cases = 0

    def test(self, command):
        counts = {kind: calls_of(command, self.base, self.place, kind) for kind in KINDS}
        copy = Copy(self.base, self.place)
        self.without_fault(command, copy, {"short": 1}, counts)
        usual = kinds_of_objects(copy.program.repository)
        for plan in rig.sampled(plans_for(counts)):
            self.with_fault(command, plan, usual)

    def without_fault(self, command, copy, plan, counts):
        calls = ", ".join(f"{n} {kind}" for kind, n in counts.items())
        with verdicts.case(f"{command.name} with short writes ({calls})") as complaints:
            result = command.run(copy, plan)
            complaints += result.complaints(rig.OK)
            usual = shutil.copytree(copy.program.repository, f"{copy.folder}/usual")
            complaints += after_complaints(command, copy, result, True)
            shutil.rmtree(copy.program.repository)
            os.rename(usual, copy.program.repository)
        if sum(counts.values()) == 0:
            verdicts.failed(f"{command.name} writes", "the shim saw no call")

    def with_fault(self, command, plan, usual):
        self.cases += 1
        way = "from call" if plan.get("sticky") else "at call"
        sentence = f"{command.name}: {errno.errorcode[plan['errno']]} {way} {plan['at']} of {plan['call']}"
        with verdicts.case(sentence) as complaints:
            copy = Copy(self.base, self.place)
            result = command.run(copy, {**plan, "note": copy.note})
            complaints += fault_complaints(command, copy, result, plan, usual)
            complaints += after_complaints(command, copy, result, self.cases % 8 == 0)


def fresh_folder(base, place):
    folder = f"{base.folder}/{place}"
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    return folder


def test_init(base, place):
    """A repository that was not made whole does not open, or it is whole."""
    for plan in rig.sampled(plans_for(dict.fromkeys(KINDS, 12))):
        folder = fresh_folder(base, place)
        program = rig.Program(f"{folder}/repository", f"{folder}/key")
        sentence = f"init: {errno.errorcode[plan['errno']]} at call {plan['at']} of {plan['call']}"
        with verdicts.case(sentence) as complaints:
            made = program.json("init", extra=rig.shim_plan(**plan))
            opened = program.json("snapshots")
            complaints += made.complaints(rig.OK, rig.FAILED)
            complaints += opened.complaints(*[rig.OK] if made.status == rig.OK else
                                            [rig.OK, rig.USAGE, rig.NO_REPOSITORY])
            if opened.status == rig.OK:
                complaints += program.json("backup", base.source).complaints(rig.OK)


def partial_complaints(wanted, target):
    """What stands under a final name although it is not what was backed up."""
    found = rig.tree_state(target) if os.path.isdir(target) else {}
    return [f"{name} is {rig.describe(found[name])}" for name in found
            if found[name][0] == "file" and not name.rpartition("/")[2].startswith(".holdfast")
            and found[name][-1] != wanted[name][-1]]


def test_restore(base, place):
    """No file has its final name before it has all of its content."""
    wanted = base.states[base.ids[-1]]
    restore = Command("restore", ["restore", f"{base.ids[-1]}:{base.source}", "--target", "{target}"])
    counts = {kind: calls_of(restore, base, place, kind) for kind in KINDS}
    for plan in rig.sampled(plans_for(counts)):
        sentence = f"restore: {errno.errorcode[plan['errno']]} at call {plan['at']} of {plan['call']}"
        with verdicts.case(sentence) as complaints:
            copy = Copy(base, place)
            result = restore.run(copy, plan)
            if result.status == rig.OK:  # a call whose failure harms nothing
                complaints += rig.differences(wanted, rig.tree_state(copy.target))
            else:
                complaints += result.complaints(rig.FAILED)
                complaints += partial_complaints(wanted, copy.target)
            again, found = rig.restored_state(copy.program, base.ids[-1], base.source, copy.target)
            complaints += again.complaints(rig.OK) + rig.differences(wanted, found)
    if not sum(counts.values()):
        verdicts.failed("restore writes", "the shim saw no call")


def main():
    with rig.scratch_folder() as folder:
        base = Base(folder)
        jobs = [test_init, test_restore]
        jobs += [lambda base, place, c=c: Lane(base, place).test(c) for c in COMMANDS]

        def work(number):
            try:
                jobs[number](base, f"place {number}")
            except Exception as unexpected:
                verdicts.failed(f"job {number}", f"{type(unexpected).__name__}: {unexpected}")

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, range(len(jobs))))
    verdicts.finish()


if __name__ == "__main__":
    sys.exit(main())
