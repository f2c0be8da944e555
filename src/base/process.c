#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

enum { READ_STEP = 4096 };

/* An entry "NAME=value" of the environment that children must not see. */
static bool is_secret(const char *entry)
{
    static const char *const words[] = {"PASS", "KEY", "SECRET", "TOKEN"};
    static const char prefix[] = "HOLDFAST_";

    if (strncmp(entry, prefix, sizeof(prefix) - 1) != 0)
        return false;

    const struct slice name = {(const uint8_t *)entry, strcspn(entry, "=")};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (memmem(name.data, name.size, words[i], strlen(words[i])) != NULL)
            return true;
    return false;
}

/* The environment for children: an array of borrowed strings that ends with NULL. */
static char **public_environment(void)
{
    size_t count = 0;
    size_t kept = 0;

    while (environ != NULL && environ[count] != NULL)
        count++;

    char **all = mem_array(count + 1, sizeof(*all));

    for (size_t i = 0; i < count; i++)
        if (!is_secret(environ[i]))
            all[kept++] = environ[i];
    return all;
}

/* posix_spawnp() with what process.h promises; an error number, 0 on success. */
static int spawn(char *const argv[], int out_fd, pid_t *pid)
{
    AUTO(mem) char **environment = public_environment();
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawn_file_actions_init(&actions);

    /* Standard output first: out_fd may have the number 0 when the caller's was closed. */
    int result = posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);

    if (result == 0)
        result = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (result == 0)
        result = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    if (result == 0)
        result = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return result;
}

bool child_start(char *const argv[], struct child *out, struct err *e)
{
    int ends[2] = {-1, -1};
    pid_t pid = 0;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(e, "start %s", argv[0]);

    AUTO(fd) int read_end = ends[0];
    AUTO(fd) int write_end = ends[1];

    errno = spawn(argv, write_end, &pid);
    if (errno != 0)
        return err_sys(e, "start %s", argv[0]);
    *out = (struct child){pid, read_end};
    read_end = -1;
    return true;
}

/* Reap the child; false only when there is none to reap. */
static bool child_reap(struct child *c, int *status)
{
    pid_t reaped = 0;

    do
        reaped = waitpid(c->pid, status, 0);
    while (reaped < 0 && errno == EINTR);
    c->pid = 0;
    return reaped > 0;
}

static void child_close(struct child *c)
{
    fd_auto(&c->out_fd);
    c->out_fd = -1;
}

bool child_wait(struct child *c, struct err *e)
{
    int status = 0;

    /* A child that still writes gets SIGPIPE instead of waiting for a reader for ever. */
    child_close(c);
    if (!child_reap(c, &status))
        return err_sys(e, "wait for a child process");
    if (WIFSIGNALED(status)) {
        const char *meaning = sigdescr_np(WTERMSIG(status));

        return err_set(e, ERR_FATAL, "ended by signal %d (%s)", WTERMSIG(status),
                       meaning == NULL ? "real-time" : meaning);
    }
    if (WEXITSTATUS(status) != 0)
        return err_set(e, ERR_FATAL, "ended with exit status %d", WEXITSTATUS(status));
    return true;
}

void child_auto(struct child *c)
{
    int status = 0;

    if (c->pid <= 0)
        return;
    child_close(c);
    (void)kill(c->pid, SIGKILL); /* fails only when it has ended already */
    (void)child_reap(c, &status);
}

bool child_capture(char *const argv[], size_t limit, struct buf *out, struct err *e)
{
    AUTO(child) struct child c = {0, -1};
    AUTO(buf) struct buf output = {0};
    size_t got = 0;

    if (!child_start(argv, &c, e))
        return false;
    do {
        const size_t size = output.size;

        if (!fd_read(c.out_fd, buf_extend(&output, READ_STEP), READ_STEP, &got, e))
            return err_wrap(e, "output of %s", argv[0]);
        output.size = size + got;
        if (output.size > limit)
            return err_set(e, ERR_FATAL, "output of %s is longer than %zu bytes", argv[0], limit);
    } while (got == READ_STEP);
    if (!child_wait(&c, e))
        return err_wrap(e, "%s", argv[0]);
    buf_append_slice(out, buf_slice(&output));
    mem_wipe(output.data, output.room); /* such output is often a password */
    return true;
}
