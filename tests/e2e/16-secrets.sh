#!/bin/sh
# A password is found nowhere but where the user put it.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

secret=canary-3f9d27c1
printf '%s\n' "$secret" >password
export HOLDFAST_REPOSITORY="$PWD/repo"
status 0 "$HOLDFAST" init --password-file password
make_tree source

# Each way to give it opens the repository.
status 0 "$HOLDFAST" backup source --password-file password
status 0 env HOLDFAST_PASSWORD="$secret" "$HOLDFAST" snapshots
status 0 "$HOLDFAST" snapshots --password-command "cat '$PWD/password'"
status 0 env HOLDFAST_PASSWORD_COMMAND="cat password" "$HOLDFAST" snapshots
status 12 env HOLDFAST_PASSWORD=other "$HOLDFAST" snapshots
lacks err other
status 2 "$HOLDFAST" snapshots --password-command false
status 2 setsid "$HOLDFAST" snapshots </dev/null
has err 'no terminal'

# A child sees neither the variable nor the value, also not in its parent.
cat >child <<'END'
#!/bin/sh
tr '\0' '\n' </proc/self/environ | sed 's/^/own: /'
ls -l /proc/self/fd
tr '\0' '\n' </proc/$PPID/environ
tr '\0' '\n' </proc/$PPID/cmdline
END
chmod +x child
status 0 env HOLDFAST_PASSWORD="$secret" HOLDFAST_PASSWORD_FILE= "$HOLDFAST" backup --stdin-from-command \
    --stdin-filename seen -- ./child
status 0 "$HOLDFAST" --password-file password dump latest /seen
[ -s out ] || fail "the child has seen nothing"
lacks out "$secret"
lacks out 'own: HOLDFAST_PASSWORD'

# No output and no file of the repository holds it.
status 0 "$HOLDFAST" --password-file password -v backup source
lacks out "$secret"
lacks err "$secret"
! grep -rqF "$secret" repo || fail "the repository holds the password"

# Keys: add, use, remove.
status 0 "$HOLDFAST" --password-file password key add --new-key-file key --label two
status 0 "$HOLDFAST" --key-file key key list --json
json out 'len(lines[0]) == 2 and [k["label"] for k in lines[0] if k["current"]] == ["two"]'
old=$(json_get out '[k["id"] for k in lines[0] if not k["current"]][0]')
status 0 "$HOLDFAST" --key-file key key remove "$old"
status 12 "$HOLDFAST" --password-file password snapshots
echo changed >password
status 0 "$HOLDFAST" --key-file key key passwd --new-password-file password
status 12 "$HOLDFAST" --key-file key snapshots
status 0 "$HOLDFAST" --password-file password snapshots

# On a terminal: asked twice when something new is made, never shown, refused when the two differ.
cat >ask.py <<'END'
import os, pty, signal, sys

answers = [a.encode() for a in sys.argv[1].split(",")]
child, terminal = pty.fork()
if child == 0:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # what runs in the background ignores it
    os.execvp(sys.argv[2], sys.argv[2:])
seen = b""
while True:
    try:
        got = os.read(terminal, 4096)
    except OSError:
        break
    seen += got
    if seen.endswith(b": ") and answers:
        os.write(terminal, (b"\x03" if answers[0] == b"^C" else answers[0] + b"\n"))
        answers.pop(0)
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
END
export HOLDFAST_REPOSITORY="$PWD/asked"
status 2 "$PYTHON" ask.py "$secret,other" "$HOLDFAST" init
has out 'differ'
status 0 "$PYTHON" ask.py "$secret,$secret" "$HOLDFAST" init
lacks out "$secret"
status 0 "$PYTHON" ask.py "$secret" "$HOLDFAST" snapshots
lacks out "$secret"
status 12 "$PYTHON" ask.py "wrong" "$HOLDFAST" snapshots
status 130 "$PYTHON" ask.py "^C" "$HOLDFAST" snapshots
