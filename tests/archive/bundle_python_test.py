#!/usr/bin/python3
"""What we write of a bundle is what Python's json module writes, byte for byte.

Documents are made at random, in odd spellings, and damaged; Python's own answer to each is
json.dumps(json.loads(text), indent=2), as the published server stores it. BUNDLE_SEED repeats a run.
"""

import json
import math
import os
import random
import struct
import subprocess
import sys

SEED = int(os.environ.get("BUNDLE_SEED", "7"))
DEPTH_MAX = 64
sys.set_int_max_str_digits(0)  # ours has no such limit


def run(program, documents, *options):
    """What the program says of each document: (taken, bytes)."""
    sent = b"".join(struct.pack("<I", len(d)) + d for d in documents)
    out = subprocess.run([program, *options], input=sent, stdout=subprocess.PIPE, check=True).stdout
    answers = []
    while out:
        taken, size = struct.unpack("<BI", out[:5])
        answers.append((taken == 1, out[5:5 + size]))
        out = out[5 + size:]
    return answers


def depth_of(value):
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


def expected(document):
    """What the published server stores; None when it does not take the document."""
    try:
        value = json.loads(document.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return json.dumps(value, indent=2).encode("ascii")


class Maker:
    """Documents at random."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def space(self):
        return self.random.choice(("", "", "", " ", "\n", "\t", "\r\n  "))

    def character(self):
        r = self.random
        kind = r.randrange(12)
        if kind < 4:
            return chr(r.randrange(0x20, 0x7f)).replace("\\", "/").replace('"', "'")
        if kind == 4:
            return r.choice(('\\"', "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t"))
        if kind == 5:
            return f"\\u{r.choice((r.randrange(0x80), r.randrange(0x10000))):04x}"
        if kind == 6:
            return f"\\u{r.randrange(0xd800, 0xe000):04X}"
        if kind == 7:
            return f"\\u{r.randrange(0xd800, 0xdc00):04x}\\u{r.randrange(0xdc00, 0xe000):04x}"
        if kind == 8:
            return chr(r.choice((0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff)))
        c = r.randrange(0x20, r.choice((0x100, 0x3000, 0x110000)))
        return "x" if 0xd800 <= c < 0xe000 or c in (0x22, 0x5c) else chr(c)

    def text(self):
        return '"' + "".join(self.character() for _ in range(self.random.choice((0, 1, 2, 5, 30)))) + '"'

    def number(self):
        r = self.random
        kind = r.randrange(10)
        if kind == 0:
            return r.choice(("0", "-0", "0.0", "-0.0", "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400",
                             "0e0", "-0e5", "5e-324", "2.2250738585072014e-308", "1.7976931348623157e308",
                             "9007199254740993", "9007199254740993.0", "1e16", "1e15", "123456789012345680.0",
                             "0.0001", "0.00001", "1E5", "1e+5", "1.10", "100e-2", "1e22", "1e23", "9.5e-5"))
        if kind == 1:
            return str(r.randrange(-10 ** r.choice((3, 25, 400)), 10 ** r.choice((3, 25, 400))))
        if kind == 2:
            return repr(math.ldexp(1, r.randrange(-1074, 1024)))
        if kind == 3:
            return f"{r.randrange(10**6)}.{r.randrange(10**12):0{r.randrange(1, 40)}d}e{r.randrange(-340, 330)}"
        if kind == 4:
            return f"{r.uniform(-1000, 1000):.{r.randrange(1, 30)}f}"
        if kind == 5:
            return f"{r.random():.{r.randrange(0, 25)}e}"
        value = struct.unpack("<d", r.randbytes(8))[0]
        return repr(value) if math.isfinite(value) else "1.5"

    def value(self, depth):
        r = self.random
        kind = r.randrange(9 if depth > 0 else 4)
        if kind < 2:
            return self.text()
        if kind == 2:
            return self.number()
        if kind == 3:
            return r.choice(("true", "false", "null", "[]", "{}", "[ ]", "{\n}"))
        if kind < 6:
            items = [self.space() + self.value(depth - 1) + self.space() for _ in range(r.randrange(6))]
            return "[" + ",".join(items) + self.space() + "]"
        names = [self.text() for _ in range(r.randrange(6))]
        if names and r.random() < 0.4:
            names += r.choices(names + ['"\\u0061"', '"a"'], k=r.randrange(4))
        items = [self.space() + n + self.space() + ":" + self.space() + self.value(depth - 1) + self.space()
                 for n in names]
        return "{" + ",".join(items) + self.space() + "}"

    def document(self):
        return (self.space() + self.value(self.random.choice((0, 2, 4, 6))) + self.space()).encode("utf-8")

    def damaged(self):
        """A document with a byte lost, doubled, changed or cut off."""
        r = self.random
        d = bytearray(self.document())
        for _ in range(r.choice((1, 1, 3))):
            at = r.randrange(len(d) + 1)
            d[at:at + r.randrange(2)] = r.choice((b"", b"\\", b'"', b"{", b"]", b",", b":", b"\xff", b"\x00", b"-", b"1",
                                                 b"\xed\xa0\x80", b"N", b"e", b".", d[at:at + 1] * 2))
            if r.random() < 0.2:
                del d[r.randrange(len(d) + 1):]
        return bytes(d)


def complaints(program, documents):
    for document, (taken, found) in zip(documents, run(program, documents), strict=True):
        wanted = expected(document)
        if wanted is not None and depth_of(json.loads(document)) > DEPTH_MAX:
            wanted = None
        if taken != (wanted is not None):
            yield f"{document[:200]!r}: taken {taken}: {found[:200]!r}"
        elif taken and found != wanted:
            at = next((i for i, (a, b) in enumerate(zip(found, wanted)) if a != b), min(len(found), len(wanted)))
            yield f"{document[:200]!r}: at {at} {found[max(0, at - 20):at + 20]!r}, not {wanted[max(0, at - 20):at + 20]!r}"


def special():
    """What random documents would hardly hit."""
    yield from (b"", b" ", b"\xef\xbb\xbf{}", b"nan", b"-NaN", b"Infinit", b"-Infinit", b"+1", b"01", b"1.", b".5", b"'a'",
                b'"\t"', b"[1,]", b"{} {}", b'"\\ud800', b'"\\ud800\\', b'"\\ud800\\u"', b'"\\ud800\\u12"', b'{"a":1,}')
    yield b"[" * DEPTH_MAX + b"]" * DEPTH_MAX
    yield b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1)
    yield b'{"a":' * DEPTH_MAX + b"1" + b"}" * DEPTH_MAX
    yield b'{"a":1,"a":' * (DEPTH_MAX - 1) + b"1" + b"}" * (DEPTH_MAX - 1)
    yield b'{"b":[1,{"c":1}],"a":{"x":1,"x":{"y":1,"y":2}},"b":{"d":1,"d":[]},"c":0,"a":{"x":{"z":1,"z":3}}}'
    yield b"[" + b",".join(b"%d" % i for i in range(100_000)) + b"]"
    yield b"{" + b",".join(b'"%d":%d' % (i % 777, i) for i in range(20_000)) + b"}"
    yield b"1" * 5000
    yield b'"' + b"\xe2\x82\xac" * 100_000 + b'"'
    for e in range(-1074, 1024):
        yield repr(math.ldexp(1, e)).encode()


def without_sessions(program):
    """data.sessions of the document, and no other member of that name, becomes []."""
    documents = [
        b'{"sessions":[1],"data":{"a":{"sessions":[2]},"users":["u"],"sessions":["s","t"],"z":1},"b":{"sessions":[3]}}',
        b'{"data":{"sessions":["s"],"sessions":{"a":1}}}',
        b'{"data":{"sessions":["old"]},"data":{"x":1,"sessions":["new"]}}',
        b'[{"data":{"sessions":[1]}}]', b'{"data":[{"sessions":[1]}]}', b'{"d":{"sessions":[1]}}']
    for document, (_, found) in zip(documents, run(program, documents, "--without-sessions"), strict=True):
        value = json.loads(document)
        if isinstance(value, dict) and isinstance(value.get("data"), dict) and "sessions" in value["data"]:
            value["data"]["sessions"] = []
        if found != json.dumps(value, indent=2).encode():
            yield f"without sessions: {document!r} became {found!r}"


def main():
    program = sys.argv[1]
    maker = Maker(SEED)
    documents = list(special()) + [maker.document() for _ in range(6000)] + [maker.damaged() for _ in range(6000)]
    taken = sum(expected(d) is not None for d in documents)
    bad = list(complaints(program, documents)) + list(without_sessions(program))
    for sentence in bad[:20]:
        print(sentence)
    print(f"{len(documents)} documents, {taken} taken by Python, seed {SEED}: {len(bad)} differ")
    return 1 if bad or taken < 6000 or taken > len(documents) - 2000 else 0


if __name__ == "__main__":
    sys.exit(main())
