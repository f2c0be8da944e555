/* A dispatcher with a catalog: jobs are taken, run as processes, kept by their leases. */
#include "job/dispatch.h"

#define TEST_SECONDS 300
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "job_program.h"
#include "runner_world.h"

enum { MINUTE_S = 60, LEASE_MS = 4500 /* tests wait for heartbeats and for the end of leases */ };

/* What a dispatcher needs. */
struct service {
    struct world world;
    struct config *config;
    struct catalog *catalog;
    struct dispatch *dispatch;
};

static void dispatch_begin(struct service *s)
{
    const struct dispatch_options o = {
        .catalog = s->catalog, .config = s->config, .host = "here", .lease_ms = LEASE_MS};

    CHECK_OK(dispatch_open(&o, &s->dispatch, e));
}

static void service_init(struct service *s)
{
    *s = (struct service){0};
    world_init(&s->world);
    CHECK_OK(config_load(s->world.config, &s->config, e));
    CHECK(mkdir(s->config->state, 0700) == 0);
    CHECK_OK(catalog_open(&(struct catalog_options){.state = s->config->state}, &s->catalog, e));
    dispatch_begin(s);
}

static void service_auto(struct service *s)
{
    dispatch_close(s->dispatch);
    catalog_close(s->catalog);
    config_free(s->config);
    world_auto(&s->world);
}

/* Queue a job of a set. */
static struct catalog_job_ids order(const struct service *s, enum catalog_run_kind kind,
                                    const char *set, const char *arguments)
{
    const struct catalog_job_request q = {
        .kind = kind, .set = set, .arguments = arguments, .requested_by = "test", .writer = set};
    struct catalog_job_ids ids;
    struct catalog_tx *t = NULL;

    CHECK_OK(catalog_begin(s->catalog, &t, e));
    CHECK_OK(catalog_job_enqueue(t, &q, &ids, e));
    CHECK_OK(catalog_commit(&t, e));
    return ids;
}

static struct catalog_job job_of(const struct service *s, const char *id, struct arena *a)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct catalog_job j;

    CHECK_OK(catalog_begin_read(s->catalog, &t, e));
    CHECK_OK(catalog_job_get(t, id, a, &j, e));
    return j;
}

/* All runs that there are, the newest first. */
static struct catalog_run_list runs_of(const struct service *s, struct arena *a)
{
    const struct catalog_run_filter all = CATALOG_RUNS_ALL;
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct catalog_run_list runs = {0};

    CHECK_OK(catalog_begin_read(s->catalog, &t, e));
    CHECK_OK(catalog_run_list(t, &all, &(struct catalog_page){.limit = 1000}, a, &runs, e));
    return runs;
}

static size_t count_ended(const struct service *s)
{
    AUTO(arena) struct arena a = {0};
    const struct catalog_run_list runs = runs_of(s, &a);
    size_t count = 0;

    for (size_t i = 0; i < runs.count; i++)
        count += catalog_run_state_is_final(runs.items[i].outcome.state);
    return count;
}

/* Step until so many runs have ended. */
static void step_until_ended(struct service *s, size_t count, int seconds)
{
    const int64_t end = clock_monotonic_ns() + seconds * NS_PER_S;

    while (count_ended(s) < count && clock_monotonic_ns() < end)
        dispatch_step(s->dispatch, 100);
    ck_assert_uint_eq(count_ended(s), count);
}

/* A file of the folder of a job's attempt. */
static bool has_file(const struct service *s, const char *id, int attempt, const char *name)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s/jobs/%s.%d/%s", s->config->state, id, attempt, name);
    return access(buf_string(&path), F_OK) == 0;
}

TEST(a_job_of_the_queue_is_run_and_its_end_recorded)
{
    AUTO(service) struct service s;
    AUTO(arena) struct arena a = {0};

    service_init(&s);
    (void)order(&s, RUN_BACKUP, "a", "{\"tags\":[\"good\"]}");
    step_until_ended(&s, 1, 60);

    const struct catalog_run_list runs = runs_of(&s, &a);

    ck_assert_int_eq((int)runs.items[0].outcome.state, RUN_SUCCESS);
    ck_assert_str_eq(runs.items[0].outcome.snapshot, ID64);

    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    const char *log = NULL;

    CHECK_OK(catalog_begin_read(s.catalog, &t, e));
    CHECK_OK(catalog_run_log_get(t, runs.items[0].id, &a, &log, e));
    CHECK(strstr(log, "{\"from\":\"output\",") == log && strstr(log, ID64) != NULL);
    ck_assert_uint_eq(dispatch_count(s.dispatch), 0);
}
END

