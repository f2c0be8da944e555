#include "job/import_parser.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "base/text.h"
#include "job/child_plan.h"

enum {
    TURN_MS = 500,
    END_MS = 5000,
    SILENCE_S = 600, /* it says that it goes on for each 32 MiB that it reads */
    ERRORS_MAX = 4 << 10,
    PIECE = 64 << 10,
    CPU_PER_MIB = 4, /* looking and handing over; 100 MiB of plain text for each take one second */
};

/* What the program's start needs; once it runs nothing can be opened. */
static const char *const readable[] = {"/usr", "/lib", "/lib64", "/etc/ld.so.cache", NULL};

void import_parser_auto(struct import_parser *p)
{
    child_auto(&p->child);
    fd_auto(&p->feed_fd);
    buf_done(&p->in);
    buf_done(&p->errors);
}

bool import_kind_of(const char *as, enum foreign_kind *out, struct err *e)
{
    *out = FOREIGN_KINDS;
    return as == NULL || foreign_kind_parse(as, out) ||
           err_set(e, ERR_USAGE, "\"%.40s\" is no kind of archive", as);
}

static bool send_all(int fd, struct slice bytes, struct err *e)
{
    while (bytes.size > 0) {
        const ssize_t n = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, "the process that reads the archive");
        bytes = SLICE_OF(bytes.data + n, bytes.size - (size_t)n);
    }
    return true;
}

/* At most 4 GiB. */
static bool send_sized(int fd, struct slice request, struct err *e)
{
    AUTO(buf) struct buf all = {0};

    buf_reserve(&all, sizeof(uint32_t) + request.size); /* keys do not move */
    buf_put_u32(&all, (uint32_t)request.size);
    buf_append_slice(&all, request);

    const bool is_sent = send_all(fd, buf_slice(&all), e);

    mem_wipe(all.data, all.size);
    return is_sent;
}

static bool send_request(int fd, const struct import_options *o, struct err *e)
{
    enum foreign_kind kind = FOREIGN_KINDS;
    AUTO(buf) struct buf text = {0};

    if (!import_kind_of(o->as, &kind, e))
        return false;
    buf_reserve(&text, IMPORT_REQUEST_MAX); /* keys do not move */
    buf_put_varint(&text, kind == FOREIGN_KINDS ? 0 : 1 + (uint64_t)kind);
    buf_put_varint(&text, o->key_count);
    for (size_t i = 0; i < o->key_count; i++)
        buf_put_bytes(&text, o->keys[i]);

    const bool is_sent = send_sized(fd, buf_slice(&text), e);

    mem_wipe(text.data, text.size);
    return is_sent;
}

static bool start(const char *option, int fd, uint64_t size, struct import_parser *p, struct err *e)
{
    char *argv[] = {(char *)(uintptr_t) "holdfast",
                    (char *)(uintptr_t)(CHILD_SANDBOX_OPTION "parser"), (char *)(uintptr_t)option,
                    NULL};
    char *none[] = {NULL};
    struct sandbox_profile profile = child_parser_profile;
    int ends[2] = {-1, -1};
    unsigned gaps = 0;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return err_sys(e, "socket");
    p->feed_fd = ends[0];

    AUTO(fd) int input = ends[1];
    const struct sandbox_start s = {SANDBOX_SELF, argv, none, &profile, input, &fd};

    profile.readable = readable;
    profile.open_files = 0; /* on its way it still has ours, and later it can open none */
    profile.cpu_s += CPU_PER_MIB * (unsigned)(size >> 20); /* size is bounded */
    if (!sandbox_start(&s, &p->child, &gaps, e))
        return false;
    return (gaps & SANDBOX_GAP_CALLS) == 0 ||
           err_set(e, ERR_FATAL, "this kernel cannot keep what reads an archive apart: %s",
                   sandbox_gap_text(6));
}

bool import_parser_start(int fd, uint64_t size, const struct import_options *o,
                         struct import_parser *out, struct err *e)
{
    AUTO(import_parser) struct import_parser p = IMPORT_PARSER_NONE;

    if (!start(IMPORT_OPTION, fd, size, &p, e) || !send_request(p.feed_fd, o, e))
        return false;
    *out = p;
    p = IMPORT_PARSER_NONE;
    return true;
}

bool import_parser_start_database(int fd, uint64_t size, struct slice request,
                                  struct import_parser *out, struct err *e)
{
    AUTO(import_parser) struct import_parser p = IMPORT_PARSER_NONE;

    if (!start(IMPORT_DATABASE_OPTION, fd, size, &p, e) || !send_sized(p.feed_fd, request, e))
        return false;
    *out = p;
    p = IMPORT_PARSER_NONE;
    return true;
}

/* Hearing */

