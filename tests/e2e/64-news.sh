#!/bin/sh
# Two hosts share a catalog in PostgreSQL: who listens to one hears at once how far a job of the other is, by Server-Sent Events and
# WebSocket; also when the connection that hears of it breaks.
# shellcheck disable=SC2154 # lib.sh sets work and others
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

[ "$(id -u)" = 0 ] && unshare --uts true 2>/dev/null || exit 77
start_postgres catalog
make_repository
for host in alpha beta; do
    cat >$host.yaml <<YAML
state: $work/state-$host
catalog: "postgresql:///catalog?host=$server&user=postgres"
repositories: {main: {url: $HOLDFAST_REPOSITORY, key_file: $HOLDFAST_KEY_FILE}}
sets:
  slow:
    repositories: [main]
    sources: [{command: {name: slow, argv: [$work/slow]}}]
    hosts: [beta]
YAML
    mkdir state-$host
    chmod 600 $host.yaml
done
cat >slow <<'SH'
#!/bin/sh
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    dd if=/dev/urandom bs=1000000 count=1 2>/dev/null
    sleep 0.5
done
SH
chmod 755 slow
status 0 "$HOLDFAST" catalog status -c alpha.yaml
cp state-alpha/catalog.key state-beta/
"$PYTHON" "$here/news.py" "$work" "$here/../support" "$server" || fail "see above"
