"""Backups of School ERP as the application's published code writes and reads them, by Python's cryptography and Node's.

school.py open KEY FILE            print the document, decrypted by both, which agree
school.py seal KEY FILE < JSON     write the document so
"""

import gzip
import os
import subprocess
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NODE_OPEN = """
const [key, file] = process.argv.slice(1), fs = require('fs'), c = require('crypto'), b = fs.readFileSync(file);
const d = c.createDecipheriv('aes-256-gcm', Buffer.from(key, 'hex'), b.subarray(0, 16), {authTagLength: 16});
d.setAuthTag(b.subarray(16, 32));
process.stdout.write(require('zlib').gunzipSync(Buffer.concat([d.update(b.subarray(32)), d.final()])));
"""


def main():
    verb, key, path = sys.argv[1:]
    if verb == "seal":
        iv = os.urandom(16)
        both = AESGCM(bytes.fromhex(key)).encrypt(iv, gzip.compress(sys.stdin.buffer.read(), mtime=0), None)
        with open(path, "wb") as file:
            file.write(iv + both[-16:] + both[:-16])
        return
    with open(path, "rb") as file:
        sealed = file.read()
    text = gzip.decompress(AESGCM(bytes.fromhex(key)).decrypt(sealed[:16], sealed[32:] + sealed[16:32], None))
    node = subprocess.run(["node", "-e", NODE_OPEN, key, path], stdout=subprocess.PIPE, check=True)
    if node.stdout != text:
        sys.exit("Node reads another document")
    sys.stdout.buffer.write(text)


main()
