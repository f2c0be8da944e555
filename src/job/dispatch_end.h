/*
 * What came of a job: into the catalog, and whom it is told.  Part of dispatch.h.
 */
#ifndef JOB_DISPATCH_END_H
#define JOB_DISPATCH_END_H

#include "job/child_outcome.h"
#include "job/dispatch.h"

/* What the catalog keeps of an outcome; texts stand in the arena. */
void dispatch_outcome(const struct child_job *j, const struct child_outcome *o, struct arena *a,
                      struct catalog_outcome *out);

/*
 * End the run and put messages for its set's channels into the outbox, in one transaction.  A job
 * that was taken by somebody else meanwhile is theirs: true, and nothing is written.  An
 * interrupted one is left to its lease, which gives it a second chance.  Messages for which the
 * outbox has no room are lost, and o->failed hears of it. *event (owned) is dispatch_event().
 */
MUST_CHECK bool dispatch_end(const struct dispatch_options *o, const struct child_job *j,
                             const struct child_outcome *outcome, json_t **event, struct err *e);

/* What is told of a run of a job that has ended: {"job", "run", "set", "kind", "state",
 * "snapshot"?, "error"?, "again"}. */
json_t *dispatch_event(const struct catalog_job *j, const struct catalog_outcome *c,
                       bool is_queued_again);

/* Tell of a job that nobody does any more (struct catalog_job_listener); arg is the options. */
MUST_CHECK bool dispatch_given_up(struct catalog_tx *t, void *arg, const struct catalog_job *j,
                                  const struct catalog_outcome *c, struct err *e);

#endif
