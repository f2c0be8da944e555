#!/bin/sh
# Archives that are made to do harm, or that change under our hands: what reads them is bounded, and no snapshot is made.
set -eu
cases=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"

make() { "$PYTHON" "$cases/archives.py" "$@"; }
import() { "$HOLDFAST" import "$@"; }
count() {
    status 0 "$HOLDFAST" snapshots --json
    json_get out 'len(lines[0])'
}
make_repository
printf '%064d' 7 >school.hex

# 200 MiB of zeros in 200 KiB: beyond the ratio that the format allows.
"$PYTHON" - <<'END'
import gzip, os, zipfile
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
text = b'{"version":"1.0","timestamp":"2025-11-21T10:28:30.846Z","tables":{"users":[{"id":"' + bytes([120]) * (200 << 20) + b'"}]}}'
iv = os.urandom(16)
both = AESGCM(bytes.fromhex(open("school.hex").read())).encrypt(iv, gzip.compress(text), None)
open("bomb.enc", "wb").write(iv + both[-16:] + both[:-16])
with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("app.db", bytes(60 << 20))
    z.writestr("configs.db", bytes(60 << 20))
    z.writestr("backup_metadata.json", "{}")
with zipfile.ZipFile("slip.zip", "w") as z:
    z.writestr("../../etc/evil", "x")
    z.writestr("backup_metadata.json", "{}")
open("deep.json", "w").write("[" * 1000000)
END
status 2 import bomb.enc --archive-key-file school.hex
has err 'school-erp:'
status 2 import bomb.zip --allow-unauthenticated
status 2 import slip.zip --allow-unauthenticated --as wireguard
has err 'Malicious path detected'
status 2 import deep.json --allow-unauthenticated

# The archive is another one when it is stored than it was when it was looked at: the command that gives the password
# changes it in between.
status 0 env -u HOLDFAST_KEY_FILE sh -c 'printf secret >password && "$HOLDFAST" init -r other --password-file password'
cat >change <<'END'
#!/bin/sh
cat other-archive >archive
printf secret
END
chmod +x change
for name in one two; do
    make wireguard $name.zip
    make bundle $name.json
done
# The same size, and another byte in it.
"$PYTHON" -c 'b = bytearray(open("one.zip", "rb").read()); b[60] ^= 1; open("same.zip", "wb").write(b)'
head -c 100 one.zip >cut.zip
cp two.zip longer.zip
cat two.zip >>longer.zip
sed 's/alice/malic/' one.json >two.json
for pair in one.zip:same.zip one.zip:cut.zip one.zip:longer.zip one.json:two.json; do
    cp "${pair%:*}" archive
    cp "${pair#*:}" other-archive
    status 11 env -u HOLDFAST_KEY_FILE "$HOLDFAST" import archive -r other --password-command "$PWD/change" --allow-unauthenticated
    has err 'changed while it was read'
    has err 'no snapshot was made'
done
status 0 env -u HOLDFAST_KEY_FILE "$HOLDFAST" snapshots -r other --password-file password --json
json out 'lines[0] == []'
# What did not change is stored that way too.
cp one.zip archive
cp one.zip other-archive
status 0 env -u HOLDFAST_KEY_FILE "$HOLDFAST" import archive -r other --password-command "$PWD/change" --allow-unauthenticated

# The process that reads cannot be started by itself to get around anything: it wants its request and its archive.
status 1 sh -c '"$HOLDFAST" --sandbox=parser --import-parser </dev/null'

[ "$(count)" = 0 ] || fail "something that was refused has left a snapshot"
