#!/usr/bin/python3
"""Kill the program with SIGKILL, hundreds of times, and lose nothing.

Two places work side by side, each on one repository that lives through all of its kills. The
sweep kills each command at its first write-like call, its second, and so on until it survives
(tests/support/shim.c counts them); between kills the world moves on, so a later sweep meets
other states. The dice kill at a moment drawn from the time the command needs, also while another
command works on the same repository. After each kill everything that was ever committed and not
forgotten must be listed, the repository must check as sound, and the next backup must succeed;
what is new is restored at once, the rest in turns.
"""

import os
import random
import shutil
import sys
import threading
import time

import rig

SEED = int(os.environ.get("CRASH_SEED", "20"))
LEAST_KILLS = 300  # in all, also where the sweep takes a sample of the calls
SWEEP_KILLS, DICE_KILLS = (600, 200) if rig.EVERY == 1 else (180, 130)
KEPT = 5  # snapshots kept alive in each repository
EXPENSIVE_EVERY = 20  # kills between looks at everything
TIDY_EVERY = 8  # kills of a sweep between prunes that nobody disturbs

verdicts = rig.Verdicts()


class Processes:
    """At most two at once in the whole test, and a pair only when both places are free."""

    def __init__(self):
        self.places = threading.Semaphore(2)
        self.pair_lock = threading.Lock()

    def take(self, count):
        with self.pair_lock:  # a pair that holds one place must not wait for another pair
            for _ in range(count):
                self.places.acquire()

    def give(self, count):
        for _ in range(count):
            self.places.release()


processes = Processes()


class Source:
    """A folder of some sixty files that changes between rounds, always in the same way."""

    def __init__(self, folder, seed):
        self.folder = folder
        self.random = random.Random(seed)
        self.noise = rig.Noise(seed)
        self.made = 0
        os.mkdir(folder)
        for name in ("a", "a/deep", "b", "c"):
            os.mkdir(f"{folder}/{name}")
        for _ in range(56):
            self.add()
        self.write("b/large", self.noise.random.randbytes(900_000))
        self.write("c/text", b"a line that compresses\n" * 40_000)
        os.symlink("../a", f"{folder}/b/link")
        os.link(f"{folder}/b/large", f"{folder}/c/large too")

    def write(self, name, content):
        with open(f"{self.folder}/{name}", "wb") as f:
            f.write(content)

    def files(self):
        return [os.path.join(at, name) for at, _, names in os.walk(self.folder) for name in sorted(names)
                if not os.path.islink(os.path.join(at, name))]

    def add(self):
        self.made += 1
        folder = self.random.choice(("a", "a/deep", "b", "c"))
        size = self.random.choice((0, 1, 700, 5_000, 30_000))
        self.write(f"{folder}/file {self.made}", self.noise.bytes(size))

    def mutate(self):
        """A few changes of every kind; the number of files stays about the same."""
        for path in self.random.sample(self.files(), 4):
            with open(path, "r+b") as f:
                f.seek(self.random.randrange(max(1, os.path.getsize(path))))
                f.write(self.noise.bytes(self.random.choice((3, 900))))
        victim = self.random.choice([p for p in self.files() if "large" not in p and "text" not in p])
        os.remove(victim)
        self.add()
        os.chmod(self.random.choice(self.files()), self.random.choice((0o600, 0o644, 0o755)))
        mover = self.random.choice([p for p in self.files() if "file " in p])
        self.made += 1
        os.rename(mover, f"{self.folder}/c/file {self.made}")


