#!/usr/bin/python3
"""Read a holdfast repository in a local folder: an independent second implementation.

Written from docs/FORMAT.md alone, so that a mistake in either shows up as a difference.  It
writes nothing to the repository, and refuses what disagrees with the format.

    holdfast_reader.py [-r REPO] --password-file FILE | --key-file FILE  snapshots
    holdfast_reader.py ...  restore latest|ID TARGET      TARGET is absent or empty
    holdfast_reader.py ...  check                         read and verify everything
"""

import argparse
import hashlib
import hmac
import json
import os
import re
import stat
import struct
import sys
from collections import defaultdict
from contextlib import contextmanager
from functools import lru_cache

from holdfast_format import (CHUNK_TYPES, CIPHERS, COMMIT, CONDEMNED, CONFIG, CONTENT, DATA, DIRECTORY,
                             DOCUMENT, EPOCH, EPOCH_MAX, EVIDENCE, FRAME, INDEX, LABELS, LIST, OBJECT_MAX, PAGE, PREFIX_MAX, SNAPSHOT,
                             TOMBSTONE, Refused, Sealed, Section, Take, demand, extents, hkdf, ids_in,
                             parse_directory, parse_entry, parse_time, slot_epoch, slot_key, unseal)

MEMBERS = {CONFIG: ("version", "id", "id_key", "suite"), EPOCH: ("version", "id", "id_key", "suite", "epoch", "masters"), COMMIT: ("snapshot", "time"),
           SNAPSHOT: ("version", "time", "scan_started", "tree", "host", "paths", "tags", "seq", "writer"),
           TOMBSTONE: ("snapshot", "time"), EVIDENCE: ("snapshot", "time"), CONDEMNED: ("time", "packs")}


@contextmanager
def about(name):
    """Put the name of an object before the reason why it is refused."""
    try:
        yield
    except (Refused, ValueError) as error:
        raise Refused(f"{name}: {error}") from error


