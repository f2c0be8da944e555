/*
 * Jobs, keepers and the runner, with this program in the part of holdfast: it is started as the
 * keeper, and as jobs that behave as their tag says.
 */
#define TEST_SECONDS 300
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "codec/json.h"
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

#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* As a job */

static const char *option_of(char **argv, const char *name)
{
    for (; *argv != NULL; argv++)
        if (strncmp(*argv, name, strlen(name)) == 0)
            return *argv + strlen(name);
    return "";
}

/* "<folder of the configuration>/repo/name": where a job may write. */
static const char *job_path(char **argv, const char *name)
{
    static char path[300];
    const char *config = option_of(argv, "--config=");

    (void)snprintf(path, sizeof(path), "%.*s/repo/%s", (int)(strrchr(config, '/') - config), config,
                   name);
    return path;
}

static void say(const char *text)
{
    (void)!write(STDOUT_FILENO, text, strlen(text));
}

static int say_good(void)
{
    say("{\"message_type\":\"summary\",\"snapshot_id\":\"" ID64 "\"}\n");
    return 0;
}

static void log_word(char **argv, const char *word)
{
    const int fd = open(job_path(argv, "log"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    char line[100];

    (void)snprintf(line, sizeof(line), "%s %s\n", word, option_of(argv, "--set="));
    (void)!write(fd, line, strlen(line));
    (void)close(fd);
}

/* Some work that two must not do at a time. */
static int work(char **argv)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "lock-%s", option_of(argv, "--set="));
    if (flock(open(job_path(argv, name), O_RDWR | O_CREAT | O_CLOEXEC, 0600), LOCK_EX | LOCK_NB) <
        0)
        log_word(argv, "TWO");
    log_word(argv, "start");
    for (int i = 0; i < 8; i++) {
        char line[100];

        (void)snprintf(line, sizeof(line), "{\"message_type\":\"status\",\"bytes_done\":%d}\n", i);
        say(line);
        (void)poll(NULL, 0, 20);
    }
    log_word(argv, "end");
    return say_good();
}

static void fill_pipe(int fd, const char *line, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (write(fd, line, strlen(line)) < 0)
            _exit(1);
}

static int leave_family(char **argv)
{
    if (fork() == 0) {
        (void)setsid();
        (void)signal(SIGTERM, SIG_IGN);
        if (fork() == 0) {
            const int fd = open(job_path(argv, "grandchild"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            const pid_t pid = getpid();

            (void)!write(fd, &pid, sizeof(pid));
            (void)close(fd);
            for (;;)
                (void)pause();
        }
        for (;;)
            (void)pause();
    }
    for (struct stat st; stat(job_path(argv, "grandchild"), &st) < 0 || st.st_size == 0;)
        (void)poll(NULL, 0, 5);
    return say_good();
}

/* What others can see of this process, and what it can. */
static int show(char **argv)
{
    json_t *line = json_pack("{s:s, s:[], s:[], s:[]}", "message_type", "seen", "environment",
                             "arguments", "descriptors");

    for (char **one = environ; *one != NULL; one++)
        (void)json_array_append_new(json_object_get(line, "environment"), json_string(*one));
    for (char **one = argv; *one != NULL; one++)
        (void)json_array_append_new(json_object_get(line, "arguments"), json_string(*one));
    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            (void)json_array_append_new(json_object_get(line, "descriptors"), json_integer(fd));
    say(json_dumps(line, JSON_COMPACT));
    say("\n");
    return say_good();
}

static int burn(void)
{
    const int64_t end = clock_monotonic_ns() + 3 * NS_PER_S;

    while (clock_monotonic_ns() < end) {
    }
    return say_good();
}

static int behave(char **argv)
{
    const char *how = option_of(argv, "--tag=");
    char *large = NULL;

    if (strcmp(how, "good") == 0)
        return say_good();
    if (strcmp(how, "work") == 0)
        return work(argv);
    if (strcmp(how, "garbage") == 0)
        say("hello\n");
    if (strcmp(how, "cut") == 0)
        return say("{\"message_type\":\"summary\",\"snapshot_id\":\"" ID64 "\"}"), 0;
    if (strcmp(how, "huge") == 0) {
        large = calloc(1, 3 << 20);
        memset(large, 'x', (3 << 20) - 1);
        say(large);
    }
    if (strcmp(how, "endless") == 0)
        for (;;)
            fill_pipe(STDOUT_FILENO, "{\"message_type\":\"noise\",\"text\":\"................\"}\n",
                      1);
    if (strcmp(how, "loud") == 0) {
        fill_pipe(STDERR_FILENO, "{\"message_type\":\"error\",\"error\":{\"message\":\"x\"}}\n",
                  50000);
        fill_pipe(STDERR_FILENO, "{\"message_type\":\"exit_error\",\"message\":\"too loud\"}\n", 1);
        return 1;
    }
    if (strcmp(how, "stuck") == 0) {
        (void)signal(SIGINT, SIG_IGN);
        (void)signal(SIGTERM, SIG_IGN);
        for (;;)
            (void)poll(NULL, 0, 100);
    }
    if (strcmp(how, "polite") == 0) {
        (void)pause();
        return 1;
    }
    if (strcmp(how, "family") == 0)
        return leave_family(argv);
    if (strcmp(how, "show") == 0)
        return show(argv);
    if (strcmp(how, "burn") == 0)
        return burn();
    if (strcmp(how, "crash") == 0)
        abort();
    return strcmp(how, "garbage") == 0 || strcmp(how, "huge") == 0 ? say_good() : 0;
}

static int runner_tests(void);
int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], CHILD_KEEP_OPTION) == 0)
        return child_keep(argv[2]);
    if (argc > 1 && strncmp(argv[1], CHILD_SANDBOX_OPTION, strlen(CHILD_SANDBOX_OPTION)) == 0)
        return behave(argv);
    return runner_tests();
}

