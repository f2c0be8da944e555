/*
 * The table of drivers, and what a URL selects from it.  A URL whose beginning up to the
 * first colon holds a slash, or that has no colon, is a path.
 */
#include <string.h>

#include "store/credentials.h"
#include "store/local.h"
#include "store/s3.h"
#include "store/sftp.h"

typedef bool driver_fn(const char *place, const struct store_options *o, struct store **out,
                       struct err *e);

struct driver {
    const char *scheme;
    driver_fn *open; /* with retries */
    driver_fn *create;
};

static const struct patience local_patience = {.attempts = 5}; /* waits of 1.5 s at most */
static const struct patience sftp_patience = {.attempts = 10}; /* waits of 51 s at most */

/* Limits and retries around a driver, which they own. */
static struct store *stack_over(struct store *driver, const struct store_options *o,
                                const struct patience *p)
{
    if (o->upload_limit > 0 || o->download_limit > 0)
        driver = store_throttle_new(driver, o->upload_limit, o->download_limit);
    return store_retry_patiently(driver, p->attempts, p->time_ns);
}

static bool open_local(const char *place, const struct store_options *o, struct store **out,
                       struct err *e)
{
    struct store *driver = NULL;

    if (!local_open(place, &driver, e))
        return false;
    *out = stack_over(driver, o, &local_patience);
    return true;
}

static bool create_local(const char *place, const struct store_options *o, struct store **out,
                         struct err *e)
{
    struct store *driver = NULL;

    if (!local_create(place, &driver, e))
        return false;
    *out = stack_over(driver, o, &local_patience);
    return true;
}

static bool ignore_object(void *arg, const struct object_info *info, struct err *e)
{
    (void)arg;
    (void)info;
    (void)e;
    return true;
}

/* Ask for what is quick to tell, so that a wrong name, a missing bucket or keys without rights
 * are known before anything else is. */
static bool open_s3(const char *place, const struct store_options *o, struct store **out,
                    struct err *e)
{
    const struct patience p = s3_patience(&o->s3);
    AUTO(store) struct store *s = NULL;
    struct store *driver = NULL;

    if (!s3_open(place, o, &driver, e))
        return false;
    s = stack_over(driver, o, &p);
    if (!store_list(s, "config", ignore_object, NULL, e))
        return false;
    *out = TAKE(s);
    return true;
}

static bool create_s3(const char *place, const struct store_options *o, struct store **out,
                      struct err *e)
{
    const struct patience p = s3_patience(&o->s3);
    AUTO(store) struct store *driver = NULL;

    if (!s3_open(place, o, &driver, e) || !s3_prepare(driver, e))
        return false;
    *out = stack_over(TAKE(driver), o, &p);
    return true;
}

static bool open_sftp(const char *place, const struct store_options *o, struct store **out,
                      struct err *e)
{
    struct store *driver = NULL;

    if (!sftp_open(place, &o->sftp, &driver, e))
        return false;
    *out = stack_over(driver, o, &sftp_patience);
    return true;
}

static bool create_sftp(const char *place, const struct store_options *o, struct store **out,
                        struct err *e)
{
    struct store *driver = NULL;

    if (!sftp_create(place, &o->sftp, &driver, e))
        return false;
    *out = stack_over(driver, o, &sftp_patience);
    return true;
}

static const struct driver drivers[] = {
    {"local", open_local, create_local},
    {"s3", open_s3, create_s3},
    {"sftp", open_sftp, create_sftp},
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

bool store_open(const char *url, const struct store_options *o, struct store **out, struct err *e)
{
    const struct driver *driver = drivers;
    const char *place = "";

    return url_parse(url, &driver, &place, e) && driver->open(place, o, out, e);
}

void store_secrets_take(const char *url, const struct store_options *o)
{
    const struct driver *driver = drivers;
    const char *place = "";
    struct err ignored; /* opening it will say the same */

    if (url_split(url, &driver, &place, &ignored) && driver->open == open_s3)
        credentials_take(&o->s3, o->secrets);
}

bool store_create(const char *url, const struct store_options *o, struct store **out, struct err *e)
{
    const struct driver *driver = drivers;
    const char *place = "";

    return url_parse(url, &driver, &place, e) && driver->create(place, o, out, e);
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
