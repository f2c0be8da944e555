#include "store/sftp_link.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "store/sftp_reader.h"

enum { PIPE_ROOM = 1 << 20 };

#define NS_PER_MS       (NS_PER_S / 1000)
#define STOP_GRACE_NS   (2 * NS_PER_S)   /* a call goes on for so long after it is told to stop */
#define REQUEST_LONGEST (600 * NS_PER_S) /* one answer, while others come */

/* What is left of a slice; NULL stays NULL. */
static struct slice behind(struct slice s, size_t size)
{
    return size == 0 ? s : SLICE_OF(s.data + size, s.size - size);
}

/* Waiting */

/* Milliseconds from now on the clock of the condition. */
static void wait_a_moment(struct sftp_link *l)
{
    const struct timespec until =
        clock_to_timespec(clock_monotonic_ns() + SFTP_POLL_MS * NS_PER_MS);

    (void)pthread_cond_timedwait(&l->answered, &l->lock, &until);
}

/*
 * Look whether there is a reason to stop waiting for something asked at this time, and break
 * the link then.  Lock held.
 */
static bool may_wait(struct sftp_call *c, int64_t asked_ns, struct err *e)
{
    struct sftp_link *l = c->link;
    const int64_t now = clock_monotonic_ns();
    const int64_t quiet_since = asked_ns > l->heard_ns ? asked_ns : l->heard_ns;

    if (!l->is_broken && cancel_is_requested()) {
        if (c->told_to_stop_ns == 0)
            c->told_to_stop_ns = now;
        if (now - c->told_to_stop_ns > STOP_GRACE_NS) {
            sftp_reader_break(l, ERR_TRANSIENT, "the call was interrupted");
            return cancel_err(e);
        }
    }
    if (now - quiet_since > l->timeout_ns)
        sftp_reader_break(l, ERR_TRANSIENT, "the server has said nothing for %lld seconds",
                          (long long)(l->timeout_ns / NS_PER_S));
    if (now - asked_ns > REQUEST_LONGEST)
        sftp_reader_break(l, ERR_TRANSIENT, "the server leaves a request unanswered");
    if (l->is_broken) {
        *e = l->why;
        return false;
    }
    return true;
}

void sftp_call_init(struct sftp_call *c, struct sftp_link *l)
{
    *c = (struct sftp_call){.link = l};
}

void sftp_call_auto(struct sftp_call *c)
{
    struct sftp_link *l = c->link;
    const int64_t now = clock_monotonic_ns();
    struct err ignored;

    if (l == NULL)
        return;
    pthread_mutex_lock(&l->lock);
    while (c->unanswered > 0 && may_wait(c, now, &ignored))
        wait_a_moment(l);
    pthread_mutex_unlock(&l->lock);
}

void sftp_request_auto(struct sftp_request *r)
{
    buf_done(&r->bytes);
}

bool sftp_wait(struct sftp_call *c, struct sftp_request *r, struct err *e)
{
    bool ok = true;

    pthread_mutex_lock(&c->link->lock);
    while (!r->is_answered && (ok = may_wait(c, r->asked_ns, e)))
        wait_a_moment(c->link);
    pthread_mutex_unlock(&c->link->lock);
    return ok;
}

/* Sending */

/* Enter a request under a new id.  Lock held. */
static void enter(struct sftp_link *l, struct sftp_request *r, struct buf *packet)
{
    r->id = l->next_id++;
    r->next = NULL;
    r->is_answered = false;
    r->asked_ns = clock_monotonic_ns();
    r->got = 0;
    packet_set_id(packet, r->id);
    if (r->call != NULL)
        r->call->unanswered++;
    if (l->last == NULL)
        l->first = r;
    else
        l->last->next = r;
    l->last = r;
}

/* Let a blocked server go on, or give up. */
static bool wait_for_room(struct sftp_call *c, int64_t since_ns, struct err *e)
{
    struct pollfd p = {.fd = c->link->input, .events = POLLOUT};

    (void)poll(&p, 1, SFTP_POLL_MS);
    pthread_mutex_lock(&c->link->lock);

    const bool ok = may_wait(c, since_ns, e);

    pthread_mutex_unlock(&c->link->lock);
    return ok;
}

