#include "job/reading.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "codec/json.h"
#include "job/child_lines.h"
#include "job/child_plan.h"

enum {
    PIECE = 64 << 10,
    TURN_MS = 200, /* limits and the caller are looked at so often */
};

struct reading {
    const struct child_job *job;
    const struct reading_ends *ends;
    struct child child;
    int feed_fd; /* our end of its standard input: a socket, so that it sees whether we live */
    int end_fd;
    const char *reason; /* why it was ended, as child_outcome.c knows them, or NULL */
    int64_t started_ms, moved_ms;
    struct buf errors;

    bool gives; /* there are bytes for it, or their end is not told yet */
    struct buf given;
    size_t sent; /* of them */

    struct child_promise promise;
    struct child_lines lines; /* that tell a result */
    json_t *result;
    struct err bad_line;
};

static void reading_auto(struct reading *r)
{
    child_auto(&r->child);
    fd_auto(&r->feed_fd);
    fd_auto(&r->end_fd);
    buf_done(&r->errors);
    buf_done(&r->given);
    child_lines_auto(&r->lines);
    json_decref(r->result);
}

static int64_t now_ms(void)
{
    return clock_monotonic_ns() / (NS_PER_S / 1000);
}

static void stop(struct reading *r, const char *reason)
{
    if (r->reason != NULL)
        return;
    r->reason = reason;
    if (r->child.pid > 0) /* else it has ended, and there is more in its pipes */
        child_signal(&r->child, SIGKILL);
}

