#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "codec/cron.h"

/* Moments are written in RFC 3339. */
static int64_t moment(const char *text)
{
    int64_t ns = 0;

    CHECK_OK(clock_parse(text, &ns, e));
    return ns / NS_PER_S;
}

/* The moments after begin, one by one, are those of the list; then back again from behind the
 * last one. */
static void check_moments(const char *expression, const char *zone, const char *begin,
                          const char *const *wanted)
{
    AUTO(zone) struct zone *z = NULL;
    struct cron c;
    int64_t at = moment(begin);
    size_t count = 0;

    CHECK_OK(cron_parse(expression, &c, e));
    CHECK_OK(zone_open(zone, NULL, &z, e));
    for (; wanted[count] != NULL; count++) {
        char text[CLOCK_TEXT_MAX];

        CHECK(cron_next(&c, z, at, &at));
        clock_format(at * NS_PER_S, text);
        ck_assert_msg(at == moment(wanted[count]), "%s: %s instead of %s", expression, text,
                      wanted[count]);
    }
    at++;
    while (count-- > 0) {
        CHECK(cron_previous(&c, z, at, &at));
        ck_assert_msg(at == moment(wanted[count]), "back from %s", wanted[count]);
    }
}

#define CHECK_MOMENTS(expression, zone, begin, ...) \
    check_moments((expression), (zone), (begin), (const char *const[]){__VA_ARGS__, NULL})

TEST(fields_are_lists_of_values_ranges_and_steps)
{
    CHECK_MOMENTS("5,40-50/5 */12 1 jan *", "UTC", "2025-12-31T23:59:00Z", "2026-01-01T00:05:00Z",
                  "2026-01-01T00:40:00Z", "2026-01-01T00:45:00Z", "2026-01-01T00:50:00Z",
                  "2026-01-01T12:05:00Z");
    CHECK_MOMENTS("0 0 31 * *", "UTC", "2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z",
                  "2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z");
    CHECK_MOMENTS("  59\t23 28-31 Feb *  ", "UTC", "2027-03-01T00:00:00Z", "2028-02-28T23:59:00Z",
                  "2028-02-29T23:59:00Z", "2029-02-28T23:59:00Z");
}
END

TEST(sunday_is_0_and_7_and_may_end_a_week)
{
    static const char *const same[] = {"0 0 * * 0",   "0 0 * * 7",   "0 0 * * sun",
                                       "0 0 * * SUN", "0 0 * * 7-7", "@weekly"};

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        CHECK_MOMENTS(same[i], "UTC", "2026-11-21T12:00:00Z", "2026-11-22T00:00:00Z",
                      "2026-11-29T00:00:00Z");
    CHECK_MOMENTS("0 0 * * fri-sun", "UTC", "2026-11-19T00:00:00Z", "2026-11-20T00:00:00Z",
                  "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z", "2026-11-27T00:00:00Z");
    CHECK_MOMENTS("0 0 * * 5-7", "UTC", "2026-11-22T00:00:00Z", "2026-11-27T00:00:00Z");
    CHECK_MOMENTS("0 0 * * */7", "UTC", "2026-11-19T00:00:00Z", "2026-11-22T00:00:00Z",
                  "2026-11-29T00:00:00Z");
}
END

TEST(day_of_month_or_day_of_week_is_enough_unless_one_begins_with_a_star)
{
    CHECK_MOMENTS("0 0 13 * 5", "UTC", "2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z",
                  "2026-11-20T00:00:00Z", "2026-11-27T00:00:00Z", "2026-12-04T00:00:00Z",
                  "2026-12-11T00:00:00Z", "2026-12-13T00:00:00Z");
    /* As Vixie's cron has it: a step is a star, and then both have to fit. */
    CHECK_MOMENTS("0 0 */10 * 5", "UTC", "2026-11-06T00:00:00Z", "2026-12-11T00:00:00Z");
    CHECK_MOMENTS("0 0 31 2 mon", "UTC", "2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z");
}
END

TEST(names_stand_for_their_fields)
{
    CHECK_MOMENTS("@hourly", "UTC", "2026-11-21T01:30:00Z", "2026-11-21T02:00:00Z");
    CHECK_MOMENTS("@daily", "UTC", "2026-11-21T01:30:00Z", "2026-11-22T00:00:00Z");
    CHECK_MOMENTS("@midnight", "UTC", "2026-11-21T01:30:00Z", "2026-11-22T00:00:00Z");
    CHECK_MOMENTS("@monthly", "UTC", "2026-11-21T01:30:00Z", "2026-12-01T00:00:00Z");
    CHECK_MOMENTS("@yearly", "UTC", "2026-11-21T01:30:00Z", "2027-01-01T00:00:00Z");
    CHECK_MOMENTS("@annually", "UTC", "2026-11-21T01:30:00Z", "2027-01-01T00:00:00Z");
}
END

