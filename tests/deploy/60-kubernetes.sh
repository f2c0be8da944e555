#!/bin/sh
# The manifests are what Kubernetes takes, refer to what exists, and leave their pods no rights; the configuration is valid.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
top=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$top/tests/e2e/lib.sh"

for program in node npm; do
    command -v "$program" >/dev/null || { echo "no $program"; exit 77; }
done
cp "$top"/tests/deploy/kubernetes/* .
npm ping >/dev/null 2>&1 || { echo "npm reaches no registry"; exit 77; }
status 0 npm ci --no-audit --no-fund --ignore-scripts

cat >together.py <<'PY'
"""What no schema says: references lead somewhere, and pods may do nothing that they need not."""
import pathlib
import sys
import yaml

top = pathlib.Path(sys.argv[1])
files = [*top.rglob("*.yaml"), *top.rglob("*.example")]
every = [m for f in files for m in yaml.safe_load_all(f.read_text(encoding="utf-8"))]
named = {(m["kind"], m["metadata"]["name"]): m for m in every}
assert len(named) == len(every), "a name twice"
assert sorted({m["kind"] for m in every}) == ["ConfigMap", "CronJob", "Deployment", "NetworkPolicy", "PersistentVolumeClaim",
                                               "Secret", "Service", "ServiceAccount"], sorted(named)
pods = []
for m in every:
    if m["kind"] == "CronJob":
        pods.append(m["spec"]["jobTemplate"]["spec"]["template"])
    if m["kind"] == "Deployment":
        pods.append(m["spec"]["template"])
        assert m["spec"]["selector"]["matchLabels"] == pods[-1]["metadata"]["labels"], m
assert len(pods) == 3
for pod in pods:
    spec, (box,) = pod["spec"], pod["spec"]["containers"]
    assert named["ServiceAccount", spec["serviceAccountName"]]["automountServiceAccountToken"] is False
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(spec), box["name"]
    own, inner = spec["securityContext"], box["securityContext"]
    assert own["runAsNonRoot"] and own["runAsUser"] == own["runAsGroup"] == own["fsGroup"] == 10400, own
    assert own["seccompProfile"] == {"type": "RuntimeDefault"}, own
    assert inner == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}, inner
    assert box["resources"]["requests"] and box["resources"]["limits"]["memory"]
    assert not any("valueFrom" in v for v in box["env"]) and "envFrom" not in box, "secrets come as files"
    mounts = {v["name"]: v["mountPath"] for v in box["volumeMounts"]}
    assert set(mounts) == {v["name"] for v in spec["volumes"]}, mounts
    assert mounts["scratch"] in [v["value"] for v in box["env"] if v["name"] == "TMPDIR"]
    for volume in spec["volumes"]:
        if "persistentVolumeClaim" in volume:
            assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in named
        for source in volume.get("projected", {}).get("sources", []):
            for kind, key in (("configMap", "ConfigMap"), ("secret", "Secret")):
                if kind in source:
                    there = named[key, source[kind]["name"]]
                    assert {i["key"] for i in source[kind]["items"]} == set(there.get("data") or there["stringData"]), source
            assert volume["projected"]["defaultMode"] == 0o440
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        if box["name"] == "serve":
            probe = box[kind]["httpGet"]
            assert probe["path"] == ("/readyz" if kind == "readinessProbe" else "/healthz"), probe
            assert probe["port"] in [p["name"] for p in box["ports"]], probe
service = named["Service", "holdfast"]["spec"]
(target,) = [p for p in pods if service["selector"].items() <= p["metadata"]["labels"].items()]
assert service["ports"][0]["targetPort"] in [p["name"] for p in target["spec"]["containers"][0]["ports"]]
chosen = named["NetworkPolicy", "holdfast"]["spec"]["podSelector"]["matchLabels"].items()
assert all(chosen <= p["metadata"]["labels"].items() for p in pods)
pathlib.Path("holdfast.yaml").write_text(named["ConfigMap", "holdfast"]["data"]["holdfast.yaml"], encoding="utf-8")
pathlib.Path("main.key").write_text(named["Secret", "holdfast"]["stringData"]["main.key"], encoding="utf-8")
# The files that the configuration names are those that are mounted.
config = yaml.safe_load(pathlib.Path("holdfast.yaml").read_text(encoding="utf-8"))
text = str(config)
for key in named["Secret", "holdfast"]["stringData"]:
    assert f"'/etc/holdfast/secret/{key}'" in text, key
assert target["spec"]["containers"][0]["ports"][0]["containerPort"] == int(config["serve"]["listen"][0].rsplit(":", 1)[1])
PY
check() { find "$1" -name '*.yaml' -exec node check.js {} + && node check.js "$1/secret.yaml.example" && "$PYTHON" together.py "$1"; }

status 0 check "$top/deploy/kubernetes"
for name in holdfast-serve holdfast-worker holdfast-backup; do
    has out "$name"
done
chmod 600 holdfast.yaml main.key
status 0 "$HOLDFAST" config validate -c holdfast.yaml
# What stands in the example of the Secret is no key, and no default.
"$HOLDFAST" init -q -r repo --key-file right.key
status 2 "$HOLDFAST" snapshots -r repo --key-file main.key
has err 'is no key file'

# broken FILE OLD NEW WHAT: with OLD exchanged for NEW the manifests are refused because of WHAT.
broken() {
    rm -rf copy
    cp -r "$top/deploy/kubernetes" copy
    sed -i "s|$2|$3|" "copy/$1"
    ! cmp -s "copy/$1" "$top/deploy/kubernetes/$1" || fail "nothing was broken in $1"
    status 1 check copy
    has err "$4"
}
broken service/serve.yaml 'replicas: 1' 'replicas: one' '/spec/replicas'
broken service/serve.yaml 'readOnlyRootFilesystem' 'readOnlyRootFileSystem' 'readOnlyRootFileSystem: unknown'
broken service/worker.yaml '^  selector:' '  selectors:' '/spec: required {"missingProperty":"selector"}'
broken service/worker.yaml 'drop: \[ALL\]' 'drop: [KILL]' 'KILL'
broken cronjob/backup.yaml 'name: holdfast, items' 'name: other, items' "'ConfigMap', 'other'"
broken networkpolicy.yaml 'port: 5432' 'ports: 5432' 'ports: unknown'
