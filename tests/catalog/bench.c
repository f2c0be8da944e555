/*
 * How quick the catalog is with 100,000 runs.  Not a test: script/bench-catalog builds and runs it
 * for both databases and prints what it says.  Times are of one thread, with the transaction.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "catalog/world.h"

#define RUNS    100000
#define SETS    20
#define AT_ONCE 1000
#define LOOKS   500
#define DAY_NS  (INT64_C(86400) * NS_PER_S)

static int64_t first_ns; /* the oldest run is as old */

static void name_set(int number, char out[16])
{
    (void)snprintf(out, 16, "set%02d", number % SETS);
}

/* What a run of real life brings along. */
static void fill(const struct world *w)
{
    static const char details[] =
        "{\"repositories\":[{\"name\":\"main\",\"state\":\"success\",\"seconds\":12.5},"
        "{\"name\":\"remote\",\"state\":\"success\",\"seconds\":31.0}]}";

    for (int i = 0; i < RUNS; i += AT_ONCE) {
        AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);

        for (int n = i; n < i + AT_ONCE; n++) {
            char id[CATALOG_ID_SIZE], set[16], job[16];
            const int64_t at = first_ns + n * (365 * DAY_NS / RUNS);
            const bool is_failed = n % 50 == 7;
            struct catalog_run r = {
                .job = job,
                .attempt = 1,
                .config = set,
                .set = set,
                .kind = n % 1000 == 3 ? RUN_DRILL
                        : n % 10 == 0 ? RUN_VERIFY
                                      : RUN_BACKUP,
                .variant = n % 3 == 0 ? "full" : "incremental",
                .cause = CAUSE_SCHEDULE,
                .requested_by = "system",
                .created_ns = at,
                .started_ns = at + NS_PER_S,
                .ended_ns = at + 40 * NS_PER_S,
                .outcome = {.state = is_failed ? RUN_FAILED : RUN_SUCCESS,
                            .bytes = 1000000 + n,
                            .bytes_added = 1000 + n,
                            .files = 100,
                            .error_code = is_failed ? "source" : NULL,
                            .error = is_failed ? "set: files: /srv/x: permission denied" : NULL,
                            .details = details}};

            name_set(n, set);
            (void)snprintf(job, sizeof(job), "job%d", n);
            CHECK_OK(catalog_run_add(t, &r, id, e));
        }
        tx_commit(&t);
    }
}

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void tell(const char *what, int64_t *times, size_t count)
{
    qsort(times, count, sizeof(times[0]), compare);
    (void)printf("| %-44s | %7.2f | %7.2f | %7.2f |\n", what, (double)times[count / 2] / 1e6,
                 (double)times[count * 99 / 100] / 1e6, (double)times[count - 1] / 1e6);
    (void)fflush(stdout);
}

struct question {
    const char *name;
    struct catalog_run_filter filter;
    size_t offset;
    bool is_counted; /* with the number of all */
    bool is_deep;    /* from anywhere in the list, by after_ns */
};

static void ask(const struct world *w, const struct question *q)
{
    int64_t times[LOOKS];

    for (size_t i = 0; i < LOOKS; i++) {
        AUTO(arena) struct arena a = {0};
        struct catalog_run_list list = {0};
        struct catalog_page page = {.limit = 50, .offset = q->offset};
        int64_t all = 0;
        const int64_t began = clock_monotonic_ns();

        if (q->is_deep)
            page.after_ns = first_ns + (int64_t)(i + 1) * (365 * DAY_NS / (LOOKS + 1));
        AUTO(catalog_tx) struct catalog_tx *t = tx_read(w);
        CHECK_OK(catalog_run_list(t, &q->filter, &page, &a, &list, e));
        if (q->is_counted)
            CHECK_OK(catalog_run_count(t, &q->filter, &all, e));
        catalog_tx_auto(&t);
        t = NULL;
        times[i] = clock_monotonic_ns() - began;
        CHECK(list.count > 0);
    }
    tell(q->name, times, LOOKS);
}

