/*
 * Backing up a set of the configuration.
 */
#ifndef CLI_BACKUP_SET_H
#define CLI_BACKUP_SET_H

#include "cli/call.h"
#include "job/job.h"

/*
 * Back up set name as the configuration says, with the options o, into the repository that the
 * command line names, or else into that of the set; tell of it, and drill the snapshot when the
 * set asks for that.  config is the option --config.
 */
MUST_CHECK bool backup_set(struct call *call, const char *config, const char *name,
                           const struct backup_options *o, struct err *e);

/* What became of a backup of a set. */
struct set_made {
    struct backup_result result;
    bool is_degraded; /* some of several repositories did not get it */
};

/*
 * The same of a set that was found.  out: instead of telling people (with --json the summary is
 * told all the same); or NULL.  It may be set when the call fails, for some repository may have it
 * then.
 */
MUST_CHECK bool backup_set_from(struct call *call, const struct config *c,
                                const struct config_set *set, const struct backup_options *o,
                                struct set_made *out, struct err *e);

#endif
