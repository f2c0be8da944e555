/*
 * Connection strings of PostgreSQL on the command line, where everybody can read them.
 */
#ifndef CLI_DSN_H
#define CLI_DSN_H

#include <stdbool.h>

/* Whether a dsn seems to hold a password: "password=..." or "//user:password@". */
bool dsn_shows_password(const char *dsn);

#define DSN_PASSWORD_REFUSED                                                                     \
    "--dsn holds a password, which everybody on this machine can read: use --dsn-password-file " \
    "or PGPASSFILE"

#endif
