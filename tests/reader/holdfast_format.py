"""The bytes of a holdfast repository: sealing, key slots, and what is parsed from plain bytes.

Part of the independent reader, see holdfast_reader.py.  Each function stands for a paragraph of
docs/FORMAT.md and refuses what that paragraph does not allow.
"""

import hmac
import re
import struct
from collections import namedtuple
from datetime import datetime

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from nacl.bindings import crypto_pwhash_ALG_ARGON2ID13, crypto_pwhash_alg

MIB = 1 << 20
OBJECT_MAX, CHUNK_MAX, FRAME_MAX, PREFIX_MAX, TEXT_MAX = 64 * MIB, 4 * MIB, 8 * MIB, 8 * MIB, 65536
CONFIG, CONTENT, TREE, INDEX, SNAPSHOT, COMMIT, TOMBSTONE, CONDEMNED, EVIDENCE = range(1, 10)
EPOCH = 11
EPOCH_MAX = 1000
LABELS = {CONFIG: b"config", CONTENT: b"content", TREE: b"meta", INDEX: b"index", SNAPSHOT: b"meta",
          COMMIT: b"meta", TOMBSTONE: b"meta", CONDEMNED: b"index", EVIDENCE: b"meta",
          EPOCH: b"config"}
FRAME, DIRECTORY, DOCUMENT = 1, 2, 3
DATA, PAGE, LIST = 1, 2, 3
CHUNK_TYPES = {CONTENT: (DATA,), TREE: (PAGE, LIST)}
AFTER_BASES = 2  # the compression of frames of deltas
COMPACT = 1 << 31  # stands beside the count of frames of directories of form 1
CIPHERS = {1: AESGCM, 2: ChaCha20Poly1305}

Section = namedtuple("Section", "number kind compression plain_size")
Sealed = namedtuple("Sealed", "cipher header_hash class_")
Frame = namedtuple("Frame", "offset size plain_size compression chunks")
Chunk = namedtuple("Chunk", "id type offset size base")  # id and base: their first 16 bytes; base None for a plain chunk
Entry = namedtuple("Entry", "type flags name mode uid gid user group mtime ctime device inode links "
                   "size xattrs tree target rdev holes cut content")


class Refused(Exception):
    """The repository disagrees with the format, or the key does not fit."""


def demand(condition, sentence):
    if not condition:
        raise Refused(sentence)


