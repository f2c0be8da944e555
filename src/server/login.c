#include "server/login.h"

#include <string.h>

#include "codec/json.h"
#include "server/auth.h"

enum { CODE_DIGITS = 6 };

/* Whether the user is still what the password was compared with, and the second factor is right. */
static bool check_user(struct catalog_tx *t, const struct login *l, bool *is_right, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_user now = {0};

    *is_right = false;
    if (!catalog_user_get(t, l->user.id, &a, &now, e))
        return false;
    if (now.is_disabled || now.version != l->user.version)
        return true;
    if (now.has_totp && l->code != NULL)
        return auth_check_code(t, now.id, l->code, is_right, e);
    *is_right = !now.has_totp && !l->needs_second_factor;
    return true;
}

/* The record of somebody unknown has no name in it: people type passwords there. */
static bool add_record(struct catalog_tx *t, const struct login *l, struct err *e)
{
    AUTO(json)
    json_t *details = json_pack("{s:s, s:s*}", "address", l->peer, "through", l->through);
    AUTO(buf) struct buf text = {0};

    json_append(details, &text);
    return catalog_audit_append(t,
                                &(struct catalog_audit_record){
                                    .actor = l->is_in ? l->user.name : l->peer,
                                    .action = "login",
                                    .object = l->is_known ? l->user.name : "",
                                    .outcome = l->is_in ? "done" : "refused",
                                    .details = buf_string(&text),
                                },
                                e);
}

static bool finish(struct catalog_tx *t, void *arg, struct err *e)
{
    struct login *l = arg;

    l->is_in = false;
    if (l->is_right && !check_user(t, l, &l->is_in, e))
        return false;
    return (!l->is_in || (catalog_login_succeeded(t, l->user.name, l->peer, e) &&
                          catalog_factor_succeeded(t, l->user.id, e) &&
                          catalog_user_set_login(t, l->user.id, e) &&
                          (l->enter == NULL || l->enter(t, l, e)))) &&
           add_record(t, l, e);
}

/* "password123456" of a user with a second factor. */
static void split_code(struct login *l, struct arena *a)
{
    const size_t size = strlen(l->password);
    const char *code = l->password + size - (size < CODE_DIGITS ? size : CODE_DIGITS);

    if (!l->password_has_code || !l->is_known || !l->user.has_totp || l->code != NULL ||
        strspn(code, "0123456789") != CODE_DIGITS)
        return;
    l->password = arena_string(a, SLICE_OF(l->password, (size_t)(code - l->password)));
    l->code = code;
}

/* Find the user and compare the password; takes as long for names that nobody has. */
static bool compare(struct login *l, struct arena *a, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;

    if (!catalog_begin_read(l->catalog, &t, e))
        return false;
    l->is_known = catalog_user_find(t, l->name, a, &l->user, e);
    if (!l->is_known && e->code != ERR_NOT_FOUND)
        return false;
    catalog_tx_auto(&t);
    t = NULL;
    split_code(l, a);
    return catalog_password_check(l->catalog, l->is_known ? l->user.password : NULL,
                                  slice_string(l->password), &l->is_right, e);
}

/* Whether the code may be looked at; else the answers say what is in the way. */
static bool may_try_code(struct login *l, bool *may, struct err *e)
{
    struct catalog_login tries = {0};

    *may = true;
    if (!l->is_right || !l->user.has_totp)
        return true;
    l->lacks_code = l->code == NULL;
    *may = false;
    if (l->lacks_code)
        return true;
    if (!catalog_factor_try(l->catalog, l->user.id, &tries, e))
        return false;
    *may = tries.is_allowed;
    l->wait_s = tries.is_allowed ? 0 : tries.wait_s;
    return true;
}

bool login_try(struct login *l, struct arena *a, struct err *e)
{
    struct catalog_login tries = {0};
    bool may = false;

    if (!catalog_login_try(l->catalog, l->name, l->peer, &tries, e))
        return false;
    if (!tries.is_allowed) {
        l->wait_s = tries.wait_s;
        return true;
    }
    l->needs_second_factor = tries.needs_second_factor;
    return compare(l, a, e) && may_try_code(l, &may, e) &&
           (!may || catalog_write(l->catalog, finish, l, e));
}
