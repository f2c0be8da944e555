/*
 * Jobs side by side: a bounded number of them, and one writer for each set.  A queue feeds it and
 * is told what came of each.  Part of child.h.
 *
 * One thread owns a runner.  The jobs do not depend on it: a runner that is opened on the folder of
 * one that died takes its jobs over.
 */
#ifndef JOB_RUNNER_H
#define JOB_RUNNER_H

#include "job/child_job.h"
#include "job/child_outcome.h"
#include "job/child_run.h"

struct runner_options {
    const char *state;         /* jobs are kept in "<state>/jobs" */
    unsigned slots;            /* jobs at a time, from 1 */
    child_message_fn *message; /* lines and progress of jobs, or NULL */

    /*
     * A job has ended.  Called again with the same id and attempt by the next runner when this
     * process dies before it has returned, so it says the same thing twice at worst.  False: it
     * could not be written down, and the next look tries again.
     */
    bool (*ended)(void *arg, const struct child_job *j, const struct child_outcome *o);
    void *arg;
};

struct runner;

/* ERR_TRANSIENT when another runner has the folder.  Jobs found in it count as running. */
MUST_CHECK bool runner_open(const struct runner_options *o, struct runner **out, struct err *e);

/* The jobs go on.  Accepts NULL. */
void runner_close(struct runner *r);
void runner_auto(struct runner **r);

/* Whether a job of this verb and set (or NULL) may start: a slot is free, and no job that changes
 * the same set runs. */
bool runner_can_start(const struct runner *r, enum child_verb verb, const char *set);

/* ERR_TRANSIENT when it cannot start, ERR_EXISTS when this attempt was started before, ERR_USAGE.
 */
MUST_CHECK bool runner_start(struct runner *r, const struct child_job *j, struct err *e);

/* Ask a job to stop; false when there is none of this id. */
bool runner_cancel(struct runner *r, const char *id);

/* The log of a job as far as it is written, appended; nothing when there is none of this id. */
void runner_log(const struct runner *r, const char *id, struct buf *out);

bool runner_has(const struct runner *r, const char *id);
size_t runner_count(const struct runner *r);
/* One of them, from 0; valid until the next call but these. */
const struct child_job *runner_job(const struct runner *r, size_t i);

/* Whether a job that was started with this configuration is there. */
bool runner_uses(const struct runner *r, const char *config);

/* Look at all jobs, waiting at most timeout_ms for something to happen; calls message and ended. */
void runner_look(struct runner *r, int timeout_ms);

/* Whether two jobs may not run at the same time: both are about one set and one of them changes it,
 * or each collects or restores. */
bool runner_collide(enum child_verb a, const char *set_a, enum child_verb b, const char *set_b);

#endif
