"""WORK PORT PID: what 68-look.sh asks of a service; PID is its process."""

import concurrent.futures
import hashlib
import http.client
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import unittest
import urllib.parse
import zipfile

WORK, PORT, PID = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
DATA = os.fsencode(WORK + "/data")
ROOT = "/files" + WORK + "/data" # file trees of a set stand there


def ask(target, token="boss", method="GET"):
    """The answer, whose body is still to be read."""
    with open(f"{WORK}/{token}.token", encoding="utf-8") as file:
        secret = file.read().strip()
    link = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
    link.request(method, "/api/v1/sets/" + target, None, {"Authorization": "Bearer " + secret})
    answer = link.getresponse()
    answer.link = link # or it is closed
    return answer


def get(target, token="boss"):
    answer = ask(target, token)
    return answer.status, answer.read()


def path_of(*parts):
    return "path=" + urllib.parse.quote("/".join((ROOT,) + parts))


def readings():
    """Processes that the service has started to read, zombies too."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                parent = int(file.read().rsplit(")", 1)[1].split()[1])
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except (OSError, IndexError):
            continue
        if parent == PID and b"--keep-job" not in words:
            found.append(int(pid))
    return found


def await_none():
    end = time.monotonic() + 30
    while readings() and time.monotonic() < end:
        time.sleep(0.1)
    return readings()


class Look(unittest.TestCase):
    maxDiff = 2000

    def tearDown(self):
        self.assertEqual(await_none(), [])

    def lines(self, target, token="boss"):
        answer = ask(target, token)
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/x-ndjson"))
        return [json.loads(line) for line in answer.read().splitlines()]

    def snapshots(self, query="", token="boss", set_="shop"):
        status, body = get(f"{set_}/snapshots{query}", token)
        self.assertEqual(status, 200, body)
        return json.loads(body)

    def test_the_snapshots_of_the_set_and_no_others_page_by_page(self):
        whole = self.snapshots()
        self.assertEqual((len(whole["snapshots"]), whole["next"]), (2, None))
        self.assertTrue(all(one["set"] == "shop" for one in whole["snapshots"]))
        self.assertGreater(whole["snapshots"][0]["time"], whole["snapshots"][1]["time"])
        first = self.snapshots("?limit=1")
        second = self.snapshots("?limit=1&after=" + first["next"])
        self.assertEqual([first["snapshots"][0], second["snapshots"][0], second["next"]], [*whole["snapshots"], None])
        self.assertEqual(self.snapshots("?tag=first")["snapshots"], whole["snapshots"][1:])
        self.assertEqual(self.snapshots("?repository=main"), whole)
        self.assertEqual(get("shop/snapshots?repository=none")[0], 400)

    def test_one_snapshot_by_its_id_or_as_the_latest(self):
        new, old = self.snapshots()["snapshots"]
        for name, wanted in (("latest", new), (new["id"], new), (old["short_id"], old)):
            status, body = get("shop/snapshots/" + name)
            self.assertEqual((status, json.loads(body)), (200, wanted))
        self.assertEqual(get("shop/snapshots/" + 64 * "0")[0], 404)

    def test_whose_set_it_is_not_sees_nothing_of_it(self):
        wiki = self.snapshots(set_="wiki")["snapshots"][0]["id"]
        shop = self.snapshots()["snapshots"][0]["id"]
        for set_, id_ in (("shop", wiki), ("wiki", shop)):
            for rest in ("", "/files", "/stats", "/content?path=/"):
                status, body = get(f"{set_}/snapshots/{id_}{rest}")
                self.assertEqual(status, 404, (set_, rest, body))
            self.assertEqual(get(f"{set_}/diff?from={id_}&to=latest")[0], 404)
            self.assertEqual(get(f"{set_}/diff?from=latest&to={id_}")[0], 404)
            self.assertEqual(get(f"{set_}/files?pattern=*&snapshot={id_}")[0], 404)
        self.assertEqual(self.lines("wiki/files?pattern=big"), [])
        for target in ("shop/snapshots", "shop/files?pattern=*", "shop/snapshots/latest/content?path=/", "shop/diff?from=latest&to=latest"):
            self.assertEqual(get(target, "wiki")[0], 403, target)
        self.assertEqual(len(self.snapshots(token="wiki", set_="wiki")["snapshots"]), 1)

    def test_directories_are_listed(self):
        lines = self.lines(f"shop/snapshots/latest/files?{path_of()}")
        self.assertEqual((lines[0]["struct_type"], lines[1]["path"]), ("snapshot", ROOT))
        names = {line["path"][len(ROOT) + 1:] for line in lines[2:]}
        self.assertEqual(names, {os.fsdecode(name).encode("utf-8", "replace").decode().replace("??", "\ufffd\ufffd")
                                 for name in os.listdir(DATA)})
        deep = {line["path"] for line in self.lines(f"shop/snapshots/latest/files?{path_of()}&recursive=true")[1:]}
        self.assertIn(ROOT + "/a/b/large", deep)
        self.assertEqual(get("shop/snapshots/latest/files?path=/no/such")[0], 404)

    def test_files_are_found(self):
        found = self.lines("shop/files?pattern=-rf")
        self.assertEqual([(line["path"], line["snapshot"]) for line in found],
                         [(ROOT + "/-rf", one["id"]) for one in self.snapshots()["snapshots"]])
        self.assertEqual(len(self.lines("shop/files?pattern=BIG&ignore_case=true&snapshot=latest")), 1)
        self.assertEqual(self.lines("shop/files?pattern=none-of-this"), [])

    def test_two_snapshots_are_compared(self):
        new, old = self.snapshots()["snapshots"]
        changes = self.lines(f"shop/diff?from={old['id']}&to={new['id']}")
        self.assertEqual({(line["modifier"], line["path"]) for line in changes[:-1]},
                         {("+", ROOT + "/a/new"), ("M", ROOT + "/one")})
        self.assertEqual(changes[-1]["changed_files"], 1)

    def test_the_size_of_a_snapshot(self):
        status, body = get("shop/snapshots/latest/stats")
        self.assertEqual(status, 200, body)
        self.assertGreater(json.loads(body)["total_size"], 300 << 20)

    def test_files_come_as_they_were(self):
        for name in ("-rf", "with blank", "süß", "'\"$(x);`", "%2e%2e", "[a]*?", "a/new", "empty/../one"):
            answer = ask(f"shop/snapshots/latest/content?{path_of(name)}")
            if ".." in name.split("/"):
                self.assertEqual(answer.status, 400)
                continue
            with open(os.path.join(DATA, name.encode()), "rb") as file:
                self.assertEqual((answer.status, answer.read()), (200, file.read()), name)
            self.assertNotIn("/", answer.headers["Content-Disposition"])

    def test_directories_come_as_tar(self):
        answer = ask(f"shop/snapshots/latest/content?{path_of('a')}")
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/x-tar"))
        with tarfile.open(fileobj=io.BytesIO(answer.read())) as tar:
            self.assertEqual(tar.extractfile("./new" if "./new" in tar.getnames() else "new").read(), b"new\n")
            self.assertEqual(tar.getmember("link").linkname, "../one")
            self.assertEqual(tar.extractfile("b/large").read(), b"z" * 300000)
        # All of it, with the names that no URL can say.
        wanted = subprocess.run([os.environ["HOLDFAST"], "dump", "--set", "shop", "latest", ROOT], check=True, capture_output=True).stdout
        answer = ask(f"shop/snapshots/latest/content?{path_of()}")
        self.assertEqual(hashlib.sha256(answer.read()).digest(), hashlib.sha256(wanted).digest())
        self.assertTrue(answer.headers["Content-Disposition"].startswith('attachment; filename="data.tar"'))

    def test_directories_come_as_zip_when_that_is_asked_for(self):
        answer = ask(f"shop/snapshots/latest/content?{path_of('a')}&archive=zip")
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/zip"))
        self.assertTrue(answer.headers["Content-Disposition"].startswith('attachment; filename="a.zip"'))
        with zipfile.ZipFile(io.BytesIO(answer.read())) as zip_file:
            self.assertIsNone(zip_file.testzip())
            self.assertEqual((zip_file.read("new"), zip_file.read("link"), zip_file.read("b/large")), (b"new\n", b"../one", b"z" * 300000))
        self.assertEqual(ask(f"shop/snapshots/latest/content?{path_of('a')}&archive=rar").status, 400)
        answer = ask(f"shop/snapshots/latest/content?{path_of('a/new')}&archive=zip")
        self.assertEqual((answer.read(), answer.headers["Content-Type"]), (b"new\n", "application/octet-stream"))

    def test_a_large_file_takes_no_memory_of_the_service(self):
        answer = ask(f"shop/snapshots/latest/content?{path_of('big')}")
        self.assertEqual(int(answer.headers["Content-Length"]), 300 << 20)
        got = hashlib.sha256()
        while piece := answer.read(1 << 20):
            got.update(piece)
        with open(WORK + "/data/big", "rb") as file:
            self.assertEqual(got.digest(), hashlib.file_digest(file, "sha256").digest() if hasattr(hashlib, "file_digest")
                             else hashlib.sha256(file.read()).digest())
        with open(f"/proc/{PID}/status", encoding="utf-8") as lines:
            most = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
        print(f"the service had {most:.1f} MB at most")
        self.assertLess(most, 100)

    def test_who_hangs_up_leaves_no_process(self):
        for target in (f"shop/snapshots/latest/content?{path_of('big')}", f"shop/snapshots/latest/content?{path_of()}"):
            answer = ask(target)
            answer.read(100000)
            self.assertEqual(len(readings()), 1)
            answer.close()
            answer.link.close()
            self.assertEqual(await_none(), [])

    def test_one_that_is_killed_breaks_the_transfer(self):
        for target in (f"shop/snapshots/latest/content?{path_of('big')}", f"shop/snapshots/latest/content?{path_of()}"):
            answer = ask(target)
            self.assertEqual(answer.status, 200)
            answer.read(100000)
            os.kill(readings()[0], signal.SIGKILL)
            with self.assertRaises(http.client.IncompleteRead):
                while answer.read(1 << 20):
                    pass
                # A body of known length that ends early reads as its end here.
                if answer.length:
                    raise http.client.IncompleteRead(b"")

    def test_content_is_not_for_viewers(self):
        self.assertEqual(len(self.snapshots(token="viewer")["snapshots"]), 2)
        self.assertEqual(get(f"shop/snapshots/latest/content?{path_of('one')}", "viewer")[0], 403)

    def test_hostile_paths_lead_nowhere(self):
        for path, status in (("/../../etc/passwd", 400), ("/etc/passwd", 404), ("etc/passwd", 400), ("/%00", 400), ("/a%0a", 400),
                             ("/" + 1500 * "x", 404), ("//", 200), (urllib.parse.quote(ROOT + "/a/link"), 400),
                             (urllib.parse.quote(ROOT + "/a/link/x"), 404), ("--repo=/etc", 400), ("/--help", 404)):
            answer = ask("shop/snapshots/latest/content?path=" + path)
            self.assertEqual(answer.status, status, path)
            if status == 200:
                answer.read(10)
                answer.link.close()

    def test_a_fifth_and_a_fourth_of_one_are_told_to_come_back(self):
        held = [ask(f"shop/snapshots/latest/content?{path_of('big')}") for _ in range(3)]
        self.assertEqual([answer.status for answer in held], 3 * [200])
        answer = ask("shop/snapshots")
        self.assertEqual((answer.status, answer.headers["Retry-After"]), (503, "5"))
        answer.read()
        self.assertEqual(len(self.snapshots(token="viewer")["snapshots"]), 2)
        held.append(ask(f"shop/snapshots/latest/content?{path_of('big')}", "second"))
        self.assertEqual(held[3].status, 200)
        answer = ask("shop/snapshots", "viewer")
        self.assertEqual((answer.status, answer.headers["Retry-After"]), (503, "5"))
        answer.read()
        for answer in held:
            answer.close()
            answer.link.close()
        self.assertEqual(await_none(), [])
        self.assertEqual(len(self.snapshots()["snapshots"]), 2)

    def test_more_at_once_than_places_wait_for_one(self):
        with concurrent.futures.ThreadPoolExecutor(7) as pool:
            answers = list(pool.map(lambda _: get("shop/snapshots"), range(7)))
        self.assertEqual([status for status, _ in answers], 7 * [200])

    def test_sets_of_others_are_said_to_be_elsewhere(self):
        status, body = get("far/snapshots")
        self.assertEqual((status, json.loads(body)["detail"]), (409, "the set belongs to elsewhere: ask the service there"))
        status, body = get("nowhere/snapshots")
        self.assertEqual(status, 404)
        self.assertIn("on this host", json.loads(body)["detail"])

    def test_nothing_of_the_command_is_told_to_clients(self):
        key = WORK + "/key"
        os.rename(key, key + ".away")
        try:
            status, body = get("shop/snapshots")
        finally:
            os.rename(key + ".away", key)
        self.assertEqual(status, 500)
        self.assertNotIn(WORK.encode(), body)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
