#include "server/websocket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "server/private.h"

/* A loop takes at most so many events at a time. */
enum { BATCH = 64 };

/* A client that has hung up is let go after so long. */
#define LEAVING_NS (2 * NS_PER_S)

struct websocket {
    struct websocket *next, *previous;
    struct sockets *all;
    struct MHD_UpgradeResponseHandle *handle;
    int fd;
    int peer_fd; /* of the client's connection; behind TLS another than fd.  libmicrohttpd's */
    wslay_event_context_ptr frames;
    struct buf early; /* bytes that came behind the handshake */
    size_t early_at;
    const struct websocket_protocol *protocol;
    void *state;
    struct events_listener *listener;
    char *topic;   /* of websocket_events; owned */
    char *address; /* of the client */
    double tokens; /* messages that may come at once */
    int64_t tokens_ns, heard_ns;
    int64_t left_ns; /* when the client was found to have hung up; 0: it has not */
    bool is_open, is_pinged, is_ended, is_paused;
    atomic_bool has_events; /* or something else to be told of */
};

struct sockets {
    struct http_server *server;
    pthread_t thread;
    int epoll, wakeup;
    struct websocket *first; /* of the thread, as the next */
    int64_t looked_ns;       /* for those who hung up */

    pthread_mutex_t lock; /* guards what follows */
    struct websocket *arrived;
    bool is_closing, is_stopping;
};

