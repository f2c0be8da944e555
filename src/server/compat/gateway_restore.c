/*
 * A gateway back from its application's zip file.
 *
 * The file becomes a snapshot of the set's own form by a job, whose sandboxed processes look at it,
 * and that very snapshot is restored in place by another.  Rules of the firewall stay only when
 * somebody, or the set's health checks, say in time that they may.  The request waits for both
 * jobs; success is told of a restore that has ended as one, and of nothing else.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "server/api_private.h"
#include "server/compat/gateway_private.h"
#include "server/compat/order.h"
#include "server/deposit.h"

#define FAILED  "System restore failed"
#define INVALID "Backup validation failed"
#define NO_FILE "No backup file provided"
#define TOO_LARGE \
    "413 Request Entity Too Large: The data value transmitted exceeds the capacity limit."
#define FILE_NAME   "wireguard_backup.zip" /* where the job finds it */
#define UNCONFIRMED "unconfirmed"

/* One request. */
struct restore {
    struct request *r;
    const char *set;
    struct deposit to;
    bool has_file;
    uint64_t size;
    const char *wrong; /* with the form, in the application's words */

    json_t *arguments; /* of the job that is queued; borrowed */
    enum catalog_run_kind kind;
    struct gateway_hour hour;
    bool is_double; /* answer: another restore is under way */
    struct catalog_job_ids ids;
};

static void restore_auto(struct restore *x)
{
    deposit_auto(&x->to);
}

static void reply_failed(struct request *r, unsigned status, const char *what, const char *details)
{
    reply_json(r, status, json_pack("{s:s, s:s}", "error", what, "details", details));
}

/* The frame's refusals, where the application has words for them. */
void gateway_refuse_restore(struct request *r, unsigned status, const char *code,
                            const char *detail)
{
    if (status == 413)
        reply_failed(r, 500, FAILED, TOO_LARGE);
    else if (status == 411 || status == 415)
        order_reply_error(r, 400, NO_FILE);
    else
        gateway_refuse(r, status, code, detail);
}

/* The form */

static bool refuse_form(struct restore *x, const char *wrong, struct err *e)
{
    x->wrong = wrong;
    return err_set(e, ERR_USAGE, "%s", wrong);
}

static bool begin(void *arg, const char *name, const char *file, struct err *e)
{
    struct restore *x = arg;
    const size_t size = file == NULL ? 0 : strlen(file);

    if (strcmp(name, "backup_file") != 0 || file == NULL)
        return true; /* the application looks at no other field */
    if (x->has_file)
        return refuse_form(x, "backup_file is there twice", e);
    if (size == 0)
        return refuse_form(x, "No file selected", e);
    if (size < 4 || strcasecmp(file + size - 4, ".zip") != 0)
        return refuse_form(x, "Invalid file type. Please upload a .zip file", e);
    x->has_file = true;
    return deposit_begin(&x->to, request_app(x->r), e) && deposit_archive(&x->to, FILE_NAME, e);
}

static bool bytes(void *arg, struct slice piece, struct err *e)
{
    struct restore *x = arg;

    if (x->to.fd < 0)
        return true;
    x->size += piece.size;
    return deposit_bytes(&x->to, piece, e);
}

static bool end(void *arg, struct err *e)
{
    struct restore *x = arg;

    return x->to.fd < 0 || deposit_end(&x->to, e);
}

/* The form broke off, or something is wrong with it, or with us. */
static void reply_form(struct restore *x, const struct err *e)
{
    if (x->to.is_ours)
        order_reply_failure(x->r, FAILED, e);
    else if (x->wrong != NULL)
        order_reply_error(x->r, 400, x->wrong);
    else if (e->code == ERR_USAGE)
        reply_failed(x->r, 400, NO_FILE, e->text);
    else if (!request_is_gone(x->r))
        reply_failed(x->r, 500, FAILED, TOO_LARGE);
}

