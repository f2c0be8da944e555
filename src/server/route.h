/*
 * One table of routes says all that may be asked and by whom: what has no row cannot be reached,
 * and a row that contradicts itself keeps the server from starting.  Tests walk the same table.
 */
#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H

#include <jansson.h>

#include "server/principal.h"

enum method {
    METHOD_GET, /* HEAD goes here as well */
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHODS,
};

#define ROUTE_PARAMETERS_MAX 8
#define ROUTE_PATH_MAX       256

enum route_flag {
    ROUTE_STEP_UP = 1 << 0,       /* the user proved himself in the last five minutes */
    ROUTE_CSRF = 1 << 1,          /* sessions send X-HF-CSRF; the browser says same-origin */
    ROUTE_IDEMPOTENT = 1 << 2,    /* takes an Idempotency-Key; with ROUTE_STREAM beside a
                                     Content-Digest, which stands for the body */
    ROUTE_STREAM = 1 << 3,        /* the handler reads the body with request_read() as it comes */
    ROUTE_ANY_ORIGIN = 1 << 4,    /* pages of other sites may send it; for listeners on loopback,
                                     and where no cookie counts */
    ROUTE_NO_HEAD = 1 << 5,       /* a GET with a cost: HEAD is refused, other sites too */
    ROUTE_CACHEABLE = 1 << 6,     /* the handler names the Cache-Control; else no-store */
    ROUTE_OPTIONAL_BODY = 1 << 7, /* may come without a body where one could be */
    ROUTE_UNSETTLED = 1 << 8,     /* also for users who must settle something first (principal.h) */
    /* The handler asks principal_has_set(): tokens that are for some sets only may come to rows
     * that have this, or a parameter {set}, which is then one of theirs. */
    ROUTE_CHECKS_SETS = 1 << 9,
    /* Only a signed link says who asks (link.h): cookies and tokens are not looked at. */
    ROUTE_SIGNED = 1 << 10,
};

struct request;

/* Answers the request with one call of reply.h.  Runs on a worker and may block. */
typedef void route_fn(struct request *r);

/*
 * Answers, with reply_json(), what reply_problem() was to answer (the same arguments): for APIs
 * that have a form of their own for refusals, the frame's as well as the handlers'.
 */
typedef void route_refuse_fn(struct request *r, unsigned status, const char *code,
                             const char *detail);

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): rows are written in this order */
struct route {
    enum method method;
    const char *path; /* "/api/v1/sets/{set}"; a parameter is a whole segment, a last "{name...}" is
                         the rest */
    unsigned kinds;   /* PRINCIPAL_BIT() of those who may; none: nobody, which is refused */
    unsigned roles;   /* ROLE_BIT() of users and API tokens who may */
    const char *scope;     /* what a token needs; set when a kind of token may */
    unsigned flags;        /* enum route_flag */
    uint64_t body_max;     /* bytes; 0: a body is refused */
    const char *body_type; /* media type of the body, without parameters; "*" for any */
    unsigned rate_minute;  /* requests in a minute for one principal (or address); 0: the default */
    route_fn *handler;
    const char *summary;     /* one line for `routes` and OpenAPI */
    route_refuse_fn *refuse; /* NULL: problems (reply.h) */
};

struct router;

/* Takes a table that lives as long.  ERR_USAGE naming the row that is wrong and why. */
MUST_CHECK bool router_new(const struct route *routes, size_t count, struct router **out,
                           struct err *e);
void router_free(struct router *r); /* accepts NULL */
void router_auto(struct router **r);

/* What stands for the parameters of a path: strings into the path given to router_find(). */
struct route_match {
    const struct route *route; /* NULL: none */
    unsigned methods;          /* 1U << enum method of all rows with this path */
    const struct route *near;  /* any of them; NULL: none */
    size_t count;
    const char *values[ROUTE_PARAMETERS_MAX];
};

/*
 * Find the row of a method and a decoded path; words win over parameters.  Writes NULs into path.
 * The work is proportional to the path.
 */
void router_find(const struct router *r, enum method method, char *path, struct route_match *out);

/* The value of a parameter, or NULL. */
const char *route_parameter(const struct route_match *m, const char *name);

/* "GET", ...; and "GET, HEAD, POST" for Allow, out with room for ROUTE_ALLOW_MAX. */
#define ROUTE_ALLOW_MAX 64
const char *method_name(enum method m);
MUST_CHECK bool method_parse(const char *name, enum method *out);
void route_allow(const struct route_match *m, char *out);

enum route_verdict {
    ROUTE_ALLOWED,
    ROUTE_UNKNOWN_CALLER, /* 401: anonymous, and somebody else might */
    ROUTE_FORBIDDEN,      /* 403 */
    ROUTE_PROVE_FIRST,    /* 403 with code "step_up_required" */
    ROUTE_SETTLE_FIRST,   /* 403 with the code that principal.must is */
};

/* Whether a principal may, at a time since 1970.  The whole authorization of the server. */
enum route_verdict route_decide(const struct route *route, const struct principal *p,
                                int64_t now_ns);

/* A step up lasts five minutes (security rules, 6.1). */
#define ROUTE_STEP_UP_NS (INT64_C(300) * 1000000000)

/*
 * The table as JSON, for `routes` and for the tests that are made from it: a list of
 * {"method","path",
 * "kinds","roles","scope","flags","body_max","body_type","rate_minute","summary"}.  The caller owns
 * it.
 */
json_t *route_list(const struct route *routes, size_t count);

#endif
