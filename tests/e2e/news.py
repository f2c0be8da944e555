"""Listens to one host while another does a job, and says how late the news are.  news.py FOLDER SUPPORT SERVER"""

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time

folder, support, server = sys.argv[1:]
sys.path.insert(0, support)
import service_rig  # noqa: E402

LATE_S = 2 # of a machine that others use; the news of a job come within a fraction of it
port, = service_rig.free_ports(1)
with open(folder + "/alpha.yaml", "a", encoding="utf-8") as out:
    out.write(f'serve:\n  listen: ["127.0.0.1:{port}"]\n')


def sql(text):
    done = subprocess.run(["psql", "-X", "-qAt", "-v", "ON_ERROR_STOP=1", "-h", server, "-U", "postgres", "catalog", "-c", text],
                          stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


class Listener(threading.Thread):
    """Events as (time, name, data), by SSE or a WebSocket."""

    def __init__(self, token, is_socket):
        super().__init__(daemon=True)
        self.heard = []
        self.is_socket = is_socket
        self.sock = socket.create_connection(("127.0.0.1", port), 60)
        more = ""
        if is_socket:
            key = base64.b64encode(os.urandom(16)).decode()
            more = f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        path = "/api/v1/events" + ("/socket" if is_socket else "") + "?topic=jobs"
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n{more}\r\n".encode())
        self.data = b""
        while b"\r\n\r\n" not in self.data:
            self.data += self.sock.recv(4096)
        self.start()

    def run(self):
        while True:
            for name, data in self.take():
                self.heard.append((time.time(), name, data))
            try:
                more = self.sock.recv(65536)
            except OSError:
                return
            if not more:
                return
            self.data += more

    def take(self):
        """What is whole; both forms hold an event as one line of JSON."""
        found = []
        while True:
            if self.is_socket:
                at = self.data.find(b'{"id"')
                try:
                    event, size = json.JSONDecoder().raw_decode(self.data[at:].decode("utf-8", "replace")) if at >= 0 else (None, 0)
                except ValueError:
                    event = None
                if event is None:
                    return found
                self.data = self.data[at + size:]
                found.append((event["event"], event["data"]))
            else:
                at = self.data.find(b"event: ")
                end = self.data.find(b"\n\n", at)
                if at < 0 or end < 0:
                    return found
                name, data = self.data[at + 7:end].split(b"\ndata: ", 1)
                self.data = self.data[end + 2:]
                found.append((name.decode(), json.loads(data)))

    def wait(self, name):
        service_rig.wait_until(lambda: any(n == name for _, n, _ in self.heard), name)


def begin():
    answer = service_rig.ask(port, "POST", "/api/v1/sets/slow/backup", {}, {"Authorization": "Bearer " + token})
    assert answer.status == 202, answer.body
    return answer.headers["Location"].rpartition("/")[2]


def delays(listener, job):
    """From what the catalog notes to the news of the beginning, and of the end, in ms."""
    started, ended = sql(f"select started_ns, ended_ns from holdfast.runs where job_id = '{job}'").split("|")
    first = next(t for t, n, d in listener.heard if n == "started" and d["job"] == job)
    last = next(t for t, n, d in listener.heard if n == "ended" and d["job"] == job)
    return round(1000 * (first - int(started) / 1e9)), round(1000 * (last - int(ended) / 1e9))


class Host(service_rig.Service):
    """A service on a host of another name."""

    def __init__(self, verb, name, port_=None):
        super().__init__(verb, f"{folder}/{name}.yaml", port_)
        self.name = name

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self.name, service_rig.HOLDFAST, self.verb,
                                             "--config", self.config], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        return self


alpha, beta = Host("serve", "alpha", port), Host("worker", "beta")
token = json.loads(alpha.program("token", "add", "test", "--role", "admin", "--verb", "*", "--set", "*", "--json").splitlines()[-1])["token"]
alpha.start().wait_ready()
beta.start()
try:
    listeners = [Listener(token, False), Listener(token, True)]
    job = begin()
    for one in listeners:
        one.wait("ended")
        started, ended = delays(one, job)
        progress = [(t, d) for t, n, d in one.heard if n == "progress"]
        gaps = [round(1000 * (b - a)) for (a, _), (b, _) in zip(progress, progress[1:])]
        print(f"{'WebSocket' if one.is_socket else 'SSE'}: started after {started} ms, progress {len(progress)} times, at most "
              f"{max(gaps)} ms apart, ended after {ended} ms")
        assert len(progress) >= 5 and max(gaps + [started, ended]) < 1000 * LATE_S, gaps
        assert len(progress) <= 3 * (one.heard[-1][0] - one.heard[0][0]) + 2, "more than a few a second"
        assert [n for _, n, d in one.heard].count("ended") == 1 and one.heard[-1][2]["state"] == "success", one.heard[-1]

    # The connection that hears breaks: another is made, and nothing is missed.
    sql("select pg_terminate_backend(pid) from pg_stat_activity where query like 'LISTEN%'")
    before = len(listeners[0].heard)
    job = begin()
    service_rig.wait_until(lambda: any(n == "ended" and d["job"] == job for _, n, d in listeners[0].heard), "the end after a break")
    names = [n for _, n, _ in listeners[0].heard[before:]]
    assert names[0] == "started" and "progress" in names, names
finally:
    statuses = [alpha.stop(), beta.stop()]
assert statuses == [0, 0], (statuses, alpha.said(), beta.said())