class World:
    """One repository, its source, and what is known of it."""

    def __init__(self, folder, name, seed):
        os.mkdir(f"{folder}/{name}")
        self.name = name
        self.folder = f"{folder}/{name}"
        self.random = random.Random(seed)
        self.source = Source(f"{self.folder}/source", seed)
        self.program = rig.Program(f"{self.folder}/repository", f"{self.folder}/key 0").init()
        self.keys = [self.program.key_file]
        self.states = {}  # id of each listed snapshot: what it has to bring back
        self.forgotten = {}  # id of each forgotten snapshot: the same
        self.first_of = {}  # id of a snapshot made by tag: what its first ancestor was
        self.kills = self.survived = self.conflicts = self.restores = 0
        self.turn = 0

    def run(self, *words, **how):
        processes.take(1)
        try:
            return self.program.json(*words, **how)
        finally:
            processes.give(1)

    def state_now(self):
        return rig.tree_state(self.source.folder)

    # What follows one kill

    def settle(self, targets=(), new_state=None, originals=(), recalled=()):
        """Compare the listing with what is known.  targets: snapshots that the command was to
        forget; new_state: what a new snapshot may hold; originals: those that a tag replaces;
        recalled: forgotten ones that may be back.
        Returns (complaints, ids of new snapshots)."""
        result = self.run("snapshots")
        complaints = result.complaints(rig.OK)
        if complaints:
            return complaints, []
        listed = {s["id"]: s for s in result.array()}
        for lost in set(self.states) - set(listed) - set(targets) - set(originals):
            complaints.append(f"snapshot {lost[:8]} was committed and is not listed")
        new = [i for i in listed if i not in self.states]
        for original in originals:
            first = self.first_of.get(original, original)  # a successor names the first of all
            heirs = [i for i in new if listed[i].get("original") == first]
            if original not in listed and not heirs:
                complaints.append(f"snapshot {original[:8]} is gone and has no successor")
            for heir in heirs:
                self.states[heir] = self.states[original]
                self.first_of[heir] = first
        for i in set(new) & set(recalled):
            self.states[i] = self.forgotten.pop(i)
        for i in new:
            if i not in self.states and new_state is None:
                return complaints + [f"snapshot {i[:8]} comes from nowhere"], []
            self.states.setdefault(i, new_state)
        if len(new) > 1 + len(originals):
            complaints.append(f"{len(new)} new snapshots of one command")
        for gone in set(self.states) - set(listed):
            self.forgotten[gone] = self.states.pop(gone)
        return complaints, new

    def restore(self, ids):
        complaints = []
        for i in ids:
            self.restores += 1
            processes.take(1)
            try:
                complaints += rig.restore_complaints(self.program, i, self.source.folder,
                                                     f"{self.folder}/target", self.states[i])
            finally:
                processes.give(1)
        return complaints

    def check(self, *options):
        processes.take(1)
        try:
            return rig.check_complaints(self.program, *options)
        finally:
            processes.give(1)

    def backup(self):
        """A backup that nobody disturbs."""
        self.source.mutate()
        state = self.state_now()
        result = self.run("backup", "--pack-size", "1M", self.source.folder)
        complaints = result.complaints(rig.OK)
        if result.status == rig.OK:
            self.states[result.summary()["snapshot_id"]] = state
        return complaints

    def look_at_everything(self):
        return self.check("--read-data") + self.restore(list(self.states))

    def after(self, **settling):
        """All that must hold after a command ended, whichever way."""
        complaints, new = self.settle(**settling)
        complaints += self.restore([i for i in new if i in self.states])
        complaints += self.check()
        self.turn += 1
        if self.turn % EXPENSIVE_EVERY == 0:
            complaints += self.look_at_everything()
        elif self.turn % 3 == 0 and self.states:
            complaints += self.restore([self.random.choice(list(self.states))])
        if self.random.random() < 0.5:
            complaints += self.backup()
        return complaints

    def is_collecting(self):
        """Whether a prune that died has left a list of what it was about to remove."""
        return any(k.startswith("condemned/") for k in rig.objects_of(self.program.repository))

    def age(self):
        """Let two days pass: a prune leaves packs alone that a backup may be writing."""
        for key in rig.objects_of(self.program.repository):
            path = f"{self.program.repository}/{key}"
            os.utime(path, (time.time() - 2 * 86_400,) * 2)

    def trim(self):
        """Forget the oldest snapshots, so that prunes find something to remove."""
        surplus = list(self.states)[:-KEPT]
        if surplus:
            self.run("forget", *surplus)
            for i in surplus:
                self.forgotten[i] = self.states.pop(i)

    def tidy(self):
        """Remove what those who were killed left: a prune that has to remove more of it than a sweep
        comes forward with each kill would never survive its sweep."""
        self.age()
        return self.run("prune").complaints(rig.OK)

    def rekey(self):
        """Clean up after kills of key commands: one key file opens, others are removed."""
        complaints = []
        works = [k for k in self.keys if os.path.exists(k) and
                 rig.Program(self.program.repository, k).json("key", "list").status == rig.OK]
        if not works:
            raise RuntimeError("no key file opens the repository any more")
        self.program.key_file = works[-1]
        slots = self.run("key", "list").array()
        for slot in slots:
            if not slot["current"]:
                complaints += self.run("key", "remove", slot["id"]).complaints(rig.OK)
        for key in self.keys:
            if key != self.program.key_file and os.path.exists(key):
                os.remove(key)
        self.keys = [self.program.key_file]
        return complaints


# The commands that are killed: words, and what settle() may find afterwards

def plan_backup(world):
    world.source.mutate()
    words = ["backup", "--pack-size", "1M", world.source.folder]
    if world.random.random() < 0.3:
        words.insert(1, "--force")
    return words, {"new_state": world.state_now()}


