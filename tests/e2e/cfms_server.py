#!/usr/bin/python3
"""A server of CFMS (protocol 3) as far as its backups see it, with other people's code.

cfms_server.py schema sqlite|postgres         its tables, as SQL
cfms_server.py fill APP [EMPTY]               APP/content with contents, APP/data.sql with records of them
cfms_server.py sqlite DATABASE SQL...         run files of SQL
cfms_server.py rows DATABASE                  what import and export are about, a line each; of PostgreSQL ROWS does so
cfms_server.py ROWS                           print the query for that
cfms_server.py read ARCHIVE KEY FOLDER        take an archive apart as its restore does
cfms_server.py write FOLDER ARCHIVE KEY [mac] make an archive of such a folder as its backup does
"""

import hashlib
import hmac
import io
import json
import os
import random
import sqlite3
import sys
import tarfile

SCHEMA = """
CREATE TABLE users(username VARCHAR(255) PRIMARY KEY, pass_hash TEXT NOT NULL, salt TEXT NOT NULL, created_time FLOAT NOT NULL);
CREATE TABLE user_groups(group_name VARCHAR(255) PRIMARY KEY, group_display_name VARCHAR(128));
CREATE TABLE folders(id VARCHAR(255) PRIMARY KEY, name VARCHAR(255) NOT NULL, created_time FLOAT NOT NULL,
  parent_id VARCHAR(255) REFERENCES folders(id));
CREATE TABLE documents(id VARCHAR(255) PRIMARY KEY, title VARCHAR(255) NOT NULL, created_time FLOAT NOT NULL,
  folder_id VARCHAR(255) REFERENCES folders(id));
CREATE TABLE files(id VARCHAR(255) PRIMARY KEY, sha256 VARCHAR(64), path TEXT NOT NULL, created_time FLOAT NOT NULL,
  active BOOLEAN NOT NULL);
CREATE TABLE document_revisions(id {auto}, document_id VARCHAR(255) NOT NULL REFERENCES documents(id),
  file_id VARCHAR(255) NOT NULL REFERENCES files(id), created_time FLOAT NOT NULL);
CREATE TABLE document_access_rules(id {auto}, access_type VARCHAR(64) NOT NULL,
  document_id VARCHAR(255) NOT NULL REFERENCES documents(id), rule_data JSON NOT NULL);
CREATE TABLE folder_access_rules(id {auto}, access_type VARCHAR(64) NOT NULL,
  folder_id VARCHAR(255) REFERENCES folders(id), rule_data JSON NOT NULL);
"""
AUTO = {"sqlite": "INTEGER NOT NULL PRIMARY KEY", "postgres": "SERIAL PRIMARY KEY"}

ROWS = " UNION ALL ".join((
    "SELECT 'document', id, title, CAST(created_time AS TEXT), folder_id, NULL FROM documents",
    "SELECT 'folder', id, name, CAST(created_time AS TEXT), parent_id, NULL FROM folders",
    "SELECT 'file', id, sha256, CAST(created_time AS TEXT), CASE WHEN active THEN 'yes' ELSE 'no' END, NULL FROM files",
    "SELECT 'revision', document_id, file_id, CAST(created_time AS TEXT), NULL, NULL FROM document_revisions",
    "SELECT 'document rule', document_id, access_type, CAST(rule_data AS TEXT), NULL, NULL FROM document_access_rules",
    "SELECT 'folder rule', folder_id, access_type, CAST(rule_data AS TEXT), NULL, NULL FROM folder_access_rules"))


