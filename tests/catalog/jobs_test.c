/* The queue: order, leases, fences, one writer, once each. */
#include <poll.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "catalog/world.h"

#define LONG_MS  60000
#define SHORT_MS 1

static bool claim(const struct world *w, int lease_ms, struct arena *a, struct catalog_job *out)
{
    const struct catalog_job_offer o = {"here:1", "here", lease_ms};
    bool found = false;

    CHECK_OK(catalog_job_claim(w->catalog, &o, a, out, &found, e));
    return found;
}

static struct catalog_job_hold hold_of(const struct catalog_job *j)
{
    return (struct catalog_job_hold){j->id, j->fence};
}

static bool finish(const struct world *w, const struct catalog_job_hold *h,
                   enum catalog_run_state state, bool may_retry, struct err *e)
{
    const struct catalog_job_end end = {{.state = state}, may_retry};
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);
    bool again = false;

    return catalog_job_finish(t, h, &end, &again, e) && catalog_commit(&t, e);
}

static struct catalog_run run_get(const struct world *w, const char *id, struct arena *a)
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(w);
    struct catalog_run r = {0};

    CHECK_OK(catalog_run_get(t, id, a, &r, e));
    return r;
}

static bool put_log(const struct world *w, const struct catalog_job_hold *h, const char *log,
                    struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);

    return catalog_job_log(t, h, log, e) && catalog_commit(&t, e);
}

static const char *log_of(const struct world *w, const char *run, struct arena *a)
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(w);
    const char *log = NULL;

    CHECK_OK(catalog_run_log_get(t, run, a, &log, e));
    return log;
}

/* All attempts at a job, the newest first. */
static struct catalog_run_list runs_of(const struct world *w, const char *job, struct arena *a)
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(w);
    struct catalog_run_filter f = CATALOG_RUNS_ALL;
    struct catalog_run_list list = {0};

    f.job = job;
    CHECK_OK(catalog_run_list(t, &f, &(struct catalog_page){.limit = 10}, a, &list, e));
    return list;
}

TEST(a_job_that_is_taken_runs_and_ends_with_what_came_of_it)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_job j = {0};

    world_init(&w);
    const struct catalog_job_ids ids = job_put(&w, "shop", NULL);
    ck_assert_int_eq(run_get(&w, ids.run, &a).outcome.state, RUN_QUEUED);
    CHECK(claim(&w, LONG_MS, &a, &j));
    ck_assert_str_eq(j.id, ids.job);
    ck_assert_str_eq(j.run, ids.run);
    ck_assert_str_eq(j.set, "shop");
    ck_assert_int_eq(j.fence, 1);
    ck_assert_int_eq(run_get(&w, ids.run, &a).outcome.state, RUN_RUNNING);
    CHECK(run_get(&w, ids.run, &a).started_ns != 0);

    const struct catalog_job_hold h = hold_of(&j);
    const struct catalog_job_end end = {
        .outcome = {.state = RUN_SUCCESS, .snapshot = "abc", .bytes = 10, .files = 2}};
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    bool again = true;

    CHECK_OK(catalog_job_finish(t, &h, &end, &again, e));
    CHECK(!again);
    tx_commit(&t);

    const struct catalog_run r = run_get(&w, ids.run, &a);

    ck_assert_int_eq(r.outcome.state, RUN_SUCCESS);
    ck_assert_str_eq(r.outcome.snapshot, "abc");
    ck_assert_int_eq(r.outcome.bytes, 10);
    CHECK(r.ended_ns >= r.started_ns && r.started_ns >= r.created_ns);
    CHECK(!claim(&w, LONG_MS, &a, &j));
}
END

