#include "store/sftp_reader.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"

enum {
    ERRORS_KEPT = 4096, /* the end of what the program says on its standard error */
};

#define NO_SFTP        " (no SFTP; does a start-up file of the shell there print something?)"

#define NS_PER_MS      (NS_PER_S / 1000)
#define CLOSE_GRACE_NS (2 * NS_PER_S) /* a server ends within this, or is killed */

/* Breaking.  Lock held. */

void sftp_reader_forget(struct sftp_link *l)
{
    while (l->first != NULL) {
        struct sftp_request *r = l->first;

        l->first = r->next;
        if (r->call == NULL)
            mem_free(r);
        else
            r->call->unanswered--;
    }
    l->last = NULL;
}

void sftp_reader_break(struct sftp_link *l, enum err_code code, const char *fmt, ...)
{
    va_list args;
    char text[sizeof(l->why.text)];

    if (l->is_broken)
        return;
    va_start(args, fmt);
    (void)!vsnprintf(text, sizeof(text), fmt, args); /* a sentence cut off is better than none */
    va_end(args);
    (void)err_set(&l->why, code, "%s", text);
    l->is_broken = true;
    sftp_reader_forget(l);
    child_signal(&l->child, SIGKILL);
    pthread_cond_broadcast(&l->answered);
}

/* Reading */

/* The request of an id, no longer under way; NULL when there is none. */
static struct sftp_request *take_request(struct sftp_link *l, uint32_t id)
{
    struct sftp_request *before = NULL;

    for (struct sftp_request *r = l->first; r != NULL; before = r, r = r->next) {
        if (r->id != id)
            continue;
        if (before == NULL)
            l->first = r->next;
        else
            before->next = r->next;
        if (l->last == r)
            l->last = before;
        return r;
    }
    return NULL;
}

/* Keep an answer: bytes of a file where they are wanted, others with the request. */
static bool request_answer(struct sftp_request *r, struct slice packet, struct sftp_reply *reply,
                           struct err *e)
{
    if (reply->kind == SFTP_DATA) {
        if (r->to == NULL || reply->data.size > r->room || reply->data.size == 0)
            return err_set(e, ERR_FATAL, "the server sends %zu bytes where %zu were asked for",
                           reply->data.size, r->room);
        memcpy(r->to, reply->data.data, reply->data.size);
        r->got = reply->data.size;
        reply->data = (struct slice){0};
        r->reply = *reply;
        return true;
    }
    buf_clear(&r->bytes);
    buf_append_slice(&r->bytes, packet);
    return reply_parse(buf_slice(&r->bytes), &r->reply, e);
}

/* Hand over one packet, its length not included.  Lock held. */
static bool deliver(struct sftp_link *l, struct slice packet, struct err *e)
{
    struct sftp_reply reply = {0};

    if (!l->is_greeted) {
        if (!version_parse(packet, &l->abilities, e))
            return false;
        l->is_greeted = true;
        return true;
    }
    if (!reply_parse(packet, &reply, e))
        return false;

    struct sftp_request *r = take_request(l, reply.id);

    if (r == NULL)
        return err_set(e, ERR_FATAL, "the server answers what it was not asked");
    if (r->call == NULL) {
        mem_free(r);
        return true;
    }
    r->call->unanswered--;
    r->is_answered = request_answer(r, packet, &reply, e);
    return r->is_answered;
}

static struct slice behind(struct slice s, size_t size)
{
    return size == 0 ? s : SLICE_OF(s.data + size, s.size - size);
}

/* Hand over the packets that have come whole.  Lock held. */
static bool deliver_all(struct sftp_link *l, struct err *e)
{
    struct slice rest = buf_slice(&l->received);

    while (rest.size >= SFTP_LENGTH_SIZE) {
        size_t length = 0;

        if (!packet_length(rest.data, &length, e))
            return false;
        if (rest.size - SFTP_LENGTH_SIZE < length)
            break;
        if (!deliver(l, SLICE_OF(rest.data + SFTP_LENGTH_SIZE, length), e))
            return false;
        rest = behind(rest, SFTP_LENGTH_SIZE + length);
    }
    if (rest.size == l->received.size)
        return true;
    l->heard_ns = clock_monotonic_ns();
    pthread_cond_broadcast(&l->answered);
    if (rest.size > 0)
        memmove(l->received.data, rest.data, rest.size);
    l->received.size = rest.size;
    return true;
}