/* As the service */

struct world {
    struct scratch scratch;
    char *config;
    struct child_job job;
};

static void world_init(struct world *w)
{
    AUTO(buf) struct buf text = {0};

    *w = (struct world){0};
    scratch_init(&w->scratch);
    w->config = mem_string(path_in(w->scratch.path, "holdfast.yaml"));
    buf_printf(&text,
               "state: %s/state\nrepositories:\n"
               "  main: {url: %s/repo, key_file: /etc/passwd}\nsets:\n",
               w->scratch.path, w->scratch.path);
    for (char set = 'a'; set < 'e'; set++)
        buf_printf(&text, "  %c: {sources: [{files: {paths: [/usr/bin]}}], repositories: [main]}\n",
                   set);
    file_put_text(w->config, buf_string(&text));
    CHECK(chmod(w->config, 0600) == 0);
    CHECK(mkdir(path_in(w->scratch.path, "repo"), 0700) == 0);
    CHECK(mkdir(path_in(w->scratch.path, "told"), 0700) == 0);
}

static void world_auto(struct world *w)
{
    mem_free(w->config);
    child_job_done(&w->job);
    scratch_done(&w->scratch);
}

/* A backup of the set that behaves like this; valid until the next. */
static struct child_job *job(struct world *w, const char *id, const char *set, const char *how)
{
    child_job_done(&w->job);
    w->job = (struct child_job){.attempt = 1, .verb = CHILD_BACKUP, .limits = {.grace_s = 1}};
    (void)snprintf(w->job.id, sizeof(w->job.id), "%s", id);
    w->job.config = mem_string(w->config);
    w->job.set = mem_string(set);
    w->job.arguments = json_pack("{s:[s]}", "tags", how);
    return &w->job;
}

/* What came of the only job. */
struct told {
    bool is_told;
    enum child_state state;
    char why[500], id[CHILD_ID_MAX + 1];
    size_t error_bytes, messages, statuses, gaps;
    json_t *seen;
};

static bool on_end(void *arg, const struct child_job *j, const struct child_outcome *o)
{
    struct told *t = arg;

    t->is_told = true;
    t->state = o->state;
    t->error_bytes = strlen(o->errors);
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

/* The service that is killed at any moment: it has eight jobs of four sets to do, writes down what
 * it was told in files, and starts again what was interrupted. */

enum { JOBS = 8 };

static const char *told_path(struct world *w, int n, int attempt, const char *what)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "told/job%d.%d.%s", n, attempt, what);
    return path_in(w->scratch.path, name);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* The attempt to be made next; 0: it is done. */
static int attempt_of(struct world *w, int n)
{
    for (int attempt = 1;; attempt++) {
        if (is_there(told_path(w, n, attempt, "succeeded")))
            return 0;
        if (!is_there(told_path(w, n, attempt, "interrupted")))
            return attempt;
    }
}

static bool write_down(void *arg, const struct child_job *j, const struct child_outcome *o)
{
    struct world *w = arg;
    const char *path = told_path(w, j->id[3] - '0', j->attempt, child_state_name(o->state));
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    (void)close(fd);
    return fd >= 0;
}

