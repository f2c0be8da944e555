#include "job/child_keep.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "codec/json.h"
#include "job/child_lines.h"
#include "job/child_log.h"
#include "job/child_plan.h"
#include "job/child_watch.h"

enum {
    REQUEST_MAX = 1 << 20,
    PIECE = 64 << 10,
    TAIL_MAX = 64 << 10, /* of standard error, beyond its first bytes */
    STATUS_MS = 500,
    TURN_MS = 1000, /* limits are looked at so often */
    LOOKS = 10,     /* at the CPU time, in the time that counts as standing still */
};

/* How far stopping has come. */
enum stop {
    STOP_NO,
    STOP_ASKED,    /* SIGINT is sent */
    STOP_INSISTED, /* SIGTERM is sent */
    STOP_KILLED,
};

struct keeper {
    int folder_fd, signal_fd, end_fd;
    int lines_fd, errors_fd;
    struct child child;
    struct child_job job;
    unsigned gaps;
    enum stop stop;
    const char *reason; /* why it is being stopped, or NULL */
    int64_t started_ms, stop_ms;
    int64_t status_ms;                   /* when status was written */
    int64_t moved_ms, looked_ms, cpu_ms; /* when something moved; the last look and what it saw */
    struct buf moving;                   /* the latest progress without its times */
    struct child_lines out;
    size_t lines_size, errors_size;
    struct buf tail; /* of standard error */
    bool has_tail;
    struct child_log log;
};

static int64_t now_ms(void)
{
    return clock_monotonic_ns() / (NS_PER_S / 1000);
}

static void keeper_auto(struct keeper *k)
{
    child_auto(&k->child);
    fd_auto(&k->folder_fd);
    fd_auto(&k->signal_fd);
    fd_auto(&k->end_fd);
    fd_auto(&k->lines_fd);
    fd_auto(&k->errors_fd);
    child_job_done(&k->job);
    buf_done(&k->moving);
    buf_done(&k->tail);
    child_lines_auto(&k->out);
    child_log_auto(&k->log);
}

static bool publish(const struct keeper *k, const char *name, json_t *what, struct err *e)
{
    AUTO(json) json_t *o = what;
    AUTO(buf) struct buf text = {0};
    bool is_suspect = false;

    json_append(o, &text);
    buf_printf(&text, "\n");
    return file_publish_replace(k->folder_fd, name, "tmp", buf_slice(&text), &is_suspect, e);
}

/* Progress need not survive a loss of power, so it is not synced. */
static void put_status(struct keeper *k, struct slice line)
{
    AUTO(fd) int fd = -1;
    struct err ignored;

    if (now_ms() - k->status_ms < STATUS_MS)
        return;
    k->status_ms = now_ms();
    (void)(file_remove(k->folder_fd, "status.new", &ignored) &&
           beneath_create(k->folder_fd, "status.new", &fd, &ignored) &&
           fd_write(fd, line, &ignored) &&
           beneath_rename(k->folder_fd, "status.new", "status", &ignored)); /* the next may do */
}

static void stop(struct keeper *k, const char *reason)
{
    if (k->stop != STOP_NO)
        return;
    k->reason = reason;
    k->stop = STOP_ASKED;
    k->stop_ms = now_ms();
    (void)kill(k->child.pid, SIGINT); /* not reaped yet, so the number is the job's */
}

/* Progress that says the same but for the time is none. */
static void note_progress(struct keeper *k, json_t *line)
{
    AUTO(buf) struct buf text = {0};

    (void)json_object_del(line, "seconds_elapsed"); /* fails when there is none */
    (void)json_object_del(line, "seconds_remaining");
    json_append(line, &text);
    if (slice_is_equal(buf_slice(&text), buf_slice(&k->moving)))
        return;
    buf_clear(&k->moving);
    buf_append_slice(&k->moving, buf_slice(&text));
    k->moved_ms = now_ms();
}

static void take_line(void *arg, struct slice line)
{
    struct keeper *k = arg;
    AUTO(json) json_t *j = NULL;
    struct err e;
    const bool is_good = child_line_parse(line, &j, &e);
    const char *type = is_good ? child_line_type(j) : NULL;

    if (type != NULL && strcmp(type, "status") == 0) {
        put_status(k, line);
        note_progress(k, j);
        return;
    }
    k->moved_ms = now_ms();
    child_log_output(&k->log, line);
    if (k->lines_size + line.size + 1 > CHILD_LINES_MAX) {
        stop(k, "output");
        return;
    }
    k->lines_size += line.size + 1;
    if (!fd_write(k->lines_fd, line, &e) || !fd_write(k->lines_fd, SLICE_OF("\n", 1), &e))
        stop(k, "disk");
}

