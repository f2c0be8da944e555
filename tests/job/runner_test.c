/* Jobs, keepers and the runner: what comes of jobs, their limits, and what they can see. */
#define TEST_SECONDS 300
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "codec/json.h"
#include "job_program.h"
#include "runner_world.h"

/* What came of the only job. */
struct told {
    bool is_told;
    enum child_state state;
    char why[500], id[CHILD_ID_MAX + 1];
    size_t error_bytes, messages, statuses, gaps, log_bytes;
    char log_end[200];
    bool has_gap;
    json_t *seen;
};

static bool on_end(void *arg, const struct child_job *j, const struct child_outcome *o)
{
    struct told *t = arg;

    t->is_told = true;
    t->state = o->state;
    t->error_bytes = strlen(o->errors);
    t->log_bytes = strlen(o->log);
    (void)snprintf(t->log_end, sizeof(t->log_end), "%s",
                   o->log + (t->log_bytes > 150 ? t->log_bytes - 150 : 0));
    t->has_gap = strstr(o->log, "lines are left out here\"") != NULL;
    t->gaps = json_array_size(o->gaps);
    (void)snprintf(t->why, sizeof(t->why), "%s", o->why.text);
    (void)snprintf(t->id, sizeof(t->id), "%s", j->id);
    return true;
}

static void on_message(void *arg, const struct child_job *j, const json_t *message)
{
    struct told *t = arg;
    const char *type = child_line_type(message);

    (void)j;
    t->messages++;
    if (type != NULL && strcmp(type, "status") == 0)
        t->statuses++;
    if (type != NULL && strcmp(type, "seen") == 0)
        t->seen = json_deep_copy(message);
}

static struct runner *runner_for(struct world *w, struct told *t, unsigned slots)
{
    const char *state = path_in(w->scratch.path, "state");
    const struct runner_options o = {state, slots, on_message, on_end, t};
    struct runner *r = NULL;

    CHECK_OK(runner_open(&o, &r, e));
    return r;
}

static void look_until_told(struct runner *r, const struct told *t, int seconds)
{
    const int64_t end = clock_monotonic_ns() + seconds * NS_PER_S;

    while (!t->is_told && clock_monotonic_ns() < end)
        runner_look(r, 100);
    CHECK(t->is_told);
    ck_assert_uint_eq(runner_count(r), 0);
}

/* Run it to its end. */
static void run(struct world *w, struct child_job *j, struct told *t)
{
    AUTO(runner) struct runner *r = runner_for(w, t, 1);

    CHECK_OK(runner_start(r, j, e));
    look_until_told(r, t, 120);
    /* Nothing stays behind. */
    ck_assert_uint_eq(directory_count(path_in(w->scratch.path, "state/jobs")), 0);
}

static void check_ends(const char *how, enum child_state wanted, const char *why)
{
    AUTO(world) struct world w;
    struct told t = {0};

    world_init(&w);
    run(&w, job(&w, "one", "a", how), &t);
    ck_assert_msg(t.state == wanted, "%s: %s: %s", how, child_state_name(t.state), t.why);
    ck_assert_msg(strstr(t.why, why) != NULL, "%s: %s", how, t.why);
}

TEST(a_job_that_says_what_it_promised_succeeds)
{
    check_ends("good", CHILD_SUCCEEDED, "");
}
END

TEST(status_0_alone_is_no_success)
{
    check_ends("silent", CHILD_FAILED, "without summary");
    check_ends("garbage", CHILD_FAILED, "no JSON");
    check_ends("huge", CHILD_FAILED, "more than a job may say");
    check_ends("cut", CHILD_FAILED, "no end");
}
END

TEST(a_job_that_crashes_is_a_failed_job)
{
    check_ends("crash", CHILD_FAILED, "signal 6");
}
END

TEST(a_job_that_never_stops_talking_is_stopped)
{
    check_ends("endless", CHILD_FAILED, "more than a job may say");
}
END

