"""The programs that script/bench measures."""

import json
import os
import shutil
import subprocess


class Tool:
    """One backup program: a shell line for each step it has, and the environment for them.

    In the lines {repo} is a folder of the tool's own, {source} the path to back up, {name} and
    {parent} its two parts, {target} an empty folder, {cache} a folder that stays between steps,
    {backup} a name for the backup that is made, {latest} that of the one before, and {oldest} what
    oldest() says of what the line "list" prints.
    """

    def __init__(self, name, version, lines, env=None, words=None):
        self.name = name
        self.words = words or [name.replace(",", " ").split()[0]]  # by which it is chosen
        self.version = version
        self.lines = lines
        self.env = env or {}


def first_line(*argv):
    return subprocess.check_output(argv, text=True, stderr=subprocess.STDOUT).splitlines()[0]


def oldest(text):
    """The id of the oldest snapshot, from JSON: a list, or an object a line."""
    snapshots = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    return min(snapshots, key=lambda snapshot: snapshot["time"])["id"]


def holdfast_tools(program):
    backup = f"exec {program} backup {{source}}"
    version = first_line(program, "version")
    env = {"HOLDFAST_REPOSITORY": "{repo}", "HOLDFAST_CACHE_DIR": "{cache}"}
    yield Tool("holdfast", version, {
        "init": program + " init -r {repo} --key-file {cache}/key", "first": backup, "no change": backup,
        "changed": backup, "nights": backup, "verify": f"exec {program} check --read-data",
        "restore": f"exec {program} restore latest --target {{target}}",
        "list": f"exec {program} snapshots --json",
        "restore first": f"exec {program} restore {{oldest}} --target {{target}}",
    }, {**env, "HOLDFAST_KEY_FILE": "{cache}/key"}, ["holdfast", "key-file"])
    yield Tool("holdfast, passphrase", version,
               {"init": program + " init -r {repo}", "first": backup, "no change": backup},
               {**env, "HOLDFAST_PASSWORD": "correct horse battery staple"}, ["holdfast", "passphrase"])


def restic_tool(program):
    backup = f"exec {program} backup -q {{source}}"
    return Tool("restic", first_line(program, "version"), {
        "init": f"{program} init -q", "first": backup, "no change": backup, "changed": backup,
        "nights": backup, "verify": f"exec {program} check -q --read-data",
        "restore": f"exec {program} restore -q latest --target {{target}}",
        "list": f"exec {program} snapshots --json",
        "restore first": f"exec {program} restore -q {{oldest}} --target {{target}}",
    }, {"RESTIC_REPOSITORY": "{repo}", "RESTIC_CACHE_DIR": "{cache}", "RESTIC_PASSWORD": "bench"})


def borg_tool(program):
    create = f"exec {program} create -C zstd,3 ::{{backup}} {{source}}"
    return Tool("borg", first_line(program, "--version"), {
        "init": f"{program} init -e repokey-blake2", "first": create, "no change": create,
        "changed": create, "nights": create, "verify": f"exec {program} check --verify-data",
        "restore": f"cd {{target}} && exec {program} extract ::{{latest}}",
        "restore first": f"cd {{target}} && exec {program} extract ::first",
    }, {"BORG_REPO": "{repo}", "BORG_BASE_DIR": "{cache}", "BORG_PASSPHRASE": "bench"})


def tar_zstd_tool():
    seal = "openssl enc -aes-256-ctr -pbkdf2 -iter 1 -pass pass:bench"
    pack = f"tar cf - -C {{parent}} {{name}} | zstd -q -3 -T0 | {seal} > {{repo}}/{{backup}}"
    unpack = f"{seal} -d < {{repo}}/{{latest}} | zstd -q"
    return Tool("tar, zstd -3, openssl", first_line("tar", "--version"), {
        "init": "mkdir {repo}", "first": pack, "changed": pack, "verify": unpack + " -t",
        "restore": unpack + " -dc | tar xf - -C {target}"})


def tar_tool():
    pack = "tar cf {repo}/{backup} -C {parent} {name}"
    return Tool("tar", first_line("tar", "--version"), {
        "init": "mkdir {repo}", "first": pack, "changed": pack,
        "restore": "exec tar xf {repo}/{latest} -C {target}"})


def copy_tool():
    return Tool("cp -a", first_line("cp", "--version"), {
        "init": "mkdir {repo}", "restore": "exec cp -a {source} {target}"})


def find_tools(holdfast, wanted):
    """Those that are installed and, unless it is empty, of whose words one is wanted."""
    restic = os.environ.get("RESTIC") or shutil.which("restic")
    borg = shutil.which("borg")
    tools = []
    if os.path.exists(holdfast):
        tools += holdfast_tools(holdfast)
    if restic:
        tools.append(restic_tool(restic))
    if borg:
        tools.append(borg_tool(borg))
    tools += [tar_zstd_tool(), tar_tool(), copy_tool()]
    return [t for t in tools if not wanted or set(t.words) & set(wanted)]
