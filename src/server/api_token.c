/* Tokens for programs.  A token does what its maker may and no more, and makes no other tokens. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "server/auth.h"

#define DAY_NS (INT64_C(86400) * NS_PER_S)

static json_t *list_json(const char *text)
{
    json_t *list = json_loads(text, 0, NULL);

    return list != NULL ? list : json_array();
}

static json_t *token_json(const struct catalog_token *k)
{
    const bool has_role = k->kind == TOKEN_API;

    return json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:o, s:o, s:o, s:o, s:o, s:o}", "id", k->id,
                     "name", k->name, "kind", catalog_token_kind_name(k->kind), "user", k->user,
                     "role", has_role ? catalog_role_name(k->role) : NULL, "verbs",
                     list_json(k->verbs), "sets", list_json(k->sets), "created_at",
                     auth_time_json(k->created_ns), "expires_at", auth_time_json(k->expires_ns),
                     "used_at", auth_time_json(k->used_ns), "revoked_at",
                     auth_time_json(k->revoked_ns));
}

/* Whose tokens somebody sees and revokes: his own, and from admin on all (NULL). */
static const char *whose(const struct principal *p)
{
    return p->role >= ROLE_ADMIN ? NULL : p->id;
}

static void get_tokens(struct request *r)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_token_list list = {0};
    struct err e = {0};

    if (!catalog_begin_read(auth_service(r)->catalog, &t, &e) ||
        !catalog_token_list(t, whose(request_principal(r)), &a, &list, &e)) {
        reply_err(r, &e);
        return;
    }

    json_t *items = json_array();

    for (size_t i = 0; i < list.count; i++)
        (void)json_array_append_new(items, token_json(&list.items[i]));
    reply_json(r, 200, json_pack("{s:o}", "tokens", items));
}

/* One that is asked for. */
struct making {
    struct request *r;
    struct catalog_token token;
    int64_t days;
    char text[CATALOG_TOKEN_SIZE];
};

static bool add(struct catalog_tx *t, void *arg, struct err *e)
{
    struct making *m = arg;
    struct catalog_token k = m->token;

    k.expires_ns = catalog_tx_now(t) + m->days * DAY_NS;
    return catalog_token_add(t, &k, m->text, e) &&
           auth_audit(t, m->r,
                      &(struct auth_record){
                          .action = "token.add",
                          .object = k.name,
                          .outcome = "done",
                          .details = json_pack("{s:s#, s:s, s:s, s:o, s:o}", "id", m->text + 3,
                                               CATALOG_TOKEN_ID - 1, "kind",
                                               catalog_token_kind_name(k.kind), "role",
                                               catalog_role_name(k.role), "verbs",
                                               list_json(k.verbs), "sets", list_json(k.sets)),
                      },
                      e);
}

/* Whether somebody may make such a token; false after answering. */
static bool may_make(struct request *r, const struct catalog_token *k)
{
    const struct principal *p = request_principal(r);

    if (k->kind == TOKEN_API ? k->role <= p->role : p->role >= ROLE_ADMIN)
        return true;
    reply_problem(r, 403, "forbidden", "a token may not do more than who makes it");
    return false;
}

static void post_token(struct request *r)
{
    static const char *const kinds[] = {"api", "push", "agent", NULL};
    static const char *const roles[] = {"viewer", "manager", "admin", "super_admin", NULL};
    static const struct field word[] = {{"", FIELD_TEXT, .low = 1, .high = 100}};
    static const struct field table[] = {
        {"name", FIELD_TEXT, FIELD_REQUIRED, .low = 1, .high = 200},
        {"kind", FIELD_CHOICE, FIELD_REQUIRED, .words = kinds},
        {"role", FIELD_CHOICE, 0, .words = roles},
        {"verbs", FIELD_LIST, FIELD_REQUIRED, .low = 1, .high = 100, .members = word},
        {"sets", FIELD_LIST, FIELD_REQUIRED, .low = 1, .high = 100, .members = word},
        {"days", FIELD_INTEGER, 0, .low = 1, .high = CATALOG_TOKEN_DAYS_MAX},
        {0},
    };
    AUTO(buf) struct buf verbs = {0};
    AUTO(buf) struct buf sets = {0};
    const json_t *body = NULL;
    struct making m = {.r = r, .days = CATALOG_TOKEN_DAYS};

    if (!request_json(r, table, &body))
        return;
    json_append(json_object_get(body, "verbs"), &verbs);
    json_append(json_object_get(body, "sets"), &sets);

    const char *role = auth_text(body, "role");
    const json_t *days = json_object_get(body, "days");
    const int kind = catalog_token_kind_find(auth_text(body, "kind"));

    m.days = days != NULL ? json_integer_value(days) : m.days;
    m.token = (struct catalog_token){
        .name = auth_text(body, "name"),
        .kind = (enum catalog_token_kind)kind,
        /* Machines go on when the one who set them up has left. */
        .user = kind == TOKEN_API ? request_principal(r)->id : NULL,
        .role = (enum catalog_role)(role != NULL ? catalog_role_find(role) : ROLE_VIEWER),
        .verbs = buf_string(&verbs),
        .sets = buf_string(&sets),
    };
    if (!may_make(r, &m.token) || !auth_write(r, add, &m))
        return;
    reply_json(r, 201,
               json_pack("{s:s#, s:s}", "id", m.text + 3, CATALOG_TOKEN_ID - 1, "token", m.text));
    mem_wipe(m.text, sizeof(m.text));
}

static bool revoke(struct catalog_tx *t, void *arg, struct err *e)
{
    struct request *r = arg;
    const char *id = request_parameter(r, "token");

    return catalog_token_revoke(t, whose(request_principal(r)), id, e) &&
           auth_audit(
               t, r,
               &(struct auth_record){.action = "token.revoke", .object = id, .outcome = "done"}, e);
}

static void delete_token(struct request *r)
{
    if (auth_write(r, revoke, r))
        reply_empty(r, 204);
}

/* Without Idempotency-Key: the answer holds the token, which nobody keeps. */
const struct route api_token_routes[] = {
    {METHOD_GET, "/api/v1/tokens", AUTH_USER, AUTH_ALL, NULL, 0, .handler = get_tokens,
     .summary = "Tokens of one's own; for admins all"},
    {METHOD_POST, "/api/v1/tokens", AUTH_USER, AUTH_ALL, NULL, ROUTE_CSRF | ROUTE_STEP_UP,
     AUTH_BODY_MAX, AUTH_JSON, .handler = post_token, .summary = "Make a token, shown once"},
    {METHOD_DELETE, "/api/v1/tokens/{token}", AUTH_USER, AUTH_ALL, NULL, ROUTE_CSRF,
     .handler = delete_token, .summary = "Revoke a token"},
};
const size_t api_token_route_count = sizeof(api_token_routes) / sizeof(api_token_routes[0]);
