/*
 * routes: what may be asked of the service, and by whom.
 */
#include "base/mem.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "server/server.h"

struct routes_args {
    struct common common;
};

/* The lowest role of a row, for roles are ordered; else the kinds. */
static const char *who_of(const json_t *row, struct buf *out)
{
    const json_t *roles = json_object_get(row, "roles");
    const json_t *kinds = json_object_get(row, "kinds");
    const json_t *kind;
    size_t i;

    if (json_array_size(roles) > 0)
        return json_string_value(json_array_get(roles, 0));
    json_array_foreach(kinds, i, kind)
    {
        buf_printf(out, "%s%s", i == 0 ? "" : ", ", json_string_value(kind));
    }
    return buf_string(out);
}

static void show(struct call *call, const char *listener, const struct route *routes, size_t count,
                 struct table *table)
{
    AUTO(json) json_t *list = route_list(routes, count);
    json_t *row;
    size_t i;

    json_array_foreach(list, i, row)
    {
        AUTO(buf) struct buf who = {0};
        const char *scope = json_string_value(json_object_get(row, "scope"));

        if (call->out->json) {
            json_t *line = json_message("route");

            json_set_text(line, "listener", listener);
            (void)json_object_update(line, row);
            output_json(call->out, line);
            continue;
        }
        table_add(table, method_name(routes[i].method));
        table_add(table, routes[i].path);
        table_add(table, who_of(row, &who));
        table_add(table, scope != NULL ? scope : "");
        table_add(table, routes[i].summary != NULL ? routes[i].summary : "");
    }
}

static bool run_routes(struct call *call, struct err *e)
{
    size_t count = 0;
    AUTO(mem) struct route *api = api_routes_new(true, &count);
    AUTO(table) struct table table;
    AUTO(buf) struct buf text = {0};

    (void)e; /* nothing can fail */
    table_init(&table, 5);
    show(call, "api", health_routes, health_route_count, &table);
    show(call, "api", api, count, &table);
    show(call, "bundles", api_bundle_routes, api_bundle_route_count, &table);
    if (call->out->json)
        return true;
    table_print(&table, &text);
    output_raw(call->out, buf_slice(&text));
    return true;
}

const struct command command_routes = {
    .name = "routes",
    .summary = "List what may be asked of the service, and by whom",
    .details = "The roles named and all above them may; tokens need the scope as well.",
    .examples = "holdfast routes\n"
                "holdfast routes --json",
    .words = "",
    .args_size = sizeof(struct routes_args),
    .run = run_routes,
};
