#!/bin/sh
# The service knows from its jobs whether a repository is there, and why not.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

make_repository
mkdir data
echo one >data/file
"$PYTHON" - "$work" "$here/../support" <<'PY' || fail "see above"
import json
import os
import sys

sys.path.insert(0, sys.argv[2])
import service_rig  # noqa: E402

folder, repository, key = sys.argv[1], os.environ["HOLDFAST_REPOSITORY"], os.environ["HOLDFAST_KEY_FILE"]
port, = service_rig.free_ports(1)
config = service_rig.write_file(folder + "/holdfast.yaml", f"""
state: {folder}/state
repositories:
  main: {{url: {repository}, key_file: {key}}}
sets:
  shop:
    repositories: [main]
    sources: [{{files: {{paths: [{folder}/data]}}}}]
serve:
  listen: ["127.0.0.1:{port}"]
""")
service = service_rig.Service("serve", config, port)
made = service.program("token", "add", "test", "--role", "admin", "--verb", "*", "--set", "*", "--json")
headers = {"Authorization": "Bearer " + json.loads(made.splitlines()[-1])["token"]}


def stores():
    return service_rig.ask(port, "GET", "/api/v1/stores", None, headers).json()["stores"]


def becomes(state):
    return service_rig.wait_until(lambda: [s for s in stores() if s["state"] == state], f"the store is {state}")[0]


def order(verb):
    answer = service_rig.ask(port, "POST", "/api/v1/sets/shop/" + verb, {}, headers)
    assert answer.status == 202, answer.body


service.start().wait_ready()
try:
    assert stores() == []
    order("backup")
    first = becomes("up")
    assert (first["name"], first["snapshots"], first["bytes"], first["error"]) == ("main", None, None, None), first
    order("check")
    service_rig.wait_until(lambda: stores()[0]["snapshots"] == 1, "the check counts")
    seen = stores()[0]["seen_at"]
    os.rename(repository, repository + ".away")
    order("check")
    down = becomes("down")
    assert repository in down["error"] and down["seen_at"] == seen and down["snapshots"] == 1, down
    os.rename(repository + ".away", repository)
    order("backup")
    back = becomes("up")
    assert back["error"] is None and back["seen_at"] > seen, back
finally:
    service.stop()
PY
