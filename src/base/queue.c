/*
 * The queue of thread.h: a ring of pointers under one lock, with one condition for each
 * side to wait on.
 */
#include <assert.h>

#include "base/mem.h"
#include "base/thread.h"

struct queue {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t has_item;
    pthread_cond_t has_room;
    bool is_closed;
    size_t room;
    size_t first; /* index of the oldest item */
    size_t count;
    void **items;
};

struct queue *queue_new(size_t room)
{
    assert(room > 0);

    struct queue *q = mem_new(sizeof(*q));

    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->has_item, NULL);
    pthread_cond_init(&q->has_room, NULL);
    q->room = room;
    q->items = mem_array(room, sizeof(*q->items));
    return q;
}

void queue_free(struct queue *q)
{
    if (q == NULL)
        return;
    pthread_cond_destroy(&q->has_room);
    pthread_cond_destroy(&q->has_item);
    pthread_mutex_destroy(&q->lock);
    mem_free(q->items);
    mem_free(q);
}

void queue_auto(struct queue **q)
{
    queue_free(*q);
}

bool queue_put(struct queue *q, void *item)
{
    assert(item != NULL);
    pthread_mutex_lock(&q->lock);
    while (q->count == q->room && !q->is_closed)
        pthread_cond_wait(&q->has_room, &q->lock);

    const bool is_open = !q->is_closed;

    if (is_open) {
        q->items[(q->first + q->count) % q->room] = item;
        q->count++;
        pthread_cond_signal(&q->has_item);
    }
    pthread_mutex_unlock(&q->lock);
    return is_open;
}

/* The oldest item or NULL; under the lock. */
static void *take_first(struct queue *q)
{
    if (q->count == 0)
        return NULL;

    void *item = q->items[q->first];

    q->first = (q->first + 1) % q->room;
    q->count--;
    pthread_cond_signal(&q->has_room);
    return item;
}

void *queue_take(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    while (q->count == 0 && !q->is_closed)
        pthread_cond_wait(&q->has_item, &q->lock);

    void *item = take_first(q);

    pthread_mutex_unlock(&q->lock);
    return item;
}

void *queue_try_take(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    void *item = take_first(q);
    pthread_mutex_unlock(&q->lock);
    return item;
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->is_closed = true;
    pthread_cond_broadcast(&q->has_item);
    pthread_cond_broadcast(&q->has_room);
    pthread_mutex_unlock(&q->lock);
}

size_t queue_count(struct queue *q)
{
    pthread_mutex_lock(&q->lock);

    const size_t count = q->count;

    pthread_mutex_unlock(&q->lock);
    return count;
}