/* The job in front of whatever else goes in: a length and the document. */
static bool send_request(int fd, const struct child_job *j, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf all = {0};

    child_job_format(j, &text);

    const uint32_t size = (uint32_t)text.size; /* both ends are this very program */

    buf_append(&all, &size, sizeof(size));
    buf_append_slice(&all, buf_slice(&text));
    for (size_t at = 0; at < all.size;) {
        const ssize_t n = send(fd, all.data + at, all.size - at, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return err_sys(e, "tell it what to do");
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool start(struct reading *r, const struct config *c, struct err *e)
{
    AUTO(child_plan) struct child_plan names = {0};
    int ends[2] = {-1, -1};
    char *const argv[] = {(char *)(uintptr_t)SANDBOX_SELF, (char *)(uintptr_t)READING_OPTION, NULL};

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return err_sys(e, "socket");
    r->feed_fd = ends[0];

    AUTO(fd) int input = ends[1];
    const struct child_spec spec = {.argv = argv,
                                    .keep = child_plan_variables(&names, r->job, c),
                                    .has_input = true,
                                    .input_fd = input,
                                    .takes_errors = true,
                                    .has_group = true};

    return child_start_with(&spec, &r->child, e) && child_end_open(&r->child, &r->end_fd, e) &&
           send_request(r->feed_fd, r->job, e);
}

/* The last words say why it failed. */
static void take_errors(struct reading *r, struct slice bytes)
{
    buf_append_slice(&r->errors, bytes);
    if (r->errors.size > READING_ERRORS_MAX) {
        memmove(r->errors.data, r->errors.data + r->errors.size - READING_ERRORS_MAX,
                READING_ERRORS_MAX);
        r->errors.size = READING_ERRORS_MAX;
    }
}

/* A line of a verb that tells a result. */
static void take_line(void *arg, struct slice line)
{
    struct reading *r = arg;
    AUTO(json) json_t *j = NULL;
    struct err why;
    const char *type;

    if (!child_line_parse(line, &j, &why)) {
        if (r->bad_line.code == ERR_NONE)
            r->bad_line = why;
        return;
    }
    type = child_line_type(j);
    if (type != NULL && strcmp(type, r->promise.message) == 0) {
        json_decref(r->result);
        r->result = TAKE(j);
    }
}

static bool take_output(struct reading *r, struct slice bytes, struct err *e)
{
    if (*r->promise.message == '\0')
        return r->ends->take(r->ends->arg, bytes, e);
    if (!child_lines_add(&r->lines, bytes, take_line, r) && r->bad_line.code == ERR_NONE)
        return err_set(&r->bad_line, ERR_CORRUPT, "a line is longer than %zu bytes",
                       CHILD_LINE_MAX);
    return true;
}

/* Some of what a pipe holds; closes it at its end.  False when there was nothing. */
static bool drain(struct reading *r, int *fd)
{
    uint8_t bytes[PIECE];
    const ssize_t n = read(*fd, bytes, sizeof(bytes));
    struct err ignored;

    if (n < 0 && errno == EINTR)
        return true;
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        fd_auto(fd);
        *fd = -1;
        return false;
    }
    if (fd == &r->child.err_fd)
        take_errors(r, SLICE_OF(bytes, (size_t)n));
    else if (r->reason == NULL && !take_output(r, SLICE_OF(bytes, (size_t)n), &ignored))
        stop(r, "cancel");
    r->moved_ms = now_ms(); /* behind take(): a slow reader is no fault of the child's */
    return true;
}

/* Nothing more goes in; what it makes of that is seen at its end. */
static void end_input(struct reading *r)
{
    r->gives = false;
    fd_auto(&r->feed_fd);
    r->feed_fd = -1;
}

/* Some of the caller's bytes, or their end, into the socket, which has room. */
static void feed(struct reading *r)
{
    struct err ignored;
    size_t got = 0;
    ssize_t n;

    if (r->sent == r->given.size) {
        buf_clear(&r->given);
        r->sent = 0;
        if (!r->ends->give(r->ends->arg, buf_extend(&r->given, PIECE), PIECE, &got, &ignored)) {
            stop(r, "cancel");
            end_input(r);
            return;
        }
        r->given.size = got;
        r->moved_ms = now_ms();
        if (got == 0) {
            r->gives = false;
            (void)shutdown(r->feed_fd, SHUT_WR); /* fails when the child is gone, and it shows */
            return;
        }
    }
    n = send(r->feed_fd, r->given.data + r->sent, r->given.size - r->sent,
             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EINTR && errno != EAGAIN)
        end_input(r); /* it reads no more: it has ended, or is about to */
    r->sent += n > 0 ? (size_t)n : 0;
}

static void check_limits(struct reading *r)
{
    const struct child_limits *l = &r->job->limits;
    const int64_t now = now_ms();

    if (!r->ends->is_wanted(r->ends->arg))
        stop(r, "cancel");
    if (l->time_s > 0 && now - r->started_ms >= l->time_s * 1000)
        stop(r, "time");
    if (l->stall_s > 0 && now - r->moved_ms >= l->stall_s * 1000)
        stop(r, "stall");
}

/* Until it has ended. */
static void watch(struct reading *r)
{
    struct pollfd fds[4] = {{.fd = r->end_fd, .events = POLLIN},
                            {.events = POLLIN},
                            {.events = POLLIN},
                            {.events = POLLOUT}};

    do {
        fds[1].fd = r->child.out_fd;
        fds[2].fd = r->child.err_fd;
        fds[3].fd = r->gives ? r->feed_fd : -1;
        (void)poll(fds, 4, TURN_MS); /* fails for a signal only: all are looked at again */
        if (fds[1].revents != 0)
            (void)drain(r, &r->child.out_fd); /* more may come */
        if (fds[2].revents != 0)
            (void)drain(r, &r->child.err_fd);
        if (fds[3].revents != 0 && r->gives)
            feed(r);
        check_limits(r);
    } while ((fds[0].revents & POLLIN) == 0);
}

/* What is left in the pipes; others than the child may hold them open. */
static void drain_rest(struct reading *r)
{
    for (int i = 0; i < 2; i++) {
        int *fd = i == 0 ? &r->child.out_fd : &r->child.err_fd;

        if (*fd < 0 || fcntl(*fd, F_SETFL, O_NONBLOCK) < 0)
            continue;
        while (*fd >= 0 && drain(r, fd))
            check_limits(r);
    }
}

/* How it ended, as the file "exit" of a keeper says it; nothing of its group is left. */
static json_t *reap(struct reading *r)
{
    siginfo_t info = {0};
    int result;

    child_signal(&r->child, SIGKILL); /* it has ended itself */
    do
        result = waitid(P_PID, (id_t)r->child.pid, &info, WEXITED);
    while (result < 0 && errno == EINTR);
    r->child.pid = 0;
    return json_pack("{s:i, s:s*}", info.si_code == CLD_EXITED ? "status" : "signal",
                     info.si_status, "reason", r->reason);
}

bool reading_run(const struct child_job *j, const struct reading_ends *ends,
                 struct child_outcome *out, struct err *e)
{
    AUTO(reading)
    struct reading r = {.job = j, .ends = ends, .child = CHILD_NONE, .feed_fd = -1, .end_fd = -1};
    AUTO(config) struct config *c = NULL;
    AUTO(child_plan) struct child_plan plan = {0};

    if (!config_load(j->config, &c, e) || !child_plan_make(j, c, &plan, e))
        return false;
    r.promise = child_plan_promise(j);
    r.gives = j->verb == CHILD_UPLOAD;
    r.started_ms = r.moved_ms = now_ms();
    if (!start(&r, c, e))
        return err_wrap(e, "start %s", child_verb_name(j->verb));
    watch(&r);

    AUTO(json) json_t *end = reap(&r);

    drain_rest(&r);
    /* All was printed, and not all was taken: what was is not the whole, however well it ended. */
    if (r.reason != NULL) {
        (void)json_object_del(end, "status");                            /* it may be there */
        (void)json_object_set_new(end, "reason", json_string(r.reason)); /* cannot fail */
    }
    child_outcome_judge(j,
                        &(struct child_end){.exit = end,
                                            .result = r.result,
                                            .bad_line = r.bad_line,
                                            .errors = buf_string(&r.errors)},
                        out);
    return true;
}
