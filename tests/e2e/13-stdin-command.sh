#!/bin/sh
# Streams: standard input, and commands whose failure is no backup.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

make_repository
head -c 3000000 /dev/urandom >data

status 0 "$HOLDFAST" backup --stdin-from-command --stdin-filename d.bin -- cat data
"$HOLDFAST" dump latest /d.bin | cmp - data || fail "the command's output is another one"

status 1 "$HOLDFAST" backup --stdin-from-command -- sh -c 'cat data; exit 7'
has err 'exit status 7'
status 1 "$HOLDFAST" backup --stdin-from-command -- sh -c 'cat data; kill -KILL $$'
status 1 "$HOLDFAST" backup --stdin-from-command -- /no/such/program
status 0 "$HOLDFAST" snapshots --json
json out 'len(lines[0]) == 1'

# The command's own options are its own, and there is no shell in between.
status 0 "$HOLDFAST" backup --stdin-from-command --stdin-filename e -- printf '%s\n' '--json;$HOME'
status 0 "$HOLDFAST" dump latest /e
[ "$(cat out)" = '--json;$HOME' ] || fail "a shell has been at the arguments"

status 0 sh -c '"$HOLDFAST" backup --stdin <data'
"$HOLDFAST" dump latest /stdin | cmp - data || fail "standard input is another one"
status 0 sh -c '"$HOLDFAST" backup --stdin --stdin-filename nothing </dev/null'
status 0 "$HOLDFAST" dump latest /nothing
[ ! -s out ] || fail "an empty stream has bytes"

status 2 "$HOLDFAST" backup --stdin-from-command
status 2 "$HOLDFAST" backup --stdin --stdin-from-command -- cat data
status 2 sh -c '"$HOLDFAST" backup --stdin --stdin-filename a/b <data'
status 2 "$HOLDFAST" backup --stdin data
