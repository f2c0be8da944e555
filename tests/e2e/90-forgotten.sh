#!/bin/sh
# What was forgotten is listed and comes back, by hand and through the API, of its own set only, until a prune.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

make_repository
mkdir data other
echo one >data/file
echo page >other/page
put_config <<YAML
sets:
  shop: {repositories: [main], sources: [{files: {paths: [$work/data]}}]}
  wiki: {repositories: [main], sources: [{files: {paths: [$work/other]}}]}
YAML
backup() {
    status 0 "$HOLDFAST" backup --set "$1" --json
    json_get out 'lines[-1]["snapshot_id"]'
}
shop=$(backup shop)
echo two >data/file
backup shop >/dev/null
wiki=$(backup wiki)

# By hand.
status 0 "$HOLDFAST" snapshots --forgotten --json
json out 'lines[0] == []'
status 1 "$HOLDFAST" forget --undo "$shop"
has err 'is not forgotten'
status 0 "$HOLDFAST" forget "$shop" "$wiki"
status 0 "$HOLDFAST" snapshots --forgotten
has out 'Back until'
has out 'the next prune'
has out '2 snapshots'
status 0 "$HOLDFAST" snapshots --forgotten --set shop --json
json out "[(s['id'], s['state'], s['can_return'], s['kept_until'], s['reason']) for s in lines[0]] ==
    [('$shop', 'forgotten', True, None, 'forget')] and lines[0][0]['forgotten_at'] >= lines[0][0]['time']"
status 2 "$HOLDFAST" snapshots --forgotten --all
status 1 "$HOLDFAST" forget --undo "$wiki" --set shop
has err "there is no forgotten snapshot $wiki of set shop"
status 2 "$HOLDFAST" forget --undo "$shop" --host x
status 0 "$HOLDFAST" forget --undo "$(echo "$shop" | cut -c1-12)" --set shop --json
json out "lines[-1]['message_type'] == 'summary' and lines[-1]['undone'] == ['$shop']"
status 0 "$HOLDFAST" restore "$shop" --target back --verify
status 0 "$HOLDFAST" forget "$shop"

# Through the API.
"$PYTHON" - "$work" "$here/../support" "$shop" "$wiki" <<'PY' || fail "see above"
import json
import sys

sys.path.insert(0, sys.argv[2])
import service_rig  # noqa: E402

folder, _, shop, wiki = sys.argv[1:]
port, = service_rig.free_ports(1)
config = folder + "/holdfast.yaml"
with open(config, "a", encoding="utf-8") as out:
    out.write(f'serve:\n  listen: ["127.0.0.1:{port}"]\n')
service = service_rig.Service("serve", config, port)


def headers(name, sets):
    made = service.program("token", "add", name, "--role", "admin", "--verb", "*", "--set", sets, "--json")
    return {"Authorization": "Bearer " + json.loads(made.splitlines()[-1])["token"]}


boss, own = headers("boss", "*"), headers("own", "shop")


def ask(method, path, body=None, who=own):
    return service_rig.ask(port, method, "/api/v1/" + path, body, who)


def order(body, set_="shop", who=own):
    answer = ask("POST", f"sets/{set_}/forget", body, who)
    assert answer.status == 202, answer.body
    path = answer.headers["Location"].removeprefix("/api/v1/")

    def done():
        job = ask("GET", path, None, boss).json()
        return job if job["state"] not in ("queued", "running") else None
    return service_rig.wait_until(done, "forget")


def ids(query, set_="shop", who=own):
    return [s["id"] for s in ask("GET", f"sets/{set_}/snapshots?{query}", None, who).json()["snapshots"]]


service.start().wait_ready()
try:
    assert ids("forgotten=true") == [shop], ids("forgotten=true")
    assert shop not in ids("limit=50")
    page = ask("GET", "sets/shop/snapshots?forgotten=true").json()["snapshots"][0]
    assert page["can_return"] is True and page["kept_until"] is None, page

    # Not one of another set, nothing without a name, and no rule beside it.
    failed = order({"undo": [wiki]})
    assert failed["state"] == "failed" and "of set shop" in json.dumps(failed), failed
    assert ids("forgotten=true", "wiki", boss) == [wiki]
    assert ask("POST", "sets/shop/forget", {"undo": []}).status == 400
    assert order({"undo": [shop], "keep_last": 1})["state"] == "failed"
    assert ids("forgotten=true") == [shop]

    back = order({"undo": [shop[:10]]})
    assert back["state"] == "success", back
    assert back["result"]["details"]["undone"] == [shop], back
    assert ids("forgotten=true") == [] and shop in ids("limit=50")
finally:
    service.stop()
PY

# Too late.
status 0 "$HOLDFAST" forget "$shop"
status 0 "$HOLDFAST" prune
status 1 "$HOLDFAST" forget --undo "$shop"
has err 'what a prune has taken away does not come back'
status 0 "$HOLDFAST" snapshots --forgotten --json
json out 'lines[0] == []'
status 0 "$HOLDFAST" check --read-data
