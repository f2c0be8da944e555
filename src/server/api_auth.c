/*
 * Coming in and going out.
 */
#include <string.h>

#include "base/clock.h"
#include "server/auth.h"
#include "server/login.h"

/* A login by the API, which begins a session. */
struct coming {
    struct request *r;
    char former[CATALOG_ID_SIZE]; /* session that the browser had before; or "" */
    char token[CATALOG_SESSION_TOKEN];
};

static void refuse_login(struct request *r, int64_t wait_s)
{
    auth_refuse(r, 401, "login_failed",
                "name, password or code are not right, or were tried too often", wait_s);
}

static bool start_session(struct catalog_tx *t, struct login *l, struct err *e)
{
    struct coming *g = l->arg;
    const struct catalog_session_start start = {
        .user = l->user.id,
        .peer = l->peer,
        .agent = request_header(g->r, "User-Agent"),
        .is_stepped_up = true,
    };

    return catalog_session_new(t, &start, g->token, e);
}

static bool end_former(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct coming *g = arg;

    return catalog_session_end(t, NULL, g->former, e);
}

/* The session that the browser has already; none, or one that is over, is fine. */
static void find_former(struct coming *g)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_session former = {0};
    struct err e = {0};

    if (auth_session(g->r, &a, &former, &e))
        memcpy(g->former, former.id, sizeof(g->former));
}

/* That one goes, now that there is another. */
static bool leave_former(struct catalog *c, struct coming *g, struct err *e)
{
    return g->former[0] == '\0' || catalog_write(c, end_former, g, e) || e->code == ERR_NOT_FOUND;
}

static void post_login(struct request *r)
{
    static const struct field table[] = {
        {"username", FIELD_TEXT, FIELD_REQUIRED, .low = 1, .high = CATALOG_USER_NAME_MAX},
        {"password", FIELD_TEXT, FIELD_REQUIRED, .low = 1, .high = AUTH_PASSWORD_FIELD},
        {"code", FIELD_TEXT, FIELD_NULLABLE, .low = 1, .high = AUTH_CODE_FIELD},
        {0},
    };
    struct catalog *c = auth_service(r)->catalog;
    AUTO(arena) struct arena a = {0};
    const json_t *body = NULL;
    struct coming g = {.r = r};
    struct login l = {.catalog = c, .peer = request_address(r), .enter = start_session, .arg = &g};
    struct err e = {0};

    if (!request_json(r, table, &body))
        return;
    l.name = auth_text(body, "username");
    l.password = auth_text(body, "password");
    l.code = auth_text(body, "code");
    find_former(&g);
    if (!login_try(&l, &a, &e) || (l.is_in && !leave_former(c, &g, &e)))
        reply_err(r, &e);
    else if (l.lacks_code)
        auth_refuse(r, 401, "totp_required", "a code of the second factor is needed", 0);
    else if (!l.is_in)
        refuse_login(r, l.wait_s);
    else
        auth_reply_in(r, g.token, &l.user);
}

struct leaving {
    struct request *r;
    const char *session;
};

static bool leave(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct leaving *l = arg;

    return catalog_session_end(t, NULL, l->session, e) &&
           auth_audit(t, l->r,
                      &(struct auth_record){.action = "logout", .object = "", .outcome = "done"},
                      e);
}

static void post_logout(struct request *r)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_session session = {0};

    if (!auth_own_session(r, &a, &session))
        return;

    struct leaving l = {.r = r, .session = session.id};

    if (!auth_write(r, leave, &l))
        return;
    auth_set_cookie(r, NULL);
    reply_empty(r, 204);
}

static void get_session(struct request *r)
{
    const struct principal *p = request_principal(r);
    AUTO(arena) struct arena a = {0};
    struct catalog_session session = {0};

    if (!auth_own_session(r, &a, &session))
        return;

    const int64_t idle_s =
        session.user.role >= ROLE_ADMIN ? CATALOG_SESSION_IDLE_ADMIN_S : CATALOG_SESSION_IDLE_S;

    reply_json(r, 200,
               json_pack("{s:o, s:s, s:s?, s:s, s:o, s:o, s:o, s:I}", "user",
                         auth_user_json(&session.user), "csrf", p->csrf, "must", p->must, "id",
                         session.id, "created_at", auth_time_json(session.created_ns), "ends_at",
                         auth_time_json(session.created_ns + CATALOG_SESSION_AGE_S * NS_PER_S),
                         "proved_at", auth_time_json(session.stepped_up_ns), "idle_seconds",
                         (json_int_t)idle_s));
}

const struct route api_auth_routes[] = {
    {METHOD_POST, "/api/v1/auth/login", PRINCIPAL_BIT(PRINCIPAL_ANONYMOUS), 0, NULL, 0,
     AUTH_BODY_MAX, AUTH_JSON, AUTH_TRIES, post_login, "Begin a session"},
    {METHOD_POST, "/api/v1/auth/logout", AUTH_USER, AUTH_ALL, NULL, ROUTE_CSRF | ROUTE_UNSETTLED,
     .handler = post_logout, .summary = "End the session"},
    {METHOD_GET, "/api/v1/auth/session", AUTH_USER, AUTH_ALL, NULL, ROUTE_UNSETTLED,
     .handler = get_session, .summary = "The session and its user"},
};
const size_t api_auth_route_count = sizeof(api_auth_routes) / sizeof(api_auth_routes[0]);
