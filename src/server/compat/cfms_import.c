/*
 * Imports: a task, two uploads, a job, and what came of it.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/cfms_task.h"
#include "server/compat/cfms_private.h"

#define TIMEOUT_DEFAULT_S 3600

void cfms_import_initiate(struct cfms_conn *c, const struct cfms_request *q,
                          const struct cfms_asker *who)
{
    const json_t *given = json_object_get(q->data, "timeout_seconds");
    const int64_t seconds = given == NULL ? TIMEOUT_DEFAULT_S : json_integer_value(given);
    struct cfms_task t;
    struct err e = {0};

    if (cfms_task_new(cfms_conn_cfms(c), who->user.name, seconds, &t, &e)) {
        cfms_conn_answer(c, 200,
                         json_pack("{s:s, s:s, s:s, s:I}", "backup_task_id", t.id,
                                   "archive_task_id", t.uploads[0], "key_task_id", t.uploads[1],
                                   "timeout", (json_int_t)seconds),
                         "Success");
    } else if (e.code == ERR_TRANSIENT) {
        cfms_conn_answer(c, 500, json_pack("{s:s}", "error", e.text),
                         "Failed to initiate backup import");
    } else {
        cfms_conn_fail(c, &e);
    }
}

/* Starting */

struct start {
    struct cfms_conn *conn;
    const struct catalog_user *who;
    const struct cfms_task *task;
    struct catalog_job_ids ids;
};

static bool queue(struct catalog_tx *t, void *arg, struct err *e)
{
    struct start *s = arg;
    AUTO(json) json_t *arguments = json_pack("{s:s}", "task", s->task->id);
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf dedup = {0};

    json_append(arguments, &text);
    buf_printf(&dedup, "cfms-import@%s", s->task->id);

    const struct catalog_job_request q = {.kind = RUN_IMPORT,
                                          .set = CFMS_JOB_SET,
                                          .arguments = buf_string(&text),
                                          .cause = CAUSE_API,
                                          .requested_by = s->who->name,
                                          .bound_to = cfms_conn_cfms(s->conn)->options.host,
                                          .writer = CFMS_JOB_SET,
                                          .dedup = buf_string(&dedup)};

    return catalog_job_enqueue(t, &q, &s->ids, e) &&
           cfms_audit(t, s->conn, s->who, "start_backup_import", s->task->id,
                      json_pack("{s:s}", "job", s->ids.job), e);
}

/* Why it cannot start; 0: it can. */
static unsigned start_fault(struct cfms *c, const struct cfms_task *t, const char **text)
{
    if (t->job[0] != '\0') {
        *text = "Backup task already in processing state";
        return 400;
    }
    if (t->until_ns <= clock_now_ns()) {
        *text = "Backup import timed out";
        return 408;
    }
    if (!cfms_task_has(c, t, 0) || !cfms_task_has(c, t, 1)) {
        *text = cfms_task_has(c, t, 0) ? "Key file not uploaded" : "Archive file not uploaded";
        return 400;
    }
    return 0;
}

static const char *task_of(const struct cfms_request *q)
{
    return json_string_value(json_object_get(q->data, "backup_task_id"));
}

void cfms_import_start(struct cfms_conn *c, const struct cfms_request *q,
                       const struct cfms_asker *who)
{
    struct cfms *all = cfms_conn_cfms(c);
    struct cfms_task t;
    struct start s = {.conn = c, .who = &who->user, .task = &t};
    const char *text = NULL;
    unsigned fault;
    struct err e = {0};

    if (!cfms_task_get(all, task_of(q), &t)) {
        cfms_conn_answer(c, 404, NULL, "Backup task not found");
        return;
    }
    if (strcmp(t.user, who->user.name) != 0) {
        cfms_conn_answer(c, 403, NULL, "Not your backup task");
        return;
    }
    fault = start_fault(all, &t, &text);
    if (fault != 0)
        cfms_conn_answer(c, fault, NULL, text);
    else if (!catalog_write(all->options.catalog, queue, &s, &e) ||
             !cfms_task_start(all, t.id, s.ids.job, &e))
        cfms_conn_fail(c, &e);
    else
        cfms_conn_answer(c, 200,
                         json_pack("{s:s, s:s, s:s}", "backup_task_id", t.id, "status",
                                   "processing", "message",
                                   "Import started. Use get_backup_import_status to check "
                                   "progress."),
                         "Success");
}

/* Looking */

/* What there is to say of a task. */
struct status {
    const char *word, *step, *error;
    int percent;
    bool is_ended;
    int64_t documents, folders, files, missing;
    int64_t ended_ns;
};

