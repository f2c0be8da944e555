/*
 * Starting a program in a sandbox.  What the new process finds out before it becomes the program
 * comes through a pipe of its own that execve() closes: first the gaps, then nothing, or the error
 * that kept it from starting.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/sandbox.h"

enum {
    FIRST_FREE = SANDBOX_EXTRA_FD + 1,
    STATUS_UNSTARTED = 127,
};

/* Ends of pipes, above 3 so that they do not overwrite each other. */
struct pipes {
    int out[2], err[2], news[2]; /* each: read, write */
    int input, extra;            /* extra -1: none */
};

static void pipes_auto(struct pipes *p)
{
    for (int i = 0; i < 2; i++) {
        fd_auto(&p->out[i]);
        fd_auto(&p->err[i]);
        fd_auto(&p->news[i]);
    }
    fd_auto(&p->input);
    fd_auto(&p->extra);
}

/* Takes the descriptor's place by one above 3. */
static bool raise_fd(int *fd)
{
    const int high = *fd >= FIRST_FREE ? *fd : fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_FREE);

    if (high < 0)
        return false;
    if (high != *fd)
        fd_auto(fd);
    *fd = high;
    return true;
}

static bool pipes_open(struct pipes *p, const struct sandbox_start *s, struct err *e)
{
    if (pipe2(p->out, O_CLOEXEC) < 0 || pipe2(p->err, O_CLOEXEC) < 0 ||
        pipe2(p->news, O_CLOEXEC) < 0)
        return err_sys(e, "pipe");
    p->input = s->input_fd < 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC)
                               : fcntl(s->input_fd, F_DUPFD_CLOEXEC, FIRST_FREE);
    if (s->extra_fd != NULL)
        p->extra = fcntl(*s->extra_fd, F_DUPFD_CLOEXEC, FIRST_FREE);
    if (p->input < 0 || (s->extra_fd != NULL && p->extra < 0) || !raise_fd(&p->input) ||
        !raise_fd(&p->out[1]) || !raise_fd(&p->err[1]) || !raise_fd(&p->news[1]))
        return err_sys(e, "standard descriptors");
    return true;
}

static bool set_signals(struct err *e)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL); /* fails for those that cannot be changed */
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL) == 0 || err_sys(e, "signals");
}

static bool set_descriptors(const struct pipes *p, struct err *e)
{
    if (dup2(p->input, STDIN_FILENO) < 0 || dup2(p->out[1], STDOUT_FILENO) < 0 ||
        dup2(p->err[1], STDERR_FILENO) < 0)
        return err_sys(e, "standard descriptors");
    if (p->extra >= 0 && dup2(p->extra, SANDBOX_EXTRA_FD) < 0)
        return err_sys(e, "the descriptor beside the standard ones");

    const unsigned others = p->extra >= 0 ? FIRST_FREE : SANDBOX_EXTRA_FD;

    /* They close by themselves, the news at the very moment of execve(). */
    return close_range(others, ~0U, CLOSE_RANGE_CLOEXEC) == 0 || err_sys(e, "descriptors");
}

/* In the new process, up to the program; returns only when that failed. */
static void become(const struct sandbox_start *s, const struct pipes *p, pid_t parent,
                   unsigned *gaps, struct err *e)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) {
        (void)err_sys(e, "die with the parent");
        return;
    }
    if (getppid() != parent) /* it ended before the line above */
        _exit(STATUS_UNSTARTED);
    if (setsid() < 0) {
        (void)err_sys(e, "session");
        return;
    }
    if (!set_signals(e) || !set_descriptors(p, e) || !sandbox_enter(s->profile, gaps, e) ||
        !fd_write(p->news[1], SLICE_OF(gaps, sizeof(*gaps)), e))
        return;
    (void)execve(s->path, s->argv, s->environment);
    (void)err_sys(e, "start %s", s->path);
}

/* The last word is the error as it stands in memory: both ends are this very program. */
static _Noreturn void run(const struct sandbox_start *s, const struct pipes *p, pid_t parent)
{
    struct err e = {0};
    struct err ignored;
    unsigned gaps = 0;

    become(s, p, parent, &gaps, &e);
    /* Where it cannot be told, that nothing was told says as much. */
    _exit(fd_write(p->news[1], SLICE_OF(&e, sizeof(e)), &ignored) ? STATUS_UNSTARTED
                                                                  : STATUS_UNSTARTED + 1);
}

/* The gaps and that it started, or why not. */
static bool take_news(int fd, unsigned *gaps, struct err *e)
{
    uint8_t bytes[sizeof(*gaps) + sizeof(*e)] = {0};
    struct err why;
    size_t got = 0;

    if (!fd_read(fd, bytes, sizeof(bytes), &got, e))
        return false;
    if (got == sizeof(*gaps)) {
        memcpy(gaps, bytes, sizeof(*gaps));
        return true;
    }
    if (got < sizeof(why))
        return err_set(e, ERR_FATAL, "sandbox: the process ended before it began");
    memcpy(&why, bytes + got - sizeof(why), sizeof(why));
    return err_set(e, why.code, "sandbox: %s", why.text);
}

bool sandbox_start(const struct sandbox_start *s, struct child *out, unsigned *gaps, struct err *e)
{
    AUTO(pipes) struct pipes p = {{-1, -1}, {-1, -1}, {-1, -1}, -1, -1};
    AUTO(child) struct child c = CHILD_NONE;
    const pid_t self = getpid();
    unsigned found = 0;

    assert(s->profile != NULL);
    if (!pipes_open(&p, s, e))
        return err_wrap(e, "start %s", s->argv[0]);
    c.pid = fork();
    if (c.pid == 0)
        run(s, &p, self);
    if (c.pid < 0) {
        c.pid = 0;
        return err_sys(e, "start %s", s->argv[0]);
    }
    fd_auto(&p.news[1]);
    p.news[1] = -1;
    if (!take_news(p.news[0], &found, e))
        return false;
    c.out_fd = p.out[0];
    c.err_fd = p.err[0];
    p.out[0] = p.err[0] = -1;
    c.has_group = true;
    *out = c;
    c = CHILD_NONE;
    *gaps = found;
    return true;
}