TEST(a_job_has_the_limits_that_its_host_configures)
{
    AUTO(service) struct service s;
    AUTO(arena) struct arena a = {0};
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(child_job) struct child_job j = {0};

    service_init(&s);
    s.config->serve.job_limits =
        (struct config_job_limits){.time_ms = 1000,
                                   .stall_ms = 90000,
                                   .cpu_ms = 60000,
                                   .memory = UINT64_C(1) << 50}; /* ThreadSanitizer's too */

    const struct catalog_job_ids ids = order(&s, RUN_BACKUP, "a", "{\"tags\":[\"slow\"]}");

    while (!has_file(&s, ids.job, 1, "request"))
        dispatch_step(s.dispatch, 100);
    buf_printf(&path, "%s/jobs/%s.1/request", s.config->state, ids.job);
    CHECK_OK(file_read(buf_string(&path), 65536, &text, e));
    CHECK_OK(child_job_parse(buf_slice(&text), &j, e));
    CHECK(j.limits.time_s == 1 && j.limits.stall_s == 90 && j.limits.cpu_s == 60);
    CHECK(j.limits.memory == UINT64_C(1) << 50 && !j.must_confine);
    step_until_ended(&s, 1, 60);
    CHECK(strstr(runs_of(&s, &a).items[0].outcome.error, "it took longer than it may") != NULL);
}
END

static bool has_news(const struct service *s, const char *run)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    const char *log = NULL;

    CHECK_OK(catalog_begin_read(s->catalog, &t, e));
    CHECK_OK(catalog_run_log_get(t, run, &a, &log, e));
    return strstr(log, "news") != NULL;
}

TEST(what_a_job_says_is_in_the_log_while_it_runs)
{
    AUTO(service) struct service s;
    const int64_t end = clock_monotonic_ns() + 60 * NS_PER_S;

    service_init(&s);

    const struct catalog_job_ids ids = order(&s, RUN_BACKUP, "a", "{\"tags\":[\"slow\"]}");

    while (!has_news(&s, ids.run) && clock_monotonic_ns() < end)
        dispatch_step(s.dispatch, 100);
    CHECK(has_news(&s, ids.run));
    ck_assert_uint_eq(count_ended(&s), 0);

    AUTO(catalog_tx) struct catalog_tx *t = NULL;

    CHECK_OK(catalog_begin(s.catalog, &t, e));
    CHECK_OK(catalog_job_cancel(t, ids.job, e));
    CHECK_OK(catalog_commit(&t, e));
    step_until_ended(&s, 1, 60);
}
END

TEST(a_job_that_may_not_run_beside_another_waits_for_it_and_nothing_else_happens_to_it)
{
    static const char prune[] = "{\"repository\":\"main\",\"max_unused\":\"nap\"}";
    AUTO(service) struct service s;
    AUTO(arena) struct arena a = {0};

    service_init(&s);
    (void)order(&s, RUN_PRUNE, "a", prune);

    const struct catalog_job_ids second = order(&s, RUN_PRUNE, "b", prune);

    dispatch_step(s.dispatch, 100);
    ck_assert_uint_eq(dispatch_count(s.dispatch), 1);
    ck_assert_int_eq(job_of(&s, second.job, &a).fence, 1);
    step_until_ended(&s, 2, 60);

    const struct catalog_run_list runs = runs_of(&s, &a);

    ck_assert_uint_eq(runs.count, 2);
    for (size_t i = 0; i < runs.count; i++)
        ck_assert_msg(runs.items[i].outcome.state == RUN_SUCCESS, "%s",
                      runs.items[i].outcome.error);
    ck_assert_str_eq(job_of(&s, second.job, &a).run, second.run);
}
END

/* Step until the keeper of the first attempt listens. */
static void step_until_begun(struct service *s, const char *id)
{
    for (int i = 0; i < 300 && !has_file(s, id, 1, "process"); i++)
        dispatch_step(s->dispatch, 100);
    CHECK(has_file(s, id, 1, "process"));
}

