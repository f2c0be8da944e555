#!/usr/bin/python3
"""An application for tests, with a supervisor that starts and stops it as a system's does.

application.py supervise FOLDER TREE DATABASE...  the supervisor; it listens in FOLDER, notes there in log what it did, and runs its program
                                                  "before" ahead of each start
application.py stop|start|up FOLDER               tell it, and wait; up: status 1 unless the application runs
application.py run TREE DATABASE...               the application

The application has its databases open, refuses to start where the tree has a file "refuse", and writes into the file "journal" of
the tree, in place, when it is ended.  Files in FOLDER change what stop and start do: WORD.fails, WORD.hangs, WORD.lies (it says that
it did), WORD.waits (until the file is gone; WORD.waiting is there then).
"""

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time


def run(tree, *databases):
    if os.path.exists(os.path.join(tree, "refuse")):
        sys.exit("the application does not like this state")
    held = [sqlite3.connect(path) for path in databases]
    for one in held:
        one.execute("SELECT count(*) FROM sqlite_master").fetchall()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    print("ready", flush=True)
    try:
        while True:
            signal.pause()
    finally:
        journal = os.path.join(tree, "journal")
        if os.path.exists(journal):
            with open(journal, "a", encoding="ascii") as f:
                f.write("ended\n")


class Supervisor:
    def __init__(self, folder, what):
        self.before = os.path.join(folder, "before")
        self.what = what
        self.child = None

    def up(self):
        return "" if self.child is not None and self.child.poll() is None else "it does not run"

    def start(self):
        if not self.up():
            return ""
        if os.path.exists(self.before) and subprocess.call([self.before], stdin=subprocess.DEVNULL) != 0:
            return "what runs before it failed"
        self.child = subprocess.Popen([sys.executable, os.path.abspath(__file__), "run", *self.what], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.child.stdout.readline() == "ready\n":
            return ""
        return self.child.stderr.read().strip()

    def stop(self):
        if not self.up():
            self.child.terminate()
            self.child.wait()
        return ""


def supervise(folder, *what):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(folder, "socket"))
    listener.listen()
    supervisor = Supervisor(folder, what)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(ConnectionError):  # who asked may have been killed
                word = connection.recv(16).decode()
                if word not in ("stop", "start", "up"):
                    continue
                answer = getattr(supervisor, word)()
                if word != "up":
                    with open(os.path.join(folder, "log"), "a", encoding="ascii") as log:
                        log.write(word + "\n")
                connection.sendall(answer.encode() or b"done")
    finally:
        supervisor.stop()


def tell(word, folder):
    def is_set(knob):
        return os.path.exists(os.path.join(folder, f"{word}.{knob}"))

    if is_set("waits"):
        with contextlib.suppress(OSError):  # a job may not write there
            open(os.path.join(folder, f"{word}.waiting"), "w", encoding="ascii").close()
    while is_set("waits"):
        time.sleep(0.05)
    if is_set("hangs"):
        time.sleep(600)
    if is_set("fails"):
        sys.exit(f"cannot {word}")
    if is_set("lies"):
        return
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.path.join(folder, "socket"))
        connection.sendall(word.encode())
        answer = connection.recv(4096).decode()
    if answer != "done":
        sys.exit(answer or "the supervisor is gone")


if __name__ == "__main__":
    if sys.argv[1] in ("stop", "start", "up"):
        tell(*sys.argv[1:3])
    else:
        {"supervise": supervise, "run": run}[sys.argv[1]](*sys.argv[2:])
