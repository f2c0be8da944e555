#include "cli/dsn.h"

#include <stdlib.h>
#include <string.h>

bool dsn_shows_password(const char *dsn)
{
    const char *scheme = strstr(dsn, "://");
    const char *user = scheme == NULL ? NULL : scheme + 3;
    const char *at = user == NULL ? NULL : strchr(user, '@');

    return strstr(dsn, "password") != NULL ||
           (at != NULL && memchr(user, ':', (size_t)(at - user)) != NULL);
}

bool dsn_check_shown(const char *dsn, struct err *e)
{
    const char *variable = getenv("DATABASE_URL");

    return !dsn_shows_password(dsn) || (variable != NULL && strcmp(variable, dsn) == 0) ||
           err_set(e, ERR_USAGE, DSN_PASSWORD_REFUSED);
}
