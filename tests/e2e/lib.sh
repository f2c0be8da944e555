# shellcheck shell=sh
# Read by the cases: small words for shell tests.  Each case starts in an empty directory.

PYTHON=${PYTHON:-/usr/bin/python3}
work=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-e2e.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

fail() {
    echo "FAILED: $*" >&2
    for file in out err; do
        [ ! -s "$work/$file" ] || sed "s/^/    $file: /" "$work/$file" >&2
    done
    exit 1
}

# status N COMMAND...: the command ends with N; its output is left in the files out and err.
status() {
    wanted=$1
    shift
    got=0
    "$@" >"$work/out" 2>"$work/err" || got=$?
    [ "$got" = "$wanted" ] || fail "status $got instead of $wanted: $*"
}

# has FILE TEXT, lacks FILE TEXT: a fixed string in out or err.
has() { grep -qF -e "$2" "$work/$1" || fail "$1 lacks: $2"; }
lacks() { ! grep -qF -e "$2" "$work/$1" || fail "$1 has: $2"; }

# json FILE EXPRESSION: true of the JSON lines of a file; lines is the list of them.
json() {
    "$PYTHON" -c '
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
sys.exit(not eval(" ".join(sys.argv[2].split())))' "$work/$1" "$2" || fail "$1 is not so: $2"
}

# Print what a Python expression says of the JSON lines of a file.
json_get() {
    "$PYTHON" -c '
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
print(eval(sys.argv[2]))' "$work/$1" "$2"
}

same() { diff -r "$1" "$2" >"$work/out" 2>&1 || fail "$1 and $2 differ"; }

# A small tree, always the same.
make_tree() {
    mkdir -p "$1/a/b" "$1/empty"
    echo one >"$1/one"
    echo two >"$1/a/two"
    head -c 300000 /dev/zero | tr '\0' z >"$1/a/b/large"
    ln -s ../one "$1/a/link"
    touch -d '2026-01-02 03:04:05' "$1/one" "$1/a/two" "$1/a/b/large"
}

# A repository with a key file, named by the variables.
make_repository() {
    export HOLDFAST_REPOSITORY="$work/repo" HOLDFAST_KEY_FILE="$work/key"
    status 0 "$HOLDFAST" init
}

latest_id() {
    status 0 "$HOLDFAST" snapshots --json
    json_get out 'lines[0][-1]["id"]'
}

# What a case has to stop at its end, before the server; it defines its own.
at_end() { :; }

# A PostgreSQL server in the folder server, its socket there too; stopped by its pid at the end.  The
# database of the name given is made, and dsn says where it is.  Ends with 77 when none is installed.
start_postgres() {
    # The server of a drill runs as another user, in scratch space below this.
    chmod a+x "${TMPDIR:-/tmp}"
    bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1)
    [ -n "$bin" ] && [ -x "$bin/initdb" ] || exit 77
    as=
    # Above the work folder, which a server's user may not be able to enter.
    server=$(mktemp -d /tmp/holdfast-postgres.XXXXXX)
    if [ "$(id -u)" = 0 ]; then
        as='setpriv --reuid=postgres --regid=postgres --clear-groups --'
        chown postgres "$server"
    fi
    trap 'at_end || true; kill -QUIT "$(head -1 "$server/data/postmaster.pid")" 2>/dev/null || true; rm -rf "$server" "$work"' EXIT
    # shellcheck disable=SC2086
    (cd / && $as "$bin/initdb" -D "$server/data" -U postgres -A trust --no-sync) >"$work/server.log" 2>&1 ||
        fail "initdb: $(tail -3 "$work/server.log")"
    # shellcheck disable=SC2086
    (cd / && $as "$bin/pg_ctl" -D "$server/data" -w -l "$server/log" \
        -o "-c fsync=off -c listen_addresses= -k $server" start) >"$work/server.log" 2>&1 ||
        fail "pg_ctl: $(tail -3 "$work/server.log")"
    dsn="host=$server user=postgres dbname=$1"
    status 0 "$bin/createdb" -h "$server" -U postgres "$1"
}

# psql without a file of its owner's; prints unadorned rows.
psql() { "$bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$dsn" "$@"; }
