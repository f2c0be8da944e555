/*
 * The keeper of a job: a process of this program that starts the job in its sandbox, takes what it
 * says, keeps its limits, and writes down how it ended.  It needs no service to be there: one that
 * comes later reads the folder.  Part of child.h.
 *
 * The folder of a job, "<state>/jobs/<id>.<attempt>/", mode 0700:
 *
 *   request  the job (child_job.h); the keeper's standard input, locked (flock) as long as it lives
 *   process  {"keeper", "pid", "started", "gaps": [sentences]}, once the job has been started
 *   status   the latest line of progress, replaced at most twice a second
 *   lines    all other lines of standard output, at most CHILD_LINES_MAX bytes
 *   errors   standard error: the first CHILD_ERRORS_MAX bytes, and the last ones behind a line
 *   log      both with times, the first and the last lines (child_log.h)
 *   exit     {"status": n} or {"signal": n}, with "reason" when the keeper ended it, or
 *            {"why": sentence} when it could not be started; written durably, last
 *
 * A folder whose request nobody locks and which has no exit is that of a job that was interrupted:
 * its process is gone too, because it dies with its keeper.
 */
#ifndef JOB_CHILD_KEEP_H
#define JOB_CHILD_KEEP_H

#include <stddef.h>

#define CHILD_LINES_MAX  ((size_t)16 << 20)
#define CHILD_ERRORS_MAX ((size_t)256 << 10)

/* As the first argument of this program; the folder is the second. */
#define CHILD_KEEP_OPTION "--keep-job"

/*
 * Keep the job whose request is standard input; returns the exit status of the keeper: 0 once exit
 * is written.  SIGTERM asks the job to stop: SIGINT at once, SIGTERM after the grace, SIGKILL to
 * all that belongs to it after another.
 */
int child_keep(const char *folder);

#endif
