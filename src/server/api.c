#include "server/api.h"

#include <string.h>

#include "base/mem.h"
#include "server/compat/gateway.h"
#include "server/compat/pos.h"
#include "server/console.h"
#include "server/identity.h"

struct route *api_routes_new(bool has_console, size_t *count)
{
    const struct {
        const struct route *rows;
        size_t count;
    } tables[] = {
        {api_auth_routes, api_auth_route_count},
        {api_proof_routes, api_proof_route_count},
        {api_totp_routes, api_totp_route_count},
        {api_session_routes, api_session_route_count},
        {api_user_routes, api_user_route_count},
        {api_token_routes, api_token_route_count},
        {api_set_routes, api_set_route_count},
        {api_run_routes, api_run_route_count},
        {api_job_routes, api_job_route_count},
        {api_order_routes, api_order_route_count},
        {api_event_routes, api_event_route_count},
        {api_state_routes, api_state_route_count},
        {api_config_routes, api_config_route_count},
        {api_audit_routes, api_audit_route_count},
        {api_notification_routes, api_notification_route_count},
        {api_forecast_routes, api_forecast_route_count},
        {api_preview_routes, api_preview_route_count},
        {api_snapshot_routes, api_snapshot_route_count},
        {api_upload_routes, api_upload_route_count},
        {api_import_routes, api_import_route_count},
        {api_pos_routes, api_pos_route_count},
        {api_gateway_routes, api_gateway_route_count},
        {console_routes, has_console ? console_route_count : 0},
    };
    struct route *all;
    size_t n = 0;

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        n += tables[i].count;
    all = mem_array(n, sizeof(*all));
    n = 0;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        memcpy(all + n, tables[i].rows, tables[i].count * sizeof(*all));
        n += tables[i].count;
    }
    *count = n;
    return all;
}

/* A body that streams has a type (route.c). */
static void limit(struct route *r, uint64_t upload_max, uint64_t import_max)
{
    const uint64_t most = strcmp(r->body_type, "*") == 0 ? upload_max : import_max;

    if (r->body_max > most)
        r->body_max = most;
}

void api_routes_limit(struct route *routes, size_t count, uint64_t upload_max, uint64_t import_max)
{
    for (size_t i = 0; i < count; i++)
        if ((routes[i].flags & ROUTE_STREAM) != 0)
            limit(&routes[i], upload_max, import_max);
}
