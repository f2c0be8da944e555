#!/usr/bin/python3
"""Do holdfast and the reader agree on deltas: on those that holdfast stores, and on forged ones?

Usage: HOLDFAST=PROGRAM delta_test.py, or delta_test.py PROGRAM.  One line for each test.
"""

import json
import os
import random
import shutil
import sys
import time

sys.dont_write_bytecode = True
from forge import Forge, Row, compressed, delta_frame, plain_frame  # noqa: E402
from holdfast_format import COMPACT, CONTENT, DATA, LIST, MIB, PAGE, TREE  # noqa: E402
from holdfast_reader import restore, walk  # noqa: E402
from tree_manifest import describe  # noqa: E402
from workplace import Workplace, check, main, objects, refusal, rewrite, test  # noqa: E402

TEXTS, KEPT = 60, 20  # how many, and how many of them do not change the second time
NOTES = 60  # of which one changes each time
DAMAGED = 13  # exit status of check
NOISE = random.Random(4)
A, B, C = (NOISE.randbytes(9000) for _ in range(3))


def changed(data):
    return data[:4000] + b"changed" + data[4000:]


class World(Workplace):
    """A repository with three snapshots of texts and a large file that changes a little each time, and an empty one."""

    def __init__(self, program, folder):
        super().__init__(program, folder)
        self.source, self.repo, self.empty = self.at("source"), self.at("repo"), self.at("empty")
        os.makedirs(self.at("source/texts"))
        for i in range(TEXTS):
            self.put(f"texts/{i}", b"".join(b"line %d of text %d: %x\n" % (k, i, NOISE.getrandbits(64)) for k in range(99)))
        os.makedirs(self.at("source/notes"))
        for i in range(NOTES):
            self.put(f"notes/{i}", b"note %d\n" % i)
        self.put("large", NOISE.randbytes(12 * MIB))
        self.put("gone", NOISE.randbytes(5000))
        self.run("init", "-r", self.repo)
        self.ids = [self.back_up(self.repo, self.source)]
        self.change(range(TEXTS))
        self.ids.append(self.back_up(self.repo, self.source))
        os.remove(self.at("source/gone"))
        self.change(range(KEPT, TEXTS))
        self.ids.append(self.back_up(self.repo, self.source))
        self.run("init", "-r", self.empty)

    def put(self, name, data):
        with open(os.path.join(self.source, name), "wb") as file:
            file.write(data)

    def change(self, texts):
        for i in texts:
            rewrite(self.at(f"source/texts/{i}"), lambda data: data.replace(b"line 50 ", b"line of another kind "))
            rewrite(self.at(f"source/texts/{i}"), lambda data: data + b"%x\n" % NOISE.getrandbits(64))
        rewrite(self.at("source/large"), self.edited)
        rewrite(self.at("source/notes/7"), lambda data: data + b"more\n")

    @staticmethod
    def edited(data):
        """Some bytes changed in each 200 KiB, and an insertion."""
        data = bytearray(data)
        for at in range(1000, len(data), 200 << 10):
            data[at:at + 5] = NOISE.randbytes(5)
        data[5 * MIB:5 * MIB] = NOISE.randbytes(7000)
        return bytes(data)

    def forge(self):
        """A copy of the empty repository, to put forged objects into."""
        self.forged = self.at("forged")
        shutil.rmtree(self.forged, ignore_errors=True)
        shutil.copytree(self.empty, self.forged)
        return Forge(self.open(self.empty), self.forged)

    def agrees(self):
        """Neither program finds a fault in the forged repository."""
        reason = refusal(self, self.forged)
        check(reason is None, f"the reader says: {reason}")
        self.run("check", "-r", self.forged, "--read-data")

    def refuses(self, words):
        """Both programs find the fault, and the reader says this of it."""
        reason = refusal(self, self.forged)
        check(reason and words in reason, f"the reader says: {reason}")
        self.run("check", "-r", self.forged, "--read-data", status=DAMAGED)

    def leaves(self, words):
        """The reader cannot read it and says this; to check it is what a prune may leave, as no snapshot needs it."""
        reason = refusal(self, self.forged)
        check(reason and words in reason, f"the reader says: {reason}")
        self.run("check", "-r", self.forged, "--read-data")


def inspected_chunks(world, repo):
    """{first half of a chunk's id: (compression of its frame, base)}, as holdfast shows its index; a delta only where there is no plain copy."""
    found = {}
    for key in objects(repo):
        if key.startswith("index/"):
            for pack in json.loads(world.run("inspect", "-r", repo, key))["packs"]:
                for frame in pack["frames"]:
                    for chunk in frame["chunks"]:
                        if chunk["id"][:32] not in found or "base" not in chunk:
                            found[chunk["id"][:32]] = frame["compression"], chunk.get("base")
    return found


