/*
 * Accounts: logins and tokens.
 *
 * A token has the form of a JSON Web Token with HS256.  Its key is made of one that this process
 * has thrown for itself, and of the user's version in the catalog: a user who is disabled, whose
 * password or role is changed, or whose sessions are all ended, has no token any more.
 */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "server/auth.h"
#include "server/compat/cfms_private.h"
#include "server/login.h"

#define HEAD "{\"alg\": \"HS256\", \"typ\": \"JWT\"}"

bool cfms_may(const struct catalog_user *u)
{
    return u->role >= ROLE_ADMIN;
}

bool cfms_audit(struct catalog_tx *t, const struct cfms_conn *c, const struct catalog_user *who,
                const char *action, const char *object, json_t *details, struct err *e)
{
    AUTO(json) json_t *all = details == NULL ? json_object() : details;
    AUTO(buf) struct buf text = {0};

    (void)json_object_set_new(all, "address", json_string(cfms_conn_address(c)));
    (void)json_object_set_new(all, "through", json_string("cfms"));
    json_append(all, &text);
    return catalog_audit_append(t,
                                &(struct catalog_audit_record){.actor = who->name,
                                                               .action = action,
                                                               .object = object,
                                                               .outcome = "done",
                                                               .details = buf_string(&text)},
                                e);
}

/* Tokens */

/* RFC 4648 5, without padding. */
static void put_base64url(struct slice in, struct buf *out)
{
    AUTO(buf) struct buf text = {0};

    base64_encode(in, &text);
    while (text.size > 0 && text.data[text.size - 1] == '=')
        text.size--;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '+' || text.data[i] == '/')
            text.data[i] = text.data[i] == '+' ? '-' : '_';
    buf_append_slice(out, buf_slice(&text));
}

static bool take_base64url(struct slice in, struct buf *out)
{
    AUTO(buf) struct buf text = {0};

    buf_append_slice(&text, in);
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '-' || text.data[i] == '_')
            text.data[i] = text.data[i] == '-' ? '+' : '/';
    while (text.size % 4 != 0)
        buf_append(&text, "=", 1);
    return base64_decode(buf_slice(&text), out);
}

/* What stands behind the last dot for what stands before it. */
static void sign(const struct cfms *c, const struct catalog_user *u, struct slice signed_part,
                 struct buf *out)
{
    AUTO(hmac_stream) struct hmac_stream *of_user = hmac_stream_new(c->key);
    AUTO(hmac_stream) struct hmac_stream *s = NULL;
    AUTO(buf) struct buf user = {0};
    struct hash h;

    buf_printf(&user, "cfms %s %lld", u->id, (long long)u->version);
    hmac_stream_add(of_user, buf_slice(&user));
    hmac_stream_finish(of_user, &h);
    s = hmac_stream_new(h.bytes);
    hmac_stream_add(s, signed_part);
    hmac_stream_finish(s, &h);
    put_base64url(SLICE_OF(h.bytes, HASH_SIZE), out);
}

/* {"token", "exp"}; login_ns: when the user gave his password. */
static json_t *make_token(const struct cfms *c, const struct catalog_user *u, int64_t login_ns)
{
    const double ends = cfms_seconds(clock_now_ns()) + CFMS_TOKEN_S;
    AUTO(json)
    json_t *payload = json_pack("{s:s, s:f, s:I}", "username", u->name, "exp", ends, "login",
                                (json_int_t)login_ns);
    AUTO(buf) struct buf plain = {0};
    AUTO(buf) struct buf token = {0};
    AUTO(buf) struct buf signature = {0};

    json_append(payload, &plain);
    put_base64url(slice_string(HEAD), &token);
    buf_append(&token, ".", 1);
    put_base64url(buf_slice(&plain), &token);
    sign(c, u, buf_slice(&token), &signature);
    buf_append(&token, ".", 1);
    buf_append_slice(&token, buf_slice(&signature));
    return json_pack("{s:s, s:f}", "token", buf_string(&token), "exp", ends);
}

static bool refuse_token(struct err *e)
{
    return err_set(e, ERR_DENIED, "the token is none of this user, or over");
}

/* What we signed is as we wrote it. */
static bool read_payload(struct slice text, const struct catalog_user *u, int64_t *login_ns)
{
    AUTO(buf) struct buf plain = {0};
    AUTO(json) json_t *payload = NULL;

    if (!take_base64url(text, &plain))
        return false;
    payload = json_loadb((const char *)plain.data, plain.size, 0, NULL);

    const char *name = json_string_value(json_object_get(payload, "username"));

    *login_ns = json_integer_value(json_object_get(payload, "login"));
    return name != NULL && strcmp(name, u->name) == 0 &&
           json_real_value(json_object_get(payload, "exp")) > cfms_seconds(clock_now_ns());
}

