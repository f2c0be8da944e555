/*
 * Jobs that requests ask for.  The published service did the work within the request; here it is a
 * job, and the request waits for it as long as that makes sense.
 */
#include "server/compat/order.h"

#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "server/once.h"

#define WAITING_MAX 4 /* requests that wait at a time: a quarter of the server's workers */
#define LOOK_MIN_MS 20
#define LOOK_MAX_MS 1000

bool order_queue(struct catalog_tx *t, const struct order *o, struct catalog_job_ids *out,
                 struct err *e)
{
    const struct catalog_job_request q = {.kind = o->kind,
                                          .set = o->set,
                                          .config = o->config,
                                          .variant = o->variant,
                                          .arguments = o->arguments,
                                          .bound_to = o->bound_to,
                                          .cause = CAUSE_API,
                                          .requested_by = request_principal(o->r)->name,
                                          .writer = o->set,
                                          .attempts_max = 1};

    return catalog_job_enqueue(t, &q, out, e) &&
           auth_audit(t, o->r,
                      &(struct auth_record){
                          .action = o->action,
                          .object = o->object,
                          .outcome = "done",
                          .details = json_pack("{s:s, s:s}", "job", out->job, "set", o->set)},
                      e);
}

bool order_find(struct catalog_tx *t, const struct order *o, char *out, bool *found, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_job_list jobs = {0};

    *found = false;
    if (!catalog_job_list(t, &a, &jobs, e))
        return false;
    for (size_t i = 0; i < jobs.count && !*found; i++) {
        const struct catalog_job *j = &jobs.items[i];

        *found = j->kind == o->kind && j->set != NULL && strcmp(j->set, o->set) == 0 &&
                 (o->arguments == NULL || strcmp(j->arguments, o->arguments) == 0);
        if (*found)
            memcpy(out, j->id, CATALOG_ID_SIZE);
    }
    return true;
}

/* RFC 7240. */
static bool wants_no_waiting(const struct request *r)
{
    static const char word[] = "respond-async";
    const char *s = request_header(r, "Prefer");

    for (; s != NULL && *s != '\0'; s += strcspn(s, ",;"), s += *s != '\0') {
        s += strspn(s, " \t");
        if (strncasecmp(s, word, sizeof(word) - 1) == 0 &&
            strchr(" \t,;", s[sizeof(word) - 1]) != NULL)
            return true;
    }
    return false;
}

/* The present run of a job. */
static bool look(struct catalog *c, const char *job, struct arena *a, struct catalog_run *out,
                 struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct catalog_job j;

    return catalog_begin_read(c, &t, e) && catalog_job_get(t, job, a, &j, e) &&
           catalog_run_get(t, j.run, a, out, e);
}

static enum order_end wait_for(struct request *r, const struct order_wait *w, struct arena *a,
                               struct catalog_run *out, struct err *e)
{
    const struct service *s = request_app(r);

    for (int ms = LOOK_MIN_MS;; ms = ms * 2 > LOOK_MAX_MS ? LOOK_MAX_MS : ms * 2) {
        AUTO(arena) struct arena here = {0};
        struct catalog_run run;

        if (look(s->catalog, w->job, &here, &run, e)) {
            /* A run that ended while its job waits again is not the present one any more. */
            if (catalog_run_state_is_final(run.outcome.state) ||
                (w->is_enough != NULL && w->is_enough(&run)))
                return look(s->catalog, w->job, a, out, e) ? ORDER_ENDED : ORDER_LOST;
        } else if (e->code != ERR_TRANSIENT && e->code != ERR_AWAY) {
            return ORDER_LOST;
        }
        if (clock_monotonic_ns() >= w->until_ns || request_is_gone(r))
            return ORDER_LATER;
        (void)poll(NULL, 0, ms);
    }
}

enum order_end order_wait_for(struct request *r, const struct order_wait *w, struct arena *a,
                              struct catalog_run *out, struct err *e)
{
    static atomic_int waiting; /* of all requests of the process: workers are what is scarce */
    enum order_end result = ORDER_LATER;

    if (atomic_fetch_add(&waiting, 1) < WAITING_MAX)
        result = wait_for(r, w, a, out, e);
    atomic_fetch_sub(&waiting, 1);
    return result;
}

bool order_await(struct request *r, const struct order_wait *w, struct arena *a,
                 struct catalog_run *out)
{
    enum order_end result = ORDER_LATER;
    struct err e;

    if (wants_no_waiting(r))
        reply_header(r, "Preference-Applied", "respond-async");
    else
        result = order_wait_for(r, w, a, out, &e);
    if (result == ORDER_LATER) {
        reply_job(r, w->job); /* Location */
        reply_json(r, 202, order_reply_job(w->job, w->more));
    } else if (result == ORDER_LOST) {
        order_reply_failure(r, w->what, &e);
    }
    return result == ORDER_ENDED;
}

/* Answers */

const char *order_run_error(const struct catalog_run *run)
{
    return run->outcome.error != NULL ? run->outcome.error
                                      : catalog_run_state_name(run->outcome.state);
}

void order_reply_error(struct request *r, unsigned status, const char *text)
{
    reply_json(r, status, json_pack("{s:s}", "error", text));
}

void order_reply_failure(struct request *r, const char *what, const struct err *e)
{
    const bool may_pass = e->code == ERR_TRANSIENT || e->code == ERR_AWAY;

    reply_log(r, e);
    if (may_pass)
        reply_header(r, "Retry-After", "5");
    reply_json(r, may_pass ? 503 : 500,
               json_pack("{s:s, s:s}", "error", what, "details",
                         may_pass ? "It cannot be done at present" : "The log says why"));
}

json_t *order_reply_job(const char *job, const json_t *more)
{
    json_t *answer = json_pack("{s:b, s:s}", "success", 1, "job", job);

    if (more != NULL)
        (void)json_object_update(answer, (json_t *)(uintptr_t)more); /* both are objects */
    return answer;
}

void order_reply_run(struct request *r, const char *what, const struct catalog_run *run)
{
    once_forget(r);
    reply_json(r, 500, json_pack("{s:s, s:s}", "error", what, "details", order_run_error(run)));
}
