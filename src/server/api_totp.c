/* Second factors of the user who asks, and who needs one. */
#include <string.h>

#include "base/mem.h"
#include "server/auth.h"

/* What an authenticator program takes as a link or a QR code; names have no byte to be escaped but
 * '@' and '+'. */
static void put_link(const char *user, const char *secret, struct buf *out)
{
    buf_printf(out, "otpauth://totp/Holdfast:");
    for (const char *s = user; *s != '\0'; s++)
        buf_printf(out, *s == '@' || *s == '+' ? "%%%02X" : "%c", (unsigned char)*s);
    buf_printf(out, "?secret=%s&issuer=Holdfast&algorithm=SHA1&digits=6&period=30", secret);
}

/* Nothing is stored before a code shows that the program has it. */
static void post_new(struct request *r)
{
    char secret[CATALOG_TOTP_SECRET];
    AUTO(buf) struct buf link = {0};

    catalog_totp_new(secret);
    put_link(request_principal(r)->name, secret, &link);
    reply_json(r, 200, json_pack("{s:s, s:s}", "secret", secret, "link", buf_string(&link)));
    mem_wipe(secret, sizeof(secret));
}

struct factor {
    struct request *r;
    const struct catalog_user *user;
    const char *secret; /* of a new one; NULL: remove it */
    const char *code;
    bool is_right, is_there;
    char codes[CATALOG_RECOVERY_CODES][CATALOG_RECOVERY_SIZE];
};

static bool record(struct catalog_tx *t, const struct factor *f, const char *action, struct err *e)
{
    return auth_audit(t, f->r,
                      &(struct auth_record){.action = action,
                                            .object = f->user->name,
                                            .outcome = f->is_right ? "done" : "refused"},
                      e);
}

static bool set_factor(struct catalog_tx *t, void *arg, struct err *e)
{
    struct factor *f = arg;
    AUTO(arena) struct arena a = {0};
    struct catalog_user now = {0};

    f->is_right = false;
    if (!catalog_user_get(t, f->user->id, &a, &now, e))
        return false;
    f->is_there = now.has_totp;
    if (f->is_there)
        return true;
    f->is_right = true;
    return catalog_totp_set(t, now.id, f->secret, f->code, f->codes, e) &&
           catalog_factor_succeeded(t, now.id, e) && record(t, f, "totp.set", e);
}

static bool remove_factor(struct catalog_tx *t, void *arg, struct err *e)
{
    struct factor *f = arg;

    if (!auth_check_code(t, f->user->id, f->code, &f->is_right, e))
        return false;
    return (!f->is_right || (catalog_totp_remove(t, f->user->id, e) &&
                             catalog_factor_succeeded(t, f->user->id, e))) &&
           record(t, f, "totp.remove", e);
}

/* For a code that is right: a password alone must not lead to codes that stand for the factor. */
static bool renew_codes(struct catalog_tx *t, void *arg, struct err *e)
{
    struct factor *f = arg;

    if (!auth_check_code(t, f->user->id, f->code, &f->is_right, e))
        return false;
    return (!f->is_right || (catalog_recovery_new(t, f->user->id, f->codes, e) &&
                             catalog_factor_succeeded(t, f->user->id, e))) &&
           record(t, f, "totp.codes", e);
}

static json_t *codes_json(const struct factor *f)
{
    json_t *list = json_array();

    for (size_t i = 0; i < CATALOG_RECOVERY_CODES; i++)
        (void)json_array_append_new(list, json_string(f->codes[i]));
    return json_pack("{s:o}", "recovery_codes", list);
}

static void post_confirm(struct request *r)
{
    static const struct field table[] = {
        {"secret", FIELD_TEXT, FIELD_REQUIRED, .low = CATALOG_TOTP_SECRET - 1,
         .high = CATALOG_TOTP_SECRET - 1},
        {"code", FIELD_TEXT, FIELD_REQUIRED, .low = 6, .high = 6},
        {0},
    };
    AUTO(arena) struct arena a = {0};
    struct catalog_session session = {0};
    struct factor f = {.r = r, .user = &session.user};
    const json_t *body = NULL;
    struct err e = {0};

    if (!request_json(r, table, &body) || !auth_own_session(r, &a, &session) ||
        !auth_may_try(r, session.user.id))
        return;
    f.secret = auth_text(body, "secret");
    f.code = auth_text(body, "code");
    if (!catalog_write(auth_service(r)->catalog, set_factor, &f, &e)) {
        if (e.code == ERR_DENIED)
            auth_refuse_proof(r, 0);
        else
            reply_err(r, &e);
    } else if (f.is_there) {
        reply_problem(r, 409, "exists", "there is a second factor already: remove it first");
    } else {
        reply_json(r, 200, codes_json(&f));
    }
    mem_wipe(f.codes, sizeof(f.codes));
}

