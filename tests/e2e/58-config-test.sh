#!/bin/sh
# config test tries databases, folders and repositories for real, names each that does not work, and keeps nothing.
# shellcheck disable=SC2154 # lib.sh sets work and dsn
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

start_postgres shop
make_tree files
make_repository
repository=$HOLDFAST_REPOSITORY
key=$HOLDFAST_KEY_FILE
unset HOLDFAST_REPOSITORY HOLDFAST_KEY_FILE
echo "$(printf '%063d' 0)1" >other.key
chmod 600 other.key
# configure [FILES [DSN [KEY [REPOSITORY]]]]
configure() {
    cat >holdfast.yaml <<YAML
state: $work/state
repositories:
  main: {url: "${4:-$repository}", key_file: ${3:-$key}}
sets:
  shop:
    repositories: [main]
    sources: [{files: {paths: [${1:-$work/files}]}}, {postgres: {name: shop, dsn: "${2:-$dsn}", globals: false}}]
YAML
    chmod 600 holdfast.yaml
}
everything() { find "$repository" files | sort; }

configure
everything >before
status 0 "$HOLDFAST" config test
has out 'shop: source files: works'
has out 'shop: source postgres/shop: works'
has out 'shop: repository main: works'
status 0 "$HOLDFAST" config test shop --json
json out '[(l["what"], l["name"], l["works"]) for l in lines[:-1]] == [("source", "files", True), ("source", "postgres/shop", True),
    ("repository", "main", True)]'
json out 'lines[-1] == {"message_type": "summary", "tried": 3, "failed": 0}'
everything >after
cmp before after || fail "something was kept: $(diff before after)"
status 2 "$HOLDFAST" config test nobody

# What works and is a surprise in a restore is told.
lacks err warning
ln -s files linked
configure "$work/linked"
status 0 "$HOLDFAST" config test
has err 'linked: is a link'
configure "$work"
status 0 "$HOLDFAST" config test
has err 'set shop cannot be restored in place: the state folder'
rm linked
configure

# What does not work is named, and the rest is tried all the same.
configure "$work/missing"
status 1 "$HOLDFAST" config test
has out 'shop: source postgres/shop: works'
has out 'shop: repository main: works'
has err 'set shop: source files: '
has err 'missing'
configure '' "host=$server user=postgres dbname=elsewhere"
status 1 "$HOLDFAST" config test --json
json out 'lines[1]["works"] is False and "elsewhere" in lines[1]["error"] and lines[0]["works"] and lines[2]["works"]'
json out 'lines[-1] == {"message_type": "summary", "tried": 3, "failed": 1}'
configure '' '' "$work/other.key"
status 12 "$HOLDFAST" config test
has out 'shop: source files: works'
configure '' '' '' "$work/nowhere"
status 10 "$HOLDFAST" config test
has err 'set shop: repository main: '
[ ! -e nowhere ] || fail 'a repository was made'
