"""Every route against every principal: the tests are made from the table of routes itself.

The table says for each route which kinds, roles and scopes may; what is expected is worked out here,
from that table, a second time and in another language.
"""

KINDS = ("anonymous", "user", "api_token", "push_token", "agent")
ROLES = ("none", "viewer", "manager", "admin", "super_admin")
ROLE_KINDS = ("user", "api_token")
TOKEN_KINDS = ("api_token", "push_token", "agent")


# Who brings credentials that are good for nothing.
OUTSIDERS = ("expired", "disabled", "expired token", "revoked token", "token of somebody disabled")


def principals(routes, outsiders=OUTSIDERS[:1], with_sets=False):
    """Names and what they are: (kind, role, scope, proved); scopes are those of the table and a foreign one.  With sets, tokens for another set than that of the path, too, whose proved is "other set"."""
    scopes = sorted({route["scope"] for route in routes if route["scope"]})
    yield "anonymous", None
    for name in outsiders:
        yield name, name
    for kind in TOKEN_KINDS if with_sets else ():
        yield f"{kind} * of another set", (kind, "super_admin" if kind in ROLE_KINDS else "none", "*", "other set")
    for role in ROLES[1:]:
        yield f"user {role}", ("user", role, "", False)
        yield f"user {role} proved", ("user", role, "", True)
        for scope in [*scopes, "elsewhere", "*"]:
            yield f"api_token {role} {scope}", ("api_token", role, scope, False)
    for kind in ("push_token", "agent"):
        for scope in [*scopes, "elsewhere", "*"]:
            yield f"{kind} {scope}", (kind, "none", scope, False)


def expected(route, who):
    """"allowed", or the status of the refusal."""
    if "anonymous" in route["kinds"]:
        return "allowed"
    if "signed" in route["flags"]: # nobody has a link here, and nothing else counts
        return 401
    if who is None or isinstance(who, str):
        return 401
    kind, role, scope, proved = who
    if kind not in route["kinds"]:
        return 403
    if kind in ROLE_KINDS and role not in route["roles"]:
        return 403
    if kind in TOKEN_KINDS and scope not in (route["scope"], "*"):
        return 403
    if "step_up" in route["flags"] and kind == "user" and not proved:
        return 403
    if proved == "other set" and "{set}" in route["path"]:
        return 403
    if proved == "other set":
        return "looked at" if "checks_sets" in route["flags"] else 403
    return "allowed"


def check(routes, ask, **which):
    """ask(route, who) makes the request and returns its status; yields (sentence, expected, status) for each that is wrong, and at the end the number of those that were tried."""
    tried = 0
    for route in routes:
        for name, who in principals(routes, **which):
            wanted = expected(route, who)
            status = ask(route, who)
            tried += 1
            if wanted == "looked at": # by the handler, which has tests of its own
                is_right = status != 401
            elif wanted == "allowed":
                is_right = status not in (401, 403)
            else:
                is_right = status == wanted
            if not is_right:
                yield f"{route['method']} {route['path']} as {name}", wanted, status
    yield tried
