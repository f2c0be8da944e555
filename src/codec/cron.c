#include "codec/cron.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"
#include "codec/civil.h"
#include "codec/hash.h"

struct field {
    const char *name;
    uint64_t first, last;
    const char *const *words; /* for first, first + 1, ...; ends with NULL */
};

static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                     "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

static const struct field fields[FIELDS] = {
    {"minute", 0, 59, NULL},  {"hour", 0, 23, NULL},           {"day of month", 1, 31, NULL},
    {"month", 1, 12, months}, {"day of week", 0, 7, weekdays},
};

static const struct {
    const char *name, *fields;
} names[] = {
    {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};

/* Parsing */

/* "5", "mon" */
static bool parse_value(const struct field *f, const char *text, uint64_t *out, struct err *e)
{
    for (uint64_t i = 0; f->words != NULL && f->words[i] != NULL; i++)
        if (strcasecmp(f->words[i], text) == 0) {
            *out = f->first + i;
            return true;
        }

    struct err ignored;
    uint64_t v = 0;

    if (text[0] == '\0')
        return err_set(e, ERR_USAGE, "a value is missing");
    if (strspn(text, "0123456789") != strlen(text) || !parse_u64(text, &v, &ignored))
        return err_set(e, ERR_USAGE, "\"%.40s\" is no number%s", text,
                       f->words == NULL ? "" : " or name");
    if (v < f->first)
        return err_set(e, ERR_USAGE, "%.40s is below %d", text, (int)f->first);
    if (v > f->last)
        return err_set(e, ERR_USAGE, "%.40s is above %d", text, (int)f->last);
    *out = v;
    return true;
}

static bool parse_step(const struct field *f, const char *text, uint64_t *out, struct err *e)
{
    struct err ignored;

    if (!parse_u64(text, out, &ignored) || *out == 0 || *out > f->last)
        return err_set(e, ERR_USAGE, "a step is from 1 to %d, not \"%.40s\"", (int)f->last, text);
    return true;
}

static bool parse_range(const struct field *f, char *text, uint64_t *low, uint64_t *high,
                        struct err *e)
{
    char *dash = strchr(text, '-');

    *dash++ = '\0';
    if (!parse_value(f, text, low, e) || !parse_value(f, dash, high, e))
        return false;
    /* The week may end with its Sunday: "fri-sun". */
    if (f->words == weekdays && *high == 0 && *low > 0 && dash[0] != '0')
        *high = 7;
    return *low <= *high || err_set(e, ERR_USAGE, "%.40s-%.40s goes backwards", text, dash);
}

/* "*", "5", "1-5", "*" and ranges with a step. */
static bool parse_item(const struct field *f, char *item, uint64_t *bits, struct err *e)
{
    char *step_text = strchr(item, '/');
    uint64_t low = f->first;
    uint64_t high = f->last;
    uint64_t step = 1;

    if (step_text != NULL) {
        *step_text++ = '\0';
        if (!parse_step(f, step_text, &step, e))
            return false;
    }
    if (strchr(item, '-') != NULL) {
        if (!parse_range(f, item, &low, &high, e))
            return false;
    } else if (strcmp(item, "*") == 0) {
        high -= f->words == weekdays; /* 7 is 0 again, and no step shall meet both */
    } else {
        if (!parse_value(f, item, &low, e))
            return false;
        if (step_text != NULL)
            return err_set(e, ERR_USAGE,
                           "a step follows * or a range, as in */%.20s or %.20s-%d/%.20s",
                           step_text, item, (int)f->last, step_text);
        high = low;
    }
    for (uint64_t v = low; v <= high; v += step)
        *bits |= UINT64_C(1) << v;
    return true;
}

static bool parse_field(int index, char *text, uint64_t *bits, struct err *e)
{
    const struct field *f = &fields[index];
    char *item;

    while ((item = strsep(&text, ",")) != NULL)
        if (!parse_item(f, item, bits, e))
            return err_wrap(e, "field %d (%s)", index + 1, f->name);
    return true;
}

/* Every date comes on every day of the week at some time. */
static bool can_fire(const struct cron *c)
{
    if (!c->needs_both_days && c->weekdays != 0)
        return true;
    for (int month = 1; month <= 12; month++)
        for (int day = 1; day <= civil_days_in_month(2000, month); day++)
            if ((c->months >> month & 1) != 0 && (c->days >> day & 1) != 0)
                return true;
    return false;
}

/* Split at blanks; five fields. */
static bool split(const char *whole, char *text, char *parts[FIELDS], struct err *e)
{
    size_t count = 0;
    char *part;

    while ((part = strsep(&text, " \t")) != NULL) {
        if (*part == '\0')
            continue;
        if (count == FIELDS)
            return err_set(e, ERR_USAGE, "\"%.60s\" has more than five fields", whole);
        parts[count++] = part;
    }
    return count == FIELDS ||
           err_set(e, ERR_USAGE,
                   "\"%.60s\" is no cron expression of five fields such as \"30 2 * * *\"", whole);
}

static bool parse_fields(const char *text, struct cron *out, struct err *e)
{
    AUTO(mem) char *copy = mem_string(text);
    char *parts[FIELDS] = {NULL};
    bool has_star[FIELDS];
    uint64_t bits[FIELDS] = {0};

    if (!split(text, copy, parts, e))
        return false;
    for (int i = 0; i < FIELDS; i++) {
        has_star[i] = parts[i][0] == '*';
        if (!parse_field(i, parts[i], &bits[i], e))
            return false;
    }

    const struct cron c = {
        .minutes = bits[MINUTE],
        .hours = (uint32_t)bits[HOUR],
        .days = (uint32_t)bits[DAY],
        .months = (uint32_t)bits[MONTH],
        .weekdays = (uint32_t)((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 0x7f),
        .follows_clock = has_star[MINUTE] || has_star[HOUR],
        .needs_both_days = has_star[DAY] || has_star[WEEKDAY],
    };

    if (!can_fire(&c))
        return err_set(e, ERR_USAGE,
                       "field 3 (day of month): none of the months has such a day, so \"%.60s\" "
                       "never comes",
                       text);
    *out = c;
    return true;
}

bool cron_parse(const char *text, struct cron *out, struct err *e)
{
    if (strlen(text) > CRON_TEXT_MAX)
        return err_set(e, ERR_USAGE, "a cron expression has at most %d characters", CRON_TEXT_MAX);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i].name, text) == 0)
            return parse_fields(names[i].fields, out, e);
    if (text[0] == '@')
        return err_set(e, ERR_USAGE,
                       "\"%.60s\" is none of @hourly @daily @midnight @weekly @monthly @yearly "
                       "@annually",
                       text);
    return parse_fields(text, out, e);
}

