/*
 * Time.  The only file that asks the kernel for it, so that tests can set it.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"

#define NS_PER_S INT64_C(1000000000)

/* Nanoseconds since 1970, UTC. */
int64_t clock_now_ns(void);

/* Nanoseconds since some moment in the past; never goes back. */
int64_t clock_monotonic_ns(void);

/* The same, and the time for which the machine sleeps counts. */
int64_t clock_boot_ns(void);

/* Let clock_now_ns() start at this time and go on from there; 0 returns to the real one. */
void clock_set_for_tests(int64_t now_ns);

/* The kernel's form of a time and back; what 64 bits of nanoseconds cannot hold becomes the
 * nearest that they can. */
struct timespec clock_to_timespec(int64_t time_ns);
int64_t clock_from_timespec(struct timespec t);

/* RFC 3339 in UTC with nine digits and "Z", as in "2026-11-21T01:30:00.000000000Z". */
#define CLOCK_TEXT_MAX 40
void clock_format(int64_t time_ns, char *out);

/* "2026-11-21 01:30:00" in the process's time zone. */
void clock_format_local(int64_t time_ns, char *out);

/*
 * RFC 3339 (any offset), or in the process's time zone "2026-11-21", "2026-11-21 01:30"
 * and "2026-11-21 01:30:00".  ERR_USAGE otherwise.
 */
MUST_CHECK bool clock_parse(const char *text, int64_t *time_ns, struct err *e);

/* Calendar fields in the process's time zone. */
struct calendar {
    int year, month, day, hour, minute, second; /* month and day from 1 */
    int iso_year, iso_week;                     /* ISO 8601 */
};
void clock_calendar(int64_t time_ns, struct calendar *out);

/* The moment of calendar fields (iso_* ignored, out of range values carried over). */
int64_t clock_from_calendar(const struct calendar *c);

#endif
