"""The data sets of script/bench.

Each set is a folder with two versions, "old" and "new", made once and kept.  Everything but
the kernel comes from fixed seeds, so every machine measures the same bytes.
"""

import glob
import multiprocessing
import os
import random
import shutil
import sqlite3
import subprocess
import time

EVENING_S = 2.5  # nobody backs up a tree within seconds of its last change; holdfast reads such files again
ROWS_PER_BLOCK = 1000
DUMP_HEAD = """--
-- PostgreSQL database dump
--

SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;

CREATE TABLE public.orders (
    id bigint NOT NULL,
    created timestamp with time zone NOT NULL,
    customer integer NOT NULL,
    status text NOT NULL,
    amount numeric(10,2) NOT NULL,
    city text NOT NULL,
    note text
);

COPY public.orders (id, created, customer, status, amount, city, note) FROM stdin;
"""
DUMP_TAIL = """\\.

ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
"""
STATUS = ["new", "paid", "packed", "shipped", "delivered", "delivered", "delivered", "returned"]


def run(*argv, **options):
    subprocess.run(argv, check=True, **options)


def vocabulary(count, letters, seed):
    rng = random.Random(seed)
    return ["".join(rng.choices("etaoinshrdlucmfw", k=rng.randint(*letters))) for _ in range(count)]


WORDS = vocabulary(400, (3, 9), "words")
CITIES = vocabulary(300, (5, 11), "cities")
NOTES = [" ".join(random.Random(f"note {i}").choices(WORDS, k=5)) for i in range(500)]


def dump_block(job):
    """The rows of one block; a changed block keeps its keys and gets other contents."""
    block, is_changed = job
    rng = random.Random(f"block {block} {'new' if is_changed else ''}")
    first = block * ROWS_PER_BLOCK
    fields = zip(range(first, first + ROWS_PER_BLOCK),
                 rng.choices(range(60000), k=ROWS_PER_BLOCK),
                 rng.choices(STATUS, k=ROWS_PER_BLOCK),
                 rng.choices(range(100, 20000), k=ROWS_PER_BLOCK),
                 rng.choices(CITIES, k=ROWS_PER_BLOCK),
                 rng.choices(NOTES, k=ROWS_PER_BLOCK),
                 rng.choices(NOTES, k=ROWS_PER_BLOCK),
                 rng.choices(NOTES, k=ROWS_PER_BLOCK))
    lines = []
    for i, customer, status, cents, city, a, b, c in fields:
        minute = i // 40
        lines.append(f"{i}\t2026-{minute // 40320 % 12 + 1:02}-{minute // 1440 % 28 + 1:02} "
                     f"{minute // 60 % 24:02}:{minute % 60:02}:{i % 40:02}+00\t{customer}\t{status}\t"
                     f"{cents / 100:.2f}\t{city}\t{a} {b} {c}\n")
    return "".join(lines).encode()