static ssize_t take_bytes_in(wslay_event_context_ptr ctx, uint8_t *to, size_t room, int flags,
                             void *arg)
{
    struct websocket *w = arg;
    const size_t left = w->early.size - w->early_at;
    ssize_t n;

    (void)flags;
    if (w->is_paused) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (left > 0) {
        n = (ssize_t)(left < room ? left : room);
        memcpy(to, w->early.data + w->early_at, (size_t)n);
        w->early_at += (size_t)n;
        return n;
    }
    n = recv(w->fd, to, room, MSG_DONTWAIT);
    if (n > 0)
        return n;
    wslay_event_set_error(ctx, n < 0 && (errno == EAGAIN || errno == EINTR)
                                   ? WSLAY_ERR_WOULDBLOCK
                                   : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t send_bytes_out(wslay_event_context_ptr ctx, const uint8_t *from, size_t size,
                              int flags, void *arg)
{
    const struct websocket *w = arg;
    const ssize_t n = send(w->fd, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);

    (void)flags;
    if (n >= 0)
        return n;
    wslay_event_set_error(ctx, errno == EAGAIN || errno == EINTR ? WSLAY_ERR_WOULDBLOCK
                                                                 : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static bool take_token(struct websocket *w)
{
    const int64_t now_ns = clock_monotonic_ns();

    w->tokens += (double)(now_ns - w->tokens_ns) / (double)NS_PER_S * WEBSOCKET_PER_SECOND;
    if (w->tokens > 2 * WEBSOCKET_PER_SECOND)
        w->tokens = 2 * WEBSOCKET_PER_SECOND;
    w->tokens_ns = now_ns;
    w->tokens -= 1;
    return w->tokens >= 0;
}

static void hear(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m,
                 void *arg)
{
    struct websocket *w = arg;

    (void)ctx;
    w->heard_ns = clock_monotonic_ns();
    w->is_pinged = false;
    if (w->is_ended || m->opcode == WSLAY_CONNECTION_CLOSE)
        return;
    /* Pings count as well: each wants an answer. */
    if (m->opcode != WSLAY_PONG &&
        !(m->opcode == WSLAY_BINARY_FRAME && w->protocol->counts_binary) && !take_token(w)) {
        websocket_end(w, WSLAY_CODE_POLICY_VIOLATION);
        return;
    }
    if (!wslay_is_ctrl_frame(m->opcode))
        w->protocol->message(w, w->state, m->opcode == WSLAY_TEXT_FRAME,
                             SLICE_OF(m->msg, m->msg_length));
}

static const struct wslay_event_callbacks callbacks = {
    .recv_callback = take_bytes_in,
    .send_callback = send_bytes_out,
    .on_msg_recv_callback = hear,
};

void websocket_send(struct websocket *w, bool is_text, struct slice message)
{
    const struct wslay_event_msg m = {is_text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME, message.data,
                                      message.size};

    if (w->is_ended)
        return;
    /* Who does not read is cut: a close frame would wait behind all the rest. */
    if (wslay_event_get_queued_msg_length(w->frames) + message.size > WEBSOCKET_QUEUE_MAX ||
        wslay_event_queue_msg(w->frames, &m) != 0) {
        w->is_ended = true;
        wslay_event_shutdown_write(w->frames);
        wslay_event_shutdown_read(w->frames);
    }
}

void websocket_wake(struct websocket *w)
{
    w->has_events = true;
    (void)eventfd_write(w->all->wakeup, 1);
}

void websocket_pause(struct websocket *w, bool is_paused)
{
    w->is_paused = is_paused;
    w->heard_ns = clock_monotonic_ns();
    if (!is_paused && w->early_at < w->early.size)
        websocket_wake(w); /* no descriptor tells of these */
}

const char *websocket_address(const struct websocket *w)
{
    return w->address;
}

void websocket_end(struct websocket *w, uint16_t code)
{
    if (w->is_ended)
        return;
    w->is_ended = true;
    (void)wslay_event_queue_close(w->frames, code, NULL, 0);
    wslay_event_shutdown_read(w->frames);
}

/* Closing with bytes unread would send a reset, which overtakes the close frame. */
static void drain(int fd)
{
    uint8_t bytes[4096];

    (void)shutdown(fd, SHUT_WR);
    for (int i = 0; i < 64 && recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0; i++)
        ;
}

static void socket_drop(struct websocket *w)
{
    struct sockets *s = w->all;

    if (w->previous != NULL)
        w->previous->next = w->next;
    else
        s->first = w->next;
    if (w->next != NULL)
        w->next->previous = w->previous;
    events_leave(w->listener);
    if (w->is_open && w->protocol->closed != NULL)
        w->protocol->closed(w->state);
    (void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, w->fd, NULL);
    wslay_event_context_free(w->frames);
    drain(w->fd);
    (void)MHD_upgrade_action(w->handle, MHD_UPGRADE_ACTION_CLOSE);
    buf_done(&w->early);
    mem_free(w->topic);
    mem_free(w->address);
    mem_free(w);
    s->server->streams--;
}

static void send_events(struct websocket *w)
{
    enum events_state state = EVENTS_SOME;

    while (!w->is_ended && state == EVENTS_SOME) {
        AUTO(buf) struct buf one = {0};

        state = events_take_json(w->listener, &one);
        if (state == EVENTS_SOME)
            websocket_send(w, true, buf_slice(&one));
        else if (state == EVENTS_ENDED)
            websocket_end(w, WSLAY_CODE_GOING_AWAY);
    }
}

/* Move what can be moved; false when the socket is finished. */
static bool socket_move(struct websocket *w)
{
    struct epoll_event ev = {.data.ptr = w};

    if (wslay_event_want_read(w->frames) && wslay_event_recv(w->frames) != 0) {
        /* What cannot be a frame is told, as far as the socket takes it now. */
        (void)wslay_event_send(w->frames);
        return false;
    }
    if (atomic_exchange(&w->has_events, false)) {
        if (w->listener != NULL)
            send_events(w);
        else if (w->protocol->woken != NULL)
            w->protocol->woken(w, w->state);
    }
    if (wslay_event_want_write(w->frames) && wslay_event_send(w->frames) != 0)
        return false;
    if (!wslay_event_want_read(w->frames) && !wslay_event_want_write(w->frames))
        return false;
    ev.events = (wslay_event_want_read(w->frames) && !w->is_paused ? (unsigned)EPOLLIN : 0U) |
                (wslay_event_want_write(w->frames) ? (unsigned)EPOLLOUT : 0U);
    return epoll_ctl(w->all->epoll, EPOLL_CTL_MOD, w->fd, &ev) == 0;
}

static void wake_socket(void *arg)
{
    websocket_wake(arg);
}

/* On the thread of the sockets. */
static void socket_open(struct websocket *w)
{
    struct sockets *s = w->all;
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = w};
    const struct events_ear ear = {wake_socket, w};

    w->next = s->first;
    w->previous = NULL;
    if (w->next != NULL)
        w->next->previous = w;
    s->first = w;
    if (wslay_event_context_server_init(&w->frames, &callbacks, w) != 0)
        mem_exit("no memory for a WebSocket");
    wslay_event_config_set_max_recv_msg_length(w->frames, WEBSOCKET_MESSAGE_MAX);
    w->heard_ns = clock_monotonic_ns();
    w->tokens_ns = w->heard_ns;
    w->tokens = 2 * WEBSOCKET_PER_SECOND;
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, w->fd, &ev) != 0) {
        socket_drop(w);
        return;
    }
    if (w->protocol == &websocket_events) {
        w->listener = events_listen(s->server->events, w->topic, 0, &ear);
        w->has_events = true;
        if (w->listener == NULL)
            websocket_end(w, WSLAY_CODE_GOING_AWAY);
    } else if (w->protocol->open != NULL) {
        void *state = w->protocol->open(w, w->state);

        w->state = state == NULL ? w->state : state;
    }
    w->is_open = true;
    if (!socket_move(w))
        socket_drop(w);
}

/* Behind TLS libmicrohttpd keeps to itself that a client has hung up, until something is sent. */
static void look_for_leaving(struct sockets *s, int64_t now_ns)
{
    if (now_ns - s->looked_ns < NS_PER_S)
        return;
    s->looked_ns = now_ns;
    for (struct websocket *w = s->first, *next; w != NULL; w = next) {
        struct pollfd fd = {.fd = w->peer_fd, .events = POLLRDHUP};

        next = w->next;
        /* What it sent before has its time. */
        if (w->left_ns != 0 && now_ns - w->left_ns > LEAVING_NS)
            socket_drop(w);
        else if (w->left_ns == 0 && poll(&fd, 1, 0) == 1)
            w->left_ns = now_ns;
    }
}

static void look_after(struct sockets *s, int64_t now_ns)
{
    static const struct wslay_event_msg ping = {WSLAY_PING, NULL, 0};

    for (struct websocket *w = s->first, *next; w != NULL; w = next) {
        const int64_t silent_ns = now_ns - w->heard_ns;
        bool is_alive = true;

        next = w->next;
        if (w->is_paused) {
            w->heard_ns = now_ns; /* it is not listened to */
        } else if (silent_ns > 2 * WEBSOCKET_PING_NS) {
            is_alive = false;
        } else if (silent_ns > WEBSOCKET_PING_NS && !w->is_pinged) {
            w->is_pinged = true;
            (void)wslay_event_queue_msg(w->frames, &ping);
        }
        if (!is_alive || ((w->is_pinged || w->has_events) && !socket_move(w)))
            socket_drop(w);
    }
}

static void take_arrived(struct sockets *s, bool *is_closing, bool *is_stopping)
{
    struct websocket *w;

    pthread_mutex_lock(&s->lock);
    w = s->arrived;
    s->arrived = NULL;
    *is_closing = s->is_closing;
    *is_stopping = s->is_stopping;
    pthread_mutex_unlock(&s->lock);
    while (w != NULL) {
        struct websocket *next = w->next;

        socket_open(w);
        w = next;
    }
}

/* Gone while it is not listened to: nothing else would notice, and epoll would name it for ever. */
static bool is_cut(const struct websocket *w, uint32_t events)
{
    return w->is_paused && (events & (EPOLLHUP | EPOLLERR)) != 0;
}

static void *serve(void *arg)
{
    struct sockets *s = arg;
    struct epoll_event found[BATCH];
    bool is_closing = false;
    bool is_stopping = false;

    while (!is_stopping) {
        const int n = epoll_wait(s->epoll, found, BATCH, 1000);
        uint64_t count;

        /* First those that epoll named: none of them has gone yet. */
        for (int i = 0; i < n; i++)
            if (found[i].data.ptr == NULL)
                (void)eventfd_read(s->wakeup, &count);
            else if (is_cut(found[i].data.ptr, found[i].events) || !socket_move(found[i].data.ptr))
                socket_drop(found[i].data.ptr);
        take_arrived(s, &is_closing, &is_stopping);
        look_for_leaving(s, clock_monotonic_ns());
        look_after(s, clock_monotonic_ns());
        while (is_closing && s->first != NULL) {
            websocket_end(s->first, WSLAY_CODE_GOING_AWAY);
            (void)wslay_event_send(s->first->frames);
            socket_drop(s->first);
        }
    }
    return NULL;
}

struct sockets *sockets_new(struct http_server *server)
{
    struct sockets *s = mem_new(sizeof(*s));
    struct epoll_event ev = {.events = EPOLLIN};

    s->server = server;
    (void)pthread_mutex_init(&s->lock, NULL);
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->epoll < 0 || s->wakeup < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->wakeup, &ev) != 0)
        mem_exit("no descriptor is left");
    thread_start(&s->thread, serve, s, "websockets");
    return s;
}