bool cfms_token_check(struct cfms *c, const struct cfms_request *q, struct arena *a,
                      struct catalog_user *out, int64_t *login_ns, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(buf) struct buf wanted = {0};
    const char *payload = strchr(q->token, '.');
    const char *signature = strrchr(q->token, '.');
    struct catalog_user u = {0};

    if (payload == NULL || payload == signature || strlen(q->username) > CATALOG_USER_NAME_MAX)
        return refuse_token(e);
    if (!catalog_begin_read(c->options.catalog, &t, e))
        return false;
    if (!catalog_user_find(t, q->username, a, &u, e))
        return e->code == ERR_NOT_FOUND || e->code == ERR_USAGE ? refuse_token(e) : false;
    sign(c, &u, SLICE_OF(q->token, (size_t)(signature - q->token)), &wanted);
    if (strlen(signature + 1) != wanted.size ||
        !equal_ct(signature + 1, wanted.data, wanted.size) || u.is_disabled || u.must_change ||
        !read_payload(SLICE_OF(payload + 1, (size_t)(signature - payload - 1)), &u, login_ns))
        return refuse_token(e);
    *out = u;
    return true;
}

/* Actions */

/* What the user has to settle first, in the published server's words where it has some; NULL:
 * nothing. */
static bool find_obstacle(struct cfms *c, const struct catalog_user *u, const char **out,
                          struct err *e)
{
    const char *must = NULL;

    if (!identity_must(c->options.catalog, u, &must, e))
        return false;
    *out = must == NULL ? NULL
           : strcmp(must, IDENTITY_MUST_CHANGE) == 0
               ? "Password must be changed before you can log in"
               : "A second factor must be set up before you can log in";
    return true;
}

static void welcome(struct cfms_conn *c, const struct catalog_user *u)
{
    json_t *data = make_token(cfms_conn_cfms(c), u, clock_now_ns());
    json_t *permissions = json_array();

    if (cfms_may(u)) {
        (void)json_array_append_new(permissions, json_string("manage_system")); /* cannot fail */
        (void)json_array_append_new(permissions, json_string("export_backup"));
        (void)json_array_append_new(permissions, json_string("import_backup"));
    }
    (void)json_object_set_new(data, "nickname", json_null());
    (void)json_object_set_new(data, "permissions", permissions);
    (void)json_object_set_new(data, "groups", json_array());
    cfms_conn_know(c);
    cfms_conn_answer(c, 200, data, "Login successful");
}

void cfms_login(struct cfms_conn *c, const struct cfms_request *q, const struct cfms_asker *who)
{
    struct cfms *all = cfms_conn_cfms(c);
    AUTO(arena) struct arena a = {0};
    struct login l = {.catalog = all->options.catalog,
                      .name = auth_text(q->data, "username"),
                      .password = auth_text(q->data, "password"),
                      .password_has_code = true,
                      .peer = cfms_conn_address(c),
                      .through = "cfms"};
    const char *obstacle = NULL;
    struct err e = {0};

    (void)who; /* nobody yet */
    if (!login_try(&l, &a, &e) || (l.is_in && !find_obstacle(all, &l.user, &obstacle, &e))) {
        cfms_conn_fail(c, &e);
    } else if (!l.is_in) {
        if (cfms_conn_wait(c, CFMS_DELAY_MS))
            cfms_conn_answer(c, 401, NULL, "Invalid credentials");
    } else if (obstacle != NULL) {
        cfms_conn_answer(c, 403, NULL, obstacle);
    } else {
        welcome(c, &l.user);
    }
}

void cfms_refresh(struct cfms_conn *c, const struct cfms_request *q, const struct cfms_asker *who)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_user u = {0};
    int64_t login_ns = 0;
    struct err e = {0};

    (void)who; /* whoever has such a token */
    if (q->username[0] == '\0' || q->token[0] == '\0') {
        cfms_conn_answer(c, 400, NULL, "missing or invalid token");
    } else if (!cfms_token_check(cfms_conn_cfms(c), q, &a, &u, &login_ns, &e)) {
        if (e.code == ERR_DENIED)
            cfms_conn_answer(c, 400, NULL, "Invalid or expired token");
        else
            cfms_conn_fail(c, &e);
    } else if (clock_now_ns() - login_ns > CFMS_LOGIN_S * NS_PER_S) {
        cfms_conn_answer(c, 400, NULL, "Invalid or expired token");
    } else {
        cfms_conn_know(c);
        cfms_conn_answer(c, 200, make_token(cfms_conn_cfms(c), &u, login_ns),
                         "Token refreshed successfully");
    }
}
