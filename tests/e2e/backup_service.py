#!/usr/bin/python3
"""A stand-in for a service: answers each request with what the file "answer" says (JSON: a list of [status,
headers, body], the last one again and again; a body that is no text is sent as JSON; "wait": seconds before).
Each request becomes a line of JSON in the file "requests". With a certificate and a key as arguments it speaks TLS.
Prints its port and ends with its standard input."""

import http.server
import json
import os
import ssl
import sys
import threading
import time

lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with lock:
            with open("requests", "a", encoding="utf-8") as f:
                f.write(json.dumps({"method": self.command, "path": self.path, "body": body.decode(),
                                    "headers": dict(self.headers)}) + "\n")
            with open("answer", encoding="utf-8") as f:
                answers = json.load(f)
            if len(answers) > 1:
                with open("answer.new", "w", encoding="utf-8") as f:
                    json.dump(answers[1:], f)
                os.rename("answer.new", "answer")
        status, headers, reply = answers[0]
        time.sleep(headers.pop("wait", 0))
        reply = reply if isinstance(reply, str) else json.dumps(reply)
        reply = (reply * headers.pop("times", 1)).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
if len(sys.argv) > 1:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
