#include "lockable.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

struct row {
    char *key;
    struct object_lock lock;
};

struct lockable {
    struct store store;
    struct store *next;

    pthread_mutex_t lock; /* guards what follows */
    struct row *rows;
    size_t count;
    struct lockable_counts counts;
    int extensions_left;
};

static struct lockable *of(struct store *s)
{
    return (struct lockable *)s;
}

static int64_t now_s(void)
{
    return clock_now_ns() / NS_PER_S;
}

/* Locked by the caller. */
static struct object_lock *find(struct lockable *l, const char *key, bool makes)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->rows[i].key, key) == 0)
            return &l->rows[i].lock;
    if (!makes)
        return NULL;
    l->rows = mem_resize(l->rows, l->count + 1, sizeof(*l->rows));
    l->rows[l->count] = (struct row){.key = mem_string(key)};
    return &l->rows[l->count++].lock;
}

void lockable_set(struct store *s, const char *key, int64_t until_s)
{
    struct lockable *l = of(s);

    pthread_mutex_lock(&l->lock);
    find(l, key, true)->until_s = until_s;
    pthread_mutex_unlock(&l->lock);
}

struct object_lock lockable_lock(struct store *s, const char *key)
{
    struct lockable *l = of(s);
    struct object_lock out = {0};

    pthread_mutex_lock(&l->lock);
    if (find(l, key, false) != NULL)
        out = *find(l, key, false);
    pthread_mutex_unlock(&l->lock);
    return out;
}

struct lockable_counts lockable_counts(struct store *s)
{
    struct lockable *l = of(s);
    struct lockable_counts out;

    pthread_mutex_lock(&l->lock);
    out = l->counts;
    l->counts = (struct lockable_counts){0};
    pthread_mutex_unlock(&l->lock);
    return out;
}

void lockable_extend_only(struct store *s, int n)
{
    pthread_mutex_lock(&of(s)->lock);
    of(s)->extensions_left = n;
    pthread_mutex_unlock(&of(s)->lock);
}

struct lock_rule lockable_days(int promise, int lasts)
{
    return (struct lock_rule){(int64_t)promise * 86400, (int64_t)lasts * 86400, false};
}

static bool op_get(struct store *s, const char *key, uint64_t offset, size_t size, struct buf *out,
                   struct err *e)
{
    return store_get(of(s)->next, key, offset, size, out, e);
}

static bool op_put(struct store *s, const char *key, struct slice data, enum put_mode mode,
                   struct err *e)
{
    if (!store_put(of(s)->next, key, data, mode, e))
        return false;
    if (object_key_is_lasting(key) && s->locks.lasts_s > 0)
        lockable_set(s, key, now_s() + s->locks.lasts_s);
    return true;
}

static bool op_stat(struct store *s, const char *key, struct object_info *info, struct err *e)
{
    return store_stat(of(s)->next, key, info, e);
}

static bool op_list(struct store *s, const char *prefix, object_fn *fn, void *arg, struct err *e)
{
    return store_list(of(s)->next, prefix, fn, arg, e);
}

static bool op_remove(struct store *s, const char *key, struct err *e)
{
    struct lockable *l = of(s);

    pthread_mutex_lock(&l->lock);

    struct object_lock *lock = find(l, key, false);

    if (lock != NULL) {
        l->counts.removed_locked += lock->until_s > now_s();
        *lock = (struct object_lock){0};
    }
    pthread_mutex_unlock(&l->lock);
    return store_remove(l->next, key, e);
}

static bool op_lock_get(struct store *s, const char *key, struct object_lock *out, struct err *e)
{
    struct object_info info;

    if (!store_stat(of(s)->next, key, &info, e))
        return false;
    *out = lockable_lock(s, key);
    pthread_mutex_lock(&of(s)->lock);
    of(s)->counts.asked++;
    pthread_mutex_unlock(&of(s)->lock);
    return true;
}

static bool op_lock_extend(struct store *s, const char *key, const struct object_lock *was,
                           struct object_lock *out, struct err *e)
{
    struct lockable *l = of(s);
    struct object_info info;
    bool may = false;

    if (!store_stat(l->next, key, &info, e))
        return false;
    pthread_mutex_lock(&l->lock);
    may = l->extensions_left != 0;
    l->extensions_left -= l->extensions_left > 0;
    l->counts.extended += may;
    pthread_mutex_unlock(&l->lock);
    if (!may)
        return err_set(e, ERR_DENIED, "%s: the policy does not allow that", key);
    lockable_set(s, key, now_s() + s->locks.lasts_s);
    *out = (struct object_lock){now_s() + s->locks.lasts_s, was->is_strict};
    return true;
}

static bool op_keeps_versions(struct store *s, bool *out, struct err *e)
{
    (void)s;
    (void)e;
    *out = true;
    return true;
}

static void op_close(struct store *s)
{
    struct lockable *l = of(s);

    for (size_t i = 0; i < l->count; i++)
        mem_free(l->rows[i].key);
    mem_free(l->rows);
    pthread_mutex_destroy(&l->lock);
    store_close(l->next);
    mem_free(l);
}

struct store *lockable_new(struct store *next, const struct lock_rule *rule)
{
    static const struct store_ops ops = {.scheme = "lockable",
                                         .get = op_get,
                                         .put = op_put,
                                         .stat = op_stat,
                                         .list = op_list,
                                         .remove = op_remove,
                                         .lock_get = op_lock_get,
                                         .lock_extend = op_lock_extend,
                                         .keeps_versions = op_keeps_versions,
                                         .close = op_close};
    struct lockable *l = mem_new(sizeof(*l));

    l->store = store_around(&ops, next);
    l->store.locks = *rule;
    l->next = next;
    l->extensions_left = -1;
    pthread_mutex_init(&l->lock, NULL);
    return &l->store;
}