class Repository:
    def __init__(self, path, password=None, key=None):
        self.path = path
        self.id, self.suite = None, None  # config tells the suite
        self.masters = {}                 # master keys by epoch
        self.unlock(password, key)
        self.epoch = max(self.masters)
        config = self.document("config", CONFIG)
        with about("config"):
            demand(config["version"] == 1, "its version is not 1")
            demand(bytes.fromhex(config["id"]) == self.id, "its id is not the one of its header")
            self.id_key = bytes.fromhex(config["id_key"])
            demand(len(self.id_key) == 32, "id_key is not 32 bytes")
            self.suite = config["suite"]
            demand(self.suite == self.read("config")[10], "its suite is not the one of its header")
            for epoch in range(2, self.epoch + 1):
                self.check_epoch(epoch, config)
        self.where = defaultdict(list)  # the first 16 bytes of a chunk's id: [(pack, frame, chunk)]
        self.packs = {}                 # pack id: (class, size, plain directory), as an index says
        self.frame = lru_cache(16)(self.read_frame)
        self.pack = lru_cache(None)(self.read_pack)
        self.load_index()

    @staticmethod
    def path_of(pack):
        return f"packs/{pack.hex()[:2]}/{pack.hex()}"

    def names(self, folder, digits):
        """The objects of a folder; what has another kind of name is not of this format."""
        path = os.path.join(self.path, folder)
        found = os.listdir(path) if os.path.isdir(path) else []
        return sorted(n for n in found if re.fullmatch(r"[0-9a-f]{%d}" % digits, n))

    def evidence_names(self):
        path = os.path.join(self.path, "drills")
        found = os.listdir(path) if os.path.isdir(path) else []
        return sorted(n for n in found if re.fullmatch(r"[0-9a-f]{64}-[0-9a-f]{16}", n))

    def pack_names(self):
        return [bytes.fromhex(name) for xx in self.names("packs", 2) for name in self.names(f"packs/{xx}", 64)
                if name[:2] == xx]

    def read(self, name):
        try:
            with open(os.path.join(self.path, name), "rb") as file:
                data = file.read(OBJECT_MAX + 1)
        except OSError as error:
            raise Refused(error.strerror) from error
        demand(len(data) <= OBJECT_MAX, "it is longer than 64 MiB")
        return data

    def slots(self):
        """Name and bytes of the slots that can count, those of the newest epoch first, then later ones."""
        slots = [(name, self.read(f"keys/{name}")) for name in self.names("keys", 32)]
        numbers = [slot_epoch(slot) for _, slot in slots]
        published = [n for n in numbers if n == 1 or os.path.lexists(os.path.join(self.path, f"epochs/{n}"))]
        newest = max((n for n in published if n <= EPOCH_MAX), default=1)
        return sorted((s for s in slots if slot_epoch(s[1]) >= newest), key=lambda s: slot_epoch(s[1]))

    def unlock(self, password, key):
        """Take the master keys of all epochs from the slot that opens."""
        reasons = []
        for name, slot in self.slots():
            try:
                opened = slot_key(slot, name, password, key)
                if opened:
                    self.id = slot[16:32]
                    self.take_masters(*opened)
                    return
            except Refused as reason:
                reasons.append(f"keys/{name}: {reason}")
        raise Refused("; ".join(reasons) or "there is no key slot of this kind")

    def take_masters(self, epoch, master):
        self.masters = {epoch: master}
        if epoch > 1:
            self.masters.update(enumerate(self.masters_before(epoch), 1))

    def masters_before(self, epoch):
        """The keys that the object of an epoch holds."""
        document = self.document(f"epochs/{epoch}", EPOCH, epoch)
        with about(f"epochs/{epoch}"):
            masters = [bytes.fromhex(m) for m in document["masters"]]
            demand(document["epoch"] == epoch and len(masters) == epoch - 1, "it is not the object of this epoch")
            demand(all(len(m) == 32 for m in masters), "a master key is not 32 bytes")
            return masters

    def check_epoch(self, epoch, config):
        """The object of an epoch says what the others say; those before the newest may be gone."""
        if epoch < self.epoch and not os.path.lexists(os.path.join(self.path, f"epochs/{epoch}")):
            return
        masters = self.masters_before(epoch)
        demand(dict(enumerate(masters, 1)).items() <= self.masters.items(), f"epochs/{epoch}: its keys are others")
        document = self.document(f"epochs/{epoch}", EPOCH, epoch)
        same = ("version", "id", "created", "id_key", "chunk_key", "suite")
        demand(all(document[m] == config[m] for m in same), f"epochs/{epoch}: it differs from config")

    def open_sealed(self, data, class_, epoch=None):
        """Check the header of an object and derive its key."""
        demand(len(data) >= 128 and data[:8] == b"HOLDFAST", "it is no holdfast object")
        demand(data[8] <= 1, f"it has version {data[8]}, newer than this reader")
        number, repository, writer = int.from_bytes(data[12:16], "little"), data[16:32], data[32:48]
        wanted = {CONFIG: {1}, EPOCH: {epoch}}.get(class_, self.masters)
        demand(data[8] == 1 and data[9] == class_ and data[10] in CIPHERS and
               self.suite in (None, data[10]) and data[11] == 0 and number in wanted and
               repository == self.id and not any(data[112:128]), "a field of its header is wrong")
        label = hkdf(self.masters[number], b"", b"holdfast " + LABELS[class_], 32)
        info = b"holdfast object" + data[9:11] + repository + data[12:16] + writer
        keys = hkdf(label, data[48:80], info, 64)
        demand(hmac.compare_digest(keys[32:], data[80:112]), "its key commitment is wrong")
        return Sealed(CIPHERS[data[10]](keys[:32]), hashlib.sha256(data[:128]).digest(), class_)

    def document(self, name, class_, epoch=None):
        """The JSON object (index: the bytes) of a document."""
        with about(name):
            data = self.read(name)
            if class_ in (INDEX, SNAPSHOT):
                demand(hashlib.sha256(data).hexdigest() == name.split("/")[1], "its name is not its SHA-256")
            sealed = self.open_sealed(data, class_, epoch)
            rest = Take(data[128:])
            plain_size, compression, zeros = rest.u32(), rest.u8(), rest.take(3)
            demand(plain_size <= OBJECT_MAX and zeros == bytes(3), "a field before its section is wrong")
            plain = unseal(sealed, Section(0, DOCUMENT, compression, plain_size), rest.data[rest.at:])
            if class_ == INDEX:
                return plain
            document = json.loads(plain)
            demand(isinstance(document, dict) and document.keys() >= set(MEMBERS[class_]), "it lacks a member")
            return document

    def load_index(self):
        """Learn where chunks are, from the index and from packs that it does not name."""
        present = set(self.pack_names())
        for name in self.names("index", 64):
            rows = self.document(f"index/{name}", INDEX)
            with about(f"index/{name}"):
                self.parse_index(Take(rows), present)
        for pack in sorted(present - set(self.packs)):
            try:
                self.pack(pack)
            except Refused:
                pass  # a chunk that only this pack has will be missed, and check names the pack

    def parse_index(self, rest, present):
        for _ in range(rest.u32()):
            pack, class_, size, directory_size = rest.take(32), rest.u8(), rest.u64(), rest.u32()
            directory = rest.take(directory_size)
            demand(class_ in CHUNK_TYPES, "a pack has another class than 2 or 3")
            row = (class_, size, directory)
            if pack in present and self.packs.setdefault(pack, row) is row:
                self.learn(pack, parse_directory(directory, class_))
            demand(self.packs.get(pack, row) == row, f"two index rows differ on pack {pack.hex()}")
        rest.end()

    def learn(self, pack, frames):
        for number, frame in enumerate(frames):
            for chunk in frame.chunks:
                self.where[chunk.id].append((pack, number, chunk))

    def read_pack(self, pack):
        """Verify a pack but for the bytes of its frames; returns (seal, frames)."""
        name = self.path_of(pack)
        with about(name):
            data = self.read(name)
            demand(hashlib.sha256(data).digest() == pack, "its name is not its SHA-256")
            demand(len(data) >= 128 + 16 + 16 and data[-8:] == b"HFPACKND", "it has no trailer")
            sealed = self.open_sealed(data, data[9] if data[9] in CHUNK_TYPES else CONTENT)
            size, count = struct.unpack("<II", data[-16:-8])
            demand(16 <= size <= len(data) - 144, "its trailer says a wrong size")
            section = Section(count, DIRECTORY, 0, size - 16)
            directory = unseal(sealed, section, data[len(data) - 16 - size:-16])
            frames = parse_directory(directory, sealed.class_)
            end = frames[-1].offset + frames[-1].size if frames else 128
            demand(len(frames) == count and end + size + 16 == len(data), "its lengths do not add up")
            row = (sealed.class_, len(data), directory)
            if pack not in self.packs:
                self.packs[pack] = row
                self.learn(pack, frames)
            demand(self.packs[pack] == row, "an index says something else of it")
            return sealed, frames

    def read_frame(self, pack, number):
        sealed, frames = self.pack(pack)
        frame = frames[number]
        name = self.path_of(pack)
        with about(name), open(os.path.join(self.path, name), "rb") as file:
            stored = os.pread(file.fileno(), frame.size, frame.offset)
            section = Section(number, FRAME, frame.compression, frame.plain_size)
            return unseal(sealed, section, stored, self.prefix(frame))

    def prefix(self, frame):
        """What a frame of deltas is compressed after: the bases of its chunks, one that comes again at once left out."""
        prefix, last = [], None
        for chunk in frame.chunks:
            if chunk.base != last:
                prefix.append(self.base(chunk.base))
                last = chunk.base
            demand(sum(map(len, prefix)) <= PREFIX_MAX, "the bases of a frame are longer than 8 MiB")
        return b"".join(prefix)

    def base(self, id_):
        """The bytes of a chunk that deltas rest on, from a plain frame: no delta rests on another."""
        places = self.where.get(id_)
        demand(places, f"base {id_.hex()} is in no pack")
        plain = [place for place in places if place[2].base is None]
        demand(plain, f"base {id_.hex()} is a delta itself")
        return self.first_sound(plain, id_)

    def chunk_at(self, pack, number, chunk, id_):
        """The bytes that stand there; they have this id, or one that begins so."""
        data = self.frame(pack, number)[chunk.offset:chunk.offset + chunk.size]
        found = hmac.digest(self.id_key, bytes([chunk.type]) + data, "sha256")
        demand(hmac.compare_digest(found[:len(id_)], id_), f"chunk {id_.hex()} in pack {pack.hex()}: its id is wrong")
        return data

    def places(self, id_, type_):
        return [place for place in self.where.get(id_[:16], ()) if place[2].type == type_]

    def chunk(self, id_, type_):
        """The bytes of a chunk."""
        places = self.places(id_, type_)
        demand(places, f"chunk {id_.hex()} of type {type_} is in no pack")
        return self.first_sound(places, id_)

    def first_sound(self, places, id_):
        """The bytes of a chunk from the first of these copies that is sound."""
        for place in places:
            try:
                return self.chunk_at(*place, id_)
            except Refused as reason:
                error = reason
        raise error

    def snapshots(self):
        """Those with commit and without tombstone, the oldest first."""
        found = []
        for name in self.names("snapshots", 64):
            if self.has_mark("commits", name, COMMIT) and not self.has_mark("trash", name, TOMBSTONE):
                found.append(self.snapshot(name))
        return sorted(found, key=lambda s: (s["when"], s["seq"], s["id"]))

    def has_mark(self, folder, name, class_):
        """Whether a snapshot has a commit or tombstone; one that is not authentic is refused."""
        if not os.path.lexists(os.path.join(self.path, folder, name)):
            return False
        mark = self.document(f"{folder}/{name}", class_)
        demand(mark["snapshot"] == name, f"{folder}/{name}: it is that of another snapshot")
        return True

    def snapshot(self, name):
        document = self.document(f"snapshots/{name}", SNAPSHOT)
        with about(f"snapshots/{name}"):
            demand(document["version"] == 1, "its version is not 1")
            demand(re.fullmatch("[0-9a-f]{64}", document["tree"]), "its tree is no id")
            job = document.get("job")
            demand(job is None or (isinstance(job, str) and 0 < len(job.encode()) <= 64), "its job is no text of 1 to 64 bytes")
            return {**document, "id": name, "when": parse_time(document["time"])}

    def pages(self, id_):
        """The items of the pages of kind 0 that make up a directory."""
        kind, items = self.page(id_)
        if kind == 0:
            return items
        inner = [self.page(i) for i in items]
        demand(all(k == 0 for k, _ in inner), "a page of pages names another one")
        return [item for _, part in inner for item in part]

    def page(self, id_):
        rest = Take(self.chunk(id_, PAGE))
        version, kind, zeros, count = rest.u8(), rest.u8(), rest.take(2), rest.u32()
        demand(version == 1 and kind in (0, 1) and zeros == bytes(2), "the head of a page is wrong")
        items = [parse_entry(rest) if kind == 0 else rest.take(32) for _ in range(count)]
        rest.end()
        return kind, items

    def directory(self, id_, path):
        """The entries of a directory."""
        with about(repr(path)):
            entries = self.pages(id_)
            names = [e.name for e in entries]
            demand(all(a < b for a, b in zip(names, names[1:])), "its names are not in order")
            return entries

    def content_ids(self, entry):
        if not entry.flags & 2:
            return entry.content
        return [id_ for list_ in entry.content for id_ in ids_in(self.chunk(list_, LIST))]


