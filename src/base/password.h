/*
 * Passwords from files and programs: one line each, in memory that is wiped (mem_secret_free()).
 */
#ifndef BASE_PASSWORD_H
#define BASE_PASSWORD_H

#include "base/buf.h"

#define PASSWORD_MAX 4096

/* A copy of the text without the end of its line.  ERR_USAGE when it is empty, too long, has
 * several lines or a NUL. */
MUST_CHECK bool password_take(struct slice text, char **out, struct err *e);

/* What a file holds; errors name it. */
MUST_CHECK bool password_from_file(const char *path, char **out, struct err *e);

/* What a program prints; it must end with exit status 0. */
MUST_CHECK bool password_from_command(char *const argv[], char **out, struct err *e);

#endif
