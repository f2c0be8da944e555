#!/usr/bin/python3
"""Run the stages of script/test.

"all" is what every change has to pass, in some twenty minutes of two cores: sweeps that do the same
with each call failing in turn take a sample, and so do programs that another build runs, too
(SAMPLE_PROGRAMS); it differs from commit to commit.  What THOROUGH and TSAN_WITHOUT name is left out, and
so is fuzz, whose corpora are in unit and asan, too.  "thorough" is all of everything; so is a stage that is named.

A stage names the build it needs and yields cases; a case is one program.  All builds come
first, since they keep every core busy; then the cases of all stages run together, more of them
while those under way wait than while they compute.  A program may hold many tests: the numbers
that Check and unittest print are added up, any other program counts as one.
"""

import concurrent.futures
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PYTHON = "/usr/bin/python3"
BUILD = TOP + "/build/release"
HOLDFAST = BUILD + "/src/holdfast"
CORES = os.cpu_count() or 1
PLACES = CORES + max(1, CORES // 2)  # cases at once, whatever they do
PLACES_IDLE = 6 * CORES  # and as long as part of a processor idles (Idleness)
PLACES_WAITING = 3  # beside them, for cases of WAITING
SKIPPED = 77  # exit status of an e2e case that cannot run here

# Threads meet in these; the other programs would only repeat what asan says.
TSAN_FOLDERS = ("repo/", "job/", "server/", "catalog/", "base/queue", "base/thread", "base/cancel")
TSAN_SKIP = ()  # names of tests; each needs its reason here

# For the builds of clang, which does without a package of its own so; gcc has one built in.
SYMBOLIZER = "/usr/bin/addr2line"
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": f"halt_on_error=1:second_deadlock_stack=1:external_symbolizer_path={SYMBOLIZER}",
    "CK_TIMEOUT_MULTIPLIER": "4",
}


# The amounts of "all"; a stage that is named, and "thorough", take what stands where they are read.
SAMPLE = {"SCHEDULES": "50", "RACE_ROUNDS": "40", "SERVICE_RACE_ROUNDS": "20"}
# Of so many cases of a sweep one is taken (tests/support/test.h): sanitizers look at the same calls as
# the release build, several times slower.  Odd, since sweeps alternate between two ways.
SAMPLE_EVERY = {"unit": 5, "asan": 9, "tsan": 15, "crash": 5, "model": 5}
# Beginnings of names.  Those of tsan do the most with the fewest threads.
THOROUGH = ("deploy: 30-package", "deploy: 50-container", "e2e: 68-zip-large", "lint: analyzer",
            "tsan: catalog/fault", "tsan: repo/index_cache", "tsan: repo/mark", "tsan: job/config_refused",
            "tsan: job/sink", "tsan: job/timetable", "tsan: server/identity", "tsan: repo/keys_agent")

# Tests that differ from others of their program in amounts only, or by a moment of computing: with
# ThreadSanitizer, which follows each byte, they take as long as all the others together.
TSAN_WITHOUT = {
    "repo/writer": "packs_are_about_as_long_as_asked_and_never_longer_than_an_object"
                   " a_pack_of_tiny_chunks_is_no_longer_than_an_object"
                   " a_level_that_was_asked_for_stays_whatever_the_store_does"
                   " frames_are_not_compressed_more_for_a_store_that_keeps_up",
    "repo/index": "each_of_200000_chunks_is_found_where_it_stands",
    "repo/index_object": "a_long_index_is_written_as_several_objects",
    "job/backup": "a_large_file_with_more_chunks_than_an_entry_holds_comes_back",
    "job/dispatch": "an_end_is_recorded_when_no_more_messages_may_wait_and_their_loss_is_told",
    "job/simulation": "too_much_work_is_cut_and_said",
}

# Of the programs of these folders "all" takes one of so many, which ones the commit decides.  All of them are
# in asan; tsan's are those around the engine.
SAMPLE_PROGRAMS = {"unit": (3, ("archive/", "catalog/", "codec/", "notify/", "repo/", "source/")),
                   "tsan": (3, ("catalog/", "server/"))}

# Beginnings of names: these wait for clocks and servers nine tenths of their time, and begin first, beside those
# that compute.  At the end, one after the other, they would leave the processors idle for minutes.
WAITING = ("console: ", "deploy: 10-quickstart", "e2e: 48-worker", "e2e: 53-pos", "e2e: 56-one", "e2e: 57-mail", "e2e: 63-",
           "e2e: 65-supervised", "e2e: 67-", "e2e: 69-", "e2e: 89-", "e2e: 97-gateway", "asan: server/li", "tsan: server/li",
           "unit: server/li", "stores: secrets", "stores: sets")

