/* Copies near by: what is kept, what is asked of the store, and when a copy goes. */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "codec/hash.h"
#include "conformance.h"
#include "store/store.h"
#include "support/test.h"

/* A cache over counted memory; the fault stores belong to the test. */
struct bench {
    struct store *memory, *near, *asked; /* asked counts what reaches memory */
    struct store *top;
};

static struct bench bench_new(struct fault_plan near_plan)
{
    const struct fault_plan never = {.at = -1};
    struct bench b = {.memory = store_memory_new(), .near = store_memory_new()};
    struct store *near = store_fault_new(b.near, near_plan); /* owned by top */

    b.asked = store_fault_new(b.memory, never);
    b.top = store_cache_new(b.asked, near);
    return b;
}

static void bench_auto(struct bench *b)
{
    store_close(b->top);
    store_close(b->near);
    store_close(b->memory);
}

static const struct fault_plan works = {.at = -1};

#define TREE_PACK    "packs/3f/tree"
#define CONTENT_PACK "packs/3f/content"

static void put(struct store *s, const char *key, const char *text)
{
    CHECK_OK(store_put(s, key, slice_string(text), PUT_NEW, e));
}

static bool reads(struct store *s, const char *key, const char *wanted)
{
    AUTO(buf) struct buf got = {0};
    struct err e;

    return store_get_all(s, key, &got, &e) && slice_is_equal(buf_slice(&got), slice_string(wanted));
}

static bool see_nothing(void *arg, const struct object_info *info, struct err *e)
{
    (void)arg;
    (void)info;
    (void)e;
    return true;
}

TEST(a_cache_over_a_store_is_a_store)
{
    for (size_t i = 0; i < conformance_promise_count; i++) {
        AUTO(store)
        struct store *s = store_cache_new(store_memory_new(), store_memory_new());

        conformance_promises[i](s);
    }
}

TEST(what_is_written_or_was_read_once_is_not_asked_for_again)
{
    static const char *const keys[] = {"config", "keys/a", "index/a", "snapshots/a", "commits/a"};
    AUTO(bench) struct bench b = bench_new(works);

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        put(b.memory, keys[i], keys[i]);
        CHECK(reads(b.top, keys[i], keys[i]));

        const int calls = store_fault_calls(b.asked);

        CHECK(reads(b.top, keys[i], keys[i]));
        CHECK(store_fault_calls(b.asked) == calls);
    }
    put(b.top, "index/b", "written");

    const int calls = store_fault_calls(b.asked);

    CHECK(reads(b.top, "index/b", "written"));
    CHECK(store_fault_calls(b.asked) == calls);
}

TEST(what_may_change_under_its_key_is_always_asked_for)
{
    static const char *const keys[] = {"trash/a", "condemned/a", "drills/a-b"};
    AUTO(bench) struct bench b = bench_new(works);

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        put(b.top, keys[i], "first");
        CHECK(reads(b.top, keys[i], "first"));
        CHECK_OK(store_put(b.memory, keys[i], slice_string("second"), PUT_REPLACE, e));
        CHECK(reads(b.top, keys[i], "second"));
    }
}

TEST(of_packs_only_those_of_trees_are_kept_and_their_ranges_come_from_the_copy)
{
    AUTO(bench) struct bench b = bench_new(works);
    AUTO(buf) struct buf got = {0};

    put(b.memory, TREE_PACK, "HOLDFAST\x01\x03tree");
    put(b.memory, CONTENT_PACK,
        "HOLDFAST\x01\x02"
        "data");
    CHECK(reads(b.top, TREE_PACK, "HOLDFAST\x01\x03tree"));
    CHECK(reads(b.top, CONTENT_PACK,
                "HOLDFAST\x01\x02"
                "data"));

    const int calls = store_fault_calls(b.asked);

    CHECK_OK(store_get(b.top, TREE_PACK, 10, 2, &got, e));
    CHECK_OK(store_get(b.top, TREE_PACK, 12, STORE_WHOLE, &got, e));
    CHECK(store_fault_calls(b.asked) == calls);
    CHECK_OK(store_get(b.top, CONTENT_PACK, 10, 4, &got, e));
    CHECK(store_fault_calls(b.asked) == calls + 1);
    CHECK(strcmp(buf_string(&got), "treedata") == 0);
    CHECK_ERR(store_get(b.top, TREE_PACK, 10, 5, &got, e), ERR_CORRUPT);
}

TEST(a_damaged_copy_is_not_used_and_replaced)
{
    static const char *const damages[] = {"", "short", "0123456789abcdef0123456789abcdefother"};

    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        AUTO(bench) struct bench b = bench_new(works);

        put(b.memory, "index/a", "right");
        CHECK_OK(store_put(b.near, "index/a", slice_string(damages[i]), PUT_REPLACE, e));
        CHECK(reads(b.top, "index/a", "right"));

        const int calls = store_fault_calls(b.asked);

        CHECK(reads(b.top, "index/a", "right"));
        CHECK(store_fault_calls(b.asked) == calls);
    }
}

