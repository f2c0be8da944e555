/*
 * restore --in-place: a whole set back to where it was.
 */
#ifndef CLI_RESTORE_SET_CALL_H
#define CLI_RESTORE_SET_CALL_H

#include "cli/session.h"
#include "job/job.h"

struct restore_set_args {
    const char *selector; /* SNAPSHOT[:/PLACE] */
    const struct filter_args *filter;
    const char *config;         /* the option */
    const char *confirm_within; /* "90s", or NULL */
    /* Asks before anything is changed, unless yes; NULL: the usual question. */
    bool (*agree)(struct call *call, bool *is_yes, struct err *e);
    bool plan_only, apply, confirm_by_checks, yes;
};

/* Show the plan, ask, restore, and tell; the filter names the set. */
MUST_CHECK bool restore_set_call(struct call *call, const struct restore_set_args *args,
                                 struct err *e);

/* The same with a configuration that was read.  *is_begun becomes true when something may have been
 * changed, also on failure; a success without is one of the plan, or agree said no. */
MUST_CHECK bool restore_set_from(struct call *call, const struct config *c,
                                 const struct restore_set_args *args, bool *is_begun,
                                 struct err *e);

#endif
