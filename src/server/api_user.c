/* Users, looked after by a super_admin.  Passwords that are made here are for one login. */
#include <string.h>

#include "base/mem.h"
#include "server/auth.h"

static bool find_user(struct request *r, struct arena *a, struct catalog_user *out)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct err e = {0};

    if (catalog_begin_read(auth_service(r)->catalog, &t, &e) &&
        catalog_user_get(t, request_parameter(r, "user"), a, out, &e))
        return true;
    reply_err(r, &e);
    return false;
}

static void get_users(struct request *r)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_user_list list = {0};
    struct err e = {0};

    if (!catalog_begin_read(auth_service(r)->catalog, &t, &e) ||
        !catalog_user_list(t, &a, &list, &e)) {
        reply_err(r, &e);
        return;
    }

    json_t *items = json_array();

    for (size_t i = 0; i < list.count; i++)
        (void)json_array_append_new(items, auth_user_json(&list.items[i]));
    reply_json(r, 200, json_pack("{s:o}", "users", items));
}

static void get_user(struct request *r)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_user user = {0};

    if (find_user(r, &a, &user))
        reply_json(r, 200, auth_user_json(&user));
}

/* One act on one user. */
struct act {
    struct request *r;
    const char *name, *id;
    const char *hash;       /* of a new password, or NULL */
    int role;               /* enum catalog_role, or -1 */
    const json_t *disabled; /* or NULL */
    char new_id[CATALOG_ID_SIZE];
};

static bool note(struct catalog_tx *t, const struct act *x, const char *action, json_t *details,
                 struct err *e)
{
    return auth_audit(
        t, x->r,
        &(struct auth_record){
            .action = action, .object = x->name, .outcome = "done", .details = details},
        e);
}

static json_t *role_json(int role)
{
    return json_pack("{s:s}", "role", catalog_role_name((enum catalog_role)role));
}

static bool add(struct catalog_tx *t, void *arg, struct err *e)
{
    struct act *x = arg;
    const struct catalog_new_user u = {.name = x->name,
                                       .role = (enum catalog_role)x->role,
                                       .password = x->hash,
                                       .must_change = true};

    return catalog_user_add(t, &u, x->new_id, e) && note(t, x, "user.add", role_json(x->role), e);
}

/* A password for one login, and its hash.  False: there is an answer. */
static bool make_password(struct request *r, char password[IDENTITY_PASSWORD_SIZE],
                          char hash[CATALOG_PASSWORD_HASH])
{
    struct err e = {0};

    identity_password_new(password);
    if (catalog_password_hash(auth_service(r)->catalog, NULL, slice_string(password), hash, &e))
        return true;
    reply_err(r, &e);
    return false;
}

static const char *const role_words[] = {"viewer", "manager", "admin", "super_admin", NULL};

static void post_user(struct request *r)
{
    static const struct field table[] = {
        {"name", FIELD_TEXT, FIELD_REQUIRED, .low = 1, .high = CATALOG_USER_NAME_MAX},
        {"role", FIELD_CHOICE, FIELD_REQUIRED, .words = role_words},
        {0},
    };
    char password[IDENTITY_PASSWORD_SIZE];
    char hash[CATALOG_PASSWORD_HASH];
    const json_t *body = NULL;
    struct act x = {.r = r, .hash = hash};

    if (!request_json(r, table, &body) || !make_password(r, password, hash))
        return;
    x.name = auth_text(body, "name");
    x.role = catalog_role_find(auth_text(body, "role"));
    if (auth_write(r, add, &x))
        reply_json(
            r, 201,
            json_pack("{s:s, s:s, s:s}", "id", x.new_id, "name", x.name, "password", password));
    mem_wipe(password, sizeof(password));
}

static bool change(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct act *x = arg;

    if (x->role >= 0 && (!catalog_user_set_role(t, x->id, (enum catalog_role)x->role, e) ||
                         !note(t, x, "user.role", role_json(x->role), e)))
        return false;
    return x->disabled == NULL ||
           (catalog_user_set_disabled(t, x->id, json_is_true(x->disabled), e) &&
            note(t, x, json_is_true(x->disabled) ? "user.disable" : "user.enable", NULL, e));
}

static void patch_user(struct request *r)
{
    static const struct field table[] = {
        {"role", FIELD_CHOICE, 0, .words = role_words},
        {"disabled", FIELD_BOOL},
        {0},
    };
    AUTO(arena) struct arena a = {0};
    struct catalog_user user = {0};
    const json_t *body = NULL;

    if (!request_json(r, table, &body) || !find_user(r, &a, &user))
        return;

    const char *role = auth_text(body, "role");
    struct act x = {.r = r,
                    .name = user.name,
                    .id = user.id,
                    .role = role != NULL ? catalog_role_find(role) : -1,
                    .disabled = json_object_get(body, "disabled")};

    if (auth_write(r, change, &x))
        reply_empty(r, 204);
}

