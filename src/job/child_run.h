/*
 * A job under way, as the service sees it: a folder that a keeper fills (child_keep.h).  Part of
 * child.h.
 */
#ifndef JOB_CHILD_RUN_H
#define JOB_CHILD_RUN_H

#include "job/child_job.h"
#include "job/child_outcome.h"
#include "job/config.h"

struct child_run;

/*
 * Start a job below the folder of all jobs (dir_open()).  It goes on without us.  ERR_EXISTS when
 * this attempt of it was started before: a folder is made once.  ERR_USAGE as child_plan_make(),
 * and then nothing was started.
 */
MUST_CHECK bool child_run_start(int jobs_fd, const char *jobs_path, const struct child_job *j,
                                struct child_run **out, struct err *e);

/* Take over the job of a folder "<id>.<attempt>", which may run or have ended.  ERR_USAGE when the
 * name is not of that form. */
MUST_CHECK bool child_run_adopt(int jobs_fd, const char *jobs_path, const char *name,
                                struct child_run **out, struct err *e);

/* Let go of it; a job goes on.  Accepts NULL. */
void child_run_free(struct child_run *r);
void child_run_auto(struct child_run **r);

/* Only id and attempt are set when the service died before the job was written down. */
const struct child_job *child_run_job(const struct child_run *r);

/* Polls readable when the keeper has ended; -1: not known yet. */
int child_run_end_fd(const struct child_run *r);

/* Lines of the job, and at most twice a second its progress ("status").  Borrowed. */
typedef void child_message_fn(void *arg, const struct child_job *j, const json_t *message);

/*
 * Look what there is, without waiting.  *has_ended is set when keeper and job are gone; *out is
 * then what came of it, and the caller's.  Not called again after that.
 */
void child_run_look(struct child_run *r, child_message_fn *fn, void *arg, bool *has_ended,
                    struct child_outcome *out);

/* The log as far as it is written (child_log.h), appended; only whole lines. */
void child_run_log(const struct child_run *r, struct buf *out);

/* Let child_run_look() ask it to stop, as soon as it listens. */
void child_run_cancel(struct child_run *r);

/* Remove the folder of a job that has ended. */
MUST_CHECK bool child_run_remove(struct child_run *r, struct err *e);

#endif
