#!/bin/sh
# The console: built again as it is committed, its own tests, and a browser that uses it against a real service.
# Usage: run.sh [CASE...]    the beginnings of names of cases here, [0-9]*.mjs; all without
# HOLDFAST is the program; screenshots go to SCREENSHOTS (build/console).  Ends with 77 where something is missing.
# SLOW=6 has a browser that is six times slower, and each request of a page begin up to 300 ms later: what fails then only is a race.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
cases=$(dirname "$(readlink -f "$0")")
root=$(dirname "$(dirname "$cases")")
HOLDFAST=$(readlink -f "${HOLDFAST:-$root/build/release/src/holdfast}")
SCREENSHOTS=${SCREENSHOTS:-$root/build/console}
export HOLDFAST SCREENSHOTS
# shellcheck source=tests/e2e/lib.sh
. "$cases/../e2e/lib.sh"

for program in node npm chromium; do
    command -v $program >/dev/null || { echo "there is no $program" >&2; exit 77; }
done
npm ping >/dev/null 2>&1 || { echo "npm reaches no registry" >&2; exit 77; }

# The server of a drill runs as another user, in scratch space below this.
chmod a+x "${TMPDIR:-/tmp}"

# As it is committed, byte for byte.
mkdir console
cp -r "$root/console/src" "$root"/console/*.json "$root/console/build.mjs" console
cd console
status 0 npm ci --no-audit --no-fund
status 0 npm run build
same built "$root/console/built"
status 0 npm test
cd ..

# What is backed up: names that want to be more than names, a long folder, a database, and what cannot be backed up.
"$PYTHON" - <<'END'
import os, sqlite3
os.makedirs("data/odd")
os.makedirs("data/long")
names = ["<img src=x onerror=window.hit=1>", "\"'><script>window.hit=1<script>", "${window.hit=1}", "javascript:window.hit=1",
         "a\u202egpj.exe", "line\nbreak", " spaces ", "%2e%2e%2f", "?path=1#x", "&lt;b&gt;", "\u4f60\u597d", "x" * 200, "--help"]
for name in names:
    with open("data/odd/" + name, "w") as file:
        file.write("content of " + name)
with open(b"data/odd/not-utf8-\xff\xfe", "w") as file:
    file.write("bytes")
os.makedirs("data/odd/<b>folder & more")
for i in range(50000):
    os.close(os.open(f"data/long/file-{i:05}", os.O_CREAT | os.O_WRONLY, 0o644))
with sqlite3.connect("app.db") as db:
    db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT)")
    db.executemany("INSERT INTO orders (name) VALUES (?)", [(f"order {i}",) for i in range(1000)])
END
free_ports 1 >port
read -r port <port
cat >holdfast.yaml <<END
state: $work/state
repositories:
  main: {url: $work/repo, key_file: $work/key}
sets:
  shop:
    repositories: [main]
    sources: [{files: {paths: [$work/data]}}, {sqlite: {path: $work/app.db}}]
    schedule: "0 2 * * *"
  crm:
    repositories: [main]
    sources: [{sqlite: {path: $work/missing.db}}]
  wiki:
    repositories: [main]
    sources: [{command: {name: slow, argv: [/bin/sleep, "600"], timeout: 20m}}]
serve: {listen: ["127.0.0.1:$port"]}
END
chmod 600 holdfast.yaml
cp -p holdfast.yaml first.yaml # cases may add to it
mkdir -p "$SCREENSHOTS"

# Each case has a service and a repository of its own.
export PORT="$port" WORK="$work"
passed=0
failed=0
[ $# -gt 0 ] || set -- ""
for chosen; do
    for file in "$cases/$chosen"*.mjs; do
        case ${file##*/} in [0-9]*) ;; *) continue ;; esac
        rm -rf state repo
        cp -p first.yaml holdfast.yaml
        make_repository
        echo "case ${file##*/}"
        node "$file" | tee told || :
        counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' told)
        [ -n "$counts" ] || counts="0 1" # it died before its end
        passed=$((passed + ${counts% *}))
        failed=$((failed + ${counts#* }))
    done
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
