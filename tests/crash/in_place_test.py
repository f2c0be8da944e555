#!/usr/bin/python3
"""A set restored in place has one of two states, whatever happens.

Every write-like system call of `restore --in-place` and of `undo` is the last one once (a kill), and
fails once (EIO, ENOSPC). After a restore that died, `undo` has to bring the state before back, to
the byte; a restore that failed has to have done so itself and to say so; one that says that it
succeeded has to have brought the other state. Nothing may be left beside.
"""

import errno
import os
import shutil
import sqlite3
import sys

import rig

verdicts = rig.Verdicts()
KINDS = ("write", "fsync", "link", "remove")


class World:
    """A set of a file tree and a database, damaged since its backup; with a server of PostgreSQL, its database too."""

    def __init__(self, folder, server=None):
        self.server = server
        noise = rig.Noise(5)
        self.folder = folder
        self.files = f"{folder}/application/files"
        self.database = f"{folder}/application/app.db"
        self.config = f"{folder}/holdfast.yaml"
        os.makedirs(f"{self.files}/a/b")
        for name, size in {"one": 3000, "a/two": 20, "a/b/three": 90_000}.items():
            self.write(name, noise.bytes(size))
        os.symlink("../one", f"{self.files}/a/link")
        self.write("left.tmp", b"no backup has this")
        self.sql("create table t (a integer primary key, b text)",
                 *(f"insert into t values ({n}, 'row {n}')" for n in range(50)))
        if server:
            server.rows("create table t as select i as a, 'row ' || i as b from generate_series(1, 200) i; create index on t (a)")
        third = f"- postgres: {{ name: shop, dsn: '{server.address}' }}" if server else ""
        self.program = rig.Program(f"{folder}/repository", f"{folder}/key").init()
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(f"""
state: {folder}/state
repositories:
  main: {{ url: {folder}/repository, key_file: {folder}/key }}
sets:
  app:
    sources:
      - files: {{ paths: [{self.files}], exclude: ["*.tmp"] }}
      - sqlite: {{ path: {self.database} }}
      {third}
    repositories: [main]
""")
        os.chmod(self.config, 0o600)
        self.sound = self.state()
        self.program.must("backup", "--set", "app", "-c", self.config)
        self.write("one", b"damaged")
        self.write("later", b"made since")
        shutil.rmtree(f"{self.files}/a/b")
        self.sql("delete from t where a > 5")
        if server:
            server.rows("delete from t where a > 5; create table later (a int)")
        self.damaged = self.state()

    def write(self, name, content):
        with open(f"{self.files}/{name}", "wb") as f:
            f.write(content)

    def sql(self, *statements):
        with sqlite3.connect(self.database) as c:
            for s in statements:
                c.execute(s)
        c.close()

    def state(self):
        """Everything in the application's folder, and that there is nothing else."""
        found = rig.tree_state(f"{self.folder}/application")
        with open(self.database, "rb") as f:
            found["app.db"] = ("database", f.read())
        if self.server:
            for (name,) in self.server.rows("select datname from pg_database"):
                found["server " + name] = ("database", name)
            found["shop"] = ("database", self.server.rows("select coalesce(to_regclass('later')::text, '-'), a, b from t order by a"))
        return found

    def is_sound(self):
        """Of SQLite the rows count, not the bytes: a copy is not the same file."""
        found = self.state()
        c = sqlite3.connect(self.database)
        rows = c.execute("select count(*) from t").fetchone()[0]
        c.close()
        return rows == 50 and not [d for d in rig.differences(self.sound, found)
                                   if not d.startswith("app.db:")
                                   and "holdfast" not in d and not d.startswith(".holdfast")]

    def run(self, *words, plan=None):
        return self.program.json(*words, "-c", self.config,
                                 extra=rig.shim_plan(**plan) if plan else None, limit_s=60)

    def restore(self, plan=None):
        return self.run("restore", "latest", "--set", "app", "--in-place", "--yes", plan=plan)

    def undo(self, *words, plan=None):
        return self.run("undo", *words, plan=plan)

    def damage_complaints(self):
        return rig.differences(self.damaged, self.state())[:3]

    def clear(self):
        """Undo and discard whatever is there, without faults."""
        complaints = []
        for words in ((), ("--discard",)):
            result = self.undo(*words)
            if "there is no restore to undo" not in result.sentence():
                complaints += result.complaints(rig.OK)
        return complaints + self.damage_complaints()


def kill_restore(world, kind, n):
    """False once the restore survives."""
    with verdicts.case(f"a restore that dies at call {n} of {kind} leaves a way back") as complaints:
        result = world.restore({"call": kind, "kill": n})
        if result.status != -9:
            complaints += result.complaints(rig.OK)
            complaints += [] if world.is_sound() else ["the restore says yes, and it is not so"]
        complaints += world.clear()
    return result.status == -9


def kill_undo(world, kind, n):
    with verdicts.case(f"an undo that dies at call {n} of {kind} can be taken up") as complaints:
        complaints += world.restore().complaints(rig.OK)
        result = world.undo(plan={"call": kind, "kill": n})
        complaints += world.clear()
    return result.status == -9


def fail_restore(world, kind, n, error):
    """False once no call is left to fail."""
    name = errno.errorcode[error]
    with verdicts.case(f"a restore whose call {n} of {kind} fails with {name} says how it is") as complaints:
        result = world.restore({"call": kind, "at": n, "errno": error})
        if result.status == rig.OK:
            complaints += [] if world.is_sound() else ["the restore says yes, and it is not so"]
        else:
            complaints += result.complaints(rig.FAILED)
            told = result.sentence()
            if "going back failed too" not in told:
                complaints += world.damage_complaints()
        complaints += world.clear()
    return result.status != rig.OK


def sweep(fn, *args):
    """From the first call on until one makes no difference."""
    n = 1 + rig.FIRST
    while fn(*args[:2], n, *args[2:]):
        n += rig.EVERY
    return n


def main():
    with rig.scratch_folder() as folder:
        world = World(folder)
        for kind in KINDS:
            sweep(kill_restore, world, kind)
            sweep(kill_undo, world, kind)
        for n in rig.sampled(range(1, 120)):
            fail_restore(world, "any", n, errno.EIO)
        for kind in ("fsync", "link", "remove"):
            sweep(fail_restore, world, kind, errno.ENOSPC)
        with verdicts.case("after all of that the repository is sound") as complaints:
            complaints += rig.check_complaints(world.program)
    verdicts.finish()


if __name__ == "__main__":
    sys.exit(main())
