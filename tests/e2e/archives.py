#!/usr/bin/python3
"""Archives of other programs, made with other people's code: archives.py KIND FILE [KEY].

The content of each is in the folder FILE.content, to compare with.
"""

import base64
import gzip
import hashlib
import hmac
import io
import json
import lzma
import os
import sqlite3
import struct
import sys
import tarfile
import zipfile

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CONF = "[Interface]\nPrivateKey = {0}\n[Peer]\nPublicKey = {0}\nAllowedIPs = 0.0.0.0/0\n"


def keep(folder, name, content):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(content)


def wireguard(file, _key):
    folder = file + ".content"
    os.makedirs(folder)
    for name in ("app.db", "configs.db"):
        with sqlite3.connect(os.path.join(folder, name)) as db:
            db.execute("CREATE TABLE clients(id TEXT, name TEXT)")
            db.executemany("INSERT INTO clients VALUES(?, ?)", [(str(i), "x" * i) for i in range(500)])
        db.close()
    for name in ("site_ab12cd34", "second_00000000"):
        keep(folder, f"configs/{name}.conf", CONF.format(name).encode())
    keep(folder, "iptables_rules.txt", b"*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")
    contents = {"databases": ["app.db", "configs.db"], "configs": ["site_ab12cd34.conf", "second_00000000.conf"],
                "iptables_rules": ["iptables_rules.txt"]}
    keep(folder, "backup_metadata.json", json.dumps(
        {"backup_version": "1.0", "created_at": "2026-11-20T20:51:52.894049+00:00", "timestamp": "20261120_205152",
         "system_info": {"platform": "posix", "instance_path": "./instance"}, "contents": contents}, indent=2).encode())
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as z:
        for name in ("app.db", "configs.db", "iptables_rules.txt", "backup_metadata.json", "configs/site_ab12cd34.conf",
                     "configs/second_00000000.conf"):
            z.write(os.path.join(folder, name), name)


def school(file, key):
    rows = [{"id": f"c{i}", "name": "Ärger \u2028", "n": i / 7} for i in range(2000)]
    text = json.dumps({"version": "1.0", "timestamp": "2025-11-21T10:28:30.846Z", "tables": {"users": rows, "students": []}},
                      separators=(",", ":"), ensure_ascii=False).encode()
    keep(file + ".content", "backup.json", text)
    iv = os.urandom(16)
    both = AESGCM(bytes.fromhex(key)).encrypt(iv, gzip.compress(text), None)
    with open(file, "wb") as f:
        f.write(iv + both[-16:] + both[:-16])


def bundle(file, _key):
    with open(file, "w", encoding="ascii") as f:
        json.dump({"timestamp": "2026-11-20T20:50:02.080Z", "version": "1.0.0", "data": {
            "users": ["alice", "b\u00f6b"], "sessions": ["session_123"], "firewall_state": {"active": True},
            "metadata": {"source": "main-private-files", "buildTime": 1795207802098}}}, f, indent=2)


