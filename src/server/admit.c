/*
 * Whether a request may be: first what its head says, on the thread that moves bytes; then who
 * asks, on a worker, before a byte of its body is read.
 */
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "codec/hash.h"
#include "server/private.h"

static bool refuse(struct request *r, unsigned status, const char *code, const char *detail)
{
    reply_problem(r, status, code, detail);
    return false;
}

/* After what no two parsers read alike nobody knows where the next request begins. */
static bool refuse_and_close(struct request *r, unsigned status, const char *detail)
{
    r->reply.closes = true;
    return refuse(r, status, "bad_request", detail);
}

static char *decoded(struct request *r, struct slice part)
{
    char out[GUARD_TARGET_MAX + 1];

    return guard_query_part(part, out) ? arena_string(&r->arena, slice_string(out)) : NULL;
}

static bool read_query(struct request *r, const char *s)
{
    r->queries = arena_take(&r->arena, GUARD_QUERY_MAX * sizeof(struct guard_field));
    while (*s != '\0') {
        const size_t size = strcspn(s, "&");
        const size_t name_size = strcspn(s, "=&");
        const bool has_value = name_size < size;
        struct guard_field *q = &r->queries[r->query_count];
        const char *name = decoded(r, SLICE_OF(s, name_size));
        const char *value =
            has_value ? decoded(r, SLICE_OF(s + name_size + 1, size - name_size - 1)) : "";

        if (name == NULL || value == NULL || name[0] == '\0' || r->query_count == GUARD_QUERY_MAX ||
            request_query(r, name) != NULL)
            return false;
        q->name = slice_string(name);
        q->value = slice_string(value);
        r->query_count++;
        s += size + (s[size] == '&');
    }
    return true;
}

static bool read_target(struct request *r)
{
    char path[GUARD_TARGET_MAX + 1];
    const size_t size = strcspn(r->target, "?");

    if (!guard_path(SLICE_OF(r->target, size), path))
        return refuse(r, 400, "bad_path", "the path cannot be read in one way only");
    r->path = arena_string(&r->arena, slice_string(path));
    r->routed_path = arena_string(&r->arena, slice_string(path));
    if (r->target[size] == '?' && !read_query(r, r->target + size + 1))
        return refuse(r, 400, "bad_query", "the query is malformed or names something twice");
    return true;
}

static bool find_route(struct request *r)
{
    const char *name = (const char *)r->head.method.data;
    enum method method = METHOD_GET;

    r->is_head = strcmp(name, "HEAD") == 0;
    if (!method_parse(r->is_head ? "GET" : name, &method))
        return refuse(r, 501, "not_implemented", "the method is not known here");
    router_find(r->server->router, method, r->routed_path, &r->match);
    if (r->match.methods == 0)
        return refuse(r, 404, "not_found", "there is nothing at this path");
    if (r->match.route == NULL || (r->is_head && (r->match.route->flags & ROUTE_NO_HEAD) != 0)) {
        char allow[ROUTE_ALLOW_MAX];

        route_allow(&r->match, allow);
        reply_header(r, "Allow", allow);
        return refuse(r, 405, "method_not_allowed", "the path does not take this method");
    }
    return true;
}

/* "application/json" of "application/json; charset=utf-8". */
static bool is_type(const char *given, const char *wanted)
{
    const size_t size = strcspn(given, "; \t");

    return strcmp(wanted, "*") == 0 ||
           (size == strlen(wanted) && strncasecmp(given, wanted, size) == 0);
}

static bool check_body(struct request *r)
{
    const struct route *route = r->match.route;
    const char *type = request_header(r, "Content-Type");

    r->has_body = r->facts.is_chunked || r->facts.length > 0;
    if (!r->has_body) {
        if (route->body_max > 0 && (route->flags & ROUTE_OPTIONAL_BODY) == 0 &&
            !r->facts.has_length)
            return refuse(r, 411, "length_required", "a body is needed");
        return true;
    }
    if (r->facts.length > route->body_max || route->body_max == 0)
        return refuse(r, 413, "body_too_large", "the body is larger than this path takes");
    if (!is_type(type == NULL ? "" : type, route->body_type) ||
        request_header(r, "Content-Encoding") != NULL)
        return refuse(r, 415, "unsupported_media_type",
                      "the body is of a type that is not taken here");
    return true;
}

/* Whether the page that sends this is ours, as far as the browser tells. */
static bool check_origin(struct request *r)
{
    const struct route *route = r->match.route;
    const char *origin = request_header(r, "Origin");
    const char *site = request_header(r, "Sec-Fetch-Site");

    if ((route->method == METHOD_GET && (route->flags & (ROUTE_CSRF | ROUTE_NO_HEAD)) == 0) ||
        (route->flags & ROUTE_ANY_ORIGIN) != 0)
        return true;
    if ((origin != NULL && strcasecmp(origin, r->origin) != 0) ||
        (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0))
        return refuse(r, 403, "cross_site", "a page of another site must not ask this");
    return true;
}

