#!/usr/bin/python3
"""A thousand schedules of faults between the program and its store, and no lie.

A schedule is one command, or two at once, through a proxy whose plan is drawn from a seed: lost
and slow and wrong answers, broken connections, refusals, outages for ever. After each one the
repository is looked at directly. What was committed must be listed and restore; what was reported
as done must be done; and everything must end within a bound, with a status that makes sense.

SCHEDULES says how many (1000), SCHEDULE_SEED where to start (4); a world is 20 schedules on one
repository, and SCHEDULE_WORLD runs a single one again.
"""

import os
import random
import shutil
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from worlds import World, gateway, rig  # noqa: E402

SCHEDULES = int(os.environ.get("SCHEDULES", "1000"))
SEED = int(os.environ.get("SCHEDULE_SEED", "4"))
ONLY = os.environ.get("SCHEDULE_WORLD")
IN_A_WORLD = 20
WORKERS = 8  # more than processors: much of the time is waited
ENDS_WITHIN_S = 90

# Members that a list holds are chosen among; lists of two numbers are a range (fault_plan.py).
MISCHIEF = [
    {"fault": "drop"}, {"fault": "drop"}, {"fault": "reset"}, {"fault": "reset"}, {"fault": "lost-reply"},
    {"fault": "lost-reply"}, {"fault": "truncate"}, {"fault": "truncate"}, {"fault": "delay", "delay_ms": [5, 300]},
    {"fault": "status", "status": 500, "code": "InternalError"},
    {"fault": "status", "status": 503, "code": "SlowDown", "retry_after": 1},
    {"fault": "status", "status": 503, "code": "SlowDown"},
    {"fault": "status", "status": 429, "code": "TooManyRequests", "early": True},
    {"fault": "status", "status": 502, "code": "BadGateway"},
    {"fault": "status", "status": 400, "code": "RequestTimeout"},
    {"fault": "drip", "bytes_per_s": [20_000, 200_000]}, {"fault": "garbage"},
]
# What a broken disk or network card behind the gateway would do; a command may call it damage.
WRONG = {"fault": "wrong-body"}
# What a store without strong listings would do; prune must not run there, the others may.
STALE = [{"fault": "stale-list"}]



def draw_plan(dice, operation):
    """The plan of one schedule."""
    faults = MISCHIEF + ([WRONG] if dice.random() < 0.25 else []) + \
        (STALE if operation in ("backup", "restore") and dice.random() < 0.3 else [])
    shape = dice.choice(("few", "some", "many", "one kind", "for a while", "for ever", "lost", "slow"))
    rules = {
        "few": [{"fault": faults, "at": dice.randrange(25)} for _ in range(dice.randint(1, 4))],
        "some": [{"fault": faults, "chance": dice.uniform(0.02, 0.15)}],
        "many": [{"fault": faults, "chance": dice.uniform(0.15, 0.4)}],
        "one kind": [{"fault": faults, "chance": 0.6, "times": 4,
                      "kind": dice.choice(("get", "put", "list", "head", "delete", "delete-many"))}],
        "for a while": [{"fault": [dice.choice(MISCHIEF)], "from": dice.randrange(20), "times": dice.randint(2, 8)}],
        "for ever": [{"fault": [dice.choice(({"fault": "drop"}, {"fault": "reset"}, {"fault": "status"}))],
                      "from": dice.randrange(30)}],
        "lost": [{"fault": "lost-reply", "chance": 0.4, "kind": ["put", "delete", "delete-many"]}],
        "slow": [{"fault": [{"fault": "delay", "delay_ms": [20, 80]}, {"fault": "drip", "bytes_per_s": 60_000}],
                  "chance": 0.3}],
    }[shape]
    return shape, {"seed": dice.random(), "rules": rules, "latency_ms": 5 if shape == "slow" else 0}