TEST(restores_come_first_then_what_was_asked_for_and_those_alike_by_age)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    static const struct {
        const char *set;
        enum catalog_run_kind kind;
        enum catalog_run_cause cause;
    } put[] = {
        {"due", RUN_BACKUP, CAUSE_SCHEDULE},     {"missed", RUN_BACKUP, CAUSE_CATCH_UP},
        {"asked", RUN_BACKUP, CAUSE_API},        {"asked later", RUN_CHECK, CAUSE_API},
        {"wanted back", RUN_RESTORE, CAUSE_API}, {"went wrong", RUN_RESTORE, CAUSE_CATCH_UP}};
    static const char *const wanted[] = {"wanted back", "went wrong", "asked",
                                         "asked later", "due",        "missed"};

    world_init(&w);
    for (size_t i = 0; i < sizeof(put) / sizeof(put[0]); i++) {
        AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
        struct catalog_job_ids ids = {0};
        const struct catalog_job_request q = {.kind = put[i].kind,
                                              .set = put[i].set,
                                              .arguments = "{}",
                                              .cause = put[i].cause,
                                              .requested_by = "ann"};

        CHECK_OK(catalog_job_enqueue(t, &q, &ids, e));
        tx_commit(&t);
    }
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        struct catalog_job j = {0};

        CHECK(claim(&w, LONG_MS, &a, &j));
        ck_assert_str_eq(j.set, wanted[i]);
    }
}
END

TEST(a_set_has_one_writer_at_a_time)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_job one = {0};
    struct catalog_job other = {0};
    struct catalog_job two = {0};

    world_init(&w);
    (void)job_put(&w, "shop", NULL);
    (void)job_put(&w, "shop", NULL);
    (void)job_put(&w, "blog", NULL);
    CHECK(claim(&w, LONG_MS, &a, &one));
    CHECK(claim(&w, LONG_MS, &a, &other));
    ck_assert_str_eq(one.set, "shop");
    ck_assert_str_eq(other.set, "blog");
    CHECK(!claim(&w, LONG_MS, &a, &two));

    const struct catalog_job_hold h = hold_of(&one);

    CHECK_OK(finish(&w, &h, RUN_SUCCESS, false, e));
    CHECK(claim(&w, LONG_MS, &a, &two));
    ck_assert_str_eq(two.set, "shop");
}
END

TEST(an_instant_of_a_schedule_is_one_job_for_ever)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_job j = {0};

    world_init(&w);
    const struct catalog_job_ids first = job_put(&w, "shop", "shop@1000");
    const struct catalog_job_ids again = job_put(&w, "shop", "shop@1000");
    CHECK(first.is_new && !again.is_new);
    ck_assert_str_eq(first.job, again.job);
    CHECK(claim(&w, LONG_MS, &a, &j));

    const struct catalog_job_hold h = hold_of(&j);

    CHECK_OK(finish(&w, &h, RUN_SUCCESS, false, e));
    CHECK(!job_put(&w, "shop", "shop@1000").is_new);
    CHECK(!claim(&w, LONG_MS, &a, &j));
}
END

TEST(a_lease_that_ends_without_a_word_interrupts_the_run_and_the_job_waits_again_once)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_job one = {0};
    struct catalog_job two = {0};
    struct catalog_job three = {0};

    world_init(&w);
    const struct catalog_job_ids ids = job_put(&w, "shop", NULL);
    CHECK(claim(&w, SHORT_MS, &a, &one));
    world_wait_until(&w, one.lease_ns);
    CHECK(claim(&w, SHORT_MS, &a, &two));
    ck_assert_str_eq(two.id, one.id);
    CHECK(strcmp(two.run, one.run) != 0);
    CHECK(two.fence > one.fence);
    ck_assert_int_eq(run_get(&w, one.run, &a).outcome.state, RUN_INTERRUPTED);
    world_wait_until(&w, two.lease_ns);
    CHECK(!claim(&w, SHORT_MS, &a, &three));

    const struct catalog_run_list runs = runs_of(&w, ids.job, &a);

    ck_assert_uint_eq(runs.count, 2);
    ck_assert_int_eq(runs.items[0].outcome.state, RUN_INTERRUPTED);
    ck_assert_int_eq(runs.items[1].outcome.state, RUN_INTERRUPTED);
}
END

