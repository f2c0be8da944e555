/*
 * Answers on their way to libmicrohttpd, on its threads: the headers that every answer has, and the
 * readers of bodies that come piece by piece.
 */
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "server/private.h"

/* For a file, a stream and events: what is asked of libmicrohttpd to read at a time. */
#define STREAM_BLOCK ((size_t)64 << 10)
#define EVENTS_BLOCK 1024

static ssize_t read_stream(void *cls, uint64_t at, char *to, size_t room)
{
    struct request *r = cls;
    ssize_t result = 0;

    (void)at;
    pthread_mutex_lock(&r->lock);

    const size_t left = r->down.bytes.size - r->down.at;
    const size_t n = left < room ? left : room;
    const uint64_t wakes = r->wakes;

    if (n > 0) {
        memcpy(to, r->down.bytes.data + r->down.at, n);
        r->down.at += n;
        if (r->down.at == r->down.bytes.size) {
            buf_clear(&r->down.bytes);
            r->down.at = 0;
        }
        (void)pthread_cond_broadcast(&r->changed);
        result = (ssize_t)n;
    } else if (r->down.is_broken) {
        result = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (r->down.is_ended) {
        result = MHD_CONTENT_READER_END_OF_STREAM;
    }
    pthread_mutex_unlock(&r->lock);
    if (result == 0)
        request_sleep(r, wakes);
    return result;
}

static void wake_events(void *arg)
{
    request_wake(arg);
}

static ssize_t read_events(void *cls, uint64_t at, char *to, size_t room)
{
    struct request *r = cls;
    const uint64_t wakes = request_wakes(r);
    size_t n;

    (void)at;
    if (request_is_gone(r))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    switch (events_take(r->reply.listener, (uint8_t *)to, room, &n)) {
    case EVENTS_SOME:
        return (ssize_t)n;
    case EVENTS_NONE:
        request_sleep(r, wakes);
        return 0;
    case EVENTS_ENDED:
        break;
    }
    return MHD_CONTENT_READER_END_OF_STREAM;
}

void reply_events(struct request *r, const char *topic)
{
    const struct events_ear ear = {wake_events, r};
    const char *last = request_header(r, "Last-Event-ID");
    struct http_server *s = r->server;
    struct events_listener *l = NULL;
    uint64_t after = 0;
    struct err e;

    if (last != NULL && !parse_u64(last, &after, &e)) {
        reply_problem(r, 400, "bad_event_id", "Last-Event-ID: must be a number");
        return;
    }
    if (r->is_head) {
        reply_bytes(r, 200, "text/event-stream", (struct slice){0});
        return;
    }
    if (++s->streams <= s->options.streams_max)
        l = events_listen(s->events, topic, after, &ear);
    if (l == NULL) {
        s->streams--;
        reply_header(r, "Retry-After", "30");
        reply_problem(r, 503, "too_many_streams", "too many event streams are open");
        return;
    }
    pthread_mutex_lock(&r->lock);
    r->reply.listener = l;
    r->is_counted = true;
    pthread_mutex_unlock(&r->lock);
    r->reply.kind = REPLY_EVENTS;
    r->reply.status = 200;
    r->reply.type = "text/event-stream";
}

static struct MHD_Response *make_response(struct request *r)
{
    struct reply *p = &r->reply;
    int fd;

    switch (p->kind) {
    case REPLY_NONE:
    case REPLY_BODY:
        return MHD_create_response_from_buffer(p->body.size, p->body.data, MHD_RESPMEM_PERSISTENT);
    case REPLY_FILE:
        fd = p->fd;
        p->fd = -1; /* libmicrohttpd closes it */
        return MHD_create_response_from_fd_at_offset64(p->size, fd, p->offset);
    case REPLY_STREAM:
        return MHD_create_response_from_callback(p->size == UINT64_MAX ? MHD_SIZE_UNKNOWN : p->size,
                                                 STREAM_BLOCK, read_stream, r, NULL);
    case REPLY_EVENTS:
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, EVENTS_BLOCK, read_events, r,
                                                 NULL);
    case REPLY_SOCKET:
        return MHD_create_response_for_upgrade(sockets_adopt, r);
    }
    return NULL;
}

static void put(struct MHD_Response *m, const char *name, const char *value)
{
    (void)MHD_add_response_header(m, name, value);
}

/* security.md 6.2: what browsers must be told whoever answers. */
static void put_security(struct request *r, struct MHD_Response *m)
{
    const struct route *route = r->match.route;

    put(m, "X-Content-Type-Options", "nosniff");
    put(m, "Referrer-Policy", "no-referrer");
    put(m, "Cross-Origin-Opener-Policy", "same-origin");
    put(m, "Cross-Origin-Resource-Policy", "same-origin");
    put(m, "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'");
    if (r->is_secure)
        put(m, "Strict-Transport-Security", "max-age=31536000");
    if (route == NULL || (route->flags & ROUTE_CACHEABLE) == 0 || r->reply.status >= 400)
        put(m, "Cache-Control", "no-store");
}

static void put_rate(struct request *r, struct MHD_Response *m)
{
    static const char *const names[] = {"RateLimit-Limit", "RateLimit-Remaining",
                                        "RateLimit-Reset"};
    const uint32_t values[] = {r->rate.limit, r->rate.remaining, r->rate.reset_s};
    AUTO(buf) struct buf b = {0};

    for (size_t i = 0; r->rate.limit != 0 && i < 3; i++) {
        buf_clear(&b);
        buf_printf(&b, "%u", values[i]);
        put(m, names[i], buf_string(&b));
    }
    if (r->reply.status == 429)
        put(m, "Retry-After", buf_string(&b));
}

enum MHD_Result respond(struct request *r)
{
    const struct reply *p = &r->reply;
    struct MHD_Response *m = make_response(r);
    enum MHD_Result result;

    if (m == NULL)
        return MHD_NO;
    if (p->type != NULL)
        put(m, "Content-Type", p->type);
    for (const struct reply_field *f = p->fields; f != NULL; f = f->next)
        put(m, f->name, f->value);
    if (p->kind != REPLY_SOCKET) {
        put_security(r, m);
        put_rate(r, m);
        if (p->status == 401)
            put(m, "WWW-Authenticate", "Bearer");
        if (p->closes)
            put(m, "Connection", "close");
    }
    result = MHD_queue_response(r->connection, p->status, m);
    MHD_destroy_response(m);
    r->server->answered[p->status / 100 % 6]++;
    return result;
}
