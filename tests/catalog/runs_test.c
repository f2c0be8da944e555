/* Runs, what sets learn of them, restore points. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "catalog/world.h"

/* Runs */

static void run_put(const struct world *w, const struct catalog_run *r, char id[CATALOG_ID_SIZE])
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);

    CHECK_OK(catalog_run_add(t, r, id, e));
    tx_commit(&t);
}

static void runs_fill(const struct world *w, int count)
{
    for (int i = 0; i < count; i++) {
        char id[CATALOG_ID_SIZE];
        const struct catalog_run r = {
            .set = i % 2 == 0 ? "shop" : "blog",
            .config = i % 3 == 0 ? "daily" : "weekly",
            .kind = i % 5 == 0 ? RUN_VERIFY : RUN_BACKUP,
            .variant = i % 2 == 0 ? "database" : NULL,
            .requested_by = "ann",
            .created_ns = 1000 + i / 2, /* some at the same moment */
            .started_ns = 1000 + i / 2,
            .ended_ns = 1000 + i / 2 + 3 * NS_PER_S,
            .outcome = {.state = i % 7 == 0 ? RUN_FAILED : RUN_SUCCESS, .bytes = 10},
        };

        run_put(w, &r, id);
    }
}

static size_t pages_through(const struct world *w, const struct catalog_run_filter *f)
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(w);
    AUTO(arena) struct arena a = {0};
    struct catalog_page p = {.limit = 7};
    struct catalog_run_list list = {0};
    size_t all = 0;
    const char *last = NULL;

    do {
        CHECK_OK(catalog_run_list(t, f, &p, &a, &list, e));
        for (size_t i = 0; i < list.count; i++) {
            const struct catalog_run *r = &list.items[i];

            CHECK(p.after_ns == 0 || r->created_ns < p.after_ns ||
                  (r->created_ns == p.after_ns && strcmp(r->id, last) < 0));
            CHECK(f->set == NULL || strcmp(r->set, f->set) == 0);
            CHECK(f->config == NULL || strcmp(r->config, f->config) == 0);
            CHECK(f->state < 0 || r->outcome.state == (enum catalog_run_state)f->state);
            CHECK(f->kind < 0 || r->kind == (enum catalog_run_kind)f->kind);
            p.after_ns = r->created_ns;
            p.after_id = last = r->id;
        }
        all += list.count;
    } while (list.count == p.limit);

    int64_t counted = 0;

    CHECK_OK(catalog_run_count(t, f, &counted, e));
    ck_assert_int_eq(counted, (int64_t)all);
    return all;
}

TEST(pages_of_runs_are_whole_and_in_order_whatever_is_asked_for)
{
    AUTO(world) struct world w;
    struct catalog_run_filter f = CATALOG_RUNS_ALL;

    world_init(&w);
    runs_fill(&w, 70);
    ck_assert_uint_eq(pages_through(&w, &f), 70);
    f.set = "shop";
    ck_assert_uint_eq(pages_through(&w, &f), 35);
    f.config = "daily";
    ck_assert_uint_eq(pages_through(&w, &f), 12);
    f.state = RUN_FAILED;
    ck_assert_uint_eq(pages_through(&w, &f), 2);
    f.set = f.config = NULL;
    ck_assert_uint_eq(pages_through(&w, &f), 10);
    f.state = -1;
    f.kind = RUN_VERIFY;
    ck_assert_uint_eq(pages_through(&w, &f), 14);
    f.from_ns = 1010;
    f.until_ns = 1020;
    f.kind = -1;
    ck_assert_uint_eq(pages_through(&w, &f), 20);
    f = CATALOG_RUNS_ALL;
    f.config = "' OR '1'='1";
    ck_assert_uint_eq(pages_through(&w, &f), 0);
}
END

static void check_history(const struct world *w)
{
    struct catalog_run_filter f = {
        .set = "shop", .kind = RUN_BACKUP, .state = -1, .is_ended = true};
    int64_t quick = -1;
    int64_t slow = -1;

    AUTO(catalog_tx) struct catalog_tx *t = tx_read(w);
    CHECK_OK(catalog_run_count(t, &f, &quick, e));
    f.from_ns = 1; /* keeps it from the counts */
    CHECK_OK(catalog_run_count(t, &f, &slow, e));
    ck_assert_int_gt(quick, 0);
    ck_assert_int_eq(quick, slow);
    f.from_ns = 0;
    ck_assert_uint_eq(pages_through(w, &f), (size_t)quick);
}

