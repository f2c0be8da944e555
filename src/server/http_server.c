/*
 * Start and stop.  Each listener is a daemon of libmicrohttpd with an epoll loop in each of its
 * threads; workers, deadlines, rates and the hub are shared by all.
 */
#include "server/http_server.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "server/private.h"
#include "server/tls.h"
#include "server/tls_private.h"

/* Read buffer, headers and write buffer of a connection come out of this. */
#define CONNECTION_MEMORY ((size_t)32 << 10)

/* Own and IPv6 buckets of rates; 4,000 of them are 0.2 MB. */
#define RATE_ROOM 4096

/* What waits to be accepted. */
#define BACKLOG 256

/* Silence after which libmicrohttpd ends a connection itself, behind the deadlines. */
#define SILENCE_S 60

static size_t size_or(size_t given, size_t other)
{
    return given == 0 ? other : given;
}

static void set_defaults(struct http_options *o)
{
    o->threads = size_or(o->threads, 2);
    o->workers = size_or(o->workers, 16);
    o->waiting_max = size_or(o->waiting_max, 256);
    o->connections_max = size_or(o->connections_max, 1024);
    o->address_max = size_or(o->address_max, 64);
    o->streams_max = size_or(o->streams_max, 600);
    o->body_memory_max = size_or(o->body_memory_max, (size_t)32 << 20);
    o->address_minute = (uint32_t)size_or(o->address_minute, 6000);
    o->principal_minute = (uint32_t)size_or(o->principal_minute, 3000);
    o->head_ms = (int64_t)size_or((size_t)o->head_ms, 10000);
    o->idle_ms = (int64_t)size_or((size_t)o->idle_ms, 15000);
    o->rate_min = (uint32_t)size_or(o->rate_min, 1024);
    o->rate_ms = (int64_t)size_or((size_t)o->rate_ms, 300000);
}

/* "127.0.0.1:8080" or "[::1]:8080" */
static bool parse_address(const char *text, struct sockaddr_storage *out, socklen_t *size,
                          struct err *e)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;
    const char *colon = strrchr(text, ':');
    uint64_t port;
    char host[64] = "";

    if (colon == NULL || (size_t)(colon - text) >= sizeof(host) ||
        !parse_u64(colon + 1, &port, e) || port > 65535)
        return err_set(e, ERR_USAGE, "%s is not ADDRESS:PORT", text);
    memcpy(host, text, (size_t)(colon - text));
    *out = (struct sockaddr_storage){0};
    if (host[0] == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = '\0';
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *size = sizeof(*v6);
        if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1)
            return true;
    } else {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *size = sizeof(*v4);
        if (inet_pton(AF_INET, host, &v4->sin_addr) == 1)
            return true;
    }
    return err_set(e, ERR_USAGE,
                   "%s: the address must be a number, as in 127.0.0.1:8080 or [::1]:8080", text);
}

/* A socket that listens.  Own, because libmicrohttpd says only that it failed, not why. */
static bool open_socket(const char *text, int *out, uint16_t *port, struct err *e)
{
    struct sockaddr_storage a;
    socklen_t size;
    const int on = 1;

    if (!parse_address(text, &a, &size, e))
        return false;

    AUTO(fd) int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return err_sys(e, "listen on %s", text);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (a.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&a, size) != 0 || listen(fd, BACKLOG) != 0)
        return err_sys(e, "listen on %s", text);
    size = sizeof(a);
    if (getsockname(fd, (struct sockaddr *)&a, &size) != 0)
        return err_sys(e, "listen on %s", text);
    *port = ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&a)->sin6_port
                                          : ((struct sockaddr_in *)(void *)&a)->sin_port);
    *out = fd;
    fd = -1;
    return true;
}

/* Escapes stay as they are: guard.c decodes, once. */
static size_t keep_escapes(void *cls, struct MHD_Connection *c, char *s)
{
    (void)cls;
    (void)c;
    return strlen(s);
}