TEST(of_many_errors_the_first_and_the_last_are_kept)
{
    AUTO(world) struct world w;
    struct told t = {0};

    world_init(&w);
    run(&w, job(&w, "one", "a", "loud"), &t);
    ck_assert_str_eq(t.why, "too loud");
    ck_assert_uint_gt(t.error_bytes, 256 << 10);
    ck_assert_uint_lt(t.error_bytes, 400 << 10);
    CHECK(t.has_gap && strstr(t.log_end, "too loud") != NULL);
    ck_assert_uint_gt(t.log_bytes, 2 * CHILD_LOG_PART - (4 << 10));
    ck_assert_uint_lt(t.log_bytes, CHILD_LOG_MAX);
}
END

TEST(what_a_job_leaves_running_is_killed_with_it)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf text = {0};
    struct told t = {0};
    pid_t pid = 0;

    world_init(&w);
    run(&w, job(&w, "one", "a", "family"), &t);
    CHECK(t.state == CHILD_SUCCEEDED);
    file_take(path_in(w.scratch.path, "repo/grandchild"), &text);
    CHECK(text.size == sizeof(pid));
    memcpy(&pid, text.data, sizeof(pid));
    CHECK(kill(pid, 0) < 0 && errno == ESRCH);
}
END

static void check_stops(const char *how, const struct child_limits *limits, bool cancels,
                        enum child_state wanted)
{
    AUTO(world) struct world w;
    struct told t = {0};
    const int64_t began = clock_monotonic_ns();

    world_init(&w);

    struct child_job *j = job(&w, "one", "a", how);
    AUTO(runner) struct runner *r = runner_for(&w, &t, 1);

    j->limits = *limits;
    CHECK_OK(runner_start(r, j, e));
    CHECK(runner_has(r, "one"));
    CHECK(!runner_cancel(r, "another"));
    if (cancels)
        CHECK(runner_cancel(r, "one")); /* its keeper does not listen yet */
    look_until_told(r, &t, 60);
    ck_assert_msg(t.state == wanted, "%s: %s", child_state_name(t.state), t.why);
    CHECK(clock_monotonic_ns() - began < 50 * NS_PER_S); /* the longest grace is longer */
}

TEST(a_job_stops_when_it_is_asked_to_and_is_killed_when_it_does_not)
{
    check_stops("polite", &(struct child_limits){.grace_s = 60}, true, CHILD_CANCELLED);
    check_stops("stuck", &(struct child_limits){.grace_s = 1}, true, CHILD_CANCELLED);
}
END

TEST(a_job_ends_at_its_time_limit)
{
    check_stops("stuck", &(struct child_limits){.time_s = 1, .grace_s = 1}, false, CHILD_TIMED_OUT);
}
END

TEST(a_job_that_does_nothing_is_stalled_and_one_that_computes_is_not)
{
    check_stops("stuck", &(struct child_limits){.stall_s = 2, .grace_s = 1}, false, CHILD_STALLED);
    check_stops("burn", &(struct child_limits){.stall_s = 2, .grace_s = 1}, false, CHILD_SUCCEEDED);
}
END

