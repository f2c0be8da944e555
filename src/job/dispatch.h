/*
 * Jobs of the catalog, done on this host: taken from the queue, run as children (child.h), kept by
 * their leases, and written down with what came of them and whom it is told.  Part of job.h.
 *
 * One thread owns a dispatcher.  Its jobs do not depend on it: one that is opened later on the same
 * state folder takes over what runs, lease and all, because a child's attempt is the fencing number
 * under which it was taken.  A job whose lease was lost is stopped; what it did nevertheless is
 * recorded by whoever holds it now.
 */
#ifndef JOB_DISPATCH_H
#define JOB_DISPATCH_H

#include "catalog/catalog.h"
#include "job/child_job.h"
#include "job/config.h"
#include "job/roster.h"
#include "notify/notify.h"

#define DISPATCH_LEASE_MS 30000 /* the default of lease_ms */

/* Something happened to a job: topic "jobs/ID"; event "started", "progress", "logged" (its log has
 * more), "ended"; data belongs
 * to the caller. */
typedef void dispatch_told_fn(void *arg, const char *topic, const char *event, const json_t *data);

/* Borrowed as long as the dispatcher is there. */
struct dispatch_options {
    struct catalog *catalog;
    const struct config *config;
    struct roster *roster;                /* sets beside those of config; NULL: there are none */
    const struct template_set *templates; /* of messages */
    const char *host;                     /* jobs of other places are left alone */
    int lease_ms;           /* of a job: heartbeats come three times in it; 0: DISPATCH_LEASE_MS */
    dispatch_told_fn *told; /* or NULL */
    void (*failed)(void *arg, const struct err *e); /* what kept it from working; or NULL */
    void *arg;
};

struct dispatch;

/* ERR_TRANSIENT when another dispatcher works on the state folder. */
MUST_CHECK bool dispatch_open(const struct dispatch_options *o, struct dispatch **out,
                              struct err *e);
/* The jobs go on.  Accepts NULL. */
void dispatch_close(struct dispatch *d);
void dispatch_auto(struct dispatch **d);

/*
 * Take what may begin, look at what runs, extend leases; then wait up to timeout_ms for something
 * to do.  A catalog that is away is told to failed, and the next step tries again: what runs goes
 * on until its lease is over.
 */
void dispatch_step(struct dispatch *d, int timeout_ms);

/* For catalog_clean(): tells of jobs that nobody did as of others that failed.  For any thread, as
 * long as the dispatcher is there. */
const struct catalog_job_listener *dispatch_listener(const struct dispatch *d);

/* Jobs that run now. */
size_t dispatch_count(const struct dispatch *d);

/* Which command does a job; ERR_USAGE when none does. */
MUST_CHECK bool dispatch_verb(const struct catalog_job *j, const json_t *arguments,
                              enum child_verb *out, struct err *e);

#endif
