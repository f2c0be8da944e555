#include "support/test.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "codec/civil.h"
#include "codec/zone.h"

static struct zone *open_zone(const char *name)
{
    struct zone *z = NULL;

    CHECK_OK(zone_open(name, NULL, &z, e));
    return z;
}

/* Seconds since 1970 of a date and time as they stand there. */
static int64_t at(int year, int month, int day, int hour, int minute)
{
    return civil_to_days((struct civil){year, month, day}) * CIVIL_DAY_S + hour * 3600 +
           minute * 60;
}

static void check_answer(const struct zone *z, int64_t local, enum zone_fit fit, int64_t first,
                         int64_t last)
{
    const struct zone_answer a = zone_from_local(z, local);

    ck_assert_int_eq(a.fit, fit);
    ck_assert_int_eq(a.first, first);
    ck_assert_int_eq(a.last, last);
}

TEST(days_count_from_1970_through_leap_years_and_before_it)
{
    int64_t day = civil_to_days((struct civil){1599, 12, 31});

    CHECK(civil_to_days((struct civil){1970, 1, 1}) == 0 && civil_weekday(0) == 4);
    CHECK(civil_to_days((struct civil){2000, 3, 1}) == 11017);
    CHECK(civil_day_of(-1) == -1 && civil_day_of(86399) == 0 && civil_day_of(-86400) == -1);
    for (int year = 1600; year < 2401; year++)
        for (int month = 1; month <= 12; month++)
            for (int i = 1; i <= civil_days_in_month(year, month); i++) {
                const struct civil c = civil_from_days(++day);

                CHECK(c.year == year && c.month == month && c.day == i);
                CHECK(civil_to_days(c) == day);
            }
    CHECK(civil_weekday(civil_to_days((struct civil){2026, 11, 21})) == 6);
    CHECK(civil_weekday(civil_to_days((struct civil){1969, 12, 28})) == 0);
}
END

TEST(hour_left_out_in_berlin_is_answered_with_its_end)
{
    AUTO(zone) struct zone *z = open_zone("Europe/Berlin");
    const int64_t change = at(2026, 3, 29, 1, 0);

    check_answer(z, at(2026, 3, 29, 1, 59), ZONE_ONCE, change - 60, change - 60);
    check_answer(z, at(2026, 3, 29, 2, 0), ZONE_NEVER, change, change);
    check_answer(z, at(2026, 3, 29, 2, 59), ZONE_NEVER, change, change);
    check_answer(z, at(2026, 3, 29, 3, 0), ZONE_ONCE, change, change);
}
END

TEST(hour_shown_twice_in_berlin_has_two_moments)
{
    AUTO(zone) struct zone *z = open_zone("Europe/Berlin");

    check_answer(z, at(2026, 10, 25, 1, 59), ZONE_ONCE, at(2026, 10, 24, 23, 59),
                 at(2026, 10, 24, 23, 59));
    check_answer(z, at(2026, 10, 25, 2, 0), ZONE_TWICE, at(2026, 10, 25, 0, 0),
                 at(2026, 10, 25, 1, 0));
    check_answer(z, at(2026, 10, 25, 2, 59), ZONE_TWICE, at(2026, 10, 25, 0, 59),
                 at(2026, 10, 25, 1, 59));
    check_answer(z, at(2026, 10, 25, 3, 0), ZONE_ONCE, at(2026, 10, 25, 2, 0),
                 at(2026, 10, 25, 2, 0));
}
END

TEST(half_an_hour_changes_on_lord_howe)
{
    AUTO(zone) struct zone *z = open_zone("Australia/Lord_Howe");

    /* 5 April 2026: +11 to +10:30 at 02:00; 4 October: back at 02:00. */
    check_answer(z, at(2026, 4, 5, 1, 45), ZONE_TWICE, at(2026, 4, 4, 14, 45),
                 at(2026, 4, 4, 15, 15));
    check_answer(z, at(2026, 10, 4, 2, 15), ZONE_NEVER, at(2026, 10, 3, 15, 30),
                 at(2026, 10, 3, 15, 30));
    check_answer(z, at(2026, 10, 4, 2, 30), ZONE_ONCE, at(2026, 10, 3, 15, 30),
                 at(2026, 10, 3, 15, 30));
}
END

TEST(day_left_out_on_samoa_is_answered_with_the_next)
{
    AUTO(zone) struct zone *z = open_zone("Pacific/Apia");
    const int64_t change = at(2011, 12, 30, 10, 0);

    check_answer(z, at(2011, 12, 30, 12, 0), ZONE_NEVER, change, change);
    check_answer(z, at(2011, 12, 31, 0, 0), ZONE_ONCE, change, change);
}
END

