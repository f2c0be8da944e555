#!/usr/bin/python3
"""Archives of CFMS against other people's code, in both directions.

What we write is read with cryptography, tarfile, openssl and GNU tar, and is what the application's
own code would have written byte for byte; what is made with these (and lzma) is read by us. Then
archives that are damaged or made with malice, each of which is refused with a sentence and in
little memory.
"""

import base64
import hashlib
import hmac
import io
import json
import lzma
import os
import random
import resource
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zlib

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PROGRAM = sys.argv.pop()
KEY = bytes(range(32))
CREATED = 1795207798.0567257
ID = "ab" * 32
RANDOM = random.Random(int(os.environ.get("CFMS_SEED", "5")))
MEMORY_MAX = 200 << 20  # of address space; xz may take 80 MiB of it, and an input 10 MiB
IS_SANITIZED = any(kind in PROGRAM for kind in ("asan", "tsan"))  # these map terabytes


def limit_memory():
    if not IS_SANITIZED:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))


def run(*args, check=True, given=None):
    return subprocess.run([PROGRAM, *args], input=given, stdout=subprocess.PIPE, check=check,
                          preexec_fn=limit_memory).stdout


def seal_cbc(plain, key=KEY, iv=None):
    """As the application does it."""
    iv = iv or os.urandom(16)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return iv + encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()


def open_cbc(sealed, key):
    decryptor = Cipher(algorithms.AES(key), modes.CBC(sealed[:16])).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    plain = decryptor.update(sealed[16:]) + decryptor.finalize()
    return unpadder.update(plain) + unpadder.finalize()


def key_text(key=KEY, **more):
    return json.dumps({"key": key.hex(), "algorithm": "AES-256-CBC", "created_at": CREATED,
                       "backup_name": "demo", **more}, indent=2)


def member(name, content=b"", mtime=CREATED, kind=tarfile.REGTYPE, mode=0o644, **more):
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.type, info.mode = len(content), mtime, kind, mode
    for field, value in more.items():
        setattr(info, field, value)
    return info, content


def tar_of(members, form=tarfile.PAX_FORMAT, **more):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, **more) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def dump(value):
    return json.dumps(value, indent=2, ensure_ascii=False).encode()


def files_row(name, content, **more):
    return {"id": name, "sha256": hashlib.sha256(content).hexdigest() if content is not None else None,
            "path": f"./content/{name}", "created_time": 3.25, "active": True, **more}


def documents_of(count=1):
    rule = {"id": 1, "access_type": "read", "rule_data": {"match": "all", "match_groups": []}}
    return [{"id": f"d{i}", "title": f"Dokument \u00fc {i}", "created_time": 1.5, "folder_id": None,
             "access_rules": [rule], "revisions": [{"id": i, "document_id": f"d{i}", "file_id": ID,
                                                    "created_time": 2.5}]} for i in range(count)]


def parts(content=b"some content\n"):
    """The members of a good archive, to be changed."""
    folders = [{"id": "top", "name": "Top", "created_time": 1, "parent_id": None, "access_rules": []}]
    return {
        "./": member("./", kind=tarfile.DIRTYPE, mode=0o700),
        "./documents.json": member("./documents.json", dump(documents_of())),
        "./files/": member("./files/", kind=tarfile.DIRTYPE, mode=0o755),
        "content": member(f"./files/{ID}", content),
        "./files.json": member("./files.json", dump([files_row(ID, content)])),
        "./folders.json": member("./folders.json", dump(folders)),
        "./metadata.json": member("./metadata.json", dump({
            "version": "1.0", "created_at": CREATED, "documents_count": 1, "folders_count": 1,
            "files_count": 1})),
    }


