#!/usr/bin/python3
"""Backups of School ERP from Python, by libholdfast.so.0: create, list, restore [--import] ID, delete ID.

BACKUP_DIR, BACKUP_ENCRYPTION_KEY, DATABASE_URL and BACKUP_USER say where and whose; HOLDFAST_LIBRARY where the library is.
"""

import os
import sys
from ctypes import CDLL, CFUNCTYPE, POINTER, Structure, byref, c_char, c_char_p, c_int, c_int64, c_size_t, c_uint, c_uint64, c_void_p


class Error(Structure):
    _fields_ = [("code", c_int), ("text", c_char * 500)]


class Place(Structure):
    _fields_ = [(name, c_char_p) for name in ("folder", "key", "database", "password", "user")]


class Backup(Structure):
    _fields_ = [("id", c_char * 33), ("file", c_char * 72), ("size", c_uint64), ("created_ms", c_int64), ("is_readable", c_int)]


class Created(Structure):
    _fields_ = [("backup", Backup), ("records", c_uint64), ("checksum", c_char * 65), ("problem", c_char * 304)]


class Restored(Structure):
    _fields_ = [("backup", Backup), ("records", c_uint64), ("written", c_uint64), ("failed", c_uint64), ("problem", c_char * 304)]


EACH = CFUNCTYPE(c_int, c_void_p, POINTER(Backup))
FAILURE = CFUNCTYPE(None, c_void_p, c_char_p, c_char_p, c_char_p)


class Restoring(Structure):
    _fields_ = [("flags", c_uint), ("each", FAILURE), ("arg", c_void_p)]


IMPORT, SKIP_FAILURES = 1, 2


class Backups:
    """One folder of backups and its database."""

    def __init__(self, **place):
        self.library = CDLL(os.environ.get("HOLDFAST_LIBRARY", "libholdfast.so.0"))
        self.library.hf_close.argtypes = [c_void_p]
        self.library.hf_close.restype = None
        self.handle = c_void_p()
        self.call("hf_open", byref(Place(**{name: text.encode() for name, text in place.items() if text})), byref(self.handle))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.library.hf_close(self.handle)

    def call(self, name, *arguments):
        error = Error()
        if not getattr(self.library, name)(*arguments, byref(error)):
            raise RuntimeError(f"error {error.code}: {error.text.decode()}")

    def create(self, *tables):
        made = Created()
        names = (c_char_p * len(tables))(*(t.encode() for t in tables))
        self.call("hf_backup_create", self.handle, names, c_size_t(len(tables)), byref(made))
        return made

    def list(self):
        found = []

        def each(_, one):
            found.append((one.contents.file.decode(), one.contents.size, bool(one.contents.is_readable)))
            return 0

        self.call("hf_backup_list", self.handle, EACH(each), None)
        return found

    def restore(self, backup, flags=0):
        failures = []
        each = FAILURE(lambda _, table, key, why: failures.append((table.decode(), key.decode(), why.decode())))
        result = Restored()
        self.call("hf_backup_restore", self.handle, backup.encode(), byref(Restoring(flags, each, None)), byref(result))
        return result, failures

    def delete(self, backup):
        problem = (c_char * 304)()
        self.call("hf_backup_delete", self.handle, backup.encode(), problem)
        return problem.value.decode()


def main():
    verb, words = sys.argv[1], sys.argv[2:]
    place = {"folder": os.environ.get("BACKUP_DIR"), "key": os.environ.get("BACKUP_ENCRYPTION_KEY"),
             "database": os.environ.get("DATABASE_URL"), "user": os.environ.get("BACKUP_USER")}
    try:
        with Backups(**place) as backups:
            if verb == "create":
                made = backups.create(*words)
                print(made.backup.file.decode(), made.records, made.checksum.decode(), made.problem.decode())
            elif verb == "list":
                for file, size, is_readable in backups.list():
                    print(file, size, "readable" if is_readable else "unreadable")
            elif verb == "restore":
                flags = (IMPORT if "--import" in words else 0) | (SKIP_FAILURES if "--skip-failures" in words else 0)
                result, failures = backups.restore(words[-1], flags)
                for failure in failures:
                    print(*failure, sep=": ")
                print(result.records, result.written, result.failed, result.problem.decode())
            elif verb == "delete":
                print(backups.delete(words[0]) or "deleted")
    except RuntimeError as why:
        sys.exit(str(why))


if __name__ == "__main__":
    main()
