#!/usr/bin/python3
"""Say what is in a tree of files, and compare a tree with what was said.

    tree_manifest.py write TREE                 one JSON object a line, by path, on standard output
    tree_manifest.py compare MANIFEST TREE      exit status 1 and a line for each difference

Names and targets stand as path texts of docs/FORMAT.md.  What only root can restore is compared
when root runs it.
"""

import hashlib
import json
import os
import stat
import sys

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
         stat.S_IFSOCK: "socket", stat.S_IFCHR: "character device", stat.S_IFBLK: "block device"}
IS_ROOT = os.geteuid() == 0


def path_text(raw):
    text = raw.decode("utf-8", "surrogateescape")
    return "".join(f"\\x{ord(c) & 0xff:02x}" if c < " " or c == "\x7f" or 0xdc80 <= ord(c) <= 0xdcff else
                   "\\\\" if c == "\\" else c for c in text)


def file_sha256(path):
    """None when this user may not read the file."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except PermissionError:
        return None


def xattrs(path):
    found = {name: os.getxattr(path, name, follow_symlinks=False).hex()
             for name in os.listxattr(path, follow_symlinks=False)}
    return {name: found[name] for name in sorted(found)}


def walk(path):
    """The path and all below it, parents first, in the order of their bytes."""
    yield path
    if stat.S_ISDIR(os.lstat(path).st_mode):
        for name in sorted(os.listdir(path)):
            yield from walk(os.path.join(path, name))


def describe(tree):
    """{path below the tree: what is there}."""
    tree, first_names, found = os.fsencode(tree), {}, {}
    for path in walk(tree):
        s = os.lstat(path)
        name = path_text(path[len(tree):] or b"/")
        item = {"path": name, "type": KINDS[stat.S_IFMT(s.st_mode)], "mode": f"{stat.S_IMODE(s.st_mode):04o}",
                "mtime_ns": s.st_mtime_ns, "uid": s.st_uid, "gid": s.st_gid}
        if stat.S_ISREG(s.st_mode):
            item.update(size=s.st_size, **({"sha256": file_sha256(path)} if s.st_size else {}))
        elif stat.S_ISLNK(s.st_mode):
            item.update(target=path_text(os.readlink(path)))
        elif stat.S_ISCHR(s.st_mode) or stat.S_ISBLK(s.st_mode):
            item.update(device=[os.major(s.st_rdev), os.minor(s.st_rdev)])
        if not stat.S_ISDIR(s.st_mode) and s.st_nlink > 1:
            item.update(same_file_as=first_names.setdefault((s.st_dev, s.st_ino), name))
        attributes = xattrs(path)
        if attributes:
            item["xattrs"] = attributes
        found[name] = item
    return found


def can_be_compared(item):
    return IS_ROOT or "device" not in item


def for_this_user(item, has_owner):
    """The members that this user could restore; setuid and setgid go with the owner."""
    if IS_ROOT:
        return item
    item = {k: v for k, v in item.items() if k not in ("uid", "gid")}
    kept = {k: v for k, v in item.pop("xattrs", {}).items() if k.startswith(("user.", "system."))}
    mode = int(item["mode"], 8) & (0o7777 if has_owner else 0o1777)
    return {**item, "xattrs": kept, "mode": f"{mode:04o}"}


def differences(expected, found):
    """A line for each entry that is not the same."""
    for path in sorted(expected.keys() | found.keys()):
        if path not in found:
            if can_be_compared(expected[path]):
                yield f"{path} is missing"
        elif path not in expected:
            yield f"{path} should not be there"
        else:
            has_owner = all(expected[path][member] == found[path][member] for member in ("uid", "gid"))
            a, b = for_this_user(expected[path], has_owner), for_this_user(found[path], has_owner)
            if not IS_ROOT and b.get("sha256", "") is None:
                b["sha256"] = a.get("sha256")
            for member in sorted(a.keys() | b.keys()):
                if a.get(member) != b.get(member):
                    yield f"{path}: {member} is {b.get(member)}, expected {a.get(member)}"


def main(argv):
    if len(argv) == 3 and argv[1] == "write":
        for item in describe(argv[2]).values():
            print(json.dumps(item, ensure_ascii=False))
        return 0
    if len(argv) == 4 and argv[1] == "compare":
        with open(argv[2], encoding="utf-8") as lines:
            items = [json.loads(line) for line in lines]
        found = list(differences({item["path"]: item for item in items}, describe(argv[3])))
        print("\n".join(found), end="\n" if found else "")
        return 1 if found or not items else 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv))
