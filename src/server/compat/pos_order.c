/*
 * Jobs that requests ask for.  The published service did the work within the request; here it is a
 * job, and the request waits for it as long as that makes sense.
 */
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "server/compat/pos_private.h"

#define WAITING_MAX 4 /* requests that wait at a time: a quarter of the server's workers */
#define LOOK_MIN_MS 20
#define LOOK_MAX_MS 1000

void pos_order_actor(const struct request *r, char out[POS_ACTOR_MAX])
{
    const struct principal *p = request_principal(r);

    if (p->kind == PRINCIPAL_USER)
        (void)snprintf(out, POS_ACTOR_MAX, "%s", p->name);
    else
        (void)snprintf(out, POS_ACTOR_MAX, "token:%s", p->id);
}

bool pos_order_queue(struct catalog_tx *t, const struct pos_order *o, struct catalog_job_ids *out,
                     struct err *e)
{
    AUTO(buf) struct buf dedup = {0};
    struct catalog_job_request q = {.kind = o->kind,
                                    .set = o->set,
                                    .config = o->config,
                                    .variant = o->variant,
                                    .arguments = o->arguments,
                                    .cause = CAUSE_API,
                                    .requested_by = o->actor,
                                    .writer = o->set,
                                    .attempts_max = 1};
    AUTO(json) json_t *details = NULL;
    AUTO(buf) struct buf text = {0};

    if (o->key != NULL) {
        buf_printf(&dedup, "%s/%s/%s/%s", o->action, o->set, o->actor, o->key);
        q.dedup = buf_string(&dedup);
        q.dedup_s = CATALOG_IDEMPOTENCY_S;
    }
    if (!catalog_job_enqueue(t, &q, out, e))
        return false;
    if (!out->is_new)
        return true;
    details = json_pack("{s:s, s:s}", "job", out->job, "set", o->set);
    json_append(details, &text);
    return catalog_audit_append(t,
                                &(struct catalog_audit_record){.actor = o->actor,
                                                               .action = o->action,
                                                               .object = o->object,
                                                               .outcome = "done",
                                                               .details = buf_string(&text)},
                                e);
}

bool pos_order_find(struct catalog_tx *t, const struct pos_order *o, char *out, bool *found,
                    struct err *e)
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

static enum pos_wait wait_for(struct request *r, const char *job, int64_t until_ns, struct arena *a,
                              struct catalog_run *out, struct err *e)
{
    const struct service *s = request_app(r);

    for (int ms = LOOK_MIN_MS;; ms = ms * 2 > LOOK_MAX_MS ? LOOK_MAX_MS : ms * 2) {
        AUTO(arena) struct arena here = {0};
        struct catalog_run run;

        if (look(s->catalog, job, &here, &run, e)) {
            /* A run that ended while its job waits again is not the present one any more. */
            if (catalog_run_state_is_final(run.outcome.state))
                return look(s->catalog, job, a, out, e) ? POS_ENDED : POS_LOST;
        } else if (e->code != ERR_TRANSIENT && e->code != ERR_AWAY) {
            return POS_LOST;
        }
        if (clock_monotonic_ns() >= until_ns || request_is_gone(r))
            return POS_LATER;
        (void)poll(NULL, 0, ms);
    }
}

enum pos_wait pos_order_await(struct request *r, const char *job, int64_t until_ns, struct arena *a,
                              struct catalog_run *out, struct err *e)
{
    static atomic_int waiting; /* of all requests of the process: workers are what is scarce */
    enum pos_wait result = POS_LATER;

    if (wants_no_waiting(r)) {
        reply_header(r, "Preference-Applied", "respond-async");
        return POS_LATER;
    }
    if (atomic_fetch_add(&waiting, 1) < WAITING_MAX)
        result = wait_for(r, job, until_ns, a, out, e);
    atomic_fetch_sub(&waiting, 1);
    return result;
}
