// Check manifests by the schemas of Kubernetes.  The schemas let unknown fields pass, the server only warns of them:
// here a field that no schema asks for is an error.
// Usage: node check.js FILE...
import { readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";

const problems = [];

// A view of a value that notes which of its fields were looked at; fields of maps are, one by one.
function watched(value, path, unread) {
  if (value === null || typeof value !== "object") return value;
  const inner = new Map();
  for (const key of Object.keys(value)) {
    unread.add(`${path}/${key}`);
    inner.set(key, watched(value[key], `${path}/${key}`, unread));
  }
  return new Proxy(value, {
    get(target, key) {
      unread.delete(`${path}/${String(key)}`);
      return inner.has(key) ? inner.get(key) : target[key];
    },
  });
}

async function check(name, manifest) {
  const [group, version] = manifest.apiVersion.includes("/") ? manifest.apiVersion.split("/") : ["", manifest.apiVersion];
  const packaged = group === "" ? "Core" : group.split(".")[0].replace(/^./, (c) => c.toUpperCase());
  const type = `IoK8sApi${packaged}${version.replace(/^v/, "V")}${manifest.kind}`;
  const { validate } = await import(`kubernetes-models/_schemas/${type}`);
  const unread = new Set();
  if (!validate(watched(manifest, "", unread)))
    for (const error of validate.errors) problems.push(`${name}: ${error.instancePath}: ${error.keyword} ${JSON.stringify(error.params)}`);
  // An unknown field is told, not what is inside it.
  for (const path of unread)
    if (![...unread].some((above) => path.startsWith(`${above}/`))) problems.push(`${name}: ${path}: unknown`);
  console.log(`${name}: ${manifest.kind} ${manifest.metadata.name}`);
}

for (const name of process.argv.slice(2))
  for (const document of parseAllDocuments(readFileSync(name, "utf8"), { version: "1.1", uniqueKeys: true })) {
    if (document.errors.length > 0) problems.push(...document.errors.map((error) => `${name}: ${error.message}`));
    else await check(name, document.toJS());
  }
for (const problem of problems) console.error(problem);
process.exit(problems.length > 0 ? 1 : 0);
