/* Limits of speed, over a store in memory. */
#include <pthread.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "store/store.h"
#include "support/test.h"

enum { SIZE = 100000 };

static const uint8_t bytes[SIZE];

static double seconds_since(int64_t start_ns)
{
    return (double)(clock_monotonic_ns() - start_ns) / (double)NS_PER_S;
}

TEST(putting_is_as_slow_as_its_limit)
{
    AUTO(store) struct store *s = store_throttle_new(store_memory_new(), 200000, 0);
    AUTO(buf) struct buf got = {0};
    const int64_t start_ns = clock_monotonic_ns();

    CHECK_OK(store_put(s, "a", SLICE_OF(bytes, SIZE), PUT_NEW, e));
    CHECK_OK(store_put(s, "b", SLICE_OF(bytes, SIZE), PUT_NEW, e));
    CHECK(seconds_since(start_ns) >= 1.0);
    CHECK_OK(store_get_all(s, "a", &got, e));
    CHECK(got.size == SIZE && seconds_since(start_ns) < 3.0);
}

TEST(getting_is_as_slow_as_its_limit_whole_or_in_part)
{
    AUTO(store) struct store *s = store_throttle_new(store_memory_new(), 0, 200000);
    AUTO(buf) struct buf got = {0};

    CHECK_OK(store_put(s, "a", SLICE_OF(bytes, SIZE), PUT_NEW, e));

    const int64_t start_ns = clock_monotonic_ns();

    CHECK_OK(store_get_all(s, "a", &got, e));
    CHECK(seconds_since(start_ns) >= 0.5);
    CHECK_OK(store_get(s, "a", 0, SIZE, &got, e));
    CHECK(seconds_since(start_ns) >= 1.0 && got.size == (size_t)2 * SIZE);
}

static void *put_one(void *arg)
{
    struct err e;
    static int number;
    char key[] = "x0";

    key[1] = (char)('0' + __atomic_fetch_add(&number, 1, __ATOMIC_RELAXED));
    return store_put(arg, key, SLICE_OF(bytes, SIZE), PUT_NEW, &e) ? arg : NULL;
}

TEST(threads_share_one_limit)
{
    AUTO(store) struct store *s = store_throttle_new(store_memory_new(), 400000, 0);
    const int64_t start_ns = clock_monotonic_ns();
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, put_one, s) == 0);
    for (int i = 0; i < 4; i++) {
        void *done = NULL;

        CHECK(pthread_join(threads[i], &done) == 0);
        CHECK(done != NULL);
    }
    CHECK(seconds_since(start_ns) >= 1.0);
}

TEST(a_wait_for_a_limit_ends_when_somebody_asks_to_stop)
{
    AUTO(store) struct store *s = store_throttle_new(store_memory_new(), 1024, 0);
    const int64_t start_ns = clock_monotonic_ns();

    cancel_request();
    CHECK_ERR(store_put(s, "a", SLICE_OF(bytes, SIZE), PUT_NEW, e), ERR_CANCELLED);
    CHECK(seconds_since(start_ns) < 5.0);
}

TESTS("store throttle", putting_is_as_slow_as_its_limit,
      getting_is_as_slow_as_its_limit_whole_or_in_part, threads_share_one_limit,
      a_wait_for_a_limit_ends_when_somebody_asks_to_stop)
