#!/bin/sh
# The Debian package is made, has no errors, installs on a clean root under systemd, and can be purged.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
top=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$top/tests/e2e/lib.sh"

[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
machine=''
at_end() { [ -z "$machine" ] || { kill "$machine" 2>/dev/null; wait "$machine" 2>/dev/null; }; }

status 0 "$top/script/package" deb
package=$(ls "$top"/build/package/holdfast_*.deb)
status 0 lintian --allow-root --fail-on error "$package"

# A root with systemd; from the archive that this machine uses.
# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
root=$work/root
if ! mmdebstrap --quiet --variant=minbase --skip=cleanup/apt --skip=check/empty \
    --include=systemd-sysv,dbus "$suite" "$root" >out 2>err; then
    echo "no archive to make a root from"
    exit 77
fi
cp "$package" "$root/root/holdfast.deb"
systemd-nspawn --quiet --directory="$root" --register=no --keep-unit --boot --console=pipe </dev/null >"$work/console" 2>&1 &
machine=$!
leader=''
left=180
until [ -n "$leader" ] && [ -e "/proc/$leader/root/run/systemd/private" ]; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || { echo "systemd does not run in a container here: $(cat "$work/console")"; exit 77; }
    sleep 1
    leader=$(pgrep -P "$machine" | head -n 1 || :)
done
inside() { nsenter --target "$leader" --all env DEBIAN_FRONTEND=noninteractive "$@"; }
install_it() { status 0 inside apt-get install -y --no-install-recommends /root/holdfast.deb; }

# Installed and purged without having been used it leaves its user, and nothing else.
files() { (cd "$root" && find etc lib usr var/lib -path var/lib/apt -prune -o -path var/lib/dpkg -prune -o -print | sort); }
files | grep -v holdfast >before
install_it
status 0 inside holdfast version
[ "$(inside stat -c '%a %U %G' /etc/holdfast)" = '750 root holdfast' ] || fail "permissions of /etc/holdfast"
[ "$(inside stat -c '%a %U %G' /var/lib/holdfast)" = '700 holdfast holdfast' ] || fail "permissions of /var/lib/holdfast"
for file in usr/share/man/man1/holdfast-backup.1.gz usr/share/bash-completion/completions/holdfast \
    usr/share/doc/holdfast/copyright usr/share/doc/holdfast/examples/holdfast.yaml lib/systemd/system/holdfast.service; do
    [ -s "$root/$file" ] || [ -s "$root/usr/$file" ] || fail "$file is not there"
done
status 0 inside holdfast config validate -c /usr/share/doc/holdfast/examples/holdfast.yaml
status 0 inside apt-get purge -y holdfast
left=$(files | grep holdfast || :)
[ -z "$left" ] || fail "purging left $left"
