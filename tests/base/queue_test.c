#include "support/test.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/thread.h"

enum { ITEMS = 20000, WORKERS = 4, ROUNDS = 200 };

static int numbers[ITEMS];

struct pass {
    struct queue *q;
    _Atomic size_t sum;
    _Atomic size_t count;
    atomic_bool was_refused;
};

static void *take_all(void *arg)
{
    struct pass *p = arg;

    for (const int *item = queue_take(p->q); item != NULL; item = queue_take(p->q)) {
        p->sum += (size_t)*item;
        p->count++;
    }
    return NULL;
}

static void *put_one(void *arg)
{
    struct pass *p = arg;

    p->was_refused = !queue_put(p->q, &numbers[0]);
    return NULL;
}

TEST(items_leave_in_the_order_they_came)
{
    AUTO(queue) struct queue *q = queue_new(3);

    for (int round = 0; round < 5; round++) {
        CHECK(queue_put(q, &numbers[0]) && queue_put(q, &numbers[1]));
        ck_assert_uint_eq(queue_count(q), 2);
        CHECK(queue_take(q) == &numbers[0] && queue_try_take(q) == &numbers[1]);
        CHECK(queue_try_take(q) == NULL);
    }
}

TEST(every_item_arrives_once_through_a_small_queue)
{
    AUTO(queue) struct queue *q = queue_new(2);
    struct pass p = {.q = q};
    pthread_t workers[WORKERS];
    size_t wanted = 0;

    for (int i = 0; i < WORKERS; i++)
        thread_start(&workers[i], take_all, &p, "a worker with a long name");
    for (int i = 0; i < ITEMS; i++) {
        numbers[i] = i;
        wanted += (size_t)i;
        CHECK(queue_put(q, &numbers[i]));
    }
    queue_close(q);
    for (int i = 0; i < WORKERS; i++)
        thread_join(workers[i]);
    ck_assert_uint_eq(p.count, ITEMS);
    ck_assert_uint_eq(p.sum, wanted);
}

TEST(a_closed_queue_refuses_items_and_gives_out_the_rest)
{
    AUTO(queue) struct queue *q = queue_new(4);

    CHECK(queue_put(q, &numbers[0]));
    queue_close(q);
    CHECK(!queue_put(q, &numbers[1]));
    CHECK(queue_take(q) == &numbers[0]);
    CHECK(queue_take(q) == NULL);
    CHECK(queue_take(q) == NULL);
}

/*
 * Nothing tells whether a thread waits already when the queue is closed, so the next two
 * close many queues and meet it on either side.
 */
TEST(closing_wakes_a_thread_that_waits_for_room)
{
    for (int i = 0; i < ROUNDS; i++) {
        AUTO(queue) struct queue *q = queue_new(1);
        struct pass p = {.q = q};
        pthread_t putter;

        CHECK(queue_put(q, &numbers[1]));
        thread_start(&putter, put_one, &p, "putter");
        for (int j = 0; j < i; j++)
            sched_yield();
        queue_close(q);
        thread_join(putter);
        CHECK(p.was_refused);
    }
}

TEST(closing_wakes_a_thread_that_waits_for_an_item)
{
    for (int i = 0; i < ROUNDS; i++) {
        AUTO(queue) struct queue *q = queue_new(1);
        struct pass p = {.q = q};
        pthread_t taker;

        thread_start(&taker, take_all, &p, "taker");
        for (int j = 0; j < i; j++)
            sched_yield();
        queue_close(q);
        thread_join(taker);
        ck_assert_uint_eq(p.count, 0);
    }
}

TEST(there_is_at_least_one_processor)
{
    CHECK(thread_processors() >= 1);
    queue_free(NULL);
}

TESTS("queue", items_leave_in_the_order_they_came, every_item_arrives_once_through_a_small_queue,
      a_closed_queue_refuses_items_and_gives_out_the_rest,
      closing_wakes_a_thread_that_waits_for_room, closing_wakes_a_thread_that_waits_for_an_item,
      there_is_at_least_one_processor)
