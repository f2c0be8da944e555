/*
 * What came of a job: into the catalog, and whom it is told.  Part of dispatch.h.
 */
#ifndef JOB_DISPATCH_END_H
#define JOB_DISPATCH_END_H

#include "job/child_outcome.h"
#include "job/dispatch.h"

/* Bounds of every job; a first backup of a large server takes days. */
#define DISPATCH_LIMITS     \
    ((struct child_limits){ \
        .time_s = INT64_C(7) * 24 * 3600, .stall_s = INT64_C(3600), .grace_s = INT64_C(30)})

/* What the catalog keeps of an outcome; texts stand in the arena. */
void dispatch_outcome(const struct child_job *j, const struct child_outcome *o, struct arena *a,
                      struct catalog_outcome *out);

/*
 * End the run and put messages for its set's channels into the outbox, in one transaction.  A job
 * that was taken by somebody else meanwhile is theirs: true, and nothing is written.  An
 * interrupted one is left to its lease, which gives it a second chance.  Messages for which the
 * outbox has no room are lost, and o->failed hears of it. *event (owned) is
 * {"job", "run"?, "set", "kind", "state", "snapshot"?, "error"?}.
 */
MUST_CHECK bool dispatch_end(const struct dispatch_options *o, const struct child_job *j,
                             const struct child_outcome *outcome, json_t **event, struct err *e);

#endif
