#!/bin/sh
# Pushing bundles from the shell: what is sent, what is refused before, and what each answer means.
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"

echo 200 >answer
mkfifo input
"$PYTHON" "$cases/push_server.py" <input >port &
exec 3>input
until_true 60 test -s port
url=http://127.0.0.1:$(cat port)/backup
push() { "$HOLDFAST" push --url "$url" "$@"; }
count() { if [ -e requests ]; then wc -l <requests; else echo 0; fi; }

echo '{"timestamp": "t", "version": "1", "data": {"sessions": ["s"]}, "n": 1.50}' >bundle.json
echo '[1]' >other.json
echo 'hf_1_secret' >token

status 0 push bundle.json
has out 'Backup saved as backup_20240101_120000.json'
json requests 'lines[0]["body"] == open("bundle.json").read()'
json requests 'lines[0]["path"] == "/backup" and lines[0]["headers"]["Content-Type"] == "application/json"'
json requests '"Authorization" not in lines[0]["headers"]'

# shellcheck disable=SC2016
status 0 sh -c '"$HOLDFAST" push --url "$1" --token-file token --json <bundle.json' - "$url"
json out 'lines[-1]["status"] == 200 and lines[-1]["filename"] == "backup_20240101_120000.json"'
json out 'lines[-1]["stored_size"] == len(json.dumps(json.load(open("bundle.json")), indent=2)) and lines[-1]["kind"] == "bundle"'
json requests 'lines[-1]["headers"]["Authorization"] == "Bearer hf_1_secret"'
HOLDFAST_PUSH_URL=$url status 0 "$HOLDFAST" push bundle.json

# What makes no sense is not sent.
sent=$(count)
status 2 push other.json
has err 'it is no backup bundle: it is no object'
echo '{' >broken.json
status 2 push --any broken.json
status 2 push missing.json
head -c 16777217 /dev/zero | tr '\0' ' ' >large.json
status 2 push --any large.json
status 2 "$HOLDFAST" push --url ftp://localhost/ bundle.json
status 2 "$HOLDFAST" push --url "http://ann:secret@localhost/backup" bundle.json
lacks err secret
status 2 "$HOLDFAST" push --url http://example.org/backup --token-file token bundle.json
has err 'needs https'
status 2 "$HOLDFAST" push --url http://127.0.0.1.example.org/backup --token-file token bundle.json
printf 'two words\n' >words
status 2 push --token-file words bundle.json
status 2 push --token-file nowhere bundle.json
[ "$(count)" = "$sent" ] || fail "something was sent"
status 0 push --any other.json

# What is answered.
for pair in 404:2 422:2 401:12 429:11 503:11 500:1 302:1; do
    echo "${pair%:*}" >answer
    status "${pair#*:}" push --token-file token bundle.json
    has err "backup failed with status ${pair%:*}"
    lacks err hf_1_secret
done
echo 503 >answer
status 11 push bundle.json
has err 'Service unavailable'
lacks err "$(printf '\033')"

# Nobody is there.
exec 3>&-
wait
status 11 push bundle.json