TEST(a_log_is_of_its_run_and_goes_with_it)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    AUTO(mem) char *left = NULL;
    struct catalog_job j = {0};

    world_init(&w);
    (void)job_put(&w, "shop", NULL);
    CHECK(claim(&w, LONG_MS, &a, &j));

    const struct catalog_job_hold held = hold_of(&j);

    ck_assert_str_eq(log_of(&w, j.run, &a), "");
    CHECK_OK(put_log(&w, &held, "one\n", e));
    CHECK_OK(put_log(&w, &held, "one\ntw\xc3\xb6\n", e));
    ck_assert_str_eq(log_of(&w, j.run, &a), "one\ntw\xc3\xb6\n");
    ck_assert_str_eq(log_of(&w, "another", &a), "");
    CHECK_OK(finish(&w, &held, RUN_FAILED, false, e));
    CHECK_ERR(put_log(&w, &held, "late", e), ERR_DENIED);
    world_sql(&w, "DELETE FROM jobs");

    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    int64_t removed = 0;

    CHECK_OK(catalog_run_forget(t, INT64_MAX, 10, &removed, e));
    tx_commit(&t);
    ck_assert_int_eq(removed, 1);
    left = world_value(&w, "SELECT count(*) FROM run_logs");
    ck_assert_str_eq(left, "0");
}
END

TEST(who_lost_a_job_can_write_nothing_about_it_any_more)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_job one = {0};
    struct catalog_job two = {0};
    bool is_cancelled = false;

    world_init(&w);
    (void)job_put(&w, "shop", NULL);
    CHECK(claim(&w, SHORT_MS, &a, &one));
    world_wait_until(&w, one.lease_ns);
    CHECK(claim(&w, LONG_MS, &a, &two));

    const struct catalog_job_hold lost = hold_of(&one);
    const struct catalog_job_hold held = hold_of(&two);

    CHECK_ERR(catalog_job_extend(w.catalog, &lost, LONG_MS, "{\"n\":1}", &is_cancelled, e),
              ERR_DENIED);
    CHECK_ERR(finish(&w, &lost, RUN_SUCCESS, false, e), ERR_DENIED);
    CHECK_ERR(put_log(&w, &lost, "late", e), ERR_DENIED);
    CHECK_ERR(catalog_job_release(w.catalog, &lost, 0, e), ERR_DENIED);
    ck_assert_int_eq(run_get(&w, two.run, &a).outcome.state, RUN_RUNNING);
    CHECK(run_get(&w, one.run, &a).progress == NULL);
    CHECK_OK(catalog_job_extend(w.catalog, &held, LONG_MS, "{\"n\":1}", &is_cancelled, e));
    ck_assert_str_eq(run_get(&w, two.run, &a).progress, "{\"n\":1}");
    CHECK_OK(finish(&w, &held, RUN_SUCCESS, false, e));
    CHECK_ERR(finish(&w, &held, RUN_FAILED, false, e), ERR_DENIED);
    ck_assert_int_eq(run_get(&w, two.run, &a).outcome.state, RUN_SUCCESS);
}
END

TEST(a_heartbeat_keeps_a_job)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_job j = {0};
    struct catalog_job other = {0};
    bool is_cancelled = true;

    world_init(&w);
    (void)job_put(&w, "shop", NULL);
    CHECK(claim(&w, SHORT_MS, &a, &j));

    const struct catalog_job_hold h = hold_of(&j);

    /* Late, but nobody has noticed. */
    world_wait_until(&w, j.lease_ns);
    CHECK_OK(catalog_job_extend(w.catalog, &h, LONG_MS, NULL, &is_cancelled, e));
    CHECK(!is_cancelled);
    CHECK(!claim(&w, LONG_MS, &a, &other));
}
END

TEST(a_failure_is_tried_again_after_a_pause_as_often_as_allowed)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const struct catalog_job_request q = {.kind = RUN_BACKUP,
                                          .set = "shop",
                                          .arguments = "{}",
                                          .requested_by = "ann",
                                          .attempts_max = 3,
                                          .backoff_ms = 20};
    struct catalog_job_ids ids = {0};
    struct catalog_job j = {0};
    int64_t began[3] = {0};

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_job_enqueue(t, &q, &ids, e));
    tx_commit(&t);
    for (int i = 0; i < 3; i++) {
        while (!claim(&w, LONG_MS, &a, &j))
            (void)poll(NULL, 0, 1);
        ck_assert_int_eq(j.attempt, i + 1);
        began[i] = run_get(&w, j.run, &a).started_ns;

        const struct catalog_job_hold h = hold_of(&j);

        CHECK_OK(finish(&w, &h, RUN_FAILED, true, e));
    }
    CHECK(began[1] - began[0] >= 20000000 && began[2] - began[1] >= 40000000);
    world_wait_until(&w, clock_now_ns() + 100000000);
    CHECK(!claim(&w, LONG_MS, &a, &j));
    ck_assert_uint_eq(runs_of(&w, ids.job, &a).count, 3);
}
END

