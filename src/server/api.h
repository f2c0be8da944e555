/*
 * All that the service answers below /api: users and tokens (identity.h), our own API of sets, runs
 * and jobs, and the POS application's; and the console.  docs/openapi.yaml describes each route.
 */
#ifndef SERVER_API_H
#define SERVER_API_H

#include "server/route.h"

/* Below /api/v1; app is the struct service. */
extern const struct route api_set_routes[], api_run_routes[], api_job_routes[], api_order_routes[],
    api_event_routes[], api_state_routes[], api_config_routes[], api_audit_routes[],
    api_notification_routes[], api_forecast_routes[], api_preview_routes[], api_snapshot_routes[],
    api_upload_routes[], api_import_routes[];
extern const size_t api_set_route_count, api_run_route_count, api_job_route_count,
    api_order_route_count, api_event_route_count, api_state_route_count, api_config_route_count,
    api_audit_route_count, api_notification_route_count, api_forecast_route_count,
    api_preview_route_count, api_snapshot_route_count, api_upload_route_count,
    api_import_route_count;

/* All of them in one table, and those of the console (console.h) when it is wanted; the caller
 * frees it with mem_free(). */
struct route *api_routes_new(bool has_console, size_t *count);

/* Bodies that are stored as they come have at most upload_max bytes, forms with files import_max.
 */
void api_routes_limit(struct route *routes, size_t count, uint64_t upload_max, uint64_t import_max);

#endif
