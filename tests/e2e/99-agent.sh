#!/bin/sh
# The key agent: it is asked by those who were told to, for who knows the password, and what it has is wiped.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

work=${work:?}
secret=canary-90ae14d7
printf '%s\n' "$secret" >password
echo other >wrong
make_tree source
export HOME="$work" HOLDFAST_REPOSITORY="$work/repo" HOLDFAST_PASSWORD_FILE="$work/password"
unset XDG_RUNTIME_DIR XDG_STATE_HOME HOLDFAST_AGENT
status 0 "$HOLDFAST" init

agent='' theirs=''
at_end() {
    [ -z "$agent" ] || kill "$agent" 2>/dev/null || :
    [ -z "$theirs" ] || rm -rf "$theirs"
}
# start_agent OPTION...: its socket is in the variable socket.
start_agent() {
    rm -f "$work/agent.out"
    "$HOLDFAST" agent "$@" >"$work/agent.out" 2>"$work/agent.err" &
    agent=$!
    until_true 20 test -s "$work/agent.out"
    socket=$(sed -n 's/^HOLDFAST_AGENT=\(.*\); export HOLDFAST_AGENT;$/\1/p' "$work/agent.out")
    [ -S "$socket" ] || fail "no socket: $(cat "$work/agent.out" "$work/agent.err")"
}
end_agent() {
    got=0
    wait "$agent" || got=$?
    agent=''
    [ "$got" = 0 ] || fail "the agent ended with $got: $(cat "$work/agent.err")"
    [ ! -e "$socket" ] || fail "the socket is still there"
}
# keeps KEYS USES: as the agent tells it.
keeps() {
    status 0 "$HOLDFAST" agent status --json --agent "$socket"
    json out "len(lines[0]['keys']) == $1 and sum(k['uses'] for k in lines[0]['keys']) == $2"
}

# Nobody is asked who was not told of it, and nothing needs it.
status 1 "$HOLDFAST" agent status
has err 'there is none'
start_agent
[ "$socket" = "$work/.local/state/holdfast/agent/agent.sock" ] || fail "an unexpected place: $socket"
status 0 "$HOLDFAST" backup source
keeps 0 0
status 2 "$HOLDFAST" --agent agent.sock snapshots
has err 'absolute'
status 0 "$HOLDFAST" --agent "$work/nowhere" snapshots

# By option, by variable, and not where that is said.
status 0 "$HOLDFAST" --agent "$socket" backup source
keeps 1 0
status 0 env HOLDFAST_AGENT="$socket" "$HOLDFAST" backup source
keeps 1 1
status 0 env HOLDFAST_AGENT="$socket" "$HOLDFAST" --no-agent snapshots
status 2 "$HOLDFAST" --no-agent --agent "$socket" snapshots
keeps 1 1
status 0 "$HOLDFAST" agent status
has out 'used 1 time'

# A wrong password is wrong, and is not kept.
status 12 "$HOLDFAST" --agent "$socket" --password-file wrong snapshots
status 0 "$HOLDFAST" --agent "$socket" snapshots
keeps 1 2

# A second one, and another user.
status 1 "$HOLDFAST" agent
has err 'serves'
if [ "$(id -u)" = 0 ]; then
    chmod 755 "$work"
    status 1 setpriv --reuid=65534 --regid=65534 --clear-groups "$HOLDFAST" agent --agent "$socket" status
    has err 'ermission denied'
    chmod 700 "$work"
fi

# A job in its sandbox, told by the configuration, and a command by the same.
cat >holdfast.yaml <<YAML
state: $work/state
repositories:
  main: { url: $work/repo, password_file: $work/password, agent: $socket }
sets:
  plain:
    sources: [ { files: { paths: [$work/source] } } ]
    repositories: [main]
YAML
chmod 600 holdfast.yaml
status 0 env -u HOLDFAST_REPOSITORY -u HOLDFAST_PASSWORD_FILE "$HOLDFAST" snapshots
keeps 1 3
folder="$work/state/jobs/job1.1"
mkdir -p "$folder"
confined=false
[ "$(id -u)" != 0 ] || confined=true
printf '{"format":1,"id":"job1","attempt":1,"verb":"backup","config":"%s","set":"plain","arguments":{},"limits":{"time_s":600,"stall_s":300,"grace_s":5},"must_confine":%s}\n' \
    "$work/holdfast.yaml" "$confined" >"$folder/request"
"$HOLDFAST" --keep-job "$folder" <"$folder/request" || fail "the keeper ended with $?"
grep -q '"status":0[,}]' "$folder/exit" || fail "the job: $(cat "$folder/exit" "$folder/errors")"
keeps 1 4

# What is replaced opens nothing, whatever the agent keeps.
cp password old
echo new >new
status 0 "$HOLDFAST" --agent "$socket" key passwd --new-password-file new
status 12 "$HOLDFAST" --agent "$socket" --password-file old snapshots
status 0 "$HOLDFAST" --agent "$socket" --password-file new snapshots
cp new password

