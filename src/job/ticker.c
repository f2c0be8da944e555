/* One thread that waits on a condition with a time limit. */
#include "job/ticker.h"

#include <stdbool.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

#define TICK_NS (NS_PER_S / 10)

struct ticker {
    ticker_fn *fn;
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock; /* guards is_over */
    pthread_cond_t over;
    bool is_over;
};

static void *ticker_main(void *arg)
{
    struct ticker *t = arg;
    struct timespec until;

    until = clock_to_timespec(clock_monotonic_ns());
    pthread_mutex_lock(&t->lock);
    while (!t->is_over) {
        const int64_t next_ns = until.tv_nsec + TICK_NS;

        until.tv_sec += next_ns / NS_PER_S;
        until.tv_nsec = next_ns % NS_PER_S;
        while (!t->is_over && pthread_cond_timedwait(&t->over, &t->lock, &until) == 0)
            continue;
        if (!t->is_over)
            t->fn(t->arg);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

struct ticker *ticker_start(ticker_fn *fn, void *arg)
{
    if (fn == NULL)
        return NULL;

    struct ticker *t = mem_new(sizeof(*t));
    pthread_condattr_t attr;

    t->fn = fn;
    t->arg = arg;
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->over, &attr);
    pthread_condattr_destroy(&attr);
    thread_start(&t->thread, ticker_main, t, "ticker");
    return t;
}

void ticker_stop(struct ticker *t)
{
    if (t == NULL)
        return;
    pthread_mutex_lock(&t->lock);
    t->is_over = true;
    pthread_cond_signal(&t->over);
    pthread_mutex_unlock(&t->lock);
    thread_join(t->thread);
    t->fn(t->arg);
    pthread_cond_destroy(&t->over);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

void ticker_auto(struct ticker **t)
{
    ticker_stop(*t);
    *t = NULL;
}
