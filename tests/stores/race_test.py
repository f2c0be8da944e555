#!/usr/bin/python3
"""Two machines back up to one repository while a third prunes it, and any of them may be killed.

In each round both writers back up their own folder and the collector forgets what is old and
prunes, all at once; one or two of the three, drawn from a seed, get SIGKILL at a random moment.
Nothing is shared but the store: each has a cache of its own. After a round every committed
snapshot must be listed and the new ones restore; every EVERYTHING_EVERY rounds, and in the end,
all of them do, and check reads all data.

RACE_ROUNDS says how many (200), RACE_SEED where to start (7).
"""

import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from worlds import Source, World, gateway, rig  # noqa: E402

ROUNDS = int(os.environ.get("RACE_ROUNDS", "200"))
SEED = int(os.environ.get("RACE_SEED", "7"))
EVERYTHING_EVERY = 20
KEPT = 3  # of each writer

verdicts = rig.Verdicts()


class Machine:
    """One of the three: a program with a cache of its own, and for a writer what it backs up."""

    def __init__(self, world, bucket, name, seed=None):
        self.name = name
        self.program = world.program(gateway.URL, bucket, world.name, "cache of " + name)
        self.source = Source(f"{world.folder}/{name}", seed) if seed is not None else None
        self.state = None
        self.usual_s = 0.3

    def words(self, dice, forgotten):
        if self.source:
            self.source.mutate()
            self.state = rig.tree_state(self.source.folder)
            return ["backup", "--host", self.name, self.source.folder]
        if forgotten:
            return ["forget", *forgotten, "--prune"]
        return ["prune", "--max-unused", dice.choice(("0%", "20%"))]


class Race:
    def __init__(self, folder, bucket):
        self.world = World(folder, bucket, "race", SEED)
        self.writers = [Machine(self.world, bucket, "one", 1), Machine(self.world, bucket, "two", 2)]
        self.collector = Machine(self.world, bucket, "collector")
        self.folders = {}  # id of each committed snapshot: the folder it is of
        self.kills = self.conflicts = self.collected = 0
        self.world.direct.must("init")
        for writer in self.writers:  # a collector refuses to work where packs are and no snapshot was ever made
            words = writer.words(self.world.random, [])
            snapshot = writer.program.must(*words).summary()["snapshot_id"]
            self.world.states[snapshot], self.folders[snapshot] = writer.state, writer.source.folder

    def start_and_kill(self, machine, words, dice, dies):
        """A thread that runs the command, and kills it when it is to die."""
        def run():
            started = time.monotonic()
            child = machine.program.start("--json", *words)
            if dies:
                time.sleep(dies * machine.usual_s)
                child.kill()
            machine.result = machine.program.collect(child, 90)
            if machine.result.status == rig.OK:
                machine.usual_s += 0.2 * (time.monotonic() - started - machine.usual_s)
        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def surplus(self, machine):
        """The oldest snapshots of a writer."""
        mine = [i for i in self.world.states if self.folders[i] == machine.source.folder]
        return mine[:-KEPT]

    def round(self, number):
        dice = random.Random(f"{SEED} {number}")
        machines = [*self.writers, self.collector]
        victims = dice.sample(machines, dice.choice((0, 1, 1, 1, 2, 2)))
        targets = self.surplus(self.writers[0]) + self.surplus(self.writers[1])
        threads = []
        for machine in dice.sample(machines, 3):
            dies = dice.uniform(0.02, 1.2) if machine in victims else None
            threads.append(self.start_and_kill(machine, machine.words(dice, targets), dice, dies))
            time.sleep(dice.uniform(0, 0.15))
        for thread in threads:
            thread.join()
        complaints = []
        for machine in machines:
            if machine.result.status == -9 and machine in victims:
                self.kills += 1
            elif machine.result.status == rig.CONFLICT:
                self.conflicts += 1
            else:
                complaints += machine.result.complaints(rig.OK)
        self.collected += self.collector.result.status == rig.OK
        return complaints + self.settle(targets)

    def settle(self, targets):
        """Who made which of the new snapshots is told by the path they are of."""
        result = self.world.direct.json("snapshots")
        complaints = result.complaints(rig.OK)
        if complaints:
            return complaints
        listed = {s["id"]: s for s in result.array()}
        complaints += [f"snapshot {i[:8]} was committed and is not listed"
                       for i in self.world.states if i not in listed and i not in targets]
        for writer in self.writers:
            new = [i for i, s in listed.items() if i not in self.folders and s["paths"] == [writer.source.folder]]
            reported = writer.result.summary().get("snapshot_id") if writer.result.status == rig.OK else None
            if len(new) > 1 or reported and new != [reported]:
                complaints.append(f"writer {writer.name} reported {str(reported)[:8]} and made {new}")
            for i in new:
                self.world.states[i], self.folders[i] = writer.state, writer.source.folder
                complaints += self.restore(i)
        for i in [i for i in self.world.states if i not in listed]:
            del self.world.states[i]
        return complaints

    def restore(self, snapshot):
        return rig.restore_complaints(self.world.direct, snapshot, self.folders[snapshot],
                                      self.world.folder + "/target", self.world.states[snapshot])

    def everything(self):
        complaints = rig.check_complaints(self.world.direct, "--read-data")
        for i in self.world.states:
            complaints += self.restore(i)
        return complaints

    def at_the_end(self, bucket):
        complaints = self.collector.program.json("prune", "--max-unused", "0%").complaints(rig.OK)
        complaints += self.everything()
        left = [k for k in gateway.keys_of(bucket, "race/") if "/condemned/" in k]
        if left:
            complaints.append(f"a prune that ends well leaves {left[0]}")
        if self.kills < ROUNDS / 2 or self.collected < ROUNDS / 10:
            complaints.append(f"only {self.kills} were killed and {self.collected} prunes ended well")
        return complaints


def main():
    gateway.need()
    bucket = gateway.new_bucket("race")
    with rig.scratch_folder() as folder:
        race = Race(folder, bucket)
        for number in range(ROUNDS):
            with verdicts.case(f"round {number} of seed {SEED}") as complaints:
                complaints += race.round(number)
                complaints += race.everything() if number % EVERYTHING_EVERY == 0 \
                    else rig.check_complaints(race.world.direct)
            if verdicts.failed_count > 3:
                break
        with verdicts.case("all is whole at the end") as complaints:
            complaints += race.at_the_end(bucket)
        print(f"{race.kills} killed, {race.conflicts} told of a conflict, {race.collected} prunes ended well")
    gateway.remove_all(bucket)
    verdicts.finish()


if __name__ == "__main__":
    main()
