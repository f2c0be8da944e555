/*
 * What the catalog forgets by itself.  Part of catalog.h.
 *
 * Configurations with all their versions, users, tokens, restore points, stores, settings and the
 * audit log are kept until somebody removes them.
 */
#ifndef CATALOG_CLEANING_H
#define CATALOG_CLEANING_H

#include "catalog/jobs.h"

#define CATALOG_RUN_DAYS     400 /* runs that ended; see catalog_run_forget for those that stay */
#define CATALOG_WAIT_DAYS    7   /* jobs that nobody takes: they fail then */
#define CATALOG_JOB_DAYS     30  /* jobs that are done, with the instants that they stand for */
#define CATALOG_MESSAGE_DAYS 30  /* messages that were sent or given up */

/*
 * End jobs that nobody took, remove what is older, answers to requests and sessions that are over,
 * and counters of logins that say nothing any more.  Once an hour is enough, from one or several
 * processes.  In short transactions, so that nobody waits long; at most 20,000 runs each time.
 * listener: or NULL.
 */
MUST_CHECK bool catalog_clean(struct catalog *c, const struct catalog_job_listener *listener,
                              struct err *e);

#endif
