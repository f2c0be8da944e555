#!/bin/sh
# nginx in front, with the configuration that ships: TLS, the client's address, event streams, WebSockets, large uploads.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
top=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$top/tests/e2e/lib.sh"

nginx=''
at_end() { [ -z "$nginx" ] || kill "$nginx" 2>/dev/null; }

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=backup.example.org \
    -addext subjectAltName=DNS:backup.example.org -keyout key.pem -out certificate.pem >out 2>err || fail "openssl"
mkdir temp
# The server of tests/server believes the proxy 127.0.0.9.
cat >client.py <<'PY'
import base64
import http.client
import os
import socket
import ssl
import subprocess
import sys
import time

sys.path.insert(0, sys.argv[1] + "/tests/server")
os.environ["SERVER_SERVICE"] = os.environ["BUILD"] + "/tests/server/server_service"
import rig

top, work = sys.argv[1:]
service = rig.Service()
ends = [socket.socket() for _ in range(2)]
for end in ends:
    end.bind(("127.0.0.1", 0))
plain, tls = [end.getsockname()[1] for end in ends]
for end in ends:
    end.close()
with open(top + "/deploy/nginx/holdfast.conf", encoding="utf-8") as text:
    ours = text.read()
for old, new in (("server 127.0.0.1:8080;", f"server 127.0.0.1:{service.port};"),
                 ("listen 80;", f"listen 127.0.0.1:{plain};"), ("    listen [::]:80;\n", ""),
                 ("listen 443 ", f"listen 127.0.0.1:{tls} "), ("    listen [::]:443 ssl http2;\n", ""),
                 ("/etc/ssl/certs/backup.example.org.pem", work + "/certificate.pem"),
                 ("/etc/ssl/private/backup.example.org.key", work + "/key.pem"),
                 ("proxy_http_version 1.1;", "proxy_http_version 1.1;\n        proxy_bind 127.0.0.9;")):
    assert ours.count(old) == 1, old
    ours = ours.replace(old, new)
assert ours.count("access_log /var/log/nginx/access.log holdfast;") == ours.count("server_name ") == 2
ours = ours.replace("/var/log/nginx/", work + "/")
with open("nginx.conf", "w", encoding="utf-8") as out:
    kinds = "".join(f"{kind}_temp_path {work}/temp/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    out.write(f"daemon off; pid {work}/nginx.pid; error_log {work}/error.log;\nworker_processes 1;\n"
              f"user root;\nevents {{}}\nhttp {{\naccess_log off;\n{kinds}{ours}}}\n")
subprocess.run(["/usr/sbin/nginx", "-t", "-q", "-c", work + "/nginx.conf"], check=True)
nginx = subprocess.Popen(["/usr/sbin/nginx", "-c", work + "/nginx.conf"])
with open("nginx", "w", encoding="ascii") as out:
    out.write(str(nginx.pid))
context = ssl.create_default_context(cafile=work + "/certificate.pem")


def connect():
    for _ in range(300):
        try:
            return context.wrap_socket(socket.create_connection(("127.0.0.1", tls), 30), server_hostname="backup.example.org")
        except ConnectionRefusedError:
            assert nginx.poll() is None
            time.sleep(0.1)
    raise AssertionError("nginx does not listen")


def ask(method, path, body=None, headers=None):
    link = http.client.HTTPSConnection("backup.example.org", tls, timeout=60)
    link.sock = connect()
    link.request(method, path, body, {"Host": "backup.example.org", **(headers or {})})
    answer = link.getresponse()
    answer.text = answer.read()
    return answer


import json

hello = ask("GET", "/hello", headers={"X-Forwarded-For": "198.51.100.7", "Forwarded": "for=198.51.100.7", "X-Forwarded-Host": "evil.example.org"})
assert hello.status == 200, hello.text
told = json.loads(hello.text)
assert told["address"] == "127.0.0.1", told  # the client's own, whatever it claims
assert told["origin"] == "https://backup.example.org", told
assert len(hello.headers.get_all("Strict-Transport-Security")) == 1, hello.headers
assert ask("GET", "/hello", headers={"Host": "evil.example.org"}).status == 421

# Plain HTTP leads to TLS.
link = http.client.HTTPConnection("127.0.0.1", plain, timeout=30)
link.request("GET", "/hello?a=1", headers={"Host": "backup.example.org"})
answer = link.getresponse()
assert (answer.status, answer.headers["Location"]) == (308, "https://backup.example.org/hello?a=1"), answer.headers

# The log has the path, and no query of either.
assert ask("GET", "/hello?signature=canary").status == 200
for _ in range(300):
    with open("access.log", encoding="utf-8") as text:
        logged = text.read()
    if logged.count('"GET /hello ') >= 2:
        break
    time.sleep(0.1)
assert logged.count('"GET /hello ') >= 2 and '"GET / ' not in logged, logged
assert "canary" not in logged and "a=1" not in logged, logged

# An event arrives while the stream is open.
stream = connect()
stream.sendall(b"GET /events HTTP/1.1\r\nHost: backup.example.org\r\n\r\n")
got = b""
while b"text/event-stream" not in got:
    more = stream.recv(4096)
    assert more, got
    got += more
while b"canary" not in got:
    assert ask("POST", "/publish/jobs", b'{"event":"canary"}', {"Content-Type": "application/json"}).status < 300
    stream.settimeout(5)
    try:
        got += stream.recv(4096)
    except TimeoutError:
        pass
stream.close()

# A WebSocket is passed on.
link = connect()
key = base64.b64encode(os.urandom(16)).decode()
link.sendall(f"GET /socket HTTP/1.1\r\nHost: backup.example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nOrigin: https://backup.example.org\r\n\r\n".encode())
assert link.recv(4096).startswith(b"HTTP/1.1 101 "), "no WebSocket"
mask = b"\1\2\3\4"
link.sendall(b"\x81\x84" + mask + bytes(c ^ m for c, m in zip(b"ping", mask)))
echo = b""
while len(echo) < 6:
    more = link.recv(100)
    assert more, echo
    echo += more
assert echo == b"\x81\x04ping", echo
link.close()

# A large upload goes through as it comes: more than nginx takes by default, and nothing of it on its disk.
size = 64 << 20


def blocks():
    for _ in range(64):
        yield bytes(1 << 20)
    assert not any(files for _, _, files in os.walk("temp")), "nginx keeps the upload"


answer = ask("POST", "/sink", blocks(), {"Content-Length": str(size), "Content-Type": "application/octet-stream"})
assert answer.status == 200 and str(size) in answer.text.decode(), answer.text
nginx.terminate()
nginx.wait(30)
service.stop()
print("all is well")
PY
"$PYTHON" client.py "$top" "$work" >out 2>err || { nginx=$(cat nginx 2>/dev/null || :); cat error.log >>err 2>/dev/null || :; fail "the front"; }
has out 'all is well'