TEST(the_history_of_a_set_counts_what_has_ended)
{
    AUTO(world) struct world w;
    struct catalog_run r = {.attempt = 1,
                            .set = "shop",
                            .kind = RUN_BACKUP,
                            .requested_by = "system",
                            .created_ns = 7,
                            .outcome.state = RUN_RUNNING};
    char id[CATALOG_ID_SIZE];
    int64_t removed = 0;

    world_init(&w);
    runs_fill(&w, 70);
    check_history(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_run_add(t, &r, id, e));
    tx_commit(&t);
    check_history(&w);
    t = tx_write(&w);
    CHECK_OK(catalog_run_end(t, id, &(struct catalog_outcome){.state = RUN_FAILED}, e));
    tx_commit(&t);
    check_history(&w);
    world_sql(&w, "UPDATE runs SET ended_ns = 1 WHERE ended_ns IS NULL");
    t = tx_write(&w);
    CHECK_OK(catalog_run_forget(t, INT64_MAX, 9, &removed, e));
    tx_commit(&t);
    ck_assert_int_eq(removed, 9);
    check_history(&w);
}
END

TEST(sums_of_runs_are_by_kind_variant_and_state)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_run_sums sums = {0};
    int64_t runs = 0;
    int64_t seconds = 0;

    world_init(&w);
    runs_fill(&w, 70);
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(&w);
    CHECK_OK(catalog_run_sum(t, 0, 0, &a, &sums, e));
    ck_assert_uint_eq(sums.count, 8);
    for (size_t i = 0; i < sums.count; i++) {
        runs += sums.items[i].runs;
        seconds += sums.items[i].seconds;
        ck_assert_int_eq(sums.items[i].bytes, 10 * sums.items[i].runs);
    }
    ck_assert_int_eq(runs, 70);
    ck_assert_int_eq(seconds, 210);
}
END

TEST(a_set_knows_its_last_success_and_how_often_it_failed_since)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    char id[CATALOG_ID_SIZE];
    char good[CATALOG_ID_SIZE];
    struct catalog_set s = {0};
    struct catalog_run r = {
        .set = "shop", .kind = RUN_BACKUP, .requested_by = "ann", .created_ns = 50, .ended_ns = 60};

    world_init(&w);
    r.outcome.state = RUN_FAILED;
    run_put(&w, &r, id);
    r.outcome.state = RUN_SUCCESS;
    run_put(&w, &r, good);
    r.created_ns = 70;
    r.ended_ns = 80;
    r.outcome.state = RUN_FAILED;
    run_put(&w, &r, id);
    r.outcome.state = RUN_INCOMPLETE;
    run_put(&w, &r, id);
    r.outcome.state = RUN_CANCELLED;
    run_put(&w, &r, id);
    r.kind = RUN_DRILL;
    r.outcome = (struct catalog_outcome){.state = RUN_SUCCESS, .verdict = "proven"};
    run_put(&w, &r, id);
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(&w);
    CHECK_OK(catalog_set_get(t, "shop", &a, &s, e));
    ck_assert_str_eq(s.success_run, good);
    CHECK(s.success_ns == 60 && s.failure_ns == 80 && s.failures == 2);
    CHECK(s.proven_ns != 0 && s.verified_ns == s.proven_ns);
    CHECK_OK(catalog_set_get(t, "none", &a, &s, e));
    CHECK(s.success_ns == 0 && s.success_run == NULL);
}
END

TEST(a_set_has_succeeded_with_what_its_rules_allow)
{
    AUTO(world) struct world w;
    char id[CATALOG_ID_SIZE];
    const struct catalog_outcome good[] = {{.state = RUN_DEGRADED},
                                           {.state = RUN_INCOMPLETE, .may_be_incomplete = true}};

    world_init(&w);
    for (size_t i = 0; i < 2; i++) {
        AUTO(arena) struct arena a = {0};
        struct catalog_run r = {.set = i == 0 ? "shop" : "blog",
                                .kind = RUN_BACKUP,
                                .requested_by = "ann",
                                .created_ns = 50,
                                .ended_ns = 60,
                                .outcome = {.state = RUN_FAILED}};
        struct catalog_set s = {0};

        run_put(&w, &r, id);
        r.outcome = good[i];
        r.ended_ns = 70;
        run_put(&w, &r, id);

        AUTO(catalog_tx) struct catalog_tx *t = tx_read(&w);

        CHECK_OK(catalog_set_get(t, r.set, &a, &s, e));
        CHECK(s.success_ns == 70 && s.failures == 0);
        ck_assert_str_eq(s.success_run, id);
    }
}
END

