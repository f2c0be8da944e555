#include "job/schedule.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"

enum {
    /* Neighbours that tell the usual distance: of "0 2 * * 1-5" five reach over a week-end. */
    NEIGHBOURS = 8,
};

int64_t schedule_begin(const struct schedule_entry *s, int64_t moment_s)
{
    int64_t next = 0;
    int64_t most = s->jitter_s;

    /* A minute before the next one, so that runs begin in the order of their moments. */
    if (most > 0 && cron_next(&s->cron, s->zone, moment_s, &next) && next - moment_s - 60 < most)
        most = next - moment_s > 60 ? next - moment_s - 60 : 0;
    return most > 0 ? moment_s + cron_delay(s->id, moment_s, most) : moment_s;
}

int64_t schedule_interval(const struct schedule_entry *s, int64_t moment_s)
{
    int64_t before = moment_s;
    int64_t longest = 0;
    int64_t next = 0;

    for (int i = 0; i < NEIGHBOURS / 2; i++)
        if (cron_previous(&s->cron, s->zone, before, &next))
            before = next;
    if (before == moment_s && !cron_next(&s->cron, s->zone, before, &before))
        return 0;
    for (int i = 0; i < NEIGHBOURS && cron_next(&s->cron, s->zone, before, &next); i++) {
        if (next - before > longest)
            longest = next - before;
        before = next;
    }
    return longest;
}

/* Was the clock wrong when this was noted? */
static bool is_absurd(int64_t moment_s, int64_t now_s)
{
    return moment_s > now_s && moment_s - now_s > SCHEDULE_BACK_MAX_S;
}

/* Up to which moment all is dealt with; what is absurd counts as now, once it is noted. */
static int64_t base_of(const struct schedule_entry *s, int64_t now_s)
{
    const int64_t last = is_absurd(s->last_s, now_s) ? now_s : s->last_s;

    if (is_absurd(s->since_s, now_s))
        return last == 0 ? now_s : last;
    return last > s->since_s ? last : s->since_s;
}

/* The latest moment after base whose run has begun by now. */
static bool latest_begun(const struct schedule_entry *s, int64_t base, int64_t now_s, int64_t *out)
{
    int64_t moment = now_s + 1;

    while (cron_previous(&s->cron, s->zone, moment, &moment) && moment > base)
        if (schedule_begin(s, moment) <= now_s) {
            *out = moment;
            return true;
        }
    return false;
}

static void add_run(struct schedule_plan *p, size_t entry, const struct schedule_entry *s,
                    int64_t moment_s, bool is_missed)
{
    AUTO(buf) struct buf key = {0};

    buf_printf(&key, "%s@%" PRId64, s->id, moment_s);
    p->runs = mem_resize(p->runs, p->run_count + 1, sizeof(*p->runs));
    p->runs[p->run_count++] = (struct schedule_run){.entry = entry,
                                                    .moment_s = moment_s,
                                                    .is_missed = is_missed,
                                                    .key = mem_string(buf_string(&key))};
}

/* How many of the missed are made up for, when nothing else is due or when something is. */
static int catch_up_max(const struct schedule_entry *s, bool is_due)
{
    switch (s->missed) {
    case MISSED_SKIP:
        return 0;
    case MISSED_ONCE:
        return is_due ? 0 : 1; /* what is due now does as well */
    case MISSED_ALL:
        return SCHEDULE_CATCH_UP_MAX;
    }
    return 0;
}

