/*
 * Limits of speed, shared by all threads: each transfer takes a slot of the time line that is as
 * long as its bytes last at that speed, and slots do not overlap.  So a transfer waits for those
 * before it, and after its own bytes until its slot has passed.  How fast it is meanwhile is the
 * driver's matter.
 */
#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/pause.h"
#include "store/store.h"

/* One direction. */
struct lane {
    uint64_t speed; /* bytes a second; 0: no limit */
    pthread_mutex_t lock;
    int64_t free_ns; /* from when on there is no slot taken (monotonic); guarded by lock */
};

struct throttle {
    struct store store;
    struct store *next; /* owned */
    struct lane up, down;
};

static struct throttle *throttle_of(struct store *s)
{
    return (struct throttle *)s;
}

/* The slot for so many bytes. */
static void lane_reserve(struct lane *l, uint64_t bytes, int64_t *start_ns, int64_t *end_ns)
{
    const int64_t now_ns = clock_monotonic_ns();

    if (l->speed == 0) {
        *start_ns = *end_ns = now_ns;
        return;
    }
    pthread_mutex_lock(&l->lock);
    *start_ns = l->free_ns > now_ns ? l->free_ns : now_ns;
    /* At most the longest file of S3, 625 GiB, at 1 KiB a second: far from an overflow. */
    *end_ns = *start_ns + (int64_t)((double)bytes / (double)l->speed * (double)NS_PER_S);
    l->free_ns = *end_ns;
    pthread_mutex_unlock(&l->lock);
}

/* What was transferred counts, also when somebody asks to stop while its slot passes. */
static bool lane_wait(int64_t end_ns)
{
    struct err ignored;

    (void)!pause_until(end_ns, &ignored);
    return true;
}

static bool throttle_get(struct store *s, const char *key, uint64_t offset, size_t size,
                         struct buf *out, struct err *e)
{
    struct throttle *t = throttle_of(s);
    const size_t before = out->size;
    int64_t start_ns = 0;
    int64_t end_ns = 0;

    if (size <= STORE_OBJECT_MAX) {
        lane_reserve(&t->down, size, &start_ns, &end_ns);
        return pause_until(start_ns, e) && store_get(t->next, key, offset, size, out, e) &&
               lane_wait(end_ns);
    }
    if (!store_get(t->next, key, offset, size, out, e))
        return false;
    lane_reserve(&t->down, out->size - before, &start_ns, &end_ns);
    return lane_wait(end_ns);
}

static bool throttle_put(struct store *s, const char *key, struct slice data, enum put_mode mode,
                         struct err *e)
{
    struct throttle *t = throttle_of(s);
    int64_t start_ns = 0;
    int64_t end_ns = 0;

    lane_reserve(&t->up, data.size, &start_ns, &end_ns);
    return pause_until(start_ns, e) && store_put(t->next, key, data, mode, e) && lane_wait(end_ns);
}

static bool throttle_stat(struct store *s, const char *key, struct object_info *info, struct err *e)
{
    return store_stat(throttle_of(s)->next, key, info, e);
}

static bool throttle_list(struct store *s, const char *prefix, object_fn *fn, void *arg,
                          struct err *e)
{
    return store_list(throttle_of(s)->next, prefix, fn, arg, e);
}

static bool throttle_remove(struct store *s, const char *key, struct err *e)
{
    return store_remove(throttle_of(s)->next, key, e);
}

static bool throttle_remove_all(struct store *s, const char *const *keys, size_t count,
                                struct err *e)
{
    return store_remove_all(throttle_of(s)->next, keys, count, e);
}

static bool throttle_move(struct store *s, const char *from, const char *to, struct err *e)
{
    return store_move(throttle_of(s)->next, from, to, e);
}

static bool throttle_lock_get(struct store *s, const char *key, struct object_lock *out,
                              struct err *e)
{
    return store_lock_get(throttle_of(s)->next, key, out, e);
}

static bool throttle_lock_extend(struct store *s, const char *key, const struct object_lock *was,
                                 struct object_lock *out, struct err *e)
{
    return store_lock_extend(throttle_of(s)->next, key, was, out, e);
}

static bool throttle_keeps_versions(struct store *s, bool *out, struct err *e)
{
    return store_keeps_versions(throttle_of(s)->next, out, e);
}

static void throttle_close(struct store *s)
{
    struct throttle *t = throttle_of(s);

    store_close(t->next);
    pthread_mutex_destroy(&t->up.lock);
    pthread_mutex_destroy(&t->down.lock);
    mem_free(t);
}

static bool throttle_sign(struct store *s, const char *key, unsigned seconds, struct buf *out,
                          struct err *e)
{
    return store_sign(throttle_of(s)->next, key, seconds, out, e);
}

static bool throttle_put_file(struct store *s, const char *key, int fd, uint64_t size,
                              struct err *e)
{
    struct throttle *t = throttle_of(s);
    int64_t start_ns = 0;
    int64_t end_ns = 0;

    lane_reserve(&t->up, size, &start_ns, &end_ns);
    return pause_until(start_ns, e) && store_put_file(t->next, key, fd, size, e) &&
           lane_wait(end_ns);
}

static const struct store_ops throttle_ops = {
    .scheme = "throttle",
    .get = throttle_get,
    .put = throttle_put,
    .stat = throttle_stat,
    .list = throttle_list,
    .remove = throttle_remove,
    .remove_all = throttle_remove_all,
    .move = throttle_move,
    .lock_get = throttle_lock_get,
    .lock_extend = throttle_lock_extend,
    .keeps_versions = throttle_keeps_versions,
    .sign = throttle_sign,
    .put_file = throttle_put_file,
    .close = throttle_close,
};

struct store *store_throttle_new(struct store *next, uint64_t upload, uint64_t download)
{
    struct throttle *t = mem_new(sizeof(*t));

    t->store = store_around(&throttle_ops, next);
    t->next = next;
    t->up.speed = upload;
    t->down.speed = download;
    if (pthread_mutex_init(&t->up.lock, NULL) != 0 || pthread_mutex_init(&t->down.lock, NULL) != 0)
        mem_exit("no lock can be made");
    return &t->store;
}