static void serve(struct world *w)
{
    const struct runner_options o = {path_in(w->scratch.path, "state"), 3, NULL, write_down, w};
    struct runner *r = NULL;
    struct err e = {0};

    /* One that was killed while it started a keeper holds its lock a moment longer. */
    for (int i = 0; i < 6000 && !runner_open(&o, &r, &e); i++)
        (void)poll(NULL, 0, 10);
    if (r == NULL)
        _exit(3);
    for (bool is_done = false; !is_done;) {
        is_done = true;
        for (int n = 0; n < JOBS; n++) {
            char id[8];
            char set[2] = {(char)('a' + n % 4), '\0'};

            (void)snprintf(id, sizeof(id), "job%d", n);
            if (runner_has(r, id)) {
                is_done = false;
                continue;
            }

            const int attempt = attempt_of(w, n);

            if (attempt == 0)
                continue;
            is_done = false;
            job(w, id, set, "work")->attempt = attempt;
            (void)!runner_start(r, &w->job, &e); /* it may have to wait */
        }
        runner_look(r, 10);
    }
    _exit(0);
}

/* Kill keepers of some jobs, as a machine short of memory would. */
static void kill_keepers(struct world *w, unsigned *random)
{
    DIR *d = opendir(path_in(w->scratch.path, "state/jobs"));

    for (const struct dirent *en; d != NULL && (en = readdir(d)) != NULL;) {
        AUTO(buf) struct buf path = {0};
        AUTO(buf) struct buf text = {0};
        struct err ignored;

        *random = *random * 1664525U + 1013904223U;
        buf_printf(&path, "%s/state/jobs/%s/process", w->scratch.path, en->d_name);
        if (en->d_name[0] == '.' || (*random >> 16) % 2 != 0 ||
            !file_read(buf_string(&path), 4096, &text, &ignored))
            continue;

        AUTO(json) json_t *process = json_loadb((char *)text.data, text.size, 0, NULL);

        (void)kill((pid_t)json_integer_value(json_object_get(process, "keeper")), SIGKILL);
    }
    if (d != NULL)
        (void)closedir(d);
}

static size_t count_words(const char *text, const char *word)
{
    size_t count = 0;

    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        count++;
    return count;
}

/* Jobs that ended, whoever was there to see it: more than once each never, and each once. */
static void check_log(struct world *w, bool kills_keepers)
{
    AUTO(buf) struct buf log = {0};

    file_take(path_in(w->scratch.path, "repo/log"), &log);
    ck_assert_msg(strstr(buf_string(&log), "TWO") == NULL, "%s", buf_string(&log));
    if (!kills_keepers)
        ck_assert_uint_eq(count_words(buf_string(&log), "end "), JOBS);
    else
        ck_assert_uint_ge(count_words(buf_string(&log), "end "), JOBS);
    for (int n = 0; n < JOBS; n++)
        ck_assert_int_eq(attempt_of(w, n), 0);
    ck_assert_uint_eq(directory_count(path_in(w->scratch.path, "state/jobs")), 0);
}

static void kill_service(bool kills_keepers)
{
    AUTO(world) struct world w;
    unsigned random = (unsigned)getpid();
    int status = 1;

    world_init(&w);
    for (int round = 0; round < 300 && status != 0; round++) {
        const pid_t service = fork();

        if (service == 0)
            serve(&w);
        random = random * 1664525U + 1013904223U;
        for (int left = (int)((random >> 16) % 150) + (round > 60 ? 20000 : 0); left > 0;
             left -= 5) {
            if (waitpid(service, &status, WNOHANG) == service) {
                CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
                break;
            }
            status = 1;
            (void)poll(NULL, 0, 5);
        }
        if (status == 0)
            break;
        CHECK(kill(service, SIGKILL) == 0 && waitpid(service, NULL, 0) == service);
        if (kills_keepers && round % 3 == 0 && round < 30)
            kill_keepers(&w, &random);
    }
    CHECK(status == 0);
    check_log(&w, kills_keepers);
}

TEST(no_job_is_lost_or_done_twice_when_the_service_is_killed_at_any_moment)
{
    kill_service(false);
}
END

TEST(no_two_run_at_once_when_keepers_are_killed_too)
{
    kill_service(true);
}
END

#define main runner_tests
TESTS("runner", a_job_that_says_what_it_promised_succeeds, status_0_alone_is_no_success,
      a_job_that_crashes_is_a_failed_job, a_job_that_never_stops_talking_is_stopped,
      of_many_errors_the_first_and_the_last_are_kept, what_a_job_leaves_running_is_killed_with_it,
      a_job_stops_when_it_is_asked_to_and_is_killed_when_it_does_not, a_job_ends_at_its_time_limit,
      a_job_that_does_nothing_is_stalled_and_one_that_computes_is_not,
      a_job_has_the_listed_environment_three_descriptors_and_no_secret,
      a_job_that_cannot_start_says_why, slots_sets_and_attempts_are_kept,
      a_runner_that_comes_later_takes_over_what_runs,
      a_job_whose_keeper_is_killed_is_dead_and_interrupted,
      no_job_is_lost_or_done_twice_when_the_service_is_killed_at_any_moment,
      no_two_run_at_once_when_keepers_are_killed_too)