void sockets_close(struct sockets *s)
{
    pthread_mutex_lock(&s->lock);
    s->is_closing = true;
    pthread_mutex_unlock(&s->lock);
    (void)eventfd_write(s->wakeup, 1);
}

void sockets_free(struct sockets *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    s->is_closing = true;
    s->is_stopping = true;
    pthread_mutex_unlock(&s->lock);
    (void)eventfd_write(s->wakeup, 1);
    thread_join(s->thread);
    fd_auto(&s->epoll);
    fd_auto(&s->wakeup);
    (void)pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

void sockets_adopt(void *cls, struct MHD_Connection *c, void *con_cls, const char *extra,
                   size_t extra_size, MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
    struct request *r = cls;
    struct sockets *s = r->server->sockets;
    struct websocket *w = mem_new(sizeof(*w));

    (void)c;
    (void)con_cls;
    w->all = s;
    w->handle = handle;
    w->fd = fd;
    w->protocol = r->reply.protocol;
    w->state = r->reply.protocol_arg;
    if (w->protocol == &websocket_events)
        w->topic = mem_string(w->state);
    w->address = mem_string(r->address_text);
    buf_append(&w->early, extra, extra_size);
    w->peer_fd = r->peer->fd;
    peer_set_stream(r, PEER_UPGRADED);
    pthread_mutex_lock(&r->lock);
    r->is_counted = false; /* it is the socket's from here on */
    pthread_mutex_unlock(&r->lock);
    pthread_mutex_lock(&s->lock);
    w->next = s->arrived;
    s->arrived = w;
    pthread_mutex_unlock(&s->lock);
    (void)eventfd_write(s->wakeup, 1);
}

static void ignore(struct websocket *w, void *state, bool is_text, struct slice message)
{
    (void)w;
    (void)state;
    (void)is_text;
    (void)message;
}

const struct websocket_protocol websocket_events = {.message = ignore};
