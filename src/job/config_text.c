/*
 * Texts of the configuration that have a form of their own.  Sentences do not repeat what may hold
 * a password by mistake.
 */
#include <ctype.h>
#include <libpq-fe.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "job/config_fields.h"

/* A field of a cron expression. */
struct cron_field {
    const char *name;
    uint64_t first, last;
    const char *const *words; /* what may stand for first, first + 1, ...; ends with NULL */
};

static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                     "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const days[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const struct cron_field cron_fields[] = {
    {"minute", 0, 59, NULL},  {"hour", 0, 23, NULL},           {"day of the month", 1, 31, NULL},
    {"month", 1, 12, months}, {"day of the week", 0, 7, days},
};

#define CRON_FIELDS (sizeof(cron_fields) / sizeof(cron_fields[0]))

/* "5", "mon": a number of the field. */
static bool cron_number(const struct cron_field *f, const char *text, uint64_t *out)
{
    struct err ignored; /* the caller says what is wrong with the whole field */

    for (uint64_t i = 0; f->words != NULL && f->words[i] != NULL; i++)
        if (strcasecmp(f->words[i], text) == 0) {
            *out = f->first + i;
            return true;
        }
    return parse_u64(text, out, &ignored) && *out >= f->first && *out <= f->last;
}

/* "*", "5", "1-5", each with "/2" behind it, but not "5/2", which programs read differently. */
static bool cron_item(const struct cron_field *f, char *item)
{
    char *step = strchr(item, '/');
    uint64_t low = 0;
    uint64_t high = 0;
    uint64_t n = 0;
    struct err ignored;

    if (step != NULL) {
        *step++ = '\0';
        if (!parse_u64(step, &n, &ignored) || n == 0 || n > f->last)
            return false;
    }
    if (strcmp(item, "*") == 0)
        return true;

    char *dash = strchr(item, '-');

    if (dash == NULL)
        return step == NULL && cron_number(f, item, &low);
    *dash = '\0';
    return cron_number(f, item, &low) && cron_number(f, dash + 1, &high) && low <= high;
}

bool cron_check(const char *text, struct err *e)
{
    static const char *const names[] = {"@hourly", "@daily", "@weekly", "@monthly", "@yearly"};
    AUTO(mem) char *copy = mem_string(text);
    char *rest = copy;
    char *field = NULL;
    size_t count = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], text) == 0)
            return true;
    while ((field = strsep(&rest, " \t")) != NULL) {
        AUTO(mem) char *shown = mem_string(field);
        char *item = NULL;

        if (*field == '\0')
            continue;
        if (count == CRON_FIELDS)
            return err_set(e, ERR_USAGE, "\"%.60s\" has more than five fields", text);
        while ((item = strsep(&field, ",")) != NULL)
            if (!cron_item(&cron_fields[count], item))
                return err_set(e, ERR_USAGE, "\"%.60s\" is no %s of a cron expression", shown,
                               cron_fields[count].name);
        count++;
    }
    if (count < CRON_FIELDS)
        return err_set(e, ERR_USAGE,
                       "\"%.60s\" is no cron expression of five fields such as \"30 2 * * *\"",
                       text);
    return true;
}

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

static bool has_odd_characters(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7f)
            return true;
    return false;
}

bool notice_check(const char *place, struct err *e)
{
    static const char *const starts[] = {"mailto:", "https://", "http://"};

    if (url_has_password(place))
        return err_set(e, ERR_USAGE, "a password stands inside the address");
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        const size_t size = strlen(starts[i]);
        const bool is_mail = i == 0;

        if (strncmp(place, starts[i], size) == 0 && place[size] != '\0' &&
            !has_odd_characters(place) && (!is_mail || strchr(place, '@') != NULL))
            return true;
    }
    return err_set(e, ERR_USAGE, "it is neither mailto:NAME@HOST nor an address of http or https");
}

void notice_show(const char *place, struct buf *out)
{
    const char *host = strstr(place, "://");

    if (host == NULL || strncmp(place, "http", 4) != 0) {
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
