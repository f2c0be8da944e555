#!/usr/bin/python3
"""Backups of WireGuard Gateway against Python's zipfile, which the application uses, and unzip.

What we write is what zipfile writes of the same files, byte for byte. Of files that were damaged at random or on purpose
none may be taken that zipfile or unzip refuse or see other content in. WIREGUARD_SEED repeats a run.
"""

import datetime
import json
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
import zlib

SEED = int(os.environ.get("WIREGUARD_SEED", "7"))
RANDOM = random.Random(SEED)
CREATED = datetime.datetime(2026, 11, 20, 20, 51, 52, 894049, tzinfo=datetime.timezone.utc)
ROOT = ("app.db", "configs.db", "wireguard.db", "iptables_rules.txt", "iptables_nat_rules.txt", "iptables_forward_rules.txt")
LISTED = {"databases": ROOT[:3], "iptables_rules": ROOT[3:5]}


def metadata(names, instance):
    contents = {"databases": [n for n in LISTED["databases"] if n in names],
                "configs": [n[8:] for n in names if n.startswith("configs/") and n.endswith(".conf")],
                "iptables_rules": [n for n in LISTED["iptables_rules"] if n in names]}
    return json.dumps({"backup_version": "1.0", "created_at": CREATED.isoformat(), "timestamp": CREATED.strftime("%Y%m%d_%H%M%S"),
                       "system_info": {"platform": "posix", "instance_path": instance}, "contents": contents}, indent=2)