/* What takes a code of the present factor, and is answered unless it was done.  Of *f only the
 * codes outlive the call. */
static bool change_with_code(struct request *r, catalog_work_fn *change, struct factor *f)
{
    static const struct field table[] = {
        {"code", FIELD_TEXT, FIELD_REQUIRED, .low = 6, .high = AUTH_CODE_FIELD},
        {0},
    };
    AUTO(arena) struct arena a = {0};
    struct catalog_session session = {0};
    const json_t *body = NULL;

    if (!request_json(r, table, &body) || !auth_own_session(r, &a, &session) ||
        !auth_may_try(r, session.user.id))
        return false;
    *f = (struct factor){.r = r, .user = &session.user, .code = auth_text(body, "code")};
    if (!auth_write(r, change, f))
        return false;
    if (!f->is_right)
        auth_refuse_proof(r, 0);
    return f->is_right;
}

static void post_codes(struct request *r)
{
    struct factor f = {0};

    if (change_with_code(r, renew_codes, &f))
        reply_json(r, 200, codes_json(&f));
    mem_wipe(&f, sizeof(f));
}

static void post_remove(struct request *r)
{
    struct factor f = {0};

    if (change_with_code(r, remove_factor, &f))
        reply_empty(r, 204);
}

static void get_policy(struct request *r)
{
    struct catalog *c = auth_service(r)->catalog;
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    const char *value = NULL;
    struct err e = {0};

    if (!catalog_begin_read(c, &t, &e) ||
        !catalog_setting_get(t, IDENTITY_TOTP_SETTING, &a, &value, &e)) {
        reply_err(r, &e);
        return;
    }
    reply_json(r, 200, json_pack("{s:s}", "totp", value != NULL ? value : IDENTITY_TOTP_ON));
}

struct policy {
    struct request *r;
    const char *totp;
};

static bool set_policy(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct policy *p = arg;

    return catalog_setting_put(t, IDENTITY_TOTP_SETTING, p->totp, "identity", e) &&
           auth_audit(t, p->r,
                      &(struct auth_record){.action = "policy.change",
                                            .object = IDENTITY_TOTP_SETTING,
                                            .outcome = "done",
                                            .details = json_pack("{s:s}", "value", p->totp)},
                      e);
}

static void put_policy(struct request *r)
{
    static const char *const words[] = {IDENTITY_TOTP_ON, IDENTITY_TOTP_OFF, NULL};
    static const struct field table[] = {
        {"totp", FIELD_CHOICE, FIELD_REQUIRED, .words = words},
        {0},
    };
    const json_t *body = NULL;

    if (!request_json(r, table, &body))
        return;

    struct policy p = {.r = r, .totp = auth_text(body, "totp")};

    if (auth_write(r, set_policy, &p))
        reply_json(r, 200, json_pack("{s:s}", "totp", p.totp));
}

const struct route api_totp_routes[] = {
    {METHOD_POST, "/api/v1/auth/totp/new", AUTH_USER, AUTH_ALL, NULL,
     ROUTE_CSRF | ROUTE_UNSETTLED | ROUTE_STEP_UP, .handler = post_new,
     .summary = "A secret for a second factor"},
    {METHOD_POST, "/api/v1/auth/totp/confirm", AUTH_USER, AUTH_ALL, NULL,
     ROUTE_CSRF | ROUTE_UNSETTLED | ROUTE_STEP_UP, AUTH_BODY_MAX, AUTH_JSON, AUTH_TRIES,
     post_confirm, "Keep a second factor that works"},
    {METHOD_POST, "/api/v1/auth/totp/codes", AUTH_USER, AUTH_ALL, NULL, ROUTE_CSRF | ROUTE_STEP_UP,
     AUTH_BODY_MAX, AUTH_JSON, AUTH_TRIES, post_codes, "Other recovery codes"},
    {METHOD_POST, "/api/v1/auth/totp/remove", AUTH_USER, AUTH_ALL, NULL, ROUTE_CSRF | ROUTE_STEP_UP,
     AUTH_BODY_MAX, AUTH_JSON, AUTH_TRIES, post_remove, "Remove the second factor"},
    {METHOD_GET, "/api/v1/auth/policy", AUTH_USER, AUTH_SUPER, NULL, 0, .handler = get_policy,
     .summary = "Who needs a second factor"},
    {METHOD_PUT, "/api/v1/auth/policy", AUTH_USER, AUTH_SUPER, NULL, ROUTE_CSRF | ROUTE_STEP_UP,
     AUTH_BODY_MAX, AUTH_JSON, .handler = put_policy, .summary = "Say who needs a second factor"},
};
const size_t api_totp_route_count = sizeof(api_totp_routes) / sizeof(api_totp_routes[0]);