static void take_errors(struct keeper *k, struct slice bytes)
{
    const size_t room = CHILD_ERRORS_MAX - k->errors_size;
    const struct slice head = {bytes.data, bytes.size < room ? bytes.size : room};
    struct err ignored;

    k->moved_ms = now_ms();
    child_log_errors(&k->log, bytes);
    k->errors_size += head.size;
    if (head.size > 0)
        (void)!fd_write(k->errors_fd, head, &ignored); /* the job's words, not its work */
    if (bytes.size == head.size)
        return;
    k->has_tail = true;
    buf_append(&k->tail, bytes.data + head.size, bytes.size - head.size);
    if (k->tail.size > TAIL_MAX) {
        memmove(k->tail.data, k->tail.data + k->tail.size - TAIL_MAX, TAIL_MAX);
        k->tail.size = TAIL_MAX;
    }
}

/* Some of what a pipe holds; closes it at its end. */
static void drain(struct keeper *k, int *fd)
{
    uint8_t bytes[PIECE];
    const ssize_t n = read(*fd, bytes, sizeof(bytes));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        fd_auto(fd);
        *fd = -1;
        return;
    }
    if (fd == &k->child.err_fd)
        take_errors(k, SLICE_OF(bytes, (size_t)n));
    else if (!child_lines_add(&k->out, SLICE_OF(bytes, (size_t)n), take_line, k))
        stop(k, "output");
}

static void check_limits(struct keeper *k)
{
    const struct child_limits *l = &k->job.limits;
    const int64_t now = now_ms();
    const int64_t interval = l->stall_s * 1000 / LOOKS;

    if (l->time_s > 0 && now - k->started_ms >= l->time_s * 1000)
        stop(k, "time");
    if (l->stall_s > 0 && now - k->looked_ms >= interval) {
        const int64_t cpu = child_watch_cpu_ms();

        if (child_watch_has_moved(k->cpu_ms, cpu, now - k->looked_ms))
            k->moved_ms = now;
        k->cpu_ms = cpu;
        k->looked_ms = now;
    }
    if (l->stall_s > 0 && now - k->moved_ms >= l->stall_s * 1000)
        stop(k, "stall");
    if (k->stop == STOP_NO || k->stop == STOP_KILLED || now - k->stop_ms < l->grace_s * 1000)
        return;
    k->stop++;
    k->stop_ms = now;
    if (k->stop == STOP_INSISTED)
        (void)kill(k->child.pid, SIGTERM); /* as in stop() */
    else
        (void)kill(-k->child.pid, SIGKILL); /* its group; the rest follows when it has ended */
}

static bool has_signal(const struct keeper *k)
{
    struct signalfd_siginfo info;

    return read(k->signal_fd, &info, sizeof(info)) == sizeof(info);
}

/* Until the job has ended.  Its pipes may stay open longer than that, in others' hands. */
static void watch(struct keeper *k)
{
    struct pollfd fds[4] = {{.fd = k->end_fd, .events = POLLIN},
                            {.fd = k->signal_fd, .events = POLLIN},
                            {.events = POLLIN},
                            {.events = POLLIN}};

    for (;;) {
        fds[2].fd = k->child.out_fd;
        fds[3].fd = k->child.err_fd;
        (void)poll(fds, 4, TURN_MS); /* fails for a signal only: all are looked at again */
        if ((fds[1].revents & POLLIN) != 0 && has_signal(k))
            stop(k, "cancel");
        if (fds[2].revents != 0)
            drain(k, &k->child.out_fd);
        if (fds[3].revents != 0)
            drain(k, &k->child.err_fd);
        check_limits(k);
        if ((fds[0].revents & POLLIN) != 0)
            return;
    }
}

/* What is left in the pipes once nobody can write to them any more. */
static void drain_rest(struct keeper *k)
{
    struct err ignored;

    for (int i = 0; i < 2; i++) {
        int *fd = i == 0 ? &k->child.out_fd : &k->child.err_fd;

        if (*fd >= 0 && fcntl(*fd, F_SETFL, O_NONBLOCK) < 0)
            continue;
        for (struct pollfd p = {.fd = *fd, .events = POLLIN}; *fd >= 0 && poll(&p, 1, 0) > 0;)
            drain(k, fd);
    }
    child_log_end(&k->log);
    /* A line without its end: who reads them will see that it has none. */
    (void)!fd_write(k->lines_fd, buf_slice(&k->out.rest), &ignored); /* the limit is checked */
    if (k->has_tail) {
        AUTO(buf) struct buf text = {0};

        buf_printf(&text, "\n...\n");
        buf_append_slice(&text, buf_slice(&k->tail));
        (void)!fd_write(k->errors_fd, buf_slice(&text), &ignored); /* as in take_errors() */
    }
}

