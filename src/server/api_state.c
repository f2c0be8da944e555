/* How things stand: schedules, stores, restore points, statistics. */
#include <string.h>

#include "base/text.h"
#include "notify/notify.h"
#include "server/api_private.h"
#include "server/figures.h"

#define DAY_NS    (INT64_C(24) * 3600 * 1000000000)
#define DAYS      30    /* of statistics, when the request does not say */
#define RUNS_MAX  20000 /* that statistics look at, the newest */
#define RUNS_PAGE 1000

/* Whose schedule one is; texts stand in the arena. */
struct scheduled {
    enum catalog_run_kind kind;
    const char *set;
    const char *repository; /* of checks; or NULL */
};

static struct scheduled scheduled_of(const char *id, struct arena *a)
{
    static const size_t drills = sizeof(CATALOG_SCHEDULE_DRILLS) - 1;
    static const size_t checks = sizeof(CATALOG_SCHEDULE_CHECKS) - 1;
    const char *slash = strchr(id, '/');

    if (strncmp(id, CATALOG_SCHEDULE_DRILLS, drills) == 0)
        return (struct scheduled){RUN_DRILL, id + drills, NULL};
    if (strncmp(id, CATALOG_SCHEDULE_CHECKS, checks) != 0 || slash == NULL)
        return (struct scheduled){RUN_BACKUP, id, NULL};
    id += checks;
    return (struct scheduled){RUN_CHECK, arena_string(a, SLICE_OF(id, (size_t)(slash - id))),
                              slash + 1};
}

/* time_zone is given away. */
static json_t *schedule_json(const struct catalog_schedule *s, const struct scheduled *of,
                             json_t *time_zone)
{
    return json_pack("{s:s, s:s, s:s?, s:o, s:o, s:o, s:o}", "set", of->set, "kind",
                     catalog_run_kind_name(of->kind), "repository", of->repository, "time_zone",
                     time_zone, "last_at", auth_time_json(s->last_ns), "next_at",
                     auth_time_json(s->next_ns), "details", api_document(s->details));
}

static void get_catalog(struct request *r)
{
    struct catalog *c = auth_service(r)->catalog;
    const struct catalog_run_filter all = CATALOG_RUNS_ALL;
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_job_list jobs = {0};
    int64_t runs = 0;
    struct err e = {0};

    if (!catalog_begin_read(c, &t, &e) || !catalog_run_count(t, &all, &runs, &e) ||
        !catalog_job_list(t, &a, &jobs, &e))
        reply_err(r, &e);
    else
        reply_json(r, 200,
                   json_pack("{s:s, s:I, s:I}", "kind", catalog_kind(c), "runs", (json_int_t)runs,
                             "jobs", (json_int_t)jobs.count));
}

static void get_version(struct request *r)
{
    reply_json(r, 200, json_pack("{s:s}", "version", HOLDFAST_VERSION));
}

/* Paths of this machine: for those who may restore into them. */
static void get_limits(struct request *r)
{
    const struct service *s = auth_service(r);
    json_t *targets = json_array();

    for (size_t i = 0; i < s->restore_target_count; i++)
        (void)json_array_append_new(targets, json_string(s->restore_targets[i]));
    reply_json(r, 200,
               json_pack("{s:o, s:I}", "restore_targets", targets, "import_max",
                         (json_int_t)s->import_max));
}

static void get_schedules(struct request *r)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_schedule_list list = {0};
    struct catalog_config_list configs = {0};
    json_t *items;
    struct err e = {0};

    if (!catalog_begin_read(auth_service(r)->catalog, &t, &e) ||
        !catalog_schedule_list(t, &a, &list, &e) || !catalog_config_list(t, &a, &configs, &e)) {
        reply_err(r, &e);
        return;
    }
    items = json_array();
    for (size_t i = 0; i < list.count; i++) {
        const struct scheduled of = scheduled_of(list.items[i].config, &a);

        if (principal_has_set(request_principal(r), of.set))
            (void)json_array_append_new(
                items, schedule_json(&list.items[i], &of,
                                     api_time_zone(auth_service(r), &configs, of.set)));
    }
    reply_json(r, 200, json_pack("{s:o}", "schedules", items));
}