# Its memory.  A key that the test itself puts there is found in locked memory that no core gets, and nowhere once it is
# forgotten or over; neither is the password at any time.
cat >memory.py <<'END'
import re, socket, sys

place, pid = sys.argv[1], int(sys.argv[2])
wanted = [argument.encode() for argument in sys.argv[4:]]
MAGIC = b"HFAGENT\1"


def ask(request):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(place)
        s.sendall(request)
        return b"".join(iter(lambda: s.recv(4096), b""))


def regions():
    """Beginning, end and flags of the memory of the agent."""
    begin = end = 0
    for line in open(f"/proc/{pid}/smaps", encoding="ascii"):
        if found := re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line):
            begin, end = (int(n, 16) for n in found.groups())
        elif re.match(r"[0-9a-f]+-", line):
            begin = end = 0
        elif line.startswith("VmFlags:") and end > begin:
            yield begin, end, line.split()[1:]


def found(text):
    """The flags of each place where text is."""
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for begin, end, flags in regions():
            try:
                memory.seek(begin)
                content = memory.read(end - begin)
            except OSError:  # of the kernel's own pages
                continue
            yield from [flags] * content.count(text)


if sys.argv[3] == "put":
    for text in wanted:
        answer = ask(MAGIC + b"\2" + bytes(7) + bytes(32) + text.ljust(32, b"n") + text.ljust(48, b"k"))
        assert answer[8] == 1, answer
        places = list(found(text.ljust(48, b"k")))
        print(len(places), places)
        assert len(places) == 1 and {"lo", "dd"} <= set(places[0])
        assert ask(MAGIC + b"\1" + bytes(7) + bytes(32) + text.ljust(32, b"n") + bytes(48))[16:] == text.ljust(48, b"k")
        assert len(list(found(text))) == 2, "its name and itself"
else:
    for text in wanted:
        assert not list(found(text)), text
END
if [ "$(id -u)" = 0 ]; then # nobody else reads its memory, the same user neither
    status 0 "$PYTHON" memory.py "$socket" "$agent" put canary-key-one canary-key-two
    status 0 "$PYTHON" memory.py "$socket" "$agent" lacks "$secret"
    status 0 "$HOLDFAST" agent forget
    has out 'The key agent goes on.'
    status 0 "$PYTHON" memory.py "$socket" "$agent" lacks canary-key-one canary-key-two
    keeps 0 0
    status 0 setpriv --reuid=65534 --regid=65534 --clear-groups sh -c "! cat /proc/$agent/mem >/dev/null 2>&1"
fi
status 0 "$HOLDFAST" agent stop --json
json out 'lines == [{"message_type": "agent_stopped", "wiped": 0}]'
end_agent

# Time, and a signal.
start_agent --idle 1s --agent "$work/run/agent.sock"
status 0 "$HOLDFAST" --agent "$socket" snapshots
gone() { "$HOLDFAST" agent status --json --agent "$socket" | grep -q '"keys":\[\]'; }
until_true 20 gone
if [ "$(id -u)" = 0 ]; then
    "$PYTHON" memory.py "$socket" "$agent" put canary-key-three >"$work/out" || fail "the key is not as it should be"
    wiped() { "$PYTHON" memory.py "$socket" "$agent" lacks canary-key-three 2>/dev/null; }
    until_true 20 wiped
fi
kill "$agent"
end_agent

# Its own user cannot look into it, neither, but for what anybody sees.
if [ "$(id -u)" = 0 ]; then
    other='setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all'
    theirs=$(mktemp -d /tmp/holdfast-agent.XXXXXX) # folders of tests may be closed to others
    chown 65534 "$theirs"
    rm -f "$work/agent.out"
    # shellcheck disable=SC2086
    $other sh -c 'echo $$ >"${1%/run/*}/pid"; exec "$0" agent --agent "$1"' "$HOLDFAST" "$theirs/run/agent.sock" >"$work/agent.out" &
    agent=$!
    socket="$theirs/run/agent.sock"
    until_true 20 test -s "$work/agent.out"
    # shellcheck disable=SC2086
    for file in environ maps mem; do
        status 0 $other sh -c "cat /proc/self/$file >/dev/null 2>&1 || [ $file = mem ]"
        status 1 $other cat "/proc/$(cat "$theirs/pid")/$file"
        has err 'ermission denied'
    done
    # shellcheck disable=SC2086
    status 0 $other "$HOLDFAST" agent stop --agent "$socket"
    end_agent
fi
status 2 "$HOLDFAST" agent --idle never
status 1 "$HOLDFAST" agent --agent "$work/source/agent.sock"
has err 'mode 0700'

# Nothing of all that is on the disk.
! grep -rqF "$secret" repo state .local run || fail "the password is on the disk"