def tar_of(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1795207798.0567257
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def cfms(file, key_file, with_mac=False):
    """FILE.content has the contents; the lists are as lines."""
    contents = {f"{i:02x}" * 32: os.urandom(size) for i, size in enumerate((0, 5, 300_000))}
    rule = {"id": 1, "access_type": "read", "rule_data": {"match": "all", "match_groups": []}}
    lists = {
        "documents": [{"id": f"d{i}", "title": f"Dokument \u00fc {i}", "created_time": 1.5, "folder_id": "top",
                       "access_rules": [rule], "revisions": [{"id": i, "document_id": f"d{i}", "file_id": name,
                                                              "created_time": 2.5}]} for i, name in enumerate(contents)],
        "folders": [{"id": "top", "name": "Top", "created_time": 1.5, "parent_id": None, "access_rules": []}],
        "files": [{"id": name, "sha256": hashlib.sha256(c).hexdigest(), "path": f"./content/{name}", "created_time": 3.25,
                   "active": True} for name, c in contents.items()]}
    dumped = {name: json.dumps(rows, indent=2, ensure_ascii=False).encode() for name, rows in lists.items()}
    metadata = {"version": "1.0", "created_at": 1795207798.0567257, **{f"{name}_count": len(rows) for name, rows in lists.items()}}
    plain = tar_of([("./documents.json", dumped["documents"]), *((f"./files/{n}", c) for n, c in contents.items()),
                    ("./files.json", dumped["files"]), ("./folders.json", dumped["folders"]),
                    ("./metadata.json", json.dumps(metadata, indent=2).encode())])
    key, iv = os.urandom(32), os.urandom(16)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    archive = iv + encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    said = {"key": key.hex(), "algorithm": "AES-256-CBC", "created_at": 1795207798.0567257, "backup_name": "demo"}
    if with_mac:
        derived = HKDF(hashes.SHA256(), 32, None, b"cfms-mac").derive(key)
        said.update(hmac_sha256=hmac.new(derived, archive, hashlib.sha256).hexdigest(),
                    archive_sha256=hashlib.sha256(archive).hexdigest(), archive_size=len(archive))
    keep(os.path.dirname(os.path.abspath(file)), os.path.basename(file), archive)
    keep(os.path.dirname(os.path.abspath(key_file)), os.path.basename(key_file), json.dumps(said, indent=2).encode())
    for name, content in contents.items():
        keep(file + ".content", f"files/{name}", content)
    for name, rows in lists.items():
        keep(file + ".lists", f"{name}.jsonl", json.dumps(rows).encode())


def cfms_mac(file, key_file):
    cfms(file, key_file, True)


def human(key):
    alphabet = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
    value, digits = int.from_bytes(key, "big"), ""
    for _ in range(52):
        value, digit = divmod(value, 31)
        digits = alphabet[digit] + digits
    return "-".join(digits[i:i + 4] for i in range(0, 52, 4))


def conf(file, key_file):
    contents = [b"one\n", b"", os.urandom(70000)]
    rows = [{"id": f"f{i}", "path": f"content/files/{i}"} for i in range(3)]
    files = [{"file_id": f"f{i}", "storage_path": f"content/files/{i}", "archive_path": f"files/{i:08d}.bin", "size": len(c),
              "sha256": hashlib.sha256(c).hexdigest()} for i, c in enumerate(contents)]
    manifest = {"format_version": 1, "core_version": "0.3.0", "exported_at": "2026-05-20T06:46:34+00:00",
                "components": ["accounts", "documents"], "excluded_tables": ["file_tasks"], "files": files,
                "tables": {"files": {"columns": ["id", "path"], "rows": 3}, "users": {"columns": ["username"], "rows": 0}},
                "configuration": {"security": {"pepper": "p"}, "server": {"secret_key": "s"}}}
    packed = lzma.compress(tar_of([
        ("manifest.json", json.dumps(manifest, indent=2, sort_keys=True).encode()),
        ("tables/files.jsonl", b"".join(json.dumps(r).encode() + b"\n" for r in rows)), ("tables/users.jsonl", b""),
        *((f"files/{i:08d}.bin", c) for i, c in enumerate(contents))]), preset=6)
    key, nonce = os.urandom(32), os.urandom(12)
    header = json.dumps({"format_version": 1, "created_at": "2026-05-20T06:46:34.123456+00:00", "core_version": "0.3.0.260519_alpha",
                         "compression": "xz", "encryption": "AES-256-GCM",
                         "nonce": base64.urlsafe_b64encode(nonce).decode().rstrip("=")}, sort_keys=True, separators=(",", ":")).encode()
    prefix = b"CONF" + struct.pack(">I", len(header)) + header
    with open(file, "wb") as f:
        f.write(prefix + AESGCM(key).encrypt(nonce, packed, prefix))
    with open(key_file, "w", encoding="ascii") as f:
        f.write(human(key) + "\n")
    for i, content in enumerate(contents):
        keep(file + ".content", f"files/{i:08d}.bin", content)
    keep(file + ".lists", "tables/files.jsonl", json.dumps(rows).encode())


{"cfms": cfms, "cfms-mac": cfms_mac, "conf": conf, "wireguard": wireguard, "school": school, "bundle": bundle}[sys.argv[1]](sys.argv[2], (sys.argv + [""])[3])
