/*
 * The callbacks of libmicrohttpd: a request from its first line to its end.  They run on the
 * threads that move bytes and never block.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "server/private.h"

static struct peer *peer_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return i == NULL ? NULL : i->socket_context;
}

void *connection_begin(void *cls, const char *uri, struct MHD_Connection *c)
{
    const struct listener *l = cls;
    struct request *r = request_new(l->server, c);

    r->raw_target = uri;
    r->target = arena_string(&r->arena, slice_string(uri == NULL ? "" : uri));
    return r;
}

/* What is to be done once the lock is released. */
enum step {
    STEP_ON,     /* libmicrohttpd goes on */
    STEP_SLEEP,  /* until a worker wakes it */
    STEP_ANSWER, /* hand over the answer */
    STEP_CUT,
};

/* Hand it to a worker; with the lock.  False: too many wait. */
static bool submit(struct request *r, enum request_stage stage)
{
    r->stage = stage;
    request_hold(r);
    peer_set_state(r->server, r->peer, PEER_BUSY);
    if (!workers_submit(r->server->workers, r)) {
        request_drop(r);
        return false;
    }
    return true;
}

/* An answer instead of what was asked for; with the lock. */
static void set_busy(struct request *r)
{
    reply_header(r, "Retry-After", "1");
    reply_problem(r, 503, "busy", "too much is under way; try again");
    r->stage = STAGE_REPLY;
}

/* With the lock, when all of the request that matters has come. */
static enum step answer(struct request *r)
{
    r->stage = STAGE_SENDING;
    if (r->reply.kind == REPLY_EVENTS)
        peer_set_stream(r, PEER_LISTENS);
    else
        peer_set_state(r->server, r->peer, PEER_REPLY);
    return STEP_ANSWER;
}

/*
 * There is an answer before the body: the client reads it only after it sent all, so the body is
 * read and thrown away.  One that asked whether to send it, or has too much of it, is told at once;
 * libmicrohttpd then closes the connection, whatever the headers say.
 */
static enum step answer_early(struct request *r)
{
    if (!r->has_body && !r->reply.closes)
        return STEP_ON; /* the next call is the last */
    r->reply.closes = true;
    if (!r->has_body || r->facts.expects_continue || r->facts.length > DRAIN_MAX || r->path == NULL)
        return answer(r);
    r->is_discarding = true;
    peer_set_state(r->server, r->peer, PEER_BODY);
    return STEP_ON;
}

static enum step begin(struct request *r, const char *method, const char *version)
{
    r->peer = peer_of(r->connection);
    if (r->peer == NULL || !peer_begin(r))
        return STEP_CUT;
    if (!admit_head(r, method, version)) {
        r->has_body = r->facts.is_chunked || r->facts.length > 0;
        r->stage = STAGE_REPLY;
        return answer_early(r);
    }
    r->waits_to_begin = true;
    if (submit(r, STAGE_ADMIT))
        return STEP_SLEEP;
    r->waits_to_begin = false;
    set_busy(r);
    return answer_early(r);
}

/* Refuse the rest of a body that is under way. */
static void refuse_body(struct request *r, unsigned status, const char *code, const char *detail)
{
    r->server->body_memory -= r->counted;
    r->counted = 0;
    buf_done(&r->body);
    reply_problem(r, status, code, detail);
    r->reply.closes = true;
    r->is_discarding = true;
    r->stage = STAGE_REPLY;
}

static void keep_body(struct request *r, const char *bytes, size_t size)
{
    struct http_server *s = r->server;

    assert(r->match.route != NULL);
    if (r->received > r->match.route->body_max) {
        refuse_body(r, 413, "body_too_large", "the body is larger than this path takes");
        return;
    }
    r->counted += size;
    if (atomic_fetch_add(&s->body_memory, size) + size > s->options.body_memory_max) {
        reply_header(r, "Retry-After", "1");
        refuse_body(r, 503, "busy", "too much is under way; try again");
        return;
    }
    buf_append(&r->body, bytes, size);
}

/* Give bytes to the worker that reads them; waits when it is behind. */
static enum step stream_body(struct request *r, const char *bytes, size_t *size)
{
    const size_t room = STREAM_ROOM - (r->up.bytes.size - r->up.at);
    const size_t n = *size < room ? *size : room;

