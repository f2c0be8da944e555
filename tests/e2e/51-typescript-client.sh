#!/bin/sh
# The client in TypeScript: built and tested as its README says, and against a stand-in for the service.
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"

for program in node npm; do
    command -v $program >/dev/null || { echo "there is no $program" >&2; exit 77; }
done
mkdir client
cp -r "$cases/../../clients/typescript/src" "$cases"/../../clients/typescript/*.json client
cd client
npm ping >/dev/null 2>&1 || { echo "npm reaches no registry" >&2; exit 77; }
status 0 npm ci --no-audit --no-fund
status 0 npm run build
status 0 npm test
cd ..

# Over the file names of the published document.
echo 200 >answer
mkfifo input
"$PYTHON" "$cases/push_server.py" <input >port &
exec 3>input
until_true 60 test -s port
status 0 node -e "require('./client/dist/backup').backupToServer({ url: 'http://127.0.0.1:$(cat port)/backup' }).then(() => console.log('Backup completed'))"
has out 'Backup completed'
json requests 'list(json.loads(lines[0]["body"])) == ["timestamp", "version", "data"] and len(lines[0]["body"]) == 181'
echo 429 >answer
status 0 node -e "require('./client/dist').backupToServer({ url: 'http://127.0.0.1:$(cat port)/backup' }).catch((e) => console.log(e.message))"
has out 'Backup failed with status 429: Too Many Requests'
exec 3>&-
wait