TEST(a_failure_that_would_come_again_is_not_tried_again)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_job j = {0};

    world_init(&w);
    (void)job_put(&w, "shop", NULL);
    CHECK(claim(&w, LONG_MS, &a, &j));

    const struct catalog_job_hold h = hold_of(&j);

    CHECK_OK(finish(&w, &h, RUN_FAILED, false, e));
    CHECK(!claim(&w, LONG_MS, &a, &j));
}
END

TEST(a_waiting_job_is_cancelled_at_once_and_a_running_one_with_its_next_heartbeat)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_job j = {0};
    bool is_cancelled = false;

    world_init(&w);
    const struct catalog_job_ids running = job_put(&w, "shop", NULL);
    const struct catalog_job_ids waiting = job_put(&w, "blog", NULL);
    CHECK(claim(&w, LONG_MS, &a, &j));
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_job_cancel(t, running.job, e));
    CHECK_OK(catalog_job_cancel(t, waiting.job, e));
    tx_commit(&t);
    ck_assert_int_eq(run_get(&w, waiting.run, &a).outcome.state, RUN_CANCELLED);
    ck_assert_int_eq(run_get(&w, running.run, &a).outcome.state, RUN_RUNNING);

    const struct catalog_job_hold h = hold_of(&j);

    CHECK_OK(catalog_job_extend(w.catalog, &h, LONG_MS, NULL, &is_cancelled, e));
    CHECK(is_cancelled);
    CHECK_OK(finish(&w, &h, RUN_CANCELLED, true, e));
    CHECK(!claim(&w, LONG_MS, &a, &j));
    t = tx_write(&w);
    CHECK_ERR(catalog_job_cancel(t, "0123", e), ERR_NOT_FOUND);
}
END

TEST(a_job_that_is_given_back_waits_as_if_nobody_had_taken_it)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_job j = {0};

    world_init(&w);

    const struct catalog_job_ids ids = job_put(&w, "shop", NULL);

    for (int i = 1; i <= 4; i++) {
        CHECK(claim(&w, LONG_MS, &a, &j));
        ck_assert_int_eq(j.fence, i);

        const struct catalog_job_hold h = hold_of(&j);

        CHECK_OK(catalog_job_release(w.catalog, &h, 0, e));
        CHECK_ERR(catalog_job_release(w.catalog, &h, 0, e), ERR_DENIED);

        const struct catalog_run r = run_get(&w, ids.run, &a);

        CHECK(r.outcome.state == RUN_QUEUED && r.started_ns == 0 && r.ended_ns == 0);
    }
    CHECK(claim(&w, LONG_MS, &a, &j));
    ck_assert_int_eq(j.attempt, 1);
    ck_assert_str_eq(j.run, ids.run);
}
END

TEST(a_job_that_is_given_back_is_left_alone_for_a_while_or_ended_when_it_is_cancelled)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_job j = {0};
    struct catalog_job other = {0};

    world_init(&w);

    const struct catalog_job_ids one = job_put(&w, "shop", NULL);
    const struct catalog_job_ids two = job_put(&w, "blog", NULL);

    CHECK(claim(&w, LONG_MS, &a, &j));
    ck_assert_str_eq(j.id, one.job);

    const struct catalog_job_hold h = hold_of(&j);

    CHECK_OK(catalog_job_release(w.catalog, &h, LONG_MS, e));
    CHECK(claim(&w, LONG_MS, &a, &other));
    ck_assert_str_eq(other.id, two.job);
    CHECK(!claim(&w, LONG_MS, &a, &j));

    const struct catalog_job_hold held = hold_of(&other);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);

    CHECK_OK(catalog_job_cancel(t, two.job, e));
    tx_commit(&t);
    CHECK_OK(catalog_job_release(w.catalog, &held, 0, e));
    ck_assert_int_eq(run_get(&w, two.run, &a).outcome.state, RUN_CANCELLED);
    CHECK(!claim(&w, LONG_MS, &a, &j));
}
END

