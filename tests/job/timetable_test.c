/* What is due by the configuration's schedules comes into the catalog's queue, once. */
#include "job/timetable.h"

#include <string.h>

#include "base/clock.h"
#include "catalog_world.h"

#define MONDAY INT64_C(1767571200) /* 2026-01-05 00:00 UTC */
#define HOUR   INT64_C(3600)
#define TIMES  "    schedule: {cron: '0 2 * * *', timezone: UTC}\n"

static struct timetable *timetable_of(const struct world *w)
{
    const struct timetable_options o = {w->catalog, w->config, w->templates, "here"};
    struct timetable *t = NULL;

    CHECK_OK(timetable_open(&o, &t, e));
    return t;
}

static int64_t look(struct timetable *t, int64_t now_s)
{
    int64_t wake_s = 0;

    CHECK_OK(timetable_look(t, now_s, &wake_s, e));
    CHECK(wake_s > now_s);
    return wake_s;
}

static size_t queued(const struct world *w, struct arena *a, struct catalog_job_list *out)
{
    AUTO(catalog_tx) struct catalog_tx *t = world_read(w);

    *out = (struct catalog_job_list){0};
    CHECK_OK(catalog_job_list(t, a, out, e));
    return out->count;
}

TEST(schedules_of_sets_of_other_hosts_are_left_to_them)
{
    AUTO(world) struct world w;
    AUTO(timetable) struct timetable *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_job_list jobs;

    world_init(&w, TIMES "    hosts: [there, elsewhere]\n");
    t = timetable_of(&w);
    (void)look(t, MONDAY + HOUR);
    (void)look(t, MONDAY + 3 * HOUR);
    ck_assert_uint_eq(queued(&w, &a, &jobs), 0);
}
END

TEST(a_scheduled_backup_is_queued_once_however_many_services_look)
{
    AUTO(world) struct world w;

    world_init(&w, TIMES);

    AUTO(arena) struct arena a = {0};
    AUTO(timetable) struct timetable *one = timetable_of(&w);
    AUTO(timetable) struct timetable *other = timetable_of(&w);
    struct catalog_job_list jobs;

    (void)look(one, MONDAY);
    ck_assert_uint_eq(queued(&w, &a, &jobs), 0);
    for (int i = 0; i < 3; i++) {
        (void)look(one, MONDAY + 2 * HOUR + i);
        (void)look(other, MONDAY + 2 * HOUR + i);
    }
    ck_assert_uint_eq(queued(&w, &a, &jobs), 1);
    ck_assert_int_eq((int)jobs.items[0].kind, RUN_BACKUP);
    ck_assert_str_eq(jobs.items[0].set, "shop");
    ck_assert_int_eq((int)jobs.items[0].cause, CAUSE_SCHEDULE);
    ck_assert_uint_eq(world_messages(&w, -1), 0);
}
END

TEST(a_look_sleeps_no_longer_than_until_the_next_run)
{
    AUTO(world) struct world w;

    world_init(&w, TIMES);

    AUTO(timetable) struct timetable *t = timetable_of(&w);

    (void)look(t, MONDAY);
    CHECK(look(t, MONDAY + 2 * HOUR - 30) <= MONDAY + 2 * HOUR);
}
END

TEST(drills_have_a_schedule_of_their_own)
{
    AUTO(world) struct world w;

    world_init(&w, TIMES "    drill: '0 5 * * *'\n");

    AUTO(arena) struct arena a = {0};
    AUTO(timetable) struct timetable *t = timetable_of(&w);
    struct catalog_job_list jobs;

    (void)look(t, MONDAY);
    (void)look(t, MONDAY + 2 * HOUR);
    (void)look(t, MONDAY + 5 * HOUR);
    ck_assert_uint_eq(queued(&w, &a, &jobs), 2);
    CHECK(jobs.items[0].kind == RUN_BACKUP && jobs.items[1].kind == RUN_DRILL);
}
END

