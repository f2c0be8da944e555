#!/usr/bin/python3
"""Bad input: wrong secrets, hostile objects, strange names, targets full of traps.

Whatever comes in from outside, the program answers within a bounded time, with a documented
status and one clear sentence, and touches nothing that it was not told to touch.
"""

import contextlib
import os
import resource
import shutil
import struct
import sys
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TESTS + "/crash")

import rig  # noqa: E402

verdicts = rig.Verdicts()
SLOT_MEMORY, SLOT_PASSES, SLOT_LANES = 56, 60, 64


class World:
    """A sound repository with a key file and one snapshot, to be copied and spoiled."""

    def __init__(self, folder):
        self.folder = folder
        self.source = f"{folder}/source"
        os.makedirs(f"{self.source}/inside/deep")
        for name in ("one", "inside/two", "inside/deep/three"):
            with open(f"{self.source}/{name}", "w") as f:
                f.write(name * 100)
        # With parity damage of config and key slots is no obstacle; tests/repo/parity_test.c has that.
        self.program = rig.Program(f"{folder}/repository", f"{folder}/key").init("--parity", "off")
        self.program.must("backup", self.source)
        self.count = 0

    def fresh(self, name="place"):
        self.count += 1
        place = f"{self.folder}/{name} {self.count}"
        os.mkdir(place)
        return place

    def copy(self):
        place = self.fresh("copy")
        shutil.copytree(self.program.repository, f"{place}/repository")
        return rig.Program(f"{place}/repository", self.program.key_file)


def refusal(complaints, result, *statuses, words=(), hint=None):
    """The run failed as it should, in both languages; words: what the sentence has to name."""
    complaints += result.complaints(*statuses)
    complaints += [f"{word!r} is not in {result.sentence()!r}" for word in words
                   if word not in result.sentence()]
    if hint is True and "hint" not in result.err:
        complaints.append(f"no hint stands in {result.err!r}")


def spoil(program, key, offset, data):
    with open(f"{program.repository}/{key}", "r+b") as f:
        f.seek(offset)
        f.write(data)


def slot_of(program):
    return "keys/" + os.listdir(f"{program.repository}/keys")[0]


# Secrets

def test_wrong_secrets(world):
    wrong = f"{world.folder}/wrong key"
    with open(wrong, "w") as f:
        f.write("5a" * 32 + "\n")
    for words in (["snapshots"], ["--json", "snapshots"], ["backup", world.source],
                  ["restore", "latest", "--target", f"{world.folder}/never"], ["check"], ["prune"]):
        with verdicts.case(f"a wrong key file is status 12: {' '.join(words[:2])}") as complaints:
            result = rig.Program(world.program.repository, wrong).run(*words)
            refusal(complaints, result, rig.WRONG_SECRET, hint=True)
            if os.path.exists(f"{world.folder}/never"):
                complaints.append("a target was made")
    for name, content in {"empty": "", "short": "5a" * 31, "no hex": "zz" * 32, "long": "5a" * 40,
                          "binary": "\0\1\2"}.items():
        with verdicts.case(f"a key file that is none ({name}) is status 2") as complaints:
            path = f"{world.folder}/key {name}"
            with open(path, "w") as f:
                f.write(content)
            refusal(complaints, rig.Program(world.program.repository, path).run("snapshots"), rig.USAGE,
                    words=[path])
    for name, path in {"a missing": f"{world.folder}/no key", "a folder as": world.source}.items():
        with verdicts.case(f"{name} key file is status 2") as complaints:
            refusal(complaints, rig.Program(world.program.repository, path).run("snapshots"), rig.USAGE,
                    words=[path])
    with verdicts.case("without any secret and without a terminal it says so at once") as complaints:
        program = rig.Program(world.program.repository, "")
        refusal(complaints, program.run("snapshots", limit_s=10), rig.USAGE)