def good(**changes):
    """Members of a good archive, some of them others or none (None)."""
    members = parts()
    for name, change in changes.items():
        members[name] = change
    return [m for m in members.values() if m is not None]


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cfms-test-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name, content=None):
        path = os.path.join(self.folder, name)
        if content is not None:
            with open(path, "wb") as f:
                f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def load(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def ask(self, mode, inputs, key):
        """What we say of each archive."""
        given = b"".join(struct.pack("<I", len(i)) + i for i in inputs)
        answers = [line.split("\t") for line in run(mode, key, given=given).decode().splitlines()]
        self.assertEqual(len(answers), len(inputs))
        return answers

    def refuse(self, mode, named, key):
        """All of these, each a pair of a name and an archive, with a sentence."""
        for (name, _), answer in zip(named, self.ask(mode, [a for _, a in named], key)):
            self.assertEqual(answer[0], "error", f"{name}: {answer}")
            self.assertEqual(answer[1], "3", f"{name}: {answer}")  # ERR_CORRUPT
            self.assertGreater(len(answer[2]), 10, name)


class Written(Folder):
    def write(self, size):
        run("write", self.path("a.cfms.enc"), self.path("a.key"), str(size))
        archive, key = self.load("a.cfms.enc"), json.loads(self.load("a.key"))
        return archive, key, bytes.fromhex(key["key"])

    def expected(self, size):
        content = b"x" * size
        rule = {"match": "all", "match_groups": [
            {"rights": {}, "n": [1, 2.50, -0.0, None, True, [], 1e300, 12345678901234]}]}
        documents = [
            {"id": "hello", "title": "Gr\u00fc\u00dfe \"\\\b\f\n\r\t\x1f\x7f/\u2028\U0001f600",
             "created_time": 1795207797.0568895, "folder_id": None,
             "access_rules": [{"id": 3, "access_type": "read", "rule_data": rule}],
             "revisions": [{"id": 9, "document_id": "hello", "file_id": "init",
                            "created_time": 1795207798.5}]},
            {"id": "x", "title": "", "created_time": 0.0, "folder_id": "top", "access_rules": [],
             "revisions": []}]
        files = [{"id": "init", "sha256": hashlib.sha256(content).hexdigest(),
                  "path": "./content/hello", "created_time": 1e-5, "active": True}]
        metadata = {"version": "1.0", "created_at": CREATED, "documents_count": 2,
                    "folders_count": 0, "files_count": 1}
        return tar_of([member("./", kind=tarfile.DIRTYPE, mode=0o700),
                       member("./documents.json", dump(documents)),
                       member("./files/", kind=tarfile.DIRTYPE, mode=0o755),
                       member("./files/init", content), member("./files.json", dump(files)),
                       member("./folders.json", dump([])),
                       member("./metadata.json", dump(metadata))])

    def test_bytes_are_those_of_the_application(self):
        for size in (0, 1, 511, 512, 4000, 5633, 100000):
            archive, _, key = self.write(size)
            plain = open_cbc(archive, key)
            self.assertEqual(plain, self.expected(size))
            self.assertEqual(len(archive) % 10240, 32)

    def test_key_files_have_the_form_of_the_application_and_a_mac_that_others_compute(self):
        archive, key, secret = self.write(1000)
        self.assertEqual(list(key), ["key", "algorithm", "created_at", "backup_name", "hmac_sha256",
                                     "archive_sha256", "archive_size"])
        # The application writes other letters than ASCII as \\u; its reader takes both.
        self.assertEqual(self.load("a.key").decode(), json.dumps(key, indent=2, ensure_ascii=False))
        derived = HKDF(hashes.SHA256(), 32, None, b"cfms-mac").derive(secret)
        self.assertEqual(key["hmac_sha256"], hmac.new(derived, archive, hashlib.sha256).hexdigest())
        self.assertEqual(key["archive_sha256"], hashlib.sha256(archive).hexdigest())
        self.assertEqual(key["archive_size"], len(archive))
        self.assertEqual(key["created_at"], CREATED)

    def test_openssl_and_gnu_tar_read_it(self):
        archive, key, _ = self.write(70000)
        with open(self.path("plain"), "wb") as f:
            subprocess.run(["openssl", "enc", "-d", "-aes-256-cbc", "-K", key["key"], "-iv",
                            archive[:16].hex()], input=archive[16:], stdout=f, check=True)
        listed = subprocess.run(["tar", "-tf", self.path("plain")], check=True,
                                capture_output=True, text=True)
        self.assertEqual(listed.stderr, "")
        self.assertEqual(listed.stdout.split(), [
            "./", "./documents.json", "./files/", "./files/init", "./files.json", "./folders.json",
            "./metadata.json"])
        one = subprocess.run(["tar", "-xOf", self.path("plain"), "./files/init"], check=True,
                             stdout=subprocess.PIPE)
        self.assertEqual(one.stdout, b"x" * 70000)

    def test_it_streams_in_little_memory(self):
        code = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
                "stdout=subprocess.DEVNULL); "
                "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
        for args in (["write", self.path("b"), self.path("b.key"), str(150 << 20)],
                     ["read", self.path("b"), self.path("b.key")]):
            out = subprocess.run([sys.executable, "-c", code, PROGRAM, *args], check=True,
                                 stdout=subprocess.PIPE)
            if not IS_SANITIZED:
                self.assertLess(int(out.stdout), 40 << 10)


class Read(Folder):
    def read(self, archive, **more):
        out = run("read", self.path("r", archive), self.path("r.key", key_text(**more)), check=False)
        return [line.split("\t") for line in out.decode().splitlines()]

    def test_an_archive_of_the_application_itself(self):
        """Built as the published code does: from a folder, with the times and owners of files."""
        root = self.path("stage")
        os.mkdir(root, 0o700)
        os.mkdir(os.path.join(root, "files"))
        for name, (_, content) in parts().items():
            target = {"content": f"files/{ID}"}.get(name, name)
            if not target.endswith("/"):
                with open(os.path.join(root, target), "wb") as f:
                    f.write(content)
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            tar.add(root, arcname=".")
        got = self.read(seal_cbc(out.getvalue()))
        self.assertEqual(got[-1], ["ok", "0", "1", "1", "1", "1", "0", "0", "0", "0"])
        self.assertIn(["document", "d0", "Dokument \u00fc 0", "-", "1.5", "1", "1"], got)
        self.assertIn(["sum", ID, hashlib.sha256(b"some content\n").hexdigest()], got)
        self.assertIn(["file", ID, f"./content/{ID}", "1"], got)

    def test_openssl_and_gnu_tar_make_one(self):
        root = self.path("stage")
        os.makedirs(os.path.join(root, "files"))
        for name, (_, content) in parts().items():
            target = {"content": f"files/{ID}"}.get(name, name)
            if not target.endswith("/"):
                with open(os.path.join(root, target), "wb") as f:
                    f.write(content)
        for form in ("pax", "ustar"):
            plain = subprocess.run(["tar", "-C", root, f"--format={form}", "-cf", "-", "."],
                                   check=True, stdout=subprocess.PIPE).stdout
            iv = os.urandom(16)
            sealed = subprocess.run(["openssl", "enc", "-aes-256-cbc", "-K", KEY.hex(), "-iv",
                                     iv.hex()], input=plain, check=True,
                                    stdout=subprocess.PIPE).stdout
            self.assertEqual(self.read(iv + sealed)[-1][:6], ["ok", "0", "1", "1", "1", "1"])

    def test_any_order_other_members_and_lost_contents_are_taken(self):
        members = good()
        for _ in range(20):
            RANDOM.shuffle(members)
            self.assertEqual(self.read(seal_cbc(tar_of(members)))[-1][:6],
                             ["ok", "0", "1", "1", "1", "1"])
        got = self.read(seal_cbc(tar_of(good(content=None))))
        self.assertIn(["missing", ID], got)
        self.assertEqual(got[-1], ["ok", "0", "1", "1", "1", "0", "1", "0", "0", "0"])
        got = self.read(seal_cbc(tar_of(good(extra=member("./more.txt", b"x"),
                                             stray=member("./files/other", b"y")))))
        self.assertEqual(got[-1], ["ok", "0", "1", "1", "1", "2", "0", "0", "1", "1"])

    def test_a_mac_made_elsewhere_is_checked(self):
        archive = seal_cbc(tar_of(good()))
        derived = HKDF(hashes.SHA256(), 32, None, b"cfms-mac").derive(KEY)
        more = {"hmac_sha256": hmac.new(derived, archive, hashlib.sha256).hexdigest(),
                "archive_sha256": hashlib.sha256(archive).hexdigest(), "archive_size": len(archive)}
        self.assertEqual(self.read(archive, **more)[-1][:2], ["ok", "1"])
        self.assertEqual(self.read(archive[:-1] + bytes([archive[-1] ^ 1]), **more)[-1][0], "error")


def raw_header(name, size, kind=b"0", magic=b"ustar\x0000", size_field=None):
    block = bytearray(512)
    block[:len(name)] = name
    block[100:108] = block[108:116] = block[116:124] = b"0000644\0"
    block[124:136] = size_field or b"%011o\0" % size
    block[136:148] = b"00000000000\0"
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:265] = magic
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def filled(content):
    return content + bytes(-len(content) % 512)