    if (n == 0) {
        peer_set_state(r->server, r->peer, PEER_BUSY);
        return STEP_SLEEP;
    }
    if (r->up.at > 0) {
        memmove(r->up.bytes.data, r->up.bytes.data + r->up.at, r->up.bytes.size - r->up.at);
        r->up.bytes.size -= r->up.at;
        r->up.at = 0;
    }
    buf_append(&r->up.bytes, bytes, n);
    *size -= n;
    r->received += n;
    if (r->received > r->match.route->body_max) {
        r->up.is_broken = true;
        r->is_discarding = true;
        r->reply.closes = true;
    }
    (void)pthread_cond_broadcast(&r->changed);
    if (*size == 0 || r->is_discarding)
        return STEP_ON;
    peer_set_state(r->server, r->peer, PEER_BUSY);
    return STEP_SLEEP;
}

static enum step take_body(struct request *r, const char *bytes, size_t *size)
{
    pthread_mutex_lock(&r->server->peers_lock);
    if (r->peer->state != PEER_BODY) {
        r->peer->state = PEER_BODY;
        r->peer->since_ns = clock_monotonic_ns();
        r->peer->moved = 0;
    }
    r->peer->moved += *size;
    r->peer->stirred_ns = clock_monotonic_ns();
    pthread_mutex_unlock(&r->server->peers_lock);
    if (r->stage == STAGE_RUN && !r->is_discarding)
        return stream_body(r, bytes, size);
    r->received += *size;
    if (r->stage == STAGE_BODY && !r->is_discarding)
        keep_body(r, bytes, *size);
    else
        r->is_discarding = true;
    r->discarded += r->is_discarding ? *size : 0;
    *size = 0;
    return r->discarded > DRAIN_MAX ? STEP_CUT : STEP_ON;
}

/* All of the body is there, or there is none. */
static enum step go_on(struct request *r)
{
    switch (r->stage) {
    case STAGE_BODY:
        if (submit(r, STAGE_RUN))
            return STEP_SLEEP;
        set_busy(r);
        return answer(r);
    case STAGE_RUN:
        r->up.is_ended = true;
        (void)pthread_cond_broadcast(&r->changed);
        peer_set_state(r->server, r->peer, PEER_BUSY);
        return STEP_SLEEP;
    case STAGE_REPLY:
        return answer(r);
    case STAGE_NEW:
    case STAGE_ADMIT:
    case STAGE_SENDING:
        break;
    }
    return STEP_CUT;
}

static enum step step(struct request *r, const char *method, const char *version,
                      const char *upload, size_t *size)
{
    if (r->is_gone)
        return STEP_CUT;
    if (r->stage == STAGE_NEW)
        return begin(r, method, version);
    if (r->waits_to_begin) {
        r->waits_to_begin = false;
        if (r->stage == STAGE_REPLY)
            return answer_early(r);
        if (r->has_body)
            peer_set_state(r->server, r->peer, PEER_BODY);
        return STEP_ON;
    }
    if (*size > 0)
        return take_body(r, upload, size);
    return go_on(r);
}

enum MHD_Result connection_go_on(void *cls, struct MHD_Connection *c, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *size, void **request)
{
    struct request *r = *request;
    uint64_t wakes;
    enum step next;

    (void)cls;
    (void)c;
    (void)url;
    if (r == NULL)
        return MHD_NO;
    pthread_mutex_lock(&r->lock);
    wakes = r->wakes;
    next = step(r, method, version, upload, size);
    pthread_mutex_unlock(&r->lock);
    switch (next) {
    case STEP_ON:
        return MHD_YES;
    case STEP_SLEEP:
        request_sleep(r, wakes);
        return MHD_YES;
    case STEP_ANSWER:
        return respond(r);
    case STEP_CUT:
        break;
    }
    return MHD_NO;
}

void connection_end(void *cls, struct MHD_Connection *c, void **request,
                    enum MHD_RequestTerminationCode why)
{
    struct request *r = *request;
    bool is_sent;

    (void)cls;
    (void)c;
    (void)why;
    if (r == NULL)
        return;
    *request = NULL;
    /* First, for a worker that is still at it looks at this when it is done. */
    pthread_mutex_lock(&r->lock);
    is_sent = r->stage == STAGE_SENDING;
    r->is_gone = true;
    (void)pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    request_leave(r);
    if (is_sent && r->reply.kind != REPLY_EVENTS)
        metric_observe(&r->server->durations, clock_monotonic_ns() - r->begun_ns);
    if (is_sent && r->server->options.access != NULL && r->match.route != NULL)
        r->server->options.access(r->server->options.hook_arg, r, r->reply.status,
                                  clock_monotonic_ns() - r->begun_ns);
    if (r->peer != NULL)
        peer_set_state(r->server, r->peer, PEER_IDLE);
    request_drop(r);
}
