#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "repo/repo.h"
#include "support/test.h"

/* The reasons of each snapshot, "-" where it goes; ';' between them. */
struct world {
    struct snapshot *snapshots[16];
    struct keep_reasons reasons[16];
    size_t count;
    char text[1000];
};

static void world_auto(struct world *w)
{
    for (size_t i = 0; i < w->count; i++)
        snapshot_free(w->snapshots[i]);
}

/* Times newest first, ',' between them, each with tags behind '#' if any. */
static void world_fill(struct world *w, const char *times)
{
    while (*times != '\0') {
        AUTO(mem) char *one = mem_dup(times, strcspn(times, ","));
        struct snapshot *s = snapshot_new();
        char *tag = strchr(one, '#');

        while (tag != NULL) {
            *tag++ = '\0';

            char *next = strchr(tag, '#');
            AUTO(mem) char *name = mem_dup(tag, strcspn(tag, "#"));

            snapshot_add_tag(s, name);
            tag = next;
        }
        CHECK_OK(clock_parse(one, &s->time_ns, e));
        w->snapshots[w->count++] = s;
        times += strcspn(times, ",");
        times += *times == ',';
    }
}

static const char *apply(struct world *w, const char *zone, const struct retention *rules,
                         const char *times)
{
    size_t used = 0;

    setenv("TZ", zone, 1);
    world_fill(w, times);
    retention_apply(rules, w->snapshots, w->count, w->reasons);
    w->text[0] = '\0';
    for (size_t i = 0; i < w->count; i++) {
        const struct keep_reasons *k = &w->reasons[i];

        CHECK(k->is_kept == (k->text[0] != '\0'));
        used += (size_t)snprintf(w->text + used, sizeof(w->text) - used, "%s%s", i > 0 ? ";" : "",
                                 k->is_kept ? k->text : "-");
    }
    return w->text;
}

struct example {
    const char *zone;
    struct retention rules;
    const char *times;
    const char *wanted;
};

static void check_examples(const struct example *all, size_t count)
{
    clock_set_for_tests(INT64_C(1900000000) * NS_PER_S); /* in 2030 */
    for (size_t i = 0; i < count; i++) {
        AUTO(world) struct world w = {0};
        const char *found = apply(&w, all[i].zone, &all[i].rules, all[i].times);

        ck_assert_msg(strcmp(found, all[i].wanted) == 0, "example %zu: %s", i, found);
    }
}

#define CHECK_EXAMPLES(all) check_examples(all, sizeof(all) / sizeof((all)[0]))

TEST(newest_snapshots_are_kept_up_to_the_count)
{
    static const struct example all[] = {
        {"UTC", {.last = 2}, "2026-01-03,2026-01-02,2026-01-01", "last snapshot;last snapshot;-"},
        {"UTC", {.last = 9}, "2026-01-02,2026-01-01", "last snapshot;last snapshot"},
        {"UTC", {.last = -1}, "2026-01-02,2026-01-01", "last snapshot;last snapshot"},
        {"UTC", {.last = 1}, "", ""},
    };

    CHECK_EXAMPLES(all);
}
END

TEST(newest_of_each_period_is_kept)
{
    static const struct example all[] = {
        {"UTC",
         {.hourly = 2},
         "2026-01-01 12:59:59,2026-01-01 12:00:00,2026-01-01 10:30:00,2026-01-01 09:00:00",
         "hourly snapshot;-;hourly snapshot;-"},
        {"UTC",
         {.daily = 2},
         "2026-01-05 23:59:59,2026-01-05 00:00:00,2026-01-03 12:00:00,2026-01-02 00:00:00",
         "daily snapshot;-;daily snapshot;-"},
        {"UTC",
         {.monthly = 2},
         "2026-03-31,2026-03-01,2025-03-31,2025-02-28",
         "monthly snapshot;-;monthly snapshot;-"},
        {"UTC", {.yearly = 1}, "2026-12-31,2026-01-01,2025-12-31", "yearly snapshot;-;-"},
    };

    CHECK_EXAMPLES(all);
}
END

TEST(weeks_are_those_of_iso_8601)
{
    static const struct example all[] = {
        /* Friday 2027-01-01 is in week 53 of 2026, like Monday 2026-12-28; Sunday the 27th is not.
         */
        {"UTC",
         {.weekly = 2},
         "2027-01-03,2027-01-01,2026-12-28,2026-12-27,2026-12-20",
         "weekly snapshot;-;-;weekly snapshot;-"},
        /* Monday 2024-12-30 is in week 1 of 2025; week 1 of 2024 is another one. */
        {"UTC",
         {.weekly = 3},
         "2025-01-01,2024-12-30,2024-12-29,2024-01-01,2023-12-31",
         "weekly snapshot;-;weekly snapshot;weekly snapshot;-"},
    };

    CHECK_EXAMPLES(all);
}
END

