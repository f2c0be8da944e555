#!/usr/bin/python3
"""Two services and four workers share a PostgreSQL catalog, and any process may be killed at any time:
every scheduled run happens once, and so does every backup that somebody asked for with a key.

Each of the six has a state folder of its own, all on this host; the sets go to a repository on the
gateway, to a local one, or to both. In each round something dies, drawn from a seed: services and
workers, keepers of jobs, jobs, a whole "machine" (a service with its keepers and jobs), connections
of the catalog, or the database server. What was killed is started again. Meanwhile clients ask for
backups under a key and repeat the request, at another service, until they are answered.

Schedules are "every minute", in force since BEHIND minutes before the start, so that many runs are
due at once. In the end the sets are paused, the queue runs dry, and the catalog is compared with what
had to happen, and with the snapshots in the repositories: one of each job, however often it was begun.

SERVICE_RACE_ROUNDS says how many (100), SERVICE_RACE_SEED where to start (7).
"""

import collections
import http.client
import os
import random
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE) + "/support"]

from worlds import gateway, rig  # noqa: E402

import service_rig  # noqa: E402

ROUNDS = int(os.environ.get("SERVICE_RACE_ROUNDS", "100"))
SEED = int(os.environ.get("SERVICE_RACE_SEED", "7"))
ORDERS = 3  # a round
BEHIND = 9  # minutes; later than ten a run would be a missed one
MINUTE = 60
SETS = {"till": ["far"], "stock": ["far"], "staff": ["far"], "letters": ["near"], "books": ["far", "near"]}
# Given up on because it was interrupted twice, as docs/catalog.md says; the test tries not to do that.
GIVEN_UP_MAX = 1 + ROUNDS // 20

CONFIG = """
state: {state}
catalog: "{catalog}"
repositories:
  far: {{ url: "{far}", key_file: {folder}/far.key }}
  near: {{ url: {folder}/near, key_file: {folder}/near.key }}
sets:
{sets}
serve:
  listen: ["127.0.0.1:{port}"]
  jobs: 2
"""
SET = """
  {name}:
    repositories: [{repositories}]
    sources: [ {{ files: {{ paths: [{folder}/data/{name}] }} }} ]
    schedule: {{ cron: "* * * * *", timezone: UTC, run_missed: all }}
"""

verdicts = rig.Verdicts()


def children_of(pid):
    """Those of a process that are there now; it may be gone itself."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def keepers_in(state):
    """pid of each keeper of a state folder, and the job it keeps.  A job that its keeper has forked bears the keeper's
    command line until it has become itself: it is no keeper."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        for place in words[2:3]:
            if words[1] == b"--keep-job" and place.startswith(os.fsencode(state) + b"/jobs/"):
                found[int(name)] = os.path.basename(os.fsdecode(place)).rpartition(".")[0]
    jobs = {child for pid in found for child in children_of(pid)}
    return {pid: job for pid, job in found.items() if pid not in jobs}


def kill(pid):
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        pass


class Orders:
    """Clients who want a backup of a set once, whatever happens to the service."""

    def __init__(self, services, token):
        self.services, self.token = services, token
        self.answered = {}  # key: the jobs that it was answered with
        self.threads = []
        self.complaints = []

    def begin(self, number, dice):
        name, first = dice.choice(list(SETS)), dice.randrange(2)
        thread = threading.Thread(target=self.order, args=(f"order {number}", name, first))
        thread.start()
        self.threads.append(thread)

    def ask(self, key, name, service):
        headers = {"Authorization": "Bearer " + self.token, "Idempotency-Key": key}
        answer = service_rig.ask(service.port, "POST", f"/api/v1/sets/{name}/backup", {}, headers)
        if answer.status == 202:
            return answer.json()["job"]
        if answer.status not in (409, 500, 503):
            self.complaints.append(f"{key} was answered with {answer.status}: {answer.body[:200]}")
        return None

    def order(self, key, name, turn):
        """Until it was answered twice, by either service."""
        self.answered[key] = []
        deadline = time.monotonic() + 240
        while len(self.answered[key]) < 2 and time.monotonic() < deadline:
            turn += 1
            try:
                if (answer := self.ask(key, name, self.services[turn % 2])) is not None:
                    self.answered[key].append(answer)
                    continue
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.3)
        if len(self.answered[key]) < 2:
            self.complaints.append(f"{key} was never answered")

    def finish(self):
        for thread in self.threads:
            thread.join()