/* Moments */

static bool fits_day(const struct cron *c, int64_t day)
{
    const struct civil date = civil_from_days(day);
    const bool fits_date = (c->days >> date.day & 1) != 0;
    const bool fits_weekday = (c->weekdays >> civil_weekday(day) & 1) != 0;

    return (c->months >> date.month & 1) != 0 &&
           (c->needs_both_days ? fits_date && fits_weekday : fits_date || fits_weekday);
}

/* The last day that is looked at, either way. */
#define DAYS_MAX ((int64_t)CRON_YEARS_MAX * 366)

static bool fits_minute(const struct cron *c, int64_t minute_of_day)
{
    return (c->hours >> (minute_of_day / 60) & 1) != 0 &&
           (c->minutes >> (minute_of_day % 60) & 1) != 0;
}

#define MINUTES_IN_DAY 1440

/*
 * The first local time from *local on, and not after limit, that fits; steps by days where none of
 * a day does.
 */
static bool local_at_or_after(const struct cron *c, int64_t *local, int64_t limit)
{
    int64_t day = civil_day_of(*local);
    int64_t minute = (*local - day * CIVIL_DAY_S + 59) / 60;

    for (; day * CIVIL_DAY_S <= limit; day++, minute = 0) {
        if (!fits_day(c, day))
            continue;
        for (; minute < MINUTES_IN_DAY; minute++)
            if (fits_minute(c, minute)) {
                *local = day * CIVIL_DAY_S + minute * 60;
                return *local <= limit;
            }
    }
    return false;
}

