#!/bin/sh
# Commands about a repository take it from the configuration when none is named, and never guess.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

mkdir tree elsewhere
echo one >tree/file
cat >holdfast.yaml <<YAML
state: $work/state
repositories:
  main: {url: $work/main, key_file: $work/main.key}
sets:
  app: {sources: [{files: {name: app, paths: [$work/tree]}}], repositories: [main]}
YAML
chmod 600 holdfast.yaml

status 0 "$HOLDFAST" init
[ -s main.key ] || fail 'init made no key file'
status 0 "$HOLDFAST" backup --set app
status 0 "$HOLDFAST" snapshots
has out '1 snapshot'
status 0 "$HOLDFAST" restore latest:/app --set app --target back
has out 'Restored'
status 0 "$HOLDFAST" check --read-data
status 0 "$HOLDFAST" tag --add kept --of-set app
status 0 "$HOLDFAST" find file --set app
has out file

# From another folder, the configuration has to be named; a command's own --config (of an id) stays what it is.
cd elsewhere
if [ ! -e /etc/holdfast/holdfast.yaml ]; then
    status 2 "$HOLDFAST" snapshots
    has err 'no repository given: use -r, HOLDFAST_REPOSITORY or a configuration'
fi
status 0 "$HOLDFAST" snapshots -c ../holdfast.yaml
status 0 env HOLDFAST_CONFIG=../holdfast.yaml "$HOLDFAST" ls latest
status 2 "$HOLDFAST" snapshots -c ../nothing.yaml
has err nothing.yaml
cd ..

# What is named on the command line wins, with its own secret.
status 0 "$HOLDFAST" init -r other --key-file other.key
status 0 "$HOLDFAST" snapshots -r other --key-file other.key
has out '0 snapshots'
status 2 "$HOLDFAST" snapshots --set nobody
has err 'has no set "nobody"'

# Several repositories: one of them is not taken for the other.
cat >holdfast.yaml <<YAML
state: $work/state
repositories:
  main: {url: $work/main, key_file: $work/main.key}
  other: {url: $work/other, key_file: $work/other.key}
sets:
  app: {sources: [{files: {name: app, paths: [$work/tree]}}], repositories: [main]}
  both: {sources: [{files: {name: app, paths: [$work/tree]}}], repositories: [main, other]}
YAML
status 2 "$HOLDFAST" snapshots
has err 'has 2: use -r, or --set'
status 0 "$HOLDFAST" snapshots --set app
has out '1 snapshot'
status 2 "$HOLDFAST" snapshots --set both
has err 'set both has 2 repositories'
