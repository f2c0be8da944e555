/*
 * generate_backup: a job of the queue, whose end is awaited.
 */
#include <string.h>

#include "base/mem.h"
#include "codec/cfms_task.h"
#include "server/compat/cfms_private.h"

#define FAILED "Failed to generate backup"

/* A run is looked at so often: at first, and at last. */
enum { LOOK_MIN_MS = 50, LOOK_MAX_MS = 1000 };

bool cfms_look(const struct cfms *c, const char *job, struct arena *a, struct catalog_run *out,
               struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct catalog_job j;

    return catalog_begin_read(c->options.catalog, &t, e) && catalog_job_get(t, job, a, &j, e) &&
           catalog_run_get(t, j.run, a, out, e);
}

bool cfms_await(struct cfms_conn *c, const char *job, struct arena *a, struct catalog_run *out,
                struct err *e)
{
    for (int ms = LOOK_MIN_MS;; ms = ms * 2 > LOOK_MAX_MS ? LOOK_MAX_MS : ms * 2) {
        AUTO(arena) struct arena here = {0};
        struct catalog_run run;

        *e = (struct err){0};
        if (cfms_look(cfms_conn_cfms(c), job, &here, &run, e)) {
            if (catalog_run_state_is_final(run.outcome.state))
                return cfms_look(cfms_conn_cfms(c), job, a, out, e);
        } else if (e->code != ERR_TRANSIENT && e->code != ERR_AWAY) {
            return false;
        }
        if (!cfms_conn_wait(c, ms)) {
            *e = (struct err){0};
            return false;
        }
    }
}

/* Ordering */

struct order {
    struct cfms_conn *conn;
    const struct catalog_user *who;
    const char *name;      /* of the backup, or NULL */
    const char *arguments; /* of the job */
    struct catalog_job_ids ids;
};

/* One at a time of a user: whoever asks again while one is under way hears that. */
static bool check_none(struct catalog_tx *t, const struct order *o, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_job_list jobs = {0};

    if (!catalog_job_list(t, &a, &jobs, e))
        return false;
    for (size_t i = 0; i < jobs.count; i++)
        if (jobs.items[i].kind == RUN_EXPORT && strcmp(jobs.items[i].set, CFMS_JOB_SET) == 0 &&
            strcmp(jobs.items[i].requested_by, o->who->name) == 0)
            return err_set(e, ERR_EXISTS, "a backup of yours is under way");
    return true;
}

static bool queue(struct catalog_tx *t, void *arg, struct err *e)
{
    struct order *o = arg;
    const struct catalog_job_request q = {.kind = RUN_EXPORT,
                                          .set = CFMS_JOB_SET,
                                          .arguments = o->arguments,
                                          .cause = CAUSE_API,
                                          .requested_by = o->who->name,
                                          .bound_to = cfms_conn_cfms(o->conn)->options.host,
                                          .writer = CFMS_JOB_SET};

    return check_none(t, o, e) && catalog_job_enqueue(t, &q, &o->ids, e) &&
           cfms_audit(t, o->conn, o->who, "generate_backup", o->name == NULL ? "auto" : o->name,
                      json_pack("{s:s}", "job", o->ids.job), e);
}

/* Answering */

static void refuse(struct cfms_conn *c, unsigned code, const char *why, const char *job)
{
    cfms_conn_answer(c, code, json_pack("{s:s, s:s*}", "error", why, "job", job), FAILED);
}

/* As the published server tells it where both are below one folder, else as it is. */
static json_t *shown_path(const struct cfms *c, const json_t *path)
{
    const char *text = json_string_value(path);
    const char *content = c->options.content_dir;
    const size_t size = (size_t)(strrchr(content, '/') + 1 - content);
    AUTO(buf) struct buf out = {0};

    if (text == NULL || size <= 1 || strncmp(text, content, size) != 0)
        return json_incref((json_t *)(uintptr_t)path);
    buf_printf(&out, "./%s", text + size);
    return json_string(buf_string(&out));
}

/* What the job told of the archive; one with holes is not told as a success. */
static void answer_made(struct cfms_conn *c, const struct catalog_run *run, const char *job)
{
    AUTO(json) json_t *told = NULL;
    const struct cfms *all = cfms_conn_cfms(c);
    const char *details = run->outcome.details;
    json_t *data;

    told = details == NULL ? NULL : json_loads(details, 0, NULL);
    data = json_object();
    (void)json_object_set_new(data, "archive_path",
                              shown_path(all, json_object_get(told, "archive_path")));
    (void)json_object_set_new(data, "key_path", shown_path(all, json_object_get(told, "key_path")));
    (void)json_object_set(data, "metadata", json_object_get(told, "metadata"));
    if (json_object_size(data) != 3) {
        json_decref(data);
        refuse(c, 500, "the job did not say what it made", job);
        return;
    }
    if (run->outcome.state == RUN_INCOMPLETE) {
        (void)json_object_set_new(data, "status", json_string("partial"));
        (void)json_object_set(data, "missing", json_object_get(told, "missing"));
        (void)json_object_set_new(data, "job", json_string(job));
        cfms_conn_answer(c, 200, data, "Incomplete: the contents of some files are not in it");
        return;
    }
    cfms_conn_answer(c, 200, data, "Success");
}

static void answer_run(struct cfms_conn *c, const struct catalog_run *run, const char *job)
{
    const char *word = run->outcome.error_code;

    if (run->outcome.state == RUN_SUCCESS || run->outcome.state == RUN_INCOMPLETE)
        answer_made(c, run, job);
    else if (word != NULL && strcmp(word, CFMS_FAILED_EXISTS) == 0)
        refuse(c, 409, "there is a backup of this name already", job);
    else
        refuse(c, 500, "the record of the job says why", job);
}

void cfms_backup(struct cfms_conn *c, const struct cfms_request *q, const struct cfms_asker *who)
{
    const char *name = json_string_value(json_object_get(q->data, "backup_name"));
    AUTO(json) json_t *arguments = json_pack("{s:s*}", "name", name);
    AUTO(buf) struct buf text = {0};
    AUTO(arena) struct arena a = {0};
    struct order o = {.conn = c, .who = &who->user, .name = name};
    struct catalog_run run;
    struct err e = {0};

    if (name != NULL && !cfms_name_is(name)) {
        refuse(c, 400, "a backup's name is " CFMS_NAME_CHARS, NULL);
        return;
    }
    json_append(arguments, &text);
    o.arguments = buf_string(&text);
    if (!catalog_write(cfms_conn_cfms(c)->options.catalog, queue, &o, &e)) {
        if (e.code == ERR_EXISTS)
            refuse(c, 409, e.text, NULL);
        else if (e.code == ERR_TRANSIENT)
            refuse(c, 503, "too much waits already; try again", NULL);
        else
            cfms_conn_fail(c, &e);
        return;
    }
    if (cfms_await(c, o.ids.job, &a, &run, &e))
        answer_run(c, &run, o.ids.job);
    else if (e.code != ERR_NONE)
        cfms_conn_fail(c, &e);
}
