/*
 * A child that looks into a repository and prints what it finds while its caller waits, or stores
 * what its caller gives it: with the command line and the sandbox of a job (child_plan.h), but in
 * no queue and without a keeper.  Part of child.h.
 *
 * This program is started once more with READING_OPTION.  It reads the job from its standard
 * input, has one thread, builds the sandbox and becomes the command (execve()).  So there is one
 * process, whose output comes straight from the command; the kernel ends it with the thread that
 * started it.  Its input is a socket.  Behind the job come the bytes of the caller, if the verb
 * takes any, and their end is told by shutdown(2): a socket that is just closed, because we died,
 * ends nothing that counts (backup --stdin-socket).
 */
#ifndef JOB_READING_H
#define JOB_READING_H

#include "job/child_job.h"
#include "job/child_outcome.h"

#define READING_OPTION     "--reading"
#define READING_ERRORS_MAX ((size_t)64 << 10) /* of standard error: the last bytes */

/* The caller's side; all are called on its thread. */
struct reading_ends {
    /* Bytes that it printed.  May block, and the child then waits.  False ends it.  Not called for
     * a verb that tells a result (child_plan_promise()), which is in the outcome. */
    bool (*take)(void *arg, struct slice bytes, struct err *e);
    /* Bytes for it to store, in order; *got is 0 at their end, when they are whole.  May block, for
     * as long as the child may be silent at most.  False ends it, and nothing is stored.  Of
     * CHILD_UPLOAD only. */
    bool (*give)(void *arg, void *to, size_t room, size_t *got, struct err *e);
    /* Whether somebody waits for them; asked several times a second.  False ends it. */
    bool (*is_wanted)(void *arg);
    void *arg;
};

/* time_s counts from its start, stall_s while nothing comes from it; grace_s is not given. */
#define READING_LIMITS \
    ((struct child_limits){.time_s = INT64_C(24) * 3600, .stall_s = INT64_C(600)})

/*
 * Run it until it has ended or was ended, with all processes of its group.  True: *out is what came
 * of it, and what was taken is the whole only if that is CHILD_SUCCEEDED; CHILD_CANCELLED when the
 * caller let go, which behind the end of what it gave is too late: something may be stored.  False:
 * it was not started; ERR_USAGE as child_plan_make().
 */
MUST_CHECK bool reading_run(const struct child_job *j, const struct reading_ends *ends,
                            struct child_outcome *out, struct err *e);

/* What this program does with READING_OPTION; returns an exit status when it cannot become the
 * command, which standard error then says as a command would. */
int reading_become(void);

#endif
