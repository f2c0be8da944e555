/* Backups that somebody asks for, and restore points. */
#include <string.h>

#include "base/clock.h"
#include "server/compat/pos_private.h"
#include "server/once.h"

#define HOUR_NS        (INT64_C(3600) * 1000000000)
#define POINTS_MAX     6   /* restore points in an hour (security rules, 6.3) */
#define NAME_MAX_BYTES 200 /* of a backup */
#define POINT_NS       (INT64_C(30) * 24 * HOUR_NS) /* that one is kept */

/* What JavaScript takes for false is missing. */
static bool is_missing(const json_t *j)
{
    return j == NULL || json_is_null(j) || json_is_false(j) ||
           (json_is_string(j) && json_string_length(j) == 0) ||
           (json_is_number(j) && json_number_value(j) == 0);
}

/* A backup of a configuration; with a description it becomes a restore point. */
struct wish {
    const struct request *r;
    const struct service *service;
    const char *config;      /* id; NULL: the first that is enabled and has everything */
    const char *description; /* or NULL */
    const char *name;        /* what to call the backup: a tag of its snapshot; or NULL */

    /* Answers. */
    bool is_unknown, is_too_often;
    const char *type;
    struct catalog_job_ids ids;
    char point[CATALOG_ID_SIZE];
};

/* The one that is asked for, or NULL. */
static const struct catalog_config *choose(const struct catalog_config_list *list,
                                           const struct wish *w)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct catalog_config *c = &list->items[i];

        if (w->config != NULL ? strcmp(c->id, w->config) == 0
                              : c->is_enabled && strcmp(pos_record_type(c->document), "full") == 0)
            return c;
    }
    return NULL;
}

static bool check_points(struct catalog_tx *t, struct wish *w, struct err *e)
{
    const struct catalog_page newest = {.limit = POINTS_MAX};
    AUTO(arena) struct arena a = {0};
    struct catalog_restore_point_list points = {0};

    if (!catalog_restore_point_list(t, &newest, &a, &points, e))
        return false;
    w->is_too_often = points.count == POINTS_MAX &&
                      points.items[POINTS_MAX - 1].created_ns > catalog_tx_now(t) - HOUR_NS;
    return !w->is_too_often || err_set(e, ERR_DENIED, "too many restore points within an hour");
}

static json_t *point_json(const struct wish *w)
{
    return json_pack("{s:s}", "restorePointId", w->point);
}

static bool add_point(struct catalog_tx *t, struct wish *w, struct err *e)
{
    const struct catalog_restore_point p = {.run = w->ids.run,
                                            .description = w->description,
                                            .created_by = request_principal(w->r)->name,
                                            .expires_ns = catalog_tx_now(t) + POINT_NS};

    return catalog_restore_point_add(t, &p, w->point, e);
}

/* Tags stand between commas in the arguments of jobs. */
static bool is_tag_text(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f || *text == ',')
            return false;
    return true;
}

/* A restore point's snapshot says itself that it is one, and until when. */
static const char *arguments_of(struct catalog_tx *t, const struct wish *w, struct arena *a)
{
    AUTO(json) json_t *j = json_object();
    AUTO(buf) struct buf text = {0};
    char until[CLOCK_TEXT_MAX];

    clock_format(catalog_tx_now(t) + POINT_NS, until);
    if (w->description != NULL)
        (void)json_object_set_new(j, "tags", json_pack("[s+]", "restore-point:", until));
    else if (w->name != NULL)
        (void)json_object_set_new(j, "tags", json_pack("[s+]", "name:", w->name));
    json_append(j, &text);
    return arena_string(a, buf_slice(&text));
}

/* Whoever repeats the request from here on is told of the same job. */
static bool keep_answer(struct catalog_tx *t, const struct wish *w, struct err *e)
{
    AUTO(json) json_t *point = w->point[0] == '\0' ? NULL : point_json(w);
    AUTO(json) json_t *answer = order_reply_job(w->ids.job, point);

    return once_keep(t, w->r, 202, answer, e);
}

static bool queue_wish(struct catalog_tx *t, void *arg, struct err *e)
{
    struct wish *w = arg;
    AUTO(arena) struct arena a = {0};
    struct catalog_config_list list = {0};
    const struct catalog_config *c;

    w->is_unknown = false;
    w->is_too_often = false;
    if (!catalog_config_list(t, &a, &list, e) || (w->description != NULL && !check_points(t, w, e)))
        return false;
    c = choose(&list, w);
    w->is_unknown = c == NULL;
    if (c == NULL)
        return err_set(e, ERR_NOT_FOUND, "no such configuration");
    w->type = pos_record_type(c->document);

    const struct order o = {.r = w->r,
                            .kind = RUN_BACKUP,
                            .set = c->id,
                            .config = c->id,
                            .variant = w->type,
                            .arguments = arguments_of(t, w, &a),
                            .action = w->description != NULL ? "restore-point" : "backup",
                            .object = c->id};

    return order_queue(t, &o, &w->ids, e) && (w->description == NULL || add_point(t, w, e)) &&
           keep_answer(t, w, e);
}

static bool has_result(const struct catalog_run *run)
{
    return run->outcome.state == RUN_SUCCESS || run->outcome.state == RUN_INCOMPLETE ||
           run->outcome.state == RUN_DEGRADED;
}

