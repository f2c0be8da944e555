/*
 * Readings: this program is what starts them, what becomes them, and what they then are; they
 * behave as their first word says.
 */
#define TEST_SECONDS 60
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "codec/json.h"
#include "job/child_watch.h"
#include "job/job.h"
#include "support/fixture.h"

#ifdef __SANITIZE_ADDRESS__
/* Leaks are looked for by ptrace(), which the sandbox refuses; in the tests themselves they are. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

#define LARGE ((size_t)8 << 20)
#define WIDE  ((size_t)512 << 10) /* more than is read at a time */

/* As a reading */

static void say(int fd, const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        const ssize_t n = write(fd, text + strlen(text) - left, left);

        if (n < 0)
            _exit(9);
        left -= (size_t)n;
    }
}

static void say_much(int fd, size_t size)
{
    char line[4097];

    memset(line, 'x', 4096);
    line[4096] = '\0';
    for (size_t n = 0; n < size; n += 4096)
        say(fd, line);
}

/* What it is, and what it can. */
static void show(char **argv, const char *outside)
{
    char line[300];

    for (; *argv != NULL; argv++) {
        say(1, *argv);
        say(1, "|");
    }
    for (int fd = 3; fd < 100; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            say(1, "a descriptor is left|");
    (void)snprintf(line, sizeof(line), "%s", outside);
    say(1, open(line, O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES ? "outside is shut|" : "OPEN|");
    say(1, read(0, line, 1) == 0 ? "no input|" : "INPUT|");
    say(1, getenv("CANARY") == NULL ? "no canary|" : "CANARY|");
}

static _Noreturn void hang(void)
{
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    for (;;)
        (void)pause();
}

/* What stands behind an option, or NULL. */
static const char *option_of(char **argv, const char *option)
{
    for (; *argv != NULL; argv++)
        if (strncmp(*argv, option, strlen(option)) == 0)
            return *argv + strlen(option);
    return NULL;
}

/* Stores its input: at an end that was told, the repository has a file "ended". */
static int store(char **argv, const char *how)
{
    static uint8_t bytes[65536];
    struct pollfd other_side = {.fd = 0};
    unsigned long long size = 0;
    unsigned sum = 0;
    char line[300];
    ssize_t n = 1;

    if (strcmp(how, "deaf") == 0) {
        say(2, "{\"message_type\":\"exit_error\",\"code\":1,\"message\":\"cannot hear\"}\n");
        return 1;
    }
    for (int i = 0; n > 0; size += (unsigned long long)n) {
        n = read(0, bytes, sizeof(bytes));
        for (ssize_t k = 0; k < n; k++)
            sum = sum * 31 + bytes[k];
        if (strcmp(how, "talks") == 0 && i++ < 1000)
            say(1, "{\"message_type\":\"status\",\"percent_done\":0}\n");
    }
    if (n < 0 || poll(&other_side, 1, 0) != 0)
        return 1;
    (void)snprintf(line, sizeof(line), "%s/ended", option_of(argv, "--repo="));
    if (open(line, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0)
        return 9;
    (void)snprintf(line, sizeof(line),
                   "{\"message_type\":\"summary\",\"snapshot_id\":\"%064x\",\"size\":%llu}\n", sum,
                   size);
    say(1, strcmp(how, "mute") == 0 ? "{\"message_type\":\"status\"}\n" : line);
    return 0;
}

static int behave(char **argv)
{
    char **word = argv;

    if (option_of(argv, "--stdin-socket") != NULL)
        return store(argv, option_of(argv, "--stdin-filename="));
    while (strcmp(*word, "--") != 0)
        word++;
    word++;
    if (strcmp(*word, "show") == 0)
        show(argv, word[1]);
    if (strcmp(*word, "much") == 0)
        say_much(1, LARGE);
    if (strcmp(*word, "wide") == 0) {
        say(1, "first");
        (void)fcntl(1, F_SETPIPE_SZ, WIDE + 8192); /* so that all fits, and the end comes at once */
        say_much(1, WIDE);
    }
    if (strcmp(*word, "loud") == 0)
        say_much(2, LARGE);
    if (strcmp(*word, "hang") == 0 || strcmp(*word, "family") == 0) {
        if (strcmp(*word, "family") == 0 && fork() == 0)
            hang();
        say(1, "here");
        hang();
    }
    if (strcmp(*word, "orphan") == 0 && fork() == 0)
        hang(); /* with the pipes of its parent */
    if (strcmp(*word, "crash") == 0) {
        say(1, "part");
        (void)raise(SIGKILL);
    }
    if (strcmp(*word, "endless") == 0)
        for (;;)
            say_much(1, 4096);
    if (strcmp(*word, "missing") == 0)
        say(2, "{\"message_type\":\"exit_error\",\"code\":1,\"message\":\"no x\","
               "\"cause\":\"not-found\"}\n");
    if (strcmp(*word, "away") == 0)
        say(2,
            "{\"message_type\":\"exit_error\",\"code\":1,\"message\":\"away\",\"opening\":true}\n");
    say(1, "end");
    return word[0][0] == 'm' && word[0][1] == 'i' ? 1 : strcmp(*word, "away") == 0 ? 10 : 0;
}

static int reading_tests(void);
int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], READING_OPTION) == 0)
        return reading_become();
    if (argc > 1 && strncmp(argv[1], CHILD_SANDBOX_OPTION, strlen(CHILD_SANDBOX_OPTION)) == 0)
        return behave(argv);
    return reading_tests();
}

