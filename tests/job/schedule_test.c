#include "support/test.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "job/job.h"

#define HOUR 3600
#define DAY  (24 * HOUR)

/* 2026-01-05, a Monday, in UTC. */
#define MONDAY INT64_C(1767571200)

static struct schedule_entry entry(const char *cron, const struct zone *z)
{
    struct schedule_entry s = {.id = "shop", .zone = z, .since_s = MONDAY};

    CHECK_OK(cron_parse(cron, &s.cron, e));
    return s;
}

static struct zone *zone_of(const char *name)
{
    struct zone *z = NULL;

    CHECK_OK(zone_open(name, NULL, &z, e));
    return z;
}

static struct schedule_plan *plan_one(const struct schedule_entry *s, int64_t now)
{
    return schedule_plan_new(s, 1, now);
}

TEST(run_is_due_at_its_moment_and_not_before_and_not_again)
{
    AUTO(zone) struct zone *z = zone_of("UTC");
    struct schedule_entry s = entry("0 2 * * *", z);
    AUTO(schedule_plan) struct schedule_plan *before = plan_one(&s, MONDAY + 2 * HOUR - 1);
    AUTO(schedule_plan) struct schedule_plan *due = plan_one(&s, MONDAY + 2 * HOUR);

    CHECK(before->run_count == 0 && before->outcomes[0].next_s == MONDAY + 2 * HOUR);
    CHECK(before->wake_s == MONDAY + 2 * HOUR && before->outcomes[0].last_s == 0);
    CHECK(due->run_count == 1 && !due->runs[0].is_missed);
    CHECK(due->runs[0].moment_s == MONDAY + 2 * HOUR);
    ck_assert_str_eq(due->runs[0].key, "shop@1767578400");
    CHECK(due->outcomes[0].next_s == MONDAY + 26 * HOUR);
    s.last_s = due->outcomes[0].last_s;

    AUTO(schedule_plan) struct schedule_plan *again = plan_one(&s, MONDAY + 2 * HOUR);

    CHECK(again->run_count == 0 && again->outcomes[0].last_s == s.last_s);
    CHECK(again->wake_s == MONDAY + 2 * HOUR + SCHEDULE_LOOK_S);
}
END

TEST(moments_before_it_was_in_force_are_not_its)
{
    AUTO(zone) struct zone *z = zone_of("UTC");
    struct schedule_entry s = entry("0 2 * * *", z);

    s.since_s = MONDAY + 2 * HOUR;

    AUTO(schedule_plan) struct schedule_plan *p = plan_one(&s, MONDAY + 3 * HOUR);

    CHECK(p->run_count == 0 && p->outcomes[0].missed == 0);
}
END

TEST(run_that_is_a_little_late_is_not_missed)
{
    AUTO(zone) struct zone *z = zone_of("UTC");
    struct schedule_entry s = entry("0 2 * * *", z);

    s.missed = MISSED_SKIP;

    AUTO(schedule_plan)
    struct schedule_plan *late = plan_one(&s, MONDAY + 2 * HOUR + SCHEDULE_LATE_S);
    AUTO(schedule_plan)
    struct schedule_plan *missed = plan_one(&s, MONDAY + 2 * HOUR + SCHEDULE_LATE_S + 1);

    CHECK(late->run_count == 1 && late->outcomes[0].missed == 0);
    CHECK(missed->run_count == 0 && missed->outcomes[0].missed == 1);
    CHECK(missed->outcomes[0].dropped == 1 && missed->outcomes[0].last_s == MONDAY + 2 * HOUR);
}
END

/* Runs and dropped ones after three days without the daemon, with the fourth due or not. */
static void check_policy(enum run_missed missed, bool is_due, size_t runs, int dropped)
{
    AUTO(zone) struct zone *z = zone_of("UTC");
    struct schedule_entry s = entry("0 2 * * *", z);

    s.missed = missed;

    AUTO(schedule_plan)
    struct schedule_plan *p = plan_one(&s, MONDAY + 2 * DAY + (is_due ? 26 : 25) * HOUR);

    ck_assert_uint_eq(p->run_count, runs);
    ck_assert_int_eq(p->outcomes[0].missed, 3);
    ck_assert_int_eq(p->outcomes[0].dropped, dropped);
    CHECK(p->outcomes[0].last_s == MONDAY + 2 * DAY + (is_due ? 26 : 2) * HOUR);
    for (size_t i = 1; i < p->run_count; i++)
        CHECK(p->runs[i].moment_s > p->runs[i - 1].moment_s);
}