static bool set_password(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct act *x = arg;

    return catalog_user_set_password(t, x->id, x->hash, true, e) &&
           catalog_login_unlock(t, x->name, e) && note(t, x, "user.password", NULL, e);
}

static void post_password(struct request *r)
{
    char password[IDENTITY_PASSWORD_SIZE];
    char hash[CATALOG_PASSWORD_HASH];
    AUTO(arena) struct arena a = {0};
    struct catalog_user user = {0};

    if (!find_user(r, &a, &user) || !make_password(r, password, hash))
        return;

    struct act x = {.r = r, .name = user.name, .id = user.id, .hash = hash};

    if (auth_write(r, set_password, &x))
        reply_json(r, 200, json_pack("{s:s}", "password", password));
    mem_wipe(password, sizeof(password));
}

static bool remove_user(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct act *x = arg;

    return catalog_user_remove(t, x->id, e) && note(t, x, "user.delete", NULL, e);
}

static bool unlock(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct act *x = arg;

    return catalog_login_unlock(t, x->name, e) && note(t, x, "user.unlock", NULL, e);
}

static bool remove_totp(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct act *x = arg;

    return catalog_totp_remove(t, x->id, e) && catalog_session_end_all(t, x->id, e) &&
           note(t, x, "user.totp_remove", NULL, e);
}

static bool end_sessions(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct act *x = arg;

    return catalog_session_end_all(t, x->id, e) && note(t, x, "user.sessions_end", NULL, e);
}

/* What needs nothing but the user. */
static void do_act(struct request *r, catalog_work_fn *fn)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_user user = {0};

    if (!find_user(r, &a, &user))
        return;

    struct act x = {.r = r, .name = user.name, .id = user.id};

    if (auth_write(r, fn, &x))
        reply_empty(r, 204);
}

static void delete_user(struct request *r)
{
    do_act(r, remove_user);
}

static void post_unlock(struct request *r)
{
    do_act(r, unlock);
}

static void delete_totp(struct request *r)
{
    do_act(r, remove_totp);
}

static void delete_sessions(struct request *r)
{
    do_act(r, end_sessions);
}

/* Without Idempotency-Key: the answers hold passwords, which nobody keeps. */
#define WRITES (ROUTE_CSRF | ROUTE_STEP_UP)

const struct route api_user_routes[] = {
    {METHOD_GET, "/api/v1/users", AUTH_USER | AUTH_API, AUTH_SUPER, "users:read", 0,
     .handler = get_users, .summary = "All users"},
    {METHOD_POST, "/api/v1/users", AUTH_USER, AUTH_SUPER, NULL, WRITES, AUTH_BODY_MAX, AUTH_JSON,
     .handler = post_user, .summary = "Add a user, with a password for one login"},
    {METHOD_GET, "/api/v1/users/{user}", AUTH_USER | AUTH_API, AUTH_SUPER, "users:read", 0,
     .handler = get_user, .summary = "A user"},
    {METHOD_PATCH, "/api/v1/users/{user}", AUTH_USER, AUTH_SUPER, NULL, WRITES, AUTH_BODY_MAX,
     AUTH_JSON, .handler = patch_user, .summary = "Change role, disable or enable"},
    {METHOD_DELETE, "/api/v1/users/{user}", AUTH_USER, AUTH_SUPER, NULL, WRITES,
     .handler = delete_user, .summary = "Delete a user"},
    {METHOD_POST, "/api/v1/users/{user}/password", AUTH_USER, AUTH_SUPER, NULL, WRITES,
     .handler = post_password, .summary = "Give a user a password for one login"},
    {METHOD_POST, "/api/v1/users/{user}/unlock", AUTH_USER, AUTH_SUPER, NULL, WRITES,
     .handler = post_unlock, .summary = "Forget failed logins of a user"},
    {METHOD_DELETE, "/api/v1/users/{user}/totp", AUTH_USER, AUTH_SUPER, NULL, WRITES,
     .handler = delete_totp, .summary = "Remove the second factor of a user who lost it"},
    {METHOD_DELETE, "/api/v1/users/{user}/sessions", AUTH_USER, AUTH_SUPER, NULL, WRITES,
     .handler = delete_sessions, .summary = "End all sessions of a user"},
};
const size_t api_user_route_count = sizeof(api_user_routes) / sizeof(api_user_routes[0]);