TEST(periods_are_those_of_the_time_zone)
{
    static const struct example all[] = {
        {"UTC",
         {.daily = 2},
         "2026-06-02T03:00:00Z,2026-06-01T23:00:00Z,2026-06-01T05:00:00Z",
         "daily snapshot;daily snapshot;-"},
        {"America/New_York",
         {.daily = 2},
         "2026-06-02T03:00:00Z,2026-06-01T23:00:00Z,2026-06-01T05:00:00Z,2026-06-01T03:00:00Z",
         "daily snapshot;-;-;daily snapshot"},
        /* The day of 23 hours, and the hour 2 that it lacks. */
        {"Europe/Berlin",
         {.hourly = -1},
         "2026-03-29T01:30:00Z,2026-03-29T00:30:00Z,2026-03-28T23:30:00Z",
         "hourly snapshot;hourly snapshot;hourly snapshot"},
        /* The hour that the clock shows twice counts once, as with restic. */
        {"Europe/Berlin",
         {.hourly = 2},
         "2026-10-25T01:30:00Z,2026-10-25T00:30:00Z,2026-10-24T23:30:00Z,2026-10-24T22:30:00Z",
         "hourly snapshot;-;hourly snapshot;-"},
        {"Europe/Berlin",
         {.daily = 2},
         "2026-10-25T22:30:00Z,2026-10-24T22:30:00Z,2026-10-24T21:30:00Z,2026-10-23T10:00:00Z",
         "daily snapshot;-;daily snapshot;-"},
    };

    CHECK_EXAMPLES(all);
}
END

TEST(oldest_snapshot_fills_a_rule_that_is_not_used_up)
{
    static const struct example all[] = {
        {"UTC",
         {.daily = 3},
         "2026-01-02 12:00,2026-01-01 20:00,2026-01-01 10:00",
         "daily snapshot;daily snapshot;oldest daily snapshot"},
        {"UTC",
         {.daily = 2},
         "2026-01-02 12:00,2026-01-01 20:00,2026-01-01 10:00",
         "daily snapshot;daily snapshot;-"},
        {"UTC",
         {.yearly = -1},
         "2026-03-03,2026-02-02,2026-01-01",
         "yearly snapshot;-;oldest yearly snapshot"},
        {"UTC",
         {.weekly = 5, .monthly = 5},
         "2026-01-08,2026-01-07,2026-01-06",
         "weekly snapshot, monthly snapshot;-;oldest weekly snapshot, oldest monthly snapshot"},
        {"UTC", {.daily = 1}, "2026-01-01", "daily snapshot"},
    };

    CHECK_EXAMPLES(all);
}
END

TEST(within_is_measured_back_from_the_newest_snapshot)
{
    static const struct example all[] = {
        {"UTC",
         {.within = {.days = 7}},
         "2026-01-10,2026-01-04,2026-01-03,2026-01-02",
         "within 7d;within 7d;-;-"},
        {"UTC",
         {.within = {.years = 2, .months = 5, .days = 7, .hours = 3}},
         "2026-06-08 03:00,2024-01-01 00:01,2024-01-01 00:00,2023-12-31",
         "within 2y5m7d3h;within 2y5m7d3h;-;-"},
        /* One month before the last of March is the third of it: February has no 31st. */
        {"UTC",
         {.within = {.months = 1}},
         "2026-03-31,2026-03-04,2026-03-03",
         "within 1m;within 1m;-"},
        {"UTC",
         {.within = {.years = 1}},
         "2024-02-29,2023-03-02,2023-03-01",
         "within 1y;within 1y;-"},
        /* A day back over the change of the clocks is 23 hours, and 24 hours are not. */
        {"Europe/Berlin",
         {.within = {.days = 1}},
         "2026-03-29 12:00,2026-03-28 12:30,2026-03-28 11:30",
         "within 1d;within 1d;-"},
        {"Europe/Berlin",
         {.within = {.hours = 24}},
         "2026-03-29 12:00,2026-03-28 11:30,2026-03-28 10:30",
         "within 24h;within 24h;-"},
        /* From the second half past two, which the calendar takes for the first. */
        {"Europe/Berlin",
         {.within = {.hours = 1}},
         "2026-10-25T01:30:00Z,2026-10-25T00:45:00Z,2026-10-25T00:15:00Z",
         "within 1h;within 1h;-"},
        {"UTC",
         {.within = {.years = 4000000000}},
         "2026-01-02,1700-01-01",
         "within 4000000000y;within 4000000000y"},
        {"UTC",
         {.within = {.hours = 4000000000}},
         "2026-01-02,1700-01-01",
         "within 4000000000h;within 4000000000h"},
    };

    CHECK_EXAMPLES(all);
}
END