TEST(missed_runs_are_made_up_for_as_the_policy_says)
{
    check_policy(MISSED_ONCE, false, 1, 2);
    check_policy(MISSED_ONCE, true, 1, 3); /* the one that is due does as well */
    check_policy(MISSED_SKIP, false, 0, 3);
    check_policy(MISSED_SKIP, true, 1, 3);
    check_policy(MISSED_ALL, false, 3, 0);
    check_policy(MISSED_ALL, true, 4, 0);
}
END

TEST(years_without_power_are_not_years_of_work)
{
    AUTO(zone) struct zone *z = zone_of("UTC");
    struct schedule_entry s = entry("* * * * *", z);

    s.missed = MISSED_ALL;

    AUTO(schedule_plan) struct schedule_plan *p = plan_one(&s, MONDAY + 3000 * (int64_t)DAY);

    /* Those of the last minutes are due, and as many as may be are made up for. */
    CHECK(p->run_count == SCHEDULE_LATE_S / 60 + 1 + SCHEDULE_CATCH_UP_MAX);
    CHECK(p->outcomes[0].missed == SCHEDULE_MISSED_MAX);
    CHECK(p->outcomes[0].last_s == MONDAY + 3000 * (int64_t)DAY);
}
END

TEST(delayed_run_begins_within_its_jitter_and_in_order)
{
    AUTO(zone) struct zone *z = zone_of("UTC");
    struct schedule_entry s = entry("*/5 * * * *", z);
    int64_t last = 0;
    bool is_delayed = false;

    s.jitter_s = 30 * HOUR; /* cut to less than the five minutes */
    for (int64_t moment = MONDAY; moment < MONDAY + DAY; moment += 300) {
        const int64_t begin = schedule_begin(&s, moment);

        CHECK(begin >= moment && begin <= moment + 240 && begin > last);
        is_delayed |= begin > moment + 120;
        last = begin;
    }
    CHECK(is_delayed);
    s = entry("0 2 * * *", z);
    s.jitter_s = HOUR;

    const int64_t begin = schedule_begin(&s, MONDAY + 2 * HOUR);
    AUTO(schedule_plan) struct schedule_plan *before = plan_one(&s, begin - 1);
    AUTO(schedule_plan) struct schedule_plan *due = plan_one(&s, begin);

    CHECK(before->run_count == 0 && before->outcomes[0].next_s == begin && before->wake_s == begin);
    CHECK(due->run_count == 1 && due->runs[0].moment_s == MONDAY + 2 * HOUR);
}
END

TEST(alarm_comes_when_nothing_succeeded_for_twice_the_usual_time)
{
    AUTO(zone) struct zone *z = zone_of("UTC");
    struct schedule_entry s = entry("0 2 * * *", z);

    s.alarm_factor = SCHEDULE_ALARM_FACTOR;
    s.last_s = s.last_success_s = MONDAY + 2 * HOUR;

    AUTO(schedule_plan) struct schedule_plan *quiet = plan_one(&s, MONDAY + 50 * HOUR - 1);
    AUTO(schedule_plan) struct schedule_plan *alarm = plan_one(&s, MONDAY + 50 * HOUR);

    CHECK(!quiet->outcomes[0].is_alarm && quiet->wake_s == MONDAY + 50 * HOUR);
    CHECK(alarm->outcomes[0].is_alarm && alarm->outcomes[0].alarm_s == MONDAY + 50 * HOUR);
    s.last_success_s = 0; /* never: from when it came into force */

    AUTO(schedule_plan) struct schedule_plan *never = plan_one(&s, MONDAY + 48 * HOUR);

    CHECK(never->outcomes[0].is_alarm);
    s.alarm_factor = 0;

    AUTO(schedule_plan) struct schedule_plan *off = plan_one(&s, MONDAY + 100 * DAY);

    CHECK(!off->outcomes[0].is_alarm && off->outcomes[0].alarm_s == INT64_MAX);
}
END

