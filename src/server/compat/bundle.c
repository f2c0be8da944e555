#include "server/compat/bundle.h"

#include "server/service.h"

/* Of a body; the same as BUNDLE_SIZE_MAX of src/archive, which is not known here. */
#define BODY_MAX ((uint64_t)16 << 20)

/* The listener is for this: as many as it can take. */
#define RATE_MINUTE 1000000

static void answer(struct request *r, const struct service_bundle *b)
{
    if (b->retry_after != NULL)
        reply_header(r, "Retry-After", b->retry_after);
    reply_bytes(r, b->status, "application/json", buf_slice(&b->body));
}

/* The published server knows one target and takes nothing else for it, "/backup/" neither. */
static void post_elsewhere(struct request *r)
{
    reply_problem(r, 404, "not_found", "there is nothing at this path");
}

static void post_backup(struct request *r)
{
    const struct service *s = request_app(r);
    const struct principal *p = request_principal(r);
    struct service_bundle b = {0};

    if (request_has_query(r)) {
        post_elsewhere(r);
        return;
    }
    if (p->kind != PRINCIPAL_ANONYMOUS && !principal_has_set(p, s->bundle_set)) {
        reply_problem(r, 403, "forbidden", "the token is for other sets");
        return;
    }
    s->push_bundle(s->arg, r, &b);
    answer(r, &b);
    buf_done(&b.body);
}

/* It knows no method but POST, and takes a body that is not there for an empty one. */
static unsigned published_status(unsigned status)
{
    return status == 405 ? 501 : status == 411 ? 500 : status;
}

/* Refusals have the published server's form, too. */
static void refuse(struct request *r, unsigned status, const char *code, const char *detail)
{
    const struct service *s = request_app(r);
    struct service_bundle b = {.status = published_status(status)};

    (void)code;
    (void)detail;
    s->refuse_bundle(s->arg, b.status, &b.body);
    answer(r, &b);
    buf_done(&b.body);
}

#define PUSH   PRINCIPAL_BIT(PRINCIPAL_PUSH_TOKEN)
#define ANYONE (PUSH | PRINCIPAL_BIT(PRINCIPAL_ANONYMOUS))

/* clang-format off */
#define BACKUP(who)                                                                                \
    {METHOD_POST, "/backup", who, 0, "push", ROUTE_CHECKS_SETS, BODY_MAX, "application/json",      \
     RATE_MINUTE, post_backup, "Push a bundle of JSON", refuse}
#define ELSEWHERE                                                                                  \
    {METHOD_POST, "/{path...}", ANYONE, 0, "push", ROUTE_CHECKS_SETS, BODY_MAX, "*",               \
     0, post_elsewhere, "Nothing: 404", refuse}
/* clang-format on */

const struct route api_bundle_routes[] = {BACKUP(PUSH), ELSEWHERE};
const size_t api_bundle_route_count = sizeof(api_bundle_routes) / sizeof(api_bundle_routes[0]);

const struct route api_bundle_open_routes[] = {BACKUP(ANYONE), ELSEWHERE};
const size_t api_bundle_open_route_count =
    sizeof(api_bundle_open_routes) / sizeof(api_bundle_open_routes[0]);
