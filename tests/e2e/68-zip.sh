#!/bin/sh
# Folders come as zip files that other programs read: with names of all kinds, links and modes; what zip has no form for is refused before a byte.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

command -v unzip >/dev/null || exit 77
make_repository
"$PYTHON" - <<'END'
import os, random, socket
os.makedirs("data/sub/empty")
for name in ("plain", "s\u00fc\u00df", "a\u202egpj.exe", "line\nbreak", " blanks ", "back\\slash", "\u4f60\u597d", "x" * 250, "--help", "<img src=x>", "C:con", "%2e%2e"):
    with open("data/" + name, "w") as file:
        file.write("content of " + name)
with open(b"data/latin-\xfc", "w") as file:
    file.write("content of latin")
with open("data/sub/random", "wb") as file:
    file.write(random.Random(1).randbytes(3000000))
open("data/nothing", "w").close()
os.symlink("/etc/s\u00fc\u00df", "data/link")
os.chmod("data/plain", 0o750)
os.utime("data/plain", (1700000000, 1700000000))
socket.socket(socket.AF_UNIX).bind("data/socket")
END
status 0 "$HOLDFAST" backup "$work/data"
status 0 "$HOLDFAST" dump latest "$work/data" --archive zip --target all.zip
"$HOLDFAST" dump latest "$work/data" --archive zip | cat >piped.zip
cmp all.zip piped.zip || fail "in a pipe it is another file"
status 0 unzip -tq all.zip
"$PYTHON" - <<'END'
import os, stat, zipfile
seen = set()
with zipfile.ZipFile("all.zip") as zip:
    assert zip.testzip() is None
    for entry in zip.infolist():
        is_utf8 = entry.flag_bits & 0x800
        raw = entry.filename.encode("utf-8" if is_utf8 else "cp437")
        place = os.path.join(b"data", raw)
        mode = entry.external_attr >> 16
        assert bool(is_utf8) == (not raw.isascii() and raw != b"latin-\xfc"), raw
        assert mode == os.lstat(place).st_mode, (raw, oct(mode))
        if stat.S_ISLNK(mode):
            assert zip.read(entry) == os.readlink(place), raw
        elif not entry.is_dir():
            with open(place, "rb") as file:
                assert zip.read(entry) == file.read(), raw
        seen.add(raw.rstrip(b"/"))
wanted = set()
for folder, folders, files in os.walk(b"data"):
    wanted.update(os.path.relpath(os.path.join(folder, name), b"data") for name in folders + files)
assert seen == wanted - {b"socket"}, (seen ^ wanted)
END

# What has no form is named, and nothing is written; tar has it.
mkfifo data/sub/pipe
status 0 "$HOLDFAST" backup "$work/data"
status 2 "$HOLDFAST" dump latest "$work/data" --archive zip
[ ! -s out ] || fail "bytes of a zip that was refused"
has err 'sub/pipe: zip has no form for a device or a pipe; tar has'
status 2 "$HOLDFAST" dump latest "$work/data" --archive zip --target refused.zip
[ ! -e refused.zip ] || fail "a file of a zip that was refused"
status 0 "$HOLDFAST" dump latest "$work/data" --archive tar --target all.tar
status 2 "$HOLDFAST" dump latest "$work/data" --archive rar
# A file is what it is.
status 0 "$HOLDFAST" dump latest "$work/data/plain" --archive zip
cmp out data/plain || fail "a file is not as it was"
# A disk that is full is no archive.
[ ! -w /dev/full ] || { "$HOLDFAST" dump latest "$work/data/sub" --archive zip >/dev/full 2>err && fail "it is written nowhere" || :; }
