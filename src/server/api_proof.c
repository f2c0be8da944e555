/* Proving again who one is, and one's own password. */
#include <string.h>

#include "server/auth.h"

/* Somebody who is in gives password or code once more. */
struct proof {
    struct request *r;
    struct catalog_session *session;
    const char *code;     /* or NULL */
    const char *new_hash; /* of a password to be set, or NULL */
    const char *action;   /* for the audit log */
    int64_t version;      /* of the user whose password was compared */
    bool is_right;
    char token[CATALOG_SESSION_TOKEN];
};

/* The password changes, all sessions end, and this one begins anew. */
static bool replace_password(struct catalog_tx *t, struct proof *p, struct err *e)
{
    const struct catalog_session_start start = {
        .user = p->session->user.id,
        .peer = request_address(p->r),
        .agent = request_header(p->r, "User-Agent"),
        .is_stepped_up = true,
    };

    return catalog_user_set_password(t, start.user, p->new_hash, false, e) &&
           catalog_session_new(t, &start, p->token, e);
}

static bool finish_proof(struct catalog_tx *t, void *arg, struct err *e)
{
    struct proof *p = arg;
    const struct catalog_user *user = &p->session->user;
    AUTO(arena) struct arena a = {0};
    struct catalog_user now = {0};
    bool is_right = p->is_right;

    if (!catalog_user_get(t, user->id, &a, &now, e))
        return false;
    if (p->code != NULL && !auth_check_code(t, user->id, p->code, &is_right, e))
        return false;
    is_right = is_right && !now.is_disabled && now.version == p->version;
    p->is_right = is_right;
    if (is_right && !catalog_factor_succeeded(t, user->id, e))
        return false;
    if (is_right &&
        !(p->new_hash != NULL ? replace_password(t, p, e)
                              : catalog_session_step_up(t, p->session->id, p->token, e)))
        return false;
    return auth_audit(t, p->r,
                      &(struct auth_record){.action = p->action,
                                            .object = user->name,
                                            .outcome = is_right ? "done" : "refused"},
                      e);
}

/* Compare the password of a user who is in; limited in tries. False: there is an answer. */
static bool try_password(struct proof *p, const char *password)
{
    struct catalog *c = auth_service(p->r)->catalog;
    AUTO(arena) struct arena a = {0};
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct catalog_user user = {0};
    struct err e = {0};
    bool is_done =
        catalog_begin_read(c, &t, &e) && catalog_user_find(t, p->session->user.name, &a, &user, &e);

    catalog_tx_auto(&t);
    t = NULL;
    is_done = is_done &&
              catalog_password_check(c, user.password, slice_string(password), &p->is_right, &e);
    p->version = user.version;
    if (!is_done)
        reply_err(p->r, &e);
    return is_done;
}

static void finish(struct proof *p)
{
    struct catalog_user user = p->session->user;

    if (!auth_write(p->r, finish_proof, p))
        return;
    if (!p->is_right) {
        auth_refuse_proof(p->r, 0);
        return;
    }
    user.must_change = user.must_change && p->new_hash == NULL;
    auth_reply_in(p->r, p->token, &user);
}

static void post_step_up(struct request *r)
{
    static const struct field table[] = {
        {"password", FIELD_TEXT, FIELD_NULLABLE, .low = 1, .high = AUTH_PASSWORD_FIELD},
        {"code", FIELD_TEXT, FIELD_NULLABLE, .low = 1, .high = AUTH_CODE_FIELD},
        {0},
    };
    AUTO(arena) struct arena a = {0};
    struct catalog_session session = {0};
    struct proof p = {.r = r, .session = &session, .action = "step_up"};
    const json_t *body = NULL;

    if (!request_json(r, table, &body) || !auth_own_session(r, &a, &session))
        return;

    const char *password = auth_text(body, "password");

    p.code = auth_text(body, "code");
    p.version = session.user.version;
    if ((password == NULL) == (p.code == NULL)) {
        reply_problem(r, 400, "invalid_field", "either password or code is needed");
        return;
    }
    if (auth_may_try(r, session.user.id) && (password == NULL || try_password(&p, password)))
        finish(&p);
}

static void post_password(struct request *r)
{
    static const struct field table[] = {
        {"current", FIELD_TEXT, FIELD_REQUIRED, .low = 1, .high = AUTH_PASSWORD_FIELD},
        {"new", FIELD_TEXT, FIELD_REQUIRED, .low = 1, .high = AUTH_PASSWORD_FIELD},
        {0},
    };
    AUTO(arena) struct arena a = {0};
    struct catalog_session session = {0};
    char hash[CATALOG_PASSWORD_HASH];
    struct proof p = {.r = r, .session = &session, .action = "password.change"};
    const json_t *body = NULL;
    struct err e = {0};

    if (!request_json(r, table, &body) || !auth_own_session(r, &a, &session))
        return;

    const char *current = auth_text(body, "current");
    const char *chosen = auth_text(body, "new");

    if (strcmp(current, chosen) == 0) {
        reply_problem(r, 400, "invalid_field", "new: is the password that is to be changed");
        return;
    }
    if (!auth_may_try(r, session.user.id) || !try_password(&p, current))
        return;
    /* Nobody learns whether the present one is right by trying bad new ones. */
    if (p.is_right && !catalog_password_hash(auth_service(r)->catalog, session.user.name,
                                             slice_string(chosen), hash, &e)) {
        reply_err(r, &e);
        return;
    }
    p.new_hash = p.is_right ? hash : NULL;
    finish(&p);
}

const struct route api_proof_routes[] = {
    {METHOD_POST, "/api/v1/auth/step-up", AUTH_USER, AUTH_ALL, NULL, ROUTE_CSRF | ROUTE_UNSETTLED,
     AUTH_BODY_MAX, AUTH_JSON, AUTH_TRIES, post_step_up, "Prove again who one is"},
    {METHOD_POST, "/api/v1/auth/password", AUTH_USER, AUTH_ALL, NULL, ROUTE_CSRF | ROUTE_UNSETTLED,
     AUTH_BODY_MAX, AUTH_JSON, AUTH_TRIES, post_password, "Change one's own password"},
};
const size_t api_proof_route_count = sizeof(api_proof_routes) / sizeof(api_proof_routes[0]);
