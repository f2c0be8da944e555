#!/bin/sh
# The quick start ends with a service that runs, whose schedule was kept and proved; it can be stopped, and repeated.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
top=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$top/tests/e2e/lib.sh"

export HOLDFAST_QUICKSTART_DIR="$work/quick start"
home="$HOLDFAST_QUICKSTART_DIR/service"
pid=''
at_end() { [ -z "$pid" ] || kill "$pid" 2>/dev/null; }

mkdir foreign
echo mine >foreign/file
HOLDFAST_QUICKSTART_DIR="$work/foreign" status 2 "$top/script/quickstart"
has err 'holds something else'
status 2 "$top/script/quickstart" --serve
has err 'Usage'

status 0 "$top/script/quickstart"
pid=$(cat "$home/pid")
kill -0 "$pid" || fail "the service does not run"
has out 'its drill: proven'
has out 'first login: user admin, password'
has out "kill $pid"
# The call that was shown, as it was shown.
call=$(grep '^    curl ' out) || fail "no call is shown"
sh -c "$call" >answer || fail "the call does not work: $call"
"$PYTHON" - <<'PY' || fail "answer: $(cat answer)"
import json
answer = json.load(open("answer"))
assert answer["total"] >= 1 and answer["backups"], answer
PY
# Nobody gets in with less, and what is secret is for its owner.
code=$(curl -s -o answer -w '%{http_code}' "${call##* }")
[ "$code" = 401 ] || fail "without a token: $code"
[ -z "$(find "$home" -perm /077)" ] || fail "others may read $(find "$home" -perm /077)"

# Once more: it stops the service of the run before, and ends without one.
status 0 "$top/script/quickstart" --no-serve
has out 'stopping the service of an earlier run'
! kill -0 "$pid" 2>/dev/null || fail "the service still runs"
pid=''
lacks out 'The service runs on'
