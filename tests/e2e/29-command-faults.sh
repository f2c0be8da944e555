#!/bin/sh
# Programs whose output belongs to a set and that fail, hang or do not end: a sentence, an exit status, and
# never a snapshot that looks whole.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

make_tree files
make_repository
program() {
    printf '#!/bin/sh\n%s\n' "$2" >"$1"
    chmod +x "$1"
}
program fails 'echo half of it; echo "the switch does not answer" >&2; exit 7'
program dies 'echo half of it; kill -9 $$'
program hangs "echo half of it; sleep 1000 & echo \$! >$PWD/child; wait"
program floods 'exec head -c 10G /dev/zero'
program leaves "echo half of it; sleep 1000 & echo \$! >$PWD/left; exit 0"
{
    printf 'state: %s/state\nrepositories:\n  main: { url: %s/repo, key_file: %s/key }\nsets:\n' "$PWD" "$PWD" "$PWD"
    for name in fails dies hangs floods leaves nowhere; do
        case $name in hangs | leaves) limit=3s ;; *) limit=60s ;; esac
        for set in "$name" "lax-$name"; do
            printf '  %s:\n    sources:\n      - command: { name: rules, argv: [%s], timeout: %s }\n' "$set" "$PWD/$name" "$limit"
            [ "$set" = "$name" ] || printf '      - files: { paths: [%s] }\n    on_error: incomplete\n' "$PWD/files"
            printf '    repositories: [main]\n'
        done
    done
} >holdfast.yaml
chmod 600 holdfast.yaml

# refused PROGRAM WORD...: with these words, long before what hangs would end, and there is no snapshot; with a file tree beside it
# there is one that names what it lacks.
refused() {
    name=$1
    shift
    status 1 timeout 100 "$HOLDFAST" backup --set "$name"
    for word; do has err "$word"; done
    has err 'command/rules'
    status 0 "$HOLDFAST" snapshots --set "$name" --json
    json out 'lines[0] == []'
    status 3 timeout 100 "$HOLDFAST" backup --set "lax-$name"
    for word; do has err "$word"; done
    status 0 "$HOLDFAST" ls latest --set "lax-$name"
    lacks out rules.manifest.json
    status 14 "$HOLDFAST" drill "lax-$name"
    has out 'command/rules'
    lacks out 'proven  command/rules'
    has out 'proven  files'
}
refused fails 'exit status 7' 'the switch does not answer'
refused dies 'signal 9'
refused hangs '3 s'
# Nothing of it goes on, though whoever inherited its child may not have noticed yet.
is_over() { case $(sed -n 's/^State:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) in '' | Z* | X*) ;; *) return 1 ;; esac; }
is_over "$(cat child)" || fail "its child goes on"
refused floods 'printed more than 64'
refused leaves 'still holds its output open'
is_over "$(cat left)" || fail "what it left goes on"
refused nowhere "$PWD/nowhere"
[ "$(du -sk repo | cut -f1)" -lt 4096 ] || fail "the repository has grown to $(du -sh repo)"
status 0 "$HOLDFAST" check --read-data
