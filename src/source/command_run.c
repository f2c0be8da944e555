#include "source/command_run.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "source/argv.h"

#define NS_PER_MS      INT64_C(1000000)
#define CANCEL_ASK_MS  250
#define GRACE_NS       (5 * NS_PER_S) /* between SIGTERM and SIGKILL */
#define HELD_NS        NS_PER_S /* how long others may hold the output of a program that ended */
#define IO_ROOM        ((size_t)64 << 10)
#define LINE_MAX_SIZE  200
#define TIMEOUT_MAX_MS (UINT64_C(1) << 40) /* for ever, and yet no overflow as nanoseconds */

/* What a program may want to know of where it runs; all else could be a secret. */
static const char *const always_kept[] = {"PATH", "LANG", "LC_ALL", "HOME", "USER", "TZ"};
enum { KEPT_COUNT = sizeof(always_kept) / sizeof(always_kept[0]) };

struct running {
    const struct command_run *run;
    struct command_outcome *out;
    struct child child;
    int end_fd;
    bool has_ended;
    int64_t lent_ns;  /* time that input and output took */
    int64_t until_ns; /* when patience ends, by own_ns(): with the program, then with its pipes */
    uint8_t *room;    /* IO_ROOM bytes for output and errors */
    uint8_t *input;   /* IO_ROOM bytes, of which input_at .. input_size are to be written */
    size_t input_at, input_size;
};

static void running_auto(struct running *r)
{
    child_auto(&r->child);
    fd_auto(&r->end_fd);
    mem_free(r->room);
    mem_free(r->input);
}

static int64_t own_ns(const struct running *r)
{
    return clock_monotonic_ns() - r->lent_ns;
}

static uint64_t timeout_ms(const struct command_run *run)
{
    const uint64_t wanted = run->options->timeout_ms;

    if (wanted == 0)
        return COMMAND_TIMEOUT_MS;
    return wanted < TIMEOUT_MAX_MS ? wanted : TIMEOUT_MAX_MS;
}

static uint64_t output_max(const struct command_run *run)
{
    return run->options->output_max == 0 ? COMMAND_OUTPUT_MAX : run->options->output_max;
}

/* False, with out->failure set, when the program does not start. */
static bool start(struct running *r, struct err *e)
{
    const char *const *named = r->run->options->environment;
    const size_t named_count = argv_count(named);
    AUTO(mem) const char **keep = mem_array(KEPT_COUNT + named_count + 1, sizeof(*keep));

    memcpy(keep, always_kept, sizeof(always_kept));
    for (size_t i = 0; i < named_count; i++)
        keep[KEPT_COUNT + i] = named[i];

    const struct child_spec spec = {
        .argv = (char *const *)(uintptr_t)r->run->argv, /* nobody changes them */
        .keep = keep,
        .gives_input = r->run->input != NULL,
        .keeps_input = r->run->input != NULL,
        .takes_errors = true,
        .has_group = true,
    };

    r->out->started_ns = clock_now_ns();
    return child_start_with(&spec, &r->child, e) && child_end_open(&r->child, &r->end_fd, e);
}

/* Have the next bytes of input ready, or close it when there are none. */
static bool refill(struct running *r, struct err *e)
{
    const struct command_feed *feed = r->run->input;
    const int64_t before = clock_monotonic_ns();
    size_t got = 0;

    assert(feed != NULL); /* there is a pipe for input only then */
    if (!feed->read(feed->arg, r->input, IO_ROOM, &got, e))
        return false;
    r->lent_ns += clock_monotonic_ns() - before;
    r->input_at = 0;
    r->input_size = got;
    if (got == 0) {
        fd_auto(&r->child.in_fd);
        r->child.in_fd = -1;
    }
    return true;
}

static bool give_input(struct running *r, struct err *e)
{
    size_t written = 0;

    if (!child_write(&r->child, SLICE_OF(r->input + r->input_at, r->input_size - r->input_at),
                     &written, e))
        return false;
    r->input_at += written;
    return r->input_at < r->input_size || refill(r, e);
}

/* Read what is there, after poll(); *got is 0 at the end, and the descriptor closed. */
static size_t take(struct running *r, int *fd)
{
    ssize_t n = 0;

    do
        n = read(*fd, r->room, IO_ROOM);
    while (n < 0 && errno == EINTR);
    assert(n >= 0); /* a pipe of ours has no other errors */
    if (n == 0) {
        fd_auto(fd);
        *fd = -1;
    }
    return (size_t)n;
}

static void take_errors(struct running *r)
{
    const size_t got = take(r, &r->child.err_fd);

    if (got > 0)
        excerpt_add(&r->out->errors, SLICE_OF(r->room, got));
}

static bool take_output(struct running *r, struct err *e)
{
    const size_t got = take(r, &r->child.out_fd);
    const uint64_t limit = output_max(r->run);

    if (got == 0 || r->run->output == NULL)
        return true;
    if (got > limit - r->out->bytes) {
        char text[TEXT_SIZE_MAX];

        size_format(limit, text);
        (void)err_set(&r->out->failure, ERR_FATAL, "printed more than %s", text);
        return true;
    }
    r->out->bytes += got;

    const int64_t before = clock_monotonic_ns();

    if (!r->run->output(r->run->arg, SLICE_OF(r->room, got), e))
        return false;
    r->lent_ns += clock_monotonic_ns() - before;
    return true;
}

enum { OUT, ERR, IN, END, POLLED };

