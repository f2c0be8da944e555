/*
 * What a worker does with a request: first whether it may, then, when there is no body or it has
 * come, the handler and the memory of Idempotency-Keys around it.
 */
#include <string.h>

#include "base/clock.h"
#include "server/private.h"

/* The answer stands: libmicrohttpd may have it. */
static void finish(struct request *r)
{
    if (r->reply.kind == REPLY_NONE)
        reply_problem(r, 500, "no_answer", "the server has no answer to this");
    pthread_mutex_lock(&r->lock);
    if (r->stage < STAGE_REPLY)
        r->stage = STAGE_REPLY;
    if (r->reply.kind == REPLY_STREAM && !r->down.is_ended)
        r->down.is_broken = true;
    pthread_mutex_unlock(&r->lock);
    request_wake(r);
    /* Its end has passed already: nobody else would. */
    if (request_is_gone(r))
        request_leave(r);
    request_drop(r);
}

/* What makes two requests the same: method, path with query, body, or what names one that is read
 * later. */
static void request_digest(const struct request *r, struct hash *out)
{
    AUTO(sha256_stream) struct sha256_stream *s = sha256_stream_new();
    const char *named = request_header(r, "Content-Digest");

    sha256_stream_add(s, SLICE_OF(r->head.method.data, r->head.method.size + 1));
    sha256_stream_add(s, SLICE_OF(r->target, strlen(r->target) + 1));
    if ((r->match.route->flags & ROUTE_STREAM) != 0 && named != NULL)
        sha256_stream_add(s, slice_string(named));
    sha256_stream_add(s, buf_slice(&r->body));
    sha256_stream_finish(s, out);
}

/* The answer of the first time; long work is where it was. */
static void replay(struct request *r, unsigned status, struct slice body)
{
    const bool is_problem = status >= 400 && r->match.route->refuse == NULL;
    AUTO(json) json_t *j = json_loadb((const char *)body.data, body.size, 0, NULL);
    const char *job = json_string_value(json_object_get(j, "job"));

    if (status == 202 && job != NULL)
        reply_job(r, job); /* Location */
    reply_bytes(r, status, is_problem ? "application/problem+json" : "application/json", body);
}

/* Whether the handler is to run; else there is an answer. */
static bool begin_once(struct request *r)
{
    const struct http_idempotency_ops *ops = r->server->options.idempotency;
    enum http_idempotency state = HTTP_KEY_NEW;
    AUTO(buf) struct buf body = {0};
    unsigned status = 200;
    struct err e;

    request_digest(r, &r->digest);
    if (!ops->begin(ops->arg, &r->principal, r->idempotency_key, &r->digest, &state, &status, &body,
                    &e)) {
        reply_err(r, &e);
        return false;
    }
    switch (state) {
    case HTTP_KEY_NEW:
        r->is_once = true;
        return true;
    case HTTP_KEY_REPLAY:
        reply_header(r, "Idempotent-Replayed", "true");
        replay(r, status, buf_slice(&body));
        return false;
    case HTTP_KEY_BUSY:
        reply_problem(r, 409, "in_progress",
                      "the first request with this Idempotency-Key is under way");
        return false;
    case HTTP_KEY_OTHER:
        reply_problem(r, 422, "key_reused", "this Idempotency-Key was used for another request");
        return false;
    }
    return false;
}

static void run_handler(struct request *r)
{
    const struct http_idempotency_ops *ops = r->server->options.idempotency;

    if (r->idempotency_key != NULL && ops != NULL && !begin_once(r))
        return;
    r->match.route->handler(r);
    /* What failed on our side may be tried again with the same key. */
    if (ops != NULL && r->is_once)
        ops->finish(ops->arg, &r->principal, r->idempotency_key, &r->digest,
                    r->reply.kind == REPLY_BODY && r->reply.status < 500 ? r->reply.status : 0,
                    buf_slice(&r->reply.body));
}

void run_request(struct request *r)
{
    if (request_is_gone(r)) {
        request_drop(r);
        return;
    }
    if (r->stage == STAGE_ADMIT) {
        if (!admit_principal(r)) {
            finish(r);
            return;
        }

        const bool is_stream = (r->match.route->flags & ROUTE_STREAM) != 0;

        pthread_mutex_lock(&r->lock);
        r->stage = r->has_body && !is_stream ? STAGE_BODY : STAGE_RUN;
        r->up.is_ended = !r->has_body;
        pthread_mutex_unlock(&r->lock);
        if (is_stream)
            peer_know(r);
        if (r->has_body)
            request_wake(r);
        if (r->has_body && !is_stream) {
            request_drop(r);
            return;
        }
    }
    run_handler(r);
    finish(r);
}
