#!/usr/bin/python3
"""The keys of a store are found nowhere but where the user put them.

Not in arguments, in the environment of children, in what is printed when all goes well or wrong,
in files, in the store itself, or in a core file.
"""

import contextlib
import glob
import http.server
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from worlds import Program, RepositoryTest, gateway, rig  # noqa: E402

ID = gateway.KEYS["AWS_ACCESS_KEY_ID"]
SECRET = gateway.KEYS["AWS_SECRET_ACCESS_KEY"]
TOKEN = "canary-session-token-51c7"
CANARIES = {"the access key id": ID.encode(), "the secret key": SECRET.encode(), "the token": TOKEN.encode()}


def readable(path):
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read()
    return b""


class Watcher:
    """Reads the arguments of every process again and again."""

    def __enter__(self):
        self.found, self.seen, self.is_over = set(), set(), False
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.is_over:
            for path in glob.glob("/proc/[0-9]*/cmdline"):
                words = readable(path)
                self.seen.add(words.split(b"\0")[0])
                if any(canary in words for canary in CANARIES.values()):
                    self.found.add(words)

    def __exit__(self, *_):
        self.is_over = True
        self.thread.join()


class Gossip(http.server.BaseHTTPRequestHandler):
    """A server that refuses everything and repeats what it was sent, as some do."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        said = "; ".join(f"{k}: {v}" for k, v in self.headers.items()) + f" and {SECRET} of {ID} with {TOKEN}"
        body = (f"<Error><Code>SignatureDoesNotMatch</Code><Message>{said}</Message>"
                f"<AWSAccessKeyId>{ID}</AWSAccessKeyId><StringToSign>{said}</StringToSign></Error>").encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_PUT = do_HEAD = do_POST = do_DELETE = do_GET

    def log_message(self, *_):
        pass


class SecretsTest(RepositoryTest):
    name = "secrets"

    def lacks_keys(self, what, data, names=tuple(CANARIES)):
        for name in names:
            canary = CANARIES[name]
            at = data.find(canary)
            if at >= 0:
                around = data[max(0, at - 60):at + 100].replace(canary, b"<canary>")
                self.fail(f"{what}: {name} stands in {around}")

    def tells_nothing(self, result):
        self.lacks_keys("output", result.raw + result.err.encode())
        return result

    def reach(self, url, *words):
        return self.at("main", *words, url=url)

    def test_no_argument_of_any_process_has_them(self):
        with Watcher() as watcher:
            self.source.mutate()
            for words in (("backup", self.source.folder), ("snapshots",), ("check", "--read-data"),
                          ("restore", "latest", "--target", self.folder + "/target"), ("prune",),
                          ("backup", "--stdin-from-command", "--stdin-filename", "x", "--", "sleep", "0.2")):
                self.tells_nothing(self.program.must(*words))
        self.assertIn(rig.HOLDFAST.encode(), watcher.seen)
        self.assertEqual(watcher.found, set())

    def test_no_child_inherits_them_or_finds_them_in_its_parent(self):
        script = "cat /proc/self/environ /proc/$PPID/environ /proc/$PPID/cmdline"
        self.program.run("backup", "--stdin-from-command", "--stdin-filename", "seen", "--", "sh", "-c", script,
                         extra={"AWS_SESSION_TOKEN": ""})
        seen = self.program.run("dump", "latest", "/seen").raw
        self.assertIn(b"PATH=", seen)
        self.lacks_keys("environment", seen)

    def test_no_failure_tells_them(self):
        wrong = {"AWS_SECRET_ACCESS_KEY": SECRET[::-1]}
        unknown = {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN12345"}
        for extra in (wrong, unknown, {"AWS_SESSION_TOKEN": TOKEN}):
            result = self.tells_nothing(self.program.run("snapshots", extra=extra))
            # A gateway without STS looks at no token.
            self.assertEqual(result.complaints(rig.FAILED, *[rig.OK] * ("AWS_SESSION_TOKEN" in extra)), [])
            for value in extra.values():
                self.assertNotIn(value, result.err)
        for program in (self.reach("http://127.0.0.1:1", "-o", "s3.patience=3"),
                        self.reach(gateway.TLS_URL), self.reach("http://no.such.host.invalid", "-o", "s3.patience=3")):
            result = self.tells_nothing(program.run("-v", "snapshots"))
            self.assertEqual(result.complaints(rig.FAILED), [])
        nowhere = Program(f"s3:{gateway.URL}/no-such-bucket-here/r", self.folder + "/key", self.folder + "/cache")
        self.tells_nothing(nowhere.run("snapshots"))
        self.tells_nothing(nowhere.json("snapshots"))

    def test_no_fault_on_the_way_tells_them(self):
        with gateway.Proxy() as proxy:
            for fault in ("drop", "reset", "status", "redirect", "garbage", "error-in-200", "truncate", "wrong-body",
                          "hang"):
                for word in ("snapshots", "backup"):
                    proxy.plan(rules=[{"fault": fault}])
                    program = self.reach(proxy.url, *"-o s3.patience=3 -o s3.timeout=1".split())
                    words = (word, self.source.folder) if word == "backup" else (word,)
                    result = self.tells_nothing(program.run("-v", *words))
                    self.assertNotEqual(result.status, rig.OK)
                    self.assertEqual(result.complaints(), [])

    def test_a_server_that_repeats_what_it_was_sent_is_not_quoted_with_them(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gossip)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for words in (("snapshots",), ("-v", "backup", self.source.folder), ("--json", "snapshots")):
            result = self.reach(f"http://127.0.0.1:{server.server_port}").run(*words, extra={"AWS_SESSION_TOKEN": TOKEN})
            self.assertEqual(result.status, rig.FAILED, result.err)
            self.tells_nothing(result)
            self.assertNotIn("Signature=", result.err)
        server.shutdown()
        server.server_close()

    def test_no_file_and_no_object_has_them(self):
        for at, _, names in os.walk(self.folder):
            for name in names:
                self.lacks_keys(name, readable(os.path.join(at, name)))
        s3 = gateway.client()
        for key in gateway.keys_of(self.bucket):
            self.lacks_keys(key, key.encode() + s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def test_no_core_file_has_them(self):
        place = self.enterContext(rig.scratch_folder())

        def allow_cores():
            resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        child = subprocess.Popen(
            [rig.HOLDFAST, "backup", "--stdin-from-command", "--stdin-filename", "slow", "--",
             "sh", "-c", "echo begun; : >begun; exec sleep 600"],
            env=self.program.environment({"AWS_SESSION_TOKEN": TOKEN}), cwd=place, preexec_fn=allow_cores, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(child.kill)
        end = time.monotonic() + 60
        while not os.path.exists(place + "/begun"):  # then it has opened the repository and waits for the command
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)
        self.lacks_keys("environ", readable(f"/proc/{child.pid}/environ"))
        # Wherever this machine puts cores: nothing of its memory goes into one.
        self.assertEqual(readable(f"/proc/{child.pid}/coredump_filter").strip(), b"00000000")
        child.send_signal(signal.SIGSEGV)
        self.assertEqual(child.wait(30), -signal.SIGSEGV)
        for name in os.listdir(place):
            self.lacks_keys(name, readable(f"{place}/{name}"))


if __name__ == "__main__":
    unittest.main()