TEST(a_full_queue_takes_no_more)
{
    AUTO(world) struct world w;
    struct catalog_job_ids ids = {0};
    const struct catalog_job_request q = {
        .kind = RUN_BACKUP, .set = "one too many", .arguments = "{}", .requested_by = "ann"};

    world_init(&w);
    for (int i = 0; i < CATALOG_QUEUE_MAX; i++)
        (void)job_put(&w, "shop", NULL);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_ERR(catalog_job_enqueue(t, &q, &ids, e), ERR_TRANSIENT);
}
END

TEST(jobs_of_other_places_and_of_later_are_left_alone)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_job_ids ids = {0};
    struct catalog_job j = {0};
    struct catalog_job_request q = {.kind = RUN_BACKUP,
                                    .set = "there",
                                    .arguments = "{}",
                                    .requested_by = "ann",
                                    .bound_to = "elsewhere"};

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_job_enqueue(t, &q, &ids, e));
    q.bound_to = "here";
    q.not_before_ns = catalog_tx_now(t) + 30000000;
    CHECK_OK(catalog_job_enqueue(t, &q, &ids, e));
    tx_commit(&t);
    CHECK(!claim(&w, LONG_MS, &a, &j));
    world_wait_until(&w, q.not_before_ns);
    CHECK(claim(&w, LONG_MS, &a, &j));
    ck_assert_str_eq(j.id, ids.job);
    CHECK(!claim(&w, LONG_MS, &a, &j));
}
END

/* What a host takes whose configuration has these sets; its id, or "". */
static const char *taken_by(const struct world *w, const char *host, int lease_ms,
                            const char *const *sets, size_t count, struct arena *a)
{
    const struct catalog_job_offer o = {host, host, lease_ms, sets, count};
    struct catalog_job j = {0};
    bool found = false;

    CHECK_OK(catalog_job_claim(w->catalog, &o, a, &j, &found, e));
    return found ? j.set : "";
}

TEST(a_host_takes_jobs_of_the_sets_that_its_configuration_has)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const char *const of_a[] = {"shop", "with \"quotes\" and \\"};
    const char *const of_b[] = {"blog"};

    world_init(&w);
    (void)job_put(&w, "blog", NULL);
    ck_assert_str_eq(taken_by(&w, "a", LONG_MS, of_a, 2, &a), "");
    ck_assert_str_eq(taken_by(&w, "none", LONG_MS, of_a, 0, &a), "");
    (void)job_put(&w, of_a[1], NULL);
    ck_assert_str_eq(taken_by(&w, "a", LONG_MS, of_a, 2, &a), of_a[1]);
    ck_assert_str_eq(taken_by(&w, "b", LONG_MS, of_b, 1, &a), "blog");
    /* One that takes all, as with a catalog of its own. */
    (void)job_put(&w, "null", NULL);
    ck_assert_str_eq(taken_by(&w, "b", LONG_MS, of_b, 1, &a), "");
    ck_assert_str_eq(taken_by(&w, "c", LONG_MS, NULL, 0, &a), "null");
}
END

TEST(what_a_host_that_died_held_is_done_by_another_that_has_the_set)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const char *const both[] = {"shop"};
    const char *const other[] = {"blog"};
    int64_t begun_ns = 0;

    world_init(&w);
    (void)job_put(&w, "shop", NULL);
    ck_assert_str_eq(taken_by(&w, "a", 30, both, 1, &a), "shop");
    {
        AUTO(catalog_tx) struct catalog_tx *t = tx_read(&w);

        begun_ns = catalog_tx_now(t);
    }
    world_wait_until(&w, begun_ns + 50000000);
    /* It is free for those who have it, whoever notices that the lease is over. */
    ck_assert_str_eq(taken_by(&w, "c", LONG_MS, other, 1, &a), "");
    ck_assert_str_eq(taken_by(&w, "b", LONG_MS, both, 1, &a), "shop");
}
END

/* What a listener heard. */
struct heard {
    int count;
    char run[CATALOG_ID_SIZE];
    enum catalog_run_state state;
    bool fails; /* it cannot tell anybody */
};