def quote(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def insert(table, **row):
    return f"INSERT INTO {table}({', '.join(row)}) VALUES({', '.join(quote(v) for v in row.values())});\n"


def rule(*groups):
    return json.dumps({"match": "any", "match_groups": [{"match": "any", "groups": {"match": "any", "require": list(groups)}}]})


def fill(app, empty=""):
    random.seed(7)
    out = insert("user_groups", group_name="sysop", group_display_name="Sysop") + insert("user_groups", group_name="user")
    out += insert("users", username="admin", pass_hash="x", salt="y", created_time=1.5)
    contents = {}
    for i, size in enumerate((0, 5, 70_000, 3_000_000)):
        contents[f"{i:02x}" * 32] = random.randbytes(size)
    contents["init"] = b"hello\n"
    os.makedirs(os.path.join(app, "content/files/2026"), exist_ok=True)
    out += insert("folders", id="ff" * 32, name="Bücher \U0001f600", created_time=1795207000.5)
    # A child whose id comes before its parent's.
    out += insert("folders", id="0a" * 32, name="it's \"below\"", created_time=1795207001.25, parent_id="ff" * 32)
    for i, (name, content) in enumerate(contents.items()):
        path = "content/hello" if name == "init" else f"content/files/2026/{name}"
        with open(os.path.join(app, path), "wb") as f:
            f.write(content)
        out += insert("files", id=name, sha256=None if i == 1 else hashlib.sha256(content).hexdigest(), path="./" + path,
                      created_time=1795207002.0568895 + i, active=i != 1)
        document = "hello" if name == "init" else f"d{i}" * 16
        out += insert("documents", id=document, title=f"Dokument {i}\n\u2028\\", created_time=1795207003.5,
                      folder_id=[None, "ff" * 32, "0a" * 32][i % 3])
        out += insert("document_revisions", document_id=document, file_id=name, created_time=1795207004.5)
        for kind in ("read", "write")[:i % 3]:
            out += insert("document_access_rules", access_type=kind, document_id=document, rule_data=rule("user"))
    # A second revision, older than the first, and a file that none refers to.
    out += insert("document_revisions", document_id="hello", file_id="00" * 32, created_time=1.25)
    out += insert("files", id="unused", sha256=None, path="./content/unused", created_time=1.0, active=True)
    out += insert("folder_access_rules", access_type="manage", folder_id="ff" * 32, rule_data=rule("sysop"))
    with open(os.path.join(app, "data.sql"), "w", encoding="utf-8") as f:
        f.write(insert("user_groups", group_name="user") if empty else out)


def run_sqlite(database, *files):
    db = sqlite3.connect(database)
    for name in files:
        with open(name, encoding="utf-8") as f:
            db.executescript(f.read())
    db.close()


def rows(database):
    db = sqlite3.connect(database)
    for line in sorted("|".join("" if v is None else v for v in row) for row in db.execute(ROWS)):
        print(line)


def cbc(key, iv):
    """A cipher and its padding; loaded here, since that takes longer than what words do that need none."""
    from cryptography.hazmat.primitives import padding
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    return Cipher(algorithms.AES(key), modes.CBC(iv)), padding.PKCS7(128)


def read(archive, key_file, folder):
    with open(key_file, encoding="ascii") as f:
        said = json.load(f)
    assert said["algorithm"] == "AES-256-CBC", said
    with open(archive, "rb") as f:
        iv, sealed = f.read(16), f.read()
    cipher, padding = cbc(bytes.fromhex(said["key"]), iv)
    decryptor, unpadder = cipher.decryptor(), padding.unpadder()
    plain = unpadder.update(decryptor.update(sealed) + decryptor.finalize()) + unpadder.finalize()
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        tar.extractall(folder)
    lists = {}
    for name in ("metadata", "documents", "folders", "files"):
        with open(f"{folder}/{name}.json", encoding="utf-8") as f:
            lists[name] = json.load(f)
    assert lists["metadata"]["version"] == "1.0", lists["metadata"]
    for name in ("documents", "folders", "files"):
        assert len(lists[name]) == lists["metadata"][f"{name}_count"], name
    for file in lists["files"]:
        path = f"{folder}/files/{file['id']}"
        if file["sha256"] is not None and os.path.exists(path):
            with open(path, "rb") as f:
                assert hashlib.sha256(f.read()).hexdigest() == file["sha256"], path


def write(folder, archive, key_file, mac=""):
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        tar.add(folder, arcname=".")
    key, iv = os.urandom(32), os.urandom(16)
    cipher, padding = cbc(key, iv)
    encryptor, padder = cipher.encryptor(), padding.padder()
    sealed = iv + encryptor.update(padder.update(plain.getvalue()) + padder.finalize()) + encryptor.finalize()
    said = {"key": key.hex(), "algorithm": "AES-256-CBC", "created_at": 1795207798.0567257, "backup_name": "demo"}
    if mac:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
        derived = HKDF(hashes.SHA256(), 32, None, b"cfms-mac").derive(key)
        said.update(hmac_sha256=hmac.new(derived, sealed, hashlib.sha256).hexdigest(),
                    archive_sha256=hashlib.sha256(sealed).hexdigest(), archive_size=len(sealed))
    with open(archive, "wb") as f:
        f.write(sealed)
    with open(key_file, "w", encoding="ascii") as f:
        json.dump(said, f, indent=2)


if sys.argv[1] == "schema":
    print(SCHEMA.format(auto=AUTO[sys.argv[2]]))
elif sys.argv[1] == "ROWS":
    print(ROWS)
else:
    {"fill": fill, "sqlite": run_sqlite, "rows": rows, "read": read, "write": write}[sys.argv[1]](*sys.argv[2:])