TEST(usual_time_of_working_days_reaches_over_the_week_end)
{
    AUTO(zone) struct zone *z = zone_of("UTC");
    struct schedule_entry s = entry("0 2 * * 1-5", z);

    for (int i = 0; i < 14; i++)
        ck_assert_int_eq(schedule_interval(&s, MONDAY + i * (int64_t)DAY), 3 * DAY);
    s = entry("@hourly", z);
    ck_assert_int_eq(schedule_interval(&s, MONDAY), HOUR);
    s = entry("0 0 29 2 *", z);
    CHECK(schedule_interval(&s, MONDAY) >= 4 * 365 * (int64_t)DAY);
}
END

TEST(clock_that_goes_back_repeats_nothing_and_stops_nothing)
{
    AUTO(zone) struct zone *z = zone_of("UTC");
    struct schedule_entry s = entry("0 * * * *", z);

    s.last_s = MONDAY + 10 * HOUR;

    /* By hours: what was done is not done again. */
    AUTO(schedule_plan) struct schedule_plan *back = plan_one(&s, MONDAY + 8 * HOUR);

    CHECK(back->run_count == 0 && back->outcomes[0].last_s == s.last_s);
    CHECK(back->outcomes[0].next_s == MONDAY + 11 * HOUR);
    /* By a year: the clock was wrong, and the schedule goes on from here. */
    s.last_s = MONDAY + 365 * (int64_t)DAY;
    s.last_success_s = s.last_s;
    s.alarm_factor = 2;

    AUTO(schedule_plan) struct schedule_plan *year = plan_one(&s, MONDAY + 8 * HOUR + 60);

    CHECK(year->run_count == 0 && year->outcomes[0].last_s == MONDAY + 8 * HOUR + 60);
    CHECK(year->outcomes[0].next_s == MONDAY + 9 * HOUR && !year->outcomes[0].is_alarm);
    s.last_s = year->outcomes[0].last_s;

    AUTO(schedule_plan) struct schedule_plan *next = plan_one(&s, MONDAY + 9 * HOUR);

    CHECK(next->run_count == 1);
}
END

TEST(schedule_made_by_a_clock_that_was_ahead_comes_into_force)
{
    AUTO(zone) struct zone *z = zone_of("UTC");
    struct schedule_entry s = entry("0 * * * *", z);

    s.since_s = MONDAY + 365 * (int64_t)DAY;

    AUTO(schedule_plan) struct schedule_plan *first = plan_one(&s, MONDAY + 60);

    CHECK(first->run_count == 0 && first->outcomes[0].last_s == MONDAY + 60);
    s.last_s = first->outcomes[0].last_s;

    AUTO(schedule_plan) struct schedule_plan *due = plan_one(&s, MONDAY + HOUR);

    CHECK(due->run_count == 1);
}
END

TEST(several_schedules_are_decided_at_once_the_earliest_moment_first)
{
    AUTO(zone) struct zone *z = zone_of("UTC");
    struct schedule_entry all[] = {entry("5 2 * * *", z), entry("0 2 * * *", z),
                                   entry("0 0 1 1 *", z)};
    AUTO(schedule_plan)
    struct schedule_plan *p = schedule_plan_new(all, 3, MONDAY + 2 * HOUR + 300);
    AUTO(schedule_plan) struct schedule_plan *none = schedule_plan_new(NULL, 0, MONDAY);

    CHECK(p->run_count == 2 && p->runs[0].entry == 1 && p->runs[1].entry == 0);
    CHECK(none->run_count == 0 && none->wake_s == MONDAY + SCHEDULE_LOOK_S);
}
END

/* Whole years */

static uint64_t chance_state;

static int64_t chance(int64_t limit)
{
    chance_state = chance_state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((chance_state >> 33) % (uint64_t)limit);
}

