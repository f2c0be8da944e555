"""What the tests of the independent reader share: a folder to work in, holdfast, and the reader.  One line for each test."""

import os
import shutil
import subprocess
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True
from holdfast_format import Refused  # noqa: E402
from holdfast_reader import Repository, faults  # noqa: E402
from tree_manifest import describe, differences  # noqa: E402

READER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "holdfast_reader.py")
tests = []


def test(sentence):
    return lambda function: tests.append((sentence, function)) or function


def check(condition, words):
    if not condition:
        raise AssertionError(words)


class Workplace:
    """A folder that goes with the test, and a key file for all repositories in it."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.key_file = self.at("key")
        self.states = []  # of the sources, one for each backup

    def at(self, name):
        return os.path.join(self.folder, name)

    def run(self, *argv, status=0):
        done = subprocess.run([self.program, *argv, "--key-file", self.key_file, "-q"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        check(done.returncode == status, f"{argv[0]} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def read(self, *argv, secret=None):
        """Run the reader's command line; returns (status, output, errors)."""
        done = subprocess.run([sys.executable, READER, *(secret or ("--key-file", self.key_file)), *argv],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return done.returncode, done.stdout, done.stderr

    def back_up(self, repo, source):
        """The id of the new snapshot."""
        self.states.append(describe(source))
        before = set(os.listdir(os.path.join(repo, "snapshots"))) if os.path.isdir(repo + "/snapshots") else set()
        self.run("backup", "-r", repo, source)
        return (set(os.listdir(os.path.join(repo, "snapshots"))) - before).pop()

    def open(self, repo=None):
        with open(self.key_file, encoding="ascii") as file:
            return Repository(repo or self.repo, key=bytes.fromhex(file.read()))

    def compare(self, state, target, source):
        found = list(differences(state, describe(target + source)))
        check(not found, "\n".join(found[:20]))
        self.remove(target)

    def remove(self, target):
        for folder, _, _ in os.walk(target):
            os.chmod(folder, 0o700)
        shutil.rmtree(target)


def objects(repo):
    """The keys of all objects that a reader has to know, sorted: without parity, of which it needs nothing."""
    keys = sorted(os.path.relpath(os.path.join(folder, name), repo)
                  for folder, _, names in os.walk(repo) for name in names)
    return [key for key in keys if not key.startswith("parity/")]


def refusal(world, repo):
    """Why the reader refuses a repository; None when it reads all of it and finds no fault."""
    try:
        return next(faults(world.open(repo)), None)
    except Refused as reason:
        return str(reason)


def rewrite(path, change):
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(change(data))


def main(workplace, argv):
    program = os.environ.get("HOLDFAST") or (argv[1] if len(argv) > 1 else "holdfast")
    folder = tempfile.mkdtemp(prefix="holdfast-reader-")
    os.environ["HOLDFAST_CACHE_DIR"] = os.path.join(folder, "cache")
    os.umask(0o022)
    bad = 0
    try:
        world = workplace(program, folder)
        for sentence, function in tests:
            try:
                function(world)
                print("ok " + sentence, flush=True)
            except Exception:  # any surprise is a failed test; the next one may still pass
                traceback.print_exc(file=sys.stdout)
                print("FAILED " + sentence, flush=True)
                bad += 1
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", folder], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if bad else 0