def children_seconds():
    """Processor time of the programs that ended so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_wrong_password(world):
    """Argon2id takes its time, but a bounded one, however many slots there are."""
    place = world.fresh()
    for name, text in {"right": "correct horse", "wrong": "battery staple"}.items():
        with open(f"{place}/{name}", "w") as f:
            f.write(text + "\n")
    program = rig.Program(f"{place}/repository", "")
    program.must("--password-file", f"{place}/right", "init", "--parity", "off", limit_s=60)
    with verdicts.case("a wrong password is status 12 within 20 seconds") as complaints:
        started = time.monotonic()
        result = program.run("--password-file", f"{place}/wrong", "snapshots")
        refusal(complaints, result, rig.WRONG_SECRET, hint=True)
        if time.monotonic() - started > 20:
            complaints.append(f"it took {time.monotonic() - started:.0f} s")
    with verdicts.case("the right password opens") as complaints:
        before = children_seconds()
        complaints += program.run("--password-file", f"{place}/right", "snapshots").complaints(rig.OK)
        one_derivation = children_seconds() - before
    hostile = {"memory of 4 TiB": (SLOT_MEMORY, 2**32 - 1), "memory above the limit": (SLOT_MEMORY, 1048577),
               "memory below the limit": (SLOT_MEMORY, 65535), "no memory": (SLOT_MEMORY, 0),
               "2^32 - 1 passes": (SLOT_PASSES, 2**32 - 1), "no passes": (SLOT_PASSES, 0),
               "11 passes": (SLOT_PASSES, 11), "two lanes": (SLOT_LANES, 2),
               "2^32 - 1 lanes": (SLOT_LANES, 2**32 - 1)}
    for what, (offset, value) in hostile.items():
        with verdicts.case(f"a key slot with {what} is refused before anything is computed") as complaints:
            copy = f"{place}/hostile"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(f"{place}/repository", copy)
            spoiled = rig.Program(copy, "")
            spoil(spoiled, slot_of(spoiled), offset, struct.pack("<I", value))
            before = children_seconds()
            result = spoiled.run("--password-file", f"{place}/right", "snapshots")
            refusal(complaints, result, rig.WRONG_SECRET, rig.DAMAGED)
            if children_seconds() - before > one_derivation / 2:
                complaints.append(f"it computed for {children_seconds() - before:.2f} s")


# What is no repository

def test_no_repository(world):
    empty = world.fresh("empty")
    restic = world.fresh("foreign")
    for name in ("data", "index", "keys", "locks", "snapshots"):
        os.mkdir(f"{restic}/{name}")
    with open(f"{restic}/config", "wb") as f:
        f.write(os.urandom(155))
    file = f"{world.folder}/a file"
    with open(file, "w") as f:
        f.write("no repository")
    places = {"an empty folder": (empty, (rig.NO_REPOSITORY,)),
              "a folder full of other things": (world.source, (rig.NO_REPOSITORY,)),
              "a place that is not there": (f"{world.folder}/not there", (rig.NO_REPOSITORY,)),
              "a file in place of a folder": (file, (rig.NO_REPOSITORY, rig.FAILED)),
              "a path below a file": (f"{file}/below", (rig.NO_REPOSITORY, rig.FAILED)),
              "the repository of another program": (restic, (rig.NO_REPOSITORY, rig.WRONG_SECRET, rig.DAMAGED))}
    for what, (place, statuses) in places.items():
        for words in (["snapshots"], ["--json", "check"], ["backup", world.source]):
            with verdicts.case(f"{what} is no repository: {words[-1] if len(words) < 2 else words[0]}") as complaints:
                before = sorted(os.walk(place))
                result = rig.Program(place, world.program.key_file).run(*words)
                refusal(complaints, result, *statuses, words=[place])
                if sorted(os.walk(place)) != before:
                    complaints.append("something was written into it")
    for what, place in {"a folder that is not empty": world.source, "a file": file}.items():
        with verdicts.case(f"init does not take {what}") as complaints:
            before = sorted(os.walk(place))
            refusal(complaints, rig.Program(place, world.program.key_file).run("init"), rig.FAILED,
                    words=[place])
            if sorted(os.walk(place)) != before:
                complaints.append("something was written into it")
    with verdicts.case("init does not touch a repository that is there") as complaints:
        before = rig.objects_of(world.program.repository)
        refusal(complaints, world.program.run("init"), rig.FAILED)
        if rig.objects_of(world.program.repository) != before:
            complaints.append("its objects are not the same")


def test_urls(world):
    urls = ["nowhere:/x", "local:", "s3", "http://example.org/x", "local:local:/x", "::", ":", "\n", "a\x1b[2Jb",
            "%s%n%s", "x" * 5000, "../" * 2000, "\udcff\udcfe", "local:\udcff", "/dev/null", "/proc/self/mem", "~"]
    for url in urls:
        with verdicts.case(f"the repository {url[:20]!r} is refused with a sentence") as complaints:
            for words in (["snapshots"], ["--json", "snapshots"]):
                result = rig.Program(os.fsencode(url), world.program.key_file).run(*words)
                refusal(complaints, result, rig.FAILED, rig.USAGE, rig.NO_REPOSITORY)
                if "\x1b" in result.err:
                    complaints.append("a control character of the URL reaches the terminal")
    with verdicts.case("an empty repository is refused with a sentence") as complaints:
        refusal(complaints, rig.Program("", world.program.key_file).run("snapshots"), rig.USAGE,
                rig.NO_REPOSITORY)


def test_versions(world):
    for what, key, offset in (("config", "config", 8), ("key slot", None, 8)):
        with verdicts.case(f"a {what} of a newer version says that a newer program is needed") as complaints:
            program = world.copy()
            spoil(program, key or slot_of(program), offset, b"\2")
            refusal(complaints, program.run("snapshots"), rig.USAGE, rig.WRONG_SECRET, rig.DAMAGED,
                    words=["newer"])


def test_unreadable(world):
    if not rig.IS_ROOT:
        return
    binary = shutil.copy(rig.HOLDFAST, f"{world.folder}/holdfast")
    os.chmod(binary, 0o755)
    for name in ("packs", "index", "snapshots", "keys", "."):
        with verdicts.case(f"a repository with an unreadable folder {name} is an error that names it") as complaints:
            program = world.copy()
            os.chmod(os.path.dirname(program.repository), 0o755)
            key = shutil.copy(world.program.key_file, os.path.dirname(program.repository) + "/key")
            for at, folders, files in os.walk(program.repository):
                for path in [at, *[f"{at}/{f}" for f in files]]:
                    os.chown(path, rig.NOBODY, rig.NOBODY)
            os.chown(key, rig.NOBODY, rig.NOBODY)
            os.chmod(f"{program.repository}/{name}", 0)
            nobody = rig.Program(program.repository, key, binary, rig.NOBODY)
            for words in (["restore", "latest", "--target", os.path.dirname(program.repository) + "/t"],
                          ["--json", "check"]):
                refusal(complaints, nobody.run(*words), rig.FAILED, rig.WRONG_SECRET,
                        words=["Permission denied"])


# Names and paths

def test_names(world):
    source = world.fresh("names")
    raw = os.fsencode(source)
    names = [b"\xff" * 255, b"a\nb", b"\x1b[31mred", b"\\x41", b"-rf", b" ", b"%s", b"'\"`$(x)", b"*",
             "\u202ename".encode(), b"\xc3\x28", b"x" * 255]
    for name in names:
        with open(raw + b"/" + name, "wb") as f:
            f.write(name)
    with verdicts.case("names of any bytes are backed up and restored") as complaints:
        for words in (["backup", source], ["--json", "--verbose", "backup", "--force", source],
                      ["--verbose", "backup", "--force", source]):
            result = world.program.run(*words)
            complaints += result.complaints(rig.OK)
            if b"\x1b" in result.raw:
                complaints.append(f"{words[0]}: a control character of a name reaches the terminal")
        complaints += rig.restore_complaints(world.program, "latest", source, f"{source} target",
                                             rig.tree_state(source))
    with verdicts.case("ls and find show such names without control characters") as complaints:
        for words in (["ls", "latest"], ["find", "*"], ["--json", "ls", "latest"], ["--json", "find", "*"]):
            result = world.program.run(*words)
            complaints += result.complaints(rig.OK)
            if b"\x1b" in result.raw:
                complaints.append(f"{words}: a control character reaches the terminal")


def deep_path(place, levels, name):
    """Make a path longer than any system call takes, from inside."""
    here = os.getcwd()
    os.chdir(place)
    try:
        for _ in range(levels):
            os.mkdir(name)
            os.chdir(name)
        with open("bottom", "w") as f:
            f.write("far down")
    finally:
        os.chdir(here)


def read_deep(place, levels, name):
    folder = os.open(place, os.O_RDONLY)
    for _ in range(levels):
        below = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    with open(os.open("bottom", os.O_RDONLY, dir_fd=folder)) as f:
        text = f.read()
    os.close(folder)
    return text


def test_deep_path(world):
    levels, name = 40, "n" * 200  # 8040 bytes, PATH_MAX is 4096
    source = world.fresh("deep")
    deep_path(source, levels, name)
    with verdicts.case("a path beyond PATH_MAX is backed up and restored") as complaints:
        complaints += world.program.json("backup", source).complaints(rig.OK)
        target = world.fresh("deep target")
        result = world.program.json("restore", f"latest:{source}", "--target", target)
        complaints += result.complaints(rig.OK)
        if read_deep(target, levels, name) != "far down":
            complaints.append("the file at the bottom is not the same")
        complaints += world.program.json("check", "--read-data").complaints(rig.OK)
        complaints += world.program.json("restore", f"latest:{source}", "--target", target,
                                         "--delete").complaints(rig.OK)
    with verdicts.case("a path on the command line beyond PATH_MAX works") as complaints:
        bottom = source + ("/" + name) * levels
        complaints += world.program.json("backup", bottom).complaints(rig.OK)
        target = world.fresh("bottom")
        complaints += world.program.json("restore", f"latest:{bottom}", "--target", target).complaints(rig.OK)
        if os.listdir(target) != ["bottom"]:
            complaints.append(f"the target holds {os.listdir(target)}")


# Targets

def outside_complaints(outside, before):
    return [f"outside of the target: {line}" for line in rig.differences(before, rig.tree_state(outside))]


def test_planted_links(world):
    """Somebody who may write into the target plants links; nothing behind them changes."""
    plants = {"a folder of the target": "inside", "a deeper folder": "inside/deep",
              "a file of the target": "one", "a file in a folder": "inside/two"}
    for what, name in plants.items():
        for delete in ([], ["--delete"]):
            sentence = f"a link out of the target in place of {what} is not followed {' '.join(delete)}"
            with verdicts.case(sentence.strip()) as complaints:
                outside, target = world.fresh("outside"), world.fresh("target")
                os.mkdir(f"{outside}/deep")
                for file in ("two", "deep/three", "keep"):
                    with open(f"{outside}/{file}", "w") as f:
                        f.write("mine")
                before = rig.tree_state(outside)
                os.makedirs(os.path.dirname(f"{target}/{name}"), exist_ok=True)
                os.symlink(f"{outside}/two" if name in ("one", "inside/two") else outside, f"{target}/{name}")
                result = world.program.json("restore", f"latest:{world.source}", "--target", target, *delete)
                complaints += result.complaints(rig.OK, rig.FAILED)
                complaints += outside_complaints(outside, before)
                if result.status == rig.OK:
                    complaints += rig.differences(rig.tree_state(world.source), rig.tree_state(target))
    with verdicts.case("links of the snapshot itself lead nobody out of the target") as complaints:
        outside, source = world.fresh("outside"), world.fresh("links")
        os.symlink(outside, f"{source}/way")
        os.symlink("../../../../../../../../etc", f"{source}/up")
        program = world.copy()
        program.must("backup", source)
        os.remove(f"{source}/way")
        os.mkdir(f"{source}/way")
        with open(f"{source}/way/file", "w") as f:
            f.write("below")
        program.must("backup", source)
        first, second = [s["id"] for s in program.must("snapshots", "--path", source).array()]
        target = world.fresh("target")
        program.must("restore", f"{first}:{source}", "--target", target)
        program.must("restore", f"{second}:{source}", "--target", target)
        complaints += outside_complaints(outside, {})
        complaints += rig.differences(rig.tree_state(source), rig.tree_state(target))


def test_targets(world):
    file = f"{world.folder}/plain file"
    with open(file, "w") as f:
        f.write("precious")
    for what, target in {"a file": file, "a path below a file": f"{file}/below",
                         "a device": "/dev/null", "an empty name": "",
                         "a name of 300 bytes": f"{world.folder}/{'t' * 300}"}.items():
        with verdicts.case(f"{what} is no target") as complaints:
            for words in (["restore"], ["--json", "restore"]):
                result = world.program.run(*words, f"latest:{world.source}", "--target", target)
                refusal(complaints, result, rig.FAILED, rig.USAGE)
            with open(file) as f:
                if f.read() != "precious":
                    complaints.append("the file was written over")
    for selector, status in {"latest:/not/there": rig.FAILED, "0000000000": rig.FAILED, "la": rig.USAGE,
                             "": rig.USAGE, "zzzzzzzz": rig.USAGE, "latest:../../etc": rig.FAILED,
                             "f" * 65: rig.USAGE, ":": rig.USAGE}.items():
        with verdicts.case(f"the snapshot {selector[:20]!r} is refused with a sentence") as complaints:
            target = f"{world.folder}/unmade"
            result = world.program.run("restore", selector, "--target", target)
            refusal(complaints, result, status, rig.FAILED)
            if os.path.exists(target):
                complaints.append("a target was made")
                shutil.rmtree(target)
    with verdicts.case("a target that cannot be written is status 1 and names what is missing") as complaints:
        with contextlib.ExitStack() as stack:
            place = world.fresh("closed")
            os.mkdir(f"{place}/target")
            binary = shutil.copy(rig.HOLDFAST, f"{place}/holdfast")
            os.chmod(binary, 0o755)
            key = shutil.copy(world.program.key_file, f"{place}/key")
            os.chmod(key, 0o644)
            os.chmod(f"{place}/target", 0o555)
            stack.callback(os.chmod, f"{place}/target", 0o755)
            user = rig.Program(open_copy(world), key, binary, rig.NOBODY if rig.IS_ROOT else None)
            result = user.json("restore", f"latest:{world.source}", "--target", f"{place}/target")
            refusal(complaints, result, rig.FAILED)
            if "Permission denied" not in result.err:
                complaints.append(f"standard error is {result.err[-300:]!r}")


def open_copy(world):
    """A copy of the repository that everybody may read."""
    program = world.copy()
    for at, _, files in os.walk(program.repository):
        os.chmod(at, 0o755)
        for name in files:
            os.chmod(f"{at}/{name}", 0o644)
    return program.repository


def test_command_line(world):
    lines = [["nonsense"], ["backup"], ["backup", "--pack-size", "0", "/x"], ["backup", "--pack-size", "99G", "/x"],
             ["restore"], ["restore", "latest"], ["--no-such-option"], ["forget"], ["forget", "--keep-last", "-1"],
             ["forget", "--keep-last", "99999999999999999999"], ["check", "--read-data-subset", "0/5"],
             ["check", "--read-data-subset", "101%"], ["key", "remove"], ["key", "remove", "nothing"],
             ["tag", "--add", "x", "zzzz"], ["backup", "--time", "yesterday", "/x"], ["inspect", "packs/00"],
             ["inspect", "../../etc/passwd"], ["snapshots", "--group-by", "moon"], ["key", "add", "--new-key-file"],
             ["dump", "latest", "/not/there"], ["find"], ["diff", "latest"], ["stats", "--mode"]]
    for words in lines:
        with verdicts.case(f"{' '.join(words)[:60]} is refused with a sentence") as complaints:
            for form in (words, ["--json", *words]):
                refusal(complaints, world.program.run(*form), rig.FAILED, rig.USAGE)


def main():
    with rig.scratch_folder() as folder:
        world = World(folder)
        tests = [test_wrong_secrets, test_wrong_password, test_no_repository, test_urls, test_versions,
                 test_unreadable, test_targets, test_planted_links, test_names, test_deep_path, test_command_line]
        for test in tests:
            try:
                test(world)
            except Exception as unexpected:
                verdicts.failed(test.__name__, f"{type(unexpected).__name__}: {unexpected}")
        with verdicts.case("after all that the repository is sound") as complaints:
            complaints += rig.check_complaints(world.program, "--read-data")
    verdicts.finish()


if __name__ == "__main__":
    sys.exit(main())
