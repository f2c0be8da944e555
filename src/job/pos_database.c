#include "job/pos_database.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "job/config_fields.h"

void pos_database_done(struct pos_database *d)
{
    mem_free(d->dsn);
    mem_secret_free(d->password);
    *d = (struct pos_database){0};
}

void pos_database_auto(struct pos_database *d)
{
    pos_database_done(d);
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Undo percent encoding; out has room for the text and a NUL.  False: no such text, or it holds a
 * NUL or is not UTF-8. */
static bool decode(struct slice in, char *out)
{
    size_t size = 0;

    for (size_t i = 0; i < in.size; i++) {
        char c = (char)in.data[i];

        if (c == '%') {
            const int high = i + 2 < in.size ? digit((char)in.data[i + 1]) : -1;
            const int low = i + 2 < in.size ? digit((char)in.data[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0')
            return false;
        out[size++] = c;
    }
    out[size] = '\0';
    return utf8_is_valid(SLICE_OF(out, size));
}

void pos_database_add(struct buf *dsn, const char *name, const char *value)
{
    buf_printf(dsn, "%s%s='", dsn->size == 0 ? "" : " ", name);
    for (const char *c = value; *c != '\0'; c++)
        buf_printf(dsn, *c == '\'' || *c == '\\' ? "\\%c" : "%c", *c);
    buf_append(dsn, "'", 1);
}

static bool add_item(struct buf *dsn, const char *name, struct slice encoded)
{
    AUTO(mem) char *value = mem_new(encoded.size + 1);

    if (!decode(encoded, value))
        return false;
    pos_database_add(dsn, name, value);
    return true;
}

/* The part of *rest before one of the characters; *rest becomes what follows it. */
static struct slice take_until(struct slice *rest, const char *ends, char *end)
{
    struct slice part = *rest;

    for (part.size = 0; part.size < rest->size; part.size++)
        if (strchr(ends, (char)rest->data[part.size]) != NULL)
            break;
    *end = part.size < rest->size ? (char)rest->data[part.size] : '\0';
    rest->data += part.size + (*end != '\0');
    rest->size -= part.size + (*end != '\0');
    return part;
}

static bool is_port(struct slice text)
{
    int v = 0;

    for (size_t i = 0; i < text.size && i < 6; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        v = v * 10 + (text.data[i] - '0');
    }
    return text.size > 0 && text.size < 6 && v > 0 && v < 65536;
}

static bool read_host(struct slice text, struct buf *dsn)
{
    struct slice host = text;
    struct slice port = {0};
    char end = '\0';

    if (text.size > 0 && text.data[0] == '[') {
        host.data++;
        host.size--;

        struct slice inner = take_until(&host, "]", &end);

        if (end != ']' || (host.size > 0 && host.data[0] != ':'))
            return false;
        if (host.size > 0)
            port = SLICE_OF(host.data + 1, host.size - 1);
        end = host.size > 0 ? ':' : '\0';
        host = inner;
    } else {
        port = host;
        host = take_until(&port, ":", &end);
    }
    if (host.size == 0 || memchr(host.data, ',', host.size) != NULL ||
        (end == ':' && !is_port(port)))
        return false;
    if (end != ':')
        port = slice_string("5432");
    return add_item(dsn, "host", host) && add_item(dsn, "port", port);
}

/* USER:PASSWORD, either may be missing. */
static bool read_user(struct slice text, struct buf *dsn, struct pos_database *out)
{
    struct slice password = text;
    char end = '\0';
    const struct slice user = take_until(&password, ":", &end);

    if (user.size > 0 && !add_item(dsn, "user", user))
        return false;
    if (end != ':' || password.size == 0)
        return true;
    out->password = mem_secret_new(password.size + 1);
    return decode(password, out->password);
}

static bool is_one_of(struct slice name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (slice_is_equal(name, slice_string(*names)))
            return true;
    return false;
}

static bool read_parameters(struct slice rest, struct buf *dsn)
{
    static const char *const kept[] = {"sslmode",         "sslrootcert",      "sslcert", "sslkey",
                                       "connect_timeout", "application_name", NULL};
    static const char *const passed_over[] = {
        "schema",    "connection_limit", "pool_timeout",
        "pgbouncer", "socket_timeout",   "statement_cache_size",
        NULL};
    char end = '&';

    while (rest.size > 0) {
        struct slice value = take_until(&rest, "&", &end);
        const struct slice name = take_until(&value, "=", &end);

        if (is_one_of(name, kept)) {
            AUTO(mem) char *text = mem_dup(name.data, name.size);

            if (!add_item(dsn, text, value))
                return false;
        } else if (!is_one_of(name, passed_over)) {
            return false;
        }
    }
    return true;
}

static bool read_url(const char *url, struct pos_database *out)
{
    static const char *const schemes[] = {"postgres://", "postgresql://"};
    AUTO(buf) struct buf dsn = {0};
    struct slice rest = {0};
    char end = '\0';

    for (size_t i = 0; i < 2; i++)
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
            rest = slice_string(url + strlen(schemes[i]));

    struct slice host = take_until(&rest, "/?#", &end);
    const uint8_t *at = host.size == 0 ? NULL : memrchr(host.data, '@', host.size);

    if (end != '/')
        return false;
    if (at != NULL) {
        const struct slice user = SLICE_OF(host.data, (size_t)(at - host.data));

        host = SLICE_OF(at + 1, host.size - user.size - 1);
        if (!read_user(user, &dsn, out))
            return false;
    }

    const struct slice name = take_until(&rest, "?#", &end);

    if (name.size == 0 || end == '#' || !read_host(host, &dsn) || !add_item(&dsn, "dbname", name) ||
        !read_parameters(rest, &dsn))
        return false;
    out->dsn = mem_string(buf_string(&dsn));
    return true;
}

bool pos_database_parse(const char *url, struct pos_database *out, struct err *e)
{
    AUTO(pos_database) struct pos_database d = {0};
    AUTO(mem) char *database = NULL;

    if (!read_url(url, &d) || !dsn_check(d.dsn, &database, e))
        return err_set(
            e, ERR_USAGE,
            "DATABASE_URL is not postgresql://USER:PASSWORD@HOST:PORT/NAME, with special "
            "characters percent-encoded");
    *out = d;
    d = (struct pos_database){0};
    return true;
}