/* Wait for something to happen, but not beyond until_ns nor longer than a quarter of a second. */
static bool wait_for_events(const struct running *r, struct pollfd p[POLLED], struct err *e)
{
    const int64_t left_ms = (r->until_ns - own_ns(r)) / NS_PER_MS + 1;
    const int wait_ms = left_ms < CANCEL_ASK_MS ? (int)(left_ms < 0 ? 0 : left_ms) : CANCEL_ASK_MS;

    p[OUT] = (struct pollfd){.fd = r->child.out_fd, .events = POLLIN};
    p[ERR] = (struct pollfd){.fd = r->child.err_fd, .events = POLLIN};
    p[IN] = (struct pollfd){.fd = r->child.in_fd, .events = POLLOUT};
    p[END] = (struct pollfd){.fd = r->has_ended ? -1 : r->end_fd, .events = POLLIN};
    if (poll(p, POLLED, wait_ms) >= 0)
        return true;
    for (int i = 0; i < POLLED; i++)
        p[i].revents = 0;
    return errno == EINTR ? true : err_sys(e, "wait for a child process");
}

static bool turn(struct running *r, struct err *e)
{
    struct pollfd p[POLLED];

    if (!wait_for_events(r, p, e))
        return false;
    if (cancel_is_requested() && !r->run->is_not_cancelled)
        return cancel_err(e);
    if (p[ERR].revents != 0)
        take_errors(r);
    if (p[OUT].revents != 0 && !take_output(r, e))
        return false;
    if (p[IN].revents != 0 && !give_input(r, e))
        return false;
    if (p[END].revents != 0) {
        r->has_ended = true;
        r->until_ns = own_ns(r) + HELD_NS;
    }
    return true;
}

static bool is_going_on(const struct running *r)
{
    return r->out->failure.code == ERR_NONE && own_ns(r) < r->until_ns &&
           (!r->has_ended || r->child.out_fd >= 0 || r->child.err_fd >= 0);
}

/* Ask the program and its group to end, and wait for a while; what it says about it is kept.
 * running_auto() kills those that are still there. */
static void stop(struct running *r)
{
    struct err ignored = {0};

    child_signal(&r->child, SIGTERM);
    fd_auto(&r->child.in_fd);
    fd_auto(&r->child.out_fd);
    r->child.in_fd = r->child.out_fd = -1;
    r->until_ns = own_ns(r) + GRACE_NS;
    while (!r->has_ended && own_ns(r) < r->until_ns) {
        struct pollfd p[POLLED];

        if (!wait_for_events(r, p, &ignored))
            break;
        if (p[ERR].revents != 0)
            take_errors(r);
        r->has_ended = p[END].revents != 0;
    }
}

/* What the pipe still holds, as the child's end is ours too, or did not go into it. */
static bool has_left_input(const struct running *r)
{
    int left = 0;

    return r->child.in_fd >= 0 ||
           (r->child.left_fd >= 0 && ioctl(r->child.left_fd, FIONREAD, &left) == 0 && left > 0);
}

/* The program ended by itself, or is still there although its time has passed. */
static void judge(struct running *r)
{
    struct err *failure = &r->out->failure;
    const bool is_held = r->child.out_fd >= 0 && r->run->output != NULL;
    const bool has_left = has_left_input(r);

    if (failure->code != ERR_NONE || !r->has_ended) {
        if (failure->code == ERR_NONE)
            (void)err_set(failure, ERR_FATAL, "did not end within %g s",
                          (double)timeout_ms(r->run) / 1000);
        stop(r);
        return;
    }
    if (is_held)
        child_signal(&r->child, SIGKILL);
    if (!child_wait(&r->child, failure))
        r->out->has_refused = true;
    else if (is_held)
        (void)err_set(failure, ERR_FATAL,
                      "ended, but something that it started still holds its output open");
    else if (has_left)
        (void)err_set(failure, ERR_FATAL, "ended before it had read all its input");
}

/* Say which command, and what it said itself. */
static void name_failure(const struct command_run *run, struct command_outcome *out)
{
    AUTO(buf) struct buf said = {0};
    const struct err what = out->failure;

    excerpt_last_line(&out->errors, LINE_MAX_SIZE, &said);
    (void)err_set(&out->failure, what.code, "command %s: %s %s%s%s", run->options->name,
                  run->argv[0], what.text, said.size > 0 ? ": " : "", buf_string(&said));
}

static bool follow(struct running *r, struct err *e)
{
    if (r->run->input != NULL && !refill(r, e))
        return false;
    while (is_going_on(r))
        if (!turn(r, e))
            return false;
    return true;
}

bool command_run(const struct command_run *run, struct command_outcome *out, struct err *e)
{
    AUTO(running) struct running r = {.run = run, .out = out, .child = CHILD_NONE, .end_fd = -1};
    const int64_t begun = clock_monotonic_ns();

    *out = (struct command_outcome){0};
    if (!start(&r, &out->failure)) {
        (void)err_wrap(&out->failure, "command %s", run->options->name);
        return true;
    }
    r.room = mem_new(IO_ROOM);
    r.input = mem_new(IO_ROOM);
    r.until_ns = own_ns(&r) + (int64_t)timeout_ms(run) * NS_PER_MS;
    if (!follow(&r, e)) {
        stop(&r);
        return false;
    }
    judge(&r);
    out->duration_ms = (uint64_t)((clock_monotonic_ns() - begun) / NS_PER_MS);
    if (out->failure.code != ERR_NONE)
        name_failure(run, out);
    return true;
}