/* The last local time up to *local, and not before limit, that fits. */
static bool local_at_or_before(const struct cron *c, int64_t *local, int64_t limit)
{
    int64_t day = civil_day_of(*local);
    int64_t minute = (*local - day * CIVIL_DAY_S) / 60;

    for (; (day + 1) * CIVIL_DAY_S > limit; day--, minute = MINUTES_IN_DAY - 1) {
        if (!fits_day(c, day))
            continue;
        for (; minute >= 0; minute--)
            if (fits_minute(c, minute)) {
                *local = day * CIVIL_DAY_S + minute * 60;
                return *local >= limit;
            }
    }
    return false;
}

/* Fixed times: local times in their order, each at its first moment. */

static bool fixed_next(const struct cron *c, const struct zone *z, int64_t after, int64_t *out)
{
    int64_t local = zone_to_local(z, after);
    const int64_t limit = local + DAYS_MAX * CIVIL_DAY_S;

    for (; local_at_or_after(c, &local, limit); local += 60) {
        const int64_t moment = zone_from_local(z, local).first;

        if (moment > after) {
            *out = moment;
            return true;
        }
    }
    return false;
}

static bool fixed_previous(const struct cron *c, const struct zone *z, int64_t before, int64_t *out)
{
    /* A day later: where the clocks were put back, a later local time may have come earlier. */
    int64_t local = zone_to_local(z, before) + CIVIL_DAY_S;
    const int64_t limit = local - DAYS_MAX * CIVIL_DAY_S;

    for (; local_at_or_before(c, &local, limit); local -= 60) {
        const int64_t moment = zone_from_local(z, local).first;

        if (moment < before) {
            *out = moment;
            return true;
        }
    }
    return false;
}

/* Following the clock: span by span of the zone, whatever it shows in each. */

static bool clock_next(const struct cron *c, const struct zone *z, int64_t after, int64_t *out)
{
    const int64_t limit = after + DAYS_MAX * CIVIL_DAY_S;
    int64_t moment = after + 1;

    while (moment <= limit) {
        const struct zone_span span = zone_span_at(z, moment);
        const int64_t last = span.end > limit ? limit : span.end - 1;
        int64_t local = moment + span.offset_s;

        if (local_at_or_after(c, &local, last + span.offset_s)) {
            *out = local - span.offset_s;
            return true;
        }
        moment = last + 1;
    }
    return false;
}

static bool clock_previous(const struct cron *c, const struct zone *z, int64_t before, int64_t *out)
{
    const int64_t limit = before - DAYS_MAX * CIVIL_DAY_S;
    int64_t moment = before - 1;

    while (moment >= limit) {
        const struct zone_span span = zone_span_at(z, moment);
        const int64_t first = span.begin < limit ? limit : span.begin;
        int64_t local = moment + span.offset_s;

        if (local_at_or_before(c, &local, first + span.offset_s)) {
            *out = local - span.offset_s;
            return true;
        }
        moment = first - 1;
    }
    return false;
}

/* The years 1800 and 9000, as near as need be. */
static bool is_plausible(int64_t moment)
{
    return moment > INT64_C(-170) * 366 * CIVIL_DAY_S && moment < INT64_C(7030) * 365 * CIVIL_DAY_S;
}

bool cron_next(const struct cron *c, const struct zone *z, int64_t after, int64_t *out)
{
    assert(is_plausible(after));
    return c->follows_clock ? clock_next(c, z, after, out) : fixed_next(c, z, after, out);
}

bool cron_previous(const struct cron *c, const struct zone *z, int64_t before, int64_t *out)
{
    assert(is_plausible(before));
    return c->follows_clock ? clock_previous(c, z, before, out) : fixed_previous(c, z, before, out);
}

int64_t cron_delay(const char *id, int64_t moment, int64_t max_s)
{
    AUTO(buf) struct buf text = {0};
    struct hash sum;
    uint64_t number = 0;

    assert(max_s >= 0);
    buf_printf(&text, "%lld %s", (long long)moment, id);
    sha256(buf_slice(&text), &sum);
    for (int i = 0; i < 8; i++)
        number = number << 8 | sum.bytes[i];
    return (int64_t)(number % ((uint64_t)max_s + 1));
}
