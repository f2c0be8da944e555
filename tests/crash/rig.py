"""What the crash and damage tests share: the program under test on a repository of its own,
trees to back up, comparisons bit for bit, and the verdicts that are printed.

Every run of the program is held to the same manners, whatever the test is about: a status that
docs/commands/README.md knows, one sentence when it failed, and nothing a user cannot read.
"""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HOLDFAST = os.environ.get("HOLDFAST", "")
# A sweep takes each EVERYth of its cases from FIRST on (as test_every() of tests/support/test.h).
EVERY = int(os.environ.get("TEST_EVERY", "1"))
FIRST = int(os.environ.get("TEST_FIRST", "0")) % EVERY
SHIM = os.environ.get("SHIM") or os.environ.get("BUILD", "") + "/tests/support/shim.so"
NOBODY = 65534
IS_ROOT = os.geteuid() == 0

OK, FAILED, USAGE, INCOMPLETE, NO_REPOSITORY, CONFLICT, WRONG_SECRET, DAMAGED = \
    0, 1, 2, 3, 10, 11, 12, 13
STATUSES = {OK, FAILED, USAGE, INCOMPLETE, NO_REPOSITORY, CONFLICT, WRONG_SECRET, DAMAGED, 130}

# What no user should ever read.
UGLY = re.compile(r"Assertion|assert|Sanitizer|runtime error|core dumped|\(null\)|Traceback|"
                  r"Segmentation|backtrace|\bnan\b|stack smashing")


def sampled(cases):
    return list(cases)[FIRST::EVERY]


class Verdicts:
    """Prints what came of each case, from any thread."""

    def __init__(self):
        self.lock = threading.Lock()
        self.ok_count = self.failed_count = 0
        self.started = time.monotonic()

    def ok(self, sentence):
        with self.lock:
            self.ok_count += 1
            print("ok", sentence, flush=True)

    def failed(self, sentence, why):
        with self.lock:
            self.failed_count += 1
            print(f"FAILED {sentence}: {why}", flush=True)

    def add(self, sentence, complaints):
        """Failed when there are complaints."""
        if complaints:
            self.failed(sentence, "; ".join(complaints[:4]))
        else:
            self.ok(sentence)

    @contextlib.contextmanager
    def case(self, sentence):
        """A list to collect complaints in; what the case did not expect is one too."""
        complaints = []
        try:
            yield complaints
        except Exception as unexpected:  # one broken case must not hide the others
            complaints.append(f"{type(unexpected).__name__}: {unexpected}")
        self.add(sentence, complaints)

    def finish(self):
        """Print the line that the runner counts, and end the program."""
        total = self.ok_count + self.failed_count
        print(f"\nRan {total} tests in {time.monotonic() - self.started:.1f}s\n")
        print(f"FAILED (failures={self.failed_count})" if self.failed_count else "OK", flush=True)
        sys.exit(1 if self.failed_count or not total else 0)


def json_lines(text):
    found = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found


class Result:
    """What one run of the program came to."""

    def __init__(self, argv, status, out, err):
        self.argv = argv
        self.status = status
        self.raw = out
        self.out = out.decode(errors="replace")
        self.err = err.decode(errors="replace")
        self.is_json = "--json" in argv

    def messages(self, kind=None):
        """The objects printed on both streams; those of one message_type."""
        found = [m for m in json_lines(self.out) + json_lines(self.err) if isinstance(m, dict)]
        return [m for m in found if kind is None or m.get("message_type") == kind]

    def array(self):
        return json.loads(self.out)

    def summary(self):
        """The summary, or an empty one."""
        return (self.messages("summary") or [{}])[-1]

    def sentence(self):
        """What the program says it failed of; "" when it does not."""
        if self.is_json:
            return "".join(m.get("message", "") for m in self.messages("exit_error")[-1:])
        lines = [line for line in self.err.splitlines() if line.startswith("holdfast: ")]
        return lines[-1].removeprefix("holdfast: ") if lines else ""

    def complaints(self, *wanted):
        """What is wrong with the manners of this run; wanted: the statuses that would be right."""
        found = []
        if wanted and self.status not in wanted:
            found.append(f"status {self.status} instead of {' or '.join(map(str, wanted))}")
        if self.status not in STATUSES:
            found.append(f"status {self.status} is none of the documented ones")
        if ugly := UGLY.search(self.err):
            found.append(f"standard error holds {ugly[0]!r}")
        if self.status not in (OK, INCOMPLETE):
            found += self.sentence_complaints()
        if self.status == OK and self.sentence():
            found.append("status 0 with a sentence of failure")
        if found:
            found.append(f"of {' '.join(self.argv[1:7])}: {(self.err or self.out)[-400:]!r}")
        return found

    def sentence_complaints(self):
        count = len(self.messages("exit_error")) if self.is_json else \
            len([line for line in self.err.splitlines() if line.startswith("holdfast: ")])
        sentence = self.sentence()
        if count != 1:
            return [f"{count} sentences of failure instead of one"]
        if len(sentence) < 8 or sentence.rstrip() != sentence or ": :" in sentence:
            return [f"the sentence of failure is {sentence!r}"]
        if self.is_json and self.messages("exit_error")[0].get("code") != self.status:
            return ["exit_error names another status"]
        return []


def scratch_parent():
    """Where repositories live: in memory when there is room, since every put is synchronised."""
    with contextlib.suppress(OSError):
        room = os.statvfs("/dev/shm")
        if os.access("/dev/shm", os.W_OK) and room.f_bavail * room.f_frsize > 512 << 20:
            return "/dev/shm"
    return None


