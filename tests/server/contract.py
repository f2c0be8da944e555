"""docs/openapi.yaml as something that answers are held against."""

import json
import os

import jsonschema
import yaml

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/openapi.yaml")
METHODS = ("get", "post", "put", "patch", "delete")


def plain(schema):
    """OpenAPI 3.0 says "nullable" where JSON Schema has a type more."""
    if isinstance(schema, list):
        return [plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: plain(value) for key, value in schema.items() if key not in ("nullable", "example")}
    if schema.get("nullable") and isinstance(out.get("type"), str):
        out["type"] = [out["type"], "null"]
    return out


class Contract:
    def __init__(self):
        with open(PATH, encoding="utf-8") as text:
            self.document = yaml.safe_load(text)
        self.plain = plain(self.document)
        self.resolver = jsonschema.RefResolver.from_schema(self.plain)
        self.checked = {} # (method, path) -> statuses that were seen

    def operations(self):
        """(METHOD, path, operation) of all."""
        for path, item in self.plain["paths"].items():
            for method, operation in item.items():
                assert method in METHODS, method
                yield method.upper(), path, operation

    def resolve(self, part):
        return self.resolver.resolve(part["$ref"])[1] if "$ref" in part else part

    def find(self, method, target):
        """The path of the document that a target belongs to: words win over parameters."""
        segments = target.split("?")[0].split("/")
        found = []
        for path, item in self.plain["paths"].items():
            parts = path.split("/")
            if method.lower() in item and len(parts) == len(segments) and all(
                    p.startswith("{") or p == s for p, s in zip(parts, segments)):
                found.append((path.count("{"), path))
        assert found, f"{method} {target} stands nowhere"
        return min(found)[1]

    def check(self, method, target, answer):
        """That an answer is one that the document tells of."""
        path = self.find(method, target)
        operation = self.plain["paths"][path][method.lower()]
        responses = operation["responses"]
        status = str(answer.status)
        where = f"{method} {path} {status}"
        assert status in responses or (answer.status >= 400 and "default" in responses), where
        response = self.resolve(responses.get(status, responses.get("default")))
        content = response.get("content")
        kind = answer.headers.get("content-type")
        self.checked.setdefault((method, path), set()).add(answer.status)
        for name in response.get("headers", {}):
            assert name.lower() in answer.headers, f"{where}: no {name}"
        if content is None:
            assert answer.body == b"", where
            return
        assert kind in content, f"{where}: {kind}"
        if kind == "application/x-ndjson":
            assert all(isinstance(json.loads(line), dict) for line in answer.body.splitlines()), where
        elif kind.endswith("json"):
            jsonschema.Draft4Validator(content[kind]["schema"], resolver=self.resolver).validate(answer.json())