def find_entry(repository, snapshot, name):
    return next(entry for path, entry in walk(repository, bytes.fromhex(snapshot["tree"])) if path.endswith(name))


def ids_of(repository, snapshot, name):
    return [id_[:16].hex() for id_ in repository.content_ids(find_entry(repository, snapshot, name))]


@test("texts and a large file that change are stored as deltas")
def stores_deltas(world):
    repository = world.open()
    chunks = inspected_chunks(world, world.repo)
    for snapshot in repository.snapshots()[1:]:
        deltas = [i for i in range(TEXTS)
                  if chunks[ids_of(repository, snapshot, b"/texts/%d" % i)[0]][0] == "zstd after bases"]
        check(len(deltas) == TEXTS, f"only {len(deltas)} of {TEXTS} texts are deltas")
        large = [chunks[id_][0] for id_ in ids_of(repository, snapshot, b"/large")]
        count = large.count("zstd after bases")
        check(count * 2 > len(large) > 5, f"of {len(large)} chunks of the large file {count} are deltas")
    check({c for c, base in chunks.values() if base} == {"zstd after bases"}, "a chunk of another frame has a base")


@test("the page of a directory in which one file changes is stored as a delta of what it was")
def stores_page_deltas(world):
    repository = world.open()
    chunks = inspected_chunks(world, world.repo)
    first, *later = [find_entry(repository, s, b"/notes").tree[:16].hex() for s in repository.snapshots()]
    check(chunks[first][1] is None, "the first page is a delta")
    check([chunks[page] for page in later] == [("zstd after bases", first)] * 2, "later pages do not rest on it")


@test("no delta rests on another")
def depth_is_one(world):
    chunks = inspected_chunks(world, world.repo)
    bases = [base for _, base in chunks.values() if base]
    check(bases and all(chunks[base][1] is None for base in bases), "a base is a delta")


@test("the reader finds no fault in a repository with deltas")
def finds_no_fault(world):
    check(refusal(world, world.repo) is None, refusal(world, world.repo))


@test("the reader restores each of three snapshots as the source was then")
def restores_all(world):
    repository = world.open()
    for state, snapshot in zip(world.states, repository.snapshots(), strict=True):
        restore(repository, snapshot, world.at("out"))
        world.compare(state, world.at("out"), world.source)


@test("holdfast restores each of three snapshots as the source was then")
def holdfast_restores_all(world):
    for state, id_ in zip(world.states, world.ids, strict=True):
        world.run("restore", "-r", world.repo, id_, "--target", world.at("out"), "--numeric-ids", "--verify")
        world.compare(state, world.at("out"), world.source)


@test("the reader reads deltas without an index")
def needs_no_index(world):
    repo = world.at("copy")
    shutil.copytree(world.repo, repo)
    shutil.rmtree(repo + "/index")
    repository = world.open(repo)
    restore(repository, repository.snapshots()[2], world.at("out"))
    world.compare(world.states[2], world.at("out"), world.source)
    shutil.rmtree(repo)


@test("what is left by prunes that pack again is whole, and deltas stay deltas")
def outlives_prune(world):
    repo = world.at("pruned")
    shutil.copytree(world.repo, repo)
    before = set(objects(repo))
    world.run("forget", "-r", repo, world.ids[0], world.ids[1])
    month_ago = time.time() - 30 * 86400
    for key in objects(repo):
        os.utime(os.path.join(repo, key), (month_ago, month_ago))
    world.run("prune", "-r", repo, "--max-unused", "0%")
    check([k for k in before - set(objects(repo)) if k.startswith("packs/")], "no pack was removed")
    check([k for k in set(objects(repo)) - before if k.startswith("packs/")], "no pack was packed again")
    repository = world.open(repo)
    chunks = inspected_chunks(world, repo)
    check(all(chunks[ids_of(repository, repository.snapshots()[0], b"/texts/%d" % i)[0]][1] for i in range(TEXTS)),
          "a text is no delta any more")
    check(chunks[find_entry(repository, repository.snapshots()[0], b"/notes").tree[:16].hex()][1], "a page is no delta any more")
    check(refusal(world, repo) is None, refusal(world, repo))
    world.run("check", "-r", repo, "--read-data")
    restore(repository, repository.snapshots()[0], world.at("out"))
    world.compare(world.states[2], world.at("out"), world.source)
    shutil.rmtree(repo)


