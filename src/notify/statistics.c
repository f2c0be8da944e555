#include "notify/statistics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define DAY_NS (INT64_C(24) * 3600 * NS_PER_S)

/* What some runs come to. */
struct figures {
    uint64_t runs, by_state[FIGURE_UNFINISHED];
    uint64_t size, added;
    int64_t last_success_ns; /* 0: none */
    int64_t duration_ms;     /* all together */
    int64_t longest_ms;
};

static void figures_add(struct figures *f, const struct run_record *r)
{
    const uint64_t count = r->count == 0 ? 1 : r->count;

    f->runs += count;
    f->by_state[r->state] += count;
    f->size += r->size;
    f->added += r->added;
    f->duration_ms += r->duration_ms;
    if (r->duration_ms > f->longest_ms)
        f->longest_ms = r->duration_ms;
    if (r->state == FIGURE_SUCCESS && r->time_ns > f->last_success_ns)
        f->last_success_ns = r->time_ns;
}

static bool is_finished_backup(const struct run_record *r)
{
    return r->kind == FIGURE_BACKUP && r->state != FIGURE_UNFINISHED;
}

static json_t *number(uint64_t n)
{
    return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

/* The application's */

static uint64_t rounded(uint64_t dividend, uint64_t divisor)
{
    return divisor == 0 ? 0 : (dividend + divisor / 2) / divisor;
}

json_t *statistics_pos_json(const struct run_record *runs, size_t count,
                            const struct statistics_scope *scope)
{
    static const char *const types[] = {"database", "files", "full"};
    struct figures total = {0};
    struct figures recent = {0};
    uint64_t sizes[sizeof(types) / sizeof(types[0])] = {0};

    for (size_t i = 0; i < count; i++) {
        const struct run_record *r = &runs[i];

        if (!is_finished_backup(r))
            continue;
        figures_add(&total, r);
        if (r->time_ns > scope->now_ns - 7 * DAY_NS)
            figures_add(&recent, r);
        for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
            if (strcmp(r->type, types[t]) == 0)
                sizes[t] += r->size;
    }

    const uint64_t successful = total.by_state[FIGURE_SUCCESS];

    return json_pack(
        "{s:{s:{s:o,s:o,s:o,s:o,s:o},s:{s:o,s:o,s:o},s:{s:o,s:o,s:o},s:{s:o,s:o,s:o},s:o}}",
        "stats", "total", "backups", number(total.runs), "successful", number(successful), "failed",
        number(total.by_state[FIGURE_FAILURE]), "size", number(total.size), "avgDuration",
        number(rounded((uint64_t)total.duration_ms, total.runs * 1000)), "recent", "count",
        number(recent.runs), "successful", number(recent.by_state[FIGURE_SUCCESS]), "failed",
        number(recent.by_state[FIGURE_FAILURE]), "storage", types[0], number(sizes[0]), types[1],
        number(sizes[1]), types[2], number(sizes[2]), "configs", "total", number(scope->configs),
        "enabled", number(scope->configs_enabled), "disabled",
        number(scope->configs - scope->configs_enabled), "successRate",
        number(rounded(successful * 100, total.runs)));
}

/* Our own */

static int duration_order(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* The least of n sorted durations that percent of them do not exceed, in seconds. */
static json_t *rank(const int64_t *sorted, size_t n, size_t percent)
{
    const size_t at = (n * percent + 99) / 100 - 1;

    return json_real((double)sorted[at] / 1000);
}

static json_t *mean_json(const struct figures *f)
{
    return json_real((double)rounded((uint64_t)f->duration_ms, f->runs) / 1000);
}

static json_t *durations_json(const struct figures *f, int64_t *durations)
{
    const size_t n = f->runs;

    if (n == 0)
        return json_null();
    qsort(durations, n, sizeof(*durations), duration_order);
    return json_pack("{s:o,s:o,s:o,s:o}", "mean", mean_json(f), "p50", rank(durations, n, 50),
                     "p95", rank(durations, n, 95), "longest", rank(durations, n, 100));
}

static void counts_set(json_t *j, const struct figures *f)
{
    json_object_set_new(j, "runs", number(f->runs));
    json_object_set_new(j, "successful", number(f->by_state[FIGURE_SUCCESS]));
    json_object_set_new(j, "incomplete", number(f->by_state[FIGURE_INCOMPLETE]));
    json_object_set_new(j, "failed", number(f->by_state[FIGURE_FAILURE]));
    json_object_set_new(j, "size_bytes", number(f->size));
    json_object_set_new(j, "added_bytes", number(f->added));
}

/* durations: of the runs in f; they come back sorted. */
static json_t *figures_json(const struct figures *f, int64_t *durations)
{
    json_t *j = json_object();
    char time[CLOCK_TEXT_MAX];

    counts_set(j, f);
    json_object_set_new(
        j, "success_rate",
        f->runs == 0
            ? json_null()
            : json_real((double)rounded(f->by_state[FIGURE_SUCCESS] * 1000, f->runs) / 10));
    clock_format(f->last_success_ns, time);
    json_object_set_new(j, "last_success",
                        f->last_success_ns == 0 ? json_null() : json_string(time));
    json_object_set_new(j, "duration_s", durations_json(f, durations));
    return j;
}

static const char *type_of(const struct run_record *r)
{
    return r->type;
}

static const char *set_of(const struct run_record *r)
{
    return r->set;
}

static int type_order(const void *a, const void *b)
{
    return strcmp((*(const struct run_record *const *)a)->type,
                  (*(const struct run_record *const *)b)->type);
}

static int set_order(const void *a, const void *b)
{
    return strcmp((*(const struct run_record *const *)a)->set,
                  (*(const struct run_record *const *)b)->set);
}

/* Finished backups; sorts them.  durations: room for as many. */
static json_t *groups_json(const struct run_record **backups, size_t count, bool is_by_set,
                           int64_t *durations)
{
    const char *(*name_of)(const struct run_record *) = is_by_set ? set_of : type_of;
    json_t *groups = json_array();

    qsort(backups, count, sizeof(*backups), is_by_set ? set_order : type_order);
    for (size_t i = 0; i < count;) {
        const char *name = name_of(backups[i]);
        struct figures f = {0};

        for (; i < count && strcmp(name_of(backups[i]), name) == 0; i++) {
            durations[f.runs] = backups[i]->duration_ms;
            figures_add(&f, backups[i]);
        }

        json_t *group = figures_json(&f, durations);

        json_object_set_new(group, "name", json_string(name));
        json_array_append_new(groups, group);
    }
    return groups;
}

static json_t *kinds_json(const struct run_record *runs, size_t count, int64_t *durations)
{
    static const char *const names[] = {[FIGURE_BACKUP] = "backup",
                                        [FIGURE_DRILL] = "drill",
                                        [FIGURE_RESTORE] = "restore",
                                        [FIGURE_RETENTION] = "retention",
                                        [FIGURE_OTHER] = "other"};
    json_t *kinds = json_object();

    for (size_t kind = 0; kind < FIGURE_KINDS; kind++) {
        struct figures f = {0};

        for (size_t i = 0; i < count; i++)
            if (runs[i].kind == kind && runs[i].state != FIGURE_UNFINISHED) {
                durations[f.runs] = runs[i].duration_ms;
                figures_add(&f, &runs[i]);
            }
        json_object_set_new(kinds, names[kind], figures_json(&f, durations));
    }
    return kinds;
}

static json_t *day_durations_json(const struct figures *f)
{
    if (f->runs == 0)
        return json_null();
    return json_pack("{s:o,s:o}", "mean", mean_json(f), "longest",
                     json_real((double)f->longest_ms / 1000));
}

static json_t *days_json(const struct run_record **backups, size_t count,
                         const struct statistics_scope *scope)
{
    const int64_t today = scope->now_ns / DAY_NS;
    const int64_t first = today - scope->days + 1;
    struct figures days[STATISTICS_DAYS_MAX] = {0};
    json_t *trend = json_array();

    for (size_t i = 0; i < count; i++) {
        const int64_t day = backups[i]->time_ns / DAY_NS;

        if (day >= first && day <= today)
            figures_add(&days[day - first], backups[i]);
    }
    for (int i = 0; i < scope->days; i++) {
        char text[CLOCK_TEXT_MAX];
        json_t *day = json_object();

        clock_format((first + i) * DAY_NS, text);
        json_object_set_new(day, "day", json_stringn(text, strlen("2026-11-21")));
        counts_set(day, &days[i]);
        json_object_set_new(day, "duration_s", day_durations_json(&days[i]));
        json_array_append_new(trend, day);
    }
    return trend;
}

json_t *statistics_json(const struct run_record *runs, size_t count,
                        const struct statistics_scope *scope)
{
    AUTO(mem) const struct run_record **backups = mem_array(count, sizeof(*backups));
    AUTO(mem) int64_t *durations = mem_array(count, sizeof(*durations));
    json_t *all = json_object();
    size_t n = 0;

    assert(scope->days >= 1 && scope->days <= STATISTICS_DAYS_MAX);
    for (size_t i = 0; i < count; i++) {
        assert(runs[i].count <= 1); /* durations has one place for each */
        if (is_finished_backup(&runs[i]))
            backups[n++] = &runs[i];
    }
    json_object_set_new(all, "kinds", kinds_json(runs, count, durations));
    json_object_set_new(all, "types", groups_json(backups, n, false, durations));
    json_object_set_new(all, "sets", groups_json(backups, n, true, durations));
    json_object_set_new(all, "days", days_json(backups, n, scope));
    return all;
}
