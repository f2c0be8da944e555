#!/usr/bin/python3
"""Make a small tree with every type of entry, odd names, odd times and extended attributes.

    sample_tree.py TREE        the same content and metadata each time, but for owners when not root
"""

import os
import random
import socket
import stat
import sys

IS_ROOT = os.geteuid() == 0
ACL = bytes.fromhex("02000000" "01000600ffffffff" "02000400d2040000" "04000400ffffffff" "10000400ffffffff"
                    "20000000ffffffff")  # user::rw-, user:1234:r--, group::r--, mask::r--, other::---
NAMES = [b"\xff\xfe not UTF-8", b"new\nline", b"back\\slash", b" leading and trailing ", "\u00e9\u4e2d\U0001f600".encode(),
         b"-r", b"\x01control\x7f", b"...", b"n" * 255]


def put(path, content=b"", mode=0o644):
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)


def put_sparse(path, size, *parts):
    """A file with holes between the (offset, bytes) that it holds."""
    with open(path, "wb") as file:
        file.truncate(size)
        for offset, data in parts:
            os.pwrite(file.fileno(), data, offset)


def put_names(folder):
    os.mkdir(folder)
    for i, name in enumerate(NAMES):
        put(os.path.join(folder, name), b"%d\n" % i)


def put_files(tree, noise):
    put(tree + b"/empty")
    put(tree + b"/one byte", b"x")
    put(tree + b"/text", b"".join(b"%d: the same line again\n" % (i % 50) for i in range(9000)))
    put(tree + b"/noise", noise.randbytes(40000))
    put(tree + b"/setuid", b"#!/bin/false\n", 0o4755)
    put_sparse(tree + b"/sparse", 9 << 20, (0, b"front"), (4 << 20, noise.randbytes(5000)), (6 << 20, b"middle"))
    put_sparse(tree + b"/hole first", (1 << 20) + 3, ((1 << 20), b"end"))
    put_sparse(tree + b"/holes only", 5 << 20)
    if IS_ROOT:
        put(tree + b"/no permission", b"secret\n", 0)


def put_others(tree):
    os.symlink(b"text", tree + b"/link")
    os.symlink(b"/nowhere/\xff", tree + b"/dangling link")
    os.link(tree + b"/noise", tree + b"/zz hard link")
    os.mkfifo(tree + b"/fifo", 0o640)
    with socket.socket(socket.AF_UNIX) as s:
        before = os.getcwd()
        os.chdir(tree)
        s.bind("socket")
        os.chdir(before)
    os.mkdir(tree + b"/empty directory", 0o755)
    os.mkdir(tree + b"/sticky", 0o755)
    os.chmod(tree + b"/sticky", 0o1777)
    os.makedirs(tree + b"/deep" + b"/d" * 40)
    os.link(tree + b"/fifo", tree + b"/sticky/same fifo")
    if IS_ROOT:
        os.mknod(tree + b"/character device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        os.mknod(tree + b"/block device", stat.S_IFBLK | 0o660, os.makedev(259, 1048575))


def put_xattrs(tree):
    os.setxattr(tree + b"/text", b"user.empty", b"")
    os.setxattr(tree + b"/text", b"user.binary", bytes(range(256)))
    os.setxattr(tree + b"/sticky", b"user.on a directory", b"yes")
    os.setxattr(tree + b"/noise", b"system.posix_acl_access", ACL)
    if IS_ROOT:
        os.setxattr(tree + b"/link", b"trusted.on a link", b"yes", follow_symlinks=False)
        os.chown(tree + b"/text", 12345, 54321)
        os.chown(tree + b"/link", 4000000000, 0, follow_symlinks=False)


def set_times(tree):
    """Each entry its own time with nanoseconds, some before 1970, the deepest first."""
    paths = [tree]
    for folder, folders, files in os.walk(tree):
        paths += sorted(os.path.join(folder, name) for name in folders + files)
    for i, path in reversed(list(enumerate(sorted(paths)))):
        ns = 1_700_000_000_123_456_789 + i * 1_000_000_007
        os.utime(path, ns=(ns, ns), follow_symlinks=False)
    os.utime(tree + b"/empty", ns=(-1, -1))
    os.utime(tree + b"/one byte", ns=(-1_500_000_000_000_000_001, -1_500_000_000_000_000_001))


def sample_tree(tree):
    tree = os.fsencode(tree)
    noise = random.Random(1)
    os.makedirs(tree)
    put_files(tree, noise)
    put_names(tree + b"/names")
    put_others(tree)
    put_xattrs(tree)
    set_times(tree)


if __name__ == "__main__":
    os.umask(0o022)
    sample_tree(sys.argv[1])