TEST(a_job_has_the_listed_environment_three_descriptors_and_no_secret)
{
    AUTO(world) struct world w;
    struct told t = {0};

    CHECK(clearenv() == 0);
    CHECK(setenv("HOLDFAST_PASSWORD", "canary", 1) == 0);
    CHECK(setenv("DATABASE_URL", "canary", 1) == 0);
    CHECK(setenv("TZ", "UTC", 1) == 0);
    CHECK(dup(1) > 2);
    world_init(&w);
    run(&w, job(&w, "one", "a", "show"), &t);
    CHECK(t.state == CHILD_SUCCEEDED);

    AUTO(json) json_t *seen = t.seen;
    AUTO(json)
    json_t *environment = json_pack(
        "[s, s, s, s]", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL=C.UTF-8", "HOLDFAST_PROGRESS_FPS=1", "TZ=UTC");
    AUTO(json) json_t *descriptors = json_pack("[i, i, i]", 0, 1, 2);

    CHECK(json_equal(json_object_get(seen, "environment"), environment));
    CHECK(json_equal(json_object_get(seen, "descriptors"), descriptors));
    if (geteuid() == 0)
        ck_assert_uint_eq(t.gaps, 0);
}
END

TEST(a_job_that_cannot_start_says_why)
{
    AUTO(world) struct world w;
    struct told t = {0};

    world_init(&w);

    struct child_job *j = job(&w, "one", "none", "good");
    AUTO(runner) struct runner *r = runner_for(&w, &t, 1);

    CHECK_ERR(runner_start(r, j, e), ERR_USAGE);
    ck_assert_uint_eq(directory_count(path_in(w.scratch.path, "state/jobs")), 0);
}
END

TEST(slots_sets_and_attempts_are_kept)
{
    AUTO(world) struct world w;
    struct told t = {0};

    world_init(&w);
    AUTO(runner) struct runner *r = runner_for(&w, &t, 2);

    CHECK_OK(runner_start(r, job(&w, "one", "a", "stuck"), e));
    CHECK_ERR(runner_start(r, job(&w, "one", "b", "good"), e), ERR_EXISTS);
    CHECK_ERR(runner_start(r, job(&w, "two", "a", "good"), e), ERR_TRANSIENT);
    CHECK_OK(runner_start(r, job(&w, "two", "b", "stuck"), e));
    CHECK_ERR(runner_start(r, job(&w, "three", "c", "good"), e), ERR_TRANSIENT);

    struct runner *other = NULL;
    const struct runner_options o = {path_in(w.scratch.path, "state"), 1, NULL, on_end, &t};

    CHECK_ERR(runner_open(&o, &other, e), ERR_TRANSIENT);
    CHECK(runner_cancel(r, "one") && runner_cancel(r, "two"));
    while (runner_count(r) > 0)
        runner_look(r, 100);
}
END

TEST(a_runner_that_comes_later_takes_over_what_runs)
{
    AUTO(world) struct world w;
    struct told t = {0};
    struct told later = {0};

    world_init(&w);
    {
        AUTO(runner) struct runner *r = runner_for(&w, &t, 1);

        CHECK_OK(runner_start(r, job(&w, "one", "a", "work"), e));
    }
    AUTO(runner) struct runner *r = runner_for(&w, &later, 1);

    CHECK(runner_has(r, "one"));
    CHECK_ERR(runner_start(r, job(&w, "one", "a", "work"), e), ERR_EXISTS);
    look_until_told(r, &later, 60);
    CHECK(!t.is_told && later.state == CHILD_SUCCEEDED);
    ck_assert_str_eq(later.id, "one");
}
END

static pid_t keeper_of(struct world *w, const char *name)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s/state/jobs/%s/process", w->scratch.path, name);
    for (int i = 0; i < 6000; i++) {
        AUTO(buf) struct buf text = {0};
        struct err ignored;
        json_t *process = NULL;

        if (file_read(buf_string(&path), 4096, &text, &ignored) &&
            (process = json_loadb((char *)text.data, text.size, 0, NULL)) != NULL) {
            const pid_t pid = (pid_t)json_integer_value(json_object_get(process, "keeper"));

            json_decref(process);
            return pid;
        }
        (void)poll(NULL, 0, 10);
    }
    return 0;
}

TEST(a_job_whose_keeper_is_killed_is_dead_and_interrupted)
{
    AUTO(world) struct world w;
    struct told t = {0};

    world_init(&w);
    AUTO(runner) struct runner *r = runner_for(&w, &t, 1);

    CHECK_OK(runner_start(r, job(&w, "one", "a", "stuck"), e));

    const pid_t keeper = keeper_of(&w, "one.1");

    CHECK(keeper > 0 && kill(keeper, SIGKILL) == 0);
    look_until_told(r, &t, 60);
    CHECK(t.state == CHILD_INTERRUPTED);
}
END

JOB_PROGRAM_TESTS
#define main run_tests
TESTS("runner", a_job_that_says_what_it_promised_succeeds, status_0_alone_is_no_success,
      a_job_that_crashes_is_a_failed_job, a_job_that_never_stops_talking_is_stopped,
      of_many_errors_the_first_and_the_last_are_kept, what_a_job_leaves_running_is_killed_with_it,
      a_job_stops_when_it_is_asked_to_and_is_killed_when_it_does_not, a_job_ends_at_its_time_limit,
      a_job_that_does_nothing_is_stalled_and_one_that_computes_is_not,
      a_job_has_the_listed_environment_three_descriptors_and_no_secret,
      a_job_that_cannot_start_says_why, slots_sets_and_attempts_are_kept,
      a_runner_that_comes_later_takes_over_what_runs,
      a_job_whose_keeper_is_killed_is_dead_and_interrupted)
