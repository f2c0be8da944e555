#include "repo/object_locks.h"

#include <stdatomic.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "repo/epochs.h"
#include "repo/uploader.h"

enum {
    THREADS_MAX = 64,
    /* A lock counts from when its object was sent; it was noted when the answer had come. */
    NOTED_LATE_S = 60 * 60,
};

struct object_locks *object_locks_new(const struct store *s)
{
    if (s->locks.lasts_s == 0)
        return NULL;

    struct object_locks *l = mem_new(sizeof(*l));

    pthread_mutex_init(&l->lock, NULL);
    return l;
}

void object_locks_free(struct object_locks *l)
{
    if (l == NULL)
        return;
    lock_record_done(&l->record);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

void repo_lock_stats(const struct repo *r, struct lock_stats *out)
{
    *out = (struct lock_stats){0};
    if (r->locks == NULL)
        return;
    pthread_mutex_lock(&r->locks->lock);
    *out = r->locks->stats;
    out->is_on = true;
    pthread_mutex_unlock(&r->locks->lock);
}

bool object_lock_holds(const struct object_lock *l, int64_t now_s)
{
    return l->until_s > now_s;
}

static int64_t now_s(void)
{
    return clock_now_ns() / NS_PER_S;
}

static void name_of(const struct repo *r, const char *key, struct hash *out)
{
    AUTO(buf) struct buf text = {0};

    buf_append(&text, r->id, sizeof(r->id));
    buf_printf(&text, "%s", key);
    sha256(buf_slice(&text), out);
}

void object_locks_note_put(struct repo *r, const char *key)
{
    struct object_lock lock = {0};
    struct hash name;

    if (r->locks == NULL || !object_key_is_lasting(key))
        return;
    lock.until_s = now_s() + r->store->locks.lasts_s - NOTED_LATE_S;
    lock.is_strict = r->store->locks.is_strict;
    name_of(r, key, &name);
    pthread_mutex_lock(&r->locks->lock);
    lock_record_note(&r->locks->record, &name, &lock);
    pthread_mutex_unlock(&r->locks->lock);
}

/* Groups */

void lock_group_auto(struct lock_group *g)
{
    for (size_t i = 0; i < g->count; i++)
        mem_free(g->keys[i]);
    mem_free(g->keys);
    mem_free(g->locks);
    mem_free(g->is_known);
}

void lock_group_add(struct lock_group *g, const char *key)
{
    if (g->count == g->room) {
        g->room = g->room == 0 ? 64 : 2 * g->room;
        g->keys = mem_resize(g->keys, g->room, sizeof(*g->keys));
        g->locks = mem_resize(g->locks, g->room, sizeof(*g->locks));
        g->is_known = mem_resize(g->is_known, g->room, sizeof(*g->is_known));
    }
    g->keys[g->count] = mem_string(key);
    g->locks[g->count] = (struct object_lock){0};
    g->is_known[g->count++] = false;
}

void lock_group_add_pack(struct lock_group *g, const struct hash *pack)
{
    char key[PACK_KEY_MAX];

    pack_key(pack, key);
    lock_group_add(g, key);
}

bool lock_group_add_common(struct lock_group *g, struct err *e)
{
    static const char *const folders[] = {"keys/", "index/", EPOCH_FOLDER};

    lock_group_add(g, "config");
    for (size_t n = 0; n < (g->repo->epoch > 1 ? 3 : 2); n++) {
        AUTO(key_list) struct key_list l = {0};

        if (!key_list_read(g->repo, folders[n], &l, e))
            return false;
        for (size_t i = 0; i < l.count; i++)
            lock_group_add(g, l.items[i]);
    }
    return true;
}

/* A group that several threads work on; each number belongs to one of them. */
struct round {
    struct lock_group *group;
    bool extends;
    int64_t now_s;
    atomic_size_t next;
    _Atomic uint64_t asked, extended;
    struct first_failure failure;
};

/* What is gone needs no lock any more. */
static bool ask_one(struct round *d, size_t i, bool *is_gone, struct err *e)
{
    struct lock_group *g = d->group;

    *is_gone = false;
    if (g->is_known[i])
        return true;
    atomic_fetch_add(&d->asked, 1);
    if (!store_lock_get(g->repo->store, g->keys[i], &g->locks[i], e)) {
        *is_gone = e->code == ERR_NOT_FOUND;
        return *is_gone;
    }
    g->is_known[i] = true;
    return true;
}

static bool settle_one(struct round *d, size_t i, struct err *e)
{
    struct lock_group *g = d->group;
    struct store *s = g->repo->store;
    struct object_lock lock = {0};
    bool is_gone;

    if (cancel_is_requested())
        return cancel_err(e);
    if (!ask_one(d, i, &is_gone, e))
        return false;
    if (is_gone || !d->extends || g->locks[i].until_s - d->now_s >= s->locks.promise_s)
        return true;
    if (!store_lock_extend(s, g->keys[i], &g->locks[i], &lock, e))
        return e->code == ERR_NOT_FOUND;
    g->locks[i] = lock;
    atomic_fetch_add(&d->extended, 1);
    return true;
}

static void *round_main(void *arg)
{
    struct round *d = arg;

    for (size_t i = 0; (i = atomic_fetch_add(&d->next, 1)) < d->group->count;) {
        struct err e = {0};

        if (first_failure_is_set(&d->failure))
            break;
        if (!settle_one(d, i, &e))
            first_failure_set(&d->failure, &e);
    }
    return NULL;
}

static void look_up(struct lock_group *g, int64_t now)
{
    struct object_locks *l = g->repo->locks;
    const char *folder = g->repo->cache_folder;

    if (l == NULL)
        return;
    pthread_mutex_lock(&l->lock);
    if (!l->is_read && folder != NULL) {
        struct lock_record read = {0};

        lock_record_read(folder, &read);
        for (size_t i = 0; i < read.count; i++)
            lock_record_note(&l->record, &read.rows[i].name, &read.rows[i].lock);
        lock_record_done(&read);
    }
    l->is_read = true;
    lock_record_settle(&l->record, now);
    for (size_t i = 0; i < g->count; i++) {
        struct hash name;

        name_of(g->repo, g->keys[i], &name);
        g->is_known[i] = g->is_known[i] || lock_record_find(&l->record, &name, &g->locks[i]);
    }
    pthread_mutex_unlock(&l->lock);
}

static void note_all(struct round *d)
{
    const struct lock_group *g = d->group;
    struct object_locks *l = g->repo->locks;

    if (l == NULL)
        return;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < g->count; i++) {
        struct hash name;

        if (!g->is_known[i])
            continue;
        name_of(g->repo, g->keys[i], &name);
        lock_record_note(&l->record, &name, &g->locks[i]);
    }
    lock_record_settle(&l->record, d->now_s);
    l->stats.asked += atomic_load(&d->asked);
    l->stats.extended += atomic_load(&d->extended);
    if (g->repo->cache_folder != NULL)
        lock_record_write(g->repo->cache_folder, &l->record);
    pthread_mutex_unlock(&l->lock);
}

static void run_threads(struct round *d)
{
    const size_t wanted = (size_t)store_parallel(d->group->repo->store);
    pthread_t threads[THREADS_MAX];
    size_t started = 0;

    for (; started < wanted && started < d->group->count && started < THREADS_MAX; started++)
        thread_start(&threads[started], round_main, d, "locks");
    while (started > 0)
        thread_join(threads[--started]);
}

static bool run_round(struct lock_group *g, bool extends, struct err *e)
{
    struct round d = {.group = g,
                      .extends = extends,
                      .now_s = now_s(),
                      .failure = {.lock = PTHREAD_MUTEX_INITIALIZER}};

    look_up(g, d.now_s);
    run_threads(&d);
    note_all(&d);
    pthread_mutex_destroy(&d.failure.lock);
    return !first_failure_get(&d.failure, e) || err_wrap(e, "look after object locks");
}

bool lock_group_ask(struct lock_group *g, struct err *e)
{
    return run_round(g, false, e);
}

bool lock_group_extend(struct lock_group *g, struct err *e)
{
    return run_round(g, true, e);
}
