"""The POS service's API with a real worker: backups, drills and restores of real files."""

import glob
import json
import os
import socket
import sqlite3
import subprocess
import unittest

import pos_rig

HOLDFAST = os.environ["HOLDFAST"]
CONFIG = """
state: {0}/state
repositories:
  main: {{ url: {0}/repo, password_file: {0}/password }}
sets:
  shop:
    sources:
      - files: {{ paths: [{0}/uploads] }}
      - sqlite: {{ path: {0}/app.db }}
    repositories: [main]
"""


class LivePos(pos_rig.Pos):
    """Its jobs are done by the program itself."""

    def start(self):
        self.config = self.folder + "/holdfast.yaml"
        password = self.folder + "/password"
        for folder in ("uploads", "state"):
            os.mkdir(f"{self.folder}/{folder}", 0o700)
        self.write("hello\n")
        with open(self.config, "w") as out:
            out.write(CONFIG.format(self.folder))
        with open(password, "w") as out:
            out.write("the password of a test\n")
        os.chmod(password, 0o600)
        with sqlite3.connect(self.folder + "/app.db") as db:
            db.execute("CREATE TABLE sale (what TEXT)")
            db.executemany("INSERT INTO sale VALUES (?)", [(f"item {i}",) for i in range(100)])
        db.close()
        subprocess.run([HOLDFAST, "init", "--repo", self.folder + "/repo", "--password-file", password],
                       check=True, stdout=subprocess.DEVNULL)
        self.process = subprocess.Popen([pos_rig.SERVICE, self.folder + "/state", socket.gethostname()],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        told = json.loads(self.process.stdout.readline())
        self.port, self.routes = told["port"], told["routes"]
        self.program = subprocess.Popen([HOLDFAST, "worker", "--config", self.config],
                                        stdout=subprocess.DEVNULL)

    def stop(self):
        self.program.terminate()
        self.program.wait(timeout=60)
        super().stop()

    def write(self, text):
        with open(self.folder + "/uploads/a.txt", "w") as out:
            out.write(text)

    def read(self):
        with open(self.folder + "/uploads/a.txt") as file:
            return file.read()


class Live(unittest.TestCase):
    def setUp(self):
        self.pos = LivePos()
        self.addCleanup(self.pos.stop)

    def ask(self, path, body=None):
        answer = self.pos.ask("POST", path, body)
        return answer.status, answer.json()

    def test_a_backup_comes_back_until_it_is_damaged(self):
        self.ask("/configs", pos_rig.config(id="shop", type="full"))
        status, got = self.ask("/create", {"configId": "shop"})
        self.assertEqual((status, got["backup"]["status"]), (200, "success"), got)
        backup = got["backup"]["id"]
        self.assertRegex(got["backup"]["checksum"], "^[0-9a-f]{64}$")
        self.assertGreater(got["backup"]["size"], 6)

        self.assertEqual(self.ask("/verify/" + backup), (200, {
            "backupId": backup, "isValid": True, "message": "Backup integrity verified"}))
        self.pos.write("overwritten by accident\n")
        self.assertEqual(self.ask("/restore/" + backup), (200, {
            "success": True, "message": "Restore completed successfully"}))
        self.assertEqual(self.pos.read(), "hello\n")

        for path in glob.glob(self.pos.folder + "/repo/packs/*/*"):
            os.chmod(path, 0o600)
            with open(path, "r+b") as pack:
                data = bytearray(pack.read())
                data[len(data) // 3] ^= 1
                data[len(data) // 2] ^= 1
                pack.seek(0)
                pack.write(data)
        self.pos.write("worth keeping\n")
        self.assertEqual(self.ask("/verify/" + backup), (200, {
            "backupId": backup, "isValid": False, "message": "Backup integrity check failed"}))
        self.assertEqual(self.ask("/restore/" + backup), (400, {
            "error": "Backup integrity check failed. Cannot restore."}))
        self.assertEqual(self.pos.read(), "worth keeping\n")


if __name__ == "__main__":
    unittest.main()