/* What came is a whole file.  False after answering. */
static bool take_form(struct restore *x)
{
    const struct multipart_taker to = {x, begin, bytes, end};
    AUTO(multipart) struct multipart *m = NULL;
    const bool is_form =
        multipart_new(request_header(x->r, "Content-Type"), &to, &m, &(struct err){0});
    struct err e = {0};

    if (is_form && !deposit_read(x->r, m, &e))
        reply_form(x, &e);
    else if (!x->has_file)
        order_reply_error(x->r, 400, NO_FILE);
    else if (x->size == 0)
        reply_failed(x->r, 400, INVALID, "Backup file is empty");
    else
        return true;
    return false;
}

/* The jobs */

static bool queue(struct catalog_tx *t, void *arg, struct err *e)
{
    struct restore *x = arg;
    const struct service *s = request_app(x->r);
    const bool is_import = x->kind == RUN_IMPORT;
    AUTO(buf) struct buf text = {0};
    struct order o = {.r = x->r,
                      .kind = RUN_RESTORE,
                      .set = x->set,
                      .variant = GATEWAY_VARIANT,
                      .bound_to = s->host, /* where the file lies, and what is confirmed */
                      .action = is_import ? "import" : "restore",
                      .object = x->set};
    char other[CATALOG_ID_SIZE];

    x->hour.kind = RUN_RESTORE;
    x->is_double = false;
    if (!gateway_check_hour(t, x->r, &x->hour, e) || !order_find(t, &o, other, &x->is_double, e))
        return false;
    if (x->is_double)
        return err_set(e, ERR_EXISTS, "a restore is under way");
    json_append(x->arguments, &text);
    o.arguments = buf_string(&text);
    o.kind = x->kind;
    return order_queue(t, &o, &x->ids, e);
}

/* The job's run, ended or as far as it is waited for.  False after answering. */
static bool do_job(struct restore *x, json_t *arguments, struct order_wait *wait, struct arena *a,
                   struct catalog_run *out)
{
    const struct service *s = request_app(x->r);
    AUTO(json) json_t *owned = arguments;
    struct err e = {0};

    x->arguments = owned;
    if (!catalog_write(s->catalog, queue, x, &e)) {
        if (x->hour.wait_ns > 0)
            gateway_refuse_hour(x->r, &x->hour);
        else if (x->is_double)
            reply_failed(x->r, 409, FAILED, "Another restore is under way");
        else
            order_reply_failure(x->r, FAILED, &e);
        return false;
    }
    wait->job = x->ids.job;
    switch (order_wait_for(x->r, wait, a, out, &e)) {
    case ORDER_ENDED:
        return true;
    case ORDER_LOST:
        order_reply_failure(x->r, FAILED, &e);
        return false;
    case ORDER_LATER:
        break;
    }
    if (x->kind == RUN_IMPORT) { /* nobody would restore what comes of it */
        reply_header(x->r, "Retry-After", "60");
        reply_failed(x->r, 503, FAILED,
                     "The file could not be looked at in time; nothing was changed");
        return false;
    }
    reply_job(x->r, x->ids.job);
    reply_json(x->r, 202,
               json_pack("{s:s, s:s, s:s}", "status", "pending", "message",
                         "The restore is under way; its job says how it ends", "job", x->ids.job));
    return false;
}

/* A sentence of the import without what stands in front of the application's words: where the file
 * stood is nobody's business. */
static const char *plain_sentence(const char *why)
{
    static const char *const fronts[] = {FILE_NAME ": ", "it cannot be read as wireguard: "};

    for (size_t i = 0; i < sizeof(fronts) / sizeof(fronts[0]); i++) {
        const char *at = strstr(why, fronts[i]);

        why = at == NULL ? why : at + strlen(fronts[i]);
    }
    return why;
}

static void reply_import(struct request *r, const struct catalog_run *run)
{
    const bool is_invalid =
        run->outcome.error_code != NULL && strcmp(run->outcome.error_code, "invalid") == 0;

    reply_failed(r, is_invalid ? 400 : 500, is_invalid ? INVALID : FAILED,
                 plain_sentence(order_run_error(run)));
}