/* As the service */

struct world {
    struct scratch scratch;
    struct child_job job;
    struct child_outcome outcome;
    struct buf printed;
    size_t keep;    /* so much of it is kept */
    size_t enough;  /* bytes after which nothing more is taken; 0: all are */
    size_t taken;   /* in all */
    int first_ms;   /* that the first bytes take */
    int64_t end_ns; /* after which nobody waits; 0: always somebody does */
};

static void world_init(struct world *w, const char *word)
{
    AUTO(buf) struct buf text = {0};

    *w = (struct world){.keep = 4096};
    scratch_init(&w->scratch);
    buf_printf(&text,
               "state: %s/state\nrepositories:\n  main: {url: %s/repo, key_file: %s/key}\n"
               "sets:\n  shop: {sources: [{files: {paths: [%s/data]}}], repositories: [main]}\n",
               w->scratch.path, w->scratch.path, w->scratch.path, w->scratch.path);
    w->job = (struct child_job){.id = "r", .attempt = 1, .verb = CHILD_DUMP};
    w->job.config = mem_string(path_in(w->scratch.path, "holdfast.yaml"));
    file_put_text(w->job.config, buf_string(&text));
    CHECK(chmod(w->job.config, 0600) == 0);
    file_put_text(path_in(w->scratch.path, "outside"), "secret");
    w->job.set = mem_string("shop");
    w->job.arguments = json_pack("{s:[s, s]}", "words", word, path_in(w->scratch.path, "outside"));
    w->job.limits = READING_LIMITS;
}

static void world_auto(struct world *w)
{
    child_job_done(&w->job);
    child_outcome_auto(&w->outcome);
    buf_done(&w->printed);
    scratch_done(&w->scratch);
}

static bool take(void *arg, struct slice bytes, struct err *e)
{
    struct world *w = arg;
    const size_t room = w->keep - w->printed.size;

    if (w->taken == 0)
        (void)poll(NULL, 0, w->first_ms);
    w->taken += bytes.size;
    buf_append(&w->printed, bytes.data, bytes.size < room ? bytes.size : room);
    return w->enough == 0 || w->taken < w->enough || err_set(e, ERR_CANCELLED, "enough");
}

static bool is_wanted(void *arg)
{
    const struct world *w = arg;

    return w->end_ns == 0 || clock_monotonic_ns() < w->end_ns;
}