def plan_forget_prune(world):
    target = world.random.choice(list(world.states)[:-1])
    return ["forget", target, "--prune"], {"targets": [target]}


def plan_prune(world):
    world.trim()
    return ["prune", "--max-unused", world.random.choice(("0%", "50%"))], {}


def plan_recompress(world):
    return ["prune", world.random.choice(("--recompress=19", "--recompress=12"))], {}


def plan_key_add(world):
    world.keys.append(f"{world.folder}/key {len(world.keys)} {world.turn}")
    return ["key", "add", "--new-key-file", world.keys[-1]], {}


def plan_key_remove(world):
    spare = f"{world.folder}/key spare {world.turn}"
    world.run("key", "add", "--new-key-file", spare)
    victim = [s for s in world.run("key", "list").array() if not s["current"]][0]
    return ["key", "remove", victim["id"]], {}


def plan_key_passwd(world):
    world.keys.append(f"{world.folder}/key {len(world.keys)} {world.turn}")
    return ["key", "passwd", "--new-key-file", world.keys[-1]], {}


def plan_key_rotate(world):
    world.keys.append(f"{world.folder}/key {len(world.keys)} {world.turn}")
    return ["key", "rotate", "--yes", "--drop-others", "--new-key-file", world.keys[-1]], {}


def plan_key_reencrypt(world):
    """With something of a past epoch to pack again."""
    world.run("key", "rotate", "--yes", "--drop-others")
    return ["key", "reencrypt"], {}


def plan_tag(world):
    target = world.random.choice(list(world.states))
    return ["tag", "--add", f"t{world.turn}", target], {"originals": [target]}


def plan_undo(world):
    """Bring back the last one that was forgotten; when it was pruned meanwhile, a fresh one."""
    standing = {s["id"] for s in world.run("snapshots", "--all").array() if s["state"] == "forgotten"}
    chosen = [i for i in world.forgotten if i in standing]
    if not chosen:
        chosen = [list(world.states)[0]]
        world.run("forget", *chosen)
        world.forgotten[chosen[0]] = world.states.pop(chosen[0])
    return ["forget", "--undo", chosen[-1]], {"recalled": [chosen[-1]]}


def plan_repair_index(_world):
    return ["repair", "index"], {}


PLANS = {"backup": plan_backup, "forget --prune": plan_forget_prune, "prune": plan_prune, "prune --recompress": plan_recompress,
         "key add": plan_key_add, "key remove": plan_key_remove, "key passwd": plan_key_passwd,
         "key rotate": plan_key_rotate, "key reencrypt": plan_key_reencrypt,
         "tag": plan_tag, "forget --undo": plan_undo, "repair index": plan_repair_index}


def prepare(world, name):
    """What a command needs to have work to do."""
    while len(world.states) < 3:
        if complaints := world.backup():
            raise RuntimeError(complaints[0])
    return PLANS[name](world)


def finish(world, name, settling, result, sentence):
    """Count the kill and check the world after it."""
    with verdicts.case(sentence) as complaints:
        if result.status == -9:
            world.kills += 1
        elif name in ("tag", "forget --undo") and result.status == rig.CONFLICT and world.is_collecting():
            world.conflicts += 1
            complaints += world.run("prune").complaints(rig.OK)  # the remedy that is told
            if name == "tag":
                complaints += world.run(*result.argv[2:]).complaints(rig.OK)
        else:
            world.survived += 1
            complaints += result.complaints(rig.OK)
        if name.startswith("key"):
            complaints += world.rekey()
        complaints += world.after(**settling)
        world.trim()
    return not complaints


def sweep(world):
    """Kill each command at its n-th call, for every n, again and again."""
    while world.kills < SWEEP_KILLS:
        for name in PLANS:
            n = 1 + rig.FIRST - rig.EVERY
            while world.kills < SWEEP_KILLS + 40:
                n += rig.EVERY
                words, settling = prepare(world, name)
                result = world.run(*words, extra=rig.shim_plan(kill=n))
                way = "survives" if result.status == 0 else "is killed at"
                if not finish(world, name, settling, result, f"{world.name}: {name} {way} call {n}"):
                    return
                if result.status != -9:
                    break
                if world.kills % TIDY_EVERY == 0:
                    with verdicts.case(f"{world.name}: a prune behind {world.kills} kills ends well") as complaints:
                        complaints += world.tidy()


def kill_later(world, words, delay):
    """Run a command and kill it after delay seconds, if it still runs."""
    child = world.program.start("--json", *words)
    time.sleep(delay)
    child.kill()
    return world.program.collect(child)