/* From the newest backwards, since there may be very many. */
static void decide(struct schedule_plan *p, size_t entry, const struct schedule_entry *s,
                   int64_t now_s)
{
    struct schedule_outcome *o = &p->outcomes[entry];
    const int64_t base = base_of(s, now_s);
    int64_t moment = 0;
    bool is_due = false;

    o->last_s = is_absurd(s->last_s, now_s) || is_absurd(s->since_s, now_s) ? base : s->last_s;
    if (!latest_begun(s, base, now_s, &moment))
        return;
    o->last_s = moment;
    do {
        const bool is_missed = now_s - schedule_begin(s, moment) > SCHEDULE_LATE_S;

        if (!is_missed) {
            add_run(p, entry, s, moment, false);
            is_due = true;
            continue;
        }
        if (o->missed == SCHEDULE_MISSED_MAX)
            break;
        if (o->missed++ < catch_up_max(s, is_due))
            add_run(p, entry, s, moment, true);
        else
            o->dropped++;
    } while (cron_previous(&s->cron, s->zone, moment, &moment) && moment > base);
}

/* When the next run begins that this plan does not name. */
static int64_t next_begin(const struct schedule_entry *s, int64_t last_s, int64_t now_s)
{
    struct schedule_entry later = *s;
    int64_t latest = 0;
    int64_t moment;

    later.last_s = last_s;
    moment = base_of(&later, now_s);
    /* Of what has come only the latest may still wait for its delay. */
    if (cron_previous(&s->cron, s->zone, now_s + 1, &latest) && latest > moment)
        moment = latest - 1;
    else if (moment < now_s)
        moment = now_s;
    while (cron_next(&s->cron, s->zone, moment, &moment)) {
        const int64_t begin = schedule_begin(s, moment);

        if (begin > now_s)
            return begin;
    }
    return INT64_MAX;
}

int64_t schedule_next(const struct schedule_entry *s, int64_t now_s)
{
    const struct schedule_entry fresh = {
        .id = s->id, .cron = s->cron, .zone = s->zone, .jitter_s = s->jitter_s};

    return next_begin(&fresh, 0, now_s);
}

static void watch(struct schedule_outcome *o, const struct schedule_entry *s, int64_t now_s)
{
    const int64_t known = s->last_success_s > s->since_s ? s->last_success_s : s->since_s;
    /* A success in the future is one of a clock that was wrong. */
    const int64_t since = known < now_s ? known : now_s;
    const int64_t interval = s->alarm_factor > 0 ? schedule_interval(s, since) : 0;

    o->alarm_s = INT64_MAX;
    if (interval == 0)
        return;
    o->alarm_s = since + interval * s->alarm_factor + s->jitter_s;
    o->is_alarm = now_s >= o->alarm_s;
}

static int compare_runs(const void *a, const void *b)
{
    const struct schedule_run *x = a, *y = b;

    if (x->moment_s != y->moment_s)
        return x->moment_s < y->moment_s ? -1 : 1;
    return x->entry < y->entry ? -1 : x->entry > y->entry;
}

struct schedule_plan *schedule_plan_new(const struct schedule_entry *entries, size_t count,
                                        int64_t now_s)
{
    struct schedule_plan *p = mem_new(sizeof(*p));

    p->outcomes = mem_array(count, sizeof(*p->outcomes));
    p->count = count;
    p->wake_s = now_s + SCHEDULE_LOOK_S;
    for (size_t i = 0; i < count; i++) {
        struct schedule_outcome *o = &p->outcomes[i];

        decide(p, i, &entries[i], now_s);
        o->next_s = next_begin(&entries[i], o->last_s, now_s);
        watch(o, &entries[i], now_s);
        if (o->next_s < p->wake_s)
            p->wake_s = o->next_s;
        if (!o->is_alarm && o->alarm_s < p->wake_s)
            p->wake_s = o->alarm_s;
    }
    if (p->run_count > 0)
        qsort(p->runs, p->run_count, sizeof(*p->runs), compare_runs);
    return p;
}

void schedule_plan_free(struct schedule_plan *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->run_count; i++)
        mem_free(p->runs[i].key);
    mem_free(p->runs);
    mem_free(p->outcomes);
    mem_free(p);
}

void schedule_plan_auto(struct schedule_plan **p)
{
    schedule_plan_free(*p);
}
