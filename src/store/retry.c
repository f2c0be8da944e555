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
    struct patience patience;
};

/* One call that is made again and again. */
struct trial {
    const struct patience *patience;
    int failures;
    int64_t first_ns; /* of them (monotonic) */
};

static struct retry *retry_of(struct store *s)
{
    return (struct retry *)s;
}

static struct trial trial_of(struct store *s)
{
    return (struct trial){.patience = &retry_of(s)->patience};
}

/* A random part of the n-th wait at its longest. */
static int64_t wait_ns(int n)
{
    const int doublings = n - 1 < DOUBLINGS_MAX ? n - 1 : DOUBLINGS_MAX;
    uint64_t r = 0;

    random_bytes(&r, sizeof(r));
    return (int64_t)(r % ((uint64_t)FIRST_WAIT_NS << doublings));
}

/* True when the failure in *e is worth another attempt, after having waited.  ERR_CANCELLED when
 * somebody asked to stop. */
static bool trial_again(struct trial *t, struct err *e)
{
    const int64_t now_ns = clock_monotonic_ns();

    if (e->code != ERR_TRANSIENT)
        return false;
    if (t->failures++ == 0)
        t->first_ns = now_ns;

    const int64_t end_ns = t->first_ns + t->patience->time_ns;
    int64_t next_ns = now_ns + wait_ns(t->failures);

    if (t->failures >= t->patience->attempts) {
        if (now_ns >= end_ns) {
            /* Nobody above has more patience; to them "later" means that others are in the way, and
             * what a disk cannot read any more is something else again. */
            e->code = ERR_AWAY;
            return err_wrap(e, "gave up after %d attempts", t->failures);
        }
        /* The last one is made when patience ends, not after it. */
        if (next_ns > end_ns)
            next_ns = end_ns;
    }
    return pause_until(next_ns, e);
}

bool retry_run(const struct patience *p, retry_fn *fn, void *arg, struct err *e)
{
    struct trial t = {.patience = p};

    while (!fn(arg, e))
        if (!trial_again(&t, e))
            return false;
    return true;
}

static bool retry_get(struct store *s, const char *key, uint64_t offset, size_t size,
                      struct buf *out, struct err *e)
{
    struct trial t = trial_of(s);

    while (!store_get(retry_of(s)->next, key, offset, size, out, e))
        if (!trial_again(&t, e))
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
    struct trial t = trial_of(s);

    while (!store_put(r->next, key, data, mode, e)) {
        if (t.failures > 0 && e->code == ERR_EXISTS && put_was_applied(r, key, data, e))
            return true;
        if (!trial_again(&t, e))
            return false;
    }
    return true;
}

static bool retry_stat(struct store *s, const char *key, struct object_info *info, struct err *e)
{
    struct trial t = trial_of(s);

    while (!store_stat(retry_of(s)->next, key, info, e))
        if (!trial_again(&t, e))
            return false;
    return true;
}

/* Nothing is told before the listing is complete, so that no object is told twice. */
static bool retry_list(struct store *s, const char *prefix, object_fn *fn, void *arg, struct err *e)
{
    struct trial t = trial_of(s);
    AUTO(object_list) struct object_list found = {0};

    while (!store_list(retry_of(s)->next, prefix, object_list_add, &found, e)) {
        if (!trial_again(&t, e))
            return false;
        buf_clear(&found.rows);
    }
    return object_list_tell(&found, fn, arg, e);
}

static bool retry_remove(struct store *s, const char *key, struct err *e)
{
    struct trial t = trial_of(s);

    while (!store_remove(retry_of(s)->next, key, e))
        if (!trial_again(&t, e))
            return false;
    return true;
}

static bool retry_remove_all(struct store *s, const char *const *keys, size_t count, struct err *e)
{
    struct trial t = trial_of(s);

    while (!store_remove_all(retry_of(s)->next, keys, count, e))
        if (!trial_again(&t, e))
            return false;
    return true;
}

/* An attempt that finds nothing: an earlier one may have been carried out. */
static bool move_was_applied(struct retry *r, const char *to, struct err *e)
{
    struct object_info info = {0};
    struct err unseen;

    if (store_stat(r->next, to, &info, &unseen))
        return true;
    if (unseen.code == ERR_TRANSIENT)
        *e = unseen;
    return false;
}

static bool retry_move(struct store *s, const char *from, const char *to, struct err *e)
{
    struct retry *r = retry_of(s);
    struct trial t = trial_of(s);

    while (!store_move(r->next, from, to, e)) {
        if (t.failures > 0 && e->code == ERR_NOT_FOUND && move_was_applied(r, to, e))
            return true;
        if (!trial_again(&t, e))
            return false;
    }
    return true;
}

static bool retry_lock_get(struct store *s, const char *key, struct object_lock *out, struct err *e)
{
    struct trial t = trial_of(s);

    while (!store_lock_get(retry_of(s)->next, key, out, e))
        if (!trial_again(&t, e))
            return false;
    return true;
}

static bool retry_lock_extend(struct store *s, const char *key, const struct object_lock *was,
                              struct object_lock *out, struct err *e)
{
    struct trial t = trial_of(s);

    while (!store_lock_extend(retry_of(s)->next, key, was, out, e))
        if (!trial_again(&t, e))
            return false;
    return true;
}

static bool retry_keeps_versions(struct store *s, bool *out, struct err *e)
{
    struct trial t = trial_of(s);

    while (!store_keeps_versions(retry_of(s)->next, out, e))
        if (!trial_again(&t, e))
            return false;
    return true;
}

static void retry_close(struct store *s)
{
    store_close(retry_of(s)->next);
    mem_free(s);
}

static bool retry_sign(struct store *s, const char *key, unsigned seconds, struct buf *out,
                       struct err *e)
{
    return store_sign(retry_of(s)->next, key, seconds, out, e);
}

/* It repeats its requests by itself: not all of the file for one of them. */
static bool retry_put_file(struct store *s, const char *key, int fd, uint64_t size, struct err *e)
{
    return store_put_file(retry_of(s)->next, key, fd, size, e);
}

static const struct store_ops retry_ops = {
    .scheme = "retry",
    .get = retry_get,
    .put = retry_put,
    .stat = retry_stat,
    .list = retry_list,
    .remove = retry_remove,
    .remove_all = retry_remove_all,
    .move = retry_move,
    .lock_get = retry_lock_get,
    .lock_extend = retry_lock_extend,
    .keeps_versions = retry_keeps_versions,
    .sign = retry_sign,
    .put_file = retry_put_file,
    .close = retry_close,
};

struct store *store_retry_patiently(struct store *next, int attempts, int64_t time_ns)
{
    assert(attempts >= 1 && time_ns >= 0);

    struct retry *r = mem_new(sizeof(*r));

    r->store = store_around(&retry_ops, next);
    r->next = next;
    r->patience = (struct patience){attempts, time_ns};
    return &r->store;
}

struct store *store_retry_new(struct store *next, int attempts)
{
    return store_retry_patiently(next, attempts, 0);
}
