/*
 * Total times, which libmicrohttpd does not know: it only ends connections that are silent.  One
 * thread looks at all connections twice a second, tells those that are too slow (408, where that
 * can be told: not in the middle of TLS) and shuts their sockets down; libmicrohttpd then
 * cleans up.  A connection is looked at under the lock under which its request is begun and its
 * end is told, so that no descriptor is touched that is another's already.
 */
#include <linux/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "server/private.h"

#define TICK_MS        500
#define BODY_GRACE_NS  (5 * NS_PER_S)  /* what an honest client may need to begin */
#define BODY_END_NS    (2 * NS_PER_S)  /* in which what a client sent before its end is read */
#define REPLY_GRACE_NS (30 * NS_PER_S) /* and to begin to read */

struct deadlines {
    struct http_server *server;
    pthread_t thread;
    int stop;
};

/* Bytes of an answer that the client has not taken, and those that it has, in all. */
static bool count_sent(int fd, uint64_t *taken, uint64_t *waiting)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return false;
    *taken = info.tcpi_bytes_acked;
    *waiting = info.tcpi_notsent_bytes + info.tcpi_unacked;
    return true;
}

static bool is_slow(uint64_t moved, int64_t passed_ns, int64_t grace_ns, uint32_t rate_min)
{
    return passed_ns > grace_ns &&
           (double)moved < (double)(passed_ns - grace_ns) / (double)NS_PER_S * rate_min;
}

/* Whether the other side closed its side, at least. */
static bool has_closed(const struct peer *p)
{
    struct pollfd end = {.fd = p->fd, .events = POLLRDHUP};

    return poll(&end, 1, 0) > 0;
}

/* libmicrohttpd takes a short read for all that there is: an end that came with the last bytes is
 * news for it when its own time is up only.  What came fast before does not make up for what
 * trickles now. */
static bool is_body_late(struct peer *p, const struct http_options *o, int64_t now_ns)
{
    const int64_t passed_ns = now_ns - p->since_ns;

    if (is_slow(p->moved, passed_ns, BODY_GRACE_NS, o->rate_min) ||
        (now_ns - p->stirred_ns > BODY_END_NS && has_closed(p)))
        return true;
    if (passed_ns > o->rate_ms * 1000000) {
        p->since_ns = now_ns;
        p->moved = 0;
    }
    return false;
}

static bool is_late(const struct http_server *s, struct peer *p, int64_t now_ns)
{
    const struct http_options *o = &s->options;
    const int64_t passed_ns = now_ns - p->since_ns;
    uint64_t taken;
    uint64_t waiting;

    switch (p->state) {
    case PEER_HEAD:
        return passed_ns > o->head_ms * 1000000;
    case PEER_IDLE:
        return passed_ns > o->idle_ms * 1000000;
    case PEER_BODY:
        return is_body_late(p, o, now_ns);
    case PEER_REPLY:
        if (!count_sent(p->fd, &taken, &waiting))
            return false;
        if (p->moved == 0)
            p->moved = taken + 1;
        return waiting > 0 && is_slow(taken + 1 - p->moved, passed_ns, REPLY_GRACE_NS, o->rate_min);
    case PEER_BUSY:
    case PEER_LISTENS:
    case PEER_UPGRADED:
        return false;
    }
    return false;
}

static void end_late(struct peer *p)
{
    static const char late[] = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
                               "Cache-Control: no-store\r\nContent-Length: 0\r\n\r\n";

    p->is_ended = true;
    p->listener->server->ended_late++;
    /* Nothing was sent in answer to what is on its way, so this cannot fall into an answer. */
    if ((p->state == PEER_HEAD || p->state == PEER_BODY) && !p->listener->is_tls)
        (void)send(p->fd, late, sizeof(late) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(p->fd, SHUT_RDWR);
}

/* Whether nobody waits for the answer; with peers_lock. */
static bool has_hung_up(const struct peer *p)
{
    /* Not by reading: behind TLS the last words stand in front of the end. */
    return p->request != NULL && (p->state == PEER_LISTENS || p->request->is_watched) &&
           has_closed(p);
}

/* A stream that waits for events, or for its handler, is not read from, so nobody else notices. */
static void let_go(struct http_server *s)
{
    struct request *gone[64];
    size_t count = 0;

    pthread_mutex_lock(&s->peers_lock);
    for (const struct peer *p = s->peers; p != NULL && count < 64; p = p->next)
        if (has_hung_up(p)) {
            request_hold(p->request);
            gone[count++] = p->request;
        }
    pthread_mutex_unlock(&s->peers_lock);
    for (size_t i = 0; i < count; i++) {
        request_abandon(gone[i]);
        request_drop(gone[i]);
    }
}

static void *watch(void *arg)
{
    struct deadlines *d = arg;
    struct http_server *s = d->server;
    struct pollfd stop = {.fd = d->stop, .events = POLLIN};

    while (poll(&stop, 1, TICK_MS) == 0) {
        const int64_t now_ns = clock_monotonic_ns();

        pthread_mutex_lock(&s->peers_lock);
        for (struct peer *p = s->peers; p != NULL; p = p->next)
            if (!p->is_ended && p->fd >= 0 && is_late(s, p, now_ns))
                end_late(p);
        pthread_mutex_unlock(&s->peers_lock);
        let_go(s);
        events_beat(s->events, now_ns);
    }
    return NULL;
}

struct deadlines *deadlines_new(struct http_server *s)
{
    struct deadlines *d = mem_new(sizeof(*d));

    d->server = s;
    d->stop = eventfd(0, EFD_CLOEXEC);
    if (d->stop < 0)
        mem_exit("no descriptor is left");
    thread_start(&d->thread, watch, d, "http deadline");
    return d;
}

void deadlines_free(struct deadlines *d)
{
    if (d == NULL)
        return;
    (void)eventfd_write(d->stop, 1);
    thread_join(d->thread);
    fd_auto(&d->stop);
    mem_free(d);
}
