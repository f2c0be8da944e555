/*
 * Connection strings of PostgreSQL on the command line, where everybody can read them.
 */
#ifndef CLI_DSN_H
#define CLI_DSN_H

#include <stdbool.h>

#include "base/err.h"

/* Whether a dsn seems to hold a password: "password=..." or "//user:password@". */
bool dsn_shows_password(const char *dsn);

#define DSN_PASSWORD_REFUSED                                                                     \
    "--dsn holds a password, which everybody on this machine can read: use --dsn-password-file " \
    "or PGPASSFILE"

/* ERR_USAGE for a dsn that shows a password, unless it stands in DATABASE_URL: what is in a
 * variable only this user sees, arguments everybody does. */
MUST_CHECK bool dsn_check_shown(const char *dsn, struct err *e);

#endif
