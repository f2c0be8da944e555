#include "support/test.h"

#include <stdlib.h>

#include "base/clock.h"

#define MOMENT (INT64_C(1795260600) * NS_PER_S) /* 2026-11-21T11:30:00Z */

static int64_t parsed(const char *text)
{
    int64_t t = 0;

    CHECK_OK(clock_parse(text, &t, e));
    return t;
}

TEST(the_test_clock_starts_at_the_given_time_and_goes_on)
{
    clock_set_for_tests(MOMENT);

    const int64_t first = clock_now_ns();
    const int64_t second = clock_now_ns();

    CHECK(first >= MOMENT && first < MOMENT + 10 * NS_PER_S);
    CHECK(second >= first);
    clock_set_for_tests(0);
    CHECK(clock_now_ns() != first);
    CHECK(clock_monotonic_ns() <= clock_monotonic_ns());
}

TEST(times_before_and_after_1970_format_and_parse_back)
{
    static const int64_t times[] = {0,
                                    1,
                                    -1,
                                    -NS_PER_S,
                                    MOMENT + 123456789,
                                    951782400 * NS_PER_S,
                                    INT64_C(-9000000000) * NS_PER_S + 5};
    char text[CLOCK_TEXT_MAX];

    clock_format(-1, text);
    ck_assert_str_eq(text, "1969-12-31T23:59:59.999999999Z");
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        clock_format(times[i], text);
        ck_assert_int_eq(parsed(text), times[i]);
    }
}

TEST(offsets_and_fractions_of_rfc_3339_are_honoured)
{
    ck_assert_int_eq(parsed("2026-11-21T11:30:00Z"), MOMENT);
    ck_assert_int_eq(parsed("2026-11-21t12:30:00+01:00"), MOMENT);
    ck_assert_int_eq(parsed("2026-11-21 06:00:00.5-05:30"), MOMENT + NS_PER_S / 2);
    ck_assert_int_eq(parsed("2026-11-21T11:30:00.000000001z"), MOMENT + 1);
}

TEST(times_without_an_offset_are_in_the_process_time_zone)
{
    setenv("TZ", "Europe/Berlin", 1);

    char text[CLOCK_TEXT_MAX];

    ck_assert_int_eq(parsed("2026-11-21 12:30"), MOMENT);
    ck_assert_int_eq(parsed("2026-11-21 12:30:00"), MOMENT);
    ck_assert_int_eq(parsed("2026-11-21"), MOMENT - 45000 * NS_PER_S);
    ck_assert_int_eq(parsed("2026-07-01 02:00"), parsed("2026-07-01T00:00:00Z"));
    clock_format_local(MOMENT, text);
    ck_assert_str_eq(text, "2026-11-21 12:30:00");
}

TEST(what_is_no_time_is_refused)
{
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11",
        "2026-13-01",
        "2026-02-29",
        "2026-00-10",
        "2026-11-21T",
        "2026-11-21 24:00",
        "2026-11-21 12:60",
        "2026-11-21 12:30Z",
        "2026-11-21T12:30:00.Z",
        "2026-11-21T12:30:00.1",
        "2026-11-21T12:30:00.1234567890Z",
        "2026-11-21T12:30:00+0100",
        "2026-11-21T12:30:00Zx",
        "2026-11-21x",
        "1600-01-01",
        "2300-01-01",
        "+026-11-21",
    };
    int64_t t = 7;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(clock_parse(bad[i], &t, e), ERR_USAGE);
    CHECK(t == 7);
    CHECK_OK(clock_parse("2024-02-29", &t, e));
}

TEST(iso_weeks_at_the_turn_of_the_year_belong_to_the_year_of_their_thursday)
{
    static const struct {
        const char *text;
        int year, week;
    } rows[] = {
        {"2026-01-01T12:00:00Z", 2026, 1},  {"2027-01-01T12:00:00Z", 2026, 53},
        {"2024-12-30T12:00:00Z", 2025, 1},  {"2023-01-01T12:00:00Z", 2022, 52},
        {"2020-12-31T12:00:00Z", 2020, 53}, {"2021-01-04T12:00:00Z", 2021, 1},
        {"2026-11-21T11:30:00Z", 2026, 47},
    };

    setenv("TZ", "UTC", 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct calendar c = {0};

        clock_calendar(parsed(rows[i].text), &c);
        ck_assert_int_eq(c.iso_year, rows[i].year);
        ck_assert_int_eq(c.iso_week, rows[i].week);
    }
}

TEST(calendar_fields_read_back_and_carry_over)
{
    setenv("TZ", "America/New_York", 1);

    struct calendar c = {0};

    clock_calendar(MOMENT, &c);
    CHECK(c.year == 2026 && c.month == 11 && c.day == 21 && c.hour == 6 && c.minute == 30);
    ck_assert_int_eq(clock_from_calendar(&c), MOMENT);
    c.month -= 12;
    c.day -= 21;
    clock_calendar(clock_from_calendar(&c), &c);
    CHECK(c.year == 2025 && c.month == 10 && c.day == 31 && c.hour == 6);
    c.year = 1027;
    CHECK(clock_from_calendar(&c) == INT64_MIN);
    c.year = 9999;
    CHECK(clock_from_calendar(&c) == INT64_MAX);
}

TEST(timespecs_read_back_and_saturate)
{
    const struct timespec before = clock_to_timespec(-1);

    CHECK(before.tv_sec == -1 && before.tv_nsec == NS_PER_S - 1);
    CHECK(clock_from_timespec(before) == -1);
    CHECK(clock_from_timespec(clock_to_timespec(INT64_MIN)) == INT64_MIN);
    CHECK(clock_from_timespec(clock_to_timespec(INT64_MAX)) == INT64_MAX);
    CHECK(clock_from_timespec((struct timespec){.tv_sec = INT64_MAX / 2}) == INT64_MAX);
    CHECK(clock_from_timespec((struct timespec){.tv_sec = INT64_MIN / 2}) == INT64_MIN);
}

TESTS("clock", the_test_clock_starts_at_the_given_time_and_goes_on,
      times_before_and_after_1970_format_and_parse_back,
      offsets_and_fractions_of_rfc_3339_are_honoured,
      times_without_an_offset_are_in_the_process_time_zone, what_is_no_time_is_refused,
      iso_weeks_at_the_turn_of_the_year_belong_to_the_year_of_their_thursday,
      calendar_fields_read_back_and_carry_over, timespecs_read_back_and_saturate)