static bool is_imported(const struct catalog_run *run)
{
    return (run->outcome.state == RUN_SUCCESS || run->outcome.state == RUN_DEGRADED) &&
           run->outcome.snapshot != NULL;
}

/* Waiting for a confirmation */

/* The restore whose rules wait, or NULL. */
static json_t *waiting(const struct catalog_run *run)
{
    json_t *told = run->progress == NULL ? NULL : api_document(run->progress);
    const char *phase = auth_text(told, "phase");

    if (run->outcome.state == RUN_RUNNING && phase != NULL && strcmp(phase, UNCONFIRMED) == 0 &&
        auth_text(told, "restore_id") != NULL)
        return told;
    json_decref(told);
    return NULL;
}

static bool is_waiting(const struct catalog_run *run)
{
    AUTO(json) json_t *told = waiting(run);

    return told != NULL;
}

static void reply_waiting(struct request *r, const struct catalog_run *run, const json_t *told)
{
    reply_job(r, run->job); /* Location */
    reply_json(r, 202,
               json_pack("{s:s, s:s, s:s, s:s, s:s}", "status", "confirmation_required", "message",
                         "The new firewall rules are in force, and all goes back unless they are "
                         "confirmed within 90 seconds",
                         "confirm", "POST /system/restore/confirm", "restore_id",
                         auth_text(told, "restore_id"), "job", run->job));
}

/* How a restore ended.  info NULL: that is known to nobody any more. */
static void reply_end(struct request *r, const struct catalog_run *run, const json_t *info)
{
    json_t *answer;

    if (run->outcome.state != RUN_SUCCESS) {
        reply_failed(r, 500, FAILED, order_run_error(run));
        return;
    }
    answer =
        json_pack("{s:s, s:s}", "status", "success", "message", "System restored successfully");
    if (info != NULL)
        (void)json_object_set_new(answer, "backup_info",
                                  json_pack("{s:O*, s:O*, s:O*}", "version",
                                            json_object_get(info, "version"), "created_at",
                                            json_object_get(info, "created"), "contents",
                                            json_object_get(info, "contents")));
    reply_json(r, 200, answer);
}

/* POST /system/restore */

static json_t *import_arguments(const struct restore *x, const char *repository)
{
    return json_pack("{s:s, s:s, s:i, s:b, s:b, s:s}", "arrival", x->to.arrival.id, "file",
                     FILE_NAME, "keys", 0, "as_members", 1, "allow_unauthenticated", 1,
                     "repository", repository);
}

static json_t *restore_arguments(const struct service *s, const struct catalog_run *import,
                                 const char *repository)
{
    json_t *j = json_pack("{s:s, s:b, s:b, s:s}", "snapshot", import->outcome.snapshot, "in_place",
                          1, "apply", 1, "repository", repository);

    if (s->gateway_by_checks)
        (void)json_object_set_new(j, "confirm_by_checks", json_true());
    return j;
}

/* Both jobs, one after the other. */
static void restore(struct restore *x, const struct service_set *set)
{
    const struct service *s = request_app(x->r);
    struct order_wait wait = {.until_ns = clock_monotonic_ns() + ORDER_WAIT_NS};
    AUTO(arena) struct arena a = {0};
    AUTO(json) json_t *details = NULL;
    AUTO(json) json_t *told = NULL;
    struct catalog_run run;

    x->kind = RUN_IMPORT;
    if (!do_job(x, import_arguments(x, set->repositories[0]), &wait, &a, &run))
        return;
    if (!is_imported(&run)) {
        reply_import(x->r, &run);
        return;
    }
    details = api_document(run.outcome.details);
    if (request_is_gone(x->r)) { /* who has gone away does not want it any more */
        reply_failed(x->r, 503, FAILED, "Nobody waited any more; nothing was changed");
        return;
    }
    x->kind = RUN_RESTORE;
    wait.is_enough = is_waiting;
    if (!do_job(x, restore_arguments(s, &run, set->repositories[0]), &wait, &a, &run))
        return;
    told = waiting(&run);
    if (told != NULL)
        reply_waiting(x->r, &run, told);
    else
        reply_end(x->r, &run, json_object_get(details, "import"));
}

