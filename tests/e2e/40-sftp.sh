#!/bin/sh
# A repository behind SFTP: every kind of work on it, connections that break, and the same files
# used as a local repository.  The server is OpenSSH's, started without ssh.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

server=/usr/lib/openssh/sftp-server
[ -x "$server" ] || exit 77

make_tree source
head -c 3000000 /dev/urandom >source/noise
export HOLDFAST_KEY_FILE="$PWD/key" HOLDFAST_REPOSITORY="sftp:me@nowhere:$PWD/deep/repo"
export HOLDFAST_CACHE_DIR="$PWD/cache"
sftp() {
    wanted=$1
    shift
    status "$wanted" "$HOLDFAST" -o "sftp.command=$server" "$@"
}

sftp 10 snapshots
has err 'deep/repo'
sftp 0 init
sftp 1 init
sftp 0 backup source
has out 'saved.'
cp -a source first
echo changed >source/one
sftp 0 backup source --json
json out 'lines[-1]["files_new"] == 0 and lines[-1]["data_added"] < 10000'
sftp 0 check --read-data
sftp 0 restore "latest:$PWD/source" --target new --verify
same source new
sftp 0 forget --keep-last 1
sftp 0 prune --max-unused 0%
sftp 0 check
has_trash=$(ls deep/repo/discarded)
[ -n "$has_trash" ] || fail "prune has moved nothing to the trash"
sftp 0 prune --empty-trash
[ -z "$(ls deep/repo/discarded)" ] || fail "the trash is not empty"
[ -z "$(ls deep/repo/tmp)" ] || fail "there is litter in tmp"

# From the other side it is a directory like any other.
status 0 "$HOLDFAST" -r "$PWD/deep/repo" check --read-data
status 0 "$HOLDFAST" -r "$PWD/deep/repo" backup first
sftp 0 restore "latest:$PWD/first" --target again --verify
same first again

# A connection ends whenever 40 million bytes have gone through it.
mkdir noises
for n in 1 2 3 4 5 6 7 8; do head -c 11000000 /dev/urandom >"noises/$n"; done
cat >short <<EOF
#!/bin/sh
dd bs=65536 count=40000000 iflag=count_bytes status=none | $server
EOF
chmod +x short
status 0 "$HOLDFAST" -o "sftp.command=$PWD/short" -o sftp.connections=2 backup noises
sftp 0 check --read-data
sftp 0 restore "latest:$PWD/noises" --target noises-back --verify
same noises noises-back

# What cannot work says why, in one sentence and soon.
status 2 "$HOLDFAST" -r 'sftp:-oProxyCommand=x:/srv' snapshots
has err 'cannot be the name of a host'
status 2 "$HOLDFAST" -o sftp.nonsense=1 snapshots
status 2 "$HOLDFAST" -o "sftp.command=$server" -o sftp.args=-4 snapshots
has err 'sftp.command'
status 1 "$HOLDFAST" -o 'sftp.command=/bin/echo hello' snapshots
has err 'start-up file'
status 1 "$HOLDFAST" -o 'sftp.command=/nowhere/ssh' snapshots
has err '/nowhere/ssh'
