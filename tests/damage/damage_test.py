#!/usr/bin/python3
"""Damage every kind of object in every way, and see that it is found, named and contained.

One repository is made of four backups, each of which adds a folder: so it is known which pack
holds which files, and which frame of it. The folders have files of the same sizes, so that packs
have the same layout and could be taken for each other. A case changes one object of a copy (hard
links but for that object) and asks: does `check --read-data` find it (13), name it, and name
exactly the files that cannot be restored; does a restore bring back all others bit for bit, name
the lost ones, and write no wrong byte under a final name?

A removed commit or tombstone is no damage that anybody could see: the snapshot is not listed, or
is listed again. A removed condemned list does no harm either.
"""

import copy
import json
import os
import random
import shutil
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TESTS + "/crash")

import rig  # noqa: E402

verdicts = rig.Verdicts()
SEED = int(os.environ.get("DAMAGE_SEED", "5"))
# At least two frames in each folder; each size once, so that sizes tell files apart.
SIZES = [249_000, 248_000, 90_001, 5_000, 70, 247_000, 246_000, 60_002, 1_003, 245_000, 244_000, 243_000]
FOLDERS = 4

HEADER_FIELDS = {"magic": 0, "version": 8, "class": 9, "suite": 10, "zero byte": 11, "epoch": 12,
                 "repository id": 20, "writer id": 40, "salt": 60, "commitment": 100, "padding": 120}
HEADER_SIZE = 128
SLOT_FIELDS = {"magic": 0, "version": 8, "kind": 9, "suite": 10, "zero byte": 11, "epoch": 12,
               "repository id": 20, "slot id": 40, "time": 50, "memory": 57, "passes": 60, "lanes": 64,
               "zero word": 69, "salt": 80, "label": 110, "commitment": 180, "wrapped key": 205, "tag": 240}

# Of a file that changed this short a time before it is backed up the times are not trusted, and the page of its folder
# says so; the next backup would store another one.
SETTLED_S = 2.1


class Repository:
    """A repository whose every object and file is known."""

    def __init__(self, folder, name, source):
        self.source = source
        self.folder = folder
        self.name = name
        self.key, self.spare_key = f"{folder}/{name} key", f"{folder}/{name} spare key"
        self.program = rig.Program(f"{folder}/{name}", self.key).init("--parity", "off")
        self.states = {}  # id: what it brings back, for listed snapshots
        self.ids = []
        self.objects = {}  # kind: keys, oldest first
        self.forgotten = []
        self.seen = set()
        self.note_objects()  # the slot in use comes first
        self.program.must("key", "add", "--new-key-file", self.spare_key)
        self.note_objects()

    def note_objects(self):
        for key in rig.objects_of(self.program.repository):
            if key not in self.seen:
                self.seen.add(key)
                self.objects.setdefault(self.kind(key), []).append(key)

    def kind(self, key):
        if not key.startswith("packs/"):
            return {"commits": "commit", "trash": "tombstone", "keys": "key slot", "snapshots": "snapshot",
                    "config": "config", "index": "index", "condemned": "condemned list"}[key.split("/")[0]]
        with open(f"{self.program.repository}/{key}", "rb") as f:
            return {2: "content pack", 3: "tree pack"}[f.read(10)[9]]

    def backup(self, forget=False):
        state = rig.tree_state(self.source)
        snapshot = self.program.must("backup", "--compression", "1", self.source).summary()["snapshot_id"]
        if forget:
            self.program.must("forget", snapshot)
            self.forgotten.append(snapshot)
        else:
            self.ids.append(snapshot)
            self.states[snapshot] = state
        self.note_objects()

    def bytes_of(self, key):
        with open(f"{self.program.repository}/{key}", "rb") as f:
            return f.read()

    def frames(self, key):
        return json.loads(self.program.run("inspect", key).out)["frames"]

    def layout(self, key):
        """Frames of a pack: (offset, sealed size, sizes of the chunks)."""
        return [(f["offset"], f["sealed_size"], [c["size"] for c in f["chunks"]]) for f in self.frames(key)]

    def resting_on(self, key):
        """Of each snapshot that has a page with its base in this pack of trees, the pack with that page."""
        bases = {c["id"] for f in self.frames(key) for c in f["chunks"]}
        packs = self.objects["tree pack"][len(self.forgotten):]
        return {i: pack for i, pack in zip(self.ids, packs)
                if any(c.get("base") in bases for f in self.frames(pack) for c in f["chunks"])}