def walk(repository, tree, path=b"/"):
    """(path, entry) of a whole snapshot, parents first."""
    for entry in repository.directory(tree, path):
        here = os.path.join(path, entry.name)
        yield here, entry
        if entry.tree:
            yield from walk(repository, entry.tree, here)


def write_content(repository, entry, file):
    os.truncate(file, entry.size)
    gaps = extents(entry)
    at = end = 0
    for id_ in repository.content_ids(entry):
        data = memoryview(repository.chunk(id_, DATA))
        while data:
            if at == end:
                at, end = next(gaps, (0, 0))
                demand(end > at, "its content is longer than its size")
            part = data[:end - at]
            os.pwrite(file, part, at)
            at, data = at + len(part), data[len(part):]
    demand(at == end and next(gaps, None) is None, "its content is shorter than its size")


def set_metadata(path, entry):
    mode = entry.mode
    if os.geteuid() == 0:
        os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
    elif (entry.uid, entry.gid) != (os.geteuid(), os.getegid()):
        mode &= 0o1777  # setuid and setgid go with the owner
    for name, value in entry.xattrs:
        if os.geteuid() == 0 or name.startswith((b"user.", b"system.")):
            os.setxattr(path, name, value, follow_symlinks=False)
    if entry.type != 3:
        os.chmod(path, mode)
    os.utime(path, ns=(entry.mtime, entry.mtime), follow_symlinks=False)


