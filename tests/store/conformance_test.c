/* Every driver and every wrapper against the promises of store/store.h. */
#include "conformance.h"

#include <limits.h>

#include "scratch.h"
#include "store/local.h"
#include "support/test.h"

TEST(a_directory_is_a_store)
{
    for (size_t i = 0; i < conformance_promise_count; i++) {
        AUTO(scratch) char *dir = scratch_new();
        AUTO(store) struct store *s = NULL;

        CHECK_OK(local_create(dir, &s, e));
        conformance_promises[i](s);
    }
}

TEST(memory_is_a_store)
{
    for (size_t i = 0; i < conformance_promise_count; i++) {
        AUTO(store) struct store *s = store_memory_new();

        conformance_promises[i](s);
    }
}

TEST(two_handles_on_the_same_memory_are_one_store)
{
    for (size_t i = 0; i < conformance_promise_count; i++) {
        struct store *first = store_memory_new();
        AUTO(store) struct store *s = store_memory_share(first);

        store_close(first);
        conformance_promises[i](s);
    }
}

TEST(a_store_with_retries_is_a_store)
{
    for (size_t i = 0; i < conformance_promise_count; i++) {
        AUTO(store) struct store *s = store_retry_new(store_memory_new(), 3);

        conformance_promises[i](s);
    }
}

TEST(a_store_with_limits_is_a_store)
{
    for (size_t i = 0; i < conformance_promise_count; i++) {
        AUTO(store)
        struct store *s =
            store_throttle_new(store_memory_new(), (uint64_t)1 << 30, (uint64_t)1 << 30);

        conformance_promises[i](s);
    }
}

/* One of the first calls fails, or its answer is lost, and nobody notices. */
static void check_through_faults(struct store *driver, size_t n)
{
    static const enum fault_mode modes[] = {FAULT_ONCE, FAULT_LOST_REPLY};
    const struct fault_plan plan = {.at = (int)n % 4, .mode = modes[n % 2], .code = ERR_TRANSIENT};
    AUTO(store) struct store *s = store_retry_new(store_fault_new(driver, plan), 2);

    conformance_promises[n / 2](s);
}

TEST(memory_with_retries_over_faults_is_a_store)
{
    for (size_t n = 0; n < 2 * conformance_promise_count; n++) {
        AUTO(store) struct store *memory = store_memory_new();

        check_through_faults(memory, n);
    }
}

TEST(a_directory_with_retries_over_faults_is_a_store)
{
    for (size_t n = 0; n < 2 * conformance_promise_count; n++) {
        AUTO(scratch) char *dir = scratch_new();
        AUTO(store) struct store *local = NULL;

        CHECK_OK(local_create(dir, &local, e));
        check_through_faults(local, n);
    }
}

TEST(a_store_whose_fault_never_comes_is_a_store)
{
    for (size_t i = 0; i < conformance_promise_count; i++) {
        const struct fault_plan never = {.at = INT_MAX, .code = ERR_FATAL};
        AUTO(store) struct store *memory = store_memory_new();
        AUTO(store) struct store *s = store_fault_new(memory, never);

        conformance_promises[i](s);
    }
}

TESTS("store conformance", a_directory_is_a_store, memory_is_a_store,
      two_handles_on_the_same_memory_are_one_store, a_store_with_retries_is_a_store,
      a_store_with_limits_is_a_store, memory_with_retries_over_faults_is_a_store,
      a_directory_with_retries_over_faults_is_a_store, a_store_whose_fault_never_comes_is_a_store)
