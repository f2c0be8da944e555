/*
 * Backups of a gateway by the routes of its application: one is made and sent, those that are there
 * are listed and sent.  The published application kept zip files in a folder; here a file's name is
 * that of a snapshot's time, and the file is made when it is asked for.
 */
#include "server/compat/gateway.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "server/api_private.h"
#include "server/compat/gateway_private.h"
#include "server/compat/order.h"

#define FAILED     "Backup creation failed"
#define NOT_SENT   "Backup download failed"
#define NOT_LISTED "Failed to get backup information"

/* {"error"}, as the application answers; details only where a handler has some. */
void gateway_refuse(struct request *r, unsigned status, const char *code, const char *detail)
{
    if (status == 429) {
        order_reply_error(r, 429, "Rate limit exceeded");
        return;
    }
    reply_json(r, status,
               json_pack("{s:s, s:s, s:s}", "error",
                         status == 401   ? "Authentication required"
                         : status == 403 ? "Admin access required"
                                         : detail,
                         "code", code, "details", detail));
}

/* Whether there is a gateway here, and who asks may have to do with it.  False after answering. */
bool gateway_check(struct request *r)
{
    const struct service *s = request_app(r);

    if (s->gateway_set == NULL)
        order_reply_error(r, 404, "There is no gateway here");
    else if (!principal_has_set(request_principal(r), s->gateway_set))
        gateway_refuse(r, 403, "forbidden", "the token is for other sets");
    else
        return true;
    return false;
}

/* backup */

struct demand {
    struct request *r;
    const char *set;
    struct gateway_hour hour;
    struct catalog_job_ids ids;
};

/* A set's backup that lacks something is no backup of a gateway. */
static bool is_good(const struct catalog_run *run)
{
    return (run->outcome.state == RUN_SUCCESS || run->outcome.state == RUN_DEGRADED) &&
           run->outcome.snapshot != NULL;
}

/* Whether it counts against the hour: what came to nothing does not. */
static bool counts(const struct catalog_run *run)
{
    if (!catalog_run_state_is_final(run->outcome.state))
        return true;
    return run->kind == RUN_BACKUP ? is_good(run) : run->outcome.state == RUN_SUCCESS;
}

bool gateway_check_hour(struct catalog_tx *t, const struct request *r, struct gateway_hour *h,
                        struct err *e)
{
    const struct service *s = request_app(r);
    const struct catalog_page newest = {.limit = GATEWAY_LOOK_BACK};
    const struct catalog_run_filter f = {.set = s->gateway_set,
                                         .kind = (int)h->kind,
                                         .state = -1,
                                         .from_ns = catalog_tx_now(t) - GATEWAY_HOUR_NS};
    AUTO(arena) struct arena a = {0};
    struct catalog_run_list runs = {0};

    h->wait_ns = 0;
    if (!catalog_run_list(t, &f, &newest, &a, &runs, e))
        return false;
    for (size_t i = 0; i < runs.count; i++) {
        const struct catalog_run *run = &runs.items[i];

        if (run->variant != NULL && strcmp(run->variant, GATEWAY_VARIANT) == 0 &&
            strcmp(run->requested_by, request_principal(r)->name) == 0 && counts(run)) {
            h->wait_ns = run->created_ns + GATEWAY_HOUR_NS - catalog_tx_now(t);
            return err_set(e, ERR_DENIED, "one an hour");
        }
    }
    return true;
}

void gateway_refuse_hour(struct request *r, const struct gateway_hour *h)
{
    const long long seconds = h->wait_ns / NS_PER_S + 1;
    char text[24];

    (void)snprintf(text, sizeof(text), "%lld", seconds); /* it fits */
    reply_header(r, "Retry-After", text);
    gateway_refuse(r, 429, "too_many_requests", "");
}

static bool queue(struct catalog_tx *t, void *arg, struct err *e)
{
    struct demand *o = arg;
    const struct order q = {.r = o->r,
                            .kind = RUN_BACKUP,
                            .set = o->set,
                            .variant = GATEWAY_VARIANT,
                            .arguments = "{}",
                            .action = "backup",
                            .object = o->set};

    o->hour.kind = RUN_BACKUP;
    return gateway_check_hour(t, o->r, &o->hour, e) && order_queue(t, &q, &o->ids, e);
}