static bool take_errors(struct import_parser *p, struct err *e)
{
    uint8_t bytes[ERRORS_MAX];
    const ssize_t n = read(p->child.err_fd, bytes, sizeof(bytes));

    if (n < 0 && errno != EINTR)
        return err_sys(e, "the process that reads the archive");
    if (n == 0) {
        fd_auto(&p->child.err_fd);
        p->child.err_fd = -1;
    }
    if (n > 0 && p->errors.size < ERRORS_MAX)
        buf_append(&p->errors, bytes, (size_t)n);
    return true;
}

/* It says nothing more: why.  One that goes on without words is ended. */
static bool has_ended(struct import_parser *p, struct err *e)
{
    AUTO(fd) int end_fd = -1;
    char said[200];
    struct err why = {0};

    if (!child_end_open(&p->child, &end_fd, e))
        return false;
    (void)poll(&(struct pollfd){.fd = end_fd, .events = POLLIN}, 1, END_MS);
    child_signal(&p->child, SIGKILL);
    while (p->child.err_fd >= 0)
        if (!take_errors(p, e))
            return false;
    text_flatten(buf_slice(&p->errors), said, sizeof(said));
    if (child_wait(&p->child, &why))
        (void)err_set(&why, ERR_FATAL, "it ended early");
    return err_set(e, ERR_FATAL, "the process that reads the archive: %s%s%s", why.text,
                   said[0] == '\0' ? "" : ": ", said);
}

/* More of what it says. */
static bool hear(struct import_parser *p, struct err *e)
{
    struct pollfd fds[2] = {{.fd = p->child.out_fd, .events = POLLIN},
                            {.fd = p->child.err_fd, .events = POLLIN}};
    const int64_t since = clock_monotonic_ns();

    for (;;) {
        if (cancel_is_requested())
            return cancel_err(e);
        if (clock_monotonic_ns() - since > SILENCE_S * NS_PER_S)
            return err_set(e, ERR_FATAL, "the process that reads the archive is silent");
        if (poll(fds, 2, TURN_MS) <= 0)
            continue; /* a signal, or nothing yet */
        if (fds[1].revents != 0 && !take_errors(p, e))
            return false;
        fds[1].fd = p->child.err_fd;
        if (fds[0].revents == 0)
            continue;

        const ssize_t n = read(p->child.out_fd, buf_extend(&p->in, PIECE), PIECE);

        p->in.size -= PIECE - (n > 0 ? (size_t)n : 0);
        if (n > 0)
            return true;
        if (n == 0)
            return has_ended(p, e);
        if (errno != EINTR)
            return err_sys(e, "the process that reads the archive");
    }
}

/* A whole frame that was heard; nothing is changed when there is none yet. */
static bool take_frame(struct import_parser *p, uint8_t *type, struct slice *payload)
{
    struct slice rest = {p->in.data + p->at, p->in.size - p->at};
    uint8_t found;
    uint32_t size;

    if (p->at == p->in.size || !take_u8(&rest, &found) || !take_u32(&rest, &size) ||
        !take_slice(&rest, size, payload))
        return false;
    p->at = p->in.size - rest.size;
    *type = found;
    return true;
}

static bool is_too_long(const struct import_parser *p)
{
    struct slice rest = {p->in.data + p->at, p->in.size - p->at};
    uint8_t type;
    uint32_t size = 0;

    return rest.size > FRAME_HEAD && take_u8(&rest, &type) && take_u32(&rest, &size) &&
           size > FRAME_MAX;
}

static bool take_failure(struct slice payload, struct err *e)
{
    char text[sizeof(e->text)];
    uint8_t code = 0;

    if (!take_u8(&payload, &code))
        code = ERR_FATAL;
    text_flatten(payload, text, sizeof(text));
    return err_set(e,
                   code == ERR_CORRUPT ? ERR_CORRUPT
                   : code == ERR_USAGE ? ERR_USAGE
                                       : ERR_FATAL,
                   "%s", text);
}

bool import_parser_next(struct import_parser *p, enum frame *type, struct slice *payload,
                        struct err *e)
{
    uint8_t found = FRAME_TICK;

    while (found == FRAME_TICK) {
        if (take_frame(p, &found, payload))
            continue;
        if (is_too_long(p))
            return err_set(e, ERR_FATAL, "the process that reads the archive says too much");
        if (p->at > 0)
            memmove(p->in.data, p->in.data + p->at, p->in.size - p->at);
        p->in.size -= p->at;
        p->at = 0;
        if (!hear(p, e))
            return false;
    }
    if (found == FRAME_FAILED)
        return take_failure(*payload, e);
    *type = (enum frame)found;
    return true;
}

bool import_parser_go(struct import_parser *p, struct err *e)
{
    const uint8_t go = IMPORT_PARTS_GO;

    return send_all(p->feed_fd, SLICE_OF(&go, 1), e);
}
