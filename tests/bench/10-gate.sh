#!/bin/sh
# script/bench --gate compares with what --record kept, and fails when that was better.
set -eu
cd "$(dirname "$0")/../.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

fail() { echo "10-gate: $*" >&2; exit 1; }
bench() { "$PYTHON" script/bench --smoke --sets random --tools key-file,cp --recorded "$place/kept.json" "$@" >"$place/out" 2>&1; }
# Set the ratio $1 that is kept to $2.
keep() {
    "$PYTHON" - "$place/kept.json" "$1" "$2" <<'PROGRAM'
import json, sys
kept = json.load(open(sys.argv[1]))
ratios = kept["smoke"]["random"]["ratios"]
assert sys.argv[2] in ratios, ratios
kept["smoke"]["random"]["ratios"] = {sys.argv[2]: float(sys.argv[3])}
json.dump(kept, open(sys.argv[1], "w"))
PROGRAM
}

! bench --gate || fail "nothing is kept, and the gate is open"
grep -q '^bench: nothing is recorded' "$place/out" || fail "it does not say that nothing is kept: $(cat "$place/out")"

echo 'no marks' >"$place/kept.md"
! bench --record || fail "a page without marks was written to"
[ ! -e "$place/kept.json" ] || fail "ratios were kept although the page could not be written"

printf 'above\n<!-- what script/bench --record wrote begins here -->\n<!-- and ends here -->\nbelow\n' >"$place/kept.md"
bench --record --json "$place/found.json" || fail "recording failed: $(cat "$place/out")"
grep -q '"restore, times cp -a"' "$place/found.json" || fail "--json wrote no ratio"
sed -n '1p;$p' "$place/kept.md" | tr '\n' ' ' | grep -qx 'above below ' || fail "the page lost its text"
grep -q '^| holdfast  *|' "$place/kept.md" || fail "the page has no table"

keep 'peak, MiB' 4000
bench --gate || fail "a ratio that is better than the one kept is called worse: $(cat "$place/out")"
keep 'peak, MiB' 1
status=0
bench --gate --record || status=$?
[ "$status" = 1 ] || fail "a worse ratio gives status $status: $(cat "$place/out")"
grep -q '^WORSE random: peak, MiB: .* recorded 1.00$' "$place/out" || fail "it does not say what is worse: $(cat "$place/out")"
[ "$(grep -c 'measured again' "$place/out")" = 2 ] || fail "what looks worse is not measured twice more"
grep -q '"peak, MiB": 1.0' "$place/kept.json" || fail "what is worse was recorded all the same"
