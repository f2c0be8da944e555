"""A server's socket with somebody in between: proxy.py FOLDER UPSTREAM [cut|hold BYTES].

Listens on FOLDER/.s.PGSQL.5432 and passes everything on.  Once the server has sent BYTES in all
connections together, "cut" closes every connection and the socket.  Once it has sent BYTES in answer
to one message, "hold" makes the file FOLDER/held and sends nothing on until FOLDER/go is there: the
server is in the middle of its answer when that is longer by more than a socket holds (some 200 KB).
FOLDER/bytes has what was sent so far.
"""
import os
import socket
import sys
import threading
import time

folder, upstream = sys.argv[1:3]
action, limit = (sys.argv[3], int(sys.argv[4])) if len(sys.argv) > 3 else (None, 0)
lock = threading.Lock()
sent = 0
answered = {}  # by connection: bytes since the client's last message
pairs = []
path = folder + "/.s.PGSQL.5432"
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(50)
os.chmod(path, 0o777)


def cut():
    os.unlink(path)
    for pair in pairs:
        for end in pair:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
    os._exit(0)


def hold():
    open(folder + "/held", "w").close()
    while not os.path.exists(folder + "/go"):
        time.sleep(0.005)


def from_server(server, client):
    global sent
    try:
        while data := server.recv(8192):
            with lock:
                before, sent = sent, sent + len(data)
                with open(folder + "/bytes", "w") as out:
                    out.write(str(sent))
                if action == "cut" and before < limit <= sent:
                    client.sendall(data[:limit - before])
                    cut()
                answered[client] += len(data)
                if action == "hold" and answered[client] >= limit:
                    hold()
            client.sendall(data)
    except OSError:
        pass
    end(server, client)


def from_client(client, server):
    try:
        while data := client.recv(65536):
            answered[client] = 0
            server.sendall(data)
    except OSError:
        pass
    end(server, client)


def end(*ends):
    for one in ends:
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


while True:
    client, _ = listener.accept()
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(upstream + "/.s.PGSQL.5432")
    except OSError:
        client.close()
        continue
    pairs.append((client, server))
    answered[client] = 0
    threading.Thread(target=from_server, args=(server, client), daemon=True).start()
    threading.Thread(target=from_client, args=(client, server), daemon=True).start()
