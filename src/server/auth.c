#include "server/auth.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "codec/hash.h"

const char *auth_cookie(const struct service *s)
{
    return s->is_secure ? IDENTITY_COOKIE_SECURE : IDENTITY_COOKIE_PLAIN;
}

/* Whoever can read it cannot make the token of it. */
void auth_csrf(const char *token, char out[AUTH_CSRF_SIZE])
{
    AUTO(buf) struct buf text = {0};
    struct hash h;

    buf_printf(&text, "holdfast csrf %s", token);
    sha256(buf_slice(&text), &h);
    hex_encode(SLICE_OF(h.bytes, HASH_SIZE), out);
}

void auth_set_cookie(struct request *r, const char *token)
{
    const struct service *s = auth_service(r);
    AUTO(buf) struct buf line = {0};

    buf_printf(&line, "%s=%s; Path=/; HttpOnly; SameSite=Strict%s%s", auth_cookie(s),
               token != NULL ? token : "", s->is_secure ? "; Secure" : "",
               token != NULL ? "" : "; Max-Age=0");
    reply_header(r, "Set-Cookie", buf_string(&line));
}

bool auth_session(const struct request *r, struct arena *a, struct catalog_session *out,
                  struct err *e)
{
    const struct service *s = auth_service(r);
    const char *token = request_cookie(r, auth_cookie(s));

    if (token == NULL)
        return err_set(e, ERR_DENIED, "there is no session");
    return catalog_session_use(s->catalog, token, a, out, e);
}

bool auth_audit(struct catalog_tx *t, const struct request *r, const struct auth_record *record,
                struct err *e)
{
    const struct principal *p = request_principal(r);
    const char *asks = p->kind == PRINCIPAL_ANONYMOUS ? request_address(r) : p->name;
    AUTO(json) json_t *details = record->details != NULL ? record->details : json_object();
    AUTO(buf) struct buf text = {0};

    (void)json_object_set_new(details, "address", json_string(request_address(r)));
    json_append(details, &text);
    return catalog_audit_append(t,
                                &(struct catalog_audit_record){
                                    .actor = record->actor != NULL ? record->actor : asks,
                                    .action = record->action,
                                    .object = record->object,
                                    .outcome = record->outcome,
                                    .details = buf_string(&text),
                                },
                                e);
}

bool auth_write(struct request *r, catalog_work_fn *fn, void *arg)
{
    struct err e = {0};

    if (catalog_write(auth_service(r)->catalog, fn, arg, &e))
        return true;
    reply_err(r, &e);
    return false;
}

json_t *auth_time_json(int64_t time_ns)
{
    char text[CLOCK_TEXT_MAX];

    if (time_ns == 0)
        return json_null();
    clock_format(time_ns, text);
    return json_string(text);
}

json_t *auth_user_json(const struct catalog_user *u)
{
    json_t *j = json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:o, s:o}", "id", u->id, "name", u->name,
                          "role", catalog_role_name(u->role), "disabled", (int)u->is_disabled,
                          "must_change_password", (int)u->must_change, "totp", (int)u->has_totp,
                          "created_at", auth_time_json(u->created_ns), "login_at",
                          auth_time_json(u->login_ns));

    assert(j != NULL);
    return j;
}

const char *auth_text(const json_t *body, const char *name)
{
    return json_string_value(json_object_get(body, name));
}

bool auth_check_code(struct catalog_tx *t, const char *user, const char *code, bool *is_right,
                     struct err *e)
{
    return strlen(code) == 6 ? catalog_totp_check(t, user, code, is_right, e)
                             : catalog_recovery_check(t, user, code, is_right, e);
}

void auth_refuse(struct request *r, unsigned status, const char *code, const char *detail,
                 int64_t wait_s)
{
    char seconds[24];

    if (wait_s > 0) {
        (void)snprintf(seconds, sizeof(seconds), "%" PRId64, wait_s);
        reply_header(r, "Retry-After", seconds);
    }
    reply_problem(r, status, code, detail);
}

static json_t *session_json(const char *token, const struct catalog_user *u, const char *must)
{
    char csrf[AUTH_CSRF_SIZE];

    auth_csrf(token, csrf);
    return json_pack("{s:o, s:s, s:s?}", "user", auth_user_json(u), "csrf", csrf, "must", must);
}

void auth_reply_in(struct request *r, const char *token, const struct catalog_user *u)
{
    const char *must = NULL;
    struct err e = {0};

    if (!identity_must(auth_service(r)->catalog, u, &must, &e)) {
        reply_err(r, &e);
        return;
    }
    auth_set_cookie(r, token);
    reply_json(r, 200, session_json(token, u, must));
}

bool auth_own_session(struct request *r, struct arena *a, struct catalog_session *out)
{
    struct err e = {0};

    if (auth_session(r, a, out, &e))
        return true;
    if (e.code == ERR_DENIED)
        reply_problem(r, 401, "unauthenticated", "the session is over");
    else
        reply_err(r, &e);
    return false;
}

void auth_refuse_proof(struct request *r, int64_t wait_s)
{
    auth_refuse(r, 403, "proof_failed", "password or code are not right, or were tried too often",
                wait_s);
}

bool auth_may_try(struct request *r, const char *user)
{
    struct catalog_login tries = {0};
    struct err e = {0};

    if (!catalog_factor_try(auth_service(r)->catalog, user, &tries, &e)) {
        reply_err(r, &e);
        return false;
    }
    if (!tries.is_allowed)
        auth_refuse_proof(r, tries.wait_s);
    return tries.is_allowed;
}
