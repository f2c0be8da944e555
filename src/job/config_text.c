/*
 * Texts of the configuration that have a form of their own.  Sentences do not repeat what may hold
 * a password by mistake.
 */
#include <libpq-fe.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "job/config_fields.h"
#include "notify/notify.h"

/* "scheme://user:password@host": does it have a password? */
static bool url_has_password(const char *url)
{
    const char *start = strstr(url, "://");

    if (start == NULL)
        return false;
    start += 3;

    const size_t authority = strcspn(start, "/?#");
    const char *at = memrchr(start, '@', authority);

    return at != NULL && memchr(start, ':', (size_t)(at - start)) != NULL;
}

bool notice_check(const char *place, struct err *e)
{
    struct channel ignored;

    if (url_has_password(place))
        return err_set(e, ERR_USAGE, "a password stands inside the address");
    return channel_parse(place, &ignored, e);
}

void notice_show(const char *place, struct buf *out)
{
    const char *host = strstr(place, "://");

    if (host == NULL) {
        buf_printf(out, "%s", place);
        return;
    }
    host += 3;

    const size_t authority = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', authority);
    const char *begin = at == NULL ? host : at + 1;
    const char *end = host + authority;

    buf_printf(out, "%.*s%.*s%s", (int)(host - place), place, (int)(end - begin), begin,
               *end == '\0' && at == NULL ? "" : "/...");
}

bool repository_check(const char *url, struct err *e)
{
    static const char local[] = "local:";
    const char *path = strncmp(url, local, sizeof(local) - 1) == 0 ? url + sizeof(local) - 1 : url;
    const size_t scheme = strspn(path, "abcdefghijklmnopqrstuvwxyz0123456789");

    if (url_has_password(url))
        return err_set(e, ERR_USAGE, "a password stands inside it");
    if (*path != '/' && (path != url || scheme < 2 || path[scheme] != ':'))
        return err_set(e, ERR_USAGE,
                       "it is neither an absolute path nor a scheme and a place, as in "
                       "local:/srv/backup");
    return true;
}

static void options_auto(PQconninfoOption **options)
{
    PQconninfoFree(*options);
}

bool dsn_check(const char *dsn, char **database, struct err *e)
{
    /* libpq's own sentence stays away: it quotes the text, and a password may be in it. */
    AUTO(options) PQconninfoOption *options = PQconninfoParse(dsn, NULL);
    const char *name = NULL;

    if (options == NULL)
        return err_set(e, ERR_USAGE,
                       "it is no connection string of PostgreSQL such as \"host=/run/postgresql "
                       "dbname=shop\" or \"postgresql://host/shop\"");
    for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
        const bool is_secret = o->dispchar != NULL && o->dispchar[0] == '*';

        if (is_secret && o->val != NULL)
            return err_set(e, ERR_USAGE,
                           "a secret (%s) stands inside it; it belongs into a file that "
                           "password_file or passfile names, or comes from password_command",
                           o->keyword);
        if (strcmp(o->keyword, "dbname") == 0)
            name = o->val;
    }
    *database = name == NULL || *name == '\0' ? NULL : mem_string(name);
    return true;
}
