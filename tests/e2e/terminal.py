#!/usr/bin/python3
"""ANSWER COMMAND...: run a command on a terminal of its own, type ANSWER when it asks something that ends in
": ", and end with its status. What the terminal shows is printed."""

import os
import pty
import select
import sys
import time

answer, *command = sys.argv[1:]
child, terminal = pty.fork()
if child == 0:
    os.execvp(command[0], command)
shown = b""
end = time.monotonic() + 120
is_answered = False
while time.monotonic() < end:
    if not select.select([terminal], [], [], 1)[0]:
        continue
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    shown += piece
    if not is_answered and shown.endswith(b": "):
        os.write(terminal, answer.encode() + b"\n")
        is_answered = True
sys.stdout.write(shown.decode(errors="replace").replace("\r", ""))
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