TEST(within_of_a_period_keeps_its_newest)
{
    static const struct example all[] = {
        {"UTC",
         {.within_daily = {.days = 7}},
         "2026-01-10 12:00,2026-01-10 11:00,2026-01-09 10:00,2026-01-03 13:00,2026-01-03 "
         "11:00,2026-01-01",
         "daily within 7d;-;daily within 7d;daily within 7d;-;-"},
        {"UTC",
         {.within_monthly = {.years = 1}},
         "2026-01-10,2026-01-09,2026-01-08",
         "monthly within 1y;-;oldest monthly within 1y"},
        {"UTC",
         {.within_hourly = {.hours = 2},
          .within_weekly = {.days = 1},
          .within_yearly = {.days = 1}},
         "2026-01-10 12:10,2026-01-10 12:00,2026-01-10 11:00,2026-01-01",
         "hourly within 2h, weekly within 1d, yearly within 1d;-;hourly within 2h;-"},
    };

    CHECK_EXAMPLES(all);
}
END

TEST(snapshot_from_the_future_makes_no_other_old)
{
    static const struct example all[] = {
        {"UTC",
         {.within = {.days = 1}},
         "2099-01-01,2026-01-02,2026-01-01 12:00,2025-12-31",
         "within 1d;within 1d;within 1d;-"},
        {"UTC", {.within = {.days = 1}}, "2099-01-01,2050-01-01", "within 1d;within 1d"},
    };

    CHECK_EXAMPLES(all);
}
END

TEST(tags_keep_whatever_the_counts_say)
{
    static const char *const one[] = {"x"};
    static const char *const both[] = {"x,y", "z"};
    static const struct example all[] = {
        {"UTC",
         {.last = 1, .keep_tags = one, .keep_tag_count = 1},
         "2026-01-03,2026-01-02#x,2026-01-01#y",
         "last snapshot;has tag x;-"},
        {"UTC",
         {.keep_tags = both, .keep_tag_count = 2},
         "2026-01-04#x,2026-01-03#y#x,2026-01-02#z,2026-01-01",
         "-;has tag x,y;has tag z;-"},
    };

    CHECK_EXAMPLES(all);
}
END

TEST(rules_are_or_ed_and_each_counts_for_itself)
{
    static const struct example all[] = {
        {"UTC",
         {.last = 2, .daily = 2, .monthly = 2},
         "2026-02-02 12:00,2026-02-02 11:00,2026-02-02 10:00,2026-02-01,2026-01-31,2026-01-30",
         "last snapshot, daily snapshot, monthly snapshot;last snapshot;-;daily snapshot;"
         "monthly snapshot;-"},
        {"UTC",
         {.within = {.days = 1}, .last = 1},
         "2026-01-02,2026-01-01 12:00,2025-01-01",
         "within 1d, last snapshot;within 1d;-"},
    };

    CHECK_EXAMPLES(all);
}
END

TEST(no_rule_keeps_all)
{
    static const struct example all[] = {
        {"UTC", {0}, "2026-01-02,2026-01-01", "no rule is given;no rule is given"},
    };

    CHECK_EXAMPLES(all);
    CHECK(retention_is_empty(&(struct retention){0}));
    CHECK(!retention_is_empty(&(struct retention){.yearly = -1}));
    CHECK(!retention_is_empty(&(struct retention){.within_yearly = {.hours = 1}}));
    CHECK(!retention_is_empty(&(struct retention){.keep_tag_count = 1}));
}
END

TEST(reasons_that_do_not_fit_are_cut)
{
    AUTO(buf) struct buf tag = {0};
    AUTO(world) struct world w = {0};

    for (int i = 0; i < 200; i++)
        buf_append(&tag, "\xe2\x82\xac", 3);

    const char *const tags[] = {buf_string(&tag), buf_string(&tag)};

    world_fill(&w, "2026-01-01");
    snapshot_add_tag(w.snapshots[0], tags[0]);
    retention_apply(&(struct retention){.keep_tags = tags, .keep_tag_count = 2}, w.snapshots, 1,
                    w.reasons);
    CHECK(w.reasons[0].is_kept && strlen(w.reasons[0].text) > sizeof(w.reasons[0].text) - 4);
    CHECK(utf8_is_valid(slice_string(w.reasons[0].text)));
}
END

TESTS("retention", newest_snapshots_are_kept_up_to_the_count, newest_of_each_period_is_kept,
      weeks_are_those_of_iso_8601, periods_are_those_of_the_time_zone,
      oldest_snapshot_fills_a_rule_that_is_not_used_up,
      within_is_measured_back_from_the_newest_snapshot, within_of_a_period_keeps_its_newest,
      snapshot_from_the_future_makes_no_other_old, tags_keep_whatever_the_counts_say,
      rules_are_or_ed_and_each_counts_for_itself, no_rule_keeps_all,
      reasons_that_do_not_fit_are_cut)