@test("what prune --recompress leaves is whole and shorter, deltas stay deltas, and a second run does nothing")
def outlives_recompress(world):
    repo, source = world.at("raw"), world.at("texts of its own")
    shutil.copytree(world.at("source/texts"), source)
    world.run("init", "-r", repo)
    states = [describe(source)]
    world.run("backup", "-r", repo, "--compression", "off", source)
    for name in os.listdir(source):
        rewrite(os.path.join(source, name), changed)
    states.append(describe(source))
    world.run("backup", "-r", repo, source)

    def packs():
        return {key: os.path.getsize(os.path.join(repo, key)) for key in objects(repo) if key.startswith("packs/")}

    was = packs()
    world.run("prune", "-r", repo, "--recompress=19")
    after = packs()
    check(sum(after.values()) < sum(was.values()) * 0.8, f"{sum(after.values())} bytes of {sum(was.values())}")
    world.run("prune", "-r", repo, "--recompress=19")
    check(packs() == after, "the second run packed something again")
    check("zstd after bases" in {compression for compression, _ in inspected_chunks(world, repo).values()},
          "there is no delta any more")
    check(refusal(world, repo) is None, refusal(world, repo))
    world.run("check", "-r", repo, "--read-data")
    repository = world.open(repo)
    for state, snapshot in zip(states, repository.snapshots(), strict=True):
        restore(repository, snapshot, world.at("out"))
        world.compare(state, world.at("out"), source)


@test("a base counts once where it comes several times in a row, and again after another one")
def equal_bases(world):
    forge = world.forge()
    a, b = forge.id_of(A), forge.id_of(B)
    rows = Row(changed(A), a), Row(A[1:], a), Row(changed(B), b), Row(A[2:], a)
    forge.pack(plain_frame(A), plain_frame(B, compression=0))
    forge.pack(delta_frame(A + B + A, *rows))
    world.agrees()
    forge.pack(delta_frame(A + A + B + A, *rows))
    world.refuses("packs/")


@test("a base that looks like a dictionary of zstd is bytes as any others")
def dictionary_as_base(world):
    forge = world.forge()
    base = bytes.fromhex("37a430ec") + A
    forge.pack(plain_frame(base))
    forge.pack(delta_frame(base, Row(base[4:], forge.id_of(base))))
    world.agrees()


@test("a base of one byte will do")
def tiny_base(world):
    forge = world.forge()
    forge.pack(plain_frame(b"x", compression=0))
    forge.pack(delta_frame(b"x", Row(A, forge.id_of(b"x"))))
    world.agrees()


@test("a base may stand in the same pack, behind its delta")
def same_pack(world):
    forge = world.forge()
    forge.pack(delta_frame(A, Row(changed(A), forge.id_of(A))), plain_frame(A))
    world.agrees()


@test("a delta rests on the plain copy of its base where there are others")
def plain_copy(world):
    forge = world.forge()
    forge.pack(plain_frame(A))
    forge.pack(delta_frame(A, Row(changed(A), forge.id_of(A))))
    forge.pack(plain_frame(changed(A)))
    forge.pack(delta_frame(changed(A), Row(A[1:], forge.id_of(changed(A)))))
    world.agrees()


@test("bases of 8 MiB in a frame are read, and of one byte more refused")
def prefix_limit(world):
    forge = world.forge()
    large = [NOISE.randbytes(4 * MIB) for _ in range(2)]
    rows = [Row(data[9:5000], forge.id_of(data)) for data in large]
    forge.pack(plain_frame(large[0]), plain_frame(large[1]), plain_frame(b"x", compression=0))
    forge.pack(delta_frame(large[0] + large[1], *rows))
    world.agrees()
    forge.pack(delta_frame(large[0] + large[1] + b"x", *rows, Row(b"y", forge.id_of(b"x"))))
    world.refuses("longer than 8 MiB")


@test("bases in another order than that of their chunks give no chunk")
def base_order(world):
    forge = world.forge()
    forge.pack(plain_frame(A, B))
    forge.pack(delta_frame(B + A, Row(changed(A), forge.id_of(A)), Row(changed(B), forge.id_of(B))))
    world.refuses("its id is wrong")


@test("a delta without its base cannot be read, and is no damage where nothing needs it")
def missing_base(world):
    forge = world.forge()
    forge.pack(delta_frame(A, Row(changed(A), forge.id_of(A))))
    world.leaves("is in no pack")