static json_t *number_or_null(int64_t n)
{
    return n < 0 ? json_null() : json_integer((json_int_t)n);
}

/* What was measured last, and when; null: nothing was. */
static json_t *keys_json(const struct catalog_store *s)
{
    json_t *keys = api_document(s->keys);

    if (json_is_object(keys))
        (void)json_object_set_new(keys, "measured_at", auth_time_json(s->keys_ns));
    return keys;
}

static void get_stores(struct request *r)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_store_list list = {0};
    json_t *items;
    struct err e = {0};

    if (!catalog_begin_read(auth_service(r)->catalog, &t, &e) ||
        !catalog_store_list(t, &a, &list, &e)) {
        reply_err(r, &e);
        return;
    }
    items = json_array();
    for (size_t i = 0; i < list.count; i++) {
        const struct catalog_store *s = &list.items[i];

        (void)json_array_append_new(
            items, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s?, s:o}", "name", s->name,
                             "state", s->state, "seen_at", auth_time_json(s->seen_ns), "bytes",
                             number_or_null(s->bytes), "snapshots", number_or_null(s->snapshots),
                             "checked_at", auth_time_json(s->checked_ns), "verified_at",
                             auth_time_json(s->verified_ns), "keys", keys_json(s), "error",
                             s->error, "updated_at", auth_time_json(s->updated_ns)));
    }
    reply_json(r, 200, json_pack("{s:o}", "stores", items));
}

/* Restore points */

static void get_points(struct request *r)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_restore_point_list list = {0};
    struct catalog_page page;
    json_t *items;
    struct err e = {0};

    if (!api_page(r, &page))
        return;
    if (!catalog_begin_read(auth_service(r)->catalog, &t, &e) ||
        !catalog_restore_point_list(t, &page, &a, &list, &e)) {
        reply_err(r, &e);
        return;
    }
    items = json_array();
    for (size_t i = 0; i < list.count; i++) {
        const struct catalog_restore_point *p = &list.items[i];

        (void)json_array_append_new(
            items,
            json_pack("{s:s, s:s?, s:s?, s:s, s:b, s:s, s:o, s:o}", "id", p->id, "run", p->run,
                      "snapshot", p->snapshot, "description", p->description, "verified",
                      (int)p->is_verified, "created_by", p->created_by, "created_at",
                      auth_time_json(p->created_ns), "expires_at", auth_time_json(p->expires_ns)));
    }

    const struct catalog_restore_point *last = list.count > 0 ? &list.items[list.count - 1] : NULL;

    reply_json(r, 200,
               json_pack("{s:o, s:o}", "restore_points", items, "next",
                         api_next(&page, list.count, last != NULL ? last->created_ns : 0,
                                  last != NULL ? last->id : "")));
}

static bool remove_point(struct catalog_tx *t, void *arg, struct err *e)
{
    struct request *r = arg;
    const char *id = request_parameter(r, "point");

    return catalog_restore_point_remove(t, id, e) &&
           auth_audit(t, r,
                      &(struct auth_record){
                          .action = "restore-point.delete", .object = id, .outcome = "done"},
                      e);
}

static void delete_point(struct request *r)
{
    if (auth_write(r, remove_point, r))
        reply_empty(r, 204);
}

/* Statistics */

struct figures {
    struct arena arena;
    struct buf records; /* struct run_record */
    struct statistics_scope scope;
    bool is_cut;
};

static void add_run(struct figures *g, const struct catalog_run *run)
{
    const enum figure_state state = figures_state(run->outcome.state);
    const int64_t begun_ns = run->started_ns != 0 ? run->started_ns : run->created_ns;
    const struct run_record record = {
        .kind = figures_kind(run->kind),
        .state = state,
        .type = run->variant != NULL ? run->variant : "",
        .set = run->set,
        .time_ns = begun_ns,
        .duration_ms = run->ended_ns > begun_ns ? (run->ended_ns - begun_ns) / 1000000 : 0,
        .size = state == FIGURE_FAILURE ? 0 : (uint64_t)run->outcome.bytes,
        .added = (uint64_t)run->outcome.bytes_added,
    };

    buf_append(&g->records, &record, sizeof(record));
}