TEST(each_repository_of_a_set_is_checked_by_the_schedule_and_told_of_when_that_never_succeeds)
{
    static const struct {
        const char *check, *arguments;
    } rows[] = {
        {"'0 4 * * *'", "{\"repository\":\"main\"}"},
        {"{cron: '0 4 * * *', read_data: true}", "{\"repository\":\"main\",\"read_data\":true}"},
        {"{cron: '0 4 * * *', read_data: 10%}",
         "{\"repository\":\"main\",\"read_data_subset\":\"10%\"}"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(world) struct world w;
        AUTO(arena) struct arena a = {0};
        AUTO(buf) struct buf text = {0};
        AUTO(catalog_tx) struct catalog_tx *tx = NULL;
        struct catalog_job_list jobs;

        buf_printf(&text, "    check: %s\n    schedule: {cron: '0 0 1 1 *', timezone: UTC}\n",
                   rows[i].check);
        world_init(&w, buf_string(&text));

        AUTO(timetable) struct timetable *t = timetable_of(&w);

        (void)look(t, MONDAY);
        (void)look(t, MONDAY + 4 * HOUR);
        (void)look(t, MONDAY + 4 * HOUR + 1);
        ck_assert_uint_eq(queued(&w, &a, &jobs), 1);
        ck_assert_int_eq((int)jobs.items[0].kind, RUN_CHECK);
        ck_assert_str_eq(jobs.items[0].arguments, rows[i].arguments);

        /* One that found no damage keeps the alarm away; after two days without one it is told. */
        CHECK_OK(catalog_begin(w.catalog, &tx, e));
        CHECK_OK(catalog_store_put(
            tx,
            &(struct catalog_store){
                .name = "main", .state = "up", .seen_ns = 1, .bytes = -1, .snapshots = -1},
            e));
        CHECK_OK(catalog_store_check(tx, "main", (MONDAY + 28 * HOUR) * NS_PER_S, e));
        CHECK_OK(catalog_commit(&tx, e));
        (void)look(t, MONDAY + 28 * HOUR);
        (void)look(t, MONDAY + 52 * HOUR);
        ck_assert_uint_eq(world_messages(&w, OUTBOX_WAITING), 0);
        (void)look(t, MONDAY + 76 * HOUR);
        (void)look(t, MONDAY + 76 * HOUR + 1);
        ck_assert_uint_eq(world_messages(&w, OUTBOX_WAITING), 2);
    }
}
END

TEST(each_of_many_sets_has_its_own_runs)
{
    enum { OTHERS = 20 };
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    AUTO(buf) struct buf text = {0};
    struct catalog_job_list jobs;

    buf_printf(&text, TIMES);
    for (int i = 0; i < OTHERS; i++)
        buf_printf(&text,
                   "  wiki%d: {repositories: [main], sources: [{sqlite: {path: /a}}],"
                   " schedule: {cron: '0 2 * * *', timezone: UTC}}\n",
                   i);
    world_init(&w, buf_string(&text));

    AUTO(timetable) struct timetable *t = timetable_of(&w);

    (void)look(t, MONDAY);
    (void)look(t, MONDAY + 2 * HOUR);
    (void)look(t, MONDAY + 2 * HOUR + 1);
    ck_assert_uint_eq(queued(&w, &a, &jobs), OTHERS + 1);
    for (size_t i = 0; i < timetable_count(t); i++) {
        const struct timetable_next n = timetable_next(t, i, MONDAY);
        size_t found = 0;

        for (size_t k = 0; k < jobs.count; k++)
            found += strcmp(jobs.items[k].set, n.set) == 0;
        ck_assert_uint_eq(found, 1);
        ck_assert_int_eq(n.begins_s[0], MONDAY + 2 * HOUR);
    }
}
END

TEST(what_comes_next_is_told_of_every_schedule)
{
    AUTO(world) struct world w;

    world_init(&w, TIMES "    drill: '0 5 * * 0'\n    check: '0 4 * * *'\n");

    AUTO(timetable) struct timetable *t = timetable_of(&w);
    struct timetable_next n;

    ck_assert_uint_eq(timetable_count(t), 3);
    n = timetable_next(t, 0, MONDAY + 2 * HOUR);
    CHECK(n.kind == RUN_BACKUP && n.repository == NULL && n.count == TIMETABLE_NEXT);
    for (int i = 0; i < TIMETABLE_NEXT; i++)
        ck_assert_int_eq(n.begins_s[i], MONDAY + 26 * HOUR + 24 * i * HOUR);
    n = timetable_next(t, 1, MONDAY);
    CHECK(n.kind == RUN_DRILL && n.begins_s[0] == MONDAY + (6 * 24 + 5) * HOUR);
    n = timetable_next(t, 2, MONDAY);
    CHECK(n.kind == RUN_CHECK && n.begins_s[0] == MONDAY + 4 * HOUR);
    ck_assert_str_eq(n.repository, "main");
}
END

TEST(what_was_missed_is_made_up_for_and_told_once)
{
    AUTO(world) struct world w;

    world_init(&w, TIMES);

    AUTO(arena) struct arena a = {0};
    AUTO(timetable) struct timetable *t = timetable_of(&w);
    struct catalog_job_list jobs;

    (void)look(t, MONDAY);
    (void)look(t, MONDAY + 12 * HOUR);
    (void)look(t, MONDAY + 12 * HOUR + 60);
    ck_assert_uint_eq(queued(&w, &a, &jobs), 1);
    ck_assert_int_eq((int)jobs.items[0].cause, CAUSE_CATCH_UP);
    ck_assert_uint_eq(world_messages(&w, OUTBOX_WAITING), 2); /* one for each channel */
}
END

TEST(a_set_without_success_for_too_long_is_told_once)
{
    AUTO(world) struct world w;

    world_init(&w, TIMES);

    AUTO(timetable) struct timetable *t = timetable_of(&w);

    (void)look(t, MONDAY);
    for (int day = 0; day < 3; day++)
        for (int n = 0; n < 4; n++)
            (void)look(t, MONDAY + day * 24 * HOUR + 2 * HOUR + n);
    ck_assert_uint_eq(world_messages(&w, OUTBOX_WAITING), 2);
}
END

TEST(a_clock_that_was_years_off_keeps_no_schedule_from_going_on)
{
    static const int64_t wrong[] = {-5 * 8766 * HOUR, 10 * 8766 * HOUR};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        AUTO(world) struct world w;

        world_init(&w, TIMES);

        AUTO(arena) struct arena a = {0};
        AUTO(timetable) struct timetable *t = timetable_of(&w);
        struct catalog_job_list jobs;

        /* Right, wrong, and right again: each night has its run. */
        (void)look(t, MONDAY);
        (void)look(t, MONDAY + 2 * HOUR);
        ck_assert_uint_eq(queued(&w, &a, &jobs), 1);
        (void)look(t, MONDAY + wrong[i]);
        for (int n = 0; n <= 24; n++)
            (void)look(t, MONDAY + wrong[i] + n * HOUR);

        const size_t before = queued(&w, &a, &jobs);

        (void)look(t, MONDAY + 12 * HOUR);
        for (int n = 12; n <= 36; n++)
            (void)look(t, MONDAY + n * HOUR);
        ck_assert_uint_eq(before, i == 0 ? 2 : 3);
        ck_assert_uint_eq(queued(&w, &a, &jobs), before + 1);
    }
}
END

