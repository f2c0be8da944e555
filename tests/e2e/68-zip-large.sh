#!/bin/sh
# A zip with a file of more than 4 GiB and with more than 65,535 entries is read by others, and takes no more memory for it.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

command -v unzip >/dev/null || exit 77
make_repository
mkdir data
truncate -s 4294967396 data/large
echo end >>data/large
echo small >data/small
"$PYTHON" -c '
import os
os.mkdir("data/many")
for i in range(70000):
    os.close(os.open(f"data/many/file-{i:05}", os.O_CREAT | os.O_WRONLY, 0o644))'
status 0 "$HOLDFAST" backup "$work/data"
"$PYTHON" - "$HOLDFAST" "$work/data" <<'END'
import resource, subprocess, sys
with open("all.zip", "wb") as out:
    subprocess.run([sys.argv[1], "dump", "latest", sys.argv[2], "--archive", "zip"], check=True, stdout=out)
most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(f"{most:.1f} MiB at most")
assert most < 150, most
END
status 0 unzip -tq all.zip
"$PYTHON" - <<'END'
import zipfile
with zipfile.ZipFile("all.zip") as zip:
    assert len(zip.infolist()) == 70003
    assert zip.getinfo("large").file_size == 4294967400
    assert zip.read("small") == b"small\n"
    with zip.open("large") as file:
        size, last = 0, b""
        while piece := file.read(1 << 24):
            size, last = size + len(piece), piece
    assert size == 4294967400 and last.endswith(b"\0end\n")
END
