#include "store/store.h"
#include "support/test.h"

static bool ignore(void *arg, const struct object_info *info, struct err *e)
{
    (void)arg;
    (void)info;
    (void)e;
    return true;
}

/* Make the n-th of five different calls, the first of which stores "x". */
static bool call(struct store *s, int n, struct err *e)
{
    AUTO(buf) struct buf got = {0};
    struct object_info info = {0};

    switch (n) {
    case 0:
        return store_put(s, "x", slice_string("1"), PUT_NEW, e);
    case 1:
        return store_get(s, "x", 0, 1, &got, e);
    case 2:
        return store_stat(s, "x", &info, e);
    case 3:
        return store_list(s, "", ignore, NULL, e);
    default:
        return store_remove(s, "x", e);
    }
}

static bool has(struct store *s, const char *key)
{
    struct object_info info = {0};
    struct err e;

    return store_stat(s, key, &info, &e);
}

TEST(a_fault_once_fails_that_call_only)
{
    for (int at = 0; at < 5; at++) {
        const struct fault_plan plan = {.at = at, .mode = FAULT_ONCE, .code = ERR_TRANSIENT};
        AUTO(store) struct store *memory = store_memory_new();
        AUTO(store) struct store *s = store_fault_new(memory, plan);

        for (int n = 0; n < at; n++)
            CHECK_OK(call(s, n, e));
        CHECK_ERR(call(s, at, e), ERR_TRANSIENT);
        CHECK(has(memory, "x") == (at > 0));
        CHECK_OK(call(s, at, e));
        CHECK(store_fault_calls(s) == at + 2);
    }
}

TEST(a_fault_from_a_call_on_fails_all_later_ones)
{
    const struct fault_plan plan = {.at = 1, .mode = FAULT_FROM, .code = ERR_FATAL};
    AUTO(store) struct store *memory = store_memory_new();
    AUTO(store) struct store *s = store_fault_new(memory, plan);

    CHECK_OK(call(s, 0, e));
    for (int n = 1; n < 5; n++)
        CHECK_ERR(call(s, n, e), ERR_FATAL);
    CHECK(store_fault_calls(s) == 5);
    CHECK(has(memory, "x"));
}

TEST(a_lost_reply_is_a_failure_of_something_done)
{
    AUTO(store) struct store *memory = store_memory_new();
    const struct fault_plan first = {.at = 0, .mode = FAULT_LOST_REPLY, .code = ERR_TRANSIENT};
    AUTO(store) struct store *putting = store_fault_new(memory, first);
    AUTO(store) struct store *removing = store_fault_new(memory, first);
    AUTO(store) struct store *reading = store_fault_new(memory, first);

    CHECK_ERR(store_put(putting, "x", slice_string("1"), PUT_NEW, e), ERR_TRANSIENT);
    CHECK(has(memory, "x"));
    CHECK_ERR(call(reading, 1, e), ERR_TRANSIENT);
    CHECK_ERR(store_remove(removing, "x", e), ERR_TRANSIENT);
    CHECK(!has(memory, "x"));
}

TEST(a_lost_reply_does_not_hide_a_failure_of_the_store_below)
{
    const struct fault_plan first = {.at = 0, .mode = FAULT_LOST_REPLY, .code = ERR_TRANSIENT};
    AUTO(store) struct store *memory = store_memory_new();
    AUTO(store) struct store *s = store_fault_new(memory, first);

    CHECK_OK(store_put(memory, "x", slice_string("1"), PUT_NEW, e));
    CHECK_ERR(store_put(s, "x", slice_string("2"), PUT_NEW, e), ERR_EXISTS);
}

TEST(a_plan_for_writes_neither_counts_nor_fails_reads)
{
    const struct fault_plan plan = {.at = 1, .code = ERR_FATAL, .writes_only = true};
    AUTO(store) struct store *memory = store_memory_new();
    AUTO(store) struct store *s = store_fault_new(memory, plan);

    for (int n = 0; n < 4; n++)
        CHECK_OK(call(s, n, e));
    CHECK(store_fault_calls(s) == 1);
    CHECK_ERR(store_remove(s, "x", e), ERR_FATAL);
    CHECK(has(memory, "x"));
    CHECK(store_fault_calls(s) == 2);
}

TEST(the_sentence_says_that_the_fault_is_injected)
{
    const struct fault_plan plan = {.at = 0, .code = ERR_FATAL};
    AUTO(store) struct store *memory = store_memory_new();
    AUTO(store) struct store *s = store_fault_new(memory, plan);
    struct err e = {0};

    CHECK(!call(s, 0, &e));
    ck_assert_str_eq(e.text, "injected fault");
}

TESTS("store fault", a_fault_once_fails_that_call_only, a_fault_from_a_call_on_fails_all_later_ones,
      a_lost_reply_is_a_failure_of_something_done,
      a_lost_reply_does_not_hide_a_failure_of_the_store_below,
      a_plan_for_writes_neither_counts_nor_fails_reads,
      the_sentence_says_that_the_fault_is_injected)
