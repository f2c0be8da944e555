#!/usr/bin/python3
"""Compare restored trees with their sources: everything a backup promises to bring back.

Usage: script/compare_trees.py SINCE COPY SOURCE...

SOURCE is an absolute path, COPY the folder it was restored below, SINCE the time (seconds
since 1970) at which the backup began: what changed in the source after that is named and not
compared.  Prints "FILES ENTRIES BYTES" of the copy as its last line; exit status 1 when
anything differs.
"""

import filecmp
import os
import stat
import sys

IS_ROOT = os.geteuid() == 0


def walk(path):
    """The path and all below it, parents first, symbolic links not followed."""
    yield path
    if stat.S_ISDIR(os.lstat(path).st_mode):
        try:
            names = sorted(os.listdir(path))
        except PermissionError:
            return
        for name in names:
            yield from walk(os.path.join(path, name))


def xattrs(path):
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return [(name, os.getxattr(path, name, follow_symlinks=False)) for name in names]


def differences(source, copy):
    """What of one entry is not the same, in words."""
    a, b = os.lstat(source), os.lstat(copy)
    if stat.S_IFMT(a.st_mode) != stat.S_IFMT(b.st_mode):
        yield "type"
        return
    if not stat.S_ISLNK(a.st_mode) and a.st_mode != b.st_mode:
        yield f"mode {stat.filemode(a.st_mode)}, restored {stat.filemode(b.st_mode)}"
    if IS_ROOT and (a.st_uid, a.st_gid) != (b.st_uid, b.st_gid):
        yield f"owner {a.st_uid}:{a.st_gid}, restored {b.st_uid}:{b.st_gid}"
    if a.st_mtime_ns != b.st_mtime_ns:
        yield f"modification time {a.st_mtime_ns} ns, restored {b.st_mtime_ns} ns"
    if IS_ROOT and xattrs(source) != xattrs(copy):
        yield "extended attributes"
    if stat.S_ISLNK(a.st_mode) and os.readlink(source) != os.readlink(copy):
        yield "link target"
    if stat.S_ISREG(a.st_mode) and not filecmp.cmp(source, copy, shallow=False):
        yield "contents"
    if (stat.S_ISBLK(a.st_mode) or stat.S_ISCHR(a.st_mode)) and a.st_rdev != b.st_rdev:
        yield "device number"


def may_skip(path, since):
    """Why an entry of the source cannot be compared, or None."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        above = os.path.dirname(path)
        while not os.path.lexists(above):
            above = os.path.dirname(above)
        return "is gone" if os.lstat(above).st_ctime >= since else None
    if found.st_ctime >= since:
        return "changed"
    if not stat.S_ISLNK(found.st_mode) and not os.access(path, os.R_OK):
        return "cannot be read by this user"
    return None


def compare(source, copy_root, since):
    """Yields (path, sentence, whether it is a fault) for all that is not the same."""
    paths = {path: None for path in walk(source)}
    if os.path.lexists(copy_root + source):
        paths.update((path[len(copy_root):], None) for path in walk(copy_root + source))
    links = {}
    for path in paths:
        reason = may_skip(path, since)
        if reason:
            yield path, reason + " and is not compared", False
        elif not os.path.lexists(copy_root + path):
            yield path, "is not in the restored copy", True
        elif not os.path.lexists(path):
            yield path, "is in the restored copy only", True
        else:
            for words in differences(path, copy_root + path):
                yield path, "differs: " + words, True
            if os.lstat(path).st_nlink > 1 and not os.path.isdir(path):
                a, b = os.lstat(path), os.lstat(copy_root + path)
                if links.setdefault((a.st_dev, a.st_ino), b.st_ino) != b.st_ino:
                    yield path, "differs: is no longer a hard link to its other names", True


def main(argv):
    if len(argv) < 4:
        print(__doc__, file=sys.stderr)
        return 2
    since, copy_root, sources = float(argv[1]), argv[2].rstrip("/"), argv[3:]
    bad = False
    files = entries = size = 0
    for source in sources:
        for path, sentence, is_fault in compare(source, copy_root, since):
            print(f"{path} {sentence}")
            bad = bad or is_fault
        if not os.path.lexists(copy_root + source):
            continue
        for path in walk(copy_root + source):
            found = os.lstat(path)
            entries += 1
            if stat.S_ISREG(found.st_mode):
                files, size = files + 1, size + found.st_size
    print(files, entries, size)
    return 1 if bad or entries == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
