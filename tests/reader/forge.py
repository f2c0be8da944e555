"""Make objects of a repository that no program would write, with its keys; by docs/FORMAT.md alone."""

import hashlib
import hmac
import os
import struct
from collections import namedtuple

import zstandard
from holdfast_format import CIPHERS, COMPACT, CONTENT, DATA, DIRECTORY, DOCUMENT, FRAME, LABELS, Section, hkdf

# A chunk's row says what it likes; base None: the row has none; size None: that of data.
Row = namedtuple("Row", "data base type encoding size", defaults=(None, DATA, None, None))


def compressed(plain, prefix=b""):
    dictionary = zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if prefix else None
    return zstandard.ZstdCompressor(dict_data=dictionary).compress(plain)


def plain_frame(*rows, compression=1):
    """Rows may be just bytes: chunks of data."""
    rows = [row if isinstance(row, Row) else Row(row) for row in rows]
    plain = b"".join(row.data for row in rows)
    return compression, compressed(plain) if compression == 1 else plain, rows


def delta_frame(prefix, *rows, compression=2):
    return compression, compressed(b"".join(row.data for row in rows), prefix), rows


class Forge:
    def __init__(self, repository, folder):
        self.repository, self.folder = repository, folder

    def id_of(self, data, type_=DATA):
        return hmac.digest(self.repository.id_key, bytes([type_]) + data, "sha256")

    def row(self, row, form):
        id_, size = self.id_of(row.data, row.type), len(row.data) if row.size is None else row.size
        if form == COMPACT:
            return id_[:16] + (size - 1 | row.type << 22).to_bytes(3, "little") + (row.base or b"")[:16]
        encoding = row.encoding if row.encoding is not None else int(row.base is not None)
        return id_ + struct.pack("<BBI", row.type, encoding, size) + (row.base or b"")

    def seal(self, class_):
        """A header, and what seals sections behind it."""
        r, salt, writer = self.repository, os.urandom(32), os.urandom(16)
        epoch = r.epoch.to_bytes(4, "little")
        info = b"holdfast object" + bytes([class_, r.suite]) + r.id + epoch + writer
        keys = hkdf(hkdf(r.masters[r.epoch], b"", b"holdfast " + LABELS[class_], 32), salt, info, 64)
        header = b"HOLDFAST" + bytes([1, class_, r.suite, 0]) + epoch + r.id + writer + salt + keys[32:] + bytes(16)
        cipher, header_hash = CIPHERS[r.suite](keys[:32]), hashlib.sha256(header).digest()

        def section(stored, *fields):
            return cipher.encrypt(struct.pack("<IQ", 0, fields[0]), stored, header_hash + struct.pack("<QBBI", *Section(*fields)))
        return header, section

    def put(self, folder, data):
        id_ = hashlib.sha256(data).digest()
        name = id_.hex()
        path = os.path.join(self.folder, folder, name[:2] if folder == "packs" else "", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        return id_

    def pack(self, *frames, class_=CONTENT, form=0):
        """What an index would say of it: id, class, size and directory."""
        data, section = self.seal(class_)
        heads = chunks = b""
        for number, (compression, stored, rows) in enumerate(frames):
            size = sum(len(row.data) for row in rows)
            data += section(stored, number, FRAME, compression, size)
            heads += struct.pack("<IIBI", len(stored) + 16, size, compression, len(rows))
            chunks += b"".join(self.row(row, form) for row in rows)
        plain = struct.pack("<II", len(frames) | form, sum(len(rows) for _, _, rows in frames)) + heads + chunks
        directory = section(plain, len(frames), DIRECTORY, 0, len(plain))
        data += directory + struct.pack("<II", len(directory), len(frames)) + b"HFPACKND"
        return self.put("packs", data), class_, len(data), plain

    def index_of(self, *packs):
        """An index object of what pack() returned."""
        plain = struct.pack("<I", len(packs))
        for pack, class_, size, directory in packs:
            plain += pack + struct.pack("<BQI", class_, size, len(directory)) + directory
        self.index(0, plain, plain)

    def index(self, compression, plain, stored):
        """An index document with these bytes."""
        data, section = self.seal(4)
        data += struct.pack("<IB3x", len(plain), compression)
        self.put("index", data + section(stored, 0, DOCUMENT, compression, len(plain)))