/* Append what a pipe holds now.  False at its end. */
static bool read_some(int fd, size_t room, struct buf *out)
{
    const size_t before = out->size;
    ssize_t n = 0;

    do
        n = read(fd, buf_extend(out, room), room);
    while (n < 0 && errno == EINTR && (out->size = before) == before);
    out->size = before + (n > 0 ? (size_t)n : 0);
    return n > 0 || (n < 0 && errno == EAGAIN);
}

static bool read_errors(struct sftp_link *l)
{
    const bool is_open = read_some(l->child.err_fd, ERRORS_KEPT, &l->errors);

    if (l->errors.size > ERRORS_KEPT) {
        memmove(l->errors.data, l->errors.data + l->errors.size - ERRORS_KEPT, ERRORS_KEPT);
        l->errors.size = ERRORS_KEPT;
    }
    return is_open;
}

/* What the program said last, "" for nothing. */
static void last_words(const struct sftp_link *l, char out[SFTP_TEXT_ROOM])
{
    struct slice s = buf_slice(&l->errors);
    const uint8_t *line = NULL;

    while (s.size > 0 && strchr("\r\n\t ", s.data[s.size - 1]) != NULL)
        s.size--;
    line = s.size == 0 ? NULL : memrchr(s.data, '\n', s.size);
    if (line != NULL)
        s = SLICE_OF(line + 1, s.size - (size_t)(line + 1 - s.data));
    text_flatten(s, out, SFTP_TEXT_ROOM);
}

/* Read on until the program's errors end, but not for long: somebody else may hold the pipe. */
static void hear_out(struct sftp_link *l)
{
    const int64_t end_ns = clock_monotonic_ns() + SFTP_LAST_WORDS_NS;

    for (;;) {
        const int64_t left_ms = (end_ns - clock_monotonic_ns()) / NS_PER_MS;
        struct pollfd p = {.fd = l->child.err_fd, .events = POLLIN};

        if (left_ms <= 0 || poll(&p, 1, (int)left_ms) == 0 || (p.revents != 0 && !read_errors(l)))
            return;
    }
}

static enum err_code code_of_end(const struct sftp_link *l, const char *words)
{
    static const char *const refusals[] = {"Permission denied", "Host key verification failed",
                                           "Too many authentication failures"};

    for (size_t i = 0; !l->is_greeted && i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (strstr(words, refusals[i]) != NULL)
            return ERR_DENIED;
    return ERR_TRANSIENT;
}

/* The server's output has ended. */
static void end_of_output(struct sftp_link *l)
{
    char words[SFTP_TEXT_ROOM];

    hear_out(l);
    last_words(l, words);
    pthread_mutex_lock(&l->lock);
    sftp_reader_break(l, code_of_end(l, words), "the connection ended%s%s",
                      words[0] == '\0' ? "" : ": ", words);
    pthread_mutex_unlock(&l->lock);
}

/* Take what has come.  False at the end of it. */
static bool read_packets(struct sftp_link *l)
{
    struct err why = {0};

    if (!read_some(l->child.out_fd, SFTP_LENGTH_SIZE + SFTP_PACKET_MAX, &l->received)) {
        end_of_output(l);
        return false;
    }
    pthread_mutex_lock(&l->lock);

    const bool ok = !l->is_broken && deliver_all(l, &why);

    if (!ok)
        sftp_reader_break(l, why.code, "%s%s", why.text, l->is_greeted ? "" : NO_SFTP);
    pthread_mutex_unlock(&l->lock);
    return ok;
}

static bool must_end(struct sftp_link *l)
{
    pthread_mutex_lock(&l->lock);

    const bool is_over = l->is_closing || l->is_broken;

    pthread_mutex_unlock(&l->lock);
    return is_over;
}

/* While closing: the server is given the time to end by itself. */
void *sftp_reader_main(void *arg)
{
    struct sftp_link *l = arg;
    struct pollfd p[] = {{.fd = l->child.out_fd, .events = POLLIN},
                         {.fd = l->child.err_fd, .events = POLLIN},
                         {.fd = l->wake, .events = POLLIN}};
    int64_t end_ns = 0; /* 0: not closing */

    for (;;) {
        (void)poll(p, 3, SFTP_POLL_MS); /* interrupted or not, the loop looks at everything */
        if (p[1].revents != 0 && !read_errors(l))
            p[1].fd = -1;
        if (p[0].revents != 0 && !read_packets(l))
            return NULL;
        if (end_ns == 0 && must_end(l)) {
            end_ns = clock_monotonic_ns() + CLOSE_GRACE_NS;
            p[2].fd = -1;
        }
        if (end_ns != 0 && clock_monotonic_ns() > end_ns)
            return NULL;
    }
}