static void drill_put(const struct world *w, const char *set, int64_t ended_ns,
                      enum catalog_run_state state, char id[CATALOG_ID_SIZE])
{
    const struct catalog_run r = {.set = set,
                                  .kind = RUN_DRILL,
                                  .requested_by = "ann",
                                  .created_ns = ended_ns - 1,
                                  .ended_ns = state == RUN_RUNNING ? 0 : ended_ns,
                                  .outcome.state = state};

    run_put(w, &r, id);
}

TEST(of_each_set_the_newest_drill_that_nobody_stopped_is_listed)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_drill_list l = {0};
    char shop[CATALOG_ID_SIZE], blog[CATALOG_ID_SIZE], other[CATALOG_ID_SIZE];
    bool has_shop = false;
    bool has_blog = false;

    world_init(&w);
    runs_fill(&w, 5);
    drill_put(&w, "shop", 50, RUN_SUCCESS, other);
    drill_put(&w, "shop", 60, RUN_FAILED, shop);
    drill_put(&w, "shop", 70, RUN_CANCELLED, other);
    drill_put(&w, "shop", 80, RUN_INTERRUPTED, other);
    drill_put(&w, "shop", 85, RUN_SKIPPED, other);
    drill_put(&w, "shop", 90, RUN_RUNNING, other);
    drill_put(&w, "blog", 10, RUN_INCOMPLETE, blog);
    drill_put(&w, "wiki", 10, RUN_CANCELLED, other);

    AUTO(catalog_tx) struct catalog_tx *t = tx_read(&w);

    CHECK_OK(catalog_drill_list(t, &a, &l, e));
    ck_assert_uint_eq(l.count, 2);
    for (size_t i = 0; i < l.count; i++) {
        const struct catalog_drill *d = &l.items[i];

        has_shop |= strcmp(d->set, "shop") == 0 && strcmp(d->run, shop) == 0 &&
                    d->state == RUN_FAILED && d->ended_ns == 60;
        has_blog |= strcmp(d->set, "blog") == 0 && strcmp(d->run, blog) == 0 &&
                    d->state == RUN_INCOMPLETE && d->ended_ns == 10;
    }
    CHECK(has_shop && has_blog);
}
END

TEST(a_run_without_a_job_ends_once)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    char id[CATALOG_ID_SIZE];
    struct catalog_run r = {
        .set = "shop", .requested_by = "ann", .outcome = {.state = RUN_RUNNING}};
    const struct catalog_outcome o = {.state = RUN_FAILED,
                                      .error_code = "unreadable",
                                      .error = "back up shop: connection lost",
                                      .details = "{\"n\":1}"};

    world_init(&w);
    run_put(&w, &r, id);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_run_end(t, id, &o, e));
    tx_commit(&t);
    t = tx_write(&w);
    CHECK_ERR(catalog_run_end(t, id, &o, e), ERR_NOT_FOUND);
    catalog_tx_auto(&t);
    t = tx_write(&w);
    CHECK_ERR(catalog_run_end(t, "0123", &o, e), ERR_NOT_FOUND);
    CHECK_OK(catalog_run_get(t, id, &a, &r, e));
    ck_assert_str_eq(r.outcome.error, "back up shop: connection lost");
    ck_assert_str_eq(r.outcome.error_code, "unreadable");
    ck_assert_str_eq(r.outcome.details, "{\"n\":1}");
}
END

TEST(old_runs_go_but_for_those_that_something_names)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_set s = {0};
    struct catalog_run r = {0};
    struct catalog_restore_point p = {.description = "before the move", .created_by = "ann"};
    char point[CATALOG_ID_SIZE];
    char named[CATALOG_ID_SIZE];
    int64_t removed = 0;

    world_init(&w);
    runs_fill(&w, 20);
    r = (struct catalog_run){.set = "other",
                             .kind = RUN_VERIFY,
                             .requested_by = "ann",
                             .created_ns = 5,
                             .ended_ns = 6,
                             .outcome.state = RUN_FAILED};
    run_put(&w, &r, named);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    p.run = named;
    CHECK_OK(catalog_restore_point_add(t, &p, point, e));
    CHECK_OK(catalog_run_forget(t, 4 * NS_PER_S, 5, &removed, e));
    ck_assert_int_eq(removed, 5);
    CHECK_OK(catalog_run_forget(t, 4 * NS_PER_S, 1000, &removed, e));
    tx_commit(&t);
    ck_assert_int_eq(removed, 13); /* 21 less those 5, the last success of two sets and the named */
    t = tx_read(&w);
    CHECK_OK(catalog_set_get(t, "shop", &a, &s, e));
    CHECK_OK(catalog_run_get(t, s.success_run, &a, &r, e));
    CHECK_OK(catalog_run_get(t, named, &a, &r, e));
}
END

