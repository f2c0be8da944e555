#include "meddle.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"

struct meddler {
    struct store store;
    struct store *next;
    struct meddling meddling;
    atomic_int calls;
};

/* Count a call; fn runs once, and its own calls on other handles are none of this store. */
static struct store *next_of(struct store *s)
{
    struct meddler *m = (struct meddler *)s;

    if (atomic_fetch_add(&m->calls, 1) == m->meddling.at)
        m->meddling.fn(m->meddling.arg);
    return m->next;
}

static bool meddler_get(struct store *s, const char *key, uint64_t offset, size_t size,
                        struct buf *out, struct err *e)
{
    return store_get(next_of(s), key, offset, size, out, e);
}

static bool meddler_put(struct store *s, const char *key, struct slice data, enum put_mode mode,
                        struct err *e)
{
    struct meddler *m = (struct meddler *)s;
    const bool ok = store_put(next_of(s), key, data, mode, e);

    if (ok && m->meddling.prefix != NULL &&
        strncmp(key, m->meddling.prefix, strlen(m->meddling.prefix)) == 0) {
        m->meddling.prefix = NULL;
        m->meddling.fn(m->meddling.arg);
    }
    return ok;
}

static bool meddler_stat(struct store *s, const char *key, struct object_info *info, struct err *e)
{
    return store_stat(next_of(s), key, info, e);
}

static bool meddler_list(struct store *s, const char *prefix, object_fn *fn, void *arg,
                         struct err *e)
{
    return store_list(next_of(s), prefix, fn, arg, e);
}

static bool meddler_remove(struct store *s, const char *key, struct err *e)
{
    return store_remove(next_of(s), key, e);
}

static bool meddler_move(struct store *s, const char *from, const char *to, struct err *e)
{
    return store_move(next_of(s), from, to, e);
}

static void meddler_close(struct store *s)
{
    mem_free(s);
}

struct store *meddler_new(struct store *next, const struct meddling *m)
{
    static const struct store_ops ops = {.scheme = "meddler",
                                         .get = meddler_get,
                                         .put = meddler_put,
                                         .stat = meddler_stat,
                                         .list = meddler_list,
                                         .remove = meddler_remove,
                                         .move = meddler_move,
                                         .close = meddler_close};
    struct meddler *s = mem_new(sizeof(*s));

    *s = (struct meddler){.store = store_around(&ops, next), .next = next, .meddling = *m};
    return &s->store;
}

int meddler_calls(struct store *s)
{
    return atomic_load(&((struct meddler *)s)->calls);
}

struct relay {
    pthread_mutex_t lock; /* guards all */
    pthread_cond_t passed;
    uint64_t state; /* of the order */
    uint64_t haste; /* of 100: how often the turn passes to another */
    size_t actors, left;
    size_t turn;
    bool is_busy; /* whoever has the turn is in a call */
    bool *has_left;
};

struct runner {
    struct store store;
    struct store *next;
    struct relay *relay;
    size_t actor;
};

static uint64_t relay_random(struct relay *r)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return r->state >> 11;
}

struct relay *relay_new(size_t actors, uint64_t seed)
{
    static const uint64_t hastes[] = {2, 10, 50, 100};
    struct relay *r = mem_new(sizeof(*r));

    *r = (struct relay){.state = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15),
                        .actors = actors,
                        .left = actors,
                        .haste = hastes[seed % 4],
                        .has_left = mem_array(actors, sizeof(bool))};
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->passed, NULL);
    r->turn = relay_random(r) % actors;
    return r;
}

void relay_free(struct relay *r)
{
    pthread_cond_destroy(&r->passed);
    pthread_mutex_destroy(&r->lock);
    mem_free(r->has_left);
    mem_free(r);
}

static void relay_pass(struct relay *r)
{
    if (r->left == 0)
        return;
    while (r->has_left[r->turn] || relay_random(r) % 100 < r->haste) {
        r->turn = relay_random(r) % r->actors;
        if (!r->has_left[r->turn])
            break;
    }
    pthread_cond_broadcast(&r->passed);
}

static struct store *runner_begin(struct store *s)
{
    const struct runner *u = (const struct runner *)s;
    struct relay *r = u->relay;

    pthread_mutex_lock(&r->lock);
    while (r->turn != u->actor || r->is_busy)
        pthread_cond_wait(&r->passed, &r->lock);
    r->is_busy = true;
    pthread_mutex_unlock(&r->lock);
    return u->next;
}

static bool runner_end(struct store *s, bool ok)
{
    struct relay *r = ((struct runner *)s)->relay;

    pthread_mutex_lock(&r->lock);
    r->is_busy = false;
    relay_pass(r);
    pthread_mutex_unlock(&r->lock);
    return ok;
}

void relay_leave(struct relay *r, size_t actor)
{
    pthread_mutex_lock(&r->lock);
    r->has_left[actor] = true;
    r->left--;
    if (r->turn == actor)
        relay_pass(r);
    pthread_mutex_unlock(&r->lock);
}

static bool runner_get(struct store *s, const char *key, uint64_t offset, size_t size,
                       struct buf *out, struct err *e)
{
    return runner_end(s, store_get(runner_begin(s), key, offset, size, out, e));
}

static bool runner_put(struct store *s, const char *key, struct slice data, enum put_mode mode,
                       struct err *e)
{
    return runner_end(s, store_put(runner_begin(s), key, data, mode, e));
}

static bool runner_stat(struct store *s, const char *key, struct object_info *info, struct err *e)
{
    return runner_end(s, store_stat(runner_begin(s), key, info, e));
}

static bool runner_list(struct store *s, const char *prefix, object_fn *fn, void *arg,
                        struct err *e)
{
    return runner_end(s, store_list(runner_begin(s), prefix, fn, arg, e));
}

static bool runner_remove(struct store *s, const char *key, struct err *e)
{
    return runner_end(s, store_remove(runner_begin(s), key, e));
}

static bool runner_move(struct store *s, const char *from, const char *to, struct err *e)
{
    return runner_end(s, store_move(runner_begin(s), from, to, e));
}

struct store *relay_store(struct relay *r, size_t actor, struct store *next)
{
    static const struct store_ops ops = {.scheme = "relay",
                                         .get = runner_get,
                                         .put = runner_put,
                                         .stat = runner_stat,
                                         .list = runner_list,
                                         .remove = runner_remove,
                                         .move = runner_move,
                                         .close = meddler_close};
    struct runner *u = mem_new(sizeof(*u));

    *u = (struct runner){
        .store = store_around(&ops, next), .next = next, .relay = r, .actor = actor};
    return &u->store;
}