TEST(whatever_fails_near_by_nobody_notices)
{
    for (int at = 0; at < 8; at++) {
        const struct fault_plan plan = {.at = at, .mode = FAULT_FROM, .code = ERR_FATAL};
        AUTO(bench) struct bench b = bench_new(plan);

        put(b.top, "index/a", "one");
        CHECK(reads(b.top, "index/a", "one") && reads(b.top, "index/a", "one"));
        CHECK_OK(store_list(b.top, "index/", see_nothing, NULL, e));
        CHECK_OK(store_remove(b.top, "index/a", e));
        CHECK(!reads(b.memory, "index/a", "one"));
    }
}

TEST(copies_of_what_a_listing_no_longer_has_are_removed)
{
    AUTO(bench) struct bench b = bench_new(works);
    struct object_info info = {0};

    put(b.top, "index/a", "a");
    put(b.top, "index/b", "b");
    put(b.top, "snapshots/c", "c");
    CHECK_OK(store_remove(b.memory, "index/a", e));
    CHECK_OK(store_remove(b.memory, "snapshots/c", e));
    CHECK_OK(store_list(b.top, "index/", see_nothing, NULL, e));
    CHECK_ERR(store_stat(b.near, "index/a", &info, e), ERR_NOT_FOUND);
    CHECK_OK(store_stat(b.near, "index/b", &info, e));
    CHECK_OK(store_stat(b.near, "snapshots/c", &info, e));
}

TEST(a_listing_that_fails_removes_no_copy)
{
    const struct fault_plan first = {.at = 0, .mode = FAULT_ONCE, .code = ERR_TRANSIENT};
    AUTO(store) struct store *memory = store_memory_new();
    AUTO(store) struct store *near = store_memory_new();
    AUTO(store)
    struct store *s = store_cache_new(store_fault_new(memory, first), store_memory_share(near));
    struct object_info info = {0};

    CHECK_OK(store_put(near, "index/a", slice_string("a copy"), PUT_NEW, e));
    CHECK_ERR(store_list(s, "index/", see_nothing, NULL, e), ERR_TRANSIENT);
    CHECK_OK(store_stat(near, "index/a", &info, e));
}

TEST(what_is_removed_is_not_found_near_by_either)
{
    AUTO(bench) struct bench b = bench_new(works);
    AUTO(buf) struct buf got = {0};

    put(b.top, "index/a", "a");
    CHECK_OK(store_remove(b.top, "index/a", e));
    CHECK_ERR(store_get_all(b.top, "index/a", &got, e), ERR_NOT_FOUND);
}

TEST(a_wrapper_passes_on_how_many_calls_pay)
{
    AUTO(store) struct store *memory = store_memory_new();

    memory->parallel = 8;

    AUTO(store) struct store *s = store_retry_new(store_memory_share(memory), 2);

    CHECK(store_parallel(s) == 1 && !s->has_cache);
    store_close(TAKE(s));
    s = store_retry_new(store_cache_new(TAKE(memory), store_memory_new()), 2);
    CHECK(store_parallel(s) == 8 && s->has_cache);
}

TEST(an_answer_that_is_not_what_its_name_says_is_not_kept)
{
    AUTO(bench) struct bench b = bench_new(works);
    AUTO(buf) struct buf key = {0};
    char name[2 * HASH_SIZE + 1];
    struct hash sum;

    sha256(slice_string("right"), &sum);
    hex_encode(SLICE_OF(sum.bytes, HASH_SIZE), name);
    buf_printf(&key, "index/%s", name);
    put(b.memory, buf_string(&key), "wrong");
    CHECK(reads(b.top, buf_string(&key), "wrong"));
    CHECK_OK(store_put(b.memory, buf_string(&key), slice_string("right"), PUT_REPLACE, e));
    CHECK(reads(b.top, buf_string(&key), "right"));
    CHECK_OK(store_remove(b.memory, buf_string(&key), e));
    CHECK(reads(b.top, buf_string(&key), "right")); /* this one is */
}

TEST(a_copy_that_somebody_distrusts_is_asked_for_again)
{
    AUTO(bench) struct bench b = bench_new(works);

    put(b.memory, "keys/a", "wrong");
    CHECK(reads(b.top, "keys/a", "wrong"));
    CHECK_OK(store_put(b.memory, "keys/a", slice_string("right"), PUT_REPLACE, e));
    CHECK(reads(b.top, "keys/a", "wrong"));
    store_distrust(b.top, "keys/a");
    CHECK(reads(b.top, "keys/a", "right"));
    store_distrust(b.memory, "keys/a"); /* which keeps nothing */
}

TESTS("store cache", an_answer_that_is_not_what_its_name_says_is_not_kept,
      a_copy_that_somebody_distrusts_is_asked_for_again, a_cache_over_a_store_is_a_store,
      what_is_written_or_was_read_once_is_not_asked_for_again,
      what_may_change_under_its_key_is_always_asked_for,
      of_packs_only_those_of_trees_are_kept_and_their_ranges_come_from_the_copy,
      a_damaged_copy_is_not_used_and_replaced, whatever_fails_near_by_nobody_notices,
      copies_of_what_a_listing_no_longer_has_are_removed, a_listing_that_fails_removes_no_copy,
      what_is_removed_is_not_found_near_by_either, a_wrapper_passes_on_how_many_calls_pay)
