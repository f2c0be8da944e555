#!/bin/sh
# The units are understood by systemd, and what they leave open is little.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
top=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$top/tests/e2e/lib.sh"

mkdir -p root/usr/bin root/etc/systemd/system
cp "$HOLDFAST" root/usr/bin/holdfast
cp /usr/bin/kill root/usr/bin/kill # of ExecReload
for unit in holdfast holdfast-worker; do
    cp "$top/deploy/systemd/$unit.service" root/etc/systemd/system/
    # At most 2.0.
    status 0 systemd-analyze security --no-pager --offline=true --threshold=20 "root/etc/systemd/system/$unit.service"
    has out 'Overall exposure level'
done
cp -r "$top/deploy/systemd/holdfast.service.d" root/etc/systemd/system/
# Whatever systemd does not understand it says, and goes on: nothing may be said.
for unit in holdfast holdfast-worker; do
    status 0 systemd-analyze verify --man=no --recursive-errors=no --root=root "$unit.service"
    ! grep -E 'holdfast[^ ]*:[0-9]+:' err || fail "systemd does not understand $unit"
done
echo 'Nonsense=yes' >>root/etc/systemd/system/holdfast.service.d/shop.conf
systemd-analyze verify --man=no --recursive-errors=no --root=root holdfast.service >out 2>err || :
has err 'Nonsense'