/* Of one type only, "" being one, or NULL. */
static bool is_of_type(const struct catalog_run *run, const char *type)
{
    return type == NULL || strcmp(run->variant != NULL ? run->variant : "", type) == 0;
}

static bool read_figures(struct catalog *c, const char *set, const char *type, struct figures *g,
                         struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct catalog_page page = {.limit = RUNS_PAGE};
    struct catalog_run_filter f = CATALOG_RUNS_ALL;
    struct catalog_config_list configs = {0};
    struct catalog_run_list runs = {0};
    size_t count = 0;

    if (!catalog_begin_read(c, &t, e) || !catalog_config_list(t, &g->arena, &configs, e))
        return false;
    g->scope.now_ns = catalog_tx_now(t);
    g->scope.configs = configs.count;
    for (size_t i = 0; i < configs.count; i++)
        g->scope.configs_enabled += configs.items[i].is_enabled;
    f.set = set;
    f.from_ns = g->scope.now_ns - g->scope.days * DAY_NS;
    do {
        if (!catalog_run_list(t, &f, &page, &g->arena, &runs, e))
            return false;
        for (size_t i = 0; i < runs.count; i++)
            if (is_of_type(&runs.items[i], type))
                add_run(g, &runs.items[i]);
        count += runs.count;
        if (runs.count > 0) {
            page.after_ns = runs.items[runs.count - 1].created_ns;
            page.after_id = runs.items[runs.count - 1].id;
        }
    } while (runs.count == RUNS_PAGE && count < RUNS_MAX);
    g->is_cut = count >= RUNS_MAX;
    return true;
}

static void get_statistics(struct request *r)
{
    const char *text = request_query(r, "days");
    const char *set = NULL;
    uint64_t days = DAYS;
    struct figures g = {0};
    struct err e = {0};

    if (text != NULL && (!parse_u64(text, &days, &e) || days < 1 || days > STATISTICS_DAYS_MAX)) {
        reply_problem(r, 400, "invalid_query", "days: must be 1 to 366");
        return;
    }
    if (!api_query_set(r, &set))
        return;
    g.scope.days = (int)days;
    if (read_figures(auth_service(r)->catalog, set, request_query(r, "type"), &g, &e)) {
        json_t *out = statistics_json((const struct run_record *)(const void *)g.records.data,
                                      g.records.size / sizeof(struct run_record), &g.scope);

        (void)json_object_set_new(out, "truncated", json_boolean(g.is_cut));
        reply_json(r, 200, out);
    } else {
        reply_err(r, &e);
    }
    buf_done(&g.records);
    arena_done(&g.arena);
}

const struct route api_state_routes[] = {
    {METHOD_GET, "/api/v1/schedules", API_READ, ROUTE_CHECKS_SETS, .handler = get_schedules,
     .summary = "When sets ran by their schedules and will again"},
    {METHOD_GET, "/api/v1/stores", API_READ, .handler = get_stores,
     .summary = "What is known of the repositories"},
    {METHOD_GET, "/api/v1/version", API_READ, .handler = get_version,
     .summary = "Which version the service is"},
    {METHOD_GET, "/api/v1/limits", API_RESTORE, .handler = get_limits,
     .summary = "Where restores may go, and how large imports may be"},
    {METHOD_GET, "/api/v1/catalog", API_READ, .handler = get_catalog,
     .summary = "Which database the catalog is in, and how much it knows"},
    {METHOD_GET, "/api/v1/statistics", API_READ, ROUTE_CHECKS_SETS, .rate_minute = 30,
     .handler = get_statistics, .summary = "Figures about what ran"},
    {METHOD_GET, "/api/v1/restore-points", API_READ, .handler = get_points,
     .summary = "Snapshots that are kept whatever the retention says"},
    {METHOD_DELETE, "/api/v1/restore-points/{point}", API_REMOVE, ROUTE_CSRF | ROUTE_STEP_UP,
     .handler = delete_point, .summary = "Let the retention have a snapshot again"},
};
const size_t api_state_route_count = sizeof(api_state_routes) / sizeof(api_state_routes[0]);