class Schedules:
    """Twenty schedules on one repository, one after the other."""

    def __init__(self, folder, bucket, number, proxy, copies):
        self.world = World(folder, bucket, f"w{number}", f"{SEED} {number}", proxy)
        self.number = number
        self.copies = copies
        self.other = World(folder, bucket, f"w{number}-copy", 0, proxy) if copies else None
        self.copied = {}  # id of each snapshot in the copy: what it has to bring back

    def start(self):
        world = self.world
        world.direct.must("init")
        if self.other:
            self.other.direct.key_file = self.other.faulty.key_file = world.folder + "/key of copy"
            self.other.direct.must("init", "--copy-chunker-params", *self.from_words(world.direct))
        complaints = world.backup() + world.backup()
        if complaints:
            raise RuntimeError(complaints[0])

    def from_words(self, source):
        return ["--from-repo", source.repository, "--from-key-file", source.key_file]

    def run(self):
        """Returns complaints by schedule."""
        found = {}
        for schedule in range(IN_A_WORLD):
            dice = random.Random(f"{SEED} {self.number} {schedule}")
            operation = dice.choice(["backup"] * 4 + ["restore", "restore", "prune", "prune", "forget", "check", "pair"]
                                    + (["copy"] * 2 if self.copies else []))
            shape, plan = draw_plan(dice, operation)
            self.world.proxy.plan(**plan)
            started = time.monotonic()
            complaints = getattr(self, operation)(dice, can_mislead=self.misleads(plan))
            self.world.proxy.plan()
            seconds = time.monotonic() - started
            complaints += self.afterwards(operation)
            if os.environ.get("SCHEDULE_TELL"):
                print(f"  world {self.number} schedule {schedule}: {operation}, {shape}, {seconds:.1f} s", flush=True)
            if complaints:
                found[f"schedule {schedule}: {operation} with faults {shape}"] = complaints
                if len(found) == 3:
                    break
        return found

    @staticmethod
    def misleads(plan):
        return any(fault == WRONG for rule in plan["rules"] for fault in rule["fault"])

    def manners(self, result, can_mislead, *also):
        """A command through faults is done, fails, or sees damage where it was shown some."""
        return result.complaints(rig.OK, rig.FAILED, *also, *((rig.DAMAGED, rig.WRONG_SECRET) if can_mislead else ()))

    def faulty(self, *words):
        return self.world.faulty.json(*words, limit_s=ENDS_WITHIN_S)

    # The operations: each returns complaints, and has noted what is committed since

    def new_snapshots(self, result, targets=(), states=()):
        """What a command that may have made snapshots has made."""
        complaints, new = self.world.settle(targets, states)
        reported = result.summary().get("snapshot_id") if result and result.status == rig.OK else None
        if result and result.status == rig.OK and reported not in new:
            complaints.append(f"success was reported, but {str(reported)[:8]} is not listed")
        for i in new:
            self.world.states[i] = states[0]
        return complaints + self.world.restore(new)

    def backup(self, dice, can_mislead):
        self.world.source.mutate()
        state = self.world.state_now()
        result = self.faulty("backup", *(["--force"] if dice.random() < 0.2 else []), self.world.source.folder)
        return self.manners(result, can_mislead) + self.new_snapshots(result, states=[state])

    def restore(self, dice, can_mislead):
        world = self.world
        chosen = dice.choice(list(world.states))
        target = world.folder + "/through"
        result = self.faulty("restore", f"{chosen}:{world.source.folder}", "--target", target)
        complaints = self.manners(result, can_mislead, rig.INCOMPLETE)
        if result.status == rig.OK:
            complaints += rig.differences(world.states[chosen], rig.tree_state(target))[:3]
        shutil.rmtree(target, ignore_errors=True)
        return complaints

    def prune(self, dice, can_mislead):
        surplus = list(self.world.states)[:-2]
        if surplus:
            self.world.direct.must("forget", *surplus)
            for i in surplus:
                del self.world.states[i]
        result = self.faulty("prune", "--max-unused", dice.choice(("0%", "50%")))
        complaints = self.manners(result, can_mislead)
        return complaints + self.world.settle()[0] + self.world.restore(list(self.world.states))

    def forget(self, dice, can_mislead):
        target = dice.choice(list(self.world.states)[:-1] or [None])
        if target is None:
            return self.backup(dice, can_mislead)
        result = self.faulty("forget", target, "--prune")
        complaints = self.manners(result, can_mislead)
        complaints += self.world.settle(targets=[target])[0]
        if result.status == rig.OK and target in self.world.states:
            complaints.append("success was reported, but the snapshot is still listed")
        return complaints + self.world.restore(list(self.world.states))

    def check(self, dice, can_mislead):
        return self.manners(self.faulty("check", *dice.choice(([], ["--read-data"]))), can_mislead)

    def pair(self, dice, can_mislead):
        """A backup and a prune at the same time, both through the faults."""
        world = self.world
        world.source.mutate()
        state = world.state_now()
        pruning = world.faulty.start("--json", "prune", "--max-unused", "0%")
        time.sleep(dice.uniform(0, 0.1))
        result = self.faulty("backup", world.source.folder)
        complaints = self.manners(world.faulty.collect(pruning, ENDS_WITHIN_S), can_mislead, rig.CONFLICT)
        complaints += self.manners(result, can_mislead, rig.CONFLICT)
        return complaints + self.new_snapshots(result, states=[state]) + world.restore(list(world.states))

    def copy(self, dice, can_mislead):
        """All snapshots into the other repository; both are reached through the faults."""
        other = self.other
        result = other.faulty.json("copy", *self.from_words(self.world.faulty), limit_s=ENDS_WITHIN_S)
        complaints = self.manners(result, can_mislead, rig.INCOMPLETE)
        listing = other.direct.json("snapshots")
        complaints += listing.complaints(rig.OK)
        listed = {s["id"]: s.get("original") for s in listing.array()} if listing.status == rig.OK else {}
        complaints += [f"copied snapshot {i[:8]} is not listed" for i in self.copied if i not in listed]
        for i, original in listed.items():
            if i not in self.copied and original not in self.world.states:
                complaints.append(f"copied snapshot {i[:8]} is of {str(original)[:8]}, which is not there")
            elif i not in self.copied:
                self.copied[i] = self.world.states[original]
        if result.status == rig.OK and (missing := set(self.world.states) - set(listed.values())):
            complaints.append(f"success was reported, but {missing.pop()[:8]} was not copied")
        other.states = self.copied
        other.source.folder = self.world.source.folder
        return complaints + rig.check_complaints(other.direct, "--read-data") + other.restore(list(self.copied)[-1:])

    def afterwards(self, operation):
        """The truth about everything that was ever committed."""
        complaints = rig.check_complaints(self.world.direct, "--read-data")
        if operation not in ("backup", "prune", "pair", "forget"):
            complaints += self.world.settle()[0]
        while len(self.world.states) > 4:
            oldest = next(iter(self.world.states))
            self.world.direct.must("forget", oldest)
            del self.world.states[oldest]
        return complaints


