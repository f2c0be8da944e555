#include <string.h>

#include "base/clock.h"
#include "server/compat/pos_private.h"

void pos_reply_done(struct request *r, const char *text)
{
    reply_json(r, 200, json_pack("{s:b, s:s}", "success", 1, "message", text));
}

bool pos_reply_body(struct request *r, const struct field *table, const json_t **out)
{
    *out = NULL;
    return request_body(r).size == 0 || request_json(r, table, out);
}

/* The names of the roles that may, in the order of the published table. */
static json_t *required_roles(const struct route *route)
{
    static const struct {
        unsigned bit;
        const char *name;
    } roles[] = {{ROLE_BIT(ROLE_ADMIN), "admin"},
                 {ROLE_BIT(ROLE_SUPER_ADMIN), "super_admin"},
                 {ROLE_BIT(ROLE_MANAGER), "manager"},
                 {ROLE_BIT(ROLE_VIEWER), "viewer"}};
    json_t *list = json_array();

    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if ((route->roles & roles[i].bit) != 0)
            (void)json_array_append_new(list, json_string(roles[i].name));
    return list;
}

static json_t *forbidden(const struct request *r)
{
    const struct route *route = request_route(r);
    json_t *answer = json_pack("{s:b, s:s, s:o, s:s}", "success", 0, "message",
                               "Insufficient permissions", "required", required_roles(route),
                               "current", catalog_role_name(request_principal(r)->role));
    const char *more = NULL;

    /* Two handlers of the published service looked at the role themselves, and said it so. */
    if (route->handler == pos_proof_restore)
        more = "Insufficient permissions to perform restore";
    else if (route->handler == pos_configs_delete)
        more = "Insufficient permissions to delete backup configuration";
    if (more != NULL)
        (void)json_object_set_new(answer, "error", json_string(more));
    return answer;
}

static json_t *nowhere(const struct request *r, const char *code)
{
    char time[CLOCK_TEXT_MAX];

    clock_format(clock_now_ns(), time);
    return json_pack("{s:b, s:{s:o, s:s, s:s}}", "success", 0, "error", "message",
                     json_sprintf("Route %s not found", request_path(r)), "code", code, "timestamp",
                     time);
}

void pos_reply_refuse(struct request *r, unsigned status, const char *code, const char *detail)
{
    json_t *answer;

    if (status == 401)
        answer = json_pack("{s:s, s:s}", "error", "Authentication required", "message",
                           "You must be logged in to access this resource");
    else if (status == 403 && strcmp(code, "forbidden") == 0)
        answer = forbidden(r);
    else if (status == 403)
        answer = json_pack("{s:b, s:s, s:s, s:s}", "success", 0, "error", detail, "message", detail,
                           "code", code);
    else if (status == 405)
        answer = nowhere(r, "METHOD_NOT_ALLOWED");
    else if (status == 429)
        answer = json_pack("{s:b, s:{s:s, s:s, s:s}}", "success", 0, "error", "message",
                           "Too many requests from this IP, please try again later.", "code",
                           "RATE_LIMIT_EXCEEDED", "retryAfter", "1 minute");
    else
        answer = json_pack("{s:s}", "error", detail);
    reply_json(r, status, answer);
}

void pos_reply_nowhere(struct request *r)
{
    reply_json(r, 404, nowhere(r, "NOT_FOUND"));
}
