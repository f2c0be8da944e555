/*
 * restore --into and restore --table: one database, a part of one, or bundles.
 */
#ifndef CLI_RESTORE_INTO_CALL_H
#define CLI_RESTORE_INTO_CALL_H

#include "cli/restore_part.h"
#include "cli/session.h"

struct restore_into_args {
    const char *selector; /* SNAPSHOT:/KIND/NAME */
    const struct filter_args *filter;
    const char *config;                  /* the option */
    const char *into;                    /* NULL: the database that the set has */
    const char *dsn, *dsn_password_file; /* NULL: the server that the set has it on */
    const struct part_args *part;
    int jobs;
    bool force, in_place, with_globals, with_sessions, plan_only;
};

/* Bring it back, or show what that would do, and tell. */
MUST_CHECK bool restore_into_call(struct call *call, const struct restore_into_args *args,
                                  struct err *e);

#endif
