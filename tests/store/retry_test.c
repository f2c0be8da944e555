#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/store.h"
#include "support/test.h"

/* A store with retries over one that fails over one in memory. */
struct stack {
    struct store *memory;
    struct store *fault; /* owned by top */
    struct store *top;
};

static void stack_auto(struct stack *st)
{
    store_close(st->top);
    store_close(st->memory);
}

static struct stack stack_over(struct store *memory, struct fault_plan plan, int attempts)
{
    struct store *fault = store_fault_new(memory, plan);

    return (struct stack){memory, fault, store_retry_new(fault, attempts)};
}

static struct stack stack_new(struct fault_plan plan, int attempts)
{
    return stack_over(store_memory_new(), plan, attempts);
}

static bool count_object(void *arg, const struct object_info *info, struct err *e)
{
    (void)info;
    (void)e;
    ++*(int *)arg;
    return true;
}

TEST(a_transient_failure_of_any_call_is_not_seen)
{
    for (int at = 0; at < 5; at++) {
        const struct fault_plan plan = {.at = at, .mode = FAULT_ONCE, .code = ERR_TRANSIENT};
        AUTO(stack) struct stack st = stack_new(plan, 2);
        AUTO(buf) struct buf got = {0};
        struct object_info info = {0};
        int seen = 0;

        CHECK_OK(store_put(st.top, "x", slice_string("12"), PUT_NEW, e));
        CHECK_OK(store_get(st.top, "x", 0, 2, &got, e));
        CHECK_OK(store_stat(st.top, "x", &info, e));
        CHECK_OK(store_list(st.top, "", count_object, &seen, e));
        CHECK_OK(store_remove(st.top, "x", e));
        CHECK(strcmp(buf_string(&got), "12") == 0 && info.size == 2 && seen == 1);
        CHECK(store_fault_calls(st.fault) == 6);
    }
}

TEST(attempts_are_counted_in_all)
{
    const struct fault_plan plan = {.at = 0, .mode = FAULT_FROM, .code = ERR_TRANSIENT};
    AUTO(stack) struct stack st = stack_new(plan, 3);
    struct object_info info = {0};
    struct err why = {0};
    int seen = 0;

    CHECK_ERR(store_put(st.top, "x", slice_string("1"), PUT_NEW, e), ERR_AWAY);
    CHECK(store_fault_calls(st.fault) == 3);
    CHECK_ERR(store_list(st.top, "", count_object, &seen, e), ERR_AWAY);
    CHECK(store_fault_calls(st.fault) == 6);
    CHECK(!store_stat(st.top, "x", &info, &why));
    ck_assert_str_eq(why.text, "gave up after 3 attempts: injected fault");
}

TEST(other_failures_are_not_repeated)
{
    const struct fault_plan plan = {.at = 0, .mode = FAULT_FROM, .code = ERR_FATAL};
    AUTO(stack) struct stack st = stack_new(plan, 9);

    CHECK_ERR(store_remove(st.top, "x", e), ERR_FATAL);
    CHECK(store_fault_calls(st.fault) == 1);
}

TEST(a_put_whose_reply_was_lost_succeeds_when_repeated)
{
    const struct fault_plan plan = {.at = 0, .mode = FAULT_LOST_REPLY, .code = ERR_TRANSIENT};
    AUTO(stack) struct stack st = stack_new(plan, 2);
    AUTO(buf) struct buf got = {0};

    CHECK_OK(store_put(st.top, "x", slice_string("mine"), PUT_NEW, e));
    CHECK_OK(store_get_all(st.memory, "x", &got, e));
    CHECK(strcmp(buf_string(&got), "mine") == 0);
}

TEST(a_move_whose_reply_was_lost_succeeds_when_repeated)
{
    const struct fault_plan plan = {.at = 1, .mode = FAULT_LOST_REPLY, .code = ERR_TRANSIENT};
    AUTO(stack) struct stack st = stack_new(plan, 2);
    struct object_info info = {0};

    CHECK_OK(store_put(st.top, "x", slice_string("1"), PUT_NEW, e));
    CHECK_OK(store_move(st.top, "x", "y", e));
    CHECK_OK(store_stat(st.memory, "y", &info, e));
    CHECK_ERR(store_stat(st.memory, "x", &info, e), ERR_NOT_FOUND);
    CHECK_ERR(store_move(st.top, "x", "y", e), ERR_NOT_FOUND);
}

TEST(an_object_of_the_same_bytes_at_the_first_attempt_exists)
{
    const struct fault_plan never = {.at = 100, .code = ERR_TRANSIENT};
    AUTO(stack) struct stack st = stack_new(never, 3);

    CHECK_OK(store_put(st.memory, "x", slice_string("mine"), PUT_NEW, e));
    CHECK_ERR(store_put(st.top, "x", slice_string("mine"), PUT_NEW, e), ERR_EXISTS);
}

TEST(an_object_of_other_bytes_at_a_later_attempt_exists)
{
    const struct fault_plan plan = {.at = 0, .mode = FAULT_ONCE, .code = ERR_TRANSIENT};
    AUTO(stack) struct stack st = stack_new(plan, 3);

    CHECK_OK(store_put(st.memory, "x", slice_string("their"), PUT_NEW, e));
    CHECK_ERR(store_put(st.top, "x", slice_string("mine!"), PUT_NEW, e), ERR_EXISTS);
}

