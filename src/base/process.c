#include "base/process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

enum {
    READ_STEP = 4096,
    ASK_EVERY_MS = 500, /* whether to stop */
};

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

static bool is_named(const char *entry, const char *name)
{
    const size_t length = strlen(name);

    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

/* Two entries of one name would not do: getenv() finds the first, a shell takes the last. */
static bool is_replaced(const char *const *set, const char *entry)
{
    const size_t name_size = strcspn(entry, "=") + 1;

    for (; set != NULL && *set != NULL; set++)
        if (strncmp(*set, entry, name_size) == 0)
            return true;
    return false;
}

static bool is_kept(const struct child_spec *spec, const char *entry)
{
    if (is_replaced(spec->set, entry))
        return false;
    if (spec->keep == NULL)
        return !is_secret(entry);
    for (const char *const *keep = spec->keep; *keep != NULL; keep++)
        if (is_named(entry, *keep))
            return true;
    return false;
}

static size_t count_strings(const char *const *strings)
{
    size_t count = 0;

    while (strings != NULL && strings[count] != NULL)
        count++;
    return count;
}

/* The environment for a child: an array of borrowed strings that ends with NULL. */
static const char **environment_for(const struct child_spec *spec)
{
    const char *const *ours = (const char *const *)environ;
    const size_t count = count_strings(ours);
    const size_t set_count = count_strings(spec->set);
    const char **all = mem_array(set_count + count + 1, sizeof(*all));
    size_t kept = 0;

    for (const char *const *set = spec->set; set != NULL && *set != NULL; set++)
        all[kept++] = *set;
    for (size_t i = 0; i < count; i++)
        if (is_kept(spec, ours[i]))
            all[kept++] = ours[i];
    return all;
}

/* The child's ends of the pipes; -1: none. */
struct ends {
    int in, out, err;
};

/* Descriptors that are 0, 1 or 2 themselves would overwrite each other, so ends are above. */
static int add_actions(posix_spawn_file_actions_t *a, const struct ends *ends)
{
    int result = posix_spawn_file_actions_adddup2(a, ends->out, STDOUT_FILENO);

    if (result == 0 && ends->in >= 0)
        result = posix_spawn_file_actions_adddup2(a, ends->in, STDIN_FILENO);
    else if (result == 0)
        result = posix_spawn_file_actions_addopen(a, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (result == 0 && ends->err >= 0)
        result = posix_spawn_file_actions_adddup2(a, ends->err, STDERR_FILENO);
    if (result == 0)
        result = posix_spawn_file_actions_addclosefrom_np(a, STDERR_FILENO + 1);
    return result;
}

/* posix_spawnp() with what process.h promises; an error number, 0 on success. */
static int spawn(const struct child_spec *spec, const struct ends *ends, pid_t *pid)
{
    AUTO(mem) const char **environment = environment_for(spec);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;
    const int group = spec->has_group ? POSIX_SPAWN_SETPGROUP : 0;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes,
                             (short)(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | group));
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawn_file_actions_init(&actions);

    int result = add_actions(&actions, ends);

    if (result == 0)
        result = posix_spawnp(pid, spec->argv[0], &actions, &attributes, spec->argv,
                              (char *const *)(uintptr_t)environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return result;
}

/* A pipe whose ends are above 2, also when the caller's standard descriptors are closed. */
static bool pipe_open(int *read_end, int *write_end, struct err *e)
{
    int ends[2] = {-1, -1};

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(e, "pipe");

    AUTO(fd) int low_read = ends[0];
    AUTO(fd) int low_write = ends[1];
    AUTO(fd) int high_read = fcntl(low_read, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    AUTO(fd) int high_write = fcntl(low_write, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

    if (high_read < 0 || high_write < 0)
        return err_sys(e, "pipe");
    *read_end = high_read;
    *write_end = high_write;
    high_read = high_write = -1;
    return true;
}

static void ends_auto(struct ends *ends)
{
    fd_auto(&ends->in);
    fd_auto(&ends->out);
    fd_auto(&ends->err);
}

bool child_start_with(const struct child_spec *spec, struct child *out, struct err *e)
{
    AUTO(ends) struct ends ends = {-1, -1, -1};
    AUTO(child) struct child c = CHILD_NONE;

    assert(!spec->has_input || !spec->gives_input);
    assert(spec->gives_input || !spec->keeps_input);
    if (spec->has_input &&
        (ends.in = fcntl(spec->input_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)) < 0)
        return err_sys(e, "start %s", spec->argv[0]);
    if (!pipe_open(&c.out_fd, &ends.out, e) ||
        (spec->gives_input && !pipe_open(&ends.in, &c.in_fd, e)) ||
        (spec->takes_errors && !pipe_open(&c.err_fd, &ends.err, e)))
        return err_wrap(e, "start %s", spec->argv[0]);
    errno = spawn(spec, &ends, &c.pid);
    if (errno != 0) {
        c.pid = 0;
        return err_sys(e, "start %s", spec->argv[0]);
    }
    c.has_group = spec->has_group;
    if (spec->keeps_input) {
        c.left_fd = ends.in;
        ends.in = -1;
    }
    *out = c;
    c = CHILD_NONE;
    return true;
}

bool child_start(char *const argv[], struct child *out, struct err *e)
{
    return child_start_with(&(struct child_spec){.argv = argv}, out, e);
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
    fd_auto(&c->in_fd);
    fd_auto(&c->out_fd);
    fd_auto(&c->err_fd);
    fd_auto(&c->left_fd);
    c->in_fd = c->out_fd = c->err_fd = c->left_fd = -1;
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

bool child_end_open(const struct child *c, int *fd, struct err *e)
{
    const int opened = pidfd_open(c->pid, 0);

    if (opened < 0)
        return err_sys(e, "watch a child process");
    *fd = opened;
    return true;
}

void child_signal(const struct child *c, int number)
{
    assert(c->pid > 0);
    (void)kill(c->has_group ? -c->pid : c->pid, number); /* fails only when it has ended already */
}

bool child_write(const struct child *c, struct slice bytes, size_t *written, struct err *e)
{
    const size_t size = bytes.size < PIPE_BUF ? bytes.size : PIPE_BUF;
    const struct timespec at_once = {0};
    sigset_t broken_pipe;
    sigset_t before;
    sigset_t pending;
    ssize_t n = 0;

    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
    sigpending(&pending);
    do
        n = write(c->in_fd, bytes.data, size);
    while (n < 0 && errno == EINTR);

    const int failure = errno;

    /* Ours is taken back; one that somebody else sent stays. */
    if (n < 0 && failure == EPIPE && !sigismember(&pending, SIGPIPE))
        (void)sigtimedwait(&broken_pipe, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (n < 0) {
        errno = failure;
        return err_sys(e, "write to a child process");
    }
    *written = (size_t)n;
    return true;
}

void child_auto(struct child *c)
{
    int status = 0;

    child_close(c);
    if (c->pid <= 0)
        return;
    child_signal(c, SIGKILL);
    (void)child_reap(c, &status);
}

/* ERR_NOT_FOUND when nothing is there. */
static bool program_check_at(const char *path, struct err *e)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return err_sys(e, "%s", path);
    if (!S_ISREG(st.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
        return err_set(e, ERR_DENIED, "%s is not an executable file", path);
    return true;
}

bool program_check(const char *name, struct err *e)
{
    const char *search = getenv("PATH");
    struct err found = {0};

    if (strchr(name, '/') != NULL)
        return program_check_at(name, e);
    if (search == NULL)
        search = "/bin:/usr/bin"; /* what posix_spawnp() takes then */
    for (;;) {
        AUTO(buf) struct buf path = {0};
        const size_t length = strcspn(search, ":");
        struct err why = {0};

        buf_append(&path, search, length);
        buf_printf(&path, "%s%s", length == 0 ? "./" : "/", name);
        if (program_check_at(buf_string(&path), &why))
            return true;
        if (why.code == ERR_DENIED && found.code == ERR_NONE)
            found = why;
        if (search[length] == '\0')
            break;
        search += length + 1;
    }
    if (found.code != ERR_NONE)
        *e = found;
    else
        (void)err_set(e, ERR_NOT_FOUND, "there is no program %s in PATH", name);
    return false;
}

/* How long a child may take. */
struct deadline {
    int limit_s;    /* 0: for ever */
    int64_t end_ns; /* of the monotonic clock */
};

/* Wait until a descriptor can be read, or has ended. */
static bool wait_for(int fd, const struct deadline *d, struct err *e)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        const int64_t left_ms =
            d->limit_s == 0 ? ASK_EVERY_MS : (d->end_ns - clock_monotonic_ns()) / (NS_PER_S / 1000);

        if (cancel_is_requested())
            return cancel_err(e);
        if (left_ms <= 0)
            return err_set(e, ERR_FATAL, "has not ended within %d s", d->limit_s);
        if (poll(&p, 1, left_ms < ASK_EVERY_MS ? (int)left_ms : ASK_EVERY_MS) > 0)
            return true;
    }
}

/* What a child prints until it closes its output, and then its end. */
static bool read_all(struct child *c, size_t limit, const struct deadline *d, struct buf *out,
                     struct err *e)
{
    AUTO(fd) int end_fd = -1;
    ssize_t n = 1;

    while (n != 0) {
        if (!wait_for(c->out_fd, d, e))
            return false;
        n = read(c->out_fd, buf_extend(out, READ_STEP), READ_STEP);
        out->size -= READ_STEP - (n > 0 ? (size_t)n : 0);
        if (n < 0 && errno != EINTR)
            return err_sys(e, "read its output");
        if (out->size > limit)
            return err_set(e, ERR_FATAL, "its output is longer than %zu bytes", limit);
    }
    return child_end_open(c, &end_fd, e) && wait_for(end_fd, d, e) && child_wait(c, e);
}

static bool capture(const struct child_spec *spec, size_t limit, int limit_s, struct buf *out,
                    struct err *e)
{
    AUTO(child) struct child c = CHILD_NONE;
    AUTO(buf) struct buf output = {0};

    const struct deadline d = {limit_s, clock_monotonic_ns() + limit_s * NS_PER_S};

    /* In one piece: what is left behind when memory moves is not wiped. */
    buf_reserve(&output, limit + READ_STEP + 1);
    if (!child_start_with(spec, &c, e))
        return false;

    const bool is_done = read_all(&c, limit, &d, &output, e);

    if (is_done)
        buf_append_slice(out, buf_slice(&output));
    mem_wipe(output.data, output.room); /* such output is often a password */
    return is_done || err_wrap(e, "%s", spec->argv[0]);
}

bool child_capture(char *const argv[], size_t limit, struct buf *out, struct err *e)
{
    return capture(&(struct child_spec){.argv = argv}, limit, 0, out, e);
}

bool child_capture_within(char *const argv[], size_t limit, int limit_s, struct buf *out,
                          struct err *e)
{
    return capture(&(struct child_spec){.argv = argv, .has_group = true}, limit, limit_s, out, e);
}
