#!/usr/bin/python3
"""A stand-in for a service that takes POST /backup: answers as the file "answer" says (a status, the
default 200), in the way of the published server, HTTP/1.0 without a length. Each request becomes a line of
JSON in the file "requests". Prints its port and ends with its standard input."""

import http.server
import json
import sys
import threading

FAILURES = {404: "Not found", 429: "Too many backups", 500: "Internal server error", 401: "Unauthorized",
            503: "Service unavailable\n\x1b[31m", 422: "Not a backup bundle"}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open("requests", "a", encoding="utf-8") as f:
            f.write(json.dumps({"path": self.path, "body": body.decode(), "headers": dict(self.headers)}) + "\n")
        with open("answer", encoding="ascii") as f:
            status = int(f.read())
        reply = {"error": FAILURES[status], "status": "failed"} if status in FAILURES else {
            "status": "success", "message": "Backup saved successfully", "filename": "backup_20240101_120000.json",
            "timestamp": "20240101_120000", "size": 256}
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