def pax(*records):
    text = b""
    for record in records:
        size = len(record) + 3
        while size != len(b"%d %s\n" % (size, record)):
            size += 1
        text += b"%d %s\n" % (size, record)
    return raw_header(b"././@PaxHeader", len(text), b"x") + filled(text)


END = bytes(1024)


def bad_ends():
    """What no reader should take behind good members, with a name for each."""
    one = raw_header(b"./files/a", 3) + filled(b"abc")
    for name in (b"/etc/passwd", b"../x", b"./../x", b"a/../../x", b"./files/../../x", b"a//b",
                 b"a/./b", b"./files/a/b", b"files/..", b"files/.", b"files/a.b", b"files/a b",
                 b"files/\xc3\xbc", b"\xff\xfe", b"a\\b", b"c:\\x", b"a\nb", b"\x1b[31m", b"files/",
                 b"files", b"./", b"files/" + b"a" * 65, b"files/-\x7f", b"files/a:b",
                 b"documents.json/x/..", b"...//", b"./files//a"):
        yield f"name {name!r}", raw_header(name, 0) + END
    for name in (b"path=../x", b"path=/x", b"path=files/..", b"path=", b"path=" + b"a/" * 200,
                 b"path=" + b"b" * 300, b"path=\xff", b"path=a\\b", b"path=files/a/b", b"path=x/"):
        yield f"pax {name!r}", pax(name) + raw_header(b"x", 0) + END
    for record in (b"size=5", b"size=-1", b"size=", b"size=1e3", b"size=18446744073709551616",
                   b"size=99999999999999999999999", b"linkpath=x", b"GNU.sparse.map=0,1",
                   b"GNU.sparse.realsize=10", b"hdrcharset=BINARY", b"SCHILY.xattr.user.x=1",
                   b"LIBARCHIVE.symlinktype=file", b"vendor.x=1", b"=", b"path"):
        yield f"pax {record!r}", pax(record) + one + END
    yield "pax twice", pax(b"mtime=1", b"mtime=2") + one + END
    yield "path twice", pax(b"path=files/b", b"path=files/c") + one + END
    yield "two pax headers", pax(b"mtime=1") + pax(b"mtime=2") + one + END
    yield "two other pax headers", pax(b"mtime=1") + pax(b"atime=2") + one + END
    yield "nul in a time", pax(b"mtime=1\0") + one + END
    yield "half an end", one + bytes(512) + b"x" * 512
    yield "pax at the end", pax(b"mtime=1") + END
    yield "pax with nul", pax(b"path=files/a\0b") + one + END
    for text in (b"5", b"5 a=b", b"x a=b\n", b" 5 a=b\n", b"0 a=b\n", b"3 a\n", b"999 a=b\n",
                 b"-1 a=b\n", b"18446744073709551617 a=b\n", b"7 a=b\n7 a=c\n", b"6 a=b\n\0", b""):
        yield f"pax text {text!r}", (raw_header(b"x", len(text), b"x") + filled(text) + one + END)
    yield "long pax", raw_header(b"x", 8193, b"x") + filled(b"a" * 8193) + one + END
    for kind in b"1234678gLKSVDNMIAXZ\x01 ":
        yield f"kind {kind}", raw_header(b"./files/a", 0, bytes([kind])) + END
    for magic in (b"ustar  \0", b"\0" * 8, b"ustar\x0001", b"ustar\0\0\0", b"USTAR\x0000"):
        yield f"magic {magic!r}", raw_header(b"./files/a", 0, magic=magic) + END
    for field in (b"\x80" + bytes(10) + b"\x05", b"\xff" * 12, b"-0000000001\0", b"0x000000005\0",
                  b"           \0", b"\0" * 12, b"00000000009\0", b"0000000 003\0", b"777777777777",
                  b"77777777777\0", b"+0000000003\0"):
        yield f"size {field!r}", raw_header(b"./files/a", 0, size_field=field) + filled(b"abc") + END
    yield "file with a link", tar_of([member("./files/a", linkname="/etc/passwd")])
    yield "folder with size", raw_header(b"./files/", 3, b"5") + filled(b"abc") + END
    yield "bytes in the filling", raw_header(b"./files/a", 3) + b"abcX" + bytes(508) + END
    yield "one block of zeros", one + bytes(512)
    yield "no end", one
    yield "goes on", one + bytes(512) + one + END
    yield "bytes behind", one + END + b"x" * 512
    yield "long tail", one + bytes((1 << 20) + 4096)


