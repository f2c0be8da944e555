/* What the files of the queue share.  Private to src/catalog. */
#ifndef CATALOG_JOBS_PRIVATE_H
#define CATALOG_JOBS_PRIVATE_H

#include "catalog/db.h"
#include "catalog/jobs.h"

/* What decides about the next attempt of a job. */
#define JOB_ROW "id, run_id, attempts, attempts_max, backoff_ms, interruptions, cancel_ns"
struct job_row {
    const char *id, *run; /* in the result */
    int64_t attempts, attempts_max, backoff_ms, interruptions;
    bool is_cancelled;
};
void job_row_take(const struct db_result *r, struct job_row *out);

/* A job as callers see it. */
#define JOB_COLUMNS                                                                           \
    "id, run_id, kind, set_name, config_id, arguments, requested_by, cause, attempts, fence," \
    " lease_ns, holder, cancel_ns"
void job_take(const struct db_result *r, size_t row, struct arena *a, struct catalog_job *out);

/* Let the job wait for another attempt, with the numbers of the row. */
MUST_CHECK bool catalog_job_requeue(struct catalog_tx *t, const struct job_row *j,
                                    int64_t not_before_ns, struct err *e);
/* Nothing comes after it. */
MUST_CHECK bool catalog_job_done(struct catalog_tx *t, const char *id, struct err *e);

/* End a job that nobody does, and its last run.  listener: or NULL. */
MUST_CHECK bool catalog_job_end_alone(struct catalog_tx *t, const char *id,
                                      const struct catalog_outcome *o,
                                      const struct catalog_job_listener *listener, struct err *e);

#endif
