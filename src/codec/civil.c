#include "codec/civil.h"

#include <assert.h>

/* The calendar repeats after 400 years; counted from 1 March, so that a leap day ends its year. */
#define DAYS_IN_400_YEARS 146097
#define DAYS_TO_1970      719468 /* from 0000-03-01 */

static int64_t divide_down(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t civil_to_days(struct civil c)
{
    const int64_t year = c.month > 2 ? c.year : c.year - 1;
    const int64_t era = divide_down(year, 400);
    const int64_t year_of_era = year - era * 400;
    /* Months from March have 31, 30, 31, 30, 31 days over and over: 153 in five. */
    const int64_t day_of_year =
        (153 * (c.month > 2 ? c.month - 3 : c.month + 9) + 2) / 5 + c.day - 1;

    assert(c.month >= 1 && c.month <= 12);
    return era * DAYS_IN_400_YEARS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
           day_of_year - DAYS_TO_1970;
}

struct civil civil_from_days(int64_t days)
{
    const int64_t shifted = days + DAYS_TO_1970;
    const int64_t era = divide_down(shifted, DAYS_IN_400_YEARS);
    const int64_t day_of_era = shifted - era * DAYS_IN_400_YEARS;
    /* 1460, 36524 and 146096: the last day of 4, 100 and 400 years, which leap days have moved. */
    const int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int month = (int)((5 * day_of_year + 2) / 153);
    struct civil c = {.year = year_of_era + era * 400,
                      .month = month < 10 ? month + 3 : month - 9,
                      .day = (int)(day_of_year - (153 * month + 2) / 5 + 1)};

    if (c.month <= 2)
        c.year++;
    return c;
}

int64_t civil_day_of(int64_t seconds)
{
    return divide_down(seconds, CIVIL_DAY_S);
}

int civil_weekday(int64_t days)
{
    /* 1970-01-01 was a Thursday. */
    return (int)(((days + 4) % 7 + 7) % 7);
}

bool civil_is_leap_year(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int civil_days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    assert(month >= 1 && month <= 12);
    return days[month - 1] + (month == 2 && civil_is_leap_year(year));
}