def bad_tars():
    """Names of plain texts that no reader should take, with the texts."""
    whole = tar_of(good())
    body = whole.rstrip(b"\0")
    body += bytes(-len(body) % 512)
    for name, text in bad_ends():
        yield name, body + text
    yield "nothing", b""
    yield "zeros", bytes(10240)
    yield "not tar", b"hello backup\n"
    yield "zip", b"PK\x03\x04" + bytes(1000)
    for cut in range(0, len(whole) - 10240, 700):
        yield f"cut at {cut}", whole[:cut]
    for at in (100, 148, 156, 257, 512 + 130, 1024, 1100, 1536 + 5, 2000):
        yield f"changed at {at}", whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1:]
    gnu = tar_of([member("./files/" + "a" * 64)], form=tarfile.GNU_FORMAT)
    yield "gnu", gnu
    yield "global header", tar_of(good(), pax_headers={"comment": "x"})
    yield "nested tar as documents", tar_of(good(**{"./documents.json": member("./documents.json",
                                                                                 whole)}))


def bad_members():
    """The same of members that contradict each other or are no records."""
    def with_json(name, value):
        content = value if isinstance(value, bytes) else dump(value)
        return tar_of(good(**{name: member(name, content)}))

    for name in ("./documents.json", "./folders.json", "./files.json", "./metadata.json"):
        yield f"without {name}", tar_of(good(**{name: None}))
        yield f"twice {name}", tar_of(good(again=parts()[name]))
        yield f"folder {name}", tar_of(good(**{name: member(name, kind=tarfile.DIRTYPE)}))
        for text in (b"", b"nothing", b"{", b"[", b"[1", b"[1,]", b"[{}]", b"[[]]", b"null", b"\xff",
                     b"[]x", b"{}", b"[" * 100000, b"\xef\xbb\xbf[]", b"[{\"id\":\"a\",\"id\":\"b\"}]",
                     b"[\"" + b"x" * (4 << 20) + b"\"]", b"[{\"a\":" * 2000):
            yield f"{name} {text[:20]!r}", with_json(name, text)
    yield "content twice", tar_of(good(again=parts()["content"]))
    yield "other content", tar_of(good(content=member(f"./files/{ID}", b"another one.\n")))
    yield "two records", with_json("./files.json", [files_row(ID, b"some content\n")] * 2)
    count = {"version": "1.0", "created_at": 1, "documents_count": 1, "folders_count": 1,
             "files_count": 1}
    for wrong in ({"version": "1.1"}, {"version": None}, {"version": 1.0}, {"documents_count": 2},
                  {"folders_count": 0}, {"files_count": 9}, {"files_count": -1},
                  {"files_count": "1"}, {"documents_count": 1.0}, {"documents_count": 10 ** 30}):
        yield f"metadata {wrong}", with_json("./metadata.json", {**count, **wrong})
    row = files_row(ID, b"some content\n")
    for wrong in ({"id": "../x"}, {"id": ""}, {"id": 7}, {"id": "a/b"}, {"id": None}, {"id": "\x00"},
                  {"sha256": "00"}, {"sha256": 5}, {"sha256": "zz" * 32}, {"path": None},
                  {"path": "a\x00b"}, {"created_time": "now"}, {"created_time": None},
                  {"created_time": float("nan")}, {"created_time": float("inf")}, {"active": 1},
                  {"active": None}):
        yield f"file {wrong}", with_json("./files.json", [{**row, **wrong}])
    document = documents_of()[0]
    for wrong in ({"id": "/"}, {"title": None}, {"title": "a\x00"}, {"folder_id": "../"},
                  {"folder_id": 5}, {"access_rules": None}, {"access_rules": [1]},
                  {"access_rules": [{"id": 1.5, "access_type": "read", "rule_data": {}}]},
                  {"access_rules": [{"id": 1, "access_type": "read", "rule_data": []}]},
                  {"access_rules": [{"id": 1, "access_type": None, "rule_data": {}}]},
                  {"revisions": {}}, {"revisions": [{}]}, {"revisions": [None]},
                  {"revisions": [{"id": 2 ** 63, "document_id": "d0", "file_id": ID,
                                  "created_time": 1}]},
                  {"revisions": [{"id": 2, "document_id": "d0", "file_id": "..",
                                  "created_time": 1}]}):
        yield f"document {wrong}", with_json("./documents.json", [{**document, **wrong}])


