/*
 * Repetition: a call that the next store answers with ERR_TRANSIENT is made again after a
 * wait.  The n-th wait is a random part of 100 ms * 2^(n-1), so that many clients that met
 * the same fault do not come back together.
 */
#include "store/retry.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/random.h"
#include "store/object_list.h"
#include "store/pause.h"

enum {
    DOUBLINGS_MAX = 8, /* waits grow up to 25.6 s */
};

#define FIRST_WAIT_NS (NS_PER_S / 10)

struct retry {
    struct store store;
    struct store *next; /* owned */
    int attempts;       /* at least 1 */
};

static struct retry *retry_of(struct store *s)
{
    return (struct retry *)s;
}

/* Wait after the n-th failure.  ERR_CANCELLED when somebody asked to stop. */
static bool retry_wait(int n, struct err *e)
{
    const int doublings = n - 1 < DOUBLINGS_MAX ? n - 1 : DOUBLINGS_MAX;
    const uint64_t longest_ns = (uint64_t)FIRST_WAIT_NS << doublings;
    uint64_t r = 0;

    random_bytes(&r, sizeof(r));

    return pause_until(clock_monotonic_ns() + (int64_t)(r % longest_ns), e);
}

/* True when the failure in *e of attempt n is worth another one, after having waited. */
static bool is_again(int attempts, int n, struct err *e)
{
    if (e->code != ERR_TRANSIENT)
        return false;
    if (n >= attempts)
        return err_wrap(e, "gave up after %d attempts", n);
    return retry_wait(n, e);
}

static bool retry_again(const struct retry *r, int n, struct err *e)
{
    return is_again(r->attempts, n, e);
}

bool retry_run(int attempts, retry_fn *fn, void *arg, struct err *e)
{
    for (int n = 1; !fn(arg, e); n++)
        if (!is_again(attempts, n, e))
            return false;
    return true;
}

static bool retry_get(struct store *s, const char *key, uint64_t offset, size_t size,
                      struct buf *out, struct err *e)
{
    struct retry *r = retry_of(s);

    for (int n = 1; !store_get(r->next, key, offset, size, out, e); n++)
        if (!retry_again(r, n, e))
            return false;
    return true;
}

/*
 * An attempt that found the key taken: success when the object is the one that an earlier
 * attempt wrote.  Otherwise *e says why not, and is transient when nobody knows yet.
 */
static bool put_was_applied(struct retry *r, const char *key, struct slice data, struct err *e)
{
    AUTO(buf) struct buf there = {0};
    struct err unread;

    if (store_get_all(r->next, key, &there, &unread))
        return slice_is_equal(buf_slice(&there), data);
    if (unread.code == ERR_TRANSIENT)
        *e = unread;
    return false;
}

static bool retry_put(struct store *s, const char *key, struct slice data, enum put_mode mode,
                      struct err *e)
{
    struct retry *r = retry_of(s);

    for (int n = 1; !store_put(r->next, key, data, mode, e); n++) {
        if (n > 1 && e->code == ERR_EXISTS && put_was_applied(r, key, data, e))
            return true;
        if (!retry_again(r, n, e))
            return false;
    }
    return true;
}

static bool retry_stat(struct store *s, const char *key, struct object_info *info, struct err *e)
{
    struct retry *r = retry_of(s);

    for (int n = 1; !store_stat(r->next, key, info, e); n++)
        if (!retry_again(r, n, e))
            return false;
    return true;
}

/* Nothing is told before the listing is complete, so that no object is told twice. */
static bool retry_list(struct store *s, const char *prefix, object_fn *fn, void *arg, struct err *e)
{
    struct retry *r = retry_of(s);
    AUTO(object_list) struct object_list found = {0};

    for (int n = 1; !store_list(r->next, prefix, object_list_add, &found, e); n++) {
        if (!retry_again(r, n, e))
            return false;
        buf_clear(&found.rows);
    }
    return object_list_tell(&found, fn, arg, e);
}

static bool retry_remove(struct store *s, const char *key, struct err *e)
{
    struct retry *r = retry_of(s);

    for (int n = 1; !store_remove(r->next, key, e); n++)
        if (!retry_again(r, n, e))
            return false;
    return true;
}

static bool retry_remove_all(struct store *s, const char *const *keys, size_t count, struct err *e)
{
    struct retry *r = retry_of(s);

    for (int n = 1; !store_remove_all(r->next, keys, count, e); n++)
        if (!retry_again(r, n, e))
            return false;
    return true;
}

static void retry_close(struct store *s)
{
    store_close(retry_of(s)->next);
    mem_free(s);
}

static const struct store_ops retry_ops = {
    .scheme = "retry",
    .get = retry_get,
    .put = retry_put,
    .stat = retry_stat,
    .list = retry_list,
    .remove = retry_remove,
    .remove_all = retry_remove_all,
    .close = retry_close,
};

struct store *store_retry_new(struct store *next, int attempts)
{
    assert(attempts >= 1);

    struct retry *r = mem_new(sizeof(*r));

    *r =
        (struct retry){.store = store_around(&retry_ops, next), .next = next, .attempts = attempts};
    return &r->store;
}