# Beginnings of names: these work in a file system on a disk.  The others do so in memory where there is room: that a
# file is made costs half a millisecond of a processor on the disks of some virtual machines.
ON_DISK = ("e2e: 1", "e2e: 27-", "e2e: 3", "deploy: ", "console: ")
MEMORY = "/dev/shm"
MEMORY_LEAST = 6 << 30  # bytes free there

running = set()  # process groups of the cases under way, ended when the user interrupts


class Case:
    def __init__(self, name, argv, limit_s=120, env=None, may_skip=False, needs_gateway=False):
        self.name = name
        self.argv = argv
        self.limit_s = limit_s
        self.env = dict(env or {})
        self.may_skip = may_skip
        self.needs_gateway = needs_gateway


def meson_cases(stage, build, wanted, slower=1, prefix=()):
    """The test programs meson knows in build/<build> whose names wanted() accepts."""
    text = subprocess.check_output(["/usr/bin/meson", "introspect", "--tests", "build/" + build])
    env = SANITIZER_ENV if slower > 1 else {}
    for test in json.loads(text):
        if wanted(test["name"]):
            yield Case(f"{stage}: {test['name']}", [*prefix, *test["cmd"]],
                       test["timeout"] * slower, {**test["env"], **env})


def no_aslr():
    """ThreadSanitizer of clang 16 cannot map its shadow under the ASLR of some kernels."""
    prefix = ["/usr/bin/setarch", os.uname().machine, "-R"]
    works = subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL).returncode == 0
    return prefix if works else []


def unit_cases():
    return meson_cases("unit", "release", lambda name: not name.startswith(("crash/", "stores/")))


def crash_cases():
    return meson_cases("crash", "release", lambda name: name.startswith("crash/"), 1)


def asan_cases():
    return meson_cases("asan", "asan", lambda name: not name.startswith("stores/"), 5)


def tsan_cases():
    return meson_cases("tsan", "tsan", lambda name: name.startswith(TSAN_FOLDERS)
                       and name not in TSAN_SKIP, 10, no_aslr())


def program_cases(stage, pattern, argv, limit_s):
    """One case for each file tests/<stage>/<pattern>."""
    listed = set()
    if os.path.exists(f"tests/{stage}/may-skip"):
        with open(f"tests/{stage}/may-skip") as lines:
            listed = {line.split()[0] for line in lines if line.strip() and line[0] != "#"}
    for path in sorted(glob.glob(f"tests/{stage}/{pattern}")):
        name = os.path.basename(path)
        yield Case(f"{stage}: {name}", [*argv, path], limit_s, may_skip=name in listed)


def e2e_cases():
    return program_cases("e2e", "[0-9][0-9]-*.sh", ["/bin/sh"], 900)


def deploy_cases():
    """Installing and running it as its users do: packages, units, the front, the quick start."""
    return program_cases("deploy", "[0-9][0-9]-*.sh", ["/bin/sh"], 1800)


def console_cases():
    """A browser against a real service.  Like e2e/51 it needs npm and its registry."""
    yield Case("console: tests/console/run.sh", ["/bin/sh", "tests/console/run.sh"], 1500, may_skip=True)


def golden_cases():
    return program_cases("golden", "*_test.sh", ["/bin/sh"], 120)


def model_cases():
    return program_cases("model", "*_test.py", [PYTHON], 600)


def reader_cases():
    return program_cases("reader", "*_test.py", [PYTHON], 300)


def fuzz_cases():
    seconds = int(os.environ.get("FUZZ_SECONDS", "60"))
    os.makedirs("build/fuzz-found", exist_ok=True)
    for path in sorted(glob.glob("build/fuzz/tests/fuzz/fuzz_*")):
        if os.path.isdir(path) or not os.access(path, os.X_OK):
            continue
        name = os.path.basename(path)
        corpus = "tests/fuzz/corpus/" + name.removeprefix("fuzz_")
        # The first folder receives new inputs, so it is the case's own and goes with it.
        script = 'mkdir "$TMPDIR/new"; exec "$@" "$TMPDIR/new" ' + \
            (corpus if os.path.isdir(corpus) else "")
        yield Case(f"fuzz: {name} for {seconds} s",
                   ["/bin/sh", "-c", script, "sh", path, f"-max_total_time={seconds}",
                    "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
                    f"-artifact_prefix=build/fuzz-found/{name}-"],
                   seconds + 120, {**SANITIZER_ENV, "ASAN_SYMBOLIZER_PATH": SYMBOLIZER})


