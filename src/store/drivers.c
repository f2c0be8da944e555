/*
 * The table of drivers, and what a URL selects from it.  A URL whose beginning up to the
 * first colon holds a slash, or that has no colon, is a path.
 */
#include <string.h>

#include "store/local.h"

enum {
    ATTEMPTS_MAX = 5, /* of one call, about 1.5 s at the longest */
};

typedef bool driver_fn(const char *place, struct store **out, struct err *e);

struct driver {
    const char *scheme;
    driver_fn *open;
    driver_fn *create;
};

static const struct driver drivers[] = {
    {"local", local_open, local_create},
};

#define DRIVER_COUNT (sizeof(drivers) / sizeof(drivers[0]))

static bool driver_is_unknown(const char *url, size_t length, struct err *e)
{
    AUTO(buf) struct buf known = {0};

    for (size_t i = 0; i < DRIVER_COUNT; i++)
        buf_printf(&known, "%s%s:", i == 0 ? "" : ", ", drivers[i].scheme);
    return err_set(e, ERR_USAGE,
                   "store %s: no kind of store is called \"%.*s\" (known: %s); a path with a "
                   "colon is written ./%s",
                   url, (int)length, url, buf_string(&known), url);
}

/* Split a URL into the driver and the place that it understands. */
static bool url_split(const char *url, const struct driver **driver, const char **place,
                      struct err *e)
{
    const size_t length = strcspn(url, ":/");

    if (url[length] != ':') {
        *driver = &drivers[0];
        *place = url;
        return true;
    }
    for (size_t i = 0; i < DRIVER_COUNT; i++) {
        const char *scheme = drivers[i].scheme;

        if (strlen(scheme) == length && strncmp(scheme, url, length) == 0) {
            *driver = &drivers[i];
            *place = url + length + 1;
            return true;
        }
    }
    return driver_is_unknown(url, length, e);
}

/* The same, and the place is not empty. */
static bool url_parse(const char *url, const struct driver **driver, const char **place,
                      struct err *e)
{
    if (!url_split(url, driver, place, e))
        return false;
    return (*place)[0] != '\0' || err_set(e, ERR_USAGE, "store \"%s\": the path is empty", url);
}

bool store_open(const char *url, struct store **out, struct err *e)
{
    const struct driver *driver = drivers;
    const char *place = "";
    struct store *s = NULL;

    if (!url_parse(url, &driver, &place, e) || !driver->open(place, &s, e))
        return false;
    *out = store_retry_new(s, ATTEMPTS_MAX);
    return true;
}

bool store_create(const char *url, struct store **out, struct err *e)
{
    const struct driver *driver = drivers;
    const char *place = "";
    struct store *s = NULL;

    if (!url_parse(url, &driver, &place, e) || !driver->create(place, &s, e))
        return false;
    *out = store_retry_new(s, ATTEMPTS_MAX);
    return true;
}

void store_close(struct store *s)
{
    if (s != NULL)
        s->ops->close(s);
}

void store_auto(struct store **s)
{
    store_close(*s);
}
