"""A repository on the gateway with a source that changes, and all that is known of it.

Two programs work on it: one through a proxy where things go wrong, one directly, which tells the
truth. Built on tests/crash/rig.py, whose manners every run is held to.
"""

import os
import random
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE) + "/crash"]

import gateway  # noqa: E402
import rig  # noqa: E402

# A store is given up on after seconds, not after the minute that is usual.
HASTE = os.environ.get("STORES_HASTE", "-o s3.patience=2 -o s3.timeout=2").split()


class Program(rig.Program):
    """The program under test on a repository of the gateway."""

    def __init__(self, repository, key_file, cache, words=()):
        super().__init__(repository, key_file)
        self.cache = cache
        self.words = list(words)

    def environment(self, extra=None):
        # No lines of progress: thousands of runs print them to nobody.
        return super().environment({**gateway.KEYS, "HOLDFAST_CACHE_DIR": self.cache,
                                    "HOLDFAST_PROGRESS_FPS": "1", **(extra or {})})

    def start(self, *words, **how):
        return super().start(*self.words, *words, **how)


class Source:
    """A dozen files that change between rounds, always in the same way."""

    def __init__(self, folder, seed):
        self.folder = folder
        self.noise = rig.Noise(seed)
        self.random = random.Random(f"source {seed}")
        self.made = 0
        os.makedirs(folder + "/a/b")
        os.makedirs(folder + "/c")
        for _ in range(10):
            self.add()
        self.write("c/large", self.noise.random.randbytes(200_000))
        os.symlink("../c/large", folder + "/a/link")

    def write(self, name, content):
        with open(f"{self.folder}/{name}", "wb") as out:
            out.write(content)

    def add(self):
        self.made += 1
        place = self.random.choice(("a", "a/b", "c"))
        self.write(f"{place}/file{self.made}", self.noise.bytes(self.random.choice((0, 9, 900, 9_000, 60_000))))

    def mutate(self):
        files = sorted(os.path.join(at, name) for at, _, names in os.walk(self.folder)
                       for name in names if name.startswith("file"))
        for path in self.random.sample(files, 3):
            os.remove(path)
        for _ in range(3):
            self.add()
        with open(self.folder + "/c/large", "r+b") as out:
            out.seek(self.random.randrange(150_000))
            out.write(self.noise.random.randbytes(20_000))


class World:
    """One repository; faulty reaches it through a proxy, direct does not."""

    made_lock = threading.Lock()

    def __init__(self, folder, bucket, name, seed, proxy=None):
        self.folder = f"{folder}/{name}"
        self.name = name
        os.mkdir(self.folder)
        self.random = random.Random(f"world {seed}")
        self.source = Source(self.folder + "/source", seed)
        self.states = {}  # id of each committed snapshot: what it has to bring back
        self.proxy = proxy
        self.direct = self.program(gateway.URL, bucket, name, "direct")
        self.faulty = self.program(proxy.url, bucket, name, "faulty", HASTE) if proxy else None

    def program(self, url, bucket, prefix, cache, words=()):
        return Program(f"s3:{url}/{bucket}/{prefix}", self.folder + "/key", f"{self.folder}/{cache}", words)

    def state_now(self):
        return rig.tree_state(self.source.folder)

    def settle(self, targets=(), new_states=()):
        """Compare the listing with what is known.  targets: what a command was to forget;
        new_states: what new snapshots may hold.  Returns (complaints, ids of new snapshots)."""
        result = self.direct.json("snapshots")
        complaints = result.complaints(rig.OK)
        if complaints:
            return complaints, []
        listed = [s["id"] for s in result.array()]
        complaints += [f"snapshot {i[:8]} was committed and is not listed"
                       for i in self.states if i not in listed and i not in targets]
        new = [i for i in listed if i not in self.states]
        if len(new) > len(new_states):
            return complaints + [f"{len(new)} new snapshots instead of at most {len(new_states)}"], []
        self.states = {i: s for i, s in self.states.items() if i in listed}
        return complaints, new

    def restore(self, ids):
        complaints = []
        for i in ids:
            complaints += rig.restore_complaints(self.direct, i, self.source.folder,
                                                 self.folder + "/target", self.states[i])
        return complaints

    def backup(self, program=None):
        """A backup that nobody disturbs."""
        self.source.mutate()
        state = self.state_now()
        result = (program or self.direct).json("backup", self.source.folder)
        complaints = result.complaints(rig.OK)
        if result.status == rig.OK:
            self.states[result.summary()["snapshot_id"]] = state
        return complaints

    def look_at_everything(self):
        return rig.check_complaints(self.direct, "--read-data") + self.restore(list(self.states))


class BucketTest(unittest.TestCase):
    """Tests that share a folder and a bucket, which go with the last of them."""

    name = "test"  # what the bucket's begins with

    @classmethod
    def setUpClass(cls):
        gateway.need()
        cls.folder = cls.enterClassContext(rig.scratch_folder())
        cls.bucket = gateway.new_bucket(cls.name)
        cls.addClassCleanup(gateway.remove_all, cls.bucket)


class RepositoryTest(BucketTest):
    """Besides them, a source and a repository with one snapshot of it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.source = Source(cls.folder + "/source", 11)
        cls.program = cls.at("main")
        cls.program.must("init")
        cls.program.must("backup", cls.source.folder)

    @classmethod
    def at(cls, prefix, *words, url=None):
        return Program(f"s3:{url or gateway.URL}/{cls.bucket}/{prefix}", cls.folder + "/key",
                       f"{cls.folder}/cache {prefix}", words)