static void ask_all(const struct world *w)
{
    struct question questions[] = {
        {.name = "newest 50", .filter = CATALOG_RUNS_ALL},
        {.name = "newest 50 and the number of all", .filter = CATALOG_RUNS_ALL, .is_counted = true},
        {.name = "any 50, by the row before", .filter = CATALOG_RUNS_ALL, .is_deep = true},
        {.name = "50 behind 50,000 (offset)", .filter = CATALOG_RUNS_ALL, .offset = 50000},
        {.name = "of a set, and their number", .filter = CATALOG_RUNS_ALL, .is_counted = true},
        {.name = "of a config, and their number", .filter = CATALOG_RUNS_ALL, .is_counted = true},
        {.name = "failed, and their number", .filter = CATALOG_RUNS_ALL, .is_counted = true},
        {.name = "of a rare kind (1 in 1,000)", .filter = CATALOG_RUNS_ALL},
        {.name = "of a rare kind, and their number",
         .filter = CATALOG_RUNS_ALL,
         .is_counted = true},
        {.name = "failed of a set, and their number",
         .filter = CATALOG_RUNS_ALL,
         .is_counted = true},
        {.name = "of a job", .filter = CATALOG_RUNS_ALL},
        {.name = "backups of a set, behind 3,950 (offset)",
         .filter = CATALOG_RUNS_ALL,
         .offset = 3950,
         .is_counted = true},
    };

    questions[4].filter.set = "set07";
    questions[5].filter.config = "set07";
    questions[6].filter.state = RUN_FAILED;
    questions[7].filter.kind = RUN_DRILL;
    questions[8].filter.kind = RUN_DRILL;
    questions[9].filter.set = "set07";
    questions[9].filter.state = RUN_FAILED;
    questions[10].filter.job = "job777";
    questions[11].filter.set = "set07";
    questions[11].filter.kind = RUN_BACKUP;
    questions[11].filter.is_ended = true;
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
        ask(w, &questions[i]);
}

static void sum(const struct world *w, const char *name, int64_t days)
{
    int64_t times[20];

    for (size_t i = 0; i < 20; i++) {
        AUTO(arena) struct arena a = {0};
        struct catalog_run_sums sums = {0};
        const int64_t began = clock_monotonic_ns();
        AUTO(catalog_tx) struct catalog_tx *t = tx_read(w);

        CHECK_OK(catalog_run_sum(t, first_ns + (365 - days) * DAY_NS, 0, &a, &sums, e));
        catalog_tx_auto(&t);
        t = NULL;
        times[i] = clock_monotonic_ns() - began;
    }
    tell(name, times, 20);
}

/* A job from its adding to its end. */
static void pass(const struct world *w)
{
    static const char *const names[] = {"add a job", "take it", "extend its lease", "end it"};
    int64_t times[4][LOOKS];
    const struct catalog_job_offer offer = {"here:1", NULL, 60000};
    const struct catalog_job_end end = {{.state = RUN_SUCCESS}, false};

    for (size_t i = 0; i < LOOKS; i++) {
        AUTO(arena) struct arena a = {0};
        struct catalog_job j = {0};
        char set[16];
        bool found = false;
        bool is_cancelled = false;
        bool again = false;
        int64_t at[5];

        name_set((int)i, set);
        at[0] = clock_monotonic_ns();
        (void)job_put(w, set, NULL);
        at[1] = clock_monotonic_ns();
        CHECK_OK(catalog_job_claim(w->catalog, &offer, &a, &j, &found, e));
        CHECK(found);
        at[2] = clock_monotonic_ns();

        const struct catalog_job_hold h = {j.id, j.fence};

        CHECK_OK(catalog_job_extend(w->catalog, &h, 60000, "{}", &is_cancelled, e));
        at[3] = clock_monotonic_ns();
        AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);
        CHECK_OK(catalog_job_finish(t, &h, &end, &again, e));
        tx_commit(&t);
        at[4] = clock_monotonic_ns();
        for (int n = 0; n < 4; n++)
            times[n][i] = at[n + 1] - at[n];
    }
    for (int n = 0; n < 4; n++)
        tell(names[n], times[n], LOOKS);
}

static void forget(const struct world *w)
{
    int64_t times[20];

    for (size_t i = 0; i < 20; i++) {
        int64_t removed = 0;
        const int64_t began = clock_monotonic_ns();
        AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);

        CHECK_OK(catalog_run_forget(t, first_ns + 300 * DAY_NS, 1000, &removed, e));
        tx_commit(&t);
        times[i] = clock_monotonic_ns() - began;
        ck_assert_int_eq(removed, 1000);
    }
    tell("forget 1,000 runs", times, 20);
}

TEST(bench)
{
    AUTO(world) struct world w;

    world_init(&w);
    first_ns = clock_now_ns() - 365 * DAY_NS;

    const int64_t began = clock_monotonic_ns();

    fill(&w);
    (void)printf("\n%s, %d runs added in %.1f s\n\n| %-44s | p50 ms  | p99 ms  | max ms  "
                 "|\n|---|---:|---:|---:|\n",
                 catalog_kind(w.catalog), RUNS, (double)(clock_monotonic_ns() - began) / 1e9, "");
    world_settle(&w);
    ask_all(&w);
    sum(&w, "sums of 30 days", 30);
    sum(&w, "sums of the year", 365);
    pass(&w);
    forget(&w);
}
END

#undef TEST_SECONDS
#define TEST_SECONDS 1200
TESTS_BETWEEN("bench", world_begin, world_end, bench)