def add_folder(source, name, noise):
    os.mkdir(f"{source}/{name}")
    for n, size in enumerate(SIZES):
        with open(f"{source}/{name}/{n}", "wb") as f:
            f.write(noise.randbytes(size))


def make_repositories(folder, names):
    """Repositories of the same source with other keys."""
    source = f"{folder}/source"
    os.mkdir(source)
    noise = random.Random(SEED)
    pair = [Repository(folder, name, source) for name in names]
    for n in range(2):
        with open(f"{source}/old {n}", "wb") as f:
            f.write(noise.randbytes(3000 + n))
        for r in pair:
            r.backup(forget=True)
        os.remove(f"{source}/old {n}")
    for n in range(FOLDERS):
        add_folder(source, f"d{n}", noise)
        time.sleep(SETTLED_S)
        for r in pair:
            r.backup()
    return pair


def with_condemned(repository):
    """The same repository after a prune that died between its condemned list and its work."""
    before = rig.objects_of(repository.program.repository)
    original = f"{repository.folder}/{repository.name} before prune"
    os.rename(repository.program.repository, original)
    for n in range(1, 200):
        shutil.rmtree(repository.program.repository, ignore_errors=True)
        shutil.copytree(original, repository.program.repository)
        result = repository.program.json("prune", "--max-repack-size", "1", extra=rig.shim_plan(kill=n))
        after = rig.objects_of(repository.program.repository)
        if set(before) < set(after) and any(k.startswith("condemned/") for k in after):
            repository.note_objects()
            return repository
        if result.status != -9:
            break
    raise RuntimeError("no prune left a condemned list")


class Fate:
    """What a case expects.  lost: of each snapshot the files that cannot be restored."""

    def __init__(self, lost=None, statuses=(rig.DAMAGED,), named=True, may_lose=False, unlisted=(),
                 opens=True, listed_again=(), others=(), heals=False, can_go=False, resting=()):
        self.lost = lost or {}
        self.statuses = statuses  # of check --read-data
        self.named = named  # check names the object
        self.may_lose = may_lose  # restores may also fail as a whole, until repair index
        self.unlisted = unlisted
        self.opens = opens
        self.listed_again = listed_again
        self.others = others  # statuses of other commands that are right too
        self.heals = heals  # the next backup works and is whole
        self.can_go = can_go  # the lost snapshots can be forgotten and pruned
        self.resting = set(resting)  # packs with deltas that cannot be read without it, which check names, too

    def newer(self):
        """The same for a version that was damaged: it looks like that of a newer program, which
        nobody overrules."""
        same = copy.copy(self)
        same.others = (rig.FAILED, rig.USAGE)
        if not same.opens:
            same.statuses = (*same.statuses, rig.USAGE)
        same.can_go = False
        return same


class Case:
    def __init__(self, sentence, repository, changes, fate):
        self.sentence = sentence
        self.repository = repository
        self.changes = changes  # key: new bytes, or None
        self.fate = fate


def covered(repository, path):
    """The files of the newest state that an affected path stands for: itself and all below."""
    files = repository.states[repository.ids[-1]]
    found = set()
    for name, entry in files.items():
        whole = f"{repository.source}/{name}"
        if entry[0] == "file" and (path == "/" or whole == path or whole.startswith(path.rstrip("/") + "/")):
            found.add(name)
    return found


def files_of(state):
    return {name for name, entry in state.items() if entry[0] == "file"}


