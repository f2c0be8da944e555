/*
 * The table of the POS service's API.  A row that another one contradicts keeps the server from
 * starting.  Roles are those of its document: managers read, admins and super admins do the rest.
 */
#include "server/compat/pos.h"

#include "codec/pos_config.h"
#include "server/compat/pos_private.h"

#define ANYBODY PRINCIPAL_BIT(PRINCIPAL_ANONYMOUS)
#define PEOPLE  PRINCIPAL_BIT(PRINCIPAL_USER) | PRINCIPAL_BIT(PRINCIPAL_API_TOKEN)
#define READERS PEOPLE, ROLES_FROM(ROLE_MANAGER), "backup:read"
#define ADMINS  PEOPLE, ROLES_FROM(ROLE_ADMIN)
#define JSON    "application/json"

enum { BODY_MAX = 4096 };

/* Whatever is not in the table: the frame's answer would be a problem. */
#define NOWHERE(method)                                                                \
    {                                                                                  \
        method, "/api/backup/{path...}", ANYBODY, .handler = pos_reply_nowhere,        \
                                                  .summary = "404 of the POS service", \
                                                  .refuse = pos_reply_refuse           \
    }

const struct route api_pos_routes[] = {
    {METHOD_POST, "/api/backup/create", ADMINS, "backup:run",
     ROUTE_CSRF | ROUTE_IDEMPOTENT | ROUTE_OPTIONAL_BODY, BODY_MAX, JSON,
     .handler = pos_backup_create, .summary = "Back up by a configuration",
     .refuse = pos_reply_refuse},
    {METHOD_GET, "/api/backup/configs", READERS, .handler = pos_configs_get,
     .summary = "Backup configurations", .refuse = pos_reply_refuse},
    {METHOD_POST, "/api/backup/configs", ADMINS, "backup:configure", ROUTE_CSRF | ROUTE_IDEMPOTENT,
     POS_CONFIG_MAX, JSON, .handler = pos_configs_post, .summary = "Save a backup configuration",
     .refuse = pos_reply_refuse},
    {METHOD_POST, "/api/backup/configs/test", ADMINS, "backup:configure", ROUTE_CSRF,
     POS_CONFIG_MAX, JSON, .rate_minute = 30, .handler = pos_trial_test,
     .summary = "Try a backup configuration", .refuse = pos_reply_refuse},
    {METHOD_PUT, "/api/backup/configs/{configId}", ADMINS, "backup:configure", ROUTE_CSRF,
     POS_CONFIG_MAX, JSON, .handler = pos_configs_put, .summary = "Change a backup configuration",
     .refuse = pos_reply_refuse},
    {METHOD_DELETE, "/api/backup/configs/{configId}", ADMINS, "backup:configure",
     ROUTE_CSRF | ROUTE_STEP_UP, .handler = pos_configs_delete,
     .summary = "Delete a backup configuration, not its backups", .refuse = pos_reply_refuse},
    {METHOD_GET, "/api/backup/history/{configId}", READERS, .handler = pos_history_get,
     .summary = "Backups of a configuration", .refuse = pos_reply_refuse},
    {METHOD_GET, "/api/backup/stats", READERS, .rate_minute = 60, .handler = pos_history_stats,
     .summary = "Figures about backups", .refuse = pos_reply_refuse},
    {METHOD_POST, "/api/backup/verify/{backupId}", ADMINS, "backup:run",
     ROUTE_CSRF | ROUTE_OPTIONAL_BODY, BODY_MAX, JSON, .handler = pos_proof_verify,
     .summary = "Prove a backup by a drill", .refuse = pos_reply_refuse},
    {METHOD_POST, "/api/backup/restore/{backupId}", ADMINS, "backup:restore",
     ROUTE_CSRF | ROUTE_STEP_UP | ROUTE_IDEMPOTENT | ROUTE_OPTIONAL_BODY, BODY_MAX, JSON,
     .handler = pos_proof_restore, .summary = "Bring a backup back", .refuse = pos_reply_refuse},
    {METHOD_POST, "/api/backup/restore-point", ADMINS, "backup:run",
     ROUTE_CSRF | ROUTE_IDEMPOTENT | ROUTE_OPTIONAL_BODY, BODY_MAX, JSON,
     .handler = pos_backup_restore_point, .summary = "Back up before something dangerous",
     .refuse = pos_reply_refuse},
    {METHOD_POST, "/api/backup/retention/apply", ADMINS, "backup:run",
     ROUTE_CSRF | ROUTE_IDEMPOTENT | ROUTE_OPTIONAL_BODY, BODY_MAX, JSON,
     .handler = pos_retention_apply, .summary = "Apply the retention of all configurations",
     .refuse = pos_reply_refuse},
    NOWHERE(METHOD_GET),
    NOWHERE(METHOD_POST),
    NOWHERE(METHOD_PUT),
    NOWHERE(METHOD_PATCH),
    NOWHERE(METHOD_DELETE),
};
const size_t api_pos_route_count = sizeof(api_pos_routes) / sizeof(api_pos_routes[0]);
