#!/usr/bin/python3
"""Whom the program talks to: only to a server whose certificate holds, and only to that one."""

import contextlib
import datetime
import http.server
import os
import socket
import ssl
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from worlds import BucketTest, Program, gateway, rig  # noqa: E402

PROMPT_S = 50  # a certificate is not worth a minute of patience


def new_key():
    from cryptography.hazmat.primitives.asymmetric import ec
    return ec.generate_private_key(ec.SECP256R1())


def pem(key):
    from cryptography.hazmat.primitives import serialization as s
    return key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())


def certificate(folder, name, host, ends_in_days, is_from_ca=True):
    """Files with a certificate for a host and its key; from the CA of the gateway or from nobody."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID
    key = new_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    issuer, signer = subject, key
    if is_from_ca:
        with open(gateway.CA, "rb") as file:
            issuer = x509.load_pem_x509_certificate(file.read()).subject
        with open(os.path.dirname(gateway.CA) + "/ca.key", "rb") as file:
            signer = serialization.load_pem_private_key(file.read(), None)
    now = datetime.datetime.utcnow()
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key()) \
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=30)) \
        .not_valid_after(now + datetime.timedelta(days=ends_in_days)) \
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False) \
        .sign(signer, hashes.SHA256())
    with open(f"{folder}/{name}.crt", "wb") as out:
        out.write(made.public_bytes(serialization.Encoding.PEM))
    with open(f"{folder}/{name}.key", "wb") as out:
        out.write(pem(key))
    return f"{folder}/{name}.crt", f"{folder}/{name}.key"


class Server:
    """A server that notes what it is asked and answers one thing; with TLS when it has a certificate."""

    def __init__(self, files=None, answer=(403, {})):
        self.asked = []
        asked = self.asked

        class Answer(http.server.BaseHTTPRequestHandler):
            def handle_one_request(self):
                with contextlib.suppress(OSError):
                    super().handle_one_request()

            def do_GET(self):
                asked.append(dict(self.headers))
                self.send_response(answer[0])
                for name, value in answer[1].items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_PUT = do_HEAD = do_POST = do_DELETE = do_GET

            def log_message(self, *_):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Quiet(("127.0.0.1", 0), Answer)
        self.port = self.server.server_port
        if files:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*files)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class TlsTest(BucketTest):
    name = "tls"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.number = 0
        os.mkdir(cls.folder + "/source")
        with open(cls.folder + "/source/file", "w") as out:
            out.write("something\n")

    def program(self, url, *words):
        type(self).number += 1
        return Program(f"s3:{url}/{self.bucket}/t{self.number}", f"{self.folder}/key{self.number}",
                       f"{self.folder}/cache", words)

    def refuses(self, url, *words):
        """The program says in time that it will not talk to that server; returns the sentence."""
        started = time.monotonic()
        result = self.program(url, *words).run("init", limit_s=PROMPT_S)
        self.assertEqual(result.complaints(rig.FAILED), [])
        self.assertLess(time.monotonic() - started, PROMPT_S)
        return result.sentence()

    def test_a_server_that_the_given_ca_vouches_for_is_used(self):
        program = self.program(gateway.TLS_URL, "-o", "s3.ca-file=" + gateway.CA)
        program.must("init")
        program.must("backup", self.folder + "/source")
        self.assertEqual(len(program.snapshot_ids()), 1)

    def test_a_server_that_nobody_vouches_for_is_refused(self):
        self.assertRegex(self.refuses(gateway.TLS_URL), "certificate")
        other, _ = certificate(self.folder, "other", "127.0.0.1", 30, is_from_ca=False)
        self.assertRegex(self.refuses(gateway.TLS_URL, "-o", "s3.ca-file=" + other), "certificate")

    def test_the_environment_names_certificates_as_for_other_programs(self):
        self.program(gateway.TLS_URL).must("init", extra={"SSL_CERT_FILE": gateway.CA})
        other, _ = certificate(self.folder, "environment", "127.0.0.1", 30, is_from_ca=False)
        result = self.program(gateway.TLS_URL, "-o", "s3.ca-file=" + other).run(
            "init", limit_s=PROMPT_S, extra={"SSL_CERT_FILE": gateway.CA})
        self.assertEqual(result.complaints(rig.FAILED), [])
        self.assertRegex(result.sentence(), "certificate")

    def test_only_the_word_insecure_takes_any_certificate(self):
        self.program(gateway.TLS_URL, "-o", "s3.insecure-no-verify-tls=true").must("init")
        self.assertNotEqual(self.program(gateway.TLS_URL, "-o", "s3.insecure-no-verify-tls=false").run("init").status, 0)

    def test_an_expired_or_foreign_certificate_is_refused_before_anything_is_asked(self):
        for name, host, days in (("expired", "localhost", -1), ("foreign", "elsewhere.example", 30)):
            with Server(certificate(self.folder, name, host, days)) as server:
                sentence = self.refuses(f"https://localhost:{server.port}", "-o", "s3.ca-file=" + gateway.CA)
                self.assertRegex(sentence, "certificate")
                self.assertEqual(server.asked, [])

    def test_a_missing_or_broken_ca_file_is_told(self):
        for path in (self.folder + "/none", self.folder + "/source/file"):
            result = self.program(gateway.TLS_URL, "-o", "s3.ca-file=" + path).run("init", limit_s=PROMPT_S)
            self.assertEqual(result.complaints(rig.FAILED, rig.USAGE), [])

    def test_no_redirect_leads_to_another_host_or_out_of_tls(self):
        with Server() as elsewhere:
            for status in (301, 302, 307, 308):
                moved = (status, {"Location": f"http://127.0.0.1:{elsewhere.port}/b/k"})
                with Server(answer=moved) as server:
                    self.refuses(f"http://127.0.0.1:{server.port}")
                    self.assertNotEqual(server.asked, [])
                with Server(certificate(self.folder, "fine", "localhost", 30), moved) as server:
                    self.refuses(f"https://localhost:{server.port}", "-o", "s3.ca-file=" + gateway.CA)
                    self.assertNotEqual(server.asked, [])
            self.assertEqual(elsewhere.asked, [])

    def test_what_is_no_tls_is_refused(self):
        with Server() as server:
            self.refuses(f"https://127.0.0.1:{server.port}", *"-o s3.patience=3 -o s3.timeout=2".split())
            self.assertEqual(server.asked, [])

    def test_a_server_that_says_nothing_is_given_up(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            for scheme in ("http", "https"):
                self.refuses(f"{scheme}://127.0.0.1:{port}", *"-o s3.patience=3 -o s3.timeout=2".split())


if __name__ == "__main__":
    unittest.main()