def hkdf(key, salt, info, size):
    prk, block, out = hmac.digest(salt or bytes(32), key, "sha256"), b"", b""
    for i in range(1, size // 32 + 1):
        block = hmac.digest(prk, block + info + bytes([i]), "sha256")
        out += block
    return out


class Take:
    """Bytes that are taken from the front, all of them in the end."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        demand(size <= len(self.data) - self.at, "it ends too early")
        self.at += size
        return self.data[self.at - size:self.at]

    def u8(self):
        return self.take(1)[0]

    def u32(self):
        return int.from_bytes(self.take(4), "little")

    def u64(self):
        return int.from_bytes(self.take(8), "little")

    def i64(self):
        return int.from_bytes(self.take(8), "little", signed=True)

    def varint(self):
        value = 0
        for i in range(10):
            byte = self.u8()
            value |= (byte & 127) << 7 * i
            if byte < 128:
                demand(value < 1 << 64 and (byte or i == 0), "a varint is not in its shortest form")
                return value
        raise Refused("a varint is longer than 10 bytes")

    def bytes(self, limit=OBJECT_MAX):
        size = self.varint()
        demand(size <= limit, f"a field of {size} bytes is longer than {limit}")
        return self.take(size)

    def is_empty(self):
        return self.at == len(self.data)

    def end(self):
        demand(self.is_empty(), "bytes are left over")


def ids_in(data):
    demand(len(data) % 32 == 0, "a list of ids is not a multiple of 32 bytes")
    return [data[i:i + 32] for i in range(0, len(data), 32)]


def decompressed(data, compression, plain_size, prefix):
    """The prefix is what a frame of deltas is compressed after, and empty for everything else."""
    if compression == 1 or (compression == AFTER_BASES and prefix):
        try:
            prefix = zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if prefix else None
            size = zstandard.get_frame_parameters(data).content_size
            demand(size in (plain_size, zstandard.CONTENTSIZE_UNKNOWN), "its zstd frame has another size")
            zstd = zstandard.ZstdDecompressor(dict_data=prefix).decompressobj()
            data = zstd.decompress(data)
            demand(zstd.eof and not zstd.unused_data, "it is not one whole zstd frame")
        except zstandard.ZstdError as error:
            raise Refused(f"zstd: {error}") from error
    else:
        demand(compression == 0, f"compression {compression} is unknown")
    demand(len(data) == plain_size, "its size is not the one noted")
    return data


def unseal(sealed, section, stored, prefix=b""):
    """The plain bytes of a section."""
    aad = sealed.header_hash + struct.pack("<QBBI", *section)
    try:
        plain = sealed.cipher.decrypt(struct.pack("<IQ", 0, section.number), stored, aad)
    except InvalidTag as error:
        raise Refused(f"section {section.number} does not fit its tag") from error
    return decompressed(plain, section.compression, section.plain_size, prefix)


def slot_epoch(slot):
    return int.from_bytes(slot[12:16], "little")


def slot_key(slot, name, password, key):
    """The epoch and the master key that a slot holds, or None when the slot is of the other kind."""
    demand(len(slot) == 248 and slot[:8] == b"HFKEYSLT" and slot[8] == 1, "it is no key slot of version 1")
    kind, suite, zero, epoch = slot[9], slot[10], slot[11], slot_epoch(slot)
    memory, passes, lanes, zeros = struct.unpack("<IIII", slot[56:72])
    demand(suite == 1 and zero == 0 and zeros == 0 and 1 <= epoch <= EPOCH_MAX and kind in (1, 2), "a field is wrong")
    demand(slot[32:48].hex() == name, "its id is not its name")
    salt = slot[72:104]
    if kind == 1:
        demand(65536 <= memory <= 1048576 and 1 <= passes <= 10 and lanes == 1, "its Argon2id costs are refused")
        if password is None:
            return None
        ikm = crypto_pwhash_alg(32, password, salt[:16], passes, memory * 1024, crypto_pwhash_ALG_ARGON2ID13)
    else:
        demand((memory, passes, lanes) == (0, 0, 0), "a key file slot has costs")
        if key is None:
            return None
        ikm = key
    commitment = hkdf(ikm, salt, b"holdfast slot commitment" + slot[32:48], 32)
    demand(hmac.compare_digest(commitment, slot[168:200]), "the password or key file is not the right one")
    kek = hkdf(ikm, salt, b"holdfast slot kek" + slot[32:48], 32)
    try:
        return epoch, AESGCM(kek).decrypt(bytes(12), slot[200:], slot[:200])
    except InvalidTag as error:
        raise Refused("its master key does not fit its tag") from error


def parse_time(text):
    demand(text.endswith("Z"), f"the time {text} is not in UTC")
    return datetime.fromisoformat(re.sub(r"\.\d+", lambda m: m[0][:7].ljust(7, "0"), text))


def parse_row(rest, is_compact, is_delta):
    """Id, type, length and base of a chunk; id and base by their first 16 bytes."""
    if not is_compact:
        id_, type_, encoding, length = rest.take(32), rest.u8(), rest.u8(), rest.u32()
        demand(encoding in (0, 1), f"encoding {encoding} is unknown")
        demand((encoding == 1) == is_delta, "a delta stands in a plain frame, or the other way round")
        return id_[:16], type_, length, rest.take(32)[:16] if is_delta else None
    id_, packed = rest.take(16), int.from_bytes(rest.take(3), "little")
    return id_, packed >> 22, (packed & 0x3fffff) + 1, rest.take(16) if is_delta else None


def parse_directory(data, class_):
    """The frames of a pack with their chunks."""
    rest = Take(data)
    frame_count, chunk_count = rest.u32(), rest.u32()
    is_compact, frame_count = frame_count & COMPACT, frame_count & ~COMPACT
    heads = [(rest.u32(), rest.u32(), rest.u8(), rest.u32()) for _ in range(frame_count)]
    frames, offset = [], 128
    for size, plain_size, compression, count in heads:
        demand(size > 16 and 0 < plain_size <= FRAME_MAX and compression in (0, 1, AFTER_BASES), "a frame is wrong")
        chunks, at = [], 0
        for _ in range(count):
            id_, type_, length, base = parse_row(rest, is_compact, compression == AFTER_BASES)
            demand(type_ in CHUNK_TYPES[class_] and 0 < length <= CHUNK_MAX, "a chunk is wrong")
            chunks.append(Chunk(id_, type_, at, length, base))
            at += length
        demand(at == plain_size, "chunks do not fill their frame")
        frames.append(Frame(offset, size, plain_size, compression, chunks))
        offset += size
    rest.end()
    demand(sum(len(f.chunks) for f in frames) == chunk_count, "the count of chunks is wrong")
    return frames


def parse_entry(rest):
    type_, flags, name = rest.u8(), rest.varint(), rest.bytes(255)
    mode, uid, gid, user, group = rest.varint(), rest.varint(), rest.varint(), rest.bytes(), rest.bytes()
    mtime, ctime = rest.i64(), rest.i64()
    device, inode, links, size, pairs = (*(rest.varint() for _ in range(4)), Take(rest.bytes(TEXT_MAX)))
    demand(name not in (b"", b".", b"..") and not {0, 47} & set(name), f"the name {name!r} is not allowed")
    demand(1 <= type_ <= 7, f"the type {type_} of {name!r} is unknown")
    demand(flags <= 7 and (type_ == 1 or not flags & 2), f"the flags {flags} of {name!r} are unknown")
    demand(mode <= 0o7777 and max(uid, gid) < 1 << 32, f"mode or owner of {name!r} is too large")
    xattrs = []
    while not pairs.is_empty():
        xattrs.append((pairs.bytes(), pairs.bytes()))
        demand(xattrs[-1][0] and 0 not in xattrs[-1][0], f"an attribute of {name!r} has an impossible name")
    tree = target = holes = cut = content = None
    rdev = 0
    if type_ == 1:
        holes, cut, content = parse_holes(Take(rest.bytes(MIB)), size), rest.u8(), ids_in(rest.bytes())
        demand(cut <= 3, f"the way of cutting {name!r} is unknown")
        demand(len(content) <= (32768 if flags & 2 else 256), f"the list of chunks of {name!r} is too long")
    elif type_ == 2:
        tree = rest.take(32)
    elif type_ == 3:
        target = rest.bytes(TEXT_MAX)
        demand(target and 0 not in target, f"the target of {name!r} is empty or holds NUL")
    elif type_ in (6, 7):
        rdev = rest.varint()
    return Entry(type_, flags, name, mode, uid, gid, user, group, mtime, ctime, device, inode, links, size, xattrs,
                 tree, target, rdev, holes, cut, content)


def parse_holes(rest, size):
    holes, end = [], -1
    while not rest.is_empty():
        offset, length = rest.varint(), rest.varint()
        demand(end < offset and 0 < length and offset + length <= size, "a hole is wrong")
        holes.append((offset, length))
        end = offset + length
    return holes


def extents(entry):
    """(offset, end) of what lies between the holes."""
    at = 0
    for offset, length in [*entry.holes, (entry.size, 0)]:
        if offset > at:
            yield at, offset
        at = offset + length