@test("a delta whose base is a delta only cannot be read, and is no damage where nothing needs it")
def base_in_delta(world):
    forge = world.forge()
    forge.pack(plain_frame(A))
    forge.pack(delta_frame(A, Row(changed(A), forge.id_of(A))))
    forge.pack(delta_frame(changed(A), Row(A[1:], forge.id_of(changed(A)))))
    world.leaves("is a delta itself")


@test("a delta that rests on itself cannot be read, and is no damage where nothing needs it")
def base_is_itself(world):
    forge = world.forge()
    forge.pack(delta_frame(A, Row(A, forge.id_of(A))))
    world.leaves("is a delta itself")


@test("pages and lists may be deltas, in packs of trees")
def delta_of_tree(world):
    for type_ in (PAGE, LIST):
        forge = world.forge()
        forge.pack(plain_frame(Row(A, type=type_)), class_=TREE)
        forge.pack(delta_frame(A, Row(changed(A), forge.id_of(A, type_), type_)), class_=TREE)
        world.agrees()
        forge.pack(delta_frame(B, Row(changed(B), forge.id_of(A, type_), type_)), class_=TREE)
        world.refuses("its id is wrong")


@test("a page in a pack of content and data in a pack of trees are refused, deltas or not")
def type_of_class(world):
    for class_, type_ in ((TREE, DATA), (CONTENT, PAGE)):
        for base in (False, True):
            forge = world.forge()
            forge.pack(plain_frame(A))
            row = Row(changed(A), forge.id_of(A) if base else None, type_)
            forge.pack(delta_frame(A, row) if base else plain_frame(row), class_=class_)
            world.refuses("a chunk is wrong")


@test("encodings that do not go with the compression of their frame are refused")
def mixed_encodings(world):
    a = World.forge(world).id_of(A)
    for frame in (delta_frame(A, Row(changed(A), a), Row(B)), delta_frame(A, Row(B), Row(changed(A), a)),
                  delta_frame(b"", Row(A)), plain_frame(Row(B, a)), plain_frame(Row(B, a), compression=0),
                  plain_frame(Row(B, a), Row(A[1:]))):
        forge = world.forge()
        forge.pack(plain_frame(A))
        forge.pack(frame)
        world.refuses("or the other way round")


@test("directories of both forms are read, and packs of one rest on packs of the other")
def forms(world):
    for form in (0, COMPACT):
        for other in (0, COMPACT):
            forge = world.forge()
            rows = forge.pack(plain_frame(A), form=form), forge.pack(delta_frame(A, Row(changed(A), forge.id_of(A))), form=other)
            forge.index_of(*rows)
            world.agrees()


@test("a type and a length that the format does not allow are refused in compact directories too")
def wrong_compact(world):
    for type_ in (0, PAGE):
        forge = world.forge()
        forge.pack(plain_frame(Row(A, type=type_)), form=COMPACT)
        world.refuses("a chunk is wrong")
    forge = world.forge()
    forge.pack((1, compressed(A), [Row(A), Row(b"", size=1)]), form=COMPACT)
    world.refuses("chunks do not fill their frame")


@test("an index that says something else than the pack is refused, in either form")
def other_rows(world):
    for form in (0, COMPACT):
        forge = world.forge()
        pack, class_, size, directory = forge.pack(plain_frame(A), form=form)
        forge.index_of((pack, class_, size, directory.replace(forge.id_of(A)[:16], forge.id_of(B)[:16])))
        world.refuses("an index says something else of it")


@test("an encoding and a compression that the format does not know are refused")
def unknown_values(world):
    forge = world.forge()
    forge.pack(plain_frame(A), delta_frame(A, Row(changed(A), forge.id_of(A), encoding=2)))
    world.refuses("encoding 2 is unknown")
    forge = world.forge()
    forge.pack(plain_frame(A), delta_frame(A, Row(changed(A), forge.id_of(A)), compression=3))
    world.refuses("a frame is wrong")


@test("a frame of deltas that is not one whole zstd frame is refused")
def no_zstd(world):
    for change in (lambda stored: C, lambda stored: stored + b"\0", lambda stored: stored[:-1]):
        forge = world.forge()
        compression, stored, rows = delta_frame(A, Row(changed(A), forge.id_of(A)))
        forge.pack(plain_frame(A))
        forge.pack((compression, change(stored), rows))
        world.refuses("zstd")


@test("a document that claims to be compressed after bases is refused")
def delta_document(world):
    forge = world.forge()
    forge.index(1, bytes(4), compressed(bytes(4)))
    world.agrees()
    forge.index(2, bytes(4), compressed(bytes(4)))
    world.refuses("compression 2 is unknown")


if __name__ == "__main__":
    sys.exit(main(World, sys.argv))
