"""A service under test, and clients that say exactly what they are told to."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest

SERVICE = os.environ["SERVER_SERVICE"] # the program that meson builds beside these tests
END_S = 60 # for what comes at once, on a machine with other work to do


class Service:
    def __init__(self, *options):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([SERVICE, *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.errors, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the service did not start: " + self.last_words())
        self.told = told = json.loads(line)
        self.port, self.port6, self.tls = told["port"], told["port6"], told["tls"]
        self.routes, self.fingerprint = told["routes"], told["fingerprint"]

    def command(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def stop(self, drain_ms=0):
        """Returns the exit status and the seconds that stopping took."""
        started = time.monotonic()
        try:
            self.process.stdin.write(f"{drain_ms}\n")
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        return status, time.monotonic() - started

    def last_words(self):
        """The end of what it wrote to its standard error."""
        size = os.fstat(self.errors.fileno()).st_size
        return os.pread(self.errors.fileno(), 4000, max(0, size - 4000)).decode(errors="replace")

    def rss_mb(self):
        """The most that it ever had."""
        with open(f"/proc/{self.process.pid}/status") as lines:
            for line in lines:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
        return 0

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))


class Answer:
    def __init__(self, status, headers, body, rest=b""):
        self.status, self.headers, self.body, self.rest = status, headers, body, rest

    def json(self):
        return json.loads(self.body)


def connect(port, host="127.0.0.1", source=None, timeout=END_S):
    return socket.create_connection((host, port), timeout=timeout,
                                    source_address=(source, 0) if source else None)


def read_answer(sock, method="GET", have=b""):
    """One answer off a socket, or None when it was closed without one."""
    data = have
    while b"\r\n\r\n" not in data:
        try:
            more = sock.recv(65536)
        except (ConnectionResetError, socket.timeout):
            return None
        if not more:
            return None
        data += more
    head, data = data.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1])
    headers = {}
    for line in lines[1:]:
        name, value = line.split(":", 1)
        headers.setdefault(name.strip().lower(), value.strip())
    if method == "HEAD" or status in (101, 204, 304) or 100 <= status < 200:
        return Answer(status, headers, b"", data)
    if headers.get("transfer-encoding") == "chunked":
        return read_chunks(sock, status, headers, data)
    size = int(headers.get("content-length", "-1"))
    while size < 0 or len(data) < size:
        try:
            more = sock.recv(65536)
        except ConnectionResetError:
            break
        if not more:
            break
        data += more
    if size >= 0:
        return Answer(status, headers, data[:size], data[size:])
    return Answer(status, headers, data)


def read_chunks(sock, status, headers, data):
    """body is None when the end is missing."""
    body = bytearray()
    while True:
        while b"\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return Answer(status, headers, None)
            data += more
        size, data = data.split(b"\r\n", 1)
        size = int(size, 16)
        while len(data) < size + 2:
            more = sock.recv(65536)
            if not more:
                return Answer(status, headers, None)
            data += more
        body += data[:size]
        data = data[size + 2:]
        if size == 0:
            return Answer(status, headers, bytes(body), data)


def exchange(port, raw, method="GET", **where):
    """Send bytes on a connection of their own; the answer or None."""
    with connect(port, **where) as sock:
        return say(sock, raw, method)


def exchange_to_end(port, raw):
    """As exchange(), of bytes that end the connection; (answer or None, whether the server closed it)."""
    with connect(port) as sock:
        answer = say(sock, raw, "GET")
        try:
            return answer, sock.recv(1) == b""
        except ConnectionResetError:
            return answer, True
        except socket.timeout:
            return answer, False


def say(sock, raw, method):
    try:
        sock.sendall(raw)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return read_answer(sock, method)


def wait_until(is_so, what):
    """The first thing that is_so() returns and that is true."""
    deadline = time.monotonic() + END_S
    while not (found := is_so()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} within {END_S} s")
        time.sleep(0.05)
    return found


def request(method, target, headers=None, body=b"", host="localhost"):
    """The bytes of a plain request."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Case(unittest.TestCase):
    """Tests against one service; it lives and stays small whatever they do."""
    options = ()
    rss_limit_mb = 100

    @classmethod
    def setUpClass(cls):
        cls.service = Service(*cls.options)

    @classmethod
    def tearDownClass(cls):
        status, _ = cls.service.stop()
        if status != 0:
            raise AssertionError(f"the service ended with status {status}: {cls.service.last_words()}")

    def tearDown(self):
        answer = self.ask("GET", "/healthz")
        self.assertEqual(answer.status, 200)
        if not os.environ.get("SANITIZED"):
            self.assertLess(self.service.rss_mb(), self.rss_limit_mb)

    def ask(self, method, target, headers=None, body=b"", host="localhost", **where):
        return exchange(self.service.port, request(method, target, headers, body, host), method, **where)

    def metric(self, name, **where):
        for line in self.ask("GET", "/metrics", **where).body.decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise KeyError(name)

    def ask_json(self, method, target, document, headers=None):
        return self.ask(method, target, {"Content-Type": "application/json", **(headers or {})},
                        json.dumps(document).encode())


def main():
    unittest.main(argv=[sys.argv[0]], verbosity=0)
