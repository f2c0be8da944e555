/*
 * The repositories of a set, opened side by side: one that does not answer keeps nobody waiting who
 * does not need it.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "job/job.h"

/* For the others once the first is open: what is there answers within a moment, and then it is
 * known before anything is read whether they belong together. */
#define GRACE_NS (2 * NS_PER_S)

/* One that is being opened, by a thread of its own. */
struct opening {
    struct openings *all;
    pthread_t thread;
    struct set_store result; /* of the thread until is_over */
    bool is_open;            /* of the thread until is_over */
    bool is_over;            /* under the lock */
    bool is_joined;          /* of who waits */
};

struct openings {
    set_store_open_fn *open;
    void *arg;
    struct opening *items;
    size_t count;
    pthread_mutex_t lock; /* guards is_over */
    pthread_cond_t over;
};

static void *opening_main(void *arg)
{
    struct opening *o = arg;
    struct set_store *r = &o->result;

    o->is_open = o->all->open(o->all->arg, r->config, &r->store, &r->repo, &r->why);
    pthread_mutex_lock(&o->all->lock);
    o->is_over = true;
    pthread_cond_signal(&o->all->over);
    pthread_mutex_unlock(&o->all->lock);
    return NULL;
}

static struct openings *openings_new(const struct config_set *set, set_store_open_fn *open,
                                     void *arg)
{
    struct openings *all = mem_new(sizeof(*all));

    *all = (struct openings){.open = open,
                             .arg = arg,
                             .items = mem_array(set->repository_count, sizeof(*all->items)),
                             .count = set->repository_count};
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->over, NULL);
    for (size_t i = 0; i < all->count; i++) {
        all->items[i] = (struct opening){.all = all, .result = {.config = set->repositories[i]}};
        thread_start(&all->items[i].thread, opening_main, &all->items[i], "open");
    }
    return all;
}

/* Those that were waited for. */
static void openings_free(struct openings *all)
{
    if (all == NULL)
        return;
    pthread_cond_destroy(&all->over);
    pthread_mutex_destroy(&all->lock);
    mem_free(all->items);
    mem_free(all);
}

/* Wait until all are over, or for GRACE_NS once one of them is open. */
static void wait_for_first(struct openings *all)
{
    int64_t end_ns = 0;

    pthread_mutex_lock(&all->lock);
    for (;;) {
        const int64_t now_ns = clock_monotonic_ns();
        size_t over = 0, opened = 0;

        for (size_t i = 0; i < all->count; i++) {
            over += all->items[i].is_over ? 1 : 0;
            opened += all->items[i].is_over && all->items[i].is_open ? 1 : 0;
        }
        if (opened > 0 && end_ns == 0)
            end_ns = now_ns + GRACE_NS;
        if (over == all->count || (end_ns > 0 && now_ns >= end_ns))
            break;
        if (end_ns == 0) {
            pthread_cond_wait(&all->over, &all->lock);
        } else {
            const struct timespec end = clock_to_timespec(end_ns);

            (void)pthread_cond_clockwait(&all->over, &all->lock, CLOCK_MONOTONIC, &end);
        }
    }
    pthread_mutex_unlock(&all->lock);
}

static bool is_over(struct openings *all, size_t n)
{
    pthread_mutex_lock(&all->lock);

    const bool is_over = all->items[n].is_over;

    pthread_mutex_unlock(&all->lock);
    return is_over;
}

/* Take over what a thread has opened, when it has. */
static void collect(struct set_stores *s, size_t n)
{
    struct opening *o = s->openings == NULL ? NULL : &s->openings->items[n];

    if (o == NULL || o->is_joined)
        return;
    thread_join(o->thread);
    o->is_joined = true;
    s->items[n] = o->result;
}

void set_store_close(struct set_store *s)
{
    repo_close(TAKE(s->repo));
    store_close(TAKE(s->store));
    snapshot_list_done(&s->known);
    s->is_known = false;
    mem_free(TAKE(s->planned));
    s->planned_count = 0;
}

void set_stores_free(struct set_stores *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++) {
        collect(s, i);
        set_store_close(&s->items[i]);
    }
    openings_free(s->openings);
    mem_free(s->items);
    mem_free(s);
}

void set_stores_auto(struct set_stores **s)
{
    set_stores_free(*s);
}

/* Between stores that differ nothing could be copied. */
static bool check_pair(const struct set_stores *s, const struct set_store *a,
                       const struct set_store *b, struct err *e)
{
    return repo_is_like(a->repo, b->repo) ||
           err_set(
               e, ERR_USAGE,
               "repositories %s and %s of set %s do not share chunker parameters; make one with "
               "\"holdfast init --from-repo\" of the other and \"--copy-chunker-params\"",
               a->config->name, b->config->name, s->set->name);
}

/* The first that is open; NULL when none is. */
static const struct set_store *first_open(const struct set_stores *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i].repo != NULL)
            return &s->items[i];
    return NULL;
}

static bool check_alike(const struct set_stores *s, struct err *e)
{
    const struct set_store *first = first_open(s);

    for (size_t i = 0; i < s->count; i++)
        if (s->items[i].repo != NULL && !check_pair(s, first, &s->items[i], e))
            return false;
    return true;
}

bool set_stores_is_settled(const struct set_stores *s, size_t n)
{
    return s->openings == NULL || s->openings->items[n].is_joined;
}

void set_stores_settle(struct set_stores *s, size_t n)
{
    struct set_store *one = &s->items[n];

    if (set_stores_is_settled(s, n))
        return;

    const struct set_store *first = first_open(s);

    collect(s, n);
    if (one->repo != NULL && first != NULL && !check_pair(s, first, one, &one->why))
        set_store_close(one);
}

bool set_stores_wait(struct set_stores *s, struct err *e)
{
    for (size_t i = 0; i < s->count; i++)
        collect(s, i);
    return check_alike(s, e);
}

bool set_stores_open(const struct config_set *set, set_store_open_fn *open, void *arg,
                     struct set_stores **out, struct err *e)
{
    AUTO(set_stores) struct set_stores *s = mem_new(sizeof(*s));

    *s = (struct set_stores){.set = set,
                             .items = mem_array(set->repository_count, sizeof(*s->items)),
                             .count = set->repository_count,
                             .openings = openings_new(set, open, arg)};
    for (size_t i = 0; i < s->count; i++)
        s->items[i].config = set->repositories[i];
    wait_for_first(s->openings);
    for (size_t i = 0; i < s->count; i++)
        if (is_over(s->openings, i))
            collect(s, i);
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i].why.code == ERR_CANCELLED)
            return err_set(e, ERR_CANCELLED, "%s", s->items[i].why.text);
    if (first_open(s) == NULL) {
        *e = s->items[0].why;
        return s->count > 1 ? err_wrap(e, "none of the %zu repositories of set %s can be opened",
                                       s->count, set->name)
                            : false;
    }
    if (!check_alike(s, e))
        return false;
    *out = TAKE(s);
    return true;
}
