/*
 * Whoever has a stream open, sends an upload or is being read something out is looked at again
 * every few seconds: when his session ended, his password was changed, his token revoked or he was
 * disabled, the connection is shut down.  Each is asked about once in a round, however many streams
 * he has.  A thread of its own, since it waits for the catalog.
 */
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/mem.h"
#include "server/private.h"

#define ROUND_MS 3000

struct stream_watch {
    struct http_server *server;
    pthread_t thread;
    int stop;
};

static bool is_same(const struct principal *a, const struct principal *b)
{
    return a->kind == b->kind && a->role == b->role && strcmp(a->id, b->id) == 0 &&
           strcmp(a->session, b->session) == 0;
}

static bool is_among(const struct buf *all, const struct principal *p)
{
    const struct principal *known = (const struct principal *)(const void *)all->data;

    for (size_t i = 0; i < all->size / sizeof(*known); i++)
        if (is_same(&known[i], p))
            return true;
    return false;
}

/* Those with streams, each once. */
static void collect(struct http_server *s, struct buf *out)
{
    pthread_mutex_lock(&s->peers_lock);
    for (const struct peer *p = s->peers; p != NULL; p = p->next)
        if (p->who != NULL && !p->is_ended && !is_among(out, p->who))
            buf_append(out, p->who, sizeof(*p->who));
    pthread_mutex_unlock(&s->peers_lock);
}

/* Those of them who are not what they were. */
static void find_gone(struct http_server *s, const struct buf *all, struct buf *out)
{
    const struct principal *known = (const struct principal *)(const void *)all->data;

    for (size_t i = 0; i < all->size / sizeof(*known); i++) {
        struct err e = {0};

        if (!s->options.still(s->options.identify_arg, &known[i], &e) && e.code == ERR_DENIED)
            buf_append(out, &known[i], sizeof(known[i]));
    }
}

/* Event streams are then found to have hung up (deadline.c), and sockets to be closed. */
static void end(struct http_server *s, const struct buf *gone)
{
    pthread_mutex_lock(&s->peers_lock);
    for (struct peer *p = s->peers; p != NULL; p = p->next)
        if (p->who != NULL && !p->is_ended && p->fd >= 0 && is_among(gone, p->who)) {
            p->is_ended = true;
            (void)shutdown(p->fd, SHUT_RDWR);
        }
    pthread_mutex_unlock(&s->peers_lock);
}

static void *watch(void *arg)
{
    struct stream_watch *w = arg;
    struct pollfd stop = {.fd = w->stop, .events = POLLIN};

    while (poll(&stop, 1, ROUND_MS) == 0) {
        AUTO(buf) struct buf all = {0};
        AUTO(buf) struct buf gone = {0};

        collect(w->server, &all);
        find_gone(w->server, &all, &gone);
        if (gone.size > 0)
            end(w->server, &gone);
    }
    return NULL;
}

struct stream_watch *stream_watch_new(struct http_server *s)
{
    struct stream_watch *w;

    if (s->options.still == NULL)
        return NULL;
    w = mem_new(sizeof(*w));
    w->server = s;
    w->stop = eventfd(0, EFD_CLOEXEC);
    if (w->stop < 0)
        mem_exit("no descriptor is left");
    thread_start(&w->thread, watch, w, "http streams");
    return w;
}

void stream_watch_free(struct stream_watch *w)
{
    if (w == NULL)
        return;
    (void)eventfd_write(w->stop, 1);
    thread_join(w->thread);
    fd_auto(&w->stop);
    mem_free(w);
}
