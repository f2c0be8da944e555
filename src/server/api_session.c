/* Sessions of the user who asks: the others of his own, and ending them. */
#include <string.h>

#include "server/auth.h"

static json_t *session_json(const struct catalog_session *s, const char *own)
{
    return json_pack("{s:s, s:b, s:o, s:o, s:s?, s:s?}", "id", s->id, "current",
                     strcmp(s->id, own) == 0, "created_at", auth_time_json(s->created_ns),
                     "seen_at", auth_time_json(s->seen_ns), "address", s->peer, "agent", s->agent);
}

static void get_sessions(struct request *r)
{
    struct catalog *c = auth_service(r)->catalog;
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_session own = {0};
    struct catalog_session_list list = {0};
    struct err e = {0};

    if (!auth_own_session(r, &a, &own))
        return;
    if (!catalog_begin_read(c, &t, &e) || !catalog_session_list(t, own.user.id, &a, &list, &e)) {
        reply_err(r, &e);
        return;
    }

    json_t *items = json_array();

    for (size_t i = 0; i < list.count; i++)
        (void)json_array_append_new(items, session_json(&list.items[i], own.id));
    reply_json(r, 200, json_pack("{s:o}", "sessions", items));
}

struct ending {
    struct request *r;
    const char *user, *user_name, *session; /* session NULL: all */
};

static bool end(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct ending *n = arg;

    return (n->session != NULL ? catalog_session_end(t, n->user, n->session, e)
                               : catalog_session_end_all(t, n->user, e)) &&
           auth_audit(t, n->r,
                      &(struct auth_record){
                          .action = "session.end", .object = n->user_name, .outcome = "done"},
                      e);
}

static void delete_session(struct request *r)
{
    const struct principal *p = request_principal(r);
    struct ending n = {
        .r = r, .user = p->id, .user_name = p->name, .session = request_parameter(r, "session")};

    if (auth_write(r, end, &n))
        reply_empty(r, 204);
}

static void delete_sessions(struct request *r)
{
    const struct principal *p = request_principal(r);
    struct ending n = {.r = r, .user = p->id, .user_name = p->name};

    if (!auth_write(r, end, &n))
        return;
    auth_set_cookie(r, NULL);
    reply_empty(r, 204);
}

const struct route api_session_routes[] = {
    {METHOD_GET, "/api/v1/auth/sessions", AUTH_USER, AUTH_ALL, NULL, 0, .handler = get_sessions,
     .summary = "One's own sessions"},
    {METHOD_DELETE, "/api/v1/auth/sessions", AUTH_USER, AUTH_ALL, NULL, ROUTE_CSRF,
     .handler = delete_sessions, .summary = "End all of one's own sessions"},
    {METHOD_DELETE, "/api/v1/auth/sessions/{session}", AUTH_USER, AUTH_ALL, NULL, ROUTE_CSRF,
     .handler = delete_session, .summary = "End one of one's own sessions"},
};
const size_t api_session_route_count = sizeof(api_session_routes) / sizeof(api_session_routes[0]);