def lint_cases():
    for name in subprocess.check_output(["script/lint", "--list"], text=True).split():
        yield Case("lint: " + name, ["script/lint", name], 3600)  # the analyzer takes half an hour of a core


def bench_cases():
    yield Case("bench-smoke: script/bench --smoke", [PYTHON, "script/bench", "--smoke"], 300)
    yield from program_cases("bench", "[0-9][0-9]-*.sh", ["/bin/sh"], 120)


def applications_cases():
    """What shows the promises of the five applications, and that none of them is open."""
    named = subprocess.check_output(["script/check-applications", "--list"], text=True).splitlines()
    yield Case("applications: the table has no open row", ["script/check-applications", "--whole"])
    for case in [*e2e_cases(), *unit_cases()]:
        if any(case.name.replace("e2e: ", "e2e/").replace("unit: ", "unit ").startswith(name) for name in named):
            case.name = "applications: " + case.name
            yield case


def stores_cases():
    """Whatever asks the gateway: C tests that meson knows as stores/..., and programs of tests/stores."""
    def all_cases():
        for build, slower in (("release", 1), ("asan", 3)):
            for case in meson_cases("stores", build, lambda name: name.startswith("stores/"), slower):
                case.name += " (asan)" if build == "asan" else ""
                yield case
        yield from program_cases("stores", "[0-9][0-9]-*.sh", ["/bin/sh"], 300)
        yield from program_cases("stores", "*_test.py", [PYTHON], 1800)
    for case in all_cases():
        case.needs_gateway = True
        yield case


# What other stages have of stores, without a gateway: beginnings of names.
OF_STORES = ("unit: store/", "unit: codec/parity", "unit: repo/parity", "unit: repo/repair", "unit: repo/copy",
             "unit: repo/trash", "unit: repo/locks", "unit: job/stores", "e2e: 40-", "e2e: 41-", "e2e: 42-", "e2e: 43-",
             "e2e: 44-", "e2e: 55-", "e2e: 95-")


def all_stores_cases():
    yield from stores_cases()
    for case in [*unit_cases(), *e2e_cases()]:
        if case.name.startswith(OF_STORES):
            case.name = "stores: " + case.name
            yield case