def restore_entry(repository, entry, path):
    if entry.type == 1:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            write_content(repository, entry, file)
        finally:
            os.close(file)
    elif entry.type == 2:
        os.mkdir(path, 0o700)
    elif entry.type == 3:
        os.symlink(entry.target, path)
    elif entry.type in (4, 5) or os.geteuid() == 0:
        kind = {4: stat.S_IFIFO, 5: stat.S_IFSOCK, 6: stat.S_IFCHR, 7: stat.S_IFBLK}[entry.type]
        os.mknod(path, kind | 0o600, entry.rdev)


def restore(repository, snapshot, target):
    """Bring a snapshot back below a new folder."""
    target = os.fsencode(target)
    os.makedirs(target, exist_ok=True)
    demand(not os.listdir(target), "the target is not empty")
    first_names, directories = {}, []
    for path, entry in walk(repository, bytes.fromhex(snapshot["tree"])):
        place = target + path
        same_file = (entry.device, entry.inode, entry.type)
        try:
            if entry.type != 2 and entry.links > 1 and same_file in first_names:
                os.link(first_names[same_file], place, follow_symlinks=False)
                continue
            restore_entry(repository, entry, place)
        except (OSError, Refused) as error:
            raise Refused(f"{path!r}: {error}") from error
        first_names[same_file] = place
        if entry.type == 2:
            directories.append((place, entry))
        elif os.path.lexists(place):
            set_metadata(place, entry)
    for place, entry in reversed(directories):
        set_metadata(place, entry)