TEST(fixed_time_that_is_left_out_comes_once_behind_the_gap)
{
    CHECK_MOMENTS("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", "2026-03-28T01:30:00Z",
                  "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z");
    CHECK_MOMENTS("0,30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z",
                  "2026-03-29T01:30:00Z", "2026-03-30T00:00:00Z");
    CHECK_MOMENTS("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", "2026-03-08T07:00:00Z",
                  "2026-03-09T06:30:00Z");
    CHECK_MOMENTS("15 2 * * *", "Australia/Lord_Howe", "2026-10-02T15:50:00Z",
                  "2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z");
    CHECK_MOMENTS("30 2 * * *", "Africa/Casablanca", "2026-03-21T12:00:00Z", "2026-03-22T02:00:00Z",
                  "2026-03-23T01:30:00Z");
    CHECK_MOMENTS("0 10 * * *", "Pacific/Apia", "2011-12-29T20:30:00Z", "2011-12-30T10:00:00Z",
                  "2011-12-30T20:00:00Z");
}
END

TEST(fixed_time_that_is_shown_twice_comes_the_first_time_only)
{
    CHECK_MOMENTS("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z",
                  "2026-10-26T01:30:00Z");
    /* Also when asked in between, and for lists. */
    CHECK_MOMENTS("15,45 2 * * *", "Europe/Berlin", "2026-10-25T00:20:00Z", "2026-10-25T00:45:00Z",
                  "2026-10-26T01:15:00Z");
    CHECK_MOMENTS("30 1 * * *", "America/New_York", "2026-11-01T05:31:00Z", "2026-11-02T06:30:00Z");
    CHECK_MOMENTS("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z",
                  "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z");
}
END

TEST(starred_hour_or_minute_follows_the_clock)
{
    CHECK_MOMENTS("30 * * * *", "Europe/Berlin", "2026-10-24T23:00:00Z", "2026-10-24T23:30:00Z",
                  "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z");
    CHECK_MOMENTS("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T00:30:00Z",
                  "2026-03-29T01:30:00Z");
    CHECK_MOMENTS("*/30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:00:00Z",
                  "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z",
                  "2026-10-26T01:00:00Z");
    CHECK_MOMENTS("*/30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:00:00Z");
    CHECK_MOMENTS("15 * * * *", "Australia/Lord_Howe", "2026-10-03T14:30:00Z",
                  "2026-10-03T14:45:00Z", "2026-10-03T16:15:00Z");
}
END

TEST(zones_count_their_own_days_also_after_2038)
{
    CHECK_MOMENTS("0 0 * * *", "Asia/Kathmandu", "2026-01-01T00:00:00Z", "2026-01-01T18:15:00Z");
    CHECK_MOMENTS("0 12 1 7 *", "America/New_York", "2040-01-01T00:00:00Z", "2040-07-01T16:00:00Z",
                  "2041-07-01T16:00:00Z");
    CHECK_MOMENTS("30 2 * * *", "Europe/Berlin", "2100-03-27T12:00:00Z", "2100-03-28T01:00:00Z");
}
END

TEST(leap_days_are_waited_for_across_a_century)
{
    CHECK_MOMENTS("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z");
    /* Sundays only: 2032, 2060, 2088, and after 2100 not before 2128. */
    CHECK_MOMENTS("0 0 29 2 */7", "UTC", "2032-03-01T00:00:00Z", "2060-02-29T00:00:00Z",
                  "2088-02-29T00:00:00Z", "2128-02-29T00:00:00Z");
}
END

TEST(time_that_a_zone_leaves_out_whenever_it_would_come_never_comes)
{
    AUTO(zone) struct zone *z = NULL;
    struct cron c;
    int64_t out = 7;

    /* The last Sunday of February skips from 02:00 to 03:00, and a 29 February is its last. */
    CHECK_OK(zone_parse("AAA0BBB,M2.5.0,M10.5.0", &z, e));
    CHECK_OK(cron_parse("*/15 2 29 2 */7", &c, e));
    CHECK(!cron_next(&c, z, moment("2026-01-01T00:00:00Z"), &out) && out == 7);
    CHECK(!cron_previous(&c, z, moment("2026-01-01T00:00:00Z"), &out) && out == 7);
}
END