class Trial:
    """One case on its own copy."""

    def __init__(self, case, place):
        self.case = case
        self.original = case.repository
        self.place = place
        shutil.rmtree(place, ignore_errors=True)
        os.mkdir(place)
        shutil.copytree(self.original.program.repository, f"{place}/copy", copy_function=os.link)
        for key, content in case.changes.items():
            path = f"{place}/copy/{key}"
            if os.path.exists(path):
                os.remove(path)  # the other link keeps its bytes
            if content is not None:
                with open(path, "wb") as f:
                    f.write(content)
        self.program = rig.Program(f"{place}/copy", self.original.key)
        self.complaints = []

    def want(self, condition, complaint):
        if not condition:
            self.complaints.append(complaint)

    def lost_of(self, snapshot):
        """None when the snapshot as a whole is lost."""
        lost = self.case.fate.lost.get(snapshot, set())
        return None if lost is None else lost & files_of(self.original.states[snapshot])

    def check(self):
        fate = self.case.fate
        result = self.program.json("check", "--read-data")
        self.complaints += result.complaints(*fate.statuses)
        errors = result.messages("error")
        damaged = {m["object"] for m in errors if m["kind"] == "damaged"}
        if result.status == rig.DAMAGED and fate.named and fate.opens:
            self.want(damaged & set(self.case.changes), f"check names {sorted(damaged)}")
            self.want(damaged <= set(self.case.changes) | fate.resting, f"check names {sorted(damaged)} too")
        told = {}
        for m in errors:
            if m["kind"] == "affected":
                told.setdefault(m["object"], set()).update(covered(self.original, m["item"]))
        if fate.opens and not fate.may_lose:
            for snapshot in self.original.ids:
                state = self.original.states[snapshot]
                wanted = self.lost_of(snapshot)
                wanted = files_of(state) if wanted is None else wanted
                found = told.get(snapshot, set()) & files_of(state)
                self.want(found == wanted, f"of {snapshot[:8]} check tells {sorted(found)} as affected "
                                           f"instead of {sorted(wanted)}")

    def restore(self, snapshot):
        """Everything but what is lost comes back, what is lost is named, and nothing is wrong."""
        state = self.original.states[snapshot]
        lost = self.lost_of(snapshot)
        result, found = rig.restored_state(self.program, snapshot, self.original.source,
                                           f"{self.place}/target")
        found = found or {}
        wrong = [n for n, entry in found.items() if entry[0] == "file" and
                 (n not in state or entry[-1] != state[n][-1])]
        self.want(not wrong, f"restore of {snapshot[:8]} writes wrong bytes as {wrong[:3]}")
        if lost is None or result.status != rig.OK and self.case.fate.may_lose:
            self.complaints += result.complaints(rig.DAMAGED, *self.case.fate.others)
            return
        self.complaints += result.complaints(*(rig.DAMAGED, *self.case.fate.others) if lost else [rig.OK])
        wanted = {n: entry for n, entry in state.items() if n not in lost}
        same = {n: entry for n, entry in found.items() if n not in lost}
        # A folder that cannot be read at all is not made, or comes back empty.
        gone = {n for n in state if state[n][0] == "directory" and
                all(f in lost for f in files_of(state) if f.startswith(n + "/"))}
        lines = [line for line in rig.differences(wanted, same) if line.split(":")[0] not in gone]
        self.complaints += [f"restored {snapshot[:8]}: {line}" for line in lines[:2]]
        named = {m.get("item", "").lstrip("/") for m in result.messages("error")}
        unnamed = [n for n in lost if n not in named and os.path.dirname(n) not in named]
        self.want(not unnamed, f"restore does not name {unnamed[:3]}, only {sorted(named)[:5]}")
        extra = [n for n in named if n in state and n not in lost and n not in gone]
        self.want(not extra, f"restore names {extra[:3]}, which came back")

    def listing(self):
        result = self.program.json("snapshots")
        self.complaints += result.complaints(rig.OK, rig.DAMAGED, *self.case.fate.others)
        listed = {s["id"] for s in result.array()}
        wanted = set(self.original.ids) - set(self.case.fate.unlisted) | set(self.case.fate.listed_again)
        if result.status == rig.DAMAGED:  # the others are listed all the same
            unreadable = {i for key in self.case.changes for i in [key.split("/")[-1]]}
            listed, wanted = listed - unreadable, wanted - unreadable
        self.want(listed == wanted, f"{len(listed)} snapshots are listed instead of {len(wanted)}")

    def closed(self):
        """The repository does not open with this key: every command says why."""
        for words in (["snapshots"], ["restore", "latest", "--target", f"{self.place}/target"]):
            result = self.program.json(*words)
            self.complaints += result.complaints(*self.case.fate.statuses)
        self.want(not os.path.exists(f"{self.place}/target"), "a restore made its target")

    def repair(self):
        """An index is made again from the packs, and then all is well."""
        self.complaints += self.program.json("repair", "index").complaints(rig.OK)
        self.complaints += rig.check_complaints(self.program, "--read-data")
        newest = self.original.ids[-1]
        self.complaints += rig.restore_complaints(self.program, newest, self.original.source,
                                                  f"{self.place}/target", self.original.states[newest])

    def back_up(self):
        """The next backup works, and what it stores comes back."""
        result = self.program.json("backup", self.original.source)
        self.complaints += result.complaints(rig.OK)
        if result.status == rig.OK:
            self.complaints += rig.restore_complaints(
                self.program, result.summary()["snapshot_id"], self.original.source, f"{self.place}/target",
                rig.tree_state(self.original.source))

    def let_go(self):
        """Lost snapshots can be forgotten by their ids and pruned, and then all is well."""
        lost = [i for i, files in self.case.fate.lost.items() if files is None]
        self.complaints += self.program.json("forget", *lost).complaints(rig.OK)
        self.complaints += self.program.json("prune").complaints(rig.OK)
        self.complaints += rig.check_complaints(self.program, "--read-data")
        for snapshot in set(self.original.ids) - set(lost):
            self.restore(snapshot)

    def run(self, turn):
        self.check()
        if not self.case.fate.opens:
            self.closed()
            return
        self.listing()
        chosen = {self.original.ids[-1], *[s for s in self.original.ids if self.case.fate.lost.get(s)]}
        if turn % 4 == 0:
            chosen = set(self.original.ids)
        for snapshot in chosen - set(self.case.fate.unlisted):
            self.restore(snapshot)
        if self.case.fate.may_lose:
            self.repair()
        if self.case.fate.heals:
            self.back_up()
        if self.case.fate.can_go:
            self.let_go()