class Race:
    def __init__(self, folder, bucket, postgres):
        self.folder, self.postgres = folder, postgres
        self.dice = random.Random(SEED)
        self.far = f"s3:{gateway.URL}/{bucket}/race"
        self.environment = {
            "AWS_ACCESS_KEY_ID_FILE": service_rig.write_file(folder + "/id", gateway.KEYS["AWS_ACCESS_KEY_ID"]),
            "AWS_SECRET_ACCESS_KEY_FILE": service_rig.write_file(folder + "/secret",
                                                                 gateway.KEYS["AWS_SECRET_ACCESS_KEY"]),
            "AWS_DEFAULT_REGION": gateway.KEYS["AWS_DEFAULT_REGION"]}
        self.programs = {"far": rig.Program(self.far, folder + "/far.key"),
                         "near": rig.Program(folder + "/near", folder + "/near.key")}
        self.programs["far"].must("init", extra=self.extra("far"))
        self.programs["near"].must("init", "--from-repo", self.far, "--from-key-file", folder + "/far.key",
                                   "--copy-chunker-params", extra=self.extra("near"))
        for name in SETS:
            os.makedirs(f"{folder}/data/{name}")
            service_rig.write_file(f"{folder}/data/{name}/file", f"what {name} has\n" * 1000)
        self.make_services()
        self.hit = set()  # jobs that were interrupted once
        self.killed = set()  # whose process was killed once, which is a failure
        self.counts = collections.Counter()

    def extra(self, name):
        return {**self.environment, "HOLDFAST_CACHE_DIR": f"{self.folder}/cache {name}"}

    def make_services(self):
        self.members = []
        for number, verb in enumerate(["serve", "serve", "worker", "worker", "worker", "worker"]):
            state = f"{self.folder}/state{number}"
            port = service_rig.free_ports(1)[0]
            os.mkdir(state, 0o700)
            config = service_rig.write_file(f"{self.folder}/{verb}{number}.yaml", CONFIG.format(
                state=state, catalog=self.postgres.address, far=self.far, folder=self.folder, port=port,
                sets="".join(SET.format(name=n, repositories=", ".join(r), folder=self.folder)
                             for n, r in SETS.items())))
            if number == 0:  # makes the catalog and its key, which the others have to have
                first = service_rig.Service(verb, config, port, self.environment)
                made = first.program("token", "add", "race", "--role", "admin", "--verb", "*", "--set", "*", "--json")
                self.token = rig.json_lines(made)[0]["token"]
            else:
                service_rig.write_file(state + "/catalog.key", "")
                with open(f"{self.folder}/state0/catalog.key", "rb") as key, open(state + "/catalog.key", "wb") as out:
                    out.write(key.read())
            member = service_rig.Service(verb, config, port, self.environment)
            member.state = state
            self.members.append(member)
        self.orders = Orders(self.members[:2], self.token)

    def begin(self):
        """All are started at once, long after the schedules came into force."""
        self.since = int(time.time()) - BEHIND * MINUTE
        for name in SETS:
            self.postgres.rows("INSERT INTO holdfast.schedules (config_id, details, updated_ns) VALUES"
                               f" ('{name}', '{{\"since\": {self.since}}}', {self.since}000000000)")
        for member in self.members:
            member.start()
        for member in self.members[:2]:
            member.wait_ready()

    # What dies

    def may_interrupt(self, jobs):
        """A job is interrupted once by us: after a second time it is given up on, as it should be."""
        known = {job for job in jobs if job in self.hit}
        if jobs and not known:
            said = ", ".join(f"'{job}'" for job in jobs)
            known = self.postgres.rows(f"SELECT id FROM holdfast.jobs WHERE id IN ({said}) AND interruptions > 0")
        if not known:
            self.hit.update(jobs)
        return not known

    def kill_member(self):
        member = self.dice.choice(self.members)
        member.kill()
        time.sleep(self.dice.choice((0, 0, 0.5)))
        member.start()
        return member.verb

    def kill_machine(self):
        member = self.dice.choice(self.members)
        keepers = keepers_in(member.state)
        if not self.may_interrupt(set(keepers.values())):
            return self.kill_member()
        member.kill()
        for keeper in keepers:
            jobs = children_of(keeper)
            kill(keeper)
            for job in jobs:
                kill(job)
        member.start()
        return "machine"

    def kill_below(self, what):
        """One keeper, or one job of a schedule: of what somebody ordered there is no second attempt."""
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            found = [(k, job) for member in self.members for k, job in keepers_in(member.state).items()]
            self.dice.shuffle(found)
            for keeper, job in found:
                below = children_of(keeper)
                if what == "job" and below and job not in self.killed and self.postgres.value(
                        f"SELECT cause FROM holdfast.jobs WHERE id = '{job}'") != "api":
                    self.killed.add(job)
                    kill(below[0])
                    return what
                if what == "keeper" and self.may_interrupt({job}):
                    kill(keeper)
                    return what
        return self.kill_member()

    def kill_connections(self):
        some = " AND random() < 0.5" if self.dice.random() < 0.5 else ""
        self.postgres.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                           f" application_name = 'holdfast'{some}")
        return "connections"

    def kill_server(self):
        self.postgres.stop("immediate")
        time.sleep(self.dice.uniform(0, 1))
        self.postgres.start()
        return "server"

    def round(self, number):
        for n in range(ORDERS):
            self.orders.begin(ORDERS * number + n, self.dice)
        time.sleep(self.dice.uniform(0, 1.5))
        for _ in range(self.dice.choice((1, 1, 2, 3))):
            deed = self.dice.choice((self.kill_member, self.kill_member, self.kill_member, self.kill_machine,
                                     lambda: self.kill_below("keeper"), lambda: self.kill_below("keeper"),
                                     lambda: self.kill_below("job"), self.kill_connections, self.kill_server))
            self.counts[deed()] += 1
            time.sleep(self.dice.uniform(0, 0.5))
        return self.supervise()

    def supervise(self):
        """What could not begin because the catalog was away says so and is begun again; nothing else ends by itself."""
        complaints = []
        for member in self.members:
            if member.process.poll() is None:
                continue
            self.counts["begun again"] += 1
            if member.process.returncode != rig.CONFLICT:
                complaints.append(f"{member.verb} ended with {member.process.returncode}: {member.said()[-300:]!r}")
            member.start()
        return complaints

    # What came of it

    def pause(self):
        """Nothing is queued any more, and all up to this minute was."""
        def all_queued():
            now = int(time.time())
            self.until = now // MINUTE * MINUTE
            return 3 < now % MINUTE < 50 and self.postgres.value(
                f"SELECT count(*) FROM holdfast.schedules WHERE last_ns = {self.until}000000000") == str(len(SETS))
        service_rig.wait_until(all_queued, "what is due was queued", 150, 0.5)
        for name in SETS:
            self.postgres.rows("INSERT INTO holdfast.sets (name, failures, pause_reason, updated_ns) VALUES"
                               f" ('{name}', 0, 'the test ends', 0) ON CONFLICT (name) DO UPDATE SET"
                               " pause_reason = 'the test ends'")

    def settle(self):
        self.orders.finish()
        self.pause()
        def is_dry():
            self.supervise()
            # Nobody waits for the pause before a second attempt.
            self.postgres.rows("UPDATE holdfast.jobs SET not_before_ns = 0 WHERE state = 'queued'")
            return self.postgres.value("SELECT count(*) FROM holdfast.jobs WHERE state <> 'done'") == "0"
        service_rig.wait_until(is_dry, "the queue runs dry", 300, 0.5)

    def slots(self):
        first = self.since // MINUTE * MINUTE + MINUTE
        return {f"{name}@{m}" for name in SETS for m in range(first, self.until + 1, MINUTE)}

    def queue_complaints(self):
        """Each moment of each schedule has one job."""
        found = {row[0] for row in self.postgres.rows("SELECT dedup FROM holdfast.jobs WHERE cause <> 'api'")}
        return [f"{slot} was lost" for slot in sorted(self.slots() - found)] + \
            [f"{slot} was never due" for slot in sorted(found - self.slots())]

    def run_complaints(self):
        """Each job succeeded once, or was given up on."""
        runs = collections.defaultdict(list)
        for job, name, state, error in self.postgres.rows(
                "SELECT job_id, set_name, state, coalesce(error, '') FROM holdfast.runs ORDER BY created_ns, attempt"):
            runs[job, name].append((state, error))
        complaints = []
        for (job, name), all_runs in runs.items():
            states = [state for state, _ in all_runs]
            self.counts["runs " + states[-1]] += 1
            if states[-2:] == ["interrupted", "interrupted"]:
                self.counts["given up"] += 1
            elif states.count("success") != 1 or states[-1] != "success":
                complaints.append(f"runs of {name}, job {job[:8]}: {all_runs}")
        if self.counts["given up"] > GIVEN_UP_MAX:
            complaints.append(f"{self.counts['given up']} jobs were given up on")
        return complaints

    def order_complaints(self):
        complaints = self.orders.complaints
        made = {row[0] for row in self.postgres.rows("SELECT id FROM holdfast.jobs WHERE cause = 'api'")}
        told = {key: set(jobs) for key, jobs in self.orders.answered.items()}
        complaints += [f"{key} was answered with the jobs {jobs}" for key, jobs in told.items() if len(jobs) > 1]
        told = set().union(*told.values())
        complaints += [f"job {job} was promised and never made" for job in told - made]
        complaints += [f"job {job} was made and nobody told of it" for job in made - told]
        if len(made) != len(self.orders.answered):
            complaints.append(f"{len(made)} backups were made for {len(self.orders.answered)} orders")
        return complaints

    def snapshot_complaints(self):
        """The repositories hold one snapshot of each job that succeeded, however often it was begun, and beside them
        at most what a job had committed that was given up on."""
        complaints = []
        runs = self.postgres.rows("SELECT set_name, state, coalesce(snapshot, ''), job_id FROM holdfast.runs")
        succeeded = {job for _, state, _, job in runs if state == "success"}
        for place, program in self.programs.items():
            listed, made = collections.defaultdict(set), collections.Counter()
            for snapshot in program.must("snapshots", extra=self.extra(place)).array():
                listed[snapshot["set"]].add(snapshot["id"])
                made[snapshot["job"]] += 1
            complaints += [f"{place} has {count} snapshots of job {job}" for job, count in made.items() if count > 1]
            for name in [n for n, places in SETS.items() if place in places]:
                said = [snapshot for n, state, snapshot, _ in runs if n == name and state == "success"]
                given_up = len({job for n, _, _, job in runs if n == name and job not in succeeded})
                more = len(listed[name]) - len(said)
                self.counts["snapshots of jobs given up"] += max(more, 0)
                if len(said) != len(set(said)):
                    complaints.append(f"runs of {name} share snapshots")
                if not 0 <= more <= given_up:
                    complaints.append(f"{place} has {len(listed[name])} snapshots of {name} of {len(said)} runs")
                if SETS[name] == [place] and set(said) - listed[name]:
                    complaints.append(f"{place} has not the snapshots of {name} that its runs tell of")
            complaints += rig.check_complaints(program, "--read-data") if place == "near" else []
        return complaints

    def stop(self):
        return [f"{m.verb} ended with {status}: {m.said()}" for m in self.members
                if (status := m.stop()) not in (0, 130, None)]


def main():
    gateway.need()
    bucket = gateway.new_bucket("service-race")
    with rig.scratch_folder() as folder, service_rig.Postgres() as postgres:
        race = Race(folder, bucket, postgres)
        try:
            race.begin()
            for number in range(ROUNDS):
                with verdicts.case(f"round {number} of seed {SEED}") as complaints:
                    complaints += race.round(number)
            with verdicts.case("the queue runs dry") as complaints:
                race.settle()
            with verdicts.case("each moment of each schedule has one job") as complaints:
                complaints += race.queue_complaints()
            with verdicts.case("each job succeeded once") as complaints:
                complaints += race.run_complaints()
            with verdicts.case("each order was done once") as complaints:
                complaints += race.order_complaints()
            with verdicts.case("the repositories hold the snapshot of each run") as complaints:
                complaints += race.snapshot_complaints()
        finally:
            stopped = race.stop()
        with verdicts.case("all end when they are asked to") as complaints:
            complaints += stopped
        print(", ".join(f"{what}: {count}" for what, count in sorted(race.counts.items())))
    gateway.remove_all(bucket)
    verdicts.finish()


if __name__ == "__main__":
    main()