/* Let two years pass, woken when the plan says; every moment is run, once, in order. */
static void check_years(const char *cron, const char *zone, int64_t jitter_s)
{
    AUTO(zone) struct zone *z = zone_of(zone);
    struct schedule_entry s = entry(cron, z);
    int64_t wanted = MONDAY;
    int64_t wakes = 0;

    s.jitter_s = jitter_s;
    for (int64_t now = MONDAY; now < MONDAY + 730 * (int64_t)DAY; wakes++) {
        AUTO(schedule_plan) struct schedule_plan *p = plan_one(&s, now);

        for (size_t i = 0; i < p->run_count; i++) {
            CHECK(cron_next(&s.cron, z, wanted, &wanted));
            ck_assert_int_eq(p->runs[i].moment_s, wanted);
            ck_assert_int_eq(schedule_begin(&s, wanted), now);
            CHECK(!p->runs[i].is_missed);
        }
        CHECK(p->wake_s > now && p->wake_s <= now + SCHEDULE_LOOK_S);
        /* Look less often than it asks for, but for what it waits for, to save the test's time. */
        now = p->outcomes[0].next_s;
        CHECK(p->outcomes[0].missed == 0 && now > p->outcomes[0].last_s);
        s.last_s = p->outcomes[0].last_s;
    }
    CHECK(wanted > MONDAY + 725 * (int64_t)DAY && wakes > 20);
}

TEST(in_two_years_every_moment_runs_once)
{
    check_years("30 2 * * *", "Europe/Berlin", 0);
    check_years("30 2 * * *", "Europe/Berlin", HOUR);
    check_years("0 * * * *", "Australia/Lord_Howe", 600);
    check_years("15 */6 * * *", "Africa/Casablanca", 0);
    check_years("0 1 * * 0", "America/New_York", 3 * DAY);
    check_years("0 0 1,15 * *", "Asia/Kathmandu", DAY);
}
END

TEST(whatever_the_clock_does_no_key_comes_twice_and_runs_go_on)
{
    AUTO(zone) struct zone *z = zone_of("Europe/Berlin");

    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct schedule_entry s = entry("0 */3 * * *", z);
        int64_t now = MONDAY;
        int64_t highest = now;
        int64_t latest = 0;
        int runs = 0;

        chance_state = seed;
        s.missed = (enum run_missed)chance(3);
        s.jitter_s = chance(2) * 1200;
        for (int step = 0; step < 2000; step++) {
            AUTO(schedule_plan) struct schedule_plan *p = plan_one(&s, now);
            const int64_t next = p->wake_s - now;

            for (size_t i = 0; i < p->run_count; i++) {
                CHECK(p->runs[i].moment_s > latest && p->runs[i].moment_s <= now);
                latest = p->runs[i].moment_s;
                runs++;
            }
            CHECK(p->outcomes[0].last_s >= s.last_s);
            s.last_s = p->outcomes[0].last_s;
            switch (chance(40)) {
            case 0: /* asleep */
                now += chance(20 * DAY);
                break;
            case 1: /* set back, or forth */
                now += chance(2 * SCHEDULE_BACK_MAX_S) - SCHEDULE_BACK_MAX_S;
                if (now < highest - SCHEDULE_BACK_MAX_S)
                    now = highest - SCHEDULE_BACK_MAX_S;
                break;
            default:
                now += next;
            }
            highest = now > highest ? now : highest;
        }
        ck_assert_int_gt(runs, 20);
    }
}
END

TESTS("schedule", run_is_due_at_its_moment_and_not_before_and_not_again,
      moments_before_it_was_in_force_are_not_its, run_that_is_a_little_late_is_not_missed,
      missed_runs_are_made_up_for_as_the_policy_says, years_without_power_are_not_years_of_work,
      delayed_run_begins_within_its_jitter_and_in_order,
      alarm_comes_when_nothing_succeeded_for_twice_the_usual_time,
      usual_time_of_working_days_reaches_over_the_week_end,
      clock_that_goes_back_repeats_nothing_and_stops_nothing,
      schedule_made_by_a_clock_that_was_ahead_comes_into_force,
      several_schedules_are_decided_at_once_the_earliest_moment_first,
      in_two_years_every_moment_runs_once,
      whatever_the_clock_does_no_key_comes_twice_and_runs_go_on)
