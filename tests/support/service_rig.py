"""The real service and its workers as processes, a PostgreSQL server, and small clients: what tests share
that kill, load or abuse `holdfast serve`."""

import contextlib
import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HOLDFAST = os.environ.get("HOLDFAST", "")
READY_S = 120  # on a loaded machine; less than a second is usual


def free_ports(number):
    """Ports nobody has now; whoever asks takes them a moment later."""
    ends = [socket.socket() for _ in range(number)]
    try:
        for end in ends:
            end.bind(("127.0.0.1", 0))
        return [end.getsockname()[1] for end in ends]
    finally:
        for end in ends:
            end.close()


def wait_until(is_so, what, limit_s=READY_S, step_s=0.1):
    """The first thing that is_so() returns and that is true."""
    deadline = time.monotonic() + limit_s
    while not (found := is_so()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} within {limit_s} s")
        time.sleep(step_s)
    return found


def write_file(path, text, mode=0o600):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as out:
        out.write(text)
    return path


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self):
        return json.loads(self.body)


def ask(port, method, path, body=None, headers=None, timeout=60):
    """One request on a connection of its own; OSError and HTTPException as they come."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)) as link:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        link.request(method, path, data, {**({"Content-Type": "application/json"} if data is not None else {}),
                                          **(headers or {})})
        return Answer(link.getresponse())


class Postgres:
    """A server in a folder of its own, with one database; use it with "with"."""

    def __init__(self, database="holdfast"):
        self.database = database

    def __enter__(self):
        found = sorted((p for p in os.listdir("/usr/lib/postgresql") if p.isdigit()), key=int)
        self.programs = f"/usr/lib/postgresql/{found[-1]}/bin/"
        self.folder = tempfile.mkdtemp(prefix="holdfast-postgres-", dir="/tmp")  # a short path, for the socket
        self.owner = None
        if os.geteuid() == 0:  # the server refuses to run as root
            self.owner = pwd.getpwnam("postgres")
            os.chown(self.folder, self.owner.pw_uid, self.owner.pw_gid)
        self.address = f"postgresql://postgres@/{self.database}?host={self.folder}"
        try:
            self.program("initdb", "-D", self.folder + "/data", "-U", "postgres", "-A", "trust", "--no-sync")
            self.start()
            self.program("createdb", "-h", self.folder, "-U", "postgres", self.database)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError, subprocess.SubprocessError, RuntimeError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def program(self, name, *words):
        become = {"user": self.owner.pw_uid, "group": self.owner.pw_gid, "extra_groups": []} if self.owner else {}
        with open(self.folder + "/log.programs", "ab") as log:
            done = subprocess.run([self.programs + name, *words], stdout=log, stderr=log, cwd="/", timeout=READY_S,
                                  check=False, **become)
        if done.returncode != 0:
            with open(self.folder + "/log.programs", encoding="utf-8", errors="replace") as log:
                raise RuntimeError(f"{name}: {log.read()[-500:]}")

    def start(self):
        self.program("pg_ctl", "-D", self.folder + "/data", "-w", "-l", self.folder + "/log", "-o",
                     f"-c fsync=off -c listen_addresses= -c max_connections=200 -k {self.folder}", "start")

    def stop(self, how="immediate"):
        self.program("pg_ctl", "-D", self.folder + "/data", "-w", "-m", how, "stop")

    def rows(self, sql):
        """What a statement finds, as lists of texts."""
        done = subprocess.run([self.programs + "psql", "-X", "-q", "-A", "-t", "-F", "\x1f", "-R", "\x1e", "-v",
                               "ON_ERROR_STOP=1", "-d", self.address, "-c", sql],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr[-400:]}")
        text = done.stdout.rstrip("\n")
        return [row.split("\x1f") for row in text.split("\x1e")] if text else []

    def value(self, sql):
        found = self.rows(sql)
        return found[0][0] if found else None


class Service:
    """`holdfast serve` or `holdfast worker` with a state folder; killed and started as often as one likes."""

    def __init__(self, verb, config, port=None, environment=None):
        self.verb, self.config, self.port = verb, config, port
        self.environment = {**os.environ, **(environment or {})}
        self.process = None
        self.log = config + ".log"

    def start(self):
        with open(self.log, "ab") as log:
            log.write(b"-- start\n")
            self.process = subprocess.Popen([HOLDFAST, self.verb, "--config", self.config], env=self.environment,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.verb} ended with {self.process.returncode}: {self.said()}")
        try:
            return ask(self.port, "GET", "/readyz", timeout=20).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_ready(self):
        wait_until(self.is_ready, f"{self.verb} answers")
        return self

    def kill(self):
        self.process.kill()
        return self.process.wait()

    def stop(self):
        """Ask it to end; its status, and SIGKILL when it does not."""
        if self.process is None or self.process.poll() is not None:
            return None if self.process is None else self.process.returncode
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(READY_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return "it had to be killed"

    def said(self, size=600):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()[-size:]

    def memory_mb(self, name="VmRSS"):
        """VmRSS: what it has now; VmHWM: the most that it ever had."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as lines:
            for line in lines:
                if line.startswith(name + ":"):
                    return int(line.split()[1]) / 1024
        return 0

    def program(self, *words, check=True):
        """Another command with the same configuration; what it printed."""
        done = subprocess.run([HOLDFAST, *words, "--config", self.config], env=self.environment, cwd="/",
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=READY_S, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: status {done.returncode}: {done.stderr[-400:]}")
        return done.stdout