TEST(a_comparison_that_fails_for_a_moment_is_made_again)
{
    const struct fault_plan lost = {.at = 0, .mode = FAULT_LOST_REPLY, .code = ERR_TRANSIENT};
    const struct fault_plan third = {.at = 2, .mode = FAULT_ONCE, .code = ERR_TRANSIENT};
    AUTO(store) struct store *memory = store_memory_new();
    AUTO(store) struct store *inner = store_fault_new(memory, lost);
    struct store *outer = store_fault_new(inner, third); /* owned by s */
    AUTO(store) struct store *s = store_retry_new(outer, 3);

    /* outer sees: put, put, get (fails), put, get */
    CHECK_OK(store_put(s, "x", slice_string("mine"), PUT_NEW, e));
    CHECK(store_fault_calls(outer) == 5);
}

/* A store whose first listing breaks off with a transient failure after some objects. */
struct broken {
    struct store store;
    struct store *next;
    int listings;
};

static bool broken_list(struct store *s, const char *prefix, object_fn *fn, void *arg,
                        struct err *e)
{
    struct broken *b = (struct broken *)s;

    if (!store_list(b->next, prefix, fn, arg, e))
        return false;
    return b->listings++ > 0 || err_set(e, ERR_TRANSIENT, "connection lost");
}

static void broken_close(struct store *s)
{
    store_close(((struct broken *)s)->next);
    mem_free(s);
}

TEST(a_listing_that_breaks_off_tells_no_object_twice)
{
    static const struct store_ops ops = {.list = broken_list, .close = broken_close};
    struct broken *b = mem_new(sizeof(*b));
    int seen = 0;

    *b = (struct broken){.store = {.ops = &ops}, .next = store_memory_new()};
    CHECK_OK(store_put(b->next, "a", slice_string("1"), PUT_NEW, e));
    CHECK_OK(store_put(b->next, "b", slice_string("2"), PUT_NEW, e));

    AUTO(store) struct store *s = store_retry_new(&b->store, 2);

    CHECK_OK(store_list(s, "", count_object, &seen, e));
    CHECK(b->listings == 2);
    CHECK(seen == 2);
}

static bool fail_for_a_moment(void *arg, const struct object_info *info, struct err *e)
{
    (void)info;
    ++*(int *)arg;
    return err_set(e, ERR_TRANSIENT, "the callback's own trouble");
}

TEST(a_failure_of_the_callback_is_not_repeated)
{
    const struct fault_plan never = {.at = 100, .code = ERR_TRANSIENT};
    AUTO(stack) struct stack st = stack_new(never, 3);
    int seen = 0;

    CHECK_OK(store_put(st.top, "a", slice_string("1"), PUT_NEW, e));
    CHECK_ERR(store_list(st.top, "", fail_for_a_moment, &seen, e), ERR_TRANSIENT);
    CHECK(seen == 1);
}

TEST(waits_stay_below_the_doubling_limit)
{
    const struct fault_plan plan = {.at = 0, .mode = FAULT_FROM, .code = ERR_TRANSIENT};
    AUTO(stack) struct stack st = stack_new(plan, 4);
    const int64_t start_ns = clock_monotonic_ns();

    CHECK_ERR(store_remove(st.top, "x", e), ERR_AWAY);

    const int64_t took_ns = clock_monotonic_ns() - start_ns;

    CHECK(took_ns > 0);
    CHECK(took_ns < 10 * NS_PER_S); /* 100 + 200 + 400 ms, and a busy machine */
}

TEST(patience_is_a_time_and_at_least_so_many_attempts)
{
    const struct fault_plan plan = {.at = 0, .mode = FAULT_FROM, .code = ERR_TRANSIENT};
    AUTO(store) struct store *memory = store_memory_new();
    struct store *fault = store_fault_new(memory, plan); /* owned by s */
    AUTO(store) struct store *s = store_retry_patiently(fault, 2, NS_PER_S);
    const int64_t start_ns = clock_monotonic_ns();

    CHECK_ERR(store_remove(s, "x", e), ERR_AWAY);

    const int64_t took_ns = clock_monotonic_ns() - start_ns;

    CHECK(took_ns >= NS_PER_S && took_ns < 10 * NS_PER_S);
    CHECK(store_fault_calls(fault) >= 3); /* 100 + 200 + 400 ms at most before the last */
}

static void *cancel_soon(void *arg)
{
    struct store *fault = arg;

    while (store_fault_calls(fault) < 4)
        (void)sched_yield();
    cancel_request();
    return NULL;
}

TEST(a_wait_ends_when_somebody_asks_to_stop)
{
    const struct fault_plan plan = {.at = 0, .mode = FAULT_FROM, .code = ERR_TRANSIENT};
    AUTO(stack) struct stack st = stack_new(plan, 1000);
    pthread_t other;

    CHECK(pthread_create(&other, NULL, cancel_soon, st.fault) == 0);
    CHECK_ERR(store_remove(st.top, "x", e), ERR_CANCELLED);
    CHECK(pthread_join(other, NULL) == 0);
    CHECK(store_fault_calls(st.fault) < 10);
}

TESTS("store retry", a_transient_failure_of_any_call_is_not_seen,
      a_move_whose_reply_was_lost_succeeds_when_repeated, attempts_are_counted_in_all,
      other_failures_are_not_repeated, a_put_whose_reply_was_lost_succeeds_when_repeated,
      an_object_of_the_same_bytes_at_the_first_attempt_exists,
      an_object_of_other_bytes_at_a_later_attempt_exists,
      a_comparison_that_fails_for_a_moment_is_made_again,
      a_listing_that_breaks_off_tells_no_object_twice, a_failure_of_the_callback_is_not_repeated,
      waits_stay_below_the_doubling_limit, patience_is_a_time_and_at_least_so_many_attempts,
      a_wait_ends_when_somebody_asks_to_stop)