static bool hear(struct catalog_tx *t, void *arg, const struct catalog_job *j,
                 const struct catalog_outcome *o, struct err *e)
{
    struct heard *h = arg;

    (void)t;
    if (h->fails)
        return err_set(e, ERR_FATAL, "nobody can be told");
    h->count++;
    h->state = o->state;
    (void)snprintf(h->run, sizeof(h->run), "%s", j->run);
    return true;
}

/* Wait until a lease of no length is over. */
static void let_end(const struct world *w)
{
    int64_t now_ns;

    {
        AUTO(catalog_tx) struct catalog_tx *t = tx_read(w);

        now_ns = catalog_tx_now(t);
    }
    world_wait_until(w, now_ns + 20000000);
}

TEST(the_end_of_a_job_that_is_interrupted_for_good_is_heard_once)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct heard heard = {0};
    const struct catalog_job_listener listener = {hear, &heard};
    const struct catalog_job_offer o = {
        .holder = "a", .place = "a", .lease_ms = SHORT_MS, .listener = &listener};
    struct catalog_job j = {0};
    bool found = false;

    world_init(&w);
    (void)job_put(&w, "shop", NULL);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(catalog_job_claim(w.catalog, &o, &a, &j, &found, e));
        CHECK(found && heard.count == 0);
        let_end(&w);
    }
    /* Who cannot tell of it does not end it. */
    heard.fails = true;
    CHECK_ERR(catalog_job_claim(w.catalog, &o, &a, &j, &found, e), ERR_FATAL);
    ck_assert_int_eq((int)run_get(&w, j.run, &a).outcome.state, RUN_RUNNING);
    heard.fails = false;
    for (int i = 0; i < 2; i++) {
        CHECK_OK(catalog_job_claim(w.catalog, &o, &a, &j, &found, e));
        CHECK(!found && heard.count == 1);
    }
    ck_assert_str_eq(heard.run, j.run);
    CHECK(heard.state == RUN_INTERRUPTED);
    ck_assert_int_eq((int)run_get(&w, j.run, &a).outcome.state, RUN_INTERRUPTED);
}
END

TEST(a_job_ends_for_good_where_its_set_is_known_or_when_that_took_too_long)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const char *const mine[] = {"shop"};
    const char *const other[] = {"blog"};
    AUTO(mem) char *state = NULL;
    uint64_t seen = 0;
    int64_t waited_ns = 0;

    world_init(&w);
    (void)job_put(&w, "shop", NULL);
    for (int i = 0; i < 2; i++) {
        ck_assert_str_eq(taken_by(&w, "a", SHORT_MS, mine, 1, &a), "shop");
        let_end(&w);
    }
    ck_assert_str_eq(taken_by(&w, "b", LONG_MS, other, 1, &a), "");
    state = world_value(&w, "SELECT state FROM jobs");
    ck_assert_str_eq(state, "running");
    /* It is nothing to wake up for again and again; what came before may be heard late. */
    for (int i = 0; i < 10 && waited_ns < 150000000; i++) {
        const int64_t begun_ns = clock_monotonic_ns();

        CHECK_OK(catalog_job_wait(w.catalog, 200, &seen, e));
        waited_ns = clock_monotonic_ns() - begun_ns;
    }
    CHECK(waited_ns >= 150000000);

    world_sql(&w, "UPDATE jobs SET lease_ns = lease_ns - 604800000000000");
    ck_assert_str_eq(taken_by(&w, "b", LONG_MS, other, 1, &a), "");
    mem_free(state);
    state = world_value(&w, "SELECT state FROM jobs");
    ck_assert_str_eq(state, "done");

    (void)job_put(&w, "shop", NULL);
    for (int i = 0; i < 2; i++) {
        ck_assert_str_eq(taken_by(&w, "a", SHORT_MS, mine, 1, &a), "shop");
        let_end(&w);
    }
    ck_assert_str_eq(taken_by(&w, "c", LONG_MS, mine, 1, &a), "");
    mem_free(state);
    state = world_value(&w, "SELECT count(*) FROM jobs WHERE state = 'done'");
    ck_assert_str_eq(state, "2");
}
END