/* What libmicrohttpd has to say is about clients, and is counted elsewhere. */
static void say_nothing(void *cls, const char *fmt, va_list ap)
{
    (void)cls;
    (void)fmt;
    (void)ap;
}

static bool listener_start(struct listener *l, const struct http_listen *at, struct err *e)
{
    const struct http_options *o = &l->server->options;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE |
                     MHD_USE_ITC | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(intptr_t)tls_choose},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem strict[] = {
#if MHD_VERSION >= 0x01000000
        {MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, NULL},
#else
        /* Strict would cut some without a word; the guard refuses all of it with a status. */
        {MHD_OPTION_STRICT_FOR_CLIENT, 0, NULL},
#endif
        {MHD_OPTION_END, 0, NULL},
    };

    if (!open_socket(at->address, &l->fd, &l->port, e))
        return false;
    l->tls = at->tls;
    l->is_tls = at->tls != NULL;
    if (l->is_tls)
        flags |= MHD_USE_TLS;
    else
        tls[0].option = MHD_OPTION_END;
    l->daemon = MHD_start_daemon(
        flags, 0, peer_accept, l, connection_go_on, l, MHD_OPTION_EXTERNAL_LOGGER, say_nothing,
        NULL, MHD_OPTION_LISTEN_SOCKET, l->fd, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)o->threads,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)(2 * o->connections_max + o->threads), MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)SILENCE_S, MHD_OPTION_URI_LOG_CALLBACK, connection_begin, l,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED,
        connection_end, l, MHD_OPTION_NOTIFY_CONNECTION, peer_notify, l, MHD_OPTION_ARRAY, strict,
        MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (l->daemon == NULL)
        return err_set(e, ERR_FATAL, "listen on %s: libmicrohttpd does not start", at->address);
    return true;
}

static bool set_routes(struct http_server *s, struct err *e)
{
    struct http_options *o = &s->options;
    const size_t count = o->route_count + health_route_count;

    s->routes = mem_array(count, sizeof(struct route));
    if (o->route_count > 0)
        memcpy(s->routes, o->routes, o->route_count * sizeof(struct route));
    memcpy(s->routes + o->route_count, health_routes, health_route_count * sizeof(struct route));
    return router_new(s->routes, count, &s->router, e);
}

static bool set_proxies(struct http_server *s, struct err *e)
{
    const struct http_options *o = &s->options;

    s->proxies = mem_array(o->proxy_count + 1, sizeof(struct address));
    for (size_t i = 0; i < o->proxy_count; i++)
        if (!address_parse(o->proxies[i], &s->proxies[i]))
            return err_set(e, ERR_USAGE, "proxy %s is no address", o->proxies[i]);
    return true;
}

static bool set_clients(struct http_server *s, struct err *e)
{
    const struct http_options *o = &s->options;

    s->clients = mem_array(o->client_count + 1, sizeof(struct network));
    for (size_t i = 0; i < o->client_count; i++)
        if (!network_parse(o->clients[i], &s->clients[i]))
            return err_set(e, ERR_USAGE, "clients: %s is no address or network", o->clients[i]);
    return true;
}

bool http_server_start(const struct http_options *options, struct http_server **out, struct err *e)
{
    AUTO(http_server) struct http_server *s = mem_new(sizeof(*s));

    /* Large bodies go back to the kernel when they are done.  By itself the allocator would raise
     * this with the first of them, and keep up to 100 MB of holes. */
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
    s->options = *options;
    set_defaults(&s->options);
    (void)pthread_mutex_init(&s->peers_lock, NULL);
    s->rate = rate_new(RATE_ROOM);
    s->events = events_new();
    s->listeners = mem_array(options->listen_count + 1, sizeof(struct listener));
    for (size_t i = 0; i < options->listen_count; i++) {
        s->listeners[i].server = s;
        s->listeners[i].fd = -1;
    }
    if (options->listen_count == 0 || options->host_count == 0)
        return err_set(e, ERR_USAGE,
                       "a server needs an address to listen on and a Host to answer to");
    if (!set_routes(s, e) || !set_proxies(s, e) || !set_clients(s, e))
        return false;
    s->workers = workers_new(s->options.workers, s->options.waiting_max, run_request);
    s->sockets = sockets_new(s);
    s->deadlines = deadlines_new(s);
    s->stream_watch = stream_watch_new(s);
    for (size_t i = 0; i < options->listen_count; i++)
        if (!listener_start(&s->listeners[i], &options->listens[i], e))
            return false;
    *out = TAKE(s);
    return true;
}

