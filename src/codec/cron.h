/*
 * Cron expressions: five fields (minute, hour, day of month, month, day of week), as Vixie's cron
 * reads them, and the moments that they name in a time zone.
 *
 * A field is a list of "*", "5", "1-5", where "*" and ranges may have a step, "*" "/15"; months and
 * days of the week also have names of three letters, and 7 is Sunday too.  "5/15" is refused:
 * programs read it differently.  Where both the day of month and the day of week are restricted,
 * either is enough; a field that begins with "*" restricts nothing in this sense, though both must
 * fit then.  Instead of fields: @hourly @daily @midnight @weekly @monthly @yearly @annually.
 *
 * Where the clocks are changed: an expression whose minute and hour are both fixed (neither begins
 * with "*") fires once for each local time that it names: at the first moment behind the gap when
 * the time is left out, and the first time only when it is shown twice.  Others follow the clock:
 * they do not fire in a gap, and fire both times.
 */
#ifndef CODEC_CRON_H
#define CODEC_CRON_H

#include "codec/zone.h"

#define CRON_TEXT_MAX 200

/* Longest that cron_next() looks ahead: a 29 February on a given day of the week returns after 28
 * years, or 40 across a century that is no leap year. */
#define CRON_YEARS_MAX 41

/* Sets as bits, the lowest value of the field being its number: bit 1 of days is the 1st. */
struct cron {
    uint64_t minutes;
    uint32_t hours, days, months, weekdays; /* bit 0 of weekdays is Sunday, bit 7 is clear */
    bool follows_clock;                     /* minute or hour begins with "*" */
    bool needs_both_days;                   /* else either the day or the weekday is enough */
};

/*
 * ERR_USAGE with the field at fault: "field 3 (day of month): 32 is above 31".  An expression that
 * can never fire, such as "0 0 31 2 *", is an error too.
 */
MUST_CHECK bool cron_parse(const char *text, struct cron *out, struct err *e);

/*
 * The first moment after the given one, and the last before it, in seconds since 1970.  False, with
 * *out unchanged, when there is none within CRON_YEARS_MAX: in zones that leave out the one local
 * time whenever it would come.  The given moment lies between the years 1800 and 9000.
 */
MUST_CHECK bool cron_next(const struct cron *c, const struct zone *z, int64_t after, int64_t *out);
MUST_CHECK bool cron_previous(const struct cron *c, const struct zone *z, int64_t before,
                              int64_t *out);

/*
 * How long after a moment it really begins, from 0 to max_s seconds: the same for the same id and
 * moment on every machine, and spread evenly over ids.
 */
int64_t cron_delay(const char *id, int64_t moment, int64_t max_s);

#endif
