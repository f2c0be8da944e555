#include "codec/zone_rule.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "codec/civil.h"

static bool take_char(struct slice *s, char c)
{
    if (s->size == 0 || s->data[0] != (uint8_t)c)
        return false;
    s->data++;
    s->size--;
    return true;
}

/* A number of at most three digits. */
static bool take_number(struct slice *s, int low, int high, int *out)
{
    int v = 0;
    size_t n = 0;

    while (n < s->size && n < 3 && s->data[n] >= '0' && s->data[n] <= '9')
        v = v * 10 + (s->data[n++] - '0');
    if (n == 0 || v < low || v > high)
        return false;
    s->data += n;
    s->size -= n;
    *out = v;
    return true;
}

/* "EST", "<-03>": three characters at least.  What it says is of no use here. */
static bool take_name(struct slice *s)
{
    const bool is_quoted = take_char(s, '<');
    size_t n = 0;

    for (; n < s->size; n++) {
        const uint8_t c = s->data[n];
        const bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

        if (!is_letter && !(is_quoted && (c == '+' || c == '-' || (c >= '0' && c <= '9'))))
            break;
    }
    if (n < 3)
        return false;
    s->data += n;
    s->size -= n;
    return !is_quoted || take_char(s, '>');
}

/* "2", "-2:30", "+26:00:00", in seconds. */
static bool take_time(struct slice *s, int hours_max, int32_t *out)
{
    const bool is_negative = take_char(s, '-');
    int parts[3] = {0};

    if (!is_negative)
        (void)take_char(s, '+');
    if (!take_number(s, 0, hours_max, &parts[0]))
        return false;
    for (int i = 1; i < 3 && take_char(s, ':'); i++)
        if (!take_number(s, 0, 59, &parts[i]))
            return false;
    *out = (parts[0] * 3600 + parts[1] * 60 + parts[2]) * (is_negative ? -1 : 1);
    return true;
}

static bool take_date(struct slice *s, struct zone_date *out)
{
    struct zone_date d = {.time_s = 2 * 3600};
    bool is_taken = false;

    if (take_char(s, 'M')) {
        d.kind = ZONE_NTH_WEEK;
        is_taken = take_number(s, 1, 12, &d.month) && take_char(s, '.') &&
                   take_number(s, 1, 5, &d.week) && take_char(s, '.') &&
                   take_number(s, 0, 6, &d.day);
    } else if (take_char(s, 'J')) {
        d.kind = ZONE_JULIAN;
        is_taken = take_number(s, 1, 365, &d.day);
    } else {
        d.kind = ZONE_DAY;
        is_taken = take_number(s, 0, 365, &d.day);
    }
    if (!is_taken || (take_char(s, '/') && !take_time(s, 167, &d.time_s)))
        return false;
    *out = d;
    return true;
}

bool zone_rule_parse(const char *text, size_t size, struct zone_rule *out)
{
    struct slice s = SLICE_OF(text, size);
    struct zone_rule r = {0};
    int32_t west_s = 0;

    /* Offsets are written westwards here. */
    if (!take_name(&s) || !take_time(&s, 24, &west_s))
        return false;
    r.standard_s = -west_s;
    if (s.size > 0) {
        r.has_summer = true;
        west_s -= 3600;
        if (!take_name(&s) || (s.size > 0 && s.data[0] != ',' && !take_time(&s, 24, &west_s)) ||
            !take_char(&s, ',') || !take_date(&s, &r.begin) || !take_char(&s, ',') ||
            !take_date(&s, &r.end))
            return false;
        r.summer_s = -west_s;
    }
    if (s.size > 0)
        return false;
    *out = r;
    return true;
}

/* Local midnight of the date, as a number of days. */
static int64_t date_in_year(const struct zone_date *d, int64_t year)
{
    const int64_t new_year = civil_to_days((struct civil){year, 1, 1});

    if (d->kind == ZONE_DAY)
        return new_year + d->day;
    if (d->kind == ZONE_JULIAN)
        return new_year + d->day - 1 + (civil_is_leap_year(year) && d->day >= 60);

    const int64_t first = civil_to_days((struct civil){year, d->month, 1});
    int day = (d->day - civil_weekday(first) + 7) % 7 + (d->week - 1) * 7;

    if (day >= civil_days_in_month(year, d->month))
        day -= 7;
    return first + day;
}

static int compare_changes(const void *a, const void *b)
{
    const struct zone_change *x = a, *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

void zone_rule_changes(const struct zone_rule *r, int64_t year,
                       struct zone_change out[ZONE_RULE_CHANGES])
{
    for (int i = 0; i < 3; i++) {
        const int64_t y = year - 1 + i;

        /* The end first: where summer time lasts all year the next begins as the last one ends,
         * and an order that keeps equals as they are lets the beginning win. */
        out[i] = (struct zone_change){
            date_in_year(&r->end, y) * CIVIL_DAY_S + r->end.time_s - r->summer_s, r->standard_s};
        out[3 + i] = (struct zone_change){date_in_year(&r->begin, y) * CIVIL_DAY_S +
                                              r->begin.time_s - r->standard_s,
                                          r->summer_s};
    }
    /* Insertion sort: six members, stable. */
    for (int i = 1; i < ZONE_RULE_CHANGES; i++)
        for (int k = i; k > 0 && compare_changes(&out[k - 1], &out[k]) > 0; k--) {
            const struct zone_change swapped = out[k];

            out[k] = out[k - 1];
            out[k - 1] = swapped;
        }
}