/* Writing failed: the reader learns why, once it has read the program's last words. */
static bool wait_for_end(struct sftp_link *l, struct err *e)
{
    const int64_t since_ns = clock_monotonic_ns();

    pthread_mutex_lock(&l->lock);
    while (!l->is_broken && clock_monotonic_ns() - since_ns < 2 * SFTP_LAST_WORDS_NS)
        wait_a_moment(l);
    sftp_reader_break(l, ERR_TRANSIENT, "the server takes nothing more");
    *e = l->why;
    pthread_mutex_unlock(&l->lock);
    return false;
}

/* Send all of it; sending is held.  The link is broken when it fails. */
static bool send_all(struct sftp_call *c, struct slice head, struct slice payload, struct err *e)
{
    struct sftp_link *l = c->link;
    int64_t since_ns = clock_monotonic_ns();

    while (head.size + payload.size > 0) {
        struct iovec parts[] = {{(void *)(uintptr_t)head.data, head.size},
                                {(void *)(uintptr_t)payload.data, payload.size}};
        const struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};
        const ssize_t n = sendmsg(l->input, &m, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return wait_for_end(l, e);
        if (n < 0 && !wait_for_room(c, since_ns, e))
            return false;
        if (n <= 0)
            continue;

        const size_t of_head = (size_t)n < head.size ? (size_t)n : head.size;

        head = behind(head, of_head);
        payload = behind(payload, (size_t)n - of_head);
        since_ns = clock_monotonic_ns();
    }
    return true;
}

/* A request that nobody waits for is freed, in any case. */
static bool ask(struct sftp_call *c, struct sftp_request *r, struct buf *packet,
                struct slice payload, struct err *e)
{
    struct sftp_link *l = c->link;
    const bool nobody_waits = r->call == NULL;

    packet_end(packet, payload.size);
    pthread_mutex_lock(&l->sending);
    pthread_mutex_lock(&l->lock);

    const bool is_open = may_wait(c, clock_monotonic_ns(), e);

    if (is_open)
        enter(l, r, packet);
    pthread_mutex_unlock(&l->lock);

    const bool ok = is_open && send_all(c, buf_slice(packet), payload, e);

    pthread_mutex_unlock(&l->sending);
    if (!is_open && nobody_waits)
        mem_free(r);
    return ok;
}

bool sftp_ask(struct sftp_call *c, struct sftp_request *r, struct buf *packet, struct slice payload,
              struct err *e)
{
    r->call = c;
    return ask(c, r, packet, payload, e);
}

void sftp_tell(struct sftp_call *c, struct buf *packet)
{
    struct sftp_request *r = mem_new(sizeof(*r));
    struct err ignored;

    (void)ask(c, r, packet, (struct slice){0}, &ignored);
}

/* Answers */

static enum err_code code_of(uint32_t status)
{
    switch (status) {
    case SFTP_NO_SUCH_FILE:
        return ERR_NOT_FOUND;
    case SFTP_PERMISSION_DENIED:
        return ERR_DENIED;
    case SFTP_NO_CONNECTION:
    case SFTP_CONNECTION_LOST:
        return ERR_TRANSIENT;
    default:
        return ERR_FATAL;
    }
}

bool sftp_answered(const struct sftp_request *r, enum sftp_status status)
{
    return r->reply.kind == SFTP_STATUS && r->reply.status == status;
}

bool sftp_expect(const struct sftp_request *r, enum sftp_kind kind, struct err *e)
{
    const struct sftp_reply *reply = &r->reply;
    char text[SFTP_TEXT_ROOM];

    assert(r->is_answered);
    if (reply->kind == kind && (kind != SFTP_STATUS || reply->status == SFTP_OK))
        return true;
    if (reply->kind != SFTP_STATUS || reply->status == SFTP_OK)
        return err_set(e, ERR_FATAL, "the server's answer is of kind %d instead of %d",
                       (int)reply->kind, (int)kind);
    text_flatten(reply->text, text, sizeof(text));
    if (text[0] == '\0')
        return err_set(e, code_of(reply->status), "the server says: status %u", reply->status);
    return err_set(e, code_of(reply->status), "the server says: %s", text);
}

/* Opening and closing */

