#!/bin/sh
# An application that runs while its set is restored in place: stopped before anything changes places, started when all is there, and
# running again whatever fails, also when the restore, the undo or the recovery is killed.
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"

app=$PWD/app
mkdir -p "$app/files"
application() { "$PYTHON" "$cases/application.py" "$@"; }
sql() { "$PYTHON" -c 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2])' "$@"; }
rows() { "$PYTHON" -c 'import sqlite3, sys; print(*[r[0] for r in sqlite3.connect(sys.argv[1]).execute("select a from t order by a")])' "$1"; }
knob() { # WORD: only this one is set
    rm -f "$app"/*.fails "$app"/*.hangs "$app"/*.lies "$app"/*.waits "$app"/*.waiting
    [ -z "$1" ] || : >"$app/$1"
}
runs() { application up "$app" || fail "the application does not run: $1"; }
state() {
    rows "$app/app.db"
    (cd "$app/files" && find . -type f ! -name journal -exec sha256sum {} + | sort)
    cat "$app/rules"
}
# What the supervisor and the rules were told since the last look, in one line.
told() {
    tr '\n' ' ' <"$app/log"
    : >"$app/log"
}
was_told() { # WORDS WHAT
    said=$(told)
    [ "$said" = "${1:+$1 }" ] || fail "$2: told $said instead of $1"
}
is_damaged() {
    state >now
    cmp damaged now || fail "$1 changed something: $(diff damaged now)"
    runs "$1"
    [ -z "$(find "$app" -name '*holdfast-*')" ] || fail "$1 left something: $(find "$app" -name '*holdfast-*')"
}
restored() { "$HOLDFAST" restore "$sound" --set app --in-place --yes "$@"; }

sql "$app/app.db" 'create table t (a integer primary key); insert into t values (1)'
echo one >"$app/files/one"
echo begun >"$app/files/journal"
echo 'rule one' >"$app/rules"
printf '#!/bin/sh\ncat %s/rules\n' "$app" >save
printf '#!/bin/sh\ncat >%s/rules\necho apply >>%s/log\n' "$app" "$app" >apply
printf '#!/bin/sh\necho health >>%s/log\n[ ! -e %s/slow ] || { touch %s/looking; sleep 60; }\n[ ! -e %s/sick ] || { echo not well >&2; exit 1; }\n"%s" "%s" up %s\n' \
    "$app" "$PWD" "$PWD" "$PWD" "$PYTHON" "$cases/application.py" "$app" >health
chmod +x save apply health
make_repository
put_config <<YAML
sets:
  app:
    sources:
      - sqlite: {path: $app/app.db}
      - files: {paths: [$app/files]}
      - command: {name: rules, argv: [$PWD/save], apply: [$PWD/apply]}
    repositories: [main]
    health_checks: [[$PWD/health]]
YAML
cp holdfast.yaml before.yaml
cat >>holdfast.yaml <<YAML
    restore:
      stop: [[$PYTHON, $cases/application.py, stop, $app]]
      start: [[$PYTHON, $cases/application.py, start, $app]]
      timeout: 5s
YAML
: >"$app/log"
"$PYTHON" "$cases/application.py" supervise "$app" "$app/files" "$app/app.db" &
supervisor=$!
at_end() { kill "$supervisor"; }
until_true 20 test -S "$app/socket"
application start "$app"
status 0 "$HOLDFAST" backup --set app
sound=$(latest_id)
state >sound
sql "$app/app.db" 'insert into t values (2)'
echo changed >"$app/files/one"
echo 'rule two' >"$app/rules"
state >damaged
told >said

# The configuration says so, and what it names can be tried.
status 0 "$HOLDFAST" config show app --json
json out 'lines[0]["sets"]["app"]["restore"]["timeout"] == "5s"'
status 0 "$HOLDFAST" config test app
has out "app: stop $PYTHON: works"
sed 's#stop: \[\[[^,]*#stop: [[/nowhere/systemctl#' holdfast.yaml >absent.yaml
chmod 600 absent.yaml
status 1 "$HOLDFAST" config test app -c absent.yaml
has out 'app: stop /nowhere/systemctl: '

# Without it a database that the application has open is not replaced.
status 11 restored -c before.yaml
has err 'another process has'
is_damaged 'a refused restore'
was_told '' 'a restore without it'

# The plan names it, and runs nothing.
status 0 restored --plan
has out "stop: $PYTHON"
has out "start: $PYTHON"
status 0 restored --plan --json
json out "lines[0]['stop'] == ['$PYTHON'] and lines[0]['start'] == ['$PYTHON']"
[ "$(told)" = '' ] || fail 'a plan ran something'
is_damaged 'a plan'

# All of it: the application is stopped once, and runs with what was restored before its health is looked at.  What it writes in its last
# moment, into a file that was the same in both states, belongs to the state before.
status 0 restored
has out 'stop 1 of 1: '
has out 'start 1 of 1: '
was_told 'stop start health' 'a restore'
has_state() {
    state | sed '$d' >now
    sed '$d' "$1" | cmp - now || fail "$2: another state: $(cat now)"
    runs "$2"
}
has_state sound 'a restore'
[ "$(cat "$app/files/journal")" = begun ] || fail "the restored tree has what was written since: $(cat "$app/files/journal")"
lsof=$("$PYTHON" -c '
import glob, os, sys
here = os.stat(sys.argv[1]).st_ino
print(sum(os.stat(fd).st_ino == here for fd in glob.glob("/proc/[0-9]*/fd/*") if os.path.exists(fd)))' "$app/app.db")
[ "$lsof" -ge 1 ] || fail 'nobody has the restored database open'
status 0 "$HOLDFAST" undo
was_told 'stop start' 'an undo'
is_state_before() {
    [ "$(sed -n '$p' "$app/files/journal")" = ended ] || fail "what the application wrote last is lost: $(cat "$app/files/journal")"
}
is_state_before
status 0 "$HOLDFAST" undo --discard
is_damaged 'a restore and its undo'

# A stop that fails, does not end, or says that it did: nothing is changed, and the application runs.
knob stop.fails
status 1 restored
has err 'stop 1 of 1: '
has err 'cannot stop'
has err 'nothing was changed, and start has run'
was_told 'start' 'a stop that fails'
is_damaged 'a stop that fails'
knob stop.hangs
status 1 restored
has err 'did not end within 5 s'
has err 'nothing was changed, and start has run'
is_damaged 'a stop that hangs'
knob stop.lies
status 11 restored
has err 'another process has'
has err 'nothing was changed, and start has run'
is_damaged 'a stop that lies'
told >said

# Both in a row fail: what is said is what is so.
knob stop.fails
: >"$app/start.fails"
status 1 restored
has err 'cannot stop'
has err 'nothing was changed, but start 1 of 1'
is_damaged 'a stop and a start that fail'
status 0 "$HOLDFAST" undo --list
has out 'nothing was changed, but start'
knob ''

# The application does not start with what was restored: back to what it started with.
told >said
: >"$app/files/refuse"
status 0 "$HOLDFAST" backup --set app
refused=$(latest_id)
rm "$app/files/refuse"
status 1 "$HOLDFAST" restore "$refused" --set app --in-place --yes
has err 'does not like this state'
has err 'the state before is back, and start has run'
was_told 'stop start stop start' 'a start that fails'
is_damaged 'a start that fails'

# It starts with neither: the state before is there, and nobody is told that it runs.
knob start.fails
status 1 restored
has err 'the state before is back, but start 1 of 1'
[ "$(application up "$app" 2>&1)" = 'it does not run' ] || fail 'it runs'
knob ''
state >now
cmp damaged now || fail 'a start that fails changed something'
status 0 restored
has_state sound 'a restore behind one that failed'

# So is an undo.
knob stop.fails
status 1 "$HOLDFAST" undo
has err 'nothing was changed, and start has run'
knob stop.lies
status 11 "$HOLDFAST" undo
has err 'another process has'
has_state sound 'an undo that is refused'
knob start.fails
status 1 "$HOLDFAST" undo
has err 'the state before is in place, but start 1 of 1'
knob ''
application start "$app"
status 0 "$HOLDFAST" undo --discard
is_damaged 'an undo whose start fails'
told >said

# A health check that fails.
touch sick
status 1 restored
has err 'not well'
has err 'the state before is back, and start has run'
was_told 'stop start health stop start' 'a health check that fails'
is_damaged 'a health check that fails'
rm sick
told >said

# Outputs of commands are applied when the application runs, and go back when it runs again.
masked() { grep -q 'rule one' "$app/rules"; }
confirm() {
    until_true 60 masked
    until id=$("$HOLDFAST" undo --list | grep swapping); do sleep 0.1; done
    application up "$app" && "$HOLDFAST" undo --confirm "${id%% *}"
}
confirm >confirmed 2>&1 &
status 0 setsid -w "$HOLDFAST" restore "$sound" --set app --in-place --yes --apply --confirm-within 60s
wait $!
was_told 'stop start apply health' 'a restore with rules'
state >now
cmp sound now || fail 'the rules are not back'
status 0 "$HOLDFAST" undo
was_told 'stop start apply' 'an undo with rules'
status 0 "$HOLDFAST" undo --discard
is_damaged 'an undo with rules'
status 130 setsid -w "$HOLDFAST" restore "$sound" --set app --in-place --yes --apply --confirm-within 1s
has err 'not confirmed'
was_told 'stop start apply apply stop start apply' 'rules that nobody confirmed'
is_damaged 'rules that nobody confirmed'

# Asked to end while it stops the application.
knob stop.waits
"$HOLDFAST" restore "$sound" --set app --in-place --yes >out 2>err &
restore=$!
until_true 60 test -e "$app/stop.waiting"
kill "$restore"
got=0
wait "$restore" || got=$?
[ "$got" = 130 ] || fail "it ended with $got"
has err 'nothing was changed, and start has run'
knob ''
is_damaged 'a restore that was asked to end'

# What a killed command had begun goes on without it, and comes to its end here.
no_orphans() { ! pgrep -f "application.py (stop|start) $app" >/dev/null; }
loose() {
    knob ''
    until_true 20 no_orphans
}
# Killed at each moment: the next command brings the state before back, and the application runs.
kill_at() { # FILE COMMAND...: once the file is there
    reached=$1
    shift
    rm -f "$reached"
    "$HOLDFAST" "$@" >out 2>err &
    killed=$!
    until_true 60 test -e "$reached"
    kill -9 "$killed"
    wait "$killed" 2>/dev/null || :
    rm -f "$reached"
}
taken_back() {
    loose
    rm -f slow
    status 0 "$HOLDFAST" undo
    is_damaged "$1"
    status 0 "$HOLDFAST" backup --set app
    told >said
}
knob stop.waits
kill_at "$app/stop.waiting" restore "$sound" --set app --in-place --yes
taken_back 'a kill before it was stopped'
knob start.waits
kill_at "$app/start.waiting" restore "$sound" --set app --in-place --yes
[ "$(application up "$app" 2>&1)" = 'it does not run' ] || fail 'it runs'
status 11 "$HOLDFAST" backup --set app
taken_back 'a kill before it was started'
touch slow
kill_at looking restore "$sound" --set app --in-place --yes
taken_back 'a kill behind its start'
# In the way back itself, twice.
touch sick
knob start.waits
kill_at "$app/start.waiting" restore "$sound" --set app --in-place --yes
kill_at "$app/start.waiting" undo
kill_at "$app/start.waiting" undo
rm sick
taken_back 'a way back that was killed'
# Another restore of the set takes it back first.
knob start.waits
kill_at "$app/start.waiting" restore "$sound" --set app --in-place --yes
loose
told >said
status 0 restored
was_told 'stop start stop start health' 'a restore behind one that was killed'
has_state sound 'a restore behind one that was killed'

# An undo that is killed: before anything went back what was restored stays, and runs; from then on the undo is finished.
knob stop.waits
kill_at "$app/stop.waiting" undo
loose
status 0 "$HOLDFAST" undo
status 0 "$HOLDFAST" undo --discard
is_damaged 'an undo that was killed before it stopped the application'
status 0 restored
knob start.waits
kill_at "$app/start.waiting" undo
status 0 "$HOLDFAST" undo --list
has out undoing
loose
status 0 "$HOLDFAST" undo
status 0 "$HOLDFAST" undo --discard
is_damaged 'an undo that was killed before it started the application'
