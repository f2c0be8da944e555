"""One end of an HTTP/1.1 connection: heads are read line by line, bodies passed on in large pieces.

Nothing here knows what a request means.  Bodies are never collected unless somebody asks for it,
so a connection carries several hundred MB/s.
"""

import asyncio
import re
import socket
import struct

HEAD_MAX = 64 << 10
PIECE = 512 << 10


class Closed(Exception):
    """The other side has ended the connection."""


class Pipe:
    def __init__(self, sock, loop):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.loop = loop
        self.rest = b""  # read, but not asked for yet
        self.buffer = memoryview(bytearray(PIECE))

    async def send(self, data):
        await self.loop.sock_sendall(self.sock, data)

    async def more(self):
        got = await self.loop.sock_recv_into(self.sock, self.buffer)
        if not got:
            raise Closed
        self.rest += self.buffer[:got]

    async def until(self, mark):
        """Everything up to and with a run of bytes."""
        while (at := self.rest.find(mark)) < 0:
            if len(self.rest) > HEAD_MAX:
                raise Closed
            await self.more()
        taken, self.rest = self.rest[:at + len(mark)], self.rest[at + len(mark):]
        return taken

    async def pieces(self, size):
        """The next size bytes as they come; each piece is valid until the next is asked for."""
        while size:
            if self.rest:
                piece, self.rest = self.rest[:size], self.rest[size:]
            else:
                got = await self.loop.sock_recv_into(self.sock, self.buffer[:min(size, PIECE)])
                if not got:
                    raise Closed
                piece = self.buffer[:got]
            size -= len(piece)
            yield piece

    async def chunks(self):
        """A body in chunked encoding, its framing included."""
        while True:
            line = await self.until(b"\r\n")
            yield line
            size = int(line.split(b";")[0], 16)
            if size == 0:
                while line != b"\r\n":
                    line = await self.until(b"\r\n")
                    yield line
                return
            async for piece in self.pieces(size + 2):
                yield piece

    def reset(self):
        """End the connection so that the other side sees ECONNRESET."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        if self.sock.fileno() < 0:
            return
        self.loop.remove_reader(self.sock.fileno())
        self.loop.remove_writer(self.sock.fileno())
        self.sock.close()


class Head:
    """A request's or a reply's first line and headers, kept byte for byte."""

    def __init__(self, raw):
        self.raw = raw
        lines = raw.decode("latin-1").split("\r\n")
        self.first = lines[0].split(" ", 2)
        self.fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.fields[name.lower()] = value.strip()

    @property
    def length(self):
        return int(self.fields.get("content-length", 0))

    @property
    def is_chunked(self):
        return "chunked" in self.fields.get("transfer-encoding", "")

    def without(self, name):
        """The bytes of the head, but for one field."""
        return re.sub(rb"(?im)^" + name.encode() + rb":[^\r]*\r\n", b"", self.raw)

    def body(self, pipe):
        """The body that follows, in pieces; chunked ones with their framing."""
        return pipe.chunks() if self.is_chunked else pipe.pieces(self.length)


async def drain(pieces):
    """Read to the end; returns the number of bytes."""
    size = 0
    async for piece in pieces:
        size += len(piece)
    return size


async def plain_body(head, pipe):
    """The whole body without its framing; for small ones."""
    if not head.is_chunked:
        return b"".join([bytes(piece) async for piece in pipe.pieces(head.length)])
    body = b""
    while size := int((await pipe.until(b"\r\n")).split(b";")[0], 16):
        body += b"".join([bytes(piece) async for piece in pipe.pieces(size)])
        await pipe.until(b"\r\n")
    while await pipe.until(b"\r\n") != b"\r\n":
        pass
    return body


async def dial(address, loop):
    sock = socket.socket()
    sock.setblocking(False)
    try:
        await loop.sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return Pipe(sock, loop)


def listen(port=0):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(256)
    sock.setblocking(False)
    return sock


async def serve(sock, talk, loop):
    """Run talk(socket) as a task for each connection, for ever."""
    tasks = set()
    while True:
        client, _ = await loop.sock_accept(sock)
        task = asyncio.ensure_future(talk(client))
        tasks.add(task)  # or the task could be collected while it runs
        task.add_done_callback(tasks.discard)
