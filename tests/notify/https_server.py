#!/usr/bin/python3
"""A web server over TLS that misbehaves as the path asks.

Writes its own CA to DIR/ca.pem, and each request as a line of JSON to DIR/requests.  Prints five
digits each: the port with TLS for "localhost", one with TLS for another name, one without TLS.
"""

import datetime
import http.server
import ipaddress
import json
import ssl
import sys
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DIR = sys.argv[1]
lock = threading.Lock()


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, key, issuer, issuer_key, is_ca, names=()):
    now = datetime.datetime.utcnow()
    builder = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer))
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now - datetime.timedelta(days=1))
               .not_valid_after(now + datetime.timedelta(days=2))
               .add_extension(x509.BasicConstraints(is_ca, None), critical=True))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def pem(thing):
    return thing.public_bytes(serialization.Encoding.PEM)


def make_certificates():
    """ca.pem, and good.pem and other.pem with their keys."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    with open(DIR + "/ca.pem", "wb") as out:
        out.write(pem(certificate("test CA", ca_key, "test CA", ca_key, True)))
    local = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    for file, names in (("good", local), ("other", [x509.DNSName("other.example.org")])):
        key = ec.generate_private_key(ec.SECP256R1())
        with open(f"{DIR}/{file}.pem", "wb") as out:
            out.write(key.private_bytes(serialization.Encoding.PEM,
                                        serialization.PrivateFormat.PKCS8,
                                        serialization.NoEncryption()))
            out.write(pem(certificate(file, key, "test CA", ca_key, False, names)))


def context(file):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(f"{DIR}/{file}.pem")
    return made


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, headers=(), body=b"ok"):
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def write_for_long(self, piece, count, pause_s):
        """Until the other side has had enough; notes how much went out."""
        sent = 0
        try:
            for _ in range(count):
                self.wfile.write(piece)
                self.wfile.flush()
                sent += len(piece)
                time.sleep(pause_s)
        except OSError:
            pass
        with lock, open(DIR + "/sent", "w") as out:
            out.write(str(sent))
        self.close_connection = True

    def do_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        note = {"method": self.command, "path": self.path, "body": body.decode(),
                "headers": {k.lower(): v for k, v in self.headers.items()}}
        with lock, open(DIR + "/requests", "a") as out:
            out.write(json.dumps(note) + "\n")
        what = self.path.split("?")[0].strip("/").split("/")[0]
        if what.isdigit():
            self.reply(int(what), [("Retry-After", "120"), ("Location", "https://localhost/200")])
        elif what == "endless-wait":
            self.reply(429, [("Retry-After", "99999999")])
        elif what == "inside":
            self.reply(302, [("Location", f"http://localhost:{PLAIN_PORT}/secret")])
        elif what == "here":
            self.reply(307, [("Location", f"https://localhost:{self.server.server_address[1]}/200")])
        elif what == "huge":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            self.write_for_long(b"x" * 65536, 15000, 0)
        elif what == "long-head":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            self.write_for_long(b"X-Filler: " + b"x" * 1000 + b"\r\n", 5000, 0)
        elif what == "drip-head":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
            self.write_for_long(b"x", 600, 0.1)
        elif what == "drip-body":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n")
            self.write_for_long(b"x", 600, 0.1)
        elif what == "hang":
            time.sleep(60)
        elif what == "break":
            self.close_connection = True
        else:
            self.reply(200)

    do_GET = do_POST = do_any


def serve(tls):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=True)
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    if tls:
        made = context(tls)
        plain_accept = server.get_request

        def get_request():
            connection, address = plain_accept()
            return made.wrap_socket(connection, server_side=True,
                                    do_handshake_on_connect=False), address

        server.get_request = get_request
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


make_certificates()
PORTS = [serve("good"), serve("other"), serve(None)]
PLAIN_PORT = PORTS[2]
sys.stdout.write("".join(f"{port:05d}" for port in PORTS))
sys.stdout.flush()
while True:
    time.sleep(3600)
