#!/usr/bin/python3
"""Fail when a file under src/ calls what only one file may call, or what none may.

Comments and strings are blanked first, so that prose may name what it likes.
"""

import glob
import os
import re
import sys

NEVER = ()

# names, the files (or folders, ending in /) that may call them, what to use instead
RULES = [
    ("malloc calloc realloc reallocarray aligned_alloc posix_memalign strdup strndup asprintf "
     "vasprintf free", ("base/mem.c",), "mem_*() of base/mem.h"),
    ("sprintf vsprintf strcpy stpcpy strcat strncpy strncat gets strtok strtok_r", NEVER,
     "struct buf"),
    ("atoi atol atoll atof sscanf strtol strtoul strtoll strtoull strtod", ("base/text.c",),
     "the parsers of base/text.h"),
    ("system popen execlp execvp fork vfork", ("base/process.c", "base/sandbox_start.c"),
     "base/process.h"),
    ("localtime gmtime localtime_r gmtime_r mktime time gettimeofday clock_gettime ctime strftime",
     ("base/clock.c",), "base/clock.h"),
    ("rand srand random drand48 getrandom getentropy", ("codec/random.c",), "codec/random.h"),
    ("sleep usleep nanosleep clock_nanosleep", NEVER, "a wait with a reason to end: poll() or a queue"),
    ("alloca setjmp longjmp", NEVER, "mem_*() and struct err"),
    ("printf fprintf vprintf vfprintf dprintf puts fputs putchar fputc putc fwrite perror",
     ("cli/", "base/log.c"), "a struct err, or a result that cli/ shows"),
    # A fault injected in base/file.c must reach every write of the program.
    ("creat openat2 fopen fdopen freopen link linkat rename renameat renameat2 unlink unlinkat "
     "remove rmdir mkdir mkdirat symlink symlinkat mknod mknodat fsync fdatasync sync syncfs "
     "truncate ftruncate fallocate posix_fallocate copy_file_range sendfile "
     "chmod fchmod fchmodat chown fchown lchown fchownat utimensat futimens setxattr lsetxattr "
     "fsetxattr fremovexattr mkstemp mkdtemp", ("base/file.c", "base/beneath.c"), "base/file.h"),
    # Pipes, and the last words of a process out of memory.
    ("write pwrite writev pwritev", ("base/file.c", "base/process.c", "base/mem.c"), "base/file.h"),
]

# open() and openat() for reading are fine where files are read; the passphrase is asked at /dev/tty.
OPEN_ANY = ("base/file.c", "base/beneath.c", "cli/terminal.c")
OPEN_READ = ("source/", "store/local.c", "job/", "base/sandbox")
OPEN_WRITES = re.compile(r"O_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)")

# Where secrets live, and what they are called there.
SECRET_FILES = ("codec/", "repo/")
SECRET_NAMES = re.compile(r"\b\w*(key|kek|mac|tag|secret|commitment|password)\w*\b")

BLANK = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blanked(text):
    return BLANK.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def calls(names, text):
    """Where one of the names is called as a function, not as a member."""
    return re.finditer(r"(?<![\w.>])(" + "|".join(names.split()) + r")\s*\(", text)


def arguments(text, start):
    """The text from an opening parenthesis to the one that closes it."""
    depth = 0
    for end in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        if depth == 0:
            return text[start:end]
    return text[start:]


def faults(path, text):
    for names, allowed, instead in RULES:
        if not path.startswith(allowed):
            for m in calls(names, text):
                yield m.start(), f"{m[1]}() is not for this file; use {instead}"
    if not path.startswith(OPEN_ANY):
        for m in calls("open openat", text):
            if not path.startswith(OPEN_READ):
                yield m.start(), f"{m[1]}() is not for this file; use base/file.h"
            elif OPEN_WRITES.search(arguments(text, m.end() - 1)):
                yield m.start(), f"{m[1]}() for writing; use base/file.h"
    for m in calls("memcmp", text) if path.startswith(SECRET_FILES) else ():
        if SECRET_NAMES.search(arguments(text, m.end() - 1)):
            yield m.start(), "memcmp() on secrets; compare in constant time"
    for m in re.finditer(r"^\s*typedef\s+(?:struct|enum|union)\b[^;(]*[;{]", text, re.M):
        yield m.start(), "typedef of a struct, enum or union; write its name in full"


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src"))
    bad = False
    for path in sorted(glob.glob("**/*.[ch]", recursive=True)):
        with open(path, encoding="utf-8") as file:
            text = blanked(file.read())
        for at, sentence in sorted(faults(path, text)):
            print(f"src/{path}:{text.count(chr(10), 0, at) + 1}: {sentence}")
            bad = True
    return bad


if __name__ == "__main__":
    sys.exit(main())