static int64_t number_of(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

static void set_ended(const struct catalog_run *run, const json_t *told, struct status *out)
{
    const char *word = run->outcome.error_code;

    out->is_ended = true;
    out->ended_ns = run->ended_ns;
    if (run->outcome.state != RUN_SUCCESS && run->outcome.state != RUN_INCOMPLETE) {
        out->word = "failed";
        out->step = "Restore failed";
        out->error =
            word != NULL && strcmp(word, CFMS_FAILED_INVALID) == 0
                ? "Something stands in its way; nothing was changed. The record of the job says "
                  "what"
                : "The import failed. The record of the job says why";
        return;
    }
    out->word = "completed";
    out->step = "Restore completed";
    out->percent = 100;
    out->documents = number_of(told, "documents_imported");
    out->folders = number_of(told, "folders_imported");
    out->files = number_of(told, "files_imported");
    out->missing = number_of(told, "missing") + number_of(told, "revisions_left_out");
    if (run->outcome.state == RUN_INCOMPLETE)
        out->error = "Incomplete: the archive lacks files. The record of the job says which";
}

/* Texts stand in the arena. */
static bool find_status(struct cfms *c, const struct cfms_task *t, struct arena *a,
                        struct status *out, struct err *e)
{
    AUTO(json) json_t *told = NULL;
    struct catalog_run run;

    *out = (struct status){.word = "pending", .step = ""};
    if (t->job[0] == '\0') {
        if (t->until_ns <= clock_now_ns())
            *out =
                (struct status){.word = "timeout", .step = "", .error = "Backup import timed out"};
        return true;
    }
    if (!cfms_look(c, t->job, a, &run, e))
        return false;
    if (catalog_run_state_is_final(run.outcome.state)) {
        told = run.outcome.details == NULL ? NULL : json_loads(run.outcome.details, 0, NULL);
        set_ended(&run, told, out);
        return true;
    }
    out->word = "processing";
    told = run.progress == NULL ? NULL : json_loads(run.progress, 0, NULL);
    if (json_is_string(json_object_get(told, "status")) &&
        json_is_string(json_object_get(told, "current_step"))) {
        out->word =
            arena_string(a, slice_string(json_string_value(json_object_get(told, "status"))));
        out->step =
            arena_string(a, slice_string(json_string_value(json_object_get(told, "current_step"))));
        out->percent = (int)number_of(told, "progress_percent");
    }
    return true;
}

static json_t *time_or_null(int64_t ns)
{
    return ns == 0 ? json_null() : json_real(cfms_seconds(ns));
}

void cfms_import_status(struct cfms_conn *c, const struct cfms_request *q,
                        const struct cfms_asker *who)
{
    struct cfms *all = cfms_conn_cfms(c);
    AUTO(arena) struct arena a = {0};
    struct cfms_task t;
    struct status s;
    json_t *data;
    struct err e = {0};

    if (!cfms_task_get(all, task_of(q), &t)) {
        cfms_conn_answer(c, 404, NULL, "Backup task not found");
        return;
    }
    if (strcmp(t.user, who->user.name) != 0) {
        cfms_conn_answer(c, 403, NULL, "Access denied");
        return;
    }
    if (!find_status(all, &t, &a, &s, &e)) {
        cfms_conn_fail(c, &e);
        return;
    }
    data = json_pack("{s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:o, s:o, s:o, s:s?}", "backup_task_id",
                     t.id, "status", s.word, "current_step", s.step, "progress_percent", s.percent,
                     "documents_count", (json_int_t)s.documents, "folders_count",
                     (json_int_t)s.folders, "files_count", (json_int_t)s.files, "created_time",
                     time_or_null(t.created_ns), "started_time", time_or_null(t.started_ns),
                     "completed_time", time_or_null(s.ended_ns), "error_message", s.error);
    if (s.missing > 0)
        (void)json_object_set_new(data, "missing", json_integer(s.missing));
    if (t.job[0] != '\0')
        (void)json_object_set_new(data, "job", json_string(t.job));
    cfms_conn_answer(c, 200, data, "Success");
}

/* Telling of the end */

static void tell(struct cfms *c, const struct cfms_task *t, const struct status *s)
{
    AUTO(json)
    json_t *o = json_pack(
        "{s:s, s:{s:s, s:s, s:I, s:I, s:I, s:s?}}", "action", "backup_import_completed", "data",
        "backup_task_id", t->id, "status", strcmp(s->word, "completed") == 0 ? "success" : s->word,
        "documents_imported", (json_int_t)s->documents, "folders_imported", (json_int_t)s->folders,
        "files_imported", (json_int_t)s->files, "error", s->error);
    AUTO(buf) struct buf text = {0};

    cfms_json_write(o, &text);
    cfms_broadcast(c, buf_slice(&text));
}

void cfms_imports_look(struct cfms *c)
{
    AUTO(mem) struct cfms_task *tasks = NULL;
    const size_t count = cfms_tasks_running(c, &tasks);

    for (size_t i = 0; i < count; i++) {
        AUTO(arena) struct arena a = {0};
        struct status s;
        struct err e = {0};

        if (!find_status(c, &tasks[i], &a, &s, &e)) {
            if (e.code == ERR_NOT_FOUND)
                cfms_task_clear(c, &tasks[i]); /* nobody remembers the job */
            continue;
        }
        if (!s.is_ended)
            continue;
        cfms_task_clear(c, &tasks[i]);
        tell(c, &tasks[i], &s);
    }
    cfms_tasks_sweep(c);
}

void cfms_listen(struct cfms_conn *c, const struct cfms_request *q, const struct cfms_asker *who)
{
    (void)q;
    (void)who;
    cfms_conn_listen(c);
    cfms_conn_answer(c, 200, NULL, "Success");
}