/* {"error", "details", "backup"} of a backup that failed. */
static void reply_failed(struct request *r, const char *what, const struct wish *w,
                         const struct catalog_run *run)
{
    json_t *record = pos_record_json(w->service, run, w->type);

    once_forget(r);
    reply_json(r, 500,
               json_pack("{s:s, s:O, s:o}", "error", what, "details",
                         json_object_get(record, "error"), "backup", record));
}

/* create */

void pos_backup_create(struct request *r)
{
    static const char *const types[] = {"full",     "incremental", "differential",
                                        "database", "files",       NULL};
    static const struct field table[] = {{"configId", FIELD_ANY},
                                         {"type", FIELD_CHOICE, FIELD_NULLABLE, .words = types},
                                         {"name", FIELD_TEXT, FIELD_NULLABLE, 1, NAME_MAX_BYTES},
                                         {0}};
    static const char what[] = "Failed to create backup";
    struct wish w = {.r = r, .service = request_app(r)};
    AUTO(arena) struct arena a = {0};
    struct catalog_run run;
    const json_t *body;
    struct err e;

    if (!pos_reply_body(r, table, &body))
        return;
    if (is_missing(json_object_get(body, "configId"))) {
        order_reply_error(r, 400, "Backup configuration ID is required");
        return;
    }
    w.config = json_string_value(json_object_get(body, "configId"));
    if (w.config == NULL) {
        order_reply_error(r, 400, "configId: must be a text");
        return;
    }
    w.name = json_string_value(json_object_get(body, "name"));
    if (w.name != NULL && !is_tag_text(w.name)) {
        order_reply_error(r, 400, "name: must be without comma and control characters");
        return;
    }
    if (!catalog_write(w.service->catalog, queue_wish, &w, &e)) {
        if (w.is_unknown)
            order_reply_error(r, 404, "Backup configuration not found");
        else
            order_reply_failure(r, what, &e);
        return;
    }

    const struct order_wait wait = {
        .job = w.ids.job, .until_ns = clock_monotonic_ns() + ORDER_WAIT_NS, .what = what};

    if (!order_await(r, &wait, &a, &run))
        return;
    if (has_result(&run))
        reply_json(r, 200,
                   json_pack("{s:b, s:o}", "success", 1, "backup",
                             pos_record_json(w.service, &run, w.type)));
    else
        reply_failed(r, what, &w, &run);
}

/* restore-point */

struct settled {
    const struct wish *wish;
    const struct catalog_run *run;
};

/* It has become a snapshot, or nothing. */
static bool settle(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct settled *s = arg;

    return has_result(s->run)
               ? catalog_restore_point_set(t, s->wish->point, s->run->outcome.snapshot, false, e)
               : catalog_restore_point_remove(t, s->wish->point, e);
}

static bool read_point(struct request *r, struct wish *w)
{
    static const struct field table[] = {
        {"description", FIELD_ANY}, {"configId", FIELD_TEXT, FIELD_NULLABLE, 1, 128}, {0}};
    const json_t *body;
    const json_t *description;

    if (!pos_reply_body(r, table, &body))
        return false;
    description = json_object_get(body, "description");
    if (is_missing(description)) {
        order_reply_error(r, 400, "Description is required for restore point");
        return false;
    }
    if (!json_is_string(description) || json_string_length(description) > 500 ||
        strlen(json_string_value(description)) != json_string_length(description)) {
        order_reply_error(r, 400, "description: must be a text of at most 500 bytes");
        return false;
    }
    w->description = json_string_value(description);
    w->config = json_string_value(json_object_get(body, "configId"));
    return true;
}

static void refuse_point(struct request *r, const struct wish *w, const struct err *e)
{
    if (w->is_too_often) {
        pos_reply_refuse(r, 429, "too_many_requests", "");
    } else if (w->is_unknown) {
        order_reply_error(r, w->config != NULL ? 404 : 400,
                          w->config != NULL
                              ? "Backup configuration not found"
                              : "No full backup configuration is enabled: name one by configId");
    } else {
        order_reply_failure(r, "Failed to create restore point", e);
    }
}

void pos_backup_restore_point(struct request *r)
{
    static const char what[] = "Failed to create restore point";
    struct wish w = {.r = r, .service = request_app(r)};
    AUTO(arena) struct arena a = {0};
    struct catalog_run run;
    struct err e;

    if (!read_point(r, &w))
        return;
    if (!catalog_write(w.service->catalog, queue_wish, &w, &e)) {
        refuse_point(r, &w, &e);
        return;
    }

    AUTO(json) json_t *more = point_json(&w);
    const struct order_wait wait = {.job = w.ids.job,
                                    .until_ns = clock_monotonic_ns() + ORDER_WAIT_NS,
                                    .what = what,
                                    .more = more};

    if (!order_await(r, &wait, &a, &run))
        return;

    struct settled s = {&w, &run};

    if (!catalog_write(w.service->catalog, settle, &s, &e))
        order_reply_failure(r, what, &e);
    else if (!has_result(&run))
        reply_failed(r, what, &w, &run);
    else
        reply_json(r, 200,
                   json_pack("{s:b, s:s, s:s}", "success", 1, "restorePointId", w.point, "message",
                             "Restore point created successfully"));
}