TEST(a_run_is_queued_also_when_no_more_messages_may_wait)
{
    AUTO(world) struct world w;

    world_init(&w, TIMES);

    AUTO(arena) struct arena a = {0};
    AUTO(timetable) struct timetable *t = timetable_of(&w);
    struct catalog_job_list jobs;
    int64_t wake_s = 0;

    (void)look(t, MONDAY);
    world_fill_outbox(&w);
    CHECK_ERR(timetable_look(t, MONDAY + 12 * HOUR, &wake_s, e), ERR_TRANSIENT);
    ck_assert_uint_eq(queued(&w, &a, &jobs), 1);
    (void)look(t, MONDAY + 12 * HOUR + 1); /* it was told, if to nobody but the log */
}
END

TEST(a_set_that_is_paused_queues_nothing)
{
    AUTO(world) struct world w;

    world_init(&w, TIMES);

    AUTO(arena) struct arena a = {0};
    AUTO(timetable) struct timetable *t = timetable_of(&w);
    struct catalog_job_list jobs;
    struct catalog_tx *tx = NULL;

    (void)look(t, MONDAY);
    CHECK_OK(catalog_begin(w.catalog, &tx, e));
    CHECK_OK(catalog_set_pause(tx, "shop", "moving house", e));
    CHECK_OK(catalog_commit(&tx, e));
    (void)look(t, MONDAY + 2 * HOUR);
    ck_assert_uint_eq(queued(&w, &a, &jobs), 0);
}
END

TESTS("job timetable", schedules_of_sets_of_other_hosts_are_left_to_them,
      a_scheduled_backup_is_queued_once_however_many_services_look,
      a_look_sleeps_no_longer_than_until_the_next_run, drills_have_a_schedule_of_their_own,
      each_repository_of_a_set_is_checked_by_the_schedule_and_told_of_when_that_never_succeeds,
      each_of_many_sets_has_its_own_runs, what_comes_next_is_told_of_every_schedule,
      what_was_missed_is_made_up_for_and_told_once, a_set_without_success_for_too_long_is_told_once,
      a_clock_that_was_years_off_keeps_no_schedule_from_going_on,
      a_run_is_queued_also_when_no_more_messages_may_wait, a_set_that_is_paused_queues_nothing)