void gateway_post_restore(struct request *r)
{
    const struct service *s = request_app(r);
    AUTO(restore) struct restore x = {.r = r, .set = s->gateway_set, .to = DEPOSIT_NONE};
    AUTO(arena) struct arena a = {0};
    struct service_set set;

    if (!gateway_check(r))
        return;
    if (s->begin_arrival == NULL || !service_look_set(s, x.set, &a, &set) ||
        set.repository_count == 0) {
        order_reply_error(r, 404, "Nothing can be restored here");
        return;
    }
    if (!take_form(&x))
        return;
    request_watch(r);
    restore(&x, &set);
}

/* POST /system/restore/confirm */

/* The newest restore of these routes. */
static bool find_newest(const struct service *s, struct arena *a, struct catalog_run *out,
                        bool *found, struct err *e)
{
    const struct catalog_page newest = {.limit = GATEWAY_LOOK_BACK};
    const struct catalog_run_filter f = {.set = s->gateway_set, .kind = RUN_RESTORE, .state = -1};
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct catalog_run_list runs = {0};

    *found = false;
    if (!catalog_begin_read(s->catalog, &t, e) || !catalog_run_list(t, &f, &newest, a, &runs, e))
        return false;
    for (size_t i = 0; i < runs.count && !*found; i++) {
        *found =
            runs.items[i].variant != NULL && strcmp(runs.items[i].variant, GATEWAY_VARIANT) == 0;
        if (*found && !catalog_run_get(t, runs.items[i].id, a, out, e))
            return false;
    }
    return true;
}

struct confirmation {
    const struct request *r;
    const char *set, *restore;
};

static bool write_confirmation(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct confirmation *c = arg;

    return auth_audit(t, c->r,
                      &(struct auth_record){.action = "restore.confirm",
                                            .object = c->set,
                                            .outcome = "done",
                                            .details = json_pack("{s:s}", "restore", c->restore)},
                      e);
}

/* The restore goes on, and how it ends is the answer. */
static void await_end(struct request *r, const char *job)
{
    const struct order_wait wait = {
        .job = job, .until_ns = clock_monotonic_ns() + ORDER_WAIT_NS, .what = FAILED};
    AUTO(arena) struct arena a = {0};
    struct catalog_run run;

    if (order_await(r, &wait, &a, &run))
        reply_end(r, &run, NULL);
}

/* It has gone back, and who wants to confirm it hears why. */
static bool is_too_late(const struct catalog_run *run)
{
    return catalog_run_state_is_final(run->outcome.state) && run->outcome.state != RUN_SUCCESS &&
           run->created_ns > clock_now_ns() - GATEWAY_HOUR_NS;
}

void gateway_post_confirm(struct request *r)
{
    const struct service *s = request_app(r);
    AUTO(arena) struct arena a = {0};
    AUTO(json) json_t *told = NULL;
    struct catalog_run run = {0};
    bool found = false;
    struct err e = {0};

    if (!gateway_check(r))
        return;
    if (!find_newest(s, &a, &run, &found, &e)) {
        order_reply_failure(r, FAILED, &e);
        return;
    }
    told = found ? waiting(&run) : NULL;
    if (found && is_too_late(&run)) {
        reply_end(r, &run, NULL);
        return;
    }
    if (told == NULL || s->confirm_restore == NULL) {
        order_reply_error(r, 409, "No restore waits for a confirmation");
        return;
    }

    struct confirmation c = {r, s->gateway_set, auth_text(told, "restore_id")};

    if (!catalog_write(s->catalog, write_confirmation, &c, &e) ||
        (!s->confirm_restore(s->arg, c.restore, &e) && e.code != ERR_USAGE &&
         e.code != ERR_NOT_FOUND)) {
        order_reply_failure(r, FAILED, &e);
        return;
    }
    /* One that does not wait any more has gone back, or is on its way. */
    await_end(r, run.job);
}
