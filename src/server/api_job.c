/* The queue, and orders that are taken back. */
#include <string.h>

#include "server/api_private.h"

/* arguments may name machines and folders: for those who may give orders. */
static json_t *job_json(const struct request *r, const struct catalog_job *j, const char *state)
{
    json_t *out = json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:s, s:s, s:s, s:I, s:b}", "id", j->id,
                            "run", j->run, "kind", catalog_run_kind_name(j->kind), "set", j->set,
                            "config", j->config, "cause", catalog_run_cause_name(j->cause),
                            "requested_by", j->requested_by, "state", state, "attempt",
                            (json_int_t)j->attempt, "cancelled", (int)j->is_cancelled);

    if (request_principal(r)->role >= ROLE_ADMIN)
        (void)json_object_set_new(out, "arguments", api_document(j->arguments));
    return out;
}

static void get_jobs(struct request *r)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_job_list jobs = {0};
    const char *set = NULL;
    json_t *items;
    struct err e = {0};

    if (!api_query_set(r, &set))
        return;
    if (!catalog_begin_read(auth_service(r)->catalog, &t, &e) ||
        !catalog_job_list(t, &a, &jobs, &e)) {
        reply_err(r, &e);
        return;
    }
    items = json_array();
    for (size_t i = 0; i < jobs.count; i++) {
        const struct catalog_job *j = &jobs.items[i];

        if (set == NULL || strcmp(set, j->set) == 0)
            (void)json_array_append_new(
                items,
                job_json(r, j,
                         catalog_run_state_name(j->holder != NULL ? RUN_RUNNING : RUN_QUEUED)));
    }
    reply_json(r, 200, json_pack("{s:o}", "jobs", items));
}

/* A job with its present run.  ERR_NOT_FOUND also when it is not for who asks. */
static bool find_job(struct catalog_tx *t, const struct request *r, struct arena *a,
                     struct catalog_job *j, struct catalog_run *run, struct err *e)
{
    if (!catalog_job_get(t, request_parameter(r, "job"), a, j, e) ||
        !catalog_run_get(t, j->run, a, run, e))
        return false;
    return principal_has_set(request_principal(r), j->set) ||
           err_set(e, ERR_NOT_FOUND, "no such job");
}

static void reply_job_as_it_is(struct request *r)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_job j;
    struct catalog_run run;
    json_t *out;
    struct err e = {0};

    if (!catalog_begin_read(auth_service(r)->catalog, &t, &e) ||
        !find_job(t, r, &a, &j, &run, &e)) {
        reply_err(r, &e);
        return;
    }
    out = job_json(r, &j, catalog_run_state_name(run.outcome.state));
    (void)json_object_set_new(out, "result", api_run_json(&run, true));
    reply_json(r, 200, out);
}

static bool cancel(struct catalog_tx *t, void *arg, struct err *e)
{
    struct request *r = arg;
    AUTO(arena) struct arena a = {0};
    struct catalog_job j;
    struct catalog_run run;

    return find_job(t, r, &a, &j, &run, e) && catalog_job_cancel(t, j.id, e) &&
           auth_audit(t, r,
                      &(struct auth_record){.action = "job.cancel",
                                            .object = j.id,
                                            .outcome = "done",
                                            .details = json_pack("{s:s, s:s}", "set", j.set, "kind",
                                                                 catalog_run_kind_name(j.kind))},
                      e);
}

static void post_cancel(struct request *r)
{
    if (auth_write(r, cancel, r))
        reply_job_as_it_is(r);
}

const struct route api_job_routes[] = {
    {METHOD_GET, "/api/v1/jobs", API_READ, ROUTE_CHECKS_SETS, .handler = get_jobs,
     .summary = "Jobs that wait or run, in the order in which they come"},
    {METHOD_GET, "/api/v1/jobs/{job}", API_READ, ROUTE_CHECKS_SETS, .handler = reply_job_as_it_is,
     .summary = "A job with what came of it"},
    {METHOD_POST, "/api/v1/jobs/{job}/cancel", API_RUN, ROUTE_CSRF | ROUTE_CHECKS_SETS,
     .handler = post_cancel, .summary = "Ask a job to stop"},
};
const size_t api_job_route_count = sizeof(api_job_routes) / sizeof(api_job_routes[0]);