static void run(struct world *w)
{
    const struct reading_ends ends = {.take = take, .is_wanted = is_wanted, .arg = w};

    CHECK_OK(reading_run(&w->job, &ends, &w->outcome, e));
    /* No process of ours is left, not even one that nobody reaped. */
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

TEST(a_reading_is_the_command_in_its_sandbox_with_nothing_of_ours)
{
    AUTO(world) struct world w;

    world_init(&w, "show");
    CHECK(setenv("CANARY", "1", 1) == 0);
    run(&w);
    CHECK(w.outcome.state == CHILD_SUCCEEDED);

    const char *said = buf_string(&w.printed);

    CHECK(strstr(said, "holdfast|--sandbox=no-exec|dump|--json|") == said);
    CHECK(strstr(said, "|--set=shop|--repo=") != NULL && strstr(said, "|--|show|/") != NULL);
    CHECK(strstr(said, "outside is shut|no input|no canary|end") != NULL);
    CHECK(strstr(said, "a descriptor") == NULL && strstr(said, "--config") == NULL);
}
END

TEST(all_that_it_prints_is_taken_before_it_counts_as_whole)
{
    AUTO(world) struct world w;

    world_init(&w, "much");
    run(&w);
    CHECK(w.outcome.state == CHILD_SUCCEEDED);
    ck_assert_uint_eq(w.taken, LARGE + 3);
}
END

TEST(what_it_printed_last_is_taken_when_it_has_long_ended)
{
    AUTO(world) struct world w;

    world_init(&w, "wide");
    w.first_ms = 1500;
    run(&w);
    CHECK(w.outcome.state == CHILD_SUCCEEDED);
    ck_assert_uint_eq(w.taken, 5 + WIDE + 3);
}
END

TEST(one_that_fails_says_why)
{
    for (int i = 0; i < 2; i++) {
        AUTO(world) struct world w;

        world_init(&w, i == 0 ? "missing" : "away");
        run(&w);
        CHECK(w.outcome.state == CHILD_FAILED && w.outcome.is_missing == (i == 0));
        CHECK(w.outcome.is_opening == (i == 1) && !w.outcome.is_invalid);
        ck_assert_str_eq(w.outcome.why.text, i == 0 ? "no x" : "away");
    }
}
END

TEST(one_that_is_killed_is_no_success_whatever_it_printed)
{
    AUTO(world) struct world w;

    world_init(&w, "crash");
    run(&w);
    CHECK(w.outcome.state == CHILD_FAILED && w.outcome.signal == SIGKILL);
    ck_assert_str_eq(buf_string(&w.printed), "part");
}
END

TEST(of_many_errors_the_last_are_kept)
{
    AUTO(world) struct world w;

    world_init(&w, "loud");
    run(&w);
    CHECK(w.outcome.state == CHILD_SUCCEEDED);
    ck_assert_uint_eq(strlen(w.outcome.errors), READING_ERRORS_MAX);
}
END

TEST(one_that_hangs_is_ended_at_its_limits)
{
    for (int i = 0; i < 2; i++) {
        AUTO(world) struct world w;
        const int64_t begun_ns = clock_monotonic_ns();

        world_init(&w, "hang");
        w.job.limits = (struct child_limits){.time_s = i == 0, .stall_s = i == 1};
        run(&w);
        CHECK(w.outcome.state == (i == 0 ? CHILD_TIMED_OUT : CHILD_STALLED));
        CHECK(clock_monotonic_ns() - begun_ns < 20 * NS_PER_S);
    }
}
END

/* Orphans come to us, so that any that is left is seen. */
static void run_with_orphans(struct world *w)
{
    const struct reading_ends ends = {.take = take, .is_wanted = is_wanted, .arg = w};

    CHECK_OK(child_watch_begin(e));
    CHECK_OK(reading_run(&w->job, &ends, &w->outcome, e));
    for (int left = 200; waitpid(-1, NULL, WNOHANG) >= 0 && left > 0; left--)
        (void)poll(NULL, 0, 20);
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

TEST(when_the_caller_lets_go_all_of_its_group_is_gone)
{
    AUTO(world) struct world w;

    world_init(&w, "family");
    w.end_ns = clock_monotonic_ns() + 2 * NS_PER_S;
    run_with_orphans(&w);
    CHECK(w.outcome.state == CHILD_CANCELLED);
    ck_assert_str_eq(buf_string(&w.printed), "here");
}
END

TEST(one_that_is_not_read_on_is_ended)
{
    AUTO(world) struct world w;

    world_init(&w, "endless");
    w.enough = 100000;
    run(&w);
    CHECK(w.outcome.state == CHILD_CANCELLED && w.taken < LARGE);
}
END

TEST(who_holds_its_pipes_keeps_nobody_waiting)
{
    AUTO(world) struct world w;
    const int64_t begun_ns = clock_monotonic_ns();

    world_init(&w, "orphan");
    run_with_orphans(&w);
    CHECK(w.outcome.state == CHILD_SUCCEEDED);
    ck_assert_str_eq(buf_string(&w.printed), "end");
    CHECK(clock_monotonic_ns() - begun_ns < 20 * NS_PER_S);
}
END

TEST(what_makes_no_sense_is_not_started)
{
    static const char *const bad[] = {"{\"words\":[\"a\\nb\"]}", "{\"words\":[\"\"]}",
                                      "{\"repository\":\"other\"}", "{\"target\":\"/x\"}",
                                      "{\"lines\":true}"};
    AUTO(world) struct world w;
    const struct reading_ends ends = {.take = take, .is_wanted = is_wanted, .arg = &w};

    world_init(&w, "show");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_decref(w.job.arguments);
        CHECK((w.job.arguments = json_loads(bad[i], 0, NULL)) != NULL);
        CHECK_ERR(reading_run(&w.job, &ends, &w.outcome, e), ERR_USAGE);
    }
    mem_free(w.job.set);
    w.job.set = NULL;
    CHECK_ERR(reading_run(&w.job, &ends, &w.outcome, e), ERR_USAGE);
    ck_assert_uint_eq(w.taken, 0);
}
END

/* Whose sandbox has the repository that is named, and nothing else of the set. */
TEST(what_only_looks_gets_the_repository_and_none_of_the_sources)
{
    AUTO(world) struct world w;
    AUTO(config) struct config *c = NULL;
    AUTO(child_plan) struct child_plan p = {0};
    const char *data = NULL;

    world_init(&w, "show");
    CHECK_OK(config_load(w.job.config, &c, e));
    CHECK_OK(child_plan_make(&w.job, c, &p, e));
    CHECK(!p.profile.may_exec && !p.profile.keeps_admin && !p.profile.may_set_owners);
    CHECK(p.profile.network == SANDBOX_NETWORK_NONE);
    data = path_in(w.scratch.path, "data");
    for (const char *const *one = p.profile.readable; *one != NULL; one++)
        CHECK(strcmp(*one, data) != 0);
    for (const char *const *one = p.profile.writable; *one != NULL; one++)
        CHECK(strcmp(*one, path_in(w.scratch.path, "repo")) != 0);
}
END

/* Uploads */

struct upload {
    struct world w;
    size_t size, given;
    unsigned sum;
    size_t breaks_at; /* there is no more behind that, though it is not the end */
    size_t dies_at;   /* this process */
};

static void upload_init(struct upload *u, const char *how)
{
    *u = (struct upload){.size = LARGE + 7, .breaks_at = SIZE_MAX, .dies_at = SIZE_MAX};
    world_init(&u->w, "");
    CHECK(mkdir(path_in(u->w.scratch.path, "repo"), 0700) == 0);
    u->w.job.verb = CHILD_UPLOAD;
    json_decref(u->w.job.arguments);
    u->w.job.arguments = json_pack("{s:s}", "name", how);
}

static void upload_auto(struct upload *u)
{
    world_auto(&u->w);
}

static bool give(void *arg, void *to, size_t room, size_t *got, struct err *e)
{
    struct upload *u = arg;
    const size_t left = u->size - u->given;
    uint8_t *bytes = to;

    if (u->given >= u->breaks_at)
        return err_set(e, ERR_CANCELLED, "no more comes");
    if (u->given >= u->dies_at)
        (void)raise(SIGKILL);
    *got = left < room ? left : room;
    for (size_t i = 0; i < *got; i++) {
        bytes[i] = (uint8_t)((u->given + i) * 2654435761U >> 24);
        u->sum = u->sum * 31 + bytes[i];
    }
    u->given += *got;
    return true;
}

static bool always(void *arg)
{
    (void)arg;
    return true;
}

static void upload(struct upload *u)
{
    const struct reading_ends ends = {.give = give, .is_wanted = always, .arg = u};

    CHECK_OK(child_watch_begin(e));
    CHECK_OK(reading_run(&u->w.job, &ends, &u->w.outcome, e));
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static bool has_ended(const struct upload *u)
{
    return access(path_in(u->w.scratch.path, "repo/ended"), F_OK) == 0;
}

TEST(what_is_given_arrives_whole_and_then_its_end)
{
    static const size_t sizes[] = {0, 1, 65536, LARGE + 7};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        AUTO(upload) struct upload u;
        char id[65];

        upload_init(&u, i == 1 ? "talks" : "store");
        u.size = sizes[i];
        upload(&u);
        CHECK(u.w.outcome.state == CHILD_SUCCEEDED && has_ended(&u));
        (void)snprintf(id, sizeof(id), "%064x", u.sum);
        ck_assert_str_eq(json_string_value(json_object_get(u.w.outcome.result, "snapshot_id")), id);
        CHECK(json_integer_value(json_object_get(u.w.outcome.result, "size")) ==
              (json_int_t)sizes[i]);
    }
}
END

TEST(of_what_breaks_off_no_end_is_told)
{
    static const size_t places[] = {0, 65536, LARGE};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        AUTO(upload) struct upload u;

        upload_init(&u, "store");
        u.breaks_at = places[i];
        upload(&u);
        CHECK(u.w.outcome.state == CHILD_CANCELLED && !has_ended(&u));
    }
}
END

