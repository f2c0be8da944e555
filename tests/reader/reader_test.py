#!/usr/bin/python3
"""Does a reader that knows docs/FORMAT.md alone find in a repository what holdfast put there?

Usage: HOLDFAST=PROGRAM reader_test.py, or reader_test.py PROGRAM.  One line for each test.
"""

import os
import random
import shutil
import sys

sys.dont_write_bytecode = True
from holdfast_format import LIST, PAGE, Refused  # noqa: E402
from holdfast_reader import restore, walk  # noqa: E402
from sample_tree import sample_tree  # noqa: E402
from workplace import Workplace, check, main, objects, refusal, rewrite, test  # noqa: E402

PASSWORD = "correct horse \u00e9"


class World(Workplace):
    """A tree, a repository with three snapshots of it of which the last is forgotten, and a small repository."""

    def __init__(self, program, folder):
        super().__init__(program, folder)
        self.source, self.small_source = self.at("source"), self.at("small source")
        self.repo, self.small = self.at("repo"), self.at("small")
        self.password_file = self.at("password")
        sample_tree(self.source)
        sample_tree(self.small_source)
        self.put_large()
        self.run("init", "-r", self.repo)
        self.back_up(self.repo, self.source)
        self.change()
        self.back_up(self.repo, self.source)
        with open(self.at("source/only in the third"), "wb") as file:
            file.write(b"forgotten")
        self.forgotten = self.back_up(self.repo, self.source)
        self.run("forget", "-r", self.repo, self.forgotten)
        self.run("init", "-r", self.small)
        self.back_up(self.small, self.small_source)

    def put_large(self):
        noise = random.Random(2)
        with open(self.at("source/large"), "wb") as file:
            for _ in range(150):
                file.write(noise.randbytes(1 << 20))
        os.mkdir(self.at("source/many"))
        for i in range(10000):
            with open(self.at(f"source/many/file {i}"), "wb") as file:
                file.write(b"%d" % i if i % 3 else b"")

    def change(self):
        os.remove(self.at("source/many/file 77"))
        os.rename(self.at("source/names"), self.at("source/renamed"))
        with open(self.at("source/large"), "r+b") as file:
            file.seek(70 << 20)
            file.write(b"changed in place")
        with open(self.at("source/one byte"), "wb") as file:
            file.write(b"more than one byte now")

    def copy_of_small(self):
        copy = self.at("copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.small, copy)
        return copy


@test("the reader lists the snapshots that are not forgotten")
def lists(world):
    status, output, errors = world.read("-r", world.repo, "snapshots")
    check(status == 0, errors)
    listed = [line.split()[0] for line in output.splitlines()]
    check(len(listed) == 2 and world.forgotten not in listed, output)
    for id_ in listed:
        check(id_ in world.run("snapshots", "-r", world.repo, "--json"), f"holdfast does not list {id_}")


@test("the reader finds no fault in a whole repository")
def finds_no_fault(world):
    status, output, errors = world.read("-r", world.repo, "check")
    check((status, output) == (0, "no faults\n"), output + errors)


@test("the reader restores the latest snapshot as the source was")
def restores_latest(world):
    status, _, errors = world.read("-r", world.repo, "restore", "latest", world.at("out"))
    check(status == 0, errors)
    world.compare(world.states[1], world.at("out"), world.source)


@test("the reader restores the first snapshot as the source was then")
def restores_first(world):
    repository = world.open()
    restore(repository, repository.snapshots()[0], world.at("out"))
    world.compare(world.states[0], world.at("out"), world.source)


@test("holdfast restores the same as the reader")
def holdfast_restores(world):
    world.run("restore", "-r", world.repo, "latest", "--target", world.at("out"), "--numeric-ids")
    world.compare(world.states[1], world.at("out"), world.source)


@test("the reader restores holes as holes")
def restores_holes(world):
    repository = world.open(world.small)
    restore(repository, repository.snapshots()[0], world.at("out"))
    for name in ("sparse", "hole first", "holes only"):
        before = os.stat(world.at(f"small source/{name}")).st_blocks
        after = os.stat(f"{world.at('out')}{world.small_source}/{name}").st_blocks
        check(after <= before + 8, f"{name} takes {after} blocks, {before} in the source")
    world.remove(world.at("out"))


@test("the repository has a directory of several pages and a file with a list of its chunks")
def has_large_things(world):
    repository = world.open()
    snapshot = repository.snapshots()[-1]
    found = {os.path.basename(path): entry for path, entry in walk(repository, bytes.fromhex(snapshot["tree"]))}
    check(repository.page(found[b"many"].tree)[0] == 1, "the large directory has one page")
    check(found[b"large"].flags & 2 and len(repository.content_ids(found[b"large"])) > 256,
          "the large file has no list of its chunks")
    check(repository.places(found[b"many"].tree, PAGE) and repository.places(found[b"large"].content[0], LIST),
          "page or list is not of its type")


@test("the reader refuses to restore a forgotten snapshot")
def refuses_forgotten(world):
    status, _, errors = world.read("-r", world.repo, "restore", world.forgotten, world.at("out"))
    check(status == 1 and "0 snapshots" in errors, errors)


@test("the reader opens with a password and refuses a wrong one")
def opens_with_password(world):
    with open(world.password_file, "w", encoding="utf-8") as file:
        file.write(PASSWORD + "\n")
    repo = world.copy_of_small()
    world.run("key", "add", "-r", repo, "--new-password-file", world.password_file)
    status, output, errors = world.read("-r", repo, "snapshots", secret=("--password-file", world.password_file))
    check(status == 0 and len(output.splitlines()) == 1, errors)
    rewrite(world.password_file, lambda text: text.upper())
    status, _, errors = world.read("-r", repo, "snapshots", secret=("--password-file", world.password_file))
    check(status == 1 and "not the right one" in errors, errors)


@test("the reader refuses a key file of another repository")
def refuses_other_key(world):
    with open(world.at("other key"), "w", encoding="ascii") as file:
        file.write("ab" * 32 + "\n")
    status, _, errors = world.read("-r", world.repo, "snapshots", secret=("--key-file", world.at("other key")))
    check(status == 1 and "not the right one" in errors, errors)


@test("the reader needs no index")
def needs_no_index(world):
    repo = world.copy_of_small()
    shutil.rmtree(repo + "/index")
    check(refusal(world, repo) is None, refusal(world, repo))
    repository = world.open(repo)
    restore(repository, repository.snapshots()[0], world.at("out"))
    world.compare(world.states[3], world.at("out"), world.small_source)


@test("the reader ignores keys it does not know")
def ignores_unknown(world):
    repo = world.copy_of_small()
    for name in ("later", "packs/README", "snapshots/.tmp", "commits/abc", "packs/zz/" + "0" * 64):
        os.makedirs(os.path.dirname(os.path.join(repo, name)), exist_ok=True)
        with open(os.path.join(repo, name), "wb") as file:
            file.write(b"?")
    check(refusal(world, repo) is None, refusal(world, repo))


@test("the reader ignores a snapshot without commit")
def ignores_prepared(world):
    repo = world.copy_of_small()
    shutil.rmtree(repo + "/commits")
    check(world.open(repo).snapshots() == [], "it is listed")


@test("the reader notices each changed byte of each object")
def notices_flips(world):
    repo = world.copy_of_small()
    check(len({key.split("/")[0] for key in objects(repo)}) == 6, f"an unexpected set of objects: {objects(repo)}")
    for key in objects(repo):
        path = os.path.join(repo, key)
        size = os.path.getsize(path)
        step = 1 if size < 1000 else size // 100
        for at in [*range(0, size, step), size - 1]:
            def flip(data, at=at):
                return data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1:]
            rewrite(path, flip)
            check(refusal(world, repo), f"byte {at} of {key} was changed, and nothing said")
            rewrite(path, flip)
    check(refusal(world, repo) is None, "the repository was not put back")