def make_dump(folder, size):
    """A table as pg_dump writes it; in the new version 1 % of the rows, in runs, are updated."""
    blocks = max(1, size // len(dump_block((0, False))))
    changed = set(random.Random("changed").sample(range(blocks), max(1, blocks // 100)))
    for version, altered in (("old", set()), ("new", changed)):
        os.makedirs(f"{folder}/{version}")
        with open(f"{folder}/{version}/shop.sql", "wb") as out, multiprocessing.Pool() as pool:
            out.write(DUMP_HEAD.encode())
            for rows in pool.imap(dump_block, ((b, b in altered) for b in range(blocks)), 16):
                out.write(rows)
            out.write(DUMP_TAIL.encode())


def random_changed(size):
    """(how many places of make_random() change, bytes of each)"""
    places = max(1, size // 10_000_000)
    return places, size // 100 // places


def make_random(folder, size):
    """Incompressible bytes; in the new version 1 % of them, in a place every 10 MB or so, are others."""
    os.makedirs(f"{folder}/old")
    old, new = f"{folder}/old/disk.img", f"{folder}/new/disk.img"
    run("sh", "-c", f"head -c {size} /dev/zero | openssl enc -aes-256-ctr -nosalt -out '{old}' "
        f"-K {'6b' * 32} -iv {'00' * 16}")
    shutil.copytree(f"{folder}/old", f"{folder}/new")
    rng = random.Random("places")
    places, length = random_changed(size)
    with open(new, "r+b") as file:
        for _ in range(places):
            file.seek(rng.randrange(size - length))
            file.write(rng.randbytes(length))


def order(rng):
    """A row of make_sqlite() behind its key."""
    return (rng.randrange(60000), rng.choice(STATUS), rng.randrange(100, 20000), rng.choice(CITIES),
            rng.choice(NOTES) + " " + rng.choice(NOTES))


def open_sqlite(path):
    base = sqlite3.connect(path, isolation_level=None)
    for line in ("PRAGMA journal_mode = off", "PRAGMA synchronous = off", "BEGIN"):
        base.execute(line)
    return base


def make_sqlite(folder, size):
    """A database with an index; in the new version 1 % of its rows, anywhere, are updated."""
    os.makedirs(f"{folder}/old")
    rng = random.Random("rows")
    rows = max(100, size // 116)
    base = open_sqlite(f"{folder}/old/shop.db")
    base.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, status TEXT,"
                 " cents INTEGER, city TEXT, note TEXT)")
    base.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)",
                     ((i, *order(rng)) for i in range(1, rows + 1)))
    base.execute("CREATE INDEX orders_customer ON orders (customer)")
    base.execute("COMMIT")
    base.close()
    shutil.copytree(f"{folder}/old", f"{folder}/new")
    base = open_sqlite(f"{folder}/new/shop.db")
    for i in sorted(rng.sample(range(1, rows + 1), rows // 100)):
        _, status, cents, _, note = order(rng)
        base.execute("UPDATE orders SET status = ?, cents = ?, note = ? WHERE id = ?", (status, cents, note, i))
    base.execute("COMMIT")
    base.close()


def text(rng, size):
    """About so many bytes of lines."""
    lines = []
    while size > 0:
        lines.append("    " * rng.randrange(4) + " ".join(rng.choices(WORDS, k=rng.randint(2, 12))) + "\n")
        size -= len(lines[-1])
    return "".join(lines)


def write(path, content):
    with open(path, "w") as file:
        file.write(content)


def make_nights(folder, count):
    """A tree of so many text files, as it is before the first night()."""
    rng = random.Random("tree")
    for i in range(count):
        place = f"{folder}/first/{i // 400:03}/{i // 20 % 20:02}"
        os.makedirs(place, exist_ok=True)
        write(f"{place}/{i % 20:02}.txt", text(rng, min(200_000, int(rng.lognormvariate(8.5, 1.2)))))


def night(tree, number):
    """What a day changes: lines in 1 % of the files.  For 50 of these a file is new and one is gone, twice
    as many as between the two releases of the kernel.  Returns when no file looks as if it still changed."""
    rng = random.Random(f"night {number}")
    files = sorted(os.path.join(folder, name) for folder, _, names in os.walk(tree) for name in names)
    some = max(1, len(files) // 100)
    chosen = rng.sample(files, some + max(1, some // 50))
    for path in chosen[:some]:
        with open(path) as file:
            lines = file.readlines()
        for _ in range(rng.randint(1, 5)):
            lines[rng.randrange(len(lines))] = text(rng, rng.randint(10, 120))
        write(path, "".join(lines))
    for n, path in enumerate(chosen[some:]):
        os.unlink(path)
        write(f"{os.path.dirname(path)}/new-{number}-{n}.txt", text(rng, rng.randint(500, 20_000)))
    time.sleep(EVENING_S)


def make_million(folder, count):
    """So many files of a few hundred bytes, 1,000 in a folder."""
    rng = random.Random("million")
    for i in range(count):
        place = f"{folder}/old/{i // 1000:04}"
        if i % 1000 == 0:
            os.makedirs(place)
        write(f"{place}/{i % 1000:03}", f"{i} {rng.choice(NOTES)} {rng.choice(NOTES)}\n" * (1 + i % 3))


def kernel_versions():
    """(oldest, newest) version of linux-source-6.1 that apt offers."""
    text = subprocess.check_output(["apt-cache", "madison", "linux-source-6.1"], text=True)
    versions = [line.split("|")[1].strip() for line in text.splitlines() if "Packages" in line]
    if len(set(versions)) < 2:
        raise SystemExit("bench: apt offers fewer than two versions of linux-source-6.1; "
                         "try apt-get update, or leave the kernel out with --sets")
    return versions[-1], versions[0]


def make_kernel(folder, parts, downloads):
    """The Linux source as Debian ships it, and a later release of it."""
    os.makedirs(downloads, exist_ok=True)
    for name, version in zip(("old", "new"), kernel_versions()):
        pattern = f"{downloads}/linux-source-6.1_{version.replace(':', '%3a')}_*.deb"
        if not glob.glob(pattern):
            run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download",
                f"linux-source-6.1={version}", cwd=downloads, stdout=subprocess.DEVNULL)
        os.makedirs(f"{folder}/{name}")
        wanted = " ".join(f"linux-source-6.1/{part}" for part in parts)
        run("sh", "-c", f"dpkg-deb --fsys-tarfile {glob.glob(pattern)[0]} | "
            "tar xOf - ./usr/src/linux-source-6.1.tar.xz | xz -dcT0 | "
            f"tar xf - -C '{folder}/{name}' --strip-components=1 {wanted}")
        with open(f"{folder}/version-{name}", "w") as file:
            file.write(version)


def make_tree(folder, source):
    """A small tree for a run that only asks whether everything works."""
    for version in ("old", "new"):
        shutil.copytree(source, f"{folder}/{version}", symlinks=True)
    with open(f"{folder}/new/added", "w") as file:
        file.write("a file that the first backup did not see\n")


def ensure(folder, make, *args):
    """Make a set unless it stands already; a set half made by an interrupted run goes first."""
    if os.path.exists(folder):
        return
    shutil.rmtree(folder + ".part", ignore_errors=True)
    os.makedirs(folder + ".part")
    print(f"making {folder}", flush=True)
    make(folder + ".part", *args)
    os.rename(folder + ".part", folder)


def place(folder, version):
    """Bring one version to folder/current, the path that is backed up: "old" or "new", or the number of
    a night: 1 is a copy of "first", which ages by a day with each that follows.  None: put it away."""
    current = f"{folder}/current"
    if os.path.exists(f"{folder}/first"):
        if version and version > 1:
            night(current, version)
            return
        shutil.rmtree(current, ignore_errors=True)
        if version:
            shutil.copytree(f"{folder}/first", current)
            time.sleep(EVENING_S)
        return
    if os.path.exists(current):
        away = "old" if not os.path.exists(f"{folder}/old") else "new"
        os.rename(current, f"{folder}/{away}")
    if version:
        os.rename(f"{folder}/{version}", current)


def read_all(path):
    """Into the page cache.  tar reads nothing when it sees that nobody wants it."""
    subprocess.run(["sh", "-c", 'tar cf - "$0" 2>/dev/null | cat >/dev/null', path], check=True)
