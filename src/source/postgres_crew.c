#include "source/postgres_crew.h"

#include "base/mem.h"
#include "base/thread.h"

#define JOBS_DEFAULT_MAX 8

struct shift {
    const struct postgres_crew *crew;
    atomic_size_t next;
    atomic_bool is_stopping;
    pthread_mutex_t lock;
    struct err failure; /* the first; guarded by lock */
};

int postgres_crew_jobs(int wanted)
{
    const int processors = thread_processors();

    if (wanted > 0)
        return wanted;
    return processors < JOBS_DEFAULT_MAX ? processors : JOBS_DEFAULT_MAX;
}

static bool work(struct shift *s, struct postgres_link *l, struct err *e)
{
    const struct postgres_crew *c = s->crew;

    for (;;) {
        const size_t number = atomic_fetch_add(&s->next, 1);

        if (number >= c->count || atomic_load(&s->is_stopping))
            return true;
        if (l->conn == NULL && !postgres_link_open(l, c->address, e))
            return false;
        if (!c->fn(c->arg, l, number, e))
            return false;
    }
}

static void *run(void *arg)
{
    struct shift *s = arg;
    struct postgres_link l = {.is_stopping = &s->is_stopping};
    struct err e = {0};

    if (!work(s, &l, &e)) {
        pthread_mutex_lock(&s->lock);
        if (s->failure.code == ERR_NONE)
            s->failure = e;
        atomic_store(&s->is_stopping, true);
        pthread_mutex_unlock(&s->lock);
    }
    postgres_link_close(&l);
    return NULL;
}

bool postgres_crew_run(const struct postgres_crew *c, struct err *e)
{
    const size_t jobs = (size_t)postgres_crew_jobs(c->jobs);
    const size_t count = jobs < c->count ? jobs : c->count;
    AUTO(mem) pthread_t *threads = mem_array(count, sizeof(*threads));
    struct shift s = {.crew = c, .lock = PTHREAD_MUTEX_INITIALIZER};

    for (size_t i = 0; i < count; i++)
        thread_start(&threads[i], run, &s, "postgres");
    for (size_t i = 0; i < count; i++)
        thread_join(threads[i]);
    if (s.failure.code == ERR_NONE)
        return true;
    *e = s.failure;
    return false;
}
