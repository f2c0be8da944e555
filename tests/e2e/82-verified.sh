#!/bin/sh
# "only: verified": a check of the service that read everything lets snapshots fill places of rules, until damage is found.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

make_repository
mkdir data
put_config <<YAML
sets:
  shop:
    repositories: [main]
    sources: [{files: {paths: [$work/data]}}]
    retention: {last: 1, only: verified, max_percent: 100}
YAML
for day in 6 5 4 3 2 1; do
    echo "$day" >data/file
    status 0 "$HOLDFAST" backup --set shop --json
    touch -d "$day days ago" "repo/commits/$(json_get out 'lines[-1]["snapshot_id"]')"
done

# Nobody looked yet: nothing counts, and nothing goes.
status 0 "$HOLDFAST" cleanup --dry-run --explain
has out '0 snapshots would be forgotten, 6 kept'
has out 'newer than the last one that counts'
status 2 "$HOLDFAST" forget --set shop --verified main=2026-01-01
has err '--verified goes with --failed-runs'
status 2 "$HOLDFAST" forget --set shop --failed-runs 0 --verified main
has err 'is not the id of a repository'

"$PYTHON" - "$work" "$here/../support" <<'PY' || fail "see above"
import glob
import os
import sys

sys.path.insert(0, sys.argv[2])
import json  # noqa: E402
import service_rig  # noqa: E402

folder = sys.argv[1]
port, = service_rig.free_ports(1)
config = folder + "/holdfast.yaml"
with open(config, "a", encoding="utf-8") as out:
    out.write(f'serve:\n  listen: ["127.0.0.1:{port}"]\n')
service = service_rig.Service("serve", config, port)
made = service.program("token", "add", "test", "--role", "admin", "--verb", "*", "--set", "*", "--json")
headers = {"Authorization": "Bearer " + json.loads(made.splitlines()[-1])["token"]}


def ask(method, path, body=None):
    return service_rig.ask(port, method, "/api/v1/" + path, body, headers)


def order(verb, body):
    answer = ask("POST", "sets/shop/" + verb, body)
    assert answer.status == 202, answer.body
    path = answer.headers["Location"].removeprefix("/api/v1/")

    def done():
        job = ask("GET", path).json()
        return job if job["state"] not in ("queued", "running") else None
    return service_rig.wait_until(done, verb)


def store():
    return ask("GET", "stores").json()["stores"][0]


def trust(plan):
    return [s["trust"] for s in plan["result"]["details"][0]["snapshots"]]


service.start().wait_ready()
try:
    assert order("check", {})["state"] == "success"
    assert store()["verified_at"] is None, store()
    assert order("check", {"read_data": True})["state"] == "success"
    assert store()["verified_at"] is not None
    plan = order("forget", {"dry_run": True})
    assert trust(plan) == ["verified"] * 6, plan
    assert plan["result"]["details"][0]["remove"] == 5, plan

    # What comes now is not verified: it stays, and takes no place.
    assert order("backup", {})["state"] == "success"
    plan = order("forget", {"dry_run": True})
    assert trust(plan)[0] == "none", plan
    assert [s["action"] for s in plan["result"]["details"][0]["snapshots"]][:2] == ["keep", "keep"], plan

    # Damage takes all of it back, whoever asks.
    pack = max(glob.glob(folder + "/repo/packs/*/*"), key=os.path.getsize)
    os.chmod(pack, 0o600)
    whole = open(pack, "rb").read()
    with open(pack, "r+b") as out:
        out.seek(len(whole) // 2)
        out.write(bytes(8))
    assert order("check", {"read_data": True})["state"] == "failed"
    assert store()["verified_at"] is None, store()
    assert "verified" not in trust(order("forget", {"dry_run": True}))
    with open(pack, "wb") as out:
        out.write(whole)
    assert order("check", {"read_data": True})["state"] == "success"
finally:
    service.stop()
PY

# Without "only" the same in a set with a check that reads everything; without that any sound one fills a place.
sed 's/, only: verified//' holdfast.yaml >loose.yaml
sed 's/    retention:/    check: {cron: "0 4 * * 0", read_data: true}\n&/' loose.yaml >checked.yaml
chmod 600 loose.yaml checked.yaml
status 0 "$HOLDFAST" forget -c loose.yaml --set shop --dry-run
has out 'Nothing proves the snapshots of this set: any sound one fills a place'
lacks out 'takes no place'
status 0 "$HOLDFAST" forget -c checked.yaml --set shop --dry-run
has out 'Only verified and proven snapshots fill places'
has out 'keep: last snapshot, takes no place: not verified'
has out 'keep: the last that was verified, last snapshot'

# By hand the same: the catalog knows.  The retention behind the backup above has removed what it may.
status 0 "$HOLDFAST" forget --set shop
status 0 "$HOLDFAST" snapshots --json
json out 'len(lines[0]) == 2'
status 0 "$HOLDFAST" forget --set shop --dry-run
has out 'verified'
