/*
 * Dates of the Gregorian calendar as numbers of days, without any time zone.
 */
#ifndef CODEC_CIVIL_H
#define CODEC_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

#define CIVIL_DAY_S INT64_C(86400)

struct civil {
    int64_t year;
    int month, day; /* from 1 */
};

/* Days since 1970-01-01; the date exists.  Years from -1000000 to 1000000. */
int64_t civil_to_days(struct civil c);
struct civil civil_from_days(int64_t days);

/* The day on which a moment in seconds since 1970 lies, also before 1970. */
int64_t civil_day_of(int64_t seconds);

/* 0 is Sunday. */
int civil_weekday(int64_t days);

bool civil_is_leap_year(int64_t year);
int civil_days_in_month(int64_t year, int month);

#endif