TEST(a_child_whose_job_is_anothers_by_now_is_stopped_and_the_others_lease_left_alone)
{
    const struct catalog_job_offer offer = {"another:1", "there", 20 * MINUTE_S * 1000};
    AUTO(service) struct service s;
    AUTO(arena) struct arena a = {0};
    struct catalog_job taken;
    bool found = false;

    service_init(&s);

    const struct catalog_job_ids ids = order(&s, RUN_BACKUP, "a", "{\"tags\":[\"polite\"]}");

    step_until_begun(&s, ids.job);
    dispatch_close(s.dispatch);
    s.dispatch = NULL;
    clock_set_for_tests(clock_now_ns() + MINUTE_S * NS_PER_S);
    CHECK_OK(catalog_job_claim(s.catalog, &offer, &a, &taken, &found, e));
    CHECK(found && taken.fence > 1);

    dispatch_begin(&s);
    ck_assert_uint_eq(dispatch_count(s.dispatch), 1);
    for (int i = 0; i < 300 && dispatch_count(s.dispatch) > 0; i++)
        dispatch_step(s.dispatch, 100);
    ck_assert_uint_eq(dispatch_count(s.dispatch), 0);

    const struct catalog_job j = job_of(&s, ids.job, &a);

    ck_assert_str_eq(j.holder, "another:1");
    CHECK(j.fence == taken.fence && j.lease_ns == taken.lease_ns && !j.is_cancelled);
    ck_assert_str_eq(j.run, taken.run);
    clock_set_for_tests(0);
}
END

TEST(a_dispatcher_that_comes_later_keeps_the_lease_of_what_it_finds)
{
    AUTO(service) struct service s;
    AUTO(arena) struct arena a = {0};

    service_init(&s);

    const struct catalog_job_ids ids = order(&s, RUN_BACKUP, "a", "{\"tags\":[\"polite\"]}");

    step_until_begun(&s, ids.job);
    dispatch_close(s.dispatch);
    s.dispatch = NULL;

    const int64_t before = job_of(&s, ids.job, &a).lease_ns;

    dispatch_begin(&s);
    dispatch_step(s.dispatch, 100);
    CHECK(job_of(&s, ids.job, &a).lease_ns > before);

    struct catalog_tx *t = NULL;

    CHECK_OK(catalog_begin(s.catalog, &t, e));
    CHECK_OK(catalog_job_cancel(t, ids.job, e));
    CHECK_OK(catalog_commit(&t, e));
    step_until_ended(&s, 1, 60);
    ck_assert_int_eq((int)runs_of(&s, &a).items[0].outcome.state, RUN_CANCELLED);
}
END

TEST(all_jobs_whose_lease_is_over_are_stopped_when_the_catalog_does_not_answer)
{
    static const char polite[] = "{\"tags\":[\"polite\"]}";
    struct rlimit limit;
    AUTO(service) struct service s;
    bool has_ended = false;

    service_init(&s);

    const struct catalog_job_ids one = order(&s, RUN_BACKUP, "a", polite);
    const struct catalog_job_ids two = order(&s, RUN_BACKUP, "b", polite);

    step_until_begun(&s, one.job);
    step_until_begun(&s, two.job);

    /* From now on every write of this process fails at once; the keepers' do not. */
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0 && signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    limit.rlim_cur = 0;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);

    const int64_t end = clock_monotonic_ns() + 60 * NS_PER_S;

    while (!has_ended && clock_monotonic_ns() < end) {
        dispatch_step(s.dispatch, 500);
        has_ended = has_file(&s, one.job, 1, "exit") && has_file(&s, two.job, 1, "exit");
        (void)poll(NULL, 0, 100);
    }
    limit.rlim_cur = limit.rlim_max;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK(has_ended);
}
END

static void on_failed(void *arg, const struct err *e)
{
    int *count = arg;

    ck_assert_int_ne((int)e->code, ERR_NONE);
    ++*count;
}

TEST(a_catalog_that_fails_at_once_is_not_asked_without_a_pause)
{
    AUTO(service) struct service s;
    int failures = 0;

    service_init(&s);
    dispatch_close(s.dispatch);

    const struct dispatch_options o = {.catalog = s.catalog,
                                       .config = s.config,
                                       .host = "here",
                                       .failed = on_failed,
                                       .arg = &failures};

    CHECK_OK(dispatch_open(&o, &s.dispatch, e));
    CHECK(truncate(path_in(s.config->state, "catalog.db"), 0) == 0);
    CHECK(truncate(path_in(s.config->state, "catalog.db-wal"), 0) == 0);

    const int64_t began = clock_monotonic_ns();

    for (int i = 0; i < 5; i++)
        dispatch_step(s.dispatch, 100);
    CHECK(clock_monotonic_ns() - began >= 5 * 90 * (NS_PER_S / 1000));
    ck_assert_int_ge(failures, 5);
}
END