TEST(offsets_that_are_no_whole_hours_and_zones_without_summer_are_known)
{
    AUTO(zone) struct zone *kathmandu = open_zone("Asia/Kathmandu");
    AUTO(zone) struct zone *casablanca = open_zone("Africa/Casablanca");
    AUTO(zone) struct zone *utc = open_zone("UTC");

    ck_assert_int_eq(zone_span_at(kathmandu, at(2026, 1, 1, 0, 0)).offset_s, 20700);
    /* Ramadan 2026: UTC+0 from 15 February to 22 March. */
    ck_assert_int_eq(zone_span_at(casablanca, at(2026, 2, 14, 12, 0)).offset_s, 3600);
    ck_assert_int_eq(zone_span_at(casablanca, at(2026, 3, 1, 12, 0)).offset_s, 0);
    ck_assert_int_eq(zone_span_at(casablanca, at(2026, 3, 23, 12, 0)).offset_s, 3600);
    CHECK(zone_span_at(utc, 0).offset_s == 0 && zone_span_at(utc, 0).begin == INT64_MIN &&
          zone_span_at(utc, 0).end == INT64_MAX);
}
END

TEST(rule_at_the_end_of_the_file_goes_on_after_2037)
{
    AUTO(zone) struct zone *york = open_zone("America/New_York");
    AUTO(zone) struct zone *sydney = open_zone("Australia/Sydney");
    const int64_t change = at(2147, 3, 12, 7, 0); /* the second Sunday */

    ck_assert_int_eq(zone_span_at(york, change - 1).offset_s, -5 * 3600);
    ck_assert_int_eq(zone_span_at(york, change).offset_s, -4 * 3600);
    ck_assert_int_eq(zone_span_at(york, change - 1).end, change);
    ck_assert_int_eq(zone_span_at(sydney, at(2200, 1, 1, 0, 0)).offset_s, 11 * 3600);
    ck_assert_int_eq(zone_span_at(sydney, at(2200, 7, 1, 0, 0)).offset_s, 10 * 3600);
}
END

static int32_t offset_by_rule(const char *rule, int64_t moment)
{
    AUTO(zone) struct zone *z = NULL;

    CHECK_OK(zone_parse(rule, &z, e));
    return zone_span_at(z, moment).offset_s;
}

TEST(rules_in_posix_form_are_read)
{
    ck_assert_int_eq(offset_by_rule("<+0330>-3:30", 0), 12600);
    ck_assert_int_eq(offset_by_rule("EST5EDT,M3.2.0,M11.1.0", at(2026, 7, 1, 0, 0)), -14400);
    /* J60 is 1 March in every year, 59 in leap years the 29 February. */
    ck_assert_int_eq(offset_by_rule("AAA0BBB,J60/0,J300/0", at(2024, 2, 29, 23, 59)), 0);
    ck_assert_int_eq(offset_by_rule("AAA0BBB,J60/0,J300/0", at(2024, 3, 1, 0, 0)), 3600);
    ck_assert_int_eq(offset_by_rule("AAA0BBB,59/0,300/0", at(2024, 2, 29, 0, 0)), 3600);
    /* Summer time all year (RFC 8536), and hours before midnight. */
    ck_assert_int_eq(offset_by_rule("XXX3EDT4,0/0,J365/23", at(2026, 1, 1, 3, 0)), -14400);
    ck_assert_int_eq(offset_by_rule("XXX3EDT4,0/0,J365/23", at(2026, 12, 31, 23, 59)), -14400);
    ck_assert_int_eq(offset_by_rule("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", at(2026, 3, 29, 0, 59)),
                     -7200);
    ck_assert_int_eq(offset_by_rule("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", at(2026, 3, 29, 1, 0)),
                     -3600);
}
END

TEST(texts_that_are_no_rule_are_refused)
{
    static const char *const bad[] = {
        "",
        "A",
        "AB1",
        "ABC",
        "ABC25",
        "<ABC1",
        "ABC1DEF",
        "ABC1DEF,",
        "ABC1DEF,M3.2.0",
        "ABC1DEF,M13.1.0,M1.1.0",
        "ABC1DEF,M1.6.0,M1.1.0",
        "ABC1DEF,M1.1.7,M1.1.0",
        "ABC1DEF,J0,J1",
        "ABC1DEF,366,1",
        "ABC1DEF,1/168,2",
        "ABC1:60",
        "ABC1 ",
        "ABC1DEF,1,2x",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO(zone) struct zone *z = NULL;

        CHECK_ERR(zone_parse(bad[i], &z, e), ERR_USAGE);
        ck_assert_ptr_null(z);
    }
}
END

TEST(names_that_lead_elsewhere_or_nowhere_are_refused)
{
    static const char *const bad[] = {"",        "/etc/passwd", "../passwd",    "Europe/../UTC",
                                      "Europe/", "/Berlin",     "Europe//Rome", "Europe/Ber lin",
                                      ".",       "tzdata.zi",   "-x",           "Europe/-x",
                                      "a\nb",    "Berlin\\x"};
    char longest[ZONE_NAME_MAX + 2];
    AUTO(zone) struct zone *z = NULL;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(zone_open(bad[i], NULL, &z, e), ERR_USAGE);
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    CHECK_ERR(zone_open(longest, NULL, &z, e), ERR_USAGE);
    CHECK_ERR(zone_open("Europe/Atlantis", NULL, &z, e), ERR_NOT_FOUND);
    CHECK_ERR(zone_open("Europe", NULL, &z, e), ERR_NOT_FOUND);
    CHECK_ERR(zone_open("Europe/Berlin", "/nowhere", &z, e), ERR_NOT_FOUND);
    ck_assert_ptr_null(z);
}
END