static bool check_rate(struct request *r, const char *kind, const char *who, uint32_t limit)
{
    AUTO(buf) struct buf name = {0};
    struct rate_state state;

    buf_printf(&name, "%s %s", kind, who);
    rate_take(r->server->rate, buf_string(&name), limit, clock_monotonic_ns(), &state);
    /* The narrowest is what the client is told. */
    if (r->rate.limit == 0 || !state.is_allowed || state.remaining < r->rate.remaining)
        r->rate = state;
    if (state.is_allowed)
        return true;
    return refuse(r, 429, "too_many_requests",
                  "too many requests; Retry-After says when to come back");
}

bool admit_head(struct request *r, const char *method, const char *version)
{
    const struct http_options *o = &r->server->options;
    const char *why = "the head is not strict HTTP/1.1";
    int status = 400;
    struct slice host;
    const char *behind;

    if (head_read(r, method, version))
        status = guard_check(&r->head, &r->facts, &why);
    if (status != 0)
        return refuse_and_close(r, (unsigned)status, why);
    /* Where a chunked body ends is read leniently by libmicrohttpd: nothing may follow it. */
    r->reply.closes = r->facts.is_chunked || r->server->is_stopping;
    peer_look_behind(r);
    if (!r->is_served)
        return refuse(r, 403, "address", "this address is not served here");
    behind = r->peer->is_proxy ? request_header(r, "X-Forwarded-Host") : NULL;
    host = behind == NULL ? r->facts.host : slice_string(behind);
    if (!guard_host_is_allowed(host, o->hosts, o->host_count))
        return refuse(r, 421, "unknown_host", "this Host is not served here");
    if (!check_rate(r, "address", r->customer_text, o->address_minute))
        return false;
    return read_target(r) && find_route(r) && check_body(r) && check_origin(r);
}

static bool check_csrf(struct request *r)
{
    const char *sent = request_header(r, "X-HF-CSRF");
    const size_t size = strlen(r->principal.csrf);

    if ((r->match.route->flags & ROUTE_CSRF) == 0 || r->principal.kind != PRINCIPAL_USER)
        return true;
    if (sent == NULL || size == 0 || strlen(sent) != size ||
        !equal_ct(sent, r->principal.csrf, size))
        return refuse(r, 403, "csrf", "X-HF-CSRF is missing or not the session's");
    return true;
}

/* 1 to 128 printable characters of ASCII. */
static bool check_key(struct request *r)
{
    const char *key = request_header(r, "Idempotency-Key");
    size_t size = 0;

    if (key == NULL || (r->match.route->flags & ROUTE_IDEMPOTENT) == 0)
        return true;
    while (key[size] >= ' ' && key[size] <= '~')
        size++;
    if (size == 0 || size > 128 || key[size] != '\0')
        return refuse(r, 400, "bad_idempotency_key",
                      "Idempotency-Key: must have 1 to 128 printable characters of ASCII");
    if ((r->match.route->flags & ROUTE_STREAM) != 0 && request_header(r, "Content-Digest") == NULL)
        return refuse(r, 400, "digest_required",
                      "Content-Digest: is needed beside an Idempotency-Key, to tell bodies apart");
    r->idempotency_key = key;
    return true;
}

/* A set that stands in the path is one that the caller may have to do with. */
static bool check_set(struct request *r)
{
    const char *set = route_parameter(&r->match, "set");

    return set == NULL || principal_has_set(&r->principal, set) ||
           refuse(r, 403, "forbidden", "the token is not for this set");
}

static bool check_route(struct request *r)
{
    switch (route_decide(r->match.route, &r->principal, clock_now_ns())) {
    case ROUTE_ALLOWED:
        return check_set(r);
    case ROUTE_UNKNOWN_CALLER:
        return refuse(r, 401, "unauthenticated", "say who you are");
    case ROUTE_FORBIDDEN:
        return refuse(r, 403, "forbidden", "you may not do this");
    case ROUTE_PROVE_FIRST:
        return refuse(r, 403, "step_up_required", "prove again that it is you");
    case ROUTE_SETTLE_FIRST:
        return refuse(r, 403, r->principal.must, "settle this first, below /api/v1/auth");
    }
    return false;
}

static bool check_own_rate(struct request *r, const char *who)
{
    const struct route *route = r->match.route;

    return route->rate_minute == 0 || check_rate(r, route->path, who, route->rate_minute);
}

bool admit_principal(struct request *r)
{
    const struct http_options *o = &r->server->options;
    const struct route *route = r->match.route;
    struct err e = {0};

    if (o->identify != NULL && !o->identify(o->identify_arg, r, &r->principal, &e)) {
        r->principal = (struct principal){0};
        /* A cookie that is stale must not keep anybody from what everybody may, such as logging in.
         */
        if ((route->kinds & PRINCIPAL_BIT(PRINCIPAL_ANONYMOUS)) != 0)
            return check_own_rate(r, r->customer_text) && check_key(r);
        if (e.code == ERR_DENIED)
            return refuse(r, 401, "unauthenticated", "these credentials are not valid");
        e.code = ERR_TRANSIENT; /* it cannot be known at present, for whatever reason */
        reply_err(r, &e);
        return false;
    }

    const bool is_anonymous = r->principal.kind == PRINCIPAL_ANONYMOUS;
    const char *who = is_anonymous ? r->customer_text : r->principal.id;

    if (!is_anonymous && !check_rate(r, "principal", who, o->principal_minute))
        return false;
    return check_own_rate(r, who) && check_route(r) && check_csrf(r) && check_key(r);
}
