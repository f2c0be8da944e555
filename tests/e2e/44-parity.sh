#!/bin/sh
# Damage on the disk is healed by parity, and what parity cannot do by a copy of the repository.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

# damage areas SIZE: four areas of so many bytes in each long pack, anywhere; one sector in each short one.
# damage spoil KEY...: other bytes all over.
cat >damage.py <<'PYTHON'
import glob, os, random, sys
def spoil(path, at, size):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(os.urandom(size))
if sys.argv[1] == "areas":
    for path in glob.glob("repo/packs/*/*"):
        size, area = os.path.getsize(path), int(sys.argv[2])
        if size <= area:
            at = 4096 * random.randrange((size + 4095) // 4096)
            spoil(path, at, min(4096, size - at))
        for _ in range(4 if size > area else 0):
            spoil(path, random.randrange(size - area), area)
for key in sys.argv[2:] if sys.argv[1] == "spoil" else ():
    spoil(f"repo/{key}", 0, os.path.getsize(f"repo/{key}"))
PYTHON
damage() { "$PYTHON" damage.py "$@"; }

make_repository
mkdir source
head -c 67000000 /dev/urandom >source/large
make_tree source/tree
status 0 "$HOLDFAST" backup source --pack-size 64M
status 0 "$HOLDFAST" parity status --json
json out 'lines[-1]["enabled"] and lines[-1]["unprotected"] == 0 and lines[-1]["parity_bytes"] < 0.04 * lines[-1]["bytes"]'
cp -a repo right

# 128+4: any four areas of 512 KiB of a pack of 64 MiB, a lost sector of a short one.
damage areas 524288
status 13 "$HOLDFAST" check --read-data
has err 'check --repair'
status 0 "$HOLDFAST" check --read-data --repair
has out 'healed: packs/'
has out 'All damage was healed.'
diff -r --exclude=tmp repo right || fail "the packs are not as they were"

# Metadata, destroyed or gone.
rm repo/config
damage spoil "$(cd repo && echo keys/*)" "$(cd repo && echo index/*)" "$(cd repo && echo commits/*)"
rm -r repo/snapshots
status 13 "$HOLDFAST" check
has err 'its parity stood in for it'
status 0 "$HOLDFAST" check --repair --json
json out '{l["from"] for l in lines if l["message_type"] == "healed"} >= {"parity"} and lines[-1]["num_errors"] == 0'
status 0 "$HOLDFAST" restore "latest:$PWD/source" --target back --verify
lacks err 'parity'
same source back
rm -rf back

# Parity itself.
damage spoil "$(cd repo && echo parity/commits/*)"
rm -r repo/parity/snapshots
status 13 "$HOLDFAST" check --read-data
has out 'Without parity: 1 object'
status 0 "$HOLDFAST" check --read-data --repair
has out 'made again from its object'
status 0 "$HOLDFAST" parity status
has out 'Unprotected: 0'

# Too much: the files are named, and another store helps.
cp -a repo good
damage spoil "$(cd repo && echo packs/*/* | cut -d' ' -f1)"
damage spoil "$(cd repo && echo packs/*/* | tr " " "\n" | tail -1)"
status 13 "$HOLDFAST" repair packs
has out 'not healed: packs/'
has out 'affected: snapshot'
status 13 "$HOLDFAST" check --read-data --repair
has err 'repair packs --from-repo'
status 0 "$HOLDFAST" repair packs --from-repo good --from-key-file key
has out 'the same pack was taken from the other repository'
status 0 "$HOLDFAST" check --read-data
diff -r --exclude=tmp --exclude=index repo/packs good/packs || fail "the packs are not those of the copy"
status 2 "$HOLDFAST" repair packs xyz

# Another repository with the same chunks in packs of its own.
status 0 "$HOLDFAST" init -r twin --key-file twinkey --from-repo repo --from-key-file key --copy-chunker-params
status 0 "$HOLDFAST" copy -r twin --key-file twinkey --from-repo repo --from-key-file key
rm -r repo/packs/* repo/parity/packs/*
status 13 "$HOLDFAST" check
status 0 "$HOLDFAST" repair packs --from-repo twin --from-key-file twinkey --json
json out 'lines[-1]["left"] == 0 and lines[-1]["chunks_lost"] == 0 and lines[-1]["chunks_copied"] > 10'
status 0 "$HOLDFAST" check --read-data
status 0 "$HOLDFAST" restore "latest:$PWD/source" --target back --verify
same source back
rm -rf back twin
status 0 "$HOLDFAST" init -r stranger --key-file strangerkey
status 2 "$HOLDFAST" repair packs --from-repo stranger --from-key-file strangerkey
has err 'copy-chunker-params'

# Another rule: areas of 512 KiB in packs of any size.
status 2 "$HOLDFAST" parity enable --shards 4+4
status 2 "$HOLDFAST" parity enable --percent 70
status 0 "$HOLDFAST" parity enable --shards 128+4
has out 'at least 512 KiB'
head -c 20000000 /dev/urandom >source/more
status 0 "$HOLDFAST" backup source
damage areas 524288
status 0 "$HOLDFAST" check --read-data --repair
status 0 "$HOLDFAST" restore "latest:$PWD/source" --target back --verify

# Off: nothing is left of it, and a lost config is a lost repository.
status 0 "$HOLDFAST" parity disable --json
json out 'not lines[-1]["enabled"] and lines[-1]["parity_bytes"] == 0 and lines[-1]["removed"] > 5'
[ -z "$(find repo/parity -type f)" ] || fail "parity is left"
status 0 "$HOLDFAST" backup source
[ -z "$(find repo/parity -type f)" ] || fail "parity was made"
status 0 "$HOLDFAST" check --read-data
rm repo/config
status 10 "$HOLDFAST" snapshots
status 0 "$HOLDFAST" init -r plain --key-file other --parity off
[ ! -e plain/parity ] || fail "parity was made"