class Gateway:
    """The S3 gateway that the cases of a run share; it ends with this process, however that ends."""

    def __init__(self):
        self.place = tempfile.mkdtemp(prefix="holdfast-gateway-")

    def start(self):
        """Returns what went wrong, or an empty string; then env says where the gateway is."""
        done = subprocess.run([PYTHON, "tests/support/ceph-up", "--remove", self.place], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            return done.stdout or f"ceph-up ended with status {done.returncode}"
        with open(self.place + "/env") as lines:
            self.env = dict(re.findall(r"^export (\w+)='(.*)'$", lines.read(), re.M))
        return ""

    def stop(self):
        subprocess.run([PYTHON, "tests/support/ceph-up", "--stop", self.place])
        shutil.rmtree(self.place, ignore_errors=True)


# name: (build types, cases); in the order they are started, long programs first.
STAGES = {
    "lint": ([], lint_cases),
    "stores": (["release", "asan"], stores_cases),
    "deploy": (["release"], deploy_cases),
    "console": (["release"], console_cases),
    "crash": (["release"], crash_cases),
    "asan": (["asan"], asan_cases),
    "tsan": (["tsan"], tsan_cases),
    "model": ([], model_cases),
    "e2e": (["release"], e2e_cases),
    "reader": (["release"], reader_cases),
    "golden": (["release"], golden_cases),
    "bench-smoke": (["release"], bench_cases),
    "fuzz": (["fuzz"], fuzz_cases),
    "unit": (["release"], unit_cases),
}
# What a stage is that is asked for by name: what it runs beside its own is in the others, too.
NAMED = {"applications": (["release"], applications_cases), "stores": (["release", "asan"], all_stores_cases)}


class Outcome:
    def __init__(self, status, output, seconds=0.0, busy=0.0):
        self.status = status
        self.output = output
        self.seconds = seconds
        self.busy = busy  # seconds of processors, of all that the case waited for


def scratch_parent(case):
    """Where a case has its folder; None: where folders of this kind usually are."""
    if case.name.removeprefix("applications: ").removeprefix("stores: ").startswith(ON_DISK):
        return None
    try:
        room = os.statvfs(MEMORY)
    except OSError:
        return None
    return MEMORY if os.access(MEMORY, os.W_OK) and room.f_bavail * room.f_frsize >= MEMORY_LEAST else None


def run(case):
    """Run one case in a process group of its own."""
    started = time.monotonic()
    scratch = tempfile.mkdtemp(prefix="holdfast-test-", dir=scratch_parent(case))
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HOLDFAST_", "AWS_"))}
    env.update(case.env, TMPDIR=scratch, HOME=scratch, HOLDFAST=HOLDFAST, BUILD=BUILD, PYTHON=PYTHON,
               LC_ALL="C.UTF-8", PATH="/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
    # A file, since a pipe would wait for whatever the case leaves running in the background.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(case.argv, env=env, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        running.add(process.pid)
        late = threading.Timer(case.limit_s, kill_group, [process.pid])
        late.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        finally:
            is_late = not late.is_alive()
            late.cancel()
            kill_group(process.pid)
            running.discard(process.pid)
            shutil.rmtree(scratch, ignore_errors=True)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if is_late:
        text += f"\nkilled after {case.limit_s} s\n"
    return Outcome(process.returncode, text, time.monotonic() - started, used.ru_utime + used.ru_stime)


def kill_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def count(status, output):
    """(passed, failed) of one program from its exit status and what it printed."""
    passed = failed = 0
    check_lines = re.findall(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", output, re.M)
    for checks, failures, errors in check_lines:
        bad = int(failures) + int(errors)
        passed, failed = passed + int(checks) - bad, failed + bad
    ran = re.search(r"^Ran (\d+) tests? in ", output, re.M)
    if ran:
        numbers = re.search(r"^FAILED \((.*)\)$", output, re.M)
        failed = sum(map(int, re.findall(r"(?:failures|errors)=(\d+)", numbers[1]))) if numbers else 0
        passed = int(ran[1]) - failed
    if not check_lines and not ran:
        return (1, 0) if status == 0 else (0, 1)
    if failed == 0 and (status != 0 or passed == 0):
        failed = 1
    return passed, failed


class Totals:
    """What the run came to; shared by the places of the pool under its lock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.passed = self.failed = 0

    def add(self, name, passed, failed, outcome):
        with self.lock:
            self.passed += passed
            self.failed += failed
            number = f" ({passed + failed} tests)" if passed + failed > 1 else ""
            busy = f", busy {outcome.busy:.1f} s" if outcome.busy > 0 else ""
            if failed:
                print(outcome.output.rstrip("\n"))
            print(f"{'FAILED' if failed else 'ok'} {name}{number} {outcome.seconds:.1f} s{busy}", flush=True)

    def skip(self, name, output):
        with self.lock:
            print(f"skipped {name}: {output.strip().splitlines()[-1] if output.strip() else ''}",
                  flush=True)


def run_and_add(case, totals):
    try:
        outcome = run(case)
    except OSError as error:  # the program itself is missing
        outcome = Outcome(127, str(error))
    if outcome.status == SKIPPED and case.may_skip:
        totals.skip(case.name, outcome.output)
        return
    totals.add(case.name, *count(outcome.status, outcome.output), outcome)


def build(types, totals):
    """Build each type; returns those that can be used.  Two at a time: each begins and ends with one process."""
    def build_one(kind):
        started = time.monotonic()
        done = subprocess.run(["script/build", kind], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        seconds = time.monotonic() - started
        if done.returncode == 0:
            print(f"built {kind} {seconds:.1f} s", flush=True)
            return kind
        totals.add(f"build {kind}", 0, 1, Outcome(done.returncode, done.stdout, seconds))
        return None

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return set(pool.map(build_one, types)) - {None}


def with_gateway(cases, gateway, totals):
    """Start the gateway and tell the cases that need it; without them when it does not start."""
    wrong = gateway.start()
    if wrong:
        totals.add("stores: start the gateway", 0, 1, Outcome(1, wrong))
        return [case for case in cases if not case.needs_gateway]
    for case in cases:
        if case.needs_gateway:
            case.env.update(gateway.env)
    return cases


class Idleness:
    """How many processors of the machine had nothing to do lately, whoever keeps the others busy."""
    LATELY_S = 1.0
    IDLE = 0.25  # with 0.5 the processors idled for 17 % of a run of all

    def __init__(self):
        self.start_over()

    def start_over(self):
        self.since, self.ticks = time.monotonic(), self.idle_ticks()

    @staticmethod
    def idle_ticks():
        with open("/proc/stat") as lines:
            fields = lines.readline().split()
        return int(fields[4]) + int(fields[5])  # idle, and waiting for a disk

    def has_processor(self):
        """Whether IDLE of a processor had nothing to do since the last look, which lies LATELY_S back at least."""
        seconds = time.monotonic() - self.since
        if seconds < self.LATELY_S:
            return False
        idle = (self.idle_ticks() - self.ticks) / os.sysconf("SC_CLK_TCK") / seconds
        self.start_over()
        return idle > self.IDLE


def run_all(cases, totals):
    """Run the cases, many at a time; False when the user interrupts."""
    places = threading.Condition()
    under_way, wrong = [], []
    waiting = [case for case in reversed(cases) if case.name.startswith(WAITING)]
    idleness = Idleness()

    def run_one(case):
        try:
            run_and_add(case, totals)
        except BaseException as error:  # nothing that a case does; not to be lost with its thread
            wrong.append(error)
        with places:
            under_way.remove(case)
            places.notify()

    def run_waiting():
        while True:
            with places:
                if not waiting:
                    return
                case = waiting.pop()
                under_way.append(case)
            run_one(case)

    try:
        beside = [threading.Thread(target=run_waiting, daemon=True) for _ in range(PLACES_WAITING)]
        for thread in beside:
            thread.start()
        with places:
            for case in cases:
                if case.name.startswith(WAITING):
                    continue
                while (count := sum(not one.name.startswith(WAITING) for one in under_way)) >= PLACES and \
                        not (count < PLACES_IDLE and idleness.has_processor()):
                    places.wait(0.25)
                under_way.append(case)
                threading.Thread(target=run_one, args=[case], daemon=True).start()
        for thread in beside:
            thread.join()
        with places:
            places.wait_for(lambda: not under_way)
    except KeyboardInterrupt:
        waiting.clear()
        for group in list(running):
            kill_group(group)
        with places:
            places.wait_for(lambda: not under_way, 10)  # they remove what their cases leave
        return False
    if wrong:
        raise wrong[0]
    return True


def sample(stage, cases):
    """What "all" takes of a stage's cases; which sample it is the commit decides."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    first = int(head.stdout[:7] or "0", 16)
    every = SAMPLE_EVERY.get(stage, 1)
    programs, folders = SAMPLE_PROGRAMS.get(stage, (1, ()))
    for number, case in enumerate(cases, first):
        is_sampled = case.name.removeprefix(stage + ": ").startswith(folders)
        if case.name.startswith(THOROUGH) or (is_sampled and number % programs != 0):
            continue
        case.env.update(TEST_EVERY=str(every), TEST_FIRST=str(first))
        if stage == "tsan" and (without := TSAN_WITHOUT.get(case.name.removeprefix("tsan: "))):
            case.env["TEST_WITHOUT"] = without
        yield case


def main(argv):
    stage = argv[1] if len(argv) > 1 else "all"
    pattern = argv[2] if len(argv) > 2 else ""
    if stage not in ("all", "thorough", *STAGES, *NAMED) or len(argv) > 3:
        print("usage: script/test [all|thorough|" + "|".join([*STAGES, *NAMED]) + " [PATTERN]]", file=sys.stderr)
        return 2
    os.chdir(TOP)
    for name, amount in SAMPLE.items() if stage == "all" else ():
        os.environ.setdefault(name, amount)

    if stage in ("all", "thorough"):
        chosen = {name: what for name, what in STAGES.items() if stage == "thorough" or name != "fuzz"}
    else:
        chosen = {stage: {**STAGES, **NAMED}[stage]}
    totals = Totals()
    good = build(dict.fromkeys(t for types, _ in chosen.values() for t in types), totals)
    cases = [case for name, (types, make) in chosen.items() if good.issuperset(types)
             for case in (sample(name, make()) if stage == "all" else make()) if pattern in case.name]
    gateway = Gateway() if any(case.needs_gateway for case in cases) else None
    try:
        if gateway:
            cases = with_gateway(cases, gateway, totals)
        if not run_all(cases, totals):
            return 130
    finally:
        if gateway:
            gateway.stop()
    print(f"{totals.passed} passed, {totals.failed} failed")
    return 0 if totals.failed == 0 and totals.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
