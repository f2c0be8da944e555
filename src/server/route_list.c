#include "codec/json.h"
#include "server/route.h"

static json_t *names_of(unsigned bits, const char *const *names, unsigned count)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < count; i++)
        if ((bits & 1U << i) != 0)
            (void)json_array_append_new(list, json_string(names[i]));
    return list;
}

json_t *route_list(const struct route *routes, size_t count)
{
    static const char *const kinds[PRINCIPAL_KINDS] = {"anonymous", "user", "api_token",
                                                       "push_token", "agent"};
    static const char *const roles[CATALOG_ROLES] = {"none", "viewer", "manager", "admin",
                                                     "super_admin"};
    static const char *const flags[] = {"step_up",    "csrf",        "idempotent", "stream",
                                        "any_origin", "no_head",     "cacheable",  "optional_body",
                                        "unsettled",  "checks_sets", "signed"};
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        const struct route *r = &routes[i];

        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:o, s:o, s:s?, s:o, s:I, s:s?, s:i, s:s?}", "method",
                            method_name(r->method), "path", r->path, "kinds",
                            names_of(r->kinds, kinds, PRINCIPAL_KINDS), "roles",
                            names_of(r->roles, roles, CATALOG_ROLES), "scope", r->scope, "flags",
                            names_of(r->flags, flags, sizeof(flags) / sizeof(flags[0])), "body_max",
                            (json_int_t)r->body_max, "body_type", r->body_type, "rate_minute",
                            (int)r->rate_minute, "summary", r->summary));
    }
    return list;
}
