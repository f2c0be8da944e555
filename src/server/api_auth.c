/*
 * Coming in and going out.
 *
 * A login answers all that is wrong with one status and one sentence, after the same work: whether
 * there is such a user, whether he is disabled, whether the password was even looked at.
 */
#include <string.h>

#include "base/clock.h"
#include "server/auth.h"

struct login {
    struct request *r;
    const char *code; /* or NULL */
    const struct catalog_user *user;
    bool is_known, is_right; /* there is such a user; the password is his */
    bool needs_second_factor;
    bool is_in;                   /* what came of it */
    char former[CATALOG_ID_SIZE]; /* session that the browser had before; or "" */
    char token[CATALOG_SESSION_TOKEN];
};

static void refuse_login(struct request *r, int64_t wait_s)
{
    auth_refuse(r, 401, "login_failed",
                "name, password or code are not right, or were tried too often", wait_s);
}

/* Whether the user is still what the password was compared with, and the second factor is right. */
static bool check_user(struct catalog_tx *t, struct login *l, bool *is_right, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_user now = {0};

    *is_right = false;
    if (!catalog_user_get(t, l->user->id, &a, &now, e))
        return false;
    if (now.is_disabled || now.version != l->user->version)
        return true;
    if (now.has_totp && l->code != NULL)
        return auth_check_code(t, now.id, l->code, is_right, e);
    *is_right = !now.has_totp && !l->needs_second_factor;
    return true;
}

static bool start_session(struct catalog_tx *t, struct login *l, struct err *e)
{
    const struct catalog_session_start start = {
        .user = l->user->id,
        .peer = request_address(l->r),
        .agent = request_header(l->r, "User-Agent"),
        .is_stepped_up = true,
    };

    return catalog_login_succeeded(t, l->user->name, request_address(l->r), e) &&
           catalog_factor_succeeded(t, l->user->id, e) &&
           catalog_user_set_login(t, l->user->id, e) && catalog_session_new(t, &start, l->token, e);
}

/* The record of somebody unknown has no name in it: people type passwords there. */
static bool finish_login(struct catalog_tx *t, void *arg, struct err *e)
{
    struct login *l = arg;

    l->is_in = false;
    if (l->is_right && !check_user(t, l, &l->is_in, e))
        return false;
    return (!l->is_in || start_session(t, l, e)) &&
           auth_audit(t, l->r,
                      &(struct auth_record){
                          .actor = l->is_in ? l->user->name : request_address(l->r),
                          .action = "login",
                          .object = l->is_known ? l->user->name : "",
                          .outcome = l->is_in ? "done" : "refused",
                      },
                      e);
}

/* Find the user and compare the password; takes as long for names that nobody has. */
static bool compare(struct catalog *c, const char *name, const char *password, struct arena *a,
                    struct catalog_user *user, struct login *l, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;

    if (!catalog_begin_read(c, &t, e))
        return false;
    l->is_known = catalog_user_find(t, name, a, user, e);
    if (!l->is_known && e->code != ERR_NOT_FOUND)
        return false;
    catalog_tx_auto(&t);
    t = NULL;
    return catalog_password_check(c, l->is_known ? user->password : NULL, slice_string(password),
                                  &l->is_right, e);
}

/* Whether the code may be looked at, or there is an answer. */
static bool may_try_code(struct login *l)
{
    struct catalog_login tries = {0};
    struct err e = {0};

    if (!l->is_right || !l->user->has_totp)
        return true;
    if (l->code == NULL) {
        auth_refuse(l->r, 401, "totp_required", "a code of the second factor is needed", 0);
        return false;
    }
    if (!catalog_factor_try(auth_service(l->r)->catalog, l->user->id, &tries, &e)) {
        reply_err(l->r, &e);
        return false;
    }
    if (!tries.is_allowed)
        refuse_login(l->r, tries.wait_s);
    return tries.is_allowed;
}

static bool end_former(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct login *l = arg;

    return catalog_session_end(t, NULL, l->former, e);
}

/* The session that the browser has already; none, or one that is over, is fine. */
static void find_former(struct login *l)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_session former = {0};
    struct err e = {0};

    if (auth_session(l->r, &a, &former, &e))
        memcpy(l->former, former.id, sizeof(l->former));
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
    struct catalog_user user = {0};
    struct catalog_login tries = {0};
    const json_t *body = NULL;
    struct login l = {.r = r, .user = &user};
    struct err e = {0};

    if (!request_json(r, table, &body))
        return;

    const char *name = auth_text(body, "username");

    l.code = auth_text(body, "code");
    if (!catalog_login_try(c, name, request_address(r), &tries, &e) ||
        (tries.is_allowed && !compare(c, name, auth_text(body, "password"), &a, &user, &l, &e))) {
        reply_err(r, &e);
        return;
    }
    if (!tries.is_allowed) {
        refuse_login(r, tries.wait_s);
        return;
    }
    l.needs_second_factor = tries.needs_second_factor;
    find_former(&l);
    if (!may_try_code(&l) || !auth_write(r, finish_login, &l))
        return;
    if (!l.is_in) {
        refuse_login(r, 0);
        return;
    }
    if (l.former[0] != '\0' && !catalog_write(c, end_former, &l, &e) && e.code != ERR_NOT_FOUND)
        reply_err(r, &e);
    else
        auth_reply_in(r, l.token, &user);
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
