#!/usr/bin/python3
"""Mail servers that take what they are given, each in its way.

Takes the certificate DIR/good.pem.  Each message becomes a line of JSON in DIR/mails, with its
parts as Python's parser sees them.  Prints five digits each: the ports of a server with STARTTLS that wants
user and password, one with TLS from the first byte, one without TLS, one that offers no STARTTLS
although a login needs it, one whose greeting turns everybody away, and one whose greeting never ends.
"""

import asyncio
import base64
import email
import email.policy
import json
import logging
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult

DIR = sys.argv[1]
warnings.simplefilter("ignore")
logging.disable()
USER, PASSWORD = b"backup@example.org", b"correct horse"


def noted(envelope):
    raw = envelope.original_content
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    parts = {part.get_content_type(): part.get_content().replace("\r\n", "\n") for part in mail.walk()
             if not part.is_multipart()}
    return {"from": envelope.mail_from, "to": envelope.rcpt_tos, "subject": mail["Subject"],
            "type": mail.get_content_type(), "parts": parts, "defects": len(mail.defects),
            "date": mail["Date"].datetime.isoformat(), "author": str(mail["From"].addresses[0]),
            "headers": sorted(k.lower() for k in mail.keys()),
            "longest": max(map(len, raw.split(b"\r\n"))),
            "bare": raw.replace(b"\r\n", b"").count(b"\n") + raw.replace(b"\r\n", b"").count(b"\r"),
            "raw": base64.b64encode(raw).decode()}


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("unknown@"):
            return "550 5.1.1 no such user"
        if address.startswith("full@"):
            return "452 4.2.2 the mailbox is full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if envelope.rcpt_tos[0].startswith("spam@"):
            return "554 5.7.1 not this one"
        if envelope.rcpt_tos[0].startswith("slow@"):
            return "451 4.3.0 try again later"
        if envelope.rcpt_tos[0].startswith("gone@"):
            server.transport.abort()
            return "250 OK"
        with open(DIR + "/mails", "a") as out:
            out.write(json.dumps(noted(envelope)) + "\n")
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (USER, PASSWORD), handled=False)


async def turn_away(reader, writer):
    writer.write(b"554 5.3.2 not from here\r\n")
    await writer.drain()
    await reader.read(1000)
    writer.close()


async def greet_for_ever(reader, writer):
    try:
        while True:
            writer.write(b"220-" + b"x" * 400 + b"\r\n")
            await writer.drain()
    except OSError:
        pass


async def main():
    loop = asyncio.get_running_loop()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(DIR + "/good.pem")

    def smtp(**options):
        return lambda: SMTP(Handler(), hostname="mx.example.org", **options)

    login = {"authenticator": authenticate, "auth_required": True}
    servers = [
        await loop.create_server(smtp(tls_context=tls, require_starttls=True, **login),
                                 "127.0.0.1", 0),
        await loop.create_server(smtp(auth_require_tls=False, **login), "127.0.0.1", 0, ssl=tls),
        await loop.create_server(smtp(), "127.0.0.1", 0),
        await loop.create_server(smtp(auth_require_tls=False, **login), "127.0.0.1", 0),
        await asyncio.start_server(turn_away, "127.0.0.1", 0),
        await asyncio.start_server(greet_for_ever, "127.0.0.1", 0),
    ]
    sys.stdout.write("".join(f"{s.sockets[0].getsockname()[1]:05d}" for s in servers))
    sys.stdout.flush()
    await asyncio.Event().wait()


asyncio.run(main())
