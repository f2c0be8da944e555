/*
 * The application of a set around a restore in place: its stop, its start, its health checks, and
 * what is told meanwhile.  Private to src/job.
 *
 * A way back does not know how far another process had come, so stop may be run for what does not
 * run, and start for what does.
 */
#ifndef JOB_RESTORE_APP_H
#define JOB_RESTORE_APP_H

#include "job/restore_set.h"

/* Tell whoever ordered the restore what was just done: one sentence, cut to a length of any. */
__attribute__((format(printf, 2, 3))) void restore_tell(const struct restore_set_options *o,
                                                        const char *fmt, ...);

/* Whether the configuration has programs that stop or start the application. */
bool restore_app_is_switched(const struct config_set *set);

/*
 * Run the programs of stop, or those of start, one after another.  The first that fails or takes
 * too long ends it: ERR_FATAL, or ERR_CANCELLED when somebody asked us to stop.  On a way back
 * neither does: all are run, and the first failure counts.
 */
MUST_CHECK bool restore_app_stop(const struct restore_set_options *o, bool is_way_back,
                                 struct err *e);
MUST_CHECK bool restore_app_start(const struct restore_set_options *o, bool is_way_back,
                                  struct err *e);

/* The health checks of the set; the first that fails ends it, with codes as above. */
MUST_CHECK bool restore_app_check(const struct restore_set_options *o, struct err *e);

#endif