class Staging:
    """A folder as the application makes it before it packs it."""

    def __init__(self, folder, names, instance):
        self.folder, self.instance = folder, instance
        os.makedirs(os.path.join(folder, "configs"))
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith(".db"):
                with sqlite3.connect(path) as db:
                    db.execute("CREATE TABLE clients(id TEXT, name TEXT)")
                    db.executemany("INSERT INTO clients VALUES(?, ?)", [(str(i), RANDOM.randbytes(20).hex()) for i in range(300)])
                db.close()
            else:
                with open(path, "wb") as f:
                    f.write(b"[Interface]\nPrivateKey = %s\n[Peer]\nAllowedIPs = 0.0.0.0/0\n" % RANDOM.randbytes(32).hex().encode()
                            if name.endswith(".conf") else b"*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n" * RANDOM.randrange(3))
            os.chmod(path, 0o644)
            os.utime(path, (RANDOM.randrange(400_000_000, 4_000_000_000),) * 2)
        with open(os.path.join(folder, "backup_metadata.json"), "w", encoding="ascii") as f:
            f.write(metadata(names, instance))
        os.chmod(os.path.join(folder, "backup_metadata.json"), 0o644)
        os.utime(os.path.join(folder, "backup_metadata.json"), (CREATED.timestamp(),) * 2)
        root = [n for n in names if "/" not in n] + ["backup_metadata.json"]
        self.names = root + [n for n in names if "/" in n]

    def pack(self, path, compression=zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(path, "w", compression) as z:
            for name in self.names:
                z.write(os.path.join(self.folder, name), name)
        return path


def our_content(program, path):
    out = subprocess.run([program, "content", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if out.returncode != 0:
        return None
    members, rest = {}, out.stdout
    while rest:
        head, rest = rest.split(b"\n", 1)
        name, size = head.decode().rsplit(" ", 1)
        members[name], rest = rest[:int(size)], rest[int(size):]
    return members


def their_content(path):
    with zipfile.ZipFile(path) as z:
        return {n: z.read(n) for n in z.namelist()}


def check(program, paths):
    with tempfile.TemporaryFile() as answers:
        # What a sanitizer keeps of freed memory says nothing; what this process has would be counted too.
        asan = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=8"
        child = subprocess.Popen([program, "check", *paths], stdout=answers, env=dict(os.environ, ASAN_OPTIONS=asan))
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert status == 0
        answers.seek(0)
        return answers.read().decode().splitlines(), usage.ru_maxrss // 1024


def both_ways(program, folder):
    sets = [("app.db",), ROOT + ("configs/site_ab12cd34.conf", "configs/notes.txt", "configs/b.conf"),
            ("wireguard.db",) + tuple(f"configs/c{i}.conf" for i in range(100))]
    for n, names in enumerate(sets):
        staging = Staging(os.path.join(folder, f"s{n}"), names, "/opt/\u00e4\u20ac\U0001f600")
        theirs = staging.pack(os.path.join(folder, f"theirs{n}.zip"))
        os.makedirs(os.path.join(folder, f"o{n}"))
        subprocess.run([program, "write", staging.folder, os.path.join(folder, f"o{n}"),
                        str(int(CREATED.timestamp()) * 10**9 + CREATED.microsecond * 1000), staging.instance, *names], check=True)
        ours = os.path.join(folder, f"o{n}", "written.zip")
        with open(ours, "rb") as a, open(theirs, "rb") as b:
            assert a.read() == b.read(), "other bytes than zipfile's"
        with zipfile.ZipFile(ours) as z:
            assert z.testzip() is None
        assert subprocess.run(["unzip", "-tq", ours], stdout=subprocess.DEVNULL, check=False).returncode == 0, "unzip refuses it"
        stored = staging.pack(os.path.join(folder, f"stored{n}.zip"), zipfile.ZIP_STORED)
        for path in (theirs, stored):
            assert our_content(program, path) == their_content(path), f"other content of {path}"
        if shutil.which("zip"):
            packed = os.path.join(folder, f"info{n}.zip")
            subprocess.run(["zip", "-qr", packed, "."], cwd=staging.folder, check=True)
            assert our_content(program, packed) == their_content(packed), "other content of Info-ZIP's file"
    return os.path.join(folder, "theirs1.zip")


def bombs(folder):
    """Files on purpose, each of which must be refused; yields paths."""
    good = {"backup_metadata.json": metadata(["app.db"], "i").encode(), "app.db": b"SQLite format 3\0"}

    def made(name, members, compression=zipfile.ZIP_DEFLATED):
        path = os.path.join(folder, f"bomb-{name}.zip")
        with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compression) as z:
            warnings.simplefilter("ignore")  # names that are there twice
            for member, content in (*good.items(), *members):
                z.writestr(member, content)
        return path

    yield made("zeros", [("configs/zeros", bytes(90 << 20))])
    yield made("large", [("configs/noise", RANDOM.randbytes(1 << 20)), ("configs/zeros", bytes(101 << 20))])
    yield made("many", [(f"configs/{i}", b"") for i in range(10000)])
    yield made("twice", [("app.db", good["app.db"])])
    yield made("case", [("APP.DB", good["app.db"])])
    yield made("slip", [("../../etc/cron.d/x", b"x")])
    yield made("absolute", [("/etc/cron.d/x", b"x")])
    yield made("utf8", [("configs/\u00e9.conf", b"[Interface][Peer]")])
    yield made("bzip2", [("configs/x", b"x" * 1000)], zipfile.ZIP_BZIP2)
    yield made("lzma", [("configs/x", b"x" * 1000)], zipfile.ZIP_LZMA)
    link = zipfile.ZipInfo("configs/link")
    link.external_attr, link.create_system = 0o120777 << 16, 3
    yield made("link", [(link, "/etc/shadow")])
    # A stream that cannot seek: sizes behind the data.
    path = os.path.join(folder, "bomb-descriptor.zip")
    with open(path, "wb") as f:
        class Stream:
            def write(self, b):
                return f.write(b)

            def flush(self):
                f.flush()
        with zipfile.ZipFile(Stream(), "w") as z:
            for member, content in good.items():
                z.writestr(member, content)
    yield path
    path = os.path.join(folder, "bomb-zip64.zip")
    with zipfile.ZipFile(path, "w") as z:
        for member, content in good.items():
            with z.open(member, "w", force_zip64=True) as f:
                f.write(content)
    yield path
    # One run of packed bytes for many entries.
    with open(made("plain", []), "rb") as f:
        plain = f.read()
    at = plain.index(b"PK\1\2")
    first = plain[at:plain.index(b"PK\1\2", at + 4)]
    path = os.path.join(folder, "bomb-overlap.zip")
    with open(path, "wb") as f:
        directory = plain[at:-22] + first * 100
        f.write(plain[:at] + directory + struct.pack("<IHHHHIIH", 0x06054b50, 0, 0, 102, 102, len(directory), at, 0))
    yield path
    path = os.path.join(folder, "bomb-comment.zip")
    with open(path, "wb") as f:
        f.write(plain[:-2] + struct.pack("<H", len(plain)) + plain)
    yield path
    path = os.path.join(folder, "bomb-two.zip")
    with open(path, "wb") as f:
        f.write(plain + plain)
    yield path


def damaged(folder, good):
    """Files at random; whether they are still right is for zipfile and unzip to say."""
    with open(good, "rb") as f:
        whole = f.read()
    marks = [i for i in range(len(whole)) if whole[i:i + 4] in (b"PK\1\2", b"PK\3\4", b"PK\5\6")]
    for n in range(400):
        bad = bytearray(whole)
        for _ in range(RANDOM.choice((1, 1, 2))):
            at = RANDOM.choice((RANDOM.randrange(len(bad)), min(len(bad) - 1, RANDOM.choice(marks) + RANDOM.randrange(46))))
            kind = RANDOM.randrange(5)
            if kind < 3:
                bad[at] = RANDOM.choice((0, 0xff, bad[at] ^ 1 << RANDOM.randrange(8), RANDOM.randrange(256)))
            elif kind == 3:
                bad[at:at + RANDOM.randrange(8)] = RANDOM.randbytes(RANDOM.randrange(8))
            else:
                del bad[RANDOM.randrange(len(bad)):]
                bad += bytes(RANDOM.randrange(2))
        path = os.path.join(folder, f"damaged{n}.zip")
        with open(path, "wb") as f:
            f.write(bad)
        yield path


def differ(program, path):
    """A file that was taken must be the same to everybody."""
    try:
        theirs = their_content(path)
    except (zipfile.BadZipFile, NotImplementedError, zlib.error, EOFError, OSError, RuntimeError, UnicodeError, ValueError) as e:
        return f"zipfile refuses it: {e}"
    if our_content(program, path) != theirs:
        return "zipfile sees other content"
    code = subprocess.run(["unzip", "-tqq", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                          check=False).returncode
    return f"unzip ends with {code}" if code > 1 else None


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        good = both_ways(program, folder)
        purpose, chance = list(bombs(folder)), list(damaged(folder, good))
        begin = time.monotonic()
        answers, memory = check(program, purpose)
        more, memory_more = check(program, chance)
        seconds = time.monotonic() - begin
        assert len(answers) == len(purpose) and len(more) == len(chance)
        bad = [f"{os.path.basename(p)} was taken" for p, a in zip(purpose, answers) if a == "ok"]
        taken = [p for p, a in zip(chance, more) if a == "ok"]
        bad += [f"{os.path.basename(p)}: {why}" for p in taken if (why := differ(program, p))]
        for sentence in bad:
            print(sentence)
        refused = len(purpose) + len(chance) - len(taken)
        print(f"{refused} malformed refused, {len(taken)} changed without meaning, {len(bad)} wrong, {seconds:.1f} s, "
              f"{max(memory, memory_more)} MiB at most, seed {SEED}")
        assert not bad and refused >= 200 and seconds < 60 and max(memory, memory_more) < 256


if __name__ == "__main__":
    main()
