#!/usr/bin/python3
"""An SFTP server that lies in the one way that its argument names, and is right otherwise.

It shows a root with the directory "packs" and the file "config" of ten bytes, takes every write
and keeps none.
"""

import struct
import sys
import time

LIE = sys.argv[1]
CONTENT = b"0123456789"
DIRECTORY, FILE = 0o40700, 0o100600
(INIT, VERSION, OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, OPENDIR, READDIR, REMOVE, MKDIR, STAT,
 RENAME, EXTENDED) = 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 17, 18, 200
STATUS, HANDLE, DATA, NAME, ATTRS = 101, 102, 103, 104, 105


def u32(n):
    return struct.pack(">I", n)


def string(b):
    return u32(len(b)) + b


def send(packet, length=None):
    sys.stdout.buffer.write(u32(len(packet) if length is None else length) + packet)
    sys.stdout.buffer.flush()


def end():
    sys.stdout.buffer.flush()
    sys.exit(3)


def sleep():
    time.sleep(3600)


def attributes(mode, size=len(CONTENT), mtime=1000000000):
    if LIE == "no-attributes":
        return u32(0)
    if LIE == "odd-attributes":
        return u32(0x70) + bytes(40)
    if LIE == "huge-file":
        size = 1 << 63
    return u32(0xD) + struct.pack(">QIII", size, mode, mtime, mtime)


def status(request, code, text=b"so it is"):
    if LIE == "long-text" and code != 0:
        return bytes([STATUS]) + request + u32(code) + u32(1 << 30) + text
    return bytes([STATUS]) + request + u32(code) + string(text) + string(b"")


def entry(name, mode):
    return string(name) + string(b"-rw------- 1 a b") + attributes(mode)


def names(entries, count=None):
    return u32(len(entries) if count is None else count) + b"".join(entries)


def listing(path, seen):
    """The fields of a NAME reply, or None at the end."""
    if LIE == "forever":
        return names([entry(b"f%d" % seen, FILE)] * 500)
    if seen:
        return None
    if LIE == "deep":
        return names([entry(b"d" * 200, DIRECTORY)])
    if path != b"/r":
        return names([entry(b".", DIRECTORY), entry(b"..", DIRECTORY), entry(b"x", FILE)])
    odd = {"slash-name": b"packs/evil", "empty-name": b"", "nul-name": b"a\0b", "long-name": b"a" * 256}
    if LIE in odd:
        return names([entry(odd[LIE], FILE)])
    if LIE == "count-too-high":
        return names([entry(b"config", FILE)], 1 << 31)
    if LIE == "no-names":
        return names([])
    return names([entry(b".", DIRECTORY), entry(b"..", DIRECTORY), entry(b"packs", DIRECTORY),
                  entry(b"config", FILE), entry(b"link", 0o120777)])


def path_mode(path):
    if path in (b"/r", b"/r/packs", b"/r/tmp") or path.endswith(b"d" * 200):
        return DIRECTORY
    return FILE if path in (b"/r/config", b"/r/packs/x") else None


class Server:
    def __init__(self):
        self.paths, self.seen = {}, {}

    def handle(self, request, path):
        number = b"%d" % (len(self.paths) + 1)
        self.paths[number], self.seen[number] = path, 0
        return bytes([HANDLE]) + request + string(number * 300 if LIE == "long-handle" else number)

    def read(self, request, offset, size):
        data = CONTENT[offset:offset + size]
        if LIE == "short-file":
            data = CONTENT[offset:4]
        if LIE == "too-much":
            data = bytes(size + 1)
        if LIE == "no-bytes":
            data = b""
        elif not data:
            return status(request, 1)
        return bytes([DATA]) + request + string(data)

    def answer(self, kind, request, body):
        size = struct.unpack(">I", body[:4])[0]
        name, rest = body[4:4 + size], body[4 + size:]
        if kind in (LSTAT, STAT):
            mode = path_mode(name)
            if mode is None:
                return status(request, 2)
            return bytes([ATTRS]) + request + attributes(mode)
        if kind == FSTAT:
            return bytes([ATTRS]) + request + attributes(path_mode(self.paths[name]) or FILE)
        if kind == OPENDIR or kind == OPEN:
            if path_mode(name) is None and not (kind == OPEN and b"/tmp/" in name):
                return status(request, 2)
            return self.handle(request, name)
        if kind == READDIR:
            fields = listing(self.paths[name], self.seen[name])
            self.seen[name] += 1
            return status(request, 1) if fields is None else bytes([NAME]) + request + fields
        if kind == READ:
            return self.read(request, *struct.unpack(">QI", rest))
        if LIE == "write-fails" and kind == WRITE or LIE == "fsync-fails" and name == b"fsync@openssh.com":
            return status(request, 4)
        if kind in (CLOSE, WRITE, REMOVE, MKDIR, RENAME, EXTENDED):
            return status(request, 0)
        return status(request, 8)


def greet():
    hello = bytes([VERSION]) + u32(2 if LIE == "version-2" else 3)
    extensions = (b"posix-rename@openssh.com", b"hardlink@openssh.com", b"fsync@openssh.com")
    for extension in () if LIE == "no-extensions" else extensions:
        hello += string(extension) + string(b"1")
    if LIE == "banner":
        sys.stdout.buffer.write(b"Welcome to this machine!\n")
    if LIE == "no-packet":
        send(b"", 0)
    if LIE == "long-packet":
        send(hello, 1 << 20)
    if LIE == "half-a-version":
        send(hello, 2000)
        end()
    if LIE == "no-version":
        send(status(u32(0), 0))
    if LIE == "odd-extensions":
        hello += string(b"a") + u32(77)
    if LIE == "silent":
        sleep()
    if LIE == "refused":
        sys.stderr.write("debug\nuser@host: Permission denied (publickey).\r\n")
        end()
    send(hello)


def take(size):
    data = sys.stdin.buffer.read(size)
    if len(data) < size:
        sys.exit(0)
    return data


def main():
    server = Server()
    asked = 0
    take(struct.unpack(">I", take(4))[0])
    greet()
    while True:
        packet = take(struct.unpack(">I", take(4))[0])
        kind, request, body = packet[0], packet[1:5], packet[5:]
        reply = server.answer(kind, request, body)
        asked += 1
        if kind == LSTAT and body[4:].endswith(b"config"):
            if LIE == "other-id":
                reply = reply[:1] + u32(0xABCDEF) + reply[5:]
            if LIE == "twice":
                send(reply)
            if LIE == "other-kind":
                reply = bytes([HANDLE]) + request + string(b"1")
            if LIE == "unknown-kind":
                reply = bytes([77]) + request
            if LIE == "half-an-answer":
                send(reply, len(reply) + 20)
                sys.stderr.write("the line is cut\n")
                end()
            if LIE == "cut-attributes":
                reply = reply[:12]
            if LIE == "only-a-kind":
                reply = reply[:3]
            if LIE == "mute":
                continue
        send(reply)


main()