/* How it ended, as "exit" says it. */
static json_t *reap(struct keeper *k)
{
    siginfo_t info = {0};
    int result;

    do
        result = waitid(P_PID, (id_t)k->child.pid, &info, WEXITED);
    while (result < 0 && errno == EINTR);
    k->child.pid = 0;
    return json_pack("{s:i, s:s*}", info.si_code == CLD_EXITED ? "status" : "signal",
                     info.si_status, "reason", k->reason);
}

static bool open_streams(struct keeper *k, struct err *e)
{
    return beneath_create(k->folder_fd, "lines", &k->lines_fd, e) &&
           beneath_create(k->folder_fd, "errors", &k->errors_fd, e) &&
           beneath_create(k->folder_fd, "log", &k->log.fd, e);
}

static bool catch_signals(struct keeper *k, struct err *e)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
        (k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
        return err_sys(e, "signals");
    return true;
}

static bool start(struct keeper *k, struct err *e)
{
    AUTO(child_plan) struct child_plan p = {0};

    if (!child_plan_load(&k->job, &p, e))
        return false;

    const struct sandbox_start s = {.path = SANDBOX_SELF,
                                    .argv = p.argv,
                                    .environment = p.environment,
                                    .profile = &p.profile,
                                    .input_fd = -1};

    if (!sandbox_start(&s, &k->child, &k->gaps, e) || !child_end_open(&k->child, &k->end_fd, e))
        return false;
    return k->gaps == 0 || !k->job.must_confine ||
           err_set(e, ERR_DENIED, "the sandbox has gaps, and the job must not run with any");
}

static json_t *gaps_json(unsigned gaps)
{
    json_t *list = json_array();

    for (unsigned bit = 0; bit < SANDBOX_GAPS; bit++)
        if ((gaps & 1U << bit) != 0)
            (void)json_array_append_new(list, json_string(sandbox_gap_text(bit))); /* cannot fail */
    return list;
}

/* The keeper reads bytes of the job, so it gives up what it does not need for that. */
static bool confine(const char *folder, struct err *e)
{
    const char *const readable[] = {"/proc", NULL};
    const char *const writable[] = {folder, NULL};
    const struct sandbox_profile p = {.readable = readable,
                                      .writable = writable,
                                      .network = SANDBOX_NETWORK_LOCAL,
                                      .may_signal = true};
    unsigned gaps = 0; /* the same as those of the job, which are told */

    return sandbox_enter(&p, &gaps, e) && sandbox_seal(&p, &gaps, e);
}

static bool take_request(struct keeper *k, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    size_t got = 0;

    if (!fd_read_at(STDIN_FILENO, 0, buf_extend(&text, REQUEST_MAX), REQUEST_MAX, &got, e))
        return false;
    text.size = got;
    return child_job_parse(buf_slice(&text), &k->job, e);
}

/* The job itself; its end is *end. */
static bool run(struct keeper *k, const char *folder, json_t **end, struct err *e)
{
    if (!take_request(k, e) || !open_streams(k, e) || !catch_signals(k, e) ||
        !child_watch_begin(e) || !start(k, e) ||
        !publish(k, "process",
                 json_pack("{s:i, s:i, s:I, s:o}", "keeper", (int)getpid(), "pid",
                           (int)k->child.pid, "started",
                           (json_int_t)child_watch_started(k->child.pid), "gaps",
                           gaps_json(k->gaps)),
                 e) ||
        !confine(folder, e))
        return false;
    k->started_ms = k->moved_ms = k->looked_ms = now_ms();
    watch(k);
    *end = reap(k);
    if (!child_watch_kill_all())
        (void)json_object_set_new(*end, "left", json_true()); /* cannot fail */
    drain_rest(k);
    return true;
}

int child_keep(const char *folder)
{
    AUTO(keeper)
    struct keeper k = {.folder_fd = -1,
                       .signal_fd = -1,
                       .end_fd = -1,
                       .lines_fd = -1,
                       .errors_fd = -1,
                       .log.fd = -1,
                       .child = CHILD_NONE};
    json_t *end = NULL;
    struct err e = {0};

    (void)prctl(PR_SET_NAME, "holdfast-keeper", 0, 0, 0); /* what ps shows */
    (void)signal(SIGPIPE, SIG_IGN);                       /* cannot fail */
    (void)setsid(); /* fails when it leads a session already */
    if (flock(STDIN_FILENO, LOCK_EX | LOCK_NB) < 0 || !dir_open(folder, &k.folder_fd, &e))
        return 1; /* it is somebody else's */
    if (!run(&k, folder, &end, &e)) {
        child_auto(&k.child);
        k.child = CHILD_NONE;
        (void)child_watch_kill_all(); /* what is left of a job that did not come to run */
        end = json_pack("{s:s}", "why", e.text);
    }
    return publish(&k, "exit", end, &e) ? 0 : 1;
}
