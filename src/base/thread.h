/*
 * Threads, locks and bounded queues.  A thread owns its data; threads meet in queues.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* Start a thread; failing to do so ends the process like missing memory. */
void thread_start(pthread_t *t, void *(*fn)(void *arg), void *arg, const char *name);
void thread_join(pthread_t t);

/* Processors this process may run on, at least 1. */
int thread_processors(void);

/*
 * A bounded first-in first-out queue of pointers between threads.
 *
 * queue_put() waits while the queue is full, queue_take() while it is empty and not
 * closed.  After queue_close() put returns false (the item stays with the caller) and
 * take returns what is left, then NULL.  queue_try_take() does not wait: NULL when it is empty.
 */
struct queue;
struct queue *queue_new(size_t room);
void queue_free(struct queue *q); /* accepts NULL; items still inside are not freed */
void queue_auto(struct queue **q);
bool queue_put(struct queue *q, void *item);
void *queue_take(struct queue *q);
void *queue_try_take(struct queue *q);
void queue_close(struct queue *q);
size_t queue_count(struct queue *q); /* a moment's value, for decisions that may be wrong */

#endif