uint16_t http_server_port(const struct http_server *s, size_t listen_index)
{
    return s->listeners[listen_index].port;
}

struct events *http_server_events(struct http_server *s)
{
    return s->events;
}

static bool is_quiet(struct http_server *s)
{
    bool is_busy = false;

    pthread_mutex_lock(&s->peers_lock);
    for (const struct peer *p = s->peers; p != NULL; p = p->next)
        is_busy =
            is_busy || p->state == PEER_BUSY || p->state == PEER_BODY || p->state == PEER_REPLY;
    pthread_mutex_unlock(&s->peers_lock);
    return !is_busy;
}

/* Requests that nobody finished: their connections are resumed and cut, and no other one begins,
 * for libmicrohttpd ends the program when it stops with one suspended.  A worker that is still at
 * one notices. */
static void abandon_requests(struct http_server *s)
{
    size_t count = 0;
    struct request **all;

    pthread_mutex_lock(&s->peers_lock);
    all = mem_array(s->peer_count + 1, sizeof(struct request *));
    for (struct peer *p = s->peers; p != NULL; p = p->next) {
        p->is_ended = true;
        if (p->request != NULL) {
            request_hold(p->request);
            all[count++] = p->request;
        }
    }
    pthread_mutex_unlock(&s->peers_lock);
    for (size_t i = 0; i < count; i++) {
        request_abandon(all[i]);
        request_drop(all[i]);
    }
    mem_free(all);
}

/* Wait in steps of 10 ms, at most so long, until is_done. */
static void wait_for(struct http_server *s, bool (*is_done)(struct http_server *s),
                     int64_t limit_ms)
{
    const int64_t end_ns = clock_monotonic_ns() + limit_ms * 1000000;

    while (!is_done(s) && clock_monotonic_ns() < end_ns)
        (void)poll(NULL, 0, 10);
}

static bool is_nobody_suspended(struct http_server *s)
{
    bool is_any = false;

    pthread_mutex_lock(&s->peers_lock);
    for (const struct peer *p = s->peers; p != NULL; p = p->next)
        is_any = is_any || p->request != NULL;
    pthread_mutex_unlock(&s->peers_lock);
    return !is_any;
}

void http_server_stop(struct http_server *s, int64_t drain_ms)
{
    if (s == NULL)
        return;
    /* Who comes is turned away from here on, by peer_accept().  Not by MHD_quiesce_daemon(), which
     * takes the socket out of the epoll sets on this thread while the threads that own them do: the
     * second to do it ends the program (to 1.0.1 at least). */
    s->is_stopping = true;
    events_close(s->events);
    if (s->sockets != NULL)
        sockets_close(s->sockets);
    wait_for(s, is_quiet, drain_ms);
    abandon_requests(s);
    wait_for(s, is_nobody_suspended, 2000);
    deadlines_free(s->deadlines);
    stream_watch_free(s->stream_watch);
    for (size_t i = 0; i < s->options.listen_count; i++) {
        if (s->listeners[i].daemon != NULL)
            MHD_stop_daemon(s->listeners[i].daemon); /* and closes its socket */
        else
            fd_auto(&s->listeners[i].fd);
    }
    workers_free(s->workers);
    sockets_free(s->sockets);
    events_free(s->events);
    rate_free(s->rate);
    router_free(s->router);
    mem_free(s->routes);
    mem_free(s->proxies);
    mem_free(s->clients);
    mem_free(s->listeners);
    (void)pthread_mutex_destroy(&s->peers_lock);
    mem_free(s);
}

void http_server_auto(struct http_server **s)
{
    http_server_stop(*s, 0);
}
