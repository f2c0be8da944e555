"""Thousands of bundles are pushed by many clients at once, and the service is killed in the middle: whatever was
answered with 200 is there once, under the name of the answer, and comes back from snapshots.

PUSHES says how many (10000; 2000 of a program with sanitizers), PUSHES_KILLS how often the service dies (2).
"""

import glob
import http.client
import json
import os
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/support")

import service_rig  # noqa: E402

SANITIZED = bool(os.environ.get("SANITIZED"))
PUSHES = int(os.environ.get("PUSHES", "2000" if SANITIZED else "10000"))
KILLS = int(os.environ.get("PUSHES_KILLS", "2"))
CLIENTS = 32

CONFIG = """
state: {0}/state
repositories:
  main: {{ url: {0}/repo, key_file: {0}/key }}
sets:
  shop:
    repositories: [main]
    sources: [ {{ bundle: {{ names: counted, max_count: 100000, keep: 1 }} }} ]
serve:
  listen: ["127.0.0.1:{1}"]
  compat: {{ bundle: {{ set: shop, listen: ["127.0.0.1:{2}"], without_token: true }} }}
"""


def bundle(number):
    return json.dumps({"timestamp": "2026-01-01T12:00:00.000Z", "version": "1.0.0", "data": {
        "users": ["alice", f"user {number}"], "sessions": [], "firewall_state": {}, "metadata": {"number": number}}},
        separators=(",", ":")).encode()


class Clients:
    """They share the numbers to push; each keeps its connection, and repeats what got no answer."""

    def __init__(self, port):
        self.port = port
        self.lock = threading.Lock()
        self.next = 0
        self.names = {}    # of each number that was answered with 200
        self.others = []   # other answers
        self.threads = [threading.Thread(target=self.work) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def take(self):
        with self.lock:
            self.next += 1
            return self.next - 1

    def work(self):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while (number := self.take()) < PUSHES:
            while not self.push(link, number):
                link.close()
                time.sleep(0.05)
        link.close()

    def push(self, link, number):
        """Whether it was answered."""
        try:
            link.request("POST", "/backup", bundle(number), {"Content-Type": "application/json"})
            answer = link.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException):
            return False
        with self.lock:
            if answer.status != 200:
                self.others.append((answer.status, said))
            else:
                self.names[number] = json.loads(said)["filename"]
        return True

    def wait_for(self, number):
        service_rig.wait_until(lambda: self.next >= number, f"{number} were pushed", 300, 0.005)


class PushLoad(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="holdfast-push-"))
        api, self.port = service_rig.free_ports(2)
        config = service_rig.write_file(self.folder + "/holdfast.yaml", CONFIG.format(self.folder, api, self.port))
        self.service = service_rig.Service("serve", config, api)
        self.addCleanup(self.service.stop)
        self.repository = ["--repo", self.folder + "/repo", "--key-file", self.folder + "/key"]
        self.run_program("init", *self.repository)
        self.service.program("key", "public", "--set", "shop")
        self.service.start().wait_ready()

    def run_program(self, *words):
        done = service_rig.subprocess.run([service_rig.HOLDFAST, *words], capture_output=True, text=True, timeout=300,
                                          check=False)
        self.assertEqual(done.returncode, 0, done.stderr[-400:])
        return done.stdout

    def stored(self):
        """name: content of all bundles of all snapshots; None when two differ."""
        found = {}
        for snapshot in json.loads(self.run_program("snapshots", "--json", *self.repository)):
            with tempfile.TemporaryDirectory(dir=self.folder) as target:
                self.run_program("restore", snapshot["id"] + ":/bundle", "--target", target, *self.repository)
                for path in glob.glob(target + "/**/backup_*.json", recursive=True):
                    with open(path, "rb") as file:
                        content = file.read()
                    name = os.path.basename(path)
                    found[name] = content if found.get(name, content) == content else None
        return found

    def test_what_was_answered_with_200_is_there_once_although_the_service_is_killed(self):
        started = time.monotonic()
        clients = Clients(self.port)
        for turn in range(KILLS):
            clients.wait_for(PUSHES * (turn + 1) // (KILLS + 1))
            self.service.kill()
            waiting = len(glob.glob(self.folder + "/state/spool/shop/*.sealed"))
            self.assertGreaterEqual(waiting, len(clients.names) if turn == 0 else 1)
            self.service.start().wait_ready()
            if turn == 0:  # some are joined to a snapshot while others arrive
                self.service.program("backup", "--set", "shop")
        for thread in clients.threads:
            thread.join()
        took = time.monotonic() - started
        self.assertEqual(clients.others, [])
        self.assertEqual(len(clients.names), PUSHES)
        self.assertEqual(len(set(clients.names.values())), PUSHES, "two answers named the same file")

        self.service.program("backup", "--set", "shop")
        self.assertEqual(glob.glob(self.folder + "/state/spool/shop/*.sealed"), [])
        found = self.stored()
        lost = [name for number, name in clients.names.items() if found.get(name) != bundle(number)]
        self.assertEqual(lost, [], "answered and not there as it was sent")
        # What was stored and could not be answered any more: at most one of each client and kill.
        self.assertLessEqual(len(found) - PUSHES, CLIENTS * KILLS)
        self.assertLess(self.service.memory_mb("VmHWM"), 1000 if SANITIZED else 100)
        print(f"\n{PUSHES} pushes in {took:.1f} s, {len(found) - PUSHES} stored without an answer")


if __name__ == "__main__":
    unittest.main()
