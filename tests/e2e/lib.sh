# shellcheck shell=sh
# Read by the cases: small words for shell tests.  Each case starts in an empty directory.

PYTHON=${PYTHON:-/usr/bin/python3}
work=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-e2e.XXXXXX")
cd "$work" || exit 1

# What a case has to end or remove at its end; it defines its own.  What the words below have begun ends by itself.
at_end() { :; }
service='' # the process that start_service began
postgres='' # the folder of the server that start_postgres began
leave() {
    at_end || :
    [ -z "$service" ] || kill "$service" 2>/dev/null || :
    [ -z "$postgres" ] || kill -QUIT "$(head -1 "$postgres/data/postmaster.pid")" 2>/dev/null || :
    rm -rf "$work" ${postgres:+"$postgres"}
}
trap leave EXIT

fail() {
    echo "FAILED: $*" >&2
    for file in out err heard service.out service.err; do
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

# until_true SECONDS WORDS...: wait for a command to succeed.
until_true() {
    looks=$(($1 * 5))
    shift
    until "$@"; do
        looks=$((looks - 1))
        [ "$looks" -gt 0 ] || fail "never: $*"
        sleep 0.2
    done
}

# free_ports NUMBER: print ports that nobody has; whoever asks takes them a moment later.
free_ports() {
    "$PYTHON" -c '
import socket, sys
ends = [socket.socket() for _ in range(int(sys.argv[1]))]
for end in ends:
    end.bind(("127.0.0.1", 0))
print(*[end.getsockname()[1] for end in ends])' "$1"
}

# start_service VERB...: "serve" or "worker" goes on beside the case; what it says is in service.out and service.err.
start_service() {
    : >"$work/service.out" # what a former one said is not to be taken for this one's
    "$HOLDFAST" "$@" >"$work/service.out" 2>"$work/service.err" &
    service=$!
}
# service_says WORDS, to wait for with until_true; never after the service has gone.
service_says() {
    grep -qF -e "$1" "$work/service.out" || { kill -0 "$service" || fail "the service is gone"; return 1; }
}
# wait_ready PORT: the service takes requests.
wait_ready() { until_true 120 is_ready "$1"; }
is_ready() {
    curl -sf -m 20 -o "$work/ready" "http://127.0.0.1:$1/readyz" || { kill -0 "$service" || fail "the service is gone"; return 1; }
}
# End the service as its supervisor does; it may say that it was interrupted.
stop_service() {
    kill "$service"
    got=0
    wait "$service" || got=$?
    service=''
    [ "$got" = 0 ] || [ "$got" = 130 ] || fail "the service ended with $got"
}
kill_service() {
    kill -9 "$service"
    wait "$service" 2>/dev/null || :
    service=''
}

# answers STATUS METHOD PORT PATH [BODY [HEADER...]]: a service answers so; out has the body of its answer, head the
# lines before.  The token that the variable has goes with it.
token=''
answers() {
    wanted=$1 method=$2 url=http://127.0.0.1:$3$4
    shift 4
    : >"$work/out"
    got=$(
        [ $# = 0 ] || { body=$1; shift; }
        for header; do
            set -- "$@" -H "$header"
            shift
        done
        [ -z "$token" ] || set -- -H "Authorization: Bearer $token" "$@"
        [ -z "${body+x}" ] || set -- -H 'Content-Type: application/json' --data-raw "$body" "$@"
        curl -sS -m 280 -X "$method" -D "$work/head" -o "$work/out" -w '%{http_code}' "$@" "$url" 2>"$work/err"
    ) || fail "no answer: $method $url"
    [ "$got" = "$wanted" ] || fail "status $got instead of $wanted: $method $url"
}

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

# put_config [FILE]: holdfast.yaml, or FILE, with a folder of state and that repository as "main"; what comes in follows, further
# repositories first.
put_config() {
    {
        printf 'state: %s\nrepositories:\n  main: {url: %s, key_file: %s}\n' "$work/state" "$HOLDFAST_REPOSITORY" "$HOLDFAST_KEY_FILE"
        cat
    } >"${1-holdfast.yaml}"
    chmod 600 "${1-holdfast.yaml}"
}

latest_id() {
    status 0 "$HOLDFAST" snapshots --json
    json_get out 'lines[0][-1]["id"]'
}

# A PostgreSQL server in the folder server, its socket there too; stopped by its pid at the end.  The
# database of the name given is made, and dsn says where it is.  Ends with 77 when none is installed.
start_postgres() {
    # The server of a drill runs as another user, in scratch space below this.
    chmod a+x "${TMPDIR:-/tmp}"
    bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1)
    [ -n "$bin" ] && [ -x "$bin/initdb" ] || exit 77
    as=
    # Above the work folder, which a server's user may not be able to enter.
    postgres=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)/holdfast-postgres.XXXXXX")
    server=$postgres
    if [ "$(id -u)" = 0 ]; then
        as='setpriv --reuid=postgres --regid=postgres --clear-groups --'
        chown postgres "$server"
    fi
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
