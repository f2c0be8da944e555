/*
 * The configuration of a set as it travels in its snapshots, so that the repositories alone say
 * what was backed up, where to, when and for how long.  Part of job.h.
 *
 * It is what config_json() gives of one set, with the addresses of notices in full: whoever opens
 * the repository may read everything of the set anyway.  There are no passwords in it.
 */
#ifndef JOB_CONFIG_TRAVEL_H
#define JOB_CONFIG_TRAVEL_H

#include "job/config.h"

/* For backup_options.  Released with mem_free(). */
char *config_travel(const struct config *c, const struct config_set *set);

/*
 * Add what travelled with a snapshot to a document that config_read() takes: sets and repositories
 * whose names it does not have yet, so the newest snapshot of a set goes first.  *all is NULL at
 * first.  ERR_CORRUPT when the text is no configuration; *all is unchanged then.
 */
MUST_CHECK bool config_travel_join(json_t **all, const char *text, struct err *e);

#endif