TEST(zone_of_the_machine_follows_the_variable_tz)
{
    static const struct {
        const char *tz;
        int32_t offset_s;
    } rows[] = {{"Asia/Kathmandu", 20700},
                {":Asia/Kathmandu", 20700},
                {"", 0},
                {"/usr/share/zoneinfo/Asia/Tokyo", 32400},
                {"JST-9", 32400}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK(setenv("TZ", rows[i].tz, 1) == 0);

        AUTO(zone) struct zone *z = open_zone("local");

        ck_assert_int_eq(zone_span_at(z, at(2026, 1, 1, 0, 0)).offset_s, rows[i].offset_s);
    }

    AUTO(zone) struct zone *none = NULL;

    CHECK(setenv("TZ", "No/Where", 1) == 0);
    CHECK_ERR(zone_open("local", NULL, &none, e), ERR_USAGE);
    CHECK(unsetenv("TZ") == 0);
    CHECK_OK(zone_open("local", NULL, &none, e));
}
END

static void take_file(const char *name, struct buf *out)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s/%s", ZONE_FOLDER, name);
    CHECK_OK(file_read(buf_string(&path), ZONE_FILE_MAX, out, e));
}

TEST(file_that_is_cut_anywhere_is_refused)
{
    AUTO(buf) struct buf bytes = {0};

    take_file("Europe/Berlin", &bytes);
    for (size_t size = 0; size < bytes.size; size++) {
        AUTO(zone) struct zone *z = NULL;

        CHECK_ERR(zone_read(SLICE_OF(bytes.data, size), &z, e), ERR_CORRUPT);
        ck_assert_ptr_null(z);
    }
}
END

TEST(file_with_a_flipped_bit_is_refused_or_gives_offsets_within_limits)
{
    AUTO(buf) struct buf bytes = {0};
    size_t refused = 0;

    take_file("Europe/Lisbon", &bytes);
    for (size_t bit = 0; bit < bytes.size * 8; bit++) {
        AUTO(zone) struct zone *z = NULL;
        struct err e;

        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (!zone_read(buf_slice(&bytes), &z, &e)) {
            CHECK(e.code == ERR_CORRUPT);
            refused++;
        } else {
            const struct zone_answer a = zone_from_local(z, at(2026, 3, 29, 1, 30));

            CHECK(a.first <= a.last && llabs(a.first - at(2026, 3, 29, 1, 30)) < 3 * CIVIL_DAY_S);
        }
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    CHECK(refused > 500);
}
END

TEST(files_of_version_1_with_leap_seconds_or_too_many_changes_are_refused)
{
    AUTO(buf) struct buf bytes = {0};
    AUTO(zone) struct zone *z = NULL;

    take_file("UTC", &bytes);
    bytes.data[4] = 0;
    CHECK_ERR(zone_read(buf_slice(&bytes), &z, e), ERR_CORRUPT);
    bytes.data[4] = '2';
    CHECK_OK(zone_read(buf_slice(&bytes), &z, e));
    bytes.size = ZONE_FILE_MAX + 1; /* only the size is looked at */
    CHECK_ERR(zone_read(buf_slice(&bytes), &z, e), ERR_CORRUPT);
    bytes.size = 0;
    buf_append(&bytes, "TZif2", 5);
    memset(buf_extend(&bytes, 39), 0, 39);
    buf_append(&bytes, "TZif2", 5);
    memset(buf_extend(&bytes, 39), 0, 39);
    bytes.data[44 + 34] = 0x40; /* 16384 changes */
    bytes.data[44 + 39] = 1;
    memset(buf_extend(&bytes, 40000), 0, 40000);
    CHECK_ERR(zone_read(buf_slice(&bytes), &z, e), ERR_CORRUPT);
}
END

TESTS("zone", days_count_from_1970_through_leap_years_and_before_it,
      hour_left_out_in_berlin_is_answered_with_its_end, hour_shown_twice_in_berlin_has_two_moments,
      half_an_hour_changes_on_lord_howe, day_left_out_on_samoa_is_answered_with_the_next,
      offsets_that_are_no_whole_hours_and_zones_without_summer_are_known,
      rule_at_the_end_of_the_file_goes_on_after_2037, rules_in_posix_form_are_read,
      texts_that_are_no_rule_are_refused, names_that_lead_elsewhere_or_nowhere_are_refused,
      zone_of_the_machine_follows_the_variable_tz, file_that_is_cut_anywhere_is_refused,
      file_with_a_flipped_bit_is_refused_or_gives_offsets_within_limits,
      files_of_version_1_with_leap_seconds_or_too_many_changes_are_refused)
