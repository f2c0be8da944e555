/* The audit log. */
#include "base/text.h"
#include "server/api_private.h"

#define API_AUDIT API_PEOPLE, ROLES_FROM(ROLE_ADMIN), "audit:read"

static void get_audit(struct request *r)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_audit_filter f = {.actor = request_query(r, "actor"),
                                     .object = request_query(r, "object"),
                                     .action = request_query(r, "action"),
                                     .outcome = request_query(r, "outcome")};
    const char *before = request_query(r, "before");
    struct catalog_audit_list list = {0};
    struct request_page page;
    uint64_t seq = 0;
    json_t *items;
    struct err e = {0};

    if (!request_page(r, API_LIMIT_MAX, &page) || !api_query_time(r, "from", &f.from_ns) ||
        !api_query_time(r, "until", &f.until_ns))
        return;
    if (before != NULL && (!parse_u64(before, &seq, &e) || seq < 1 || seq > INT64_MAX)) {
        reply_problem(r, 400, "invalid_query", "before: must be the number of a record");
        return;
    }
    f.before_seq = (int64_t)seq;
    f.limit = page.limit;
    if (!catalog_begin_read(auth_service(r)->catalog, &t, &e) ||
        !catalog_audit_list(t, &f, &a, &list, &e)) {
        reply_err(r, &e);
        return;
    }
    items = json_array();
    for (size_t i = 0; i < list.count; i++) {
        const struct catalog_audit_record *x = &list.items[i];

        (void)json_array_append_new(
            items,
            json_pack("{s:I, s:o, s:s, s:s, s:s, s:s, s:o}", "seq", (json_int_t)x->seq, "time",
                      auth_time_json(x->time_ns), "actor", x->actor, "action", x->action, "object",
                      x->object, "outcome", x->outcome, "details", api_document(x->details)));
    }
    reply_json(r, 200, json_pack("{s:o}", "records", items));
}

static void get_verdict(struct request *r)
{
    struct catalog_audit_verdict v = {0};
    struct err e = {0};

    if (!catalog_audit_verify(auth_service(r)->catalog, &v, &e))
        reply_err(r, &e);
    else
        reply_json(r, 200,
                   json_pack("{s:b, s:I, s:o, s:s?}", "sound", (int)v.is_sound, "records",
                             (json_int_t)v.count, "bad_record",
                             v.is_sound ? json_null() : json_integer((json_int_t)v.bad_seq),
                             "reason", v.is_sound ? NULL : v.reason));
}

/* Verifying reads the whole log. */
const struct route api_audit_routes[] = {
    {METHOD_GET, "/api/v1/audit", API_AUDIT, .handler = get_audit,
     .summary = "Who did what, newest first"},
    {METHOD_GET, "/api/v1/audit/verdict", API_AUDIT, ROUTE_NO_HEAD, .rate_minute = 6,
     .handler = get_verdict, .summary = "Whether somebody changed the audit log"},
};
const size_t api_audit_route_count = sizeof(api_audit_routes) / sizeof(api_audit_routes[0]);