TEST(restore_points_are_listed_until_they_are_removed)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_restore_point_list list = {0};
    const struct catalog_restore_point p = {
        .description = "before the move", .created_by = "ann", .expires_ns = 99};
    const struct catalog_page page = {.limit = 10};
    char id[CATALOG_ID_SIZE];

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_restore_point_add(t, &p, id, e));
    CHECK_OK(catalog_restore_point_set(t, id, "abc", true, e));
    CHECK_OK(catalog_restore_point_list(t, &page, &a, &list, e));
    ck_assert_uint_eq(list.count, 1);
    ck_assert_str_eq(list.items[0].snapshot, "abc");
    CHECK(list.items[0].is_verified && list.items[0].expires_ns == 99);
    CHECK_OK(catalog_restore_point_remove(t, id, e));
    CHECK_OK(catalog_restore_point_list(t, &page, &a, &list, e));
    ck_assert_uint_eq(list.count, 0);
    CHECK_ERR(catalog_restore_point_remove(t, id, e), ERR_NOT_FOUND);
}
END

TEST(a_run_that_comes_late_takes_nothing_back_from_its_set)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_set s = {0};
    char id[CATALOG_ID_SIZE];
    struct catalog_run r = {.set = "shop", .kind = RUN_BACKUP, .requested_by = "ann"};

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    for (int64_t at = 9; at >= 1; at -= 2) {
        r.created_ns = r.ended_ns = at;
        r.kind = RUN_DRILL;
        r.outcome = (struct catalog_outcome){.state = RUN_SUCCESS, .verdict = "proven"};
        CHECK_OK(catalog_run_add(t, &r, id, e));
        r.kind = RUN_BACKUP;
        r.outcome = (struct catalog_outcome){.state = at == 9 ? RUN_SUCCESS : RUN_FAILED};
        CHECK_OK(catalog_run_add(t, &r, id, e));
    }
    CHECK_OK(catalog_set_get(t, "shop", &a, &s, e));
    ck_assert_int_eq(s.proven_ns, 9);
    ck_assert_int_eq(s.verified_ns, 9);
    ck_assert_int_eq(s.success_ns, 9);
    ck_assert_int_eq(s.failures, 0);
}
END

TEST(a_set_learns_again_after_a_clock_that_was_a_year_ahead)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_set s = {0};
    char id[CATALOG_ID_SIZE];
    struct catalog_run r = {.set = "shop", .kind = RUN_BACKUP, .requested_by = "ann"};

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    const int64_t now = catalog_tx_now(t);
    const int64_t times[] = {now + INT64_C(365) * 86400 * NS_PER_S, now};

    for (size_t i = 0; i < 2; i++) {
        r.created_ns = r.ended_ns = times[i];
        r.outcome = (struct catalog_outcome){.state = RUN_SUCCESS, .verdict = "proven"};
        CHECK_OK(catalog_run_add(t, &r, id, e));
        r.outcome = (struct catalog_outcome){.state = RUN_FAILED};
        CHECK_OK(catalog_run_add(t, &r, id, e));
        CHECK_OK(catalog_set_get(t, "shop", &a, &s, e));
        CHECK(s.success_ns == times[i] && s.failure_ns == times[i] && s.failures == 1);
        CHECK(s.verified_ns == times[i] && s.proven_ns == times[i]);
    }
}
END

TESTS_BETWEEN("runs", world_begin, world_end,
              a_set_learns_again_after_a_clock_that_was_a_year_ahead,
              a_run_that_comes_late_takes_nothing_back_from_its_set,
              pages_of_runs_are_whole_and_in_order_whatever_is_asked_for,
              the_history_of_a_set_counts_what_has_ended,
              sums_of_runs_are_by_kind_variant_and_state,
              a_set_knows_its_last_success_and_how_often_it_failed_since,
              a_set_has_succeeded_with_what_its_rules_allow,
              of_each_set_the_newest_drill_that_nobody_stopped_is_listed,
              a_run_without_a_job_ends_once, old_runs_go_but_for_those_that_something_names,
              restore_points_are_listed_until_they_are_removed)
