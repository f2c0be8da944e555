#!/bin/sh
# The image is built, runs as a user without rights, backs up, and its service is healthy by its own check.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
top=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$top/tests/e2e/lib.sh"

[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
# No registry and no kernel features: the image's base is made here, files are copied, programs run in a chroot.
cat >storage.conf <<CONF
[storage]
driver = "vfs"
graphroot = "$work/storage"
runroot = "$work/run"
CONF
mkdir tmp
export CONTAINERS_STORAGE_CONF="$work/storage.conf" BUILDAH_ISOLATION=chroot
run_buildah() { TMPDIR="$work/tmp" buildah "$@"; }
# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
if ! mmdebstrap --quiet --variant=minbase "$suite" base.tar >out 2>err; then
    echo "no archive to make a base from"
    exit 77
fi
if ! base=$(run_buildah from scratch 2>err); then
    echo "buildah cannot work here: $(cat err)"
    exit 77
fi
status 0 run_buildah add "$base" base.tar /
status 0 run_buildah commit -q --rm "$base" localhost/base
rm base.tar

# Only what git tracks is sent, and what is secret beside it never gets in.
mkdir source
(cd "$top" && git ls-files -z --cached --others --exclude-standard | tar --null -T - -c) | tar -x -C source
echo secret >source/main.key
echo secret >source/src/main.key
status 0 run_buildah build --pull-never --format docker --layers=false --build-arg BASE=localhost/base \
    --volume /etc/apt/apt.conf.d:/etc/apt/apt.conf.d:ro -f source/deploy/container/Containerfile -t localhost/holdfast:test source
rm -rf source
box=$(run_buildah from --pull-never localhost/holdfast:test)
run_buildah inspect --type image localhost/holdfast:test >image.json
# part NAME: of the image's configuration, as words or as the command of a shell.
part() { "$PYTHON" -c '
import json, sys
part = json.load(open("image.json"))["Docker"]["config"][sys.argv[1]]
print(part["Test"][1] if "Test" in part else " ".join(part) if isinstance(part, (list, dict)) else part)' "$1"; }
[ "$(part User)" = 10400:10400 ] || fail "user $(part User)"
[ "$(part Volumes)" = /var/lib/holdfast ] || fail "volumes $(part Volumes)"

# holdfast there says what holdfast here says; it may not write but where it has to; no compiler, no key, no source.
"$HOLDFAST" version >version
status 0 run_buildah run "$box" -- holdfast version
cmp -s version out || fail "another version"
status 0 run_buildah run "$box" -- sh -c 'find / -xdev \( -name main.key -o -path /src -o -path /build -o -name cc1 \) 2>/dev/null || :'
[ ! -s out ] || fail "something is left in the image"
status 0 run_buildah run "$box" -- sh -c 'find / -xdev -user holdfast ! -path "/proc/*" 2>/dev/null || :'
[ "$(cat out)" = /var/lib/holdfast ] || fail "what belongs to the user"

# A configuration as Kubernetes mounts it: of root, read by the group, files as symbolic links.
mkdir -p conf/..now/secret data
chmod 755 "$work"
"$HOLDFAST" init -q -r "$work/unused" --key-file conf/..now/secret/main.key
rm -rf unused
ln -s ..now conf/..data
ln -s ..data/holdfast.yaml conf/holdfast.yaml
ln -s ..data/secret conf/secret
cat >conf/..now/holdfast.yaml <<'YAML'
state: /var/lib/holdfast
repositories:
  main: {url: /var/lib/holdfast/repository, key_file: /etc/holdfast/secret/main.key}
sets:
  data:
    sources: [{files: {name: data, paths: [/data]}}]
    repositories: [main]
    drill: after_backup
serve: {listen: ["0.0.0.0:8080"], tls: {self_signed: true}, hosts: [holdfast]}
YAML
echo "what is kept" >data/file
cat >conf/..now/try.sh <<'SH'
set -eu
export TINI_SUBREAPER=1
holdfast init -q -r /var/lib/holdfast/repository --key-file /etc/holdfast/secret/main.key
holdfast backup -q --set data
holdfast drill --list data --json
! sh -c "$HEALTH" 2>/dev/null || { echo "healthy without a service"; exit 1; }
$START >/tmp/service 2>&1 &
service=$!
left=300
until sh -c "$HEALTH" 2>/dev/null; do
    left=$((left - 1))
    [ "$left" -gt 0 ] && kill -0 "$service" || { cat /tmp/service; exit 1; }
    sleep 0.2
done
curl -fsSk https://localhost:8080/readyz
kill "$service"
ended=0
wait "$service" || ended=$?
echo "ended with $ended"
[ -s /var/lib/holdfast/catalog.db ]
SH
chown -R root:10400 conf
chmod -R u=rwX,g=rX,o= conf
# A network of its own, so that port 8080 is free.
cat >outside.sh <<'SH'
ip link set lo up
exec buildah run --volume "$1/conf:/etc/holdfast:ro" --volume "$1/data:/data:ro" --env "HEALTH=$3" \
    --env "START=$4" "$2" -- sh /etc/holdfast/try.sh
SH
ln -s ..data/try.sh conf/try.sh
status 0 env TMPDIR="$work/tmp" unshare --net sh outside.sh "$work" "$box" "$(part Healthcheck)" "$(part Entrypoint) $(part Cmd)"
has out '"proven"'
has out '"ready"'
grep -qE 'ended with (0|130)$' out || fail "the service does not end when it is asked to"
