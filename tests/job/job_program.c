#include "job_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "codec/json.h"
#include "job/child.h"

#ifdef __SANITIZE_ADDRESS__
/* Leaks are looked for by ptrace(), which the sandbox refuses; in the tests themselves they are. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

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

/* Of one restore, whose undo never comes to an end. */
static bool is_killed_undo(char **argv)
{
    for (char **one = argv; *one != NULL; one++)
        if (strcmp(*one, "fedcba9876543210") == 0)
            return true;
    return false;
}

static int behave(char **argv)
{
    const char *tag = option_of(argv, "--tag=");
    const char *how = *tag != '\0' ? tag : option_of(argv, "--max-unused=");
    const char *included = option_of(argv, "--include="); /* of restores */
    char *large = NULL;

    if (strcmp(how, "good") == 0)
        return say_good();
    if (strcmp(included, "swap") == 0)
        say("{\"message_type\":\"restore_state\",\"restore_id\":\"0123456789abcdef\","
            "\"phase\":\"swapping\"}\n");
    if (*included != '\0' || is_killed_undo(argv))
        (void)raise(SIGKILL);
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
    if (strcmp(how, "slow") == 0) {
        say("{\"message_type\":\"news\"}\n");
        (void)pause();
        return 1;
    }
    if (strcmp(how, "polite") == 0) {
        (void)pause();
        return 1;
    }
    if (strcmp(how, "family") == 0)
        return leave_family(argv);
    if (strcmp(how, "show") == 0)
        return show(argv);
    if (strcmp(how, "nap") == 0)
        return poll(NULL, 0, 2000), say_good();
    if (strcmp(how, "burn") == 0)
        return burn();
    if (strcmp(how, "crash") == 0)
        abort();
    return strcmp(how, "garbage") == 0 || strcmp(how, "huge") == 0 ? say_good() : 0;
}

bool job_program(int argc, char **argv, int *status)
{
    if (argc == 3 && strcmp(argv[1], CHILD_KEEP_OPTION) == 0)
        *status = child_keep(argv[2]);
    else if (argc > 1 && strncmp(argv[1], CHILD_SANDBOX_OPTION, strlen(CHILD_SANDBOX_OPTION)) == 0)
        *status = behave(argv);
    else
        return false;
    return true;
}
