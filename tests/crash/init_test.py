#!/usr/bin/python3
"""Kill the making of a repository at each of its calls: the next one makes it, or it is there and whole.

What lies in a folder that no such kill leaves there keeps init out, and stays as it was.
"""

import os
import sys

import rig

verdicts = rig.Verdicts()
MOST = 200  # calls of one command; it has to survive before


def write(path, content=b"x"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(content)


class Service(rig.Program):
    """The first backup of a set, which makes its repository; nothing is named by the environment."""

    def environment(self, extra=None):
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **(extra or {})}

    def words(self):
        config = self.repository + ".yaml"
        write(config, f"""
state: {self.repository}.state
repositories: {{main: {{url: "{self.repository}", key_file: "{self.key_file}"}}}}
sets: {{docs: {{repositories: [main], sources: [{{files: {{paths: ["{os.path.abspath(__file__)}"]}}}}]}}}}
""".encode())
        os.chmod(config, 0o600)
        return ["backup", "--config", config, "--set", "docs", "--create-repository", "main"]


def test_kills(folder, name, kind):
    """Kill what makes the repository, and do it again."""
    for n in range(1, MOST):
        program = rig.Program(f"{folder}/{name} {n}", f"{folder}/key")
        maker = kind(program.repository, program.key_file)
        words = ["init"] if kind is rig.Program else maker.words()
        with verdicts.case(f"{name}, killed at call {n}") as complaints:
            killed = maker.json(*words, extra=rig.shim_plan(kill=n))
            if killed.status == rig.OK:
                break
            if kind is Service or program.json("snapshots").status != rig.OK:
                complaints += maker.json(*words).complaints(rig.OK)
            complaints += program.json("backup", __file__).complaints(rig.OK)
            keys = program.json("key", "list")
            complaints += keys.complaints(rig.OK)
            if keys.out.count('"label"') != 1:
                complaints.append(f"not one key: {keys.out}")
            complaints += rig.check_complaints(program)
    else:
        verdicts.failed(name, "it never survived")
    if n < 5:
        verdicts.failed(name, f"it survived at call {n} already")


def test_others(folder):
    slot = "keys/00112233445566778899aabbccddeeff"
    for name in ("file", "config.old", "keys/notes", slot, f"{slot}/x", "keys.old/x", "tmp/mine", "packs/00/x", "data/x"):
        program = rig.Program(f"{folder}/other", f"{folder}/key")
        with verdicts.case(f"init beside {name}") as complaints:
            write(f"{program.repository}/{name}")
            complaints += program.json("init").complaints(rig.FAILED, rig.CONFLICT, rig.USAGE)
            found = sorted(os.path.relpath(os.path.join(at, f), program.repository)
                           for at, _, files in os.walk(program.repository) for f in files)
            if found != [name]:
                complaints.append(f"it holds {found}")
        os.rename(program.repository, f"{folder}/was {name.replace('/', ' ')}")


def main():
    with rig.scratch_folder() as folder:
        rig.Program(f"{folder}/first", f"{folder}/key").init()
        test_kills(folder, "init", rig.Program)
        test_kills(folder, "first backup", Service)
        test_others(folder)
    verdicts.finish()


if __name__ == "__main__":
    sys.exit(main())