TEST(a_job_that_nobody_takes_fails_in_the_end_and_one_that_waits_for_its_turn_does_not)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_job_ids stray, next;
    struct catalog_job j = {0};
    int64_t count = 0;

    world_init(&w);
    (void)job_put(&w, "shop", NULL);
    CHECK(claim(&w, LONG_MS, &a, &j));
    next = job_put(&w, "shop", NULL);
    stray = job_put(&w, "gone", NULL);

    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);

    CHECK_OK(catalog_job_give_up(t, 1, NULL, &count, e));
    CHECK(count == 0);
    CHECK_OK(catalog_job_give_up(t, INT64_MAX, NULL, &count, e));
    CHECK(count == 1);
    tx_commit(&t);
    CHECK(run_get(&w, stray.run, &a).outcome.state == RUN_FAILED);
    ck_assert_str_eq(run_get(&w, stray.run, &a).outcome.error_code, "no-host");
    CHECK(run_get(&w, next.run, &a).outcome.state == RUN_QUEUED);
    CHECK(run_get(&w, j.run, &a).outcome.state == RUN_RUNNING);
}
END

static void *put_later(void *arg)
{
    (void)poll(NULL, 0, 50);
    (void)job_put(arg, "shop", NULL);
    return NULL;
}

TEST(waiting_ends_when_another_adds_a_job)
{
    AUTO(world) struct world w;
    uint64_t seen = 0;
    pthread_t t;

    world_init(&w);
    AUTO(catalog) struct catalog *second = world_open(&w);
    struct world other = w;

    other.catalog = second;
    CHECK_OK(catalog_job_wait(w.catalog, 1, &seen, e));
    CHECK_OK(catalog_job_wait(w.catalog, 1, &seen, e));

    const int64_t began = clock_monotonic_ns();

    ck_assert_int_eq(pthread_create(&t, NULL, put_later, &other), 0);
    CHECK_OK(catalog_job_wait(w.catalog, 20000, &seen, e));
    CHECK(clock_monotonic_ns() - began < 10 * NS_PER_S);
    ck_assert_int_eq(pthread_join(t, NULL), 0);
}
END

/* A job that is under way elsewhere, and of which is told in a moment. */
struct teller {
    struct catalog *catalog;
    struct catalog_job_hold hold;
};

static void *tell_later(void *arg)
{
    const struct teller *told = arg;
    bool is_cancelled = false;

    (void)poll(NULL, 0, 50);
    CHECK_OK(
        catalog_job_extend(told->catalog, &told->hold, LONG_MS, "{\"n\":1}", &is_cancelled, e));
    return NULL;
}

/* PostgreSQL tells other processes, SQLite this one. */
TEST(who_listens_hears_at_once_how_far_a_job_is_and_nothing_of_what_waits)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    AUTO(arena) struct arena found = {0};
    struct catalog_job j = {0};
    struct catalog_job_news_list list = {0};
    uint64_t seen = 0;
    pthread_t thread;

    world_init(&w);
    AUTO(catalog) struct catalog *second = world_open(&w);
    struct teller told = {catalog_is_shared(w.catalog) ? second : w.catalog, {0}};

    (void)job_put(&w, "shop", NULL);
    CHECK(claim(&w, LONG_MS, &a, &j));
    told.hold = (struct catalog_job_hold){j.id, j.fence};
    for (int i = 0; i < 3; i++) /* what came so far */
        CHECK_OK(catalog_job_hear(w.catalog, 100, &seen, e));

    const int64_t began = clock_monotonic_ns();

    (void)job_put(&w, "wiki", NULL);
    CHECK_OK(catalog_job_hear(w.catalog, 300, &seen, e));
    CHECK(clock_monotonic_ns() - began >= 300000000);
    ck_assert_int_eq(pthread_create(&thread, NULL, tell_later, &told), 0);
    CHECK_OK(catalog_job_hear(w.catalog, 20000, &seen, e));
    CHECK(clock_monotonic_ns() - began < 10 * NS_PER_S);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);

    AUTO(catalog_tx) struct catalog_tx *t = tx_read(&w);

    CHECK_OK(catalog_job_news(t, catalog_tx_now(t), true, &found, &list, e));
    CHECK(list.count == 1 && !list.items[0].is_done && list.items[0].log_size == 0);
    ck_assert_str_eq(list.items[0].id, j.id);
    ck_assert_str_eq(list.items[0].progress, "{\"n\":1}");
}
END