static void get_backup(struct request *r)
{
    const struct service *s = request_app(r);
    struct demand o = {.r = r, .set = s->gateway_set};
    AUTO(arena) struct arena a = {0};
    struct catalog_run run;
    struct err e = {0};

    if (!gateway_check(r))
        return;
    request_watch(r);
    if (!catalog_write(s->catalog, queue, &o, &e)) {
        if (o.hour.wait_ns > 0)
            gateway_refuse_hour(r, &o.hour);
        else
            order_reply_failure(r, FAILED, &e);
        return;
    }

    const struct order_wait wait = {
        .job = o.ids.job, .until_ns = clock_monotonic_ns() + ORDER_WAIT_NS, .what = FAILED};

    if (!order_await(r, &wait, &a, &run))
        return;
    if (!is_good(&run))
        order_reply_run(r, FAILED, &run);
    else if (!gateway_send(r, run.outcome.snapshot, &e))
        order_reply_failure(r, NOT_SENT, &e);
}

/* backup/download/NAME */

static bool is_name(const char *name)
{
    static const char form[] = "wireguard_backup_dddddddd_dddddd.zip";
    size_t i = 0;

    for (; form[i] != '\0' && name[i] != '\0'; i++) {
        const bool is_digit_wanted = form[i] == 'd' && i >= sizeof("wireguard_backup_") - 1;

        if (is_digit_wanted ? name[i] < '0' || name[i] > '9' : name[i] != form[i])
            return false;
    }
    return form[i] == '\0' && name[i] == '\0';
}

static void get_download(struct request *r)
{
    const char *name = request_parameter(r, "name");
    const char *id = NULL;
    AUTO(json) json_t *list = NULL;
    const json_t *one;
    struct err e = {0};
    size_t i;

    if (!gateway_check(r))
        return;
    if (!is_name(name)) {
        order_reply_error(r, 400, "Invalid backup filename");
        return;
    }
    request_watch(r);
    if (!gateway_list(r, &list, &e)) {
        order_reply_failure(r, NOT_SENT, &e);
        return;
    }
    json_array_foreach(list, i, one)
    {
        if (id == NULL && strcmp(auth_text(one, "filename"), name) == 0)
            id = auth_text(one, "id");
    }
    if (id == NULL)
        order_reply_error(r, 404, "Backup file not found");
    else if (!gateway_send(r, id, &e))
        order_reply_failure(r, NOT_SENT, &e);
}

/* backup-info */

static json_t *backup_json(const json_t *one, int64_t now_ns)
{
    const char *time = auth_text(one, "time");
    int64_t time_ns = now_ns;
    struct err ignored; /* gateway_list() has looked at it */

    (void)!clock_parse(time, &time_ns, &ignored);
    return json_pack("{s:s, s:s, s:O, s:s, s:I}", "filename", auth_text(one, "filename"), "path",
                     auth_text(one, "id"), "size", json_object_get(one, "size"), "created_at", time,
                     "age_days", (json_int_t)((now_ns - time_ns) / (24 * GATEWAY_HOUR_NS)));
}

static void get_info(struct request *r)
{
    const struct service *s = request_app(r);
    const int64_t now_ns = clock_now_ns();
    AUTO(json) json_t *list = NULL;
    json_t *backups;
    const json_t *one;
    struct err e = {0};
    size_t i;

    if (!gateway_check(r))
        return;
    request_watch(r);
    if (!gateway_list(r, &list, &e)) {
        order_reply_failure(r, NOT_LISTED, &e);
        return;
    }
    backups = json_array();
    json_array_foreach(list, i, one)
    {
        (void)json_array_append_new(backups, backup_json(one, now_ns));
    }
    reply_json(r, 200,
               json_pack("{s:s, s:{s:o, s:s, s:n}}", "status", "success", "data", "backups",
                         backups, "backup_dir", s->gateway_set, "max_age_days"));
}

/* backup-status */

