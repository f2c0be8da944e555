#!/bin/sh
# A repository behind a real sshd on the loopback interface, with keys of its own.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

sshd=$(command -v sshd || echo /usr/sbin/sshd)
[ -x "$sshd" ] && command -v ssh ssh-keygen >/dev/null || exit 77
# Started by root it wants this folder, which Debian's service makes.
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd || exit 77

ssh-keygen -q -t ed25519 -N '' -f host_key
ssh-keygen -q -t ed25519 -N '' -f user_key
ssh-keygen -q -t ed25519 -N '' -f other_key
port=$("$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >sshd_config <<EOF
Port $port
ListenAddress 127.0.0.1
HostKey $PWD/host_key
AuthorizedKeysFile $PWD/user_key.pub
PidFile $PWD/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
EOF
"$sshd" -D -f "$PWD/sshd_config" -E "$PWD/sshd.log" &
pid=$!
at_end() { kill "$pid" 2>/dev/null; }
is_up() { [ -s sshd.pid ] || { kill -0 "$pid" || fail "sshd does not start: $(cat sshd.log)"; return 1; }; }
until_true 60 is_up
awk -v p="$port" '{ print "[127.0.0.1]:" p, $1, $2 }' host_key.pub >known_hosts
: >no_hosts

export HOLDFAST_KEY_FILE="$PWD/key" HOLDFAST_CACHE_DIR="$PWD/cache"
me=$(id -un)
export HOLDFAST_REPOSITORY="sftp://$me@127.0.0.1:$port/$PWD/repo"
args="-F none -i $PWD/user_key -o UserKnownHostsFile=$PWD/known_hosts -o IdentitiesOnly=yes"
over_ssh() {
    wanted=$1
    shift
    status "$wanted" "$HOLDFAST" -o "sftp.args=$args" "$@" </dev/null
}

make_tree source
head -c 20000000 /dev/urandom >source/noise
over_ssh 0 init
over_ssh 0 backup source
over_ssh 0 check --read-data
over_ssh 0 restore "latest:$PWD/source" --target new --verify
same source new

# Whose host is not known, and who is not known there, is told so.
known=$args
args="-F none -i $PWD/user_key -o UserKnownHostsFile=$PWD/no_hosts -o IdentitiesOnly=yes"
over_ssh 1 snapshots
has err 'Host key verification failed'
args="-F none -i $PWD/other_key -o UserKnownHostsFile=$PWD/known_hosts -o IdentitiesOnly=yes"
over_ssh 1 snapshots
has err 'Permission denied'

# No server at all.
args=$known
kill "$pid"
wait "$pid" || true
over_ssh 1 snapshots
has err 'Connection refused'
