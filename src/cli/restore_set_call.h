/*
 * restore --in-place: a whole set back to where it was.
 */
#ifndef CLI_RESTORE_SET_CALL_H
#define CLI_RESTORE_SET_CALL_H

#include "cli/session.h"

struct restore_set_args {
    const char *selector; /* SNAPSHOT[:/PLACE] */
    const struct filter_args *filter;
    const char *config;         /* the option */
    const char *confirm_within; /* "90s", or NULL */
    bool plan_only, apply, yes;
};

/* Show the plan, ask, restore, and tell; the filter names the set. */
MUST_CHECK bool restore_set_call(struct call *call, const struct restore_set_args *args,
                                 struct err *e);

#endif