static json_t *status_json(const struct catalog_run *run)
{
    json_t *out = json_pack(
        "{s:s, s:s, s:s?, s:o, s:o, s:o, s:s?}", "operation", catalog_run_kind_name(run->kind),
        "state", catalog_run_state_name(run->outcome.state), "job", run->job, "started_at",
        auth_time_json(run->started_ns), "ended_at", auth_time_json(run->ended_ns), "progress",
        api_document(run->progress), "error", counts(run) ? NULL : run->outcome.error);

    return out;
}

/* The newest run that these routes asked for: of a restore first the import of its file. */
static void get_status(struct request *r)
{
    const struct service *s = request_app(r);
    const struct catalog_page newest = {.limit = GATEWAY_LOOK_BACK};
    const struct catalog_run_filter f = {.set = s->gateway_set, .kind = -1, .state = -1};
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_run_list runs = {0};
    struct err e = {0};
    size_t i = 0;

    if (!gateway_check(r))
        return;
    if (!catalog_begin_read(s->catalog, &t, &e) ||
        !catalog_run_list(t, &f, &newest, &a, &runs, &e)) {
        order_reply_failure(r, NOT_LISTED, &e);
        return;
    }
    while (i < runs.count &&
           (runs.items[i].variant == NULL || strcmp(runs.items[i].variant, GATEWAY_VARIANT) != 0))
        i++;
    reply_json(r, 200,
               json_pack("{s:s, s:o}", "status", "success", "data",
                         i < runs.count ? status_json(&runs.items[i])
                                        : json_pack("{s:n, s:s}", "operation", "state", "idle")));
}

#define PEOPLE     PRINCIPAL_BIT(PRINCIPAL_USER) | PRINCIPAL_BIT(PRINCIPAL_API_TOKEN)
#define ADMINS     PEOPLE, ROLES_FROM(ROLE_ADMIN)

#define UPLOAD_MAX ((uint64_t)50 << 20) /* the application's own; of the whole form */

/* A file from here holds private keys: who is in proves himself first.  Who confirms has done so
 * when he asked for the restore, and is not asked again while the time runs. */
const struct route api_gateway_routes[] = {
    {METHOD_GET, "/system/backup", ADMINS, "backup:restore",
     ROUTE_STEP_UP | ROUTE_NO_HEAD | ROUTE_CHECKS_SETS, .handler = get_backup,
     .summary = "Back up the gateway and send it as its application's zip file",
     .refuse = gateway_refuse},
    {METHOD_GET, "/system/backup/download/{name}", ADMINS, "backup:restore",
     ROUTE_STEP_UP | ROUTE_NO_HEAD | ROUTE_CHECKS_SETS, .rate_minute = 20, .handler = get_download,
     .summary = "A backup of the gateway as its application's zip file", .refuse = gateway_refuse},
    {METHOD_GET, "/system/backup-info", ADMINS, "backup:read", ROUTE_NO_HEAD | ROUTE_CHECKS_SETS,
     .rate_minute = 60, .handler = get_info, .summary = "Backups of the gateway",
     .refuse = gateway_refuse},
    {METHOD_GET, "/system/backup-status", ADMINS, "backup:read", ROUTE_CHECKS_SETS,
     .handler = get_status, .summary = "How far the latest backup of the gateway has come",
     .refuse = gateway_refuse},
    {METHOD_POST, "/system/restore", ADMINS, "backup:restore",
     ROUTE_STEP_UP | ROUTE_CSRF | ROUTE_STREAM | ROUTE_CHECKS_SETS, UPLOAD_MAX,
     "multipart/form-data", 20, .handler = gateway_post_restore,
     .summary = "Bring the gateway back from its application's zip file",
     .refuse = gateway_refuse_restore},
    {METHOD_POST, "/system/restore/confirm", ADMINS, "backup:restore",
     ROUTE_CSRF | ROUTE_CHECKS_SETS, .handler = gateway_post_confirm,
     .summary = "Keep the firewall rules that a restore of the gateway has put in force",
     .refuse = gateway_refuse},
};
const size_t api_gateway_route_count = sizeof(api_gateway_routes) / sizeof(api_gateway_routes[0]);
