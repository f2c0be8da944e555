#include "cli/dsn.h"

#include <string.h>

bool dsn_shows_password(const char *dsn)
{
    const char *scheme = strstr(dsn, "://");
    const char *user = scheme == NULL ? NULL : scheme + 3;
    const char *at = user == NULL ? NULL : strchr(user, '@');

    return strstr(dsn, "password") != NULL ||
           (at != NULL && memchr(user, ':', (size_t)(at - user)) != NULL);
}