class Malformed(Folder):
    def setUp(self):
        super().setUp()
        self.key = self.path("m.key", key_text())

    def test_only_what_is_bad_is_refused(self):
        """The members that the bad ones are put behind, and their likes, are taken."""
        body = tar_of(good()).rstrip(b"\0")
        body += bytes(-len(body) % 512)
        fine = (b"", raw_header(b"./files/a", 3) + filled(b"abc"), raw_header(b"a/b", 0),
                pax(b"path=files/b") + raw_header(b"x", 0), pax(b"size=3") + raw_header(b"y", 0) +
                filled(b"abc"), raw_header(b"./files/z", 0, b"\0"), raw_header(b"./d/", 0, b"5"))
        given = [seal_cbc(body + more + END) for more in fine]
        for answer in self.ask("cfms", given, self.key):
            self.assertEqual(answer[0], "ok")

    def test_tar_archives_made_with_malice_are_refused(self):
        named = [(name, seal_cbc(text)) for name, text in bad_tars()]
        self.assertGreater(len(named), 130)
        self.refuse("cfms", named, self.key)

    def test_members_that_are_no_records_are_refused(self):
        named = [(name, seal_cbc(text)) for name, text in bad_members()]
        self.assertGreater(len(named), 110)
        self.refuse("cfms", named, self.key)

    def test_what_is_no_sealed_archive_is_refused(self):
        whole = seal_cbc(tar_of(good()))
        named = [(f"size {n}", whole[:n]) for n in (*range(40), 100, 5000, len(whole) - 1)]
        named += [(f"cut {n}", whole[:n]) for n in range(48, len(whole), 1600)]
        named += [("other key", seal_cbc(tar_of(good()), key=os.urandom(32))) for _ in range(20)]
        named += [("no padding", whole[:-16])]
        # One changed bit of the IV changes the first header, and any later one a block.
        named += [(f"bit {n}", whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1:])
                  for n in [*range(0, 16), *range(16, 3000, 130)]]
        self.refuse("cfms", named, self.key)


