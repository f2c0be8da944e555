"""Which request meets which fault.

A plan is JSON:

  {"seed": 7, "latency_ms": 50, "log": true, "rules": [RULE...]}

A rule says which requests it is for, which of these it strikes, and what happens to them; the
first rule that strikes decides.  For which requests (all given must hold):

  "method": "PUT"             "kind": "list" or ["get", "head"], see kind_of()
  "key": "/packs/"            a regular expression found in the decoded path

Which of these, counted from 0 for each rule; without any of them all:

  "at": 3 or [3, 5]           "from": 4            "times": 2 (at most so often)
  "chance": 0.1               drawn from the seed, the rule, the kind and the number within the
                              kind, so that the order in which threads arrive plays no part

What happens: "fault" is one of FAULTS, or a list of which one that fits is drawn.  Further members
are the fault's own; a member that is a list of two numbers is drawn from between them.

  drop            the connection is closed before anything is passed on
  reset           the same by RST, after "after_bytes" of the request's body
  delay           the request waits for "delay_ms"
  hang            nothing is ever answered
  status          "status" and "code" instead of an answer; "retry_after", "headers"; "early": before the
                  body has been read, and then the connection is closed
  lost-reply      carried out, then the connection is closed without an answer
  truncate        the answer's body ends after "after_bytes" (a part of it when not given)
  wrong-body      one byte of the answer's body is another
  drip            the answer's body comes at "bytes_per_s"
  stale-list      the answer that the same listing got first
  short-list      the listing is answered without its last object
  error-in-200    status 200 with an <Error> of "code" for body, after the request was NOT carried out
  redirect        "status" (307) to the same path at "to" (scheme://host:port)
  garbage         bytes that are no HTTP
"""

import random
import re

READS = {"get", "list"}
FAULTS = {  # what each fits; None: everything
    "drop": None, "reset": None, "delay": None, "hang": None, "status": None, "lost-reply": None,
    "truncate": READS, "wrong-body": READS, "drip": READS, "stale-list": {"list"},
    "short-list": {"list"}, "error-in-200": None, "redirect": None, "garbage": None,
}


def kind_of(method, has_key, query):
    """What a request is for, in S3's terms."""
    if "uploads" in query:
        return "begin-upload" if method == "POST" else "list-uploads"
    if "uploadId" in query:
        return {"PUT": "part", "POST": "complete-upload", "DELETE": "abort-upload"}.get(method, "other")
    if "delete" in query and method == "POST":
        return "delete-many"
    if not has_key:
        return "list" if method == "GET" and not query.keys() & {"location", "versioning", "object-lock"} \
            else "bucket"
    plain = {"GET": "get", "HEAD": "head", "PUT": "put", "DELETE": "delete"}
    return plain.get(method, "other") if not query.keys() & {"retention", "acl", "legal-hold"} else "other"


class Fault:
    """One fault for one request: its name, its members, and a generator for what is left to chance."""

    def __init__(self, name, members, dice):
        self.name = name
        self.members = members
        self.dice = dice

    def get(self, member, default=None):
        value = self.members.get(member, default)
        if isinstance(value, list) and len(value) == 2 and all(isinstance(v, (int, float)) for v in value):
            return self.dice.uniform(*value) if any(isinstance(v, float) for v in value) \
                else self.dice.randint(*value)
        return value


class Rule:
    def __init__(self, members, name):
        self.members = members
        self.name = name
        self.seen = self.struck = 0
        self.by_kind = {}
        self.key = re.compile(members["key"]) if "key" in members else None
        for fault in self.choices():
            if fault["fault"] not in FAULTS:
                raise ValueError(f"no fault {fault['fault']}")

    def choices(self):
        """The faults to choose from, each with its members."""
        faults = self.members["fault"]
        for fault in faults if isinstance(faults, list) else [faults]:
            yield {**self.members, **(fault if isinstance(fault, dict) else {"fault": fault})}

    def is_for(self, request):
        kinds = self.members.get("kind", request.kind)
        return self.members.get("method", request.method) == request.method and \
            request.kind in ([kinds] if isinstance(kinds, str) else kinds) and \
            (not self.key or self.key.search(request.path) is not None)

    def strike(self, request, seed):
        """The fault for this request, or None."""
        if not self.is_for(request):
            return None
        number, self.seen = self.seen, self.seen + 1
        in_kind = self.by_kind[request.kind] = self.by_kind.get(request.kind, -1) + 1
        dice = random.Random(f"{seed} {self.name} {request.kind} {in_kind}")
        at = self.members.get("at")
        if at is not None and number not in (at if isinstance(at, list) else [at]) or \
                number < self.members.get("from", 0) or \
                self.struck >= self.members.get("times", number + 1) or \
                dice.random() >= self.members.get("chance", 1):
            return None
        fitting = [f for f in self.choices() if FAULTS[f["fault"]] is None
                   or request.kind in FAULTS[f["fault"]]]
        if not fitting:
            return None
        self.struck += 1
        chosen = dice.choice(fitting)
        return Fault(chosen["fault"], chosen, dice)


class Plan:
    def __init__(self, members):
        unknown = set(members) - {"seed", "latency_ms", "log", "rules"}
        if unknown:
            raise ValueError(f"a plan has no {' or '.join(sorted(unknown))}")
        self.seed = members.get("seed", 0)
        self.latency_s = members.get("latency_ms", 0) / 1000
        self.log = members.get("log", False)
        self.rules = [Rule(rule, number) for number, rule in enumerate(members.get("rules", []))]

    def strike(self, request):
        for rule in self.rules:
            if fault := rule.strike(request, self.seed):
                return fault
        return None