TEST(waiting_ends_when_a_job_may_begin)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_job_ids ids = {0};
    struct catalog_job j = {0};
    struct catalog_job_request q = {
        .kind = RUN_BACKUP, .set = "there", .arguments = "{}", .requested_by = "ann"};
    uint64_t seen = 0;

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    q.not_before_ns = catalog_tx_now(t) + 300000000;
    CHECK_OK(catalog_job_enqueue(t, &q, &ids, e));
    tx_commit(&t);
    CHECK_OK(catalog_job_wait(w.catalog, 1, &seen, e));

    const int64_t began = clock_monotonic_ns();

    while (!claim(&w, LONG_MS, &a, &j))
        CHECK_OK(catalog_job_wait(w.catalog, 20000, &seen, e));
    CHECK(clock_monotonic_ns() - began < 10 * NS_PER_S);
}
END

TEST(the_database_itself_refuses_a_second_writer)
{
    AUTO(world) struct world w;

    world_init(&w);
    (void)job_put(&w, "shop", NULL);
    (void)job_put(&w, "shop", NULL);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_ERR(db_run(t->db, "UPDATE jobs SET state = 'running'", DB_NO_VALUES, NULL, e),
              ERR_EXISTS);
}
END

struct adder {
    struct world world;
    struct catalog_job_ids ids;
};

static void *add_instant(void *arg)
{
    struct adder *a = arg;

    a->ids = job_put(&a->world, "shop", "shop@1000");
    return NULL;
}

TEST(of_many_that_add_an_instant_at_once_one_does_and_none_fails)
{
    AUTO(world) struct world w;

    world_init(&w);
    for (int round = 0; round < 20; round++) {
        struct adder adders[4] = {0};
        pthread_t threads[4];
        int added = 0;

        for (int i = 0; i < 4; i++) {
            adders[i].world = w;
            ck_assert_int_eq(pthread_create(&threads[i], NULL, add_instant, &adders[i]), 0);
        }
        for (int i = 0; i < 4; i++) {
            ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
            added += adders[i].ids.is_new;
            ck_assert_str_eq(adders[i].ids.job, adders[0].ids.job);
        }
        ck_assert_int_eq(added, 1);
        world_sql(&w, "UPDATE jobs SET dedup = NULL");
    }
}
END

TESTS_BETWEEN("jobs", world_begin, world_end,
              a_job_that_is_taken_runs_and_ends_with_what_came_of_it,
              restores_come_first_then_what_was_asked_for_and_those_alike_by_age,
              a_set_has_one_writer_at_a_time, an_instant_of_a_schedule_is_one_job_for_ever,
              a_lease_that_ends_without_a_word_interrupts_the_run_and_the_job_waits_again_once,
              a_log_is_of_its_run_and_goes_with_it,
              who_lost_a_job_can_write_nothing_about_it_any_more, a_heartbeat_keeps_a_job,
              a_failure_is_tried_again_after_a_pause_as_often_as_allowed,
              a_failure_that_would_come_again_is_not_tried_again,
              a_waiting_job_is_cancelled_at_once_and_a_running_one_with_its_next_heartbeat,
              a_job_that_is_given_back_waits_as_if_nobody_had_taken_it,
              a_job_that_is_given_back_is_left_alone_for_a_while_or_ended_when_it_is_cancelled,
              a_full_queue_takes_no_more, jobs_of_other_places_and_of_later_are_left_alone,
              a_host_takes_jobs_of_the_sets_that_its_configuration_has,
              what_a_host_that_died_held_is_done_by_another_that_has_the_set,
              the_end_of_a_job_that_is_interrupted_for_good_is_heard_once,
              a_job_ends_for_good_where_its_set_is_known_or_when_that_took_too_long,
              a_job_that_nobody_takes_fails_in_the_end_and_one_that_waits_for_its_turn_does_not,
              waiting_ends_when_another_adds_a_job,
              who_listens_hears_at_once_how_far_a_job_is_and_nothing_of_what_waits,
              waiting_ends_when_a_job_may_begin, the_database_itself_refuses_a_second_writer,
              of_many_that_add_an_instant_at_once_one_does_and_none_fails)