def seal_conf(payload, key=KEY, header=None, length=None, **changes):
    """The container around what may be xz."""
    nonce = changes.pop("raw_nonce", None) or os.urandom(12)
    fields = {"format_version": 1, "created_at": "2026-05-20T06:46:34.123456+00:00",
              "core_version": "0.3.0.260519_alpha", "compression": "xz",
              "encryption": "AES-256-GCM",
              "nonce": base64.urlsafe_b64encode(nonce).decode().rstrip("="), **changes}
    text = header if header is not None else json.dumps(
        {k: v for k, v in fields.items() if v is not None}, sort_keys=True,
        separators=(",", ":")).encode()
    prefix = b"CONF" + struct.pack(">I", len(text) if length is None else length) + text
    encryptor = Cipher(algorithms.AES(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(prefix)
    return prefix + encryptor.update(payload) + encryptor.finalize() + encryptor.tag


def human(key):
    alphabet = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
    value, digits = int.from_bytes(key, "big"), ""
    for _ in range(52):
        value, digit = divmod(value, 31)
        digits = alphabet[digit] + digits
    return "-".join(digits[i:i + 4] for i in range(0, 52, 4))


CONTENTS = [b"one\n", b"", os.urandom(70000)]


def manifest_of(**changes):
    files = [{"file_id": f"f{i}", "storage_path": f"content/files/{i}",
              "archive_path": f"files/{i:08d}.bin", "size": len(c),
              "sha256": hashlib.sha256(c).hexdigest()} for i, c in enumerate(CONTENTS)]
    return {"format_version": 1, "core_version": "0.3.0", "exported_at": "2026-05-20T06:46:34+00:00",
            "components": ["accounts", "documents"],
            "tables": {"files": {"columns": ["id", "path"], "rows": 3},
                       "users": {"columns": ["username"], "rows": 0}},
            "excluded_tables": ["file_tasks"], "files": files,
            "configuration": {"security": {"pepper": "p-secret"},
                              "server": {"secret_key": "s-secret"}}, **changes}


def conf_parts(**changes):
    rows = b"".join(b'{"id":"f%d","path":"content/files/%d"}\n' % (i, i) for i in range(3))
    members = {"manifest": member("manifest.json", json.dumps(manifest_of(), indent=2,
                                                              sort_keys=True).encode(), 5),
               "files": member("tables/files.jsonl", rows, 5),
               "users": member("tables/users.jsonl", b"", 5),
               **{f"c{i}": member(f"files/{i:08d}.bin", c, 5) for i, c in enumerate(CONTENTS)}}
    members.update(changes)
    return [m for m in members.values() if m is not None]


def conf_of(members, **more):
    return seal_conf(lzma.compress(tar_of(members), preset=6), **more)


def bad_confs():
    def with_manifest(**changes):
        value = {k: v for k, v in manifest_of(**changes).items() if v is not ...}
        return conf_of(conf_parts(manifest=member("manifest.json", json.dumps(value).encode())))

    def with_file(**changes):
        files = manifest_of()["files"]
        files[1] = {**files[1], **changes}
        return with_manifest(files=files)

    plain = tar_of(conf_parts())
    packed = lzma.compress(plain, preset=6)
    for name, change in {
            "version 2": {"format_version": 2}, "version text": {"format_version": "1"},
            "no version": {"format_version": None}, "gzip": {"compression": "gz"},
            "cbc": {"encryption": "AES-256-CBC"}, "no nonce": {"nonce": None},
            "short nonce": {"nonce": "AAAA"}, "long nonce": {"nonce": "A" * 20},
            "bad nonce": {"nonce": "!" * 16}, "no time": {"created_at": None},
            "long time": {"created_at": "2" * 64}, "number": {"core_version": 3},
            "number as word": {"compression": 1}}.items():
        yield name, seal_conf(packed, **change)
    for header in (b"", b"{", b"[]", b"null", b"{\"a\":1,\"a\":2}", b"\xff", b"x" * 65537):
        yield f"header {header[:9]!r}", seal_conf(packed, header=header)
    whole = seal_conf(packed)
    for length in (0, 65537, 2 ** 31, 2 ** 32 - 1, len(whole), 5):
        yield f"length {length}", seal_conf(packed, length=length)
    for cut in [*range(0, 30), 100, 190, 200, len(whole) - 17, len(whole) - 1]:
        yield f"cut {cut}", whole[:cut]
    yield "longer", whole + b"x"
    for at in [*range(0, 250, 11), *range(250, len(whole), 4001), len(whole) - 1]:
        yield f"changed {at}", whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:]
    for payload in (b"", b"PAYLOAD", plain, packed[:-1], packed[:40], packed + b"x", packed + packed,
                    packed + bytes(4), lzma.compress(plain, format=lzma.FORMAT_ALONE),
                    lzma.compress(plain[:-10240]), lzma.compress(b""),
                    lzma.compress(plain + b"x" * 512), lzma.compress(plain + bytes(5 << 20))):
        yield f"payload {payload[:9]!r} {len(payload)}", seal_conf(payload)
    yield "much memory", seal_conf(much_memory(packed))
    for text in (b"", b"[]", b"{", b"nothing", b"{}", b"\xff", b"{\"files\":[],\"files\":[]}"):
        yield f"manifest {text!r}", conf_of(conf_parts(manifest=member("manifest.json", text)))
    for change in ({"format_version": 2}, {"format_version": True}, {"tables": []}, {"tables": ...},
                   {"files": {}}, {"files": ...}, {"files": [1]}, {"components": "all"},
                   {"components": [1]}, {"configuration": []}, {"configuration": ...},
                   {"tables": {"../x": {"columns": [], "rows": 0}}},
                   {"tables": {"": {"columns": [], "rows": 0}}},
                   {"tables": {"a" * 64: {"columns": [], "rows": 0}}},
                   {"tables": {"files": {"columns": [], "rows": 3}}},
                   {"tables": {"files": {"columns": ["id", "path"], "rows": 2},
                               "users": {"columns": [], "rows": 0}}},
                   {"tables": {"files": {"columns": ["id", "path"], "rows": 4},
                               "users": {"columns": [], "rows": 0}}},
                   {"tables": {"files": {"columns": [1], "rows": 3}}},
                   {"tables": {"files": {"columns": [], "rows": -1}}},
                   {"tables": {"files": {"columns": [], "rows": 1.0}}},
                   {"tables": {f"t{i}": {"columns": [], "rows": 0} for i in range(65)}}):
        yield f"manifest {str(change)[:60]}", with_manifest(**change)
    for change in ({"size": 1}, {"size": -1}, {"size": "0"}, {"size": 2 ** 63}, {"sha256": "00"},
                   {"sha256": "00" * 32}, {"sha256": None}, {"file_id": "f0"}, {"file_id": ""},
                   {"file_id": 1}, {"file_id": "a\x00"}, {"file_id": "x" * 1024},
                   {"archive_path": "files/00000000.bin"}, {"archive_path": "files/1.bin"},
                   {"archive_path": "../x"}, {"storage_path": "content/files/0"},
                   {"storage_path": "/etc/passwd"}, {"storage_path": "../x"},
                   {"storage_path": "a/../b"}, {"storage_path": "a//b"}, {"storage_path": "a/"},
                   {"storage_path": "a\\b"}, {"storage_path": "c:x"}, {"storage_path": "a ./b"},
                   {"storage_path": "a/b "}, {"storage_path": "."}, {"storage_path": ""},
                   {"storage_path": "a\nb"}, {"storage_path": None}):
        yield f"file {str(change)[:60]}", with_file(**change)
    for rows in (b"", b"{}\n{}\n", b"{}\n{}\n{}\n{}\n", b"{}\n{}\n{}", b"{}\n\n{}\n", b"[]\n[]\n[]\n",
                 b"{\"id\":1,\"id\":2}\n{}\n{}\n", b"{\"other\":1}\n{}\n{}\n", b"{} {}\n{}\n{}\n",
                 b"{\n}\n{}\n", b"\xff\n{}\n{}\n", b"{}\n{}\n{}\n\n",
                 b"{\"id\":\"" + b"x" * (4 << 20) + b"\"}\n{}\n{}\n", b"[" * 5000000):
        yield f"rows {rows[:20]!r}", conf_of(conf_parts(files=member("tables/files.jsonl", rows)))
    swapped = conf_parts()
    swapped[3], swapped[4] = swapped[4], swapped[3]
    late = conf_parts()
    late.append(late.pop(0))
    yield "files in another order", conf_of(swapped)
    yield "manifest last", conf_of(late)
    yield "no members", conf_of([])
    for name in ("manifest", "files", "users", "c0", "c2"):
        yield f"without {name}", conf_of(conf_parts(**{name: None}))
    for more in (member("x"), member("tables/x.jsonl"), member("files/00000003.bin"),
                 member("manifest.json", b"{}"), member("tables/users.jsonl"),
                 member("files/00000000.bin", b"one\n"), member("files/", kind=tarfile.DIRTYPE),
                 member("tables/users.jsonl", kind=tarfile.DIRTYPE),
                 member("files/00000003.bin", kind=tarfile.SYMTYPE, linkname="/etc/passwd"),
                 member("files/00000003.bin", kind=tarfile.LNKTYPE, linkname="manifest.json"),
                 member("files/00000003.bin", kind=tarfile.FIFOTYPE),
                 member("files/00000003.bin", kind=tarfile.CHRTYPE),
                 member("../x"), member("/x")):
        yield f"more {more[0].name} {more[0].type!r}", conf_of(conf_parts(more=more))


def much_memory(packed):
    """The same stream, whose block header asks for a dictionary of 4 GiB."""
    header = bytearray(packed[12:24])
    assert header[2] == 0x21 and header[0] == 2
    header[4] = 40
    header[8:12] = struct.pack("<I", zlib.crc32(bytes(header[:8])))
    return packed[:12] + bytes(header) + packed[24:]


class Conf(Folder):
    def read(self, archive, key):
        out = run("conf", self.path("c", archive), key, check=False)
        return [line.split("\t") for line in out.decode().splitlines()]

    def test_a_backup_of_a_later_server_is_read_with_either_key(self):
        key = os.urandom(32)
        for members, count in ((conf_parts(), "2"), (conf_parts(manifest=member(
                "manifest.json", json.dumps({k: v for k, v in manifest_of().items()
                                             if k != "components"}).encode())), "0")):
            archive = conf_of(members, key=key)
            for text in (base64.urlsafe_b64encode(key).decode().rstrip("=") + "\n",
                         human(key) + "\n", human(key).replace("-", "")):
                got = self.read(archive, text)
                self.assertEqual(got[0], ["manifest", "2", "3", count, "2"])
                self.assertEqual(got[1:4], [["row", "files", "2"]] * 3)
                self.assertEqual([g[2] for g in got if g[0] == "content"], ["4", "0", "70000"])
                self.assertEqual([g[2] for g in got if g[0] == "sum"],
                                 [hashlib.sha256(c).hexdigest() for c in CONTENTS])
                self.assertEqual(got[-1], ["ok", "2026-05-20T06:46:34.123456+00:00",
                                           "0.3.0.260519_alpha"])
            self.assertEqual(self.read(archive, human(os.urandom(32)))[-1][0], "error")

    def test_xz_itself_makes_a_payload(self):
        packed = subprocess.run(["xz", "-9e", "-T1", "-C", "sha256"], input=tar_of(conf_parts()),
                                check=True, stdout=subprocess.PIPE).stdout
        self.assertEqual(self.read(seal_conf(packed), human(KEY))[-1][0], "ok")

    def test_backups_made_with_malice_are_refused(self):
        named = list(bad_confs())
        self.assertGreater(len(named), 200)
        self.refuse("conf-all", named, human(KEY))

    def test_what_expands_beyond_measure_takes_little_memory(self):
        content = bytes(200 << 20)
        files = [{"file_id": "f", "storage_path": "x", "archive_path": "files/00000000.bin",
                  "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}]
        value = manifest_of(files=files, tables={})
        archive = conf_of([member("manifest.json", json.dumps(value).encode()),
                           member("files/00000000.bin", content)])
        self.assertLess(len(archive), 1 << 20)
        self.assertEqual(self.ask("conf-all", [archive], human(KEY))[0][0], "ok")


if __name__ == "__main__":
    unittest.main()