static bool start_child(struct sftp_link *l, const struct sftp_program *program, struct err *e)
{
    int ends[2] = {-1, -1};

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return err_sys(e, "socket");
    l->input = ends[0];

    AUTO(fd) int theirs = ends[1];
    const struct child_spec spec = {.argv = program->argv,
                                    .has_input = true,
                                    .input_fd = theirs,
                                    .takes_errors = true,
                                    .has_group = !program->has_terminal};

    if (!child_start_with(&spec, &l->child, e)) {
        e->code = ERR_FATAL; /* a missing program is no missing repository */
        return false;
    }
    (void)fcntl(l->child.out_fd, F_SETPIPE_SZ, PIPE_ROOM); /* only for speed */
    return true;
}

static struct sftp_link *link_new(const struct sftp_program *program)
{
    struct sftp_link *l = mem_new(sizeof(*l));
    pthread_condattr_t attr;

    l->child = CHILD_NONE;
    l->input = l->wake = -1;
    l->timeout_ns = program->timeout_s * NS_PER_S;
    l->heard_ns = clock_monotonic_ns();
    pthread_mutex_init(&l->sending, NULL);
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&l->answered, &attr);
    pthread_condattr_destroy(&attr);
    return l;
}

static void link_free(struct sftp_link *l)
{
    fd_auto(&l->input);
    child_auto(&l->child);
    fd_auto(&l->wake);
    buf_done(&l->received);
    buf_done(&l->errors);
    pthread_cond_destroy(&l->answered);
    pthread_mutex_destroy(&l->lock);
    pthread_mutex_destroy(&l->sending);
    mem_free(l);
}

/* INIT is no request: it has a version where others have their id, and is answered by VERSION. */
static bool greet(struct sftp_call *c, struct err *e)
{
    struct sftp_link *l = c->link;
    const int64_t now = clock_monotonic_ns();
    AUTO(buf) struct buf packet = {0};
    bool ok = true;

    packet_begin(&packet, SFTP_INIT, 3);
    packet_end(&packet, 0);
    if (!send_all(c, buf_slice(&packet), (struct slice){0}, e))
        return false;
    pthread_mutex_lock(&l->lock);
    while (!l->is_greeted && (ok = may_wait(c, now, e)))
        wait_a_moment(l);
    pthread_mutex_unlock(&l->lock);
    return ok;
}

static bool ask_limits(struct sftp_call *c, struct err *e)
{
    AUTO(buf) struct buf packet = {0};
    AUTO(sftp_request) struct sftp_request r = {0};

    if (!c->link->abilities.has_limits)
        return true;
    packet_begin(&packet, SFTP_EXTENDED, 0);
    packet_put_string(&packet, slice_string("limits@openssh.com"));
    if (!sftp_ask(c, &r, &packet, (struct slice){0}, e) || !sftp_wait(c, &r, e))
        return false;
    limits_take(&r.reply, &c->link->abilities);
    return true;
}

static bool begin(struct sftp_link *l, struct err *e)
{
    AUTO(sftp_call) struct sftp_call c;

    sftp_call_init(&c, l);
    return greet(&c, e) && ask_limits(&c, e);
}

bool sftp_link_open(const struct sftp_program *program, struct sftp_link **out, struct err *e)
{
    struct sftp_link *l = link_new(program);

    l->wake = eventfd(0, EFD_CLOEXEC);
    if (l->wake < 0 || !start_child(l, program, e)) {
        if (l->wake < 0)
            (void)err_sys(e, "eventfd");
        link_free(l);
        return false;
    }
    thread_start(&l->reader, sftp_reader_main, l, "sftp");
    if (!begin(l, e)) {
        sftp_link_close(l);
        return false;
    }
    *out = l;
    return true;
}

void sftp_link_close(struct sftp_link *l)
{
    pthread_mutex_lock(&l->lock);
    l->is_closing = true;
    pthread_mutex_unlock(&l->lock);
    fd_auto(&l->input); /* the end of the server's input */
    l->input = -1;
    (void)eventfd_write(l->wake, 1); /* cannot fail; the reader would look soon anyway */
    thread_join(l->reader);
    pthread_mutex_lock(&l->lock);
    sftp_reader_forget(l);
    pthread_mutex_unlock(&l->lock);
    link_free(l);
}

bool sftp_link_is_broken(struct sftp_link *l)
{
    pthread_mutex_lock(&l->lock);

    const bool is_broken = l->is_broken;

    pthread_mutex_unlock(&l->lock);
    return is_broken;
}

const struct sftp_abilities *sftp_link_abilities(const struct sftp_link *l)
{
    return &l->abilities;
}