def measure(world):
    """Seconds that each command takes when nobody kills it."""
    durations = {}
    for name in PLANS:
        words, settling = prepare(world, name)
        started = time.monotonic()
        result = world.run(*words)
        durations[name] = time.monotonic() - started
        with verdicts.case(f"{world.name}: {name} works when nothing happens") as complaints:
            complaints += result.complaints(rig.OK)
            if name.startswith("key"):
                complaints += world.rekey()
            complaints += world.after(**settling)
    return durations


DICE = ["backup"] * 7 + ["forget --prune"] * 3 + ["prune"] * 4 + ["prune --recompress"] * 2 + ["tag", "forget --undo"] * 2 + \
    ["key add", "key remove", "key passwd", "repair index"] + ["key rotate", "key reencrypt"] * 2


def roll(world, durations):
    """Kill a command at a random moment."""
    name = world.random.choice(DICE)
    words, settling = prepare(world, name)
    moment = world.random.uniform(0, durations[name])
    processes.take(1)
    try:
        result = kill_later(world, words, moment)
    finally:
        processes.give(1)
    return finish(world, name, settling, result,
                  f"{world.name}: {name} after {1000 * moment:.1f} ms")


def roll_pair(world, durations):
    """Kill one of a backup and a prune that run at the same time; the other has to cope."""
    world.trim()
    prepare(world, "tag")  # some snapshots to have
    backup, settling = PLANS["backup"](world)
    prune = ["prune", "--max-unused", "0%"]
    victim, other = world.random.sample([backup, prune], 2)
    moment = world.random.uniform(0, max(durations["backup"], durations["prune"]))
    processes.take(2)
    try:
        living = world.program.start("--json", *other)
        result = kill_later(world, victim, moment)
        survivor = world.program.collect(living)
    finally:
        processes.give(2)
    sentence = f"{world.name}: {victim[0]} after {1000 * moment:.1f} ms beside a {other[0]}"
    if survivor.status == rig.CONFLICT:
        world.conflicts += 1
    elif survivor.status != rig.OK:
        verdicts.failed(sentence, "; ".join(survivor.complaints(rig.OK, rig.CONFLICT)))
        return False
    if other is backup and survivor.status == rig.OK:
        world.states[survivor.summary()["snapshot_id"]] = settling.pop("new_state")
    return finish(world, "pair", settling, result, sentence)


def dice(world):
    durations = measure(world)
    while world.kills < DICE_KILLS:
        pair = world.random.random() < 0.3
        if not (roll_pair if pair else roll)(world, durations):
            return


def end(world):
    """The last word: everything, before and after a prune."""
    with verdicts.case(f"{world.name}: all is whole at the end, before and after a prune") as complaints:
        complaints += world.look_at_everything()
        world.age()
        complaints += world.run("prune", "--max-unused", "0%").complaints(rig.OK)
        complaints += world.look_at_everything()
        left = [k for k in rig.objects_of(world.program.repository)
                if k.startswith(("condemned/", "trash/"))]
        if left:
            complaints.append(f"a prune that ends well leaves {left[0]}")
        # Nobody can know that the writer of an unfinished snapshot is dead, so it stays a root.
        unfinished = len(world.run("snapshots", "--all").array()) - len(world.states)
        litter = [m for m in world.run("check").messages("error") if m["kind"] == "litter"]
        other = [m for m in litter if not m["object"].startswith("snapshots/")]
        if other or len(litter) != unfinished:
            complaints.append(f"a prune that ends well leaves {len(litter)} pieces of litter, "
                              f"{unfinished} of them unfinished snapshots: {other[:3]}")


def work(world, way):
    try:
        way(world)
        end(world)
    except Exception as unexpected:
        verdicts.failed(world.name, f"{type(unexpected).__name__}: {unexpected}")
        keep = os.environ.get("CRASH_KEEP")
        if keep:
            shutil.copytree(world.folder, f"{keep}/{world.name}", symlinks=True, dirs_exist_ok=True)


def main():
    with rig.scratch_folder() as folder:
        worlds = [World(folder, "sweep", SEED), World(folder, "dice", SEED + 1)]
        threads = [threading.Thread(target=work, args=pair) for pair in zip(worlds, (sweep, dice))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kills = sum(w.kills for w in worlds)
        print(f"{kills} kills, {sum(w.survived for w in worlds)} runs that ended before, "
              f"{sum(w.restores for w in worlds)} restores compared, "
              f"{sum(w.conflicts for w in worlds)} conflicts told")
        if kills < LEAST_KILLS:
            verdicts.failed(f"at least {LEAST_KILLS} kills", f"there were {kills}")
    verdicts.finish()


if __name__ == "__main__":
    sys.exit(main())