TEST(sentence_about_a_mistake_names_the_field)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"* * 32 * *", "field 3 (day of month): 32 is above 31"},
        {"* * 0 * *", "field 3 (day of month): 0 is below 1"},
        {"60 * * * *", "field 1 (minute): 60 is above 59"},
        {"99999999999999999999 * * * *", "field 1 (minute): \"99999999999999999999\" is no number"},
        {"* 24 * * *", "field 2 (hour): 24 is above 23"},
        {"* * * 13 *", "field 4 (month): 13 is above 12"},
        {"* * * mon *", "field 4 (month): \"mon\" is no number or name"},
        {"* * * * 8", "field 5 (day of week): 8 is above 7"},
        {"1, * * * *", "field 1 (minute): a value is missing"},
        {"1- * * * *", "field 1 (minute): a value is missing"},
        {"-1 * * * *", "field 1 (minute): a value is missing"},
        {"+1 * * * *", "field 1 (minute): \"+1\" is no number"},
        {"*5 * * * *", "field 1 (minute): \"*5\" is no number"},
        {"5-2 * * * *", "field 1 (minute): 5-2 goes backwards"},
        {"* * * * 5-0", "field 5 (day of week): 5-0 goes backwards"},
        {"*/0 * * * *", "field 1 (minute): a step is from 1 to 59, not \"0\""},
        {"*/60 * * * *", "field 1 (minute): a step is from 1 to 59, not \"60\""},
        {"5/2 * * * *", "field 1 (minute): a step follows * or a range, as in */2 or 5-59/2"},
        {"0 0 31 2 *", "field 3 (day of month): none of the months has such a day"},
        {"0 0 31 2,4,jun *", "field 3 (day of month): none of the months"},
        {"0 0 30 2 *", "field 3 (day of month): none of the months"},
        {"* * * *", "\"* * * *\" is no cron expression of five fields"},
        {"* * * * * *", "\"* * * * * *\" has more than five fields"},
        {"", "\"\" is no cron expression of five fields"},
        {"@reboot", "\"@reboot\" is none of @hourly"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cron c = {.minutes = 7};
        struct err e = {0};

        ck_assert_msg(!cron_parse(rows[i].text, &c, &e), "accepted %s", rows[i].text);
        CHECK(e.code == ERR_USAGE && c.minutes == 7);
        ck_assert_msg(strncmp(e.text, rows[i].wanted, strlen(rows[i].wanted)) == 0,
                      "%s\ninstead of\n%s", e.text, rows[i].wanted);
    }
}
END

TEST(expression_longer_than_anybody_writes_is_refused)
{
    char text[CRON_TEXT_MAX + 2];
    struct cron c;

    memset(text, ' ', sizeof(text));
    memcpy(text, "* * * * *", 9);
    text[CRON_TEXT_MAX + 1] = '\0';
    CHECK_ERR(cron_parse(text, &c, e), ERR_USAGE);
    text[CRON_TEXT_MAX] = '\0';
    CHECK_OK(cron_parse(text, &c, e));
}
END

TEST(delays_are_bounded_spread_and_the_same_again)
{
    int buckets[10] = {0};

    for (int i = 0; i < 10000; i++) {
        char id[20];

        (void)snprintf(id, sizeof(id), "set-%d", i);

        const int64_t delay = cron_delay(id, 1800000000, 999);

        CHECK(delay >= 0 && delay <= 999 && delay == cron_delay(id, 1800000000, 999));
        buckets[delay / 100]++;
    }
    for (int i = 0; i < 10; i++)
        CHECK(buckets[i] > 800 && buckets[i] < 1200);
    CHECK(cron_delay("a", 5, 0) == 0);
    CHECK(cron_delay("a", 1800000000, 1 << 30) != cron_delay("a", 1800086400, 1 << 30));
}
END

TESTS("cron", fields_are_lists_of_values_ranges_and_steps, sunday_is_0_and_7_and_may_end_a_week,
      day_of_month_or_day_of_week_is_enough_unless_one_begins_with_a_star,
      names_stand_for_their_fields, fixed_time_that_is_left_out_comes_once_behind_the_gap,
      fixed_time_that_is_shown_twice_comes_the_first_time_only,
      starred_hour_or_minute_follows_the_clock, zones_count_their_own_days_also_after_2038,
      leap_days_are_waited_for_across_a_century,
      time_that_a_zone_leaves_out_whenever_it_would_come_never_comes,
      sentence_about_a_mistake_names_the_field, expression_longer_than_anybody_writes_is_refused,
      delays_are_bounded_spread_and_the_same_again)