class Counted(rig.Verdicts):
    """Each schedule is a test, but a line is printed for a world."""

    def world(self, number, found, seconds):
        for name, complaints in found.items():
            self.failed(f"world {number} of seed {SEED}, {name}", "; ".join(complaints[:4]))
        with self.lock:
            self.ok_count += IN_A_WORLD - len(found)
            print(f"{'FAILED' if found else 'ok'} world {number}: {IN_A_WORLD} schedules, {seconds:.1f} s", flush=True)


verdicts = Counted()


def work(folder, bucket, numbers, lock, copies):
    with gateway.Proxy() as proxy:
        while True:
            with lock:
                if not numbers:
                    return
                number = numbers.pop(0)
            started = time.monotonic()
            try:
                schedules = Schedules(folder, bucket, number, proxy, copies)
                schedules.start()
                found = schedules.run()
                for complaint in schedules.world.look_at_everything():
                    found.setdefault("the end", []).append(complaint)
            except Exception as unexpected:  # one broken world must not hide the others
                found = {"the world": [f"{type(unexpected).__name__}: {unexpected}"]}
            verdicts.world(number, found, time.monotonic() - started)
            for name in (f"w{number}", f"w{number}-copy"):
                gateway.remove_all(bucket, name + "/")
                shutil.rmtree(f"{folder}/{name}", ignore_errors=True)


def main():
    gateway.need()
    copies = rig.Program("", "").run("help", "copy").status == rig.OK
    bucket = gateway.new_bucket("schedules")
    numbers = [int(ONLY)] if ONLY else list(range(-(-SCHEDULES // IN_A_WORLD)))
    print(f"seed {SEED}, {len(numbers) * IN_A_WORLD} schedules{'' if copies else ', without copies'}", flush=True)
    lock = threading.Lock()
    with rig.scratch_folder() as folder:
        threads = [threading.Thread(target=work, args=(folder, bucket, numbers, lock, copies))
                   for _ in range(min(WORKERS, len(numbers)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    verdicts.finish()


if __name__ == "__main__":
    main()