TEST(when_we_are_killed_no_end_is_told)
{
    AUTO(upload) struct upload u;
    pid_t us;

    upload_init(&u, "store");
    u.dies_at = LARGE / 2;
    CHECK_OK(child_watch_begin(e)); /* what is left comes to us */
    us = fork();
    if (us == 0) {
        upload(&u);
        _exit(0);
    }
    for (int left = 500; waitpid(-1, NULL, WNOHANG) >= 0 && left > 0; left--)
        (void)poll(NULL, 0, 20);
    CHECK(us > 0 && waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
    CHECK(!has_ended(&u));
}
END

TEST(one_that_does_not_read_or_tells_no_result_has_failed)
{
    for (int i = 0; i < 2; i++) {
        AUTO(upload) struct upload u;

        upload_init(&u, i == 0 ? "deaf" : "mute");
        upload(&u);
        CHECK(u.w.outcome.state == CHILD_FAILED && has_ended(&u) == (i == 1));
        ck_assert_str_eq(u.w.outcome.why.text, i == 0 ? "cannot hear"
                                                      : "the job ended with status 0, but without "
                                                        "summary");
    }
}
END

TEST(an_upload_is_a_backup_of_its_input_with_the_repository_and_none_of_the_sources)
{
    AUTO(upload) struct upload u;
    AUTO(config) struct config *c = NULL;
    AUTO(child_plan) struct child_plan p = {0};
    AUTO(buf) struct buf all = {0};
    bool has_repository = false;
    struct err e = {0};

    upload_init(&u, "a=b --host=x");
    CHECK(config_load(u.w.job.config, &c, &e) && child_plan_make(&u.w.job, c, &p, &e));
    for (char **one = p.argv; *one != NULL; one++)
        buf_printf(&all, "%s|", *one);
    CHECK(strstr(buf_string(&all), "|backup|--json|") != NULL);
    CHECK(strstr(buf_string(&all), "|--stdin|--stdin-socket|--tag=upload:shop|--repo=") != NULL);
    CHECK(strstr(buf_string(&all), "|--stdin-filename=a=b --host=x|--|") != NULL);
    CHECK(strstr(buf_string(&all), "--set") == NULL &&
          strstr(buf_string(&all), "--config") == NULL);
    CHECK(!p.profile.may_exec && p.profile.network == SANDBOX_NETWORK_NONE);
    for (const char *const *one = p.profile.readable; *one != NULL; one++)
        CHECK(strcmp(*one, path_in(u.w.scratch.path, "data")) != 0);
    for (const char *const *one = p.profile.writable; *one != NULL; one++)
        has_repository = has_repository || strcmp(*one, path_in(u.w.scratch.path, "repo")) == 0;
    CHECK(has_repository);
    (void)json_object_set_new(u.w.job.arguments, "tags", json_pack("[s]", "upload:wiki"));
    CHECK(!child_plan_make(&u.w.job, c, &p, &e) && e.code == ERR_USAGE);
    (void)json_object_clear(u.w.job.arguments);
    CHECK(!child_plan_make(&u.w.job, c, &p, &e) && e.code == ERR_USAGE);
}
END

#define main reading_tests
TESTS("reading", a_reading_is_the_command_in_its_sandbox_with_nothing_of_ours,
      all_that_it_prints_is_taken_before_it_counts_as_whole,
      what_it_printed_last_is_taken_when_it_has_long_ended, one_that_fails_says_why,
      one_that_is_killed_is_no_success_whatever_it_printed, of_many_errors_the_last_are_kept,
      one_that_hangs_is_ended_at_its_limits, when_the_caller_lets_go_all_of_its_group_is_gone,
      one_that_is_not_read_on_is_ended, who_holds_its_pipes_keeps_nobody_waiting,
      what_makes_no_sense_is_not_started,
      what_only_looks_gets_the_repository_and_none_of_the_sources,
      what_is_given_arrives_whole_and_then_its_end, of_what_breaks_off_no_end_is_told,
      when_we_are_killed_no_end_is_told, one_that_does_not_read_or_tells_no_result_has_failed,
      an_upload_is_a_backup_of_its_input_with_the_repository_and_none_of_the_sources)