@contextlib.contextmanager
def scratch_folder():
    """A folder that goes with the test, open to other users as far as they know its name."""
    folder = tempfile.mkdtemp(prefix="holdfast-crash-", dir=scratch_parent())
    os.chmod(folder, 0o755)
    try:
        yield folder
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", folder], stderr=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)


def shim_plan(**plan):
    """Environment for one plan of the shim: at, errno, sticky, short, kill, call."""
    return {"LD_PRELOAD": SHIM, **{"SHIM_" + k.upper(): str(v) for k, v in plan.items()}}


class Program:
    """The program under test with a repository and what unlocks it."""

    def __init__(self, repository, key_file, binary=None, uid=None):
        self.repository = repository
        self.key_file = key_file
        self.binary = binary or HOLDFAST
        self.uid = uid

    def environment(self, extra=None):
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOLDFAST_REPOSITORY": self.repository,
                "HOLDFAST_KEY_FILE": self.key_file, **(extra or {})}

    def become(self):
        os.setgroups([])
        os.setgid(self.uid)
        os.setuid(self.uid)

    def start(self, *words, extra=None, cwd="/"):
        return subprocess.Popen(
            [self.binary, *words], env=self.environment(extra), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd,
            preexec_fn=None if self.uid is None else self.become)

    @staticmethod
    def collect(child, limit_s=60):
        try:
            out, err = child.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            err += f"\nthe test ended it after {limit_s} s\n".encode()
        return Result(child.args, child.returncode, out, err)

    def run(self, *words, extra=None, limit_s=60, cwd="/"):
        return self.collect(self.start(*words, extra=extra, cwd=cwd), limit_s)

    def json(self, *words, **how):
        return self.run("--json", *words, **how)

    def must(self, *words, statuses=(OK,), **how):
        """Run something that only prepares a case; anything else ends the case."""
        result = self.json(*words, **how)
        if result.status not in statuses:
            raise RuntimeError(f"{' '.join(words)}: status {result.status}: {result.err[-300:]}")
        return result

    def snapshot_ids(self):
        return [s["id"] for s in self.must("snapshots").array()]

    def init(self, *options):
        self.must("init", *options)
        return self


class Noise:
    """Bytes that differ from each other and stay the same from run to run."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def bytes(self, size):
        """Half of the files compress, half do not."""
        if self.random.random() < 0.5:
            return self.random.randbytes(size)
        words = [self.random.randbytes(5).hex().encode() for _ in range(40)]
        text = b" ".join(self.random.choices(words, k=size // 11 + 1))
        return text.ljust(size, b".")[:size]


def path_key(path):
    """A path as JSON shows it when it is UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")


def tree_state(root):
    """What a backup of this folder has to bring back: relative path to what lies there.
    Hard links are told by the first name of the same file."""
    state, first_names = {}, {}

    def look(path, name):
        info = os.lstat(path)
        mode = stat.S_IMODE(info.st_mode)
        owner = (info.st_uid, info.st_gid)
        if stat.S_ISDIR(info.st_mode):
            state[name] = ("directory", mode, owner, info.st_mtime_ns)
            for child in sorted(os.listdir(path)):
                look(path + "/" + child, name + "/" + child if name else child)
        elif stat.S_ISLNK(info.st_mode):
            state[name] = ("symlink", owner, os.readlink(path))
        elif stat.S_ISREG(info.st_mode):
            first = first_names.setdefault((info.st_dev, info.st_ino), name)
            with open(path, "rb") as f:
                state[name] = ("file", mode, owner, info.st_mtime_ns, first, f.read())
        else:
            state[name] = ("special", mode, owner, stat.S_IFMT(info.st_mode))

    look(root, "")
    del state[""]  # the target of a restore keeps its own mode and times
    return state


def describe(entry):
    if entry is None:
        return "nothing"
    if entry[0] == "file":
        return f"file {oct(entry[1])} {entry[2]} {entry[3]} first {entry[4]} of {len(entry[5])} bytes"
    return " ".join(map(str, entry))


def differences(wanted, found):
    """What of two states is not the same, in words."""
    return [f"{name or '/'}: {describe(found.get(name))} instead of {describe(wanted.get(name))}"
            for name in sorted(set(wanted) | set(found)) if wanted.get(name) != found.get(name)]


def restored_state(program, snapshot, source, target):
    """Restore one snapshot of source into target; returns (result, state or None)."""
    shutil.rmtree(target, ignore_errors=True)
    result = program.json("restore", f"{snapshot}:{source}", "--target", target)
    return result, tree_state(target) if os.path.isdir(target) else None


def restore_complaints(program, snapshot, source, target, wanted):
    """What is wrong with a restore that should bring back everything."""
    result, found = restored_state(program, snapshot, source, target)
    complaints = result.complaints(OK)
    if found is None:
        complaints.append(f"restore of {snapshot[:8]} made nothing")
    else:
        complaints += [f"restored {snapshot[:8]}: {line}" for line in differences(wanted, found)[:3]]
    shutil.rmtree(target, ignore_errors=True)
    return complaints


def check_complaints(program, *options):
    """What is wrong with a repository that may hold litter and nothing worse."""
    result = program.json("check", *options)
    found = result.complaints(OK)
    bad = [m for m in result.messages("error") if m.get("kind") != "litter"]
    if bad:
        found.append(f"check tells {bad[0]}")
    if result.status == OK and result.summary().get("num_errors") != 0:
        found.append(f"check says {result.summary()}")
    return found


def objects_of(repository):
    """Keys of the objects of a repository, without what writers left in tmp/."""
    keys = []
    for folder, _, names in os.walk(repository):
        for name in names:
            key = os.path.relpath(os.path.join(folder, name), repository)
            if not key.startswith("tmp/"):
                keys.append(key)
    return sorted(keys)


def signal_name(status):
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name
    return str(status)