def faults_of_snapshot(repository, snapshot):
    try:
        for path, entry in walk(repository, bytes.fromhex(snapshot["tree"])):
            if entry.type != 1:
                continue
            stored = 0
            for id_ in repository.content_ids(entry):
                places = repository.places(id_, DATA)
                stored += places[0][2].size if places else 0
                if not places:
                    yield f"{path!r}: chunk {id_.hex()} is in no pack"
            if stored != sum(end - at for at, end in extents(entry)):
                yield f"{path!r}: its content does not fill its size"
    except Refused as error:
        yield f"snapshot {snapshot['id']}: {error}"


def faults(repository):
    """Read everything; yields a sentence for each thing that is wrong."""
    for pack in repository.pack_names():
        try:
            for number, frame in enumerate(repository.pack(pack)[1]):
                for chunk in frame.chunks:
                    repository.chunk_at(pack, number, chunk, chunk.id)
        except Refused as error:
            yield str(error)
    for folder, digits, class_ in (("snapshots", 64, SNAPSHOT), ("commits", 64, COMMIT), ("trash", 64, TOMBSTONE),
                                   ("condemned", 32, CONDEMNED)):
        for name in repository.names(folder, digits):
            try:
                repository.document(f"{folder}/{name}", class_)
            except Refused as error:
                yield str(error)
    for name in repository.evidence_names():
        try:
            document = repository.document(f"drills/{name}", EVIDENCE)
            demand(document["snapshot"] == name[:64], f"drills/{name}: it is that of another snapshot")
        except Refused as error:
            yield str(error)
    for name in set(repository.names("commits", 64)) - set(repository.names("snapshots", 64)):
        yield f"commits/{name}: there is no such snapshot"
    try:
        snapshots = repository.snapshots()
    except Refused as error:
        yield str(error)
        return
    for snapshot in snapshots:
        yield from faults_of_snapshot(repository, snapshot)


def secrets(arguments):
    """(password, key) from the files that the command line names."""
    if arguments.key_file:
        with open(arguments.key_file, encoding="ascii") as file:
            text = file.read()
        demand(re.fullmatch(r"[0-9a-f]{64}\n?", text), f"{arguments.key_file} is not 64 hex digits and a newline")
        return None, bytes.fromhex(text)
    with open(arguments.password_file, "rb") as file:
        return file.read().removesuffix(b"\n"), None


def run(arguments):
    repository = Repository(arguments.repo, *secrets(arguments))
    if arguments.command == "check":
        found = list(faults(repository))
        print("\n".join(found) or "no faults")
        return 1 if found else 0
    snapshots = repository.snapshots()
    if arguments.command == "snapshots":
        for s in snapshots:
            print(s["id"], s["time"], s["host"], *s["paths"])
        return 0
    chosen = [s for s in snapshots if s["id"].startswith(arguments.snapshot)]
    if arguments.snapshot == "latest":
        chosen = snapshots[-1:]
    demand(len(chosen) == 1, f"{len(chosen)} snapshots are named {arguments.snapshot}")
    restore(repository, chosen[0], arguments.target)
    return 0


def main():
    parser = argparse.ArgumentParser(description="Read a holdfast repository.")
    parser.add_argument("-r", "--repo", default=os.environ.get("HOLDFAST_REPOSITORY", "."))
    secret = parser.add_mutually_exclusive_group(required=True)
    secret.add_argument("--password-file")
    secret.add_argument("--key-file")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("snapshots")
    commands.add_parser("check")
    restoring = commands.add_parser("restore")
    restoring.add_argument("snapshot")
    restoring.add_argument("target")
    try:
        return run(parser.parse_args())
    except (Refused, OSError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
