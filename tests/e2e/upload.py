"""WORK PORT PID [again]: what 69-upload.sh asks of a service; PID is its process, which is killed at the end but for "again"."""

import base64
import hashlib
import http.client
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest

WORK, PORT, PID = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
MIB = 1 << 20
BLOCK = os.urandom(64 * MIB) # so that the repository stays small
BLOCKS = 16                  # of the largest upload


def token(name):
    with open(f"{WORK}/{name}.token", encoding="utf-8") as file:
        return file.read().strip()


def digest(body):
    return "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"


def ask(method, target, who="boss", body=None, **headers):
    link = http.client.HTTPConnection("127.0.0.1", PORT, timeout=300)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    link.request(method, target if target[0] == "/" else "/api/v1/sets/" + target, body, {"Authorization": "Bearer " + token(who), **headers})
    answer = link.getresponse()
    return answer.status, answer.headers, answer.read()


def upload(body, name="export", set_="shop", who="pusher", **headers):
    status, _, said = ask("POST", f"{set_}/uploads/{name}", who, body, **headers)
    return status, json.loads(said)


def snapshots(query="?uploads=true", set_="shop"):
    status, _, said = ask("GET", f"{set_}/snapshots{query}")
    assert status == 200, said
    return json.loads(said)["snapshots"]


def uploads():
    return [one["paths"][0] for one in snapshots() if one.get("set") is None]


def children():
    """Processes that the service has started, zombies too."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                parent = int(file.read().rsplit(")", 1)[1].split()[1])
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except (OSError, IndexError):
            continue
        if parent == PID and b"--stdin-socket" in words:
            found.append((int(pid), words))
    return found


def await_children(wanted):
    end = time.monotonic() + 60
    while (count := len(children())) != wanted and time.monotonic() < end:
        time.sleep(0.05)
    return count


def peak_mb(pid):
    """The most memory that it ever had."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def begin(name, *headers, bodies=()):
    """A request on a socket of its own, with some of its body."""
    sock = socket.create_connection(("127.0.0.1", PORT), timeout=300)
    lines = [f"POST /api/v1/sets/shop/uploads/{name} HTTP/1.1", "Host: localhost", "Authorization: Bearer " + token("pusher"), *headers]
    sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
    for body in bodies:
        sock.sendall(body)
    return sock