def flipped(content, offset, bits):
    changed = bytearray(content)
    changed[offset] ^= bits
    return bytes(changed)


def document_regions(content):
    """Offsets that stand for the parts of a sealed document."""
    size = len(content)
    body = HEADER_SIZE + 8
    return {**{f"header: {k}": v for k, v in HEADER_FIELDS.items()}, "plain size": 129, "compression": 132,
            "zero bytes": 134, "body, start": body, "body, middle": (body + size - 16) // 2,
            "body, end": size - 17, "tag": size - 3}


def shapes(content):
    """Other lengths of the same object."""
    size = len(content)
    return {"truncated to nothing": b"", "truncated to one byte": content[:1],
            "truncated to half": content[:size // 2], "truncated by one byte": content[:-1],
            "extended by one byte": content + b"\0", "extended by 4096 bytes": content + bytes(4096)}


class Cases:
    """Makes the cases of one repository."""

    def __init__(self, repository, foreign):
        self.repository = repository
        self.foreign = foreign
        self.random = random.Random(SEED)
        self.list = []

    def add(self, what, key, content, fate):
        self.list.append(Case(f"{self.repository.kind(key)} {what}", self.repository, {key: content}, fate))

    def flip(self, what, key, offset, fate):
        content = self.repository.bytes_of(key)
        if what.endswith("version"):
            fate = fate.newer()
        self.add(f"with a flipped bit in {what}", key, flipped(content, offset, 1 << self.random.randrange(8)),
                 fate)

    def swap(self, one, other, fate):
        r = self.repository
        self.list.append(Case(f"{r.kind(one)} swapped with another", r,
                              {one: r.bytes_of(other), other: r.bytes_of(one)}, fate))

    # Packs

    def folder_lost(self, folder, names):
        """These files of one folder, in every snapshot that has it."""
        lost = {f"{folder}/{n}" for n in names}
        return {s: lost for s in self.repository.ids if lost & files_of(self.repository.states[s])}

    def content_pack(self, number):
        key = self.repository.objects["content pack"][number]
        number -= len(self.repository.forgotten)
        folder = f"d{number}"
        content = self.repository.bytes_of(key)
        frames = self.repository.layout(key)
        names = {size: n for n, size in enumerate(SIZES)}
        files = [[names[size] for size in sizes] for _, _, sizes in frames]
        everything = Fate(self.folder_lost(folder, [n for f in files for n in f]))
        nothing = Fate()
        for what, offset in HEADER_FIELDS.items():
            self.flip(f"header: {what}", key, offset, everything)
        for n, (offset, size, _) in enumerate(frames):
            fate = Fate(self.folder_lost(folder, files[n]))
            for what, at in {"start": 0, "middle": size // 2, "end": size - 17, "tag": size - 5}.items():
                self.flip(f"frame {n}, {what}", key, offset + at, fate)
        self.directory(key, content, nothing)
        for what, shape in shapes(content).items():
            cut = [n for f, (offset, size, _) in zip(files, frames) if offset + size > len(shape) for n in f]
            self.add(what, key, shape, everything if len(shape) < HEADER_SIZE else
                     Fate(self.folder_lost(folder, cut)))
        self.exchanges(key, "content pack", number + len(self.repository.forgotten), everything)
        self.add("removed", key, None, Fate(everything.lost, heals=True))

    def directory(self, key, content, fate):
        size = struct.unpack_from("<I", content, len(content) - 16)[0]
        end = len(content) - 16
        for what, at in {"start": end - size, "middle": end - size // 2, "tag": end - 2}.items():
            self.flip(f"directory, {what}", key, at, fate)
        for what, at in {"size": end, "count": end + 4, "magic": end + 8}.items():
            self.flip(f"trailer: {what}", key, at, fate)

    def exchanges(self, key, kind, number, fate):
        own = self.repository.objects[kind]
        self.add("from another repository", key, self.foreign.bytes_of(self.foreign.objects[kind][number]), fate)
        self.add("replaced by an older one", key, self.repository.bytes_of(own[number - 1]), fate)

    def swap_content_packs(self):
        packs = self.repository.objects["content pack"][len(self.repository.forgotten):]
        lost = {s: {f"d{n}/{f}" for n in (0, 1) for f in range(len(SIZES))} for s in self.repository.ids}
        self.swap(packs[0], packs[1], Fate(lost))

    def tree_pack(self, number):
        """One frame holds the root and the page of a folder; another the page of all folders, when that is a delta."""
        key = self.repository.objects["tree pack"][number]
        number -= len(self.repository.forgotten)
        folder = f"d{number}"
        own = self.repository.ids[number]
        resting = self.repository.resting_on(key)
        lost = self.folder_lost(folder, range(len(SIZES))) | {snapshot: None for snapshot in [own, *resting]}
        everything = Fate(lost, resting=resting.values())
        content = self.repository.bytes_of(key)
        for what, offset in HEADER_FIELDS.items():
            self.flip(f"header: {what}", key, offset, everything)
        frames = self.repository.layout(key)
        fates = [everything, Fate({own: None})][:len(frames)]
        for n, ((offset, size, _), fate) in enumerate(zip(frames, fates, strict=True)):
            for what, at in {"start": 0, "middle": size // 2, "end": size - 17, "tag": size - 5}.items():
                self.flip(f"frame {n}, {what}", key, offset + at, fate)
        self.directory(key, content, Fate())
        for what, shape in shapes(content).items():
            cut = [fate for (offset, size, _), fate in zip(frames, fates) if offset + size > len(shape)]
            self.add(what, key, shape, cut[0] if cut else Fate())
        self.exchanges(key, "tree pack", number + len(self.repository.forgotten), everything)
        self.add("removed", key, None, Fate(lost, heals=True, resting=resting.values()))

    # Documents

    def document(self, key, fate, removed, number):
        kind = self.repository.kind(key)
        content = self.repository.bytes_of(key)
        for what, offset in document_regions(content).items():
            self.flip(what, key, offset, fate)
        for what, shape in shapes(content).items():
            self.add(what, key, shape, fate)
        foreign = self.foreign.objects[kind]
        self.add("from another repository", key, self.foreign.bytes_of(foreign[number]), fate)
        if number > 0:
            self.add("replaced by an older one", key,
                     self.repository.bytes_of(self.repository.objects[kind][number - 1]), fate)
        self.add("removed", key, None, removed)

    def index(self, number):
        key = self.repository.objects["index"][number]
        # Which object is missing nobody can tell; what it named is known from the packs.
        self.document(key, Fate(may_lose=True), Fate(may_lose=True, named=False), number)

    def snapshot(self, number):
        r = self.repository
        key = f"snapshots/{r.ids[number]}"
        fate = Fate({r.ids[number]: None}, heals=True, can_go=True)
        self.document(key, fate, fate, r.objects["snapshot"].index(key))

    def commit(self, number):
        r = self.repository
        key = f"commits/{r.ids[number]}"
        self.document(key, Fate({r.ids[number]: None}, heals=True, can_go=True),
                      Fate(statuses=(rig.OK,), unlisted=(r.ids[number],)), r.objects["commit"].index(key))

    def tombstone(self, number):
        r = self.repository
        key = r.objects["tombstone"][number]
        self.document(key, Fate(heals=True),
                      Fate(statuses=(rig.OK,), listed_again=(r.forgotten[number],)), number)

    def condemned_list(self):
        (key,) = self.repository.objects["condemned list"]
        self.document(key, Fate(), Fate(statuses=(rig.OK,)), 0)

    def swaps(self):
        r = self.repository
        self.swap_content_packs()
        trees = r.objects["tree pack"][-2:]
        lost = {s: {f"d{n}/{f}" for n in (FOLDERS - 2, FOLDERS - 1) for f in range(len(SIZES))} for s in r.ids}
        lost = {s: f for s, f in lost.items() if f & files_of(r.states[s])}
        self.swap(*trees, Fate({**lost, r.ids[-1]: None, r.ids[-2]: None}))
        self.swap(*[f"snapshots/{i}" for i in r.ids[:2]], Fate({i: None for i in r.ids[:2]}))
        self.swap(*[f"commits/{i}" for i in r.ids[:2]], Fate({i: None for i in r.ids[:2]}))
        self.swap(*r.objects["tombstone"], Fate())
        self.swap(*r.objects["index"][-2:], Fate(may_lose=True))
        self.swap(*r.objects["key slot"], Fate(statuses=(rig.WRONG_SECRET, rig.DAMAGED), opens=False))

    def config(self):
        closed = Fate(statuses=(rig.DAMAGED,), opens=False)
        gone = Fate(statuses=(rig.NO_REPOSITORY,), opens=False)
        self.document("config", closed, gone, 0)

    def key_slot(self):
        r = self.repository
        closed = Fate(statuses=(rig.WRONG_SECRET, rig.DAMAGED), opens=False)
        key = next(k for k in r.objects["key slot"])
        content = r.bytes_of(key)
        for what, offset in SLOT_FIELDS.items():
            self.flip(what, key, offset, closed)
        for what, shape in shapes(content).items():
            self.add(what, key, shape, closed)
        self.add("from another repository", key, self.foreign.bytes_of(self.foreign.objects["key slot"][0]), closed)
        self.add("removed", key, None, closed)

    def make(self):
        content = range(len(self.repository.forgotten), len(self.repository.objects["content pack"]))
        for number in content:
            self.content_pack(number)
        for number in (content[0], content[-2], content[-1]):
            self.tree_pack(number)
        assert self.repository.resting_on(self.repository.objects["tree pack"][content[-2]]), "no page is a delta"
        for number in (2, FOLDERS + 1):
            self.index(number)
        for number in (0, FOLDERS - 1):
            self.snapshot(number)
            self.commit(number)
        for number in (0, 1):
            self.tombstone(number)
        self.config()
        self.key_slot()
        self.swaps()
        return self.list


def main():
    with rig.scratch_folder() as folder:
        repository, foreign, pruned, other = make_repositories(
            folder, ("repository", "foreign", "pruned", "pruned foreign"))
        cases = Cases(repository, foreign).make()
        pruned = Cases(with_condemned(pruned), with_condemned(other))
        pruned.condemned_list()
        cases = rig.sampled(cases + pruned.list)

        def work(number):
            with verdicts.case(cases[number].sentence) as complaints:
                trial = Trial(cases[number], f"{folder}/case {number}")
                trial.run(number)
                complaints += trial.complaints
                shutil.rmtree(trial.place)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, range(len(cases))))
    verdicts.finish()


if __name__ == "__main__":
    sys.exit(main())
