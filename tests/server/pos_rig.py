"""The POS service's API under test, its worker, and clients as its document shows them."""

import http.client
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time

SERVICE = os.environ["POS_SERVICE"]  # the program that meson builds beside these tests

# The numbers of the enums of principal.h.
KINDS = {"user": 1, "api": 2, "push": 3, "agent": 4}
ROLES = {"none": 0, "viewer": 1, "manager": 2, "admin": 3, "super_admin": 4}

DAILY = {
    "id": "daily-db-backup", "name": "Daily Database Backup", "type": "database",
    "schedule": "0 2 * * *", "retention": {"daily": 7, "weekly": 4, "monthly": 6},
    "compression": "gzip", "encryption": True,
    "destinations": [{"type": "s3", "config": {"bucket": "vevurn-backups", "region": "us-east-1",
                                               "folder": "database"}}],
    "notifications": {"onSuccess": ["admin@vevurn.com"],
                      "onFailure": ["admin@vevurn.com", "tech@vevurn.com"]},
    "enabled": True}


def config(**changes):
    return {**DAILY, **changes}


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self):
        return json.loads(self.body)


class Pos:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="pos-")
        self.lock = threading.Lock()
        self.deciding = threading.Lock() # held while the worker decides whether and how to do a job
        self.done = []       # jobs that the worker did
        self.outcomes = {}
        self.stopping = False
        self.start()
        self.worker = threading.Thread(target=self.work)
        self.worker.start()

    def start(self):
        with open(self.folder + "/log", "ab") as log:
            self.process = subprocess.Popen(
                [SERVICE, self.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                stderr=None if os.environ.get("POS_STDERR") else log)
        told = json.loads(self.process.stdout.readline())
        self.port, self.routes = told["port"], told["routes"]

    def stop(self):
        self.stopping = True
        self.worker.join()
        self.process.stdin.write("stop\n")
        self.process.stdin.close()
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        shutil.rmtree(self.folder)
        assert status == 0, status

    def command(self, line):
        with self.lock:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    @property
    def outcomes(self):
        """kind -> (state, snapshot, verdict); none: the job stays where it is.  Holds for all that is asked from then on."""
        return self.told

    @outcomes.setter
    def outcomes(self, outcomes):
        with self.deciding:
            self.told = outcomes

    def work(self):
        """Does what waits, as far as the test said what comes of it."""
        while not self.stopping:
            with self.deciding:
                job = self.command("claim") if self.outcomes else {}
                outcome = self.outcomes.get(job["kind"], ("failed", "-", "-")) if job else None
            if not job:
                time.sleep(0.01)
                continue
            self.done.append(job) # first: whoever asked for it may read this as soon as it has ended
            self.command(f"finish {job['id']} {job['fence']} {' '.join(outcome)}")

    def sql(self, text, *values):
        """Past the service, as nobody should."""
        with sqlite3.connect(self.folder + "/catalog.db", timeout=60) as db:
            rows = db.execute(text, values).fetchall()
        db.close()
        return rows

    def ask(self, method, path, body=None, role="admin", kind="user", headers=None, scopes="*",
            how="Test"):
        """body: what becomes JSON; bytes go as they are.  role None: nobody in particular."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=200)
        all_headers = {}
        if role is not None:
            all_headers["Authorization"] = f"{how} {KINDS[kind]} {ROLES[role]} {scopes}"
            all_headers["X-HF-CSRF"] = "csrf-of-the-session"
        if body is not None:
            all_headers["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        all_headers.update(headers or {})
        c.request(method, "/api/backup" + path, body,
                  {k: v for k, v in all_headers.items() if v is not None})
        answer = Answer(c.getresponse())
        c.close()
        return answer

    def audit(self):
        return self.sql("SELECT actor, action, object, outcome FROM audit ORDER BY seq")
