/*
 * The service that is killed at any moment: it has eight jobs of four sets to do, writes down what
 * it was told in files, and starts again what was interrupted.
 */
#define TEST_SECONDS 300
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "codec/json.h"
#include "job_program.h"
#include "runner_world.h"

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

JOB_PROGRAM_TESTS
#define main run_tests
TESTS("runner killed", no_job_is_lost_or_done_twice_when_the_service_is_killed_at_any_moment,
      no_two_run_at_once_when_keepers_are_killed_too)