#define KILLED(when) "{\"snapshot\":\"ab12\",\"in_place\":true,\"include\":[\"" when "\"]}"

TEST(a_restore_that_is_killed_while_places_change_is_taken_back_and_no_other)
{
    AUTO(service) struct service s;
    AUTO(arena) struct arena a = {0};
    struct catalog_job_ids ids;

    service_init(&s);
    ids = order(&s, RUN_RESTORE, "a", KILLED("before"));
    step_until_ended(&s, 1, 60);
    ck_assert_uint_eq(runs_of(&s, &a).count, 1);
    ids = order(&s, RUN_RESTORE, "a", KILLED("swap"));
    step_until_ended(&s, 3, 60);

    const struct catalog_run_list runs = runs_of(&s, &a);

    ck_assert_uint_eq(runs.count, 3);
    for (size_t i = 0; i < runs.count; i++) {
        const struct catalog_run *r = &runs.items[i];

        ck_assert_int_eq((int)r->kind, RUN_RESTORE);
        if (strcmp(r->requested_by, "system") != 0)
            continue;
        CHECK(strcmp(r->job, ids.job) != 0);
        ck_assert_str_eq(job_of(&s, r->job, &a).arguments, "{\"restore\":\"0123456789abcdef\"}");
        return;
    }
    ck_abort_msg("nothing takes it back");
}
END

TEST(a_lease_lasts_half_a_minute_where_nobody_says_how_long)
{
    AUTO(service) struct service s;
    AUTO(arena) struct arena a = {0};

    service_init(&s);
    dispatch_close(s.dispatch);

    const struct dispatch_options o = {.catalog = s.catalog, .config = s.config, .host = "here"};

    CHECK_OK(dispatch_open(&o, &s.dispatch, e));

    const struct catalog_job_ids ids = order(&s, RUN_BACKUP, "a", "{\"tags\":[\"nap\"]}");
    const int64_t before_ns = clock_now_ns();

    step_until_begun(&s, ids.job);
    CHECK(job_of(&s, ids.job, &a).lease_ns >= before_ns + DISPATCH_LEASE_MS * (NS_PER_S / 1000));
    step_until_ended(&s, 1, 60);
}
END

TEST(an_undo_that_is_killed_is_taken_up_again_once_and_a_discard_is_not)
{
    static const char *const rows[] = {
        "{\"restore\":\"fedcba9876543210\",\"discard\":true}",
        "{\"restore\":\"fedcba9876543210\"}",
    };

    for (size_t i = 0; i < 2; i++) {
        AUTO(service) struct service s;
        AUTO(arena) struct arena a = {0};
        struct catalog_run_list runs;
        size_t ways = 0;

        service_init(&s);
        (void)order(&s, RUN_RESTORE, "a", rows[i]);
        step_until_ended(&s, 1, 60);
        for (int k = 0; k < 5; k++)
            dispatch_step(s.dispatch, 100);
        runs = runs_of(&s, &a);
        for (size_t k = 0; k < runs.count; k++)
            if (strcmp(runs.items[k].requested_by, "system") == 0 && runs.items[k].attempt == 1) {
                ck_assert_str_eq(job_of(&s, runs.items[k].job, &a).arguments, rows[1]);
                ways++;
            }
        ck_assert_uint_eq(ways, i);
    }
}
END

JOB_PROGRAM_TESTS
#define main run_tests
TESTS("dispatcher", a_job_of_the_queue_is_run_and_its_end_recorded,
      a_job_has_the_limits_that_its_host_configures, what_a_job_says_is_in_the_log_while_it_runs,
      a_job_that_may_not_run_beside_another_waits_for_it_and_nothing_else_happens_to_it,
      a_child_whose_job_is_anothers_by_now_is_stopped_and_the_others_lease_left_alone,
      a_dispatcher_that_comes_later_keeps_the_lease_of_what_it_finds,
      a_catalog_that_fails_at_once_is_not_asked_without_a_pause,
      a_restore_that_is_killed_while_places_change_is_taken_back_and_no_other,
      a_lease_lasts_half_a_minute_where_nobody_says_how_long,
      an_undo_that_is_killed_is_taken_up_again_once_and_a_discard_is_not,
      all_jobs_whose_lease_is_over_are_stopped_when_the_catalog_does_not_answer)