def begin_served(name, *headers, bodies=()):
    """As begin(), when a child stores the body: whoever left a moment ago may still have a place, which is told by 503."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        sock = None
        try:
            sock = begin(name, *headers, bodies=bodies)
            while not children():
                if select.select([sock], [], [], 0.05)[0]:
                    answer = sock.recv(100)
                    assert answer.startswith(b"HTTP/1.1 503 "), answer
                    break
            else:
                return sock
        except (ConnectionResetError, BrokenPipeError):
            pass # refused before all of it was sent
        if sock is not None:
            sock.close()
        time.sleep(0.05)
    raise TimeoutError("no place for an upload")


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Upload(unittest.TestCase):
    maxDiff = 2000

    def test_1_a_gigabyte_goes_through_a_small_service_and_comes_back(self):
        command = ["curl", "-sS", "-T", "-", "-X", "POST", "-H", "Authorization: Bearer " + token("pusher"), "-H", "Transfer-Encoding: chunked",
                   f"http://127.0.0.1:{PORT}/api/v1/sets/shop/uploads/big"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as curl:
            whole = hashlib.sha256()
            for _ in range(BLOCKS):
                curl.stdin.write(BLOCK)
                whole.update(BLOCK)
            curl.stdin.close()
            said = json.loads(curl.stdout.read())
        self.assertEqual((said["size"], said["sha256"], said["name"]), (BLOCKS * len(BLOCK), whole.hexdigest(), "big"))
        self.assertLess(peak_mb(PID), 100)
        again = hashlib.sha256()
        link = http.client.HTTPConnection("127.0.0.1", PORT, timeout=300)
        link.request("GET", f"/api/v1/sets/shop/snapshots/{said['snapshot']}/content?path=/big", None, {"Authorization": "Bearer " + token("boss")})
        answer = link.getresponse()
        self.assertEqual((answer.status, int(answer.headers["Content-Length"])), (200, BLOCKS * len(BLOCK)))
        while piece := answer.read(MIB):
            again.update(piece)
        self.assertEqual(again.hexdigest(), whole.hexdigest())
        self.assertLess(peak_mb(PID), 100)

    def test_2_it_is_listed_looked_into_and_restored_but_is_no_backup_of_the_set(self):
        latest = json.loads(ask("GET", "shop/snapshots/latest")[2])
        body = b"an export\n" * 1000
        status, said = upload(body, "dump.sql", Content_Digest=digest(body))
        self.assertEqual((status, said["size"], said["sha256"]), (201, len(body), hashlib.sha256(body).hexdigest()))
        id_ = said["snapshot"]
        self.assertEqual(json.loads(ask("GET", "shop/snapshots/latest")[2]), latest)
        self.assertEqual([one["id"] for one in snapshots("")], [latest["id"]])
        newest = snapshots()[0]
        self.assertEqual((newest["id"], newest.get("set"), newest["tags"], newest["paths"]), (id_, None, ["upload:shop"], ["/dump.sql"]))
        self.assertEqual(snapshots("?uploads=true&tag=upload:shop")[0]["id"], id_)
        self.assertEqual(ask("GET", f"shop/snapshots/{id_}")[0], 200)
        self.assertEqual(ask("GET", f"shop/snapshots/{id_}/files")[0], 200)
        self.assertEqual(ask("GET", f"shop/diff?from={id_}&to=latest")[0], 200)
        self.assertEqual(ask("GET", f"shop/snapshots/{id_}/content?path=/dump.sql")[2], body)
        for words in ((), ("--set", "shop", "--uploads")):
            out = f"{WORK}/restored{len(words)}"
            subprocess.run([os.environ["HOLDFAST"], "restore", id_, *words, "--target", out], check=True, capture_output=True)
            with open(out + "/dump.sql", "rb") as file:
                self.assertEqual(file.read(), body)
        order = json.dumps({"snapshot": id_, "target": WORK + "/restores/look"})
        status, _, said = ask("POST", "shop/restore", "boss", order, Content_Type="application/json")
        self.assertEqual(status, 202, said)
        job, end = "/api/v1/jobs/" + json.loads(said)["job"], time.monotonic() + 60
        while not os.path.exists(WORK + "/restores/look/dump.sql") and time.monotonic() < end:
            time.sleep(0.1)
        while (state := json.loads(ask("GET", job)[2]))["state"] in ("queued", "running") and time.monotonic() < end:
            time.sleep(0.1)
        with open(WORK + "/restores/look/dump.sql", "rb") as file:
            self.assertEqual(file.read(), body, state)
        for words in (("restore", id_, "--set", "shop", "--target", WORK + "/x"), ("restore", id_, "--set", "shop", "--in-place", "--yes"),
                      ("tag", id_, "--of-set", "shop", "--add", "x"), ("dump", "latest", "/dump.sql", "--set", "shop", "--uploads")):
            self.assertNotEqual(subprocess.run([os.environ["HOLDFAST"], *words], capture_output=True).returncode, 0, words)

    def test_3_a_token_of_another_set_has_no_part_in_it(self):
        self.assertEqual(upload(b"x", who="wiki")[0], 403)
        self.assertEqual(upload(b"x", set_="wiki")[0], 403)
        id_ = upload(b"x", "secret")[1]["snapshot"]
        for rest in ("", "/files", "/content?path=/secret"):
            self.assertEqual(ask("GET", f"wiki/snapshots/{id_}{rest}", "wiki")[0], 404)
            self.assertEqual(ask("GET", f"shop/snapshots/{id_}{rest}", "pusher")[0], 403)
        self.assertEqual([one["paths"] for one in snapshots(set_="wiki") if one.get("set") is None], [])

    def test_4_a_body_that_is_not_what_was_said_is_no_snapshot(self):
        before = uploads()
        body = os.urandom(3 * MIB)
        self.assertEqual(upload(body, Content_Digest=digest(body[:-1]))[1]["code"], "digest_mismatch")
        self.assertEqual(upload(b"", Content_Length="0")[1]["code"], "empty_body")
        sock = begin("large", f"Content-Length: {1101 * MIB}", "Expect: 100-continue")
        self.assertTrue(sock.recv(100).startswith(b"HTTP/1.1 413 "))
        sock.close()
        self.assertEqual(await_children(0), 0)
        self.assertEqual(uploads(), before)

    def test_5_what_breaks_off_is_no_snapshot(self):
        before = uploads()
        chunk = b"%x\r\n%s\r\n" % (MIB, BLOCK[:MIB])
        for size in (0, 1, 20):
            for leave in (socket.socket.close, reset):
                sock = begin_served("gone", "Content-Length: 40000000", bodies=[BLOCK[:MIB]] * size)
                leave(sock)
                sock = begin("gone", "Transfer-Encoding: chunked", bodies=[chunk] * size)
                leave(sock)
                self.assertEqual(await_children(0), 0)
        for end in (b"zz\r\n", b"100000\r\nshort", b"0"):
            sock = begin("gone", "Transfer-Encoding: chunked", bodies=[chunk, end])
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(60)
            self.assertNotIn(b" 201 ", sock.recv(100))
            sock.close()
        curl = subprocess.Popen(["curl", "-sS", "-X", "POST", "-T", "-", "-H", "Authorization: Bearer " + token("pusher"),
                                 f"http://127.0.0.1:{PORT}/api/v1/sets/shop/uploads/gone"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        curl.stdin.write(BLOCK)
        curl.kill()
        curl.communicate()
        self.assertEqual(await_children(0), 0)
        self.assertEqual(uploads(), before)

    def test_6_a_child_that_dies_or_has_no_key_is_told_as_a_failure(self):
        before = uploads()
        self.assertEqual(upload(b"x" * MIB, set_="locked", who="boss")[0], 503)
        sock = begin("killed", f"Content-Length: {20 * MIB}", bodies=[BLOCK[:10 * MIB]])
        self.assertEqual(await_children(1), 1)
        os.kill(children()[0][0], signal.SIGKILL)
        sock.sendall(BLOCK[:10 * MIB])
        self.assertIn(b" 500 ", sock.recv(100))
        sock.close()
        self.assertEqual(uploads(), before)

    def test_7_two_at_a_time_and_silence_ends_them(self):
        silent = [begin(name, "Content-Length: 40000000", bodies=[BLOCK[:MIB]]) for name in ("one", "two")]
        started = time.monotonic()
        self.assertEqual(await_children(2), 2)
        status, said = upload(b"x")
        self.assertEqual((status, said["code"]), (503, "busy"))
        self.assertEqual(ask("GET", "shop/snapshots")[0], 200) # looking has places of its own
        for _, words in children():
            self.assertFalse(any(secret in b" ".join(words) for secret in (b"Bearer", token("pusher").encode())))
        for sock in silent:
            sock.settimeout(150)
            self.assertNotIn(b" 201 ", sock.recv(100))
            sock.close()
        self.assertLess(time.monotonic() - started, 150)
        self.assertEqual(await_children(0), 0)
        self.assertNotIn("/one", uploads())
        self.assertEqual(upload(b"x", "after")[0], 201)

    def test_8_a_service_that_is_killed_leaves_none(self):
        socks = [begin(name, *head, bodies=[body]) for name, head, body in (
            ("last", ("Content-Length: 40000000",), BLOCK[:30 * MIB]),
            ("last", ("Transfer-Encoding: chunked",), b"%x\r\n%s\r\n" % (30 * MIB, BLOCK[:30 * MIB])))]
        self.assertEqual(await_children(2), 2)
        time.sleep(1)
        left = [pid for pid, _ in children()]
        os.kill(PID, signal.SIGKILL)
        end = time.monotonic() + 30
        while any(os.path.exists(f"/proc/{pid}") for pid in left) and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual([pid for pid in left if os.path.exists(f"/proc/{pid}")], [])
        for sock in socks:
            sock.close()


class Again(unittest.TestCase):
    def test_what_was_under_way_is_none_and_the_next_one_is(self):
        self.assertNotIn("/last", uploads())
        body = BLOCK[:5 * MIB]
        first = upload(body, "once", Idempotency_Key="u1", Content_Digest=digest(body))
        again = upload(body, "once", Idempotency_Key="u1", Content_Digest=digest(body))
        self.assertEqual((first[0], again), (201, first))
        self.assertEqual(uploads().count("/once"), 1)
        self.assertEqual(upload(body, "after")[0], 201)


if __name__ == "__main__":
    is_again = len(sys.argv) > 4
    unittest.main(argv=[sys.argv[0], "Again" if is_again else "Upload"], verbosity=2)
