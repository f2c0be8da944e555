/*
 * Retention: which snapshots of a group are kept, by restic's rules.
 *
 * Each rule walks the group from the newest snapshot to the oldest and keeps the first that it
 * meets in each period.  While a rule is not used up it also keeps the very last one it meets,
 * so that history reaches back as far as it can.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "repo/snapshot.h"

enum period {
    PERIOD_NONE, /* every snapshot is one of its own */
    PERIOD_HOUR,
    PERIOD_DAY,
    PERIOD_WEEK,
    PERIOD_MONTH,
    PERIOD_YEAR,
};

/* A rule on its way through a group. */
struct rule {
    const char *name; /* "daily snapshot", "daily" */
    enum period period;
    bool is_within;
    int left;                 /* counted rules: how many it may still keep; negative: no end */
    struct duration duration; /* the others */
    int64_t after_ns;         /* they keep what is younger */
    int64_t last;             /* period of what it kept last; -1 before */
};

/*
 * The newest time that is not in the future: one snapshot of a host with a wrong clock must
 * not make all others look old.  When all are in the future nothing is old.
 */
static int64_t newest_time(struct snapshot *const *newest_first, size_t count, int64_t now)
{
    for (size_t i = 0; i < count; i++)
        if (newest_first[i]->time_ns <= now)
            return newest_first[i]->time_ns;
    return INT64_MIN;
}

/* A number that is the same for all moments of one period. */
static int64_t period_of(enum period p, const struct calendar *c, size_t position)
{
    switch (p) {
    case PERIOD_NONE:
        return (int64_t)position;
    case PERIOD_HOUR:
        return ((c->year * INT64_C(100) + c->month) * 100 + c->day) * 100 + c->hour;
    case PERIOD_DAY:
        return (c->year * INT64_C(100) + c->month) * 100 + c->day;
    case PERIOD_WEEK:
        return c->iso_year * INT64_C(100) + c->iso_week;
    case PERIOD_MONTH:
        return c->year * INT64_C(100) + c->month;
    case PERIOD_YEAR:
        return c->year;
    }
    return 0;
}

/* Reasons */

static void reason_add(struct keep_reasons *k, const char *reason)
{
    const size_t used = strlen(k->text);

    k->is_kept = true;
    (void)snprintf(k->text + used, sizeof(k->text) - used, "%s%s", used > 0 ? ", " : "", reason);
    /* A text that was cut ends with a whole character. */
    for (size_t n = strlen(k->text); n > 0 && !utf8_is_valid(SLICE_OF(k->text, n)); n--)
        k->text[n - 1] = '\0';
}

static void part_print(struct buf *out, uint32_t n, char unit)
{
    if (n > 0)
        buf_printf(out, "%" PRIu32 "%c", n, unit);
}

static void duration_print(struct buf *out, const struct duration *d)
{
    part_print(out, d->years, 'y');
    part_print(out, d->months, 'm');
    part_print(out, d->days, 'd');
    part_print(out, d->hours, 'h');
}

static void rule_keep(const struct rule *u, bool is_oldest, struct keep_reasons *k)
{
    AUTO(buf) struct buf text = {0};

    buf_printf(&text, "%s%s", is_oldest ? "oldest " : "", u->name);
    if (u->is_within)
        duration_print(&text, &u->duration);
    reason_add(k, buf_string(&text));
}

/* Rules */

static bool rule_is_open(const struct rule *u, int64_t time_ns)
{
    if (u->is_within)
        return !duration_is_zero(&u->duration) && time_ns > u->after_ns;
    return u->left != 0;
}

/* Let one rule look at one snapshot, the last of the group or not. */
static void rule_apply(struct rule *u, int64_t time_ns, int64_t period, bool is_last,
                       struct keep_reasons *k)
{
    const bool is_new = period != u->last;

    if (!rule_is_open(u, time_ns) || (!is_new && !is_last))
        return;
    rule_keep(u, !is_new, k);
    u->last = period;
    if (!u->is_within && u->left > 0)
        u->left--;
}

static void tags_apply(const struct retention *rules, const struct snapshot *s,
                       struct keep_reasons *k)
{
    for (size_t i = 0; i < rules->keep_tag_count; i++) {
        AUTO(buf) struct buf text = {0};

        if (!snapshot_has_tags(s, rules->keep_tags[i]))
            continue;
        buf_printf(&text, "has tag %s", rules->keep_tags[i]);
        reason_add(k, buf_string(&text));
    }
}

#define COUNTED(text, p, n)                                    \
    {                                                          \
        .name = (text), .period = (p), .left = (n), .last = -1 \
    }
#define WITHIN(text, p, d)                                                            \
    {                                                                                 \
        .name = (text), .period = (p), .is_within = true, .duration = (d), .last = -1 \
    }

void retention_apply(const struct retention *rules, struct snapshot *const *newest_first,
                     size_t count, struct keep_reasons *reasons)
{
    retention_apply_at(rules, newest_first, count, clock_now_ns(), reasons);
}

void retention_apply_at(const struct retention *rules, struct snapshot *const *newest_first,
                        size_t count, int64_t now_ns, struct keep_reasons *reasons)
{
    /* In the order in which restic names them. */
    struct rule all[] = {
        WITHIN("within ", PERIOD_NONE, rules->within),
        COUNTED("last snapshot", PERIOD_NONE, rules->last),
        COUNTED("hourly snapshot", PERIOD_HOUR, rules->hourly),
        COUNTED("daily snapshot", PERIOD_DAY, rules->daily),
        COUNTED("weekly snapshot", PERIOD_WEEK, rules->weekly),
        COUNTED("monthly snapshot", PERIOD_MONTH, rules->monthly),
        COUNTED("yearly snapshot", PERIOD_YEAR, rules->yearly),
        WITHIN("hourly within ", PERIOD_HOUR, rules->within_hourly),
        WITHIN("daily within ", PERIOD_DAY, rules->within_daily),
        WITHIN("weekly within ", PERIOD_WEEK, rules->within_weekly),
        WITHIN("monthly within ", PERIOD_MONTH, rules->within_monthly),
        WITHIN("yearly within ", PERIOD_YEAR, rules->within_yearly),
    };
    const size_t rule_count = sizeof(all) / sizeof(all[0]);
    const int64_t newest = newest_time(newest_first, count, now_ns);

    for (size_t i = 0; i < rule_count; i++)
        all[i].after_ns = duration_before(newest, &all[i].duration);
    for (size_t i = 0; i < count; i++) {
        const struct snapshot *s = newest_first[i];
        struct calendar c;

        reasons[i] = (struct keep_reasons){0};
        if (retention_is_empty(rules))
            reason_add(&reasons[i], "no rule is given");
        clock_calendar(s->time_ns, &c);
        tags_apply(rules, s, &reasons[i]);
        for (size_t k = 0; k < rule_count; k++)
            rule_apply(&all[k], s->time_ns, period_of(all[k].period, &c, i), i + 1 == count,
                       &reasons[i]);
    }
}

bool retention_is_empty(const struct retention *rules)
{
    const struct duration *const durations[] = {
        &rules->within,        &rules->within_hourly,  &rules->within_daily,
        &rules->within_weekly, &rules->within_monthly, &rules->within_yearly,
    };

    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++)
        if (!duration_is_zero(durations[i]))
            return false;
    return rules->last == 0 && rules->hourly == 0 && rules->daily == 0 && rules->weekly == 0 &&
           rules->monthly == 0 && rules->yearly == 0 && rules->keep_tag_count == 0;
}
