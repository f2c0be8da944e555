#!/usr/bin/python3
"""Backups of School ERP against other people's code: Python's cryptography and gzip, Node's crypto and zlib.

Files go in both directions; then files that are authentic but malformed, at random and on purpose, must be refused
where Python's gzip and json refuse them or where the format has a rule, in bounded memory and time. SCHOOL_SEED repeats.
"""

import gzip
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zlib

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SEED = int(os.environ.get("SCHOOL_SEED", "7"))
KEY = bytes(range(32, 64))
RANDOM = random.Random(SEED)
HEAD = b'{"version":"1.0","timestamp":"2025-11-21T10:28:30.846Z"'
NODE_OPEN = """
const [key, file] = process.argv.slice(1), fs = require('fs'), c = require('crypto'), b = fs.readFileSync(file);
const d = c.createDecipheriv('aes-256-gcm', Buffer.from(key, 'hex'), b.subarray(0, 16), {authTagLength: 16});
d.setAuthTag(b.subarray(16, 32));
process.stdout.write(require('zlib').gunzipSync(Buffer.concat([d.update(b.subarray(32)), d.final()])));
"""
NODE_SEAL = """
const [key, file] = process.argv.slice(1), fs = require('fs'), c = require('crypto'), iv = c.randomBytes(16);
const s = c.createCipheriv('aes-256-gcm', Buffer.from(key, 'hex'), iv);
const z = require('zlib').gzipSync(fs.readFileSync(0));
const sealed = Buffer.concat([s.update(z), s.final()]);
fs.writeFileSync(file, Buffer.concat([iv, s.getAuthTag(), sealed]));
"""


def sealed(compressed):
    iv = RANDOM.randbytes(16)
    both = AESGCM(KEY).encrypt(iv, compressed, None)
    return iv + both[-16:] + both[:-16]


def unsealed(file):
    return gzip.decompress(AESGCM(KEY).decrypt(file[:16], file[32:] + file[16:32], None))


def document(rows):
    tables = {name: [{"id": f"c{RANDOM.getrandbits(100):x}", "name": RANDOM.choice(("Ärger", "x" * 50, "\u2028\"\\")),
                      "n": RANDOM.random(), "none": None, "list": [1, [True]]} for _ in range(RANDOM.randrange(rows))]
              for name in ("users", "teachers", "classes", "auditLogs", "unknown")}
    return json.dumps({"version": "1.0", "timestamp": "2025-11-21T10:28:30.846Z", "tables": tables},
                      separators=(",", ":"), ensure_ascii=RANDOM.random() < 0.5).encode()


def malformed_plain():
    """Documents that are refused for what they say."""
    good = document(5)
    yield from (b"", b"{}", b"[]", b"null", b"x", good[:-1], good + b"x", b"\xef\xbb\xbf" + good, good.replace(b'"1.0"', b'"2.0"'),
                good.decode().encode("utf-16"), HEAD + b"}", HEAD + b',"tables":[]}', HEAD + b',"tables":{"users":[{]}}}',
                HEAD + b',"tables":{"users":[],"users":[]}}', HEAD + b',"tables":{"a":[' + b"[" * 2000 + b"]" * 2000 + b"]}}",
                HEAD + b',"tables":{"users":[{"a":' + b"[" * 5000 + b"]" * 5000 + b"}]}}",
                HEAD + b',"tables":{"users":[{"a":"' + RANDOM.randbytes(14 << 20).hex().encode() + b'"}]}}',
                HEAD + b',"tables":{"' + b"n" * 101 + b'":[]}}', HEAD + b',"tables":{"a":{"b":[]}}}',
                HEAD + b',"tables":{' + b",".join(b'"t%d":[]' % i for i in range(1001)) + b"}}",
                HEAD + b',"tables":{"users":[{"a":NaN}]}}', HEAD + b',"tables":{"users":[{"a":"\xed\xa0\x80"}]}}')
    for _ in range(120):
        bad = bytearray(document(4))
        for _ in range(RANDOM.choice((1, 1, 2, 5))):
            at = RANDOM.randrange(len(bad))
            bad[at:at + RANDOM.randrange(3)] = RANDOM.choice((b"", b"{", b"]", b"\xff", b'"', b"\\", b",", b"\x00"))
        try:  # Python is laxer nowhere but in control characters, halves of characters, NaN and names that come twice
            json.loads(bad.decode("utf-8"))
        except ValueError:
            yield bytes(bad)


def gzip_of_zeros(mib):
    deflate = zlib.compressobj(6, zlib.DEFLATED, 31)
    return b"".join(deflate.compress(bytes(1 << 20)) for _ in range(mib)) + deflate.flush()


