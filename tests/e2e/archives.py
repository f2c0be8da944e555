#!/usr/bin/python3
"""Archives of other programs, made with other people's code: archives.py KIND FILE [KEY].

The content of each is in the folder FILE.content, to compare with.
"""

import gzip
import json
import os
import sqlite3
import sys
import zipfile

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

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


{"wireguard": wireguard, "school": school, "bundle": bundle}[sys.argv[1]](sys.argv[2], (sys.argv + [""])[3])