@test("the reader notices cut, lengthened and lost objects")
def notices_lengths(world):
    for key in objects(world.small):
        for change in (lambda data: data[:-1], lambda data: data + b"\0", lambda data: b""):
            repo = world.copy_of_small()
            rewrite(os.path.join(repo, key), change)
            check(refusal(world, repo), f"{key} has another length, and nothing said")
        repo = world.copy_of_small()
        os.remove(os.path.join(repo, key))
        if key.split("/")[0] not in ("index", "commits"):
            check(refusal(world, repo), f"{key} was removed, and nothing said")


@test("the reader notices packs that changed places")
def notices_swaps(world):
    repo = world.copy_of_small()
    packs = [os.path.join(repo, key) for key in objects(repo) if key.startswith("packs/")]
    check(len(packs) >= 2, "there is one pack only")
    os.rename(packs[0], repo + "/x")
    os.rename(packs[1], packs[0])
    os.rename(repo + "/x", packs[1])
    check(refusal(world, repo), "nothing said")


@test("the reader notices an object under another name")
def notices_names(world):
    for key in objects(world.small):
        repo = world.copy_of_small()
        folder, name = os.path.split(os.path.join(repo, key))
        if name == "config":
            continue
        shutil.rmtree(repo + "/index", ignore_errors=not key.startswith("index/"))
        os.makedirs(folder, exist_ok=True)
        shutil.copy(os.path.join(world.small, key), os.path.join(folder, name[:-1] + format(int(name[-1], 16) ^ 1, "x")))
        check(refusal(world, repo) or key.startswith("keys/"), f"a copy of {key} has another name, and nothing said")


@test("the reader notices a commit and a tombstone that are those of another snapshot")
def notices_foreign_marks(world):
    forged = "ab" * 32
    repo = world.copy_of_small()
    real = os.listdir(repo + "/commits")[0]
    os.makedirs(repo + "/trash", exist_ok=True)
    shutil.copy(f"{repo}/commits/{real}", f"{repo}/trash/{real}")
    check(refusal(world, repo), "a commit serves as a tombstone, and nothing said")
    repo = world.copy_of_small()
    os.rename(f"{repo}/commits/{real}", f"{repo}/commits/{forged}")
    check(refusal(world, repo), "a commit is without its snapshot, and nothing said")


if __name__ == "__main__":
    sys.exit(main(World, sys.argv))