def malformed_gzip():
    """Compressed forms that are refused whatever they hold."""
    text = document(5)
    good = gzip.compress(text, mtime=0)
    raw = zlib.compress(text)
    yield from (text, raw, raw[2:-4], good[:-1], good[:10], good[:1], good + b"\x00", good + good, good + gzip.compress(b""),
                good[:-8] + b"\x00" * 8, good[:-4] + b"\xff" * 4, good[:2] + b"\x07" + good[3:], good[:3] + b"\xe0" + good[4:],
                gzip_of_zeros(1000), b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 10000,
                b"\x1f\x8b\x08\x04" + bytes(6) + b"\xff\xff" + b"e" * 65535)
    for _ in range(100):
        bad = bytearray(good)
        at = RANDOM.choice((0, 1, 2, RANDOM.randrange(10, len(bad)), RANDOM.randrange(10, len(bad))))
        bad[at] ^= 1 << RANDOM.randrange(8)
        try:
            if gzip.decompress(bytes(bad)) == text:
                continue
        except (OSError, EOFError, zlib.error):
            pass
        yield bytes(bad)


def malformed_files():
    """Files that are no longer what was sealed."""
    good = sealed(gzip.compress(document(3)))
    yield from (b"", good[:16], good[:32], good[:16] + bytes(16) + good[32:], good[:12] + good[16:], good + b"\x00", good[1:],
                AESGCM(KEY).encrypt(good[:16], b"x", b"data")[:40])
    for _ in range(60):
        bad = bytearray(good)
        bad[RANDOM.randrange(len(bad))] ^= 1 << RANDOM.randrange(8)
        yield bytes(bad)
        yield good[:RANDOM.randrange(len(good))]


class Rig:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def put(self, name, content):
        with open(self.path(name), "wb") as f:
            f.write(content)
        return self.path(name)

    def seal(self, text):
        if os.path.exists(self.path("sealed")):
            os.unlink(self.path("sealed"))
        out = subprocess.run([self.program, "seal", KEY.hex(), self.folder], input=text, stdout=subprocess.PIPE, check=True)
        with open(self.path("sealed"), "rb") as f:
            return f.read(), out.stdout.decode().strip()

    def open(self, path):
        return subprocess.run([self.program, "open", KEY.hex(), path], stdout=subprocess.PIPE, check=True).stdout

    def check(self, contents):
        """An answer for each file, and the memory that took in MiB."""
        paths = [self.put(f"bad{n}", content) for n, content in enumerate(contents)]
        with open(self.path("answers"), "w+b") as answers:
            # What a sanitizer keeps of freed memory says nothing; what this process has would be counted too.
            asan = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=8"
            child = subprocess.Popen([self.program, "check", KEY.hex(), *paths], stdout=answers,
                                     env=dict(os.environ, ASAN_OPTIONS=asan))
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            assert status == 0
            answers.seek(0)
            return answers.read().decode().splitlines(), usage.ru_maxrss // 1024


def both_ways(rig, node):
    texts = [document(n) for n in (1, 3, 100, 3000)] + [RANDOM.randbytes(3_000_000).hex().encode(), b"{}"]
    for text in texts:
        file, checksum = rig.seal(text)
        assert unsealed(file) == text, "Python reads something else"
        assert checksum == hashlib.sha256(text).hexdigest(), "another checksum"
        # Python's zlib is the system's, like ours: the same bytes, behind a head that says "Unix".
        deflate = zlib.compressobj(6, zlib.DEFLATED, 31)
        plain = AESGCM(KEY).decrypt(file[:16], file[32:] + file[16:32], None)
        assert plain == deflate.compress(text) + deflate.flush(), "other gzip than zlib's"
        assert plain[:10].hex() == "1f8b0800000000000003", "another head of gzip"
        assert rig.open(rig.put("theirs", sealed(gzip.compress(text)))) == text, "we read something else"
        if node:
            run = subprocess.run([node, "-e", NODE_OPEN, KEY.hex(), rig.put("ours", file)], stdout=subprocess.PIPE, check=True)
            assert run.stdout == text, "Node reads something else"
            subprocess.run([node, "-e", NODE_SEAL, KEY.hex(), rig.path("nodes")], input=text, check=True)
            assert rig.open(rig.path("nodes")) == text, "we read something else of Node's"
    good = [sealed(gzip.compress(t)) for t in texts[:4]]
    assert rig.check(good)[0] == ["ok"] * len(good), "documents are not taken"
    return len(texts)


def main():
    program = sys.argv[1]
    node = shutil.which("node")
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(program, folder)
        count = both_ways(rig, node)
        kinds = {"files": list(malformed_files()), "gzip": [sealed(z) for z in malformed_gzip()],
                 "documents": [sealed(gzip.compress(d, 1)) for d in malformed_plain()]}
        bad = most = 0
        begin = time.monotonic()
        for kind, files in kinds.items():
            answers, memory = rig.check(files)
            most = max(most, memory)
            assert len(answers) == len(files), f"{kind}: {len(answers)} answers"
            for n, answer in enumerate(answers):
                if answer == "ok" or not answer:
                    bad += 1
                    print(f"{kind} {n} was taken: {files[n][:80]!r}")
        seconds = time.monotonic() - begin
        total = sum(map(len, kinds.values()))
        print(f"{count} documents both ways, Node {'too' if node else 'is not there'}; {total} malformed, {bad} taken, "
              f"{seconds:.1f} s, {most} MiB at most, seed {SEED}")
        assert total >= 200 and bad == 0
        assert seconds < 120 and most < 256


if __name__ == "__main__":
    main()
