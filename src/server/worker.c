#include "base/mem.h"
#include "server/private.h"

struct workers {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct request *first, *last;
    size_t count, room;
    bool is_ending;

    void (*work)(struct request *r);
    size_t threads;
    pthread_t ids[];
};

static void *work(void *arg)
{
    struct workers *w = arg;

    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct request *r = w->first;

        if (r == NULL) {
            if (w->is_ending)
                break;
            pthread_cond_wait(&w->changed, &w->lock);
            continue;
        }
        w->first = r->next;
        w->count--;
        pthread_mutex_unlock(&w->lock);
        w->work(r);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

struct workers *workers_new(size_t threads, size_t room, void (*fn)(struct request *r))
{
    struct workers *w = mem_new(sizeof(*w) + threads * sizeof(pthread_t));

    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->changed, NULL);
    w->room = room;
    w->work = fn;
    w->threads = threads;
    for (size_t i = 0; i < threads; i++)
        thread_start(&w->ids[i], work, w, "http worker");
    return w;
}

bool workers_submit(struct workers *w, struct request *r)
{
    pthread_mutex_lock(&w->lock);

    const bool fits = w->count < w->room;

    if (fits) {
        r->next = NULL;
        if (w->first == NULL)
            w->first = r;
        else
            w->last->next = r;
        w->last = r;
        w->count++;
        (void)pthread_cond_signal(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return fits;
}

void workers_free(struct workers *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->is_ending = true;
    (void)pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < w->threads; i++)
        thread_join(w->ids[i]);
    (void)pthread_cond_destroy(&w->changed);
    (void)pthread_mutex_destroy(&w->lock);
    mem_free(w);
}
