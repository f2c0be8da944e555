#include <stdint.h>

#include "base/clock.h"
#include "base/text.h"

bool duration_is_zero(const struct duration *d)
{
    return d->years == 0 && d->months == 0 && d->days == 0 && d->hours == 0;
}

int64_t duration_before(int64_t time_ns, const struct duration *d)
{
    const uint32_t most = 100 * 366 * 24; /* in any unit; in hours it is a century */
    int64_t result = time_ns;
    int64_t hours_ns = 0;

    if (d->years > most || d->months > most || d->days > most)
        return INT64_MIN;
    /* Only then, for an hour that the clock shows twice does not survive the calendar. */
    if (d->years > 0 || d->months > 0 || d->days > 0) {
        struct calendar c;
        const int64_t fraction = (time_ns % NS_PER_S + NS_PER_S) % NS_PER_S;

        clock_calendar(time_ns, &c);
        c.year -= (int)d->years;
        c.month -= (int)d->months;
        c.day -= (int)d->days;
        if (__builtin_add_overflow(clock_from_calendar(&c), fraction, &result))
            return INT64_MIN;
    }
    if (__builtin_mul_overflow((int64_t)d->hours, 3600 * NS_PER_S, &hours_ns) ||
        __builtin_sub_overflow(result, hours_ns, &result))
        return INT64_MIN;
    return result;
}
