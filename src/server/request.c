#include "server/request.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "server/private.h"

struct request *request_new(struct http_server *s, struct MHD_Connection *c)
{
    struct request *r = mem_new(sizeof(*r));

    r->server = s;
    r->connection = c;
    r->references = 1;
    r->begun_ns = clock_monotonic_ns();
    r->reply.fd = -1;
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_cond_init(&r->changed, NULL);
    return r;
}

void request_hold(struct request *r)
{
    r->references++;
}

void request_drop(struct request *r)
{
    if (--r->references > 0)
        return;
    r->server->body_memory -= r->counted;
    fd_auto(&r->reply.fd);
    json_decref(r->json);
    buf_done(&r->body);
    buf_done(&r->up.bytes);
    buf_done(&r->down.bytes);
    buf_done(&r->reply.body);
    mem_wipe(&r->principal, sizeof(r->principal));
    arena_done(&r->arena);
    (void)pthread_cond_destroy(&r->changed);
    (void)pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

void request_leave(struct request *r)
{
    struct events_listener *l;
    bool is_counted;

    pthread_mutex_lock(&r->lock);
    l = r->reply.listener;
    r->reply.listener = NULL;
    is_counted = r->is_counted;
    r->is_counted = false;
    pthread_mutex_unlock(&r->lock);
    events_leave(l);
    if (is_counted)
        r->server->streams--;
}

uint64_t request_wakes(struct request *r)
{
    pthread_mutex_lock(&r->lock);

    const uint64_t wakes = r->wakes;

    pthread_mutex_unlock(&r->lock);
    return wakes;
}

void request_sleep(struct request *r, uint64_t wakes)
{
    MHD_suspend_connection(r->connection);
    pthread_mutex_lock(&r->lock);

    const bool is_due = r->wakes != wakes;

    r->is_suspended = !is_due;
    pthread_mutex_unlock(&r->lock);
    if (is_due)
        MHD_resume_connection(r->connection);
}

void request_wake(struct request *r)
{
    pthread_mutex_lock(&r->lock);

    const bool was_suspended = r->is_suspended;

    r->is_suspended = false;
    r->wakes++;
    pthread_mutex_unlock(&r->lock);
    if (was_suspended)
        MHD_resume_connection(r->connection);
}

void request_abandon(struct request *r)
{
    pthread_mutex_lock(&r->lock);
    r->is_gone = true;
    r->down.is_broken = true;
    (void)pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    request_wake(r);
}

const struct route *request_route(const struct request *r)
{
    return r->match.route;
}

const char *request_path(const struct request *r)
{
    return r->path;
}

const struct principal *request_principal(const struct request *r)
{
    return &r->principal;
}

struct events *request_events(const struct request *r)
{
    return r->server->events;
}

void *request_app(const struct request *r)
{
    return r->server->options.app;
}

const char *request_parameter(const struct request *r, const char *name)
{
    const char *value = route_parameter(&r->match, name);

    assert(value != NULL);
    return value;
}

const char *request_query(const struct request *r, const char *name)
{
    for (size_t i = 0; i < r->query_count; i++)
        if (strcmp((const char *)r->queries[i].name.data, name) == 0)
            return (const char *)r->queries[i].value.data;
    return NULL;
}

bool request_has_query(const struct request *r)
{
    return strchr(r->target, '?') != NULL;
}

const char *request_header(const struct request *r, const char *name)
{
    return (const char *)guard_field(&r->head, name).data;
}

const char *request_cookie(const struct request *r, const char *name)
{
    const char *s = request_header(r, "Cookie");
    const size_t size = strlen(name);

    for (; s != NULL && *s != '\0'; s += strspn(s, "; ")) {
        const size_t all = strcspn(s, ";");

        if (all > size && strncmp(s, name, size) == 0 && s[size] == '=') {
            struct arena *a = (struct arena *)(uintptr_t)&r->arena;

            return arena_string(a, SLICE_OF(s + size + 1, all - size - 1));
        }
        s += all;
    }
    return NULL;
}

const char *request_address(const struct request *r)
{
    return r->address_text;
}

const char *request_origin(const struct request *r)
{
    return r->origin;
}

struct slice request_body(const struct request *r)
{
    return buf_slice(&r->body);
}

bool request_json(struct request *r, const struct field *table, const json_t **out)
{
    struct err e;

    if (r->json == NULL && !json_fields_read(buf_slice(&r->body), &r->json, &e)) {
        reply_problem(r, 400, "malformed_json", e.text);
        return false;
    }
    if (table != NULL && !json_fields_check(r->json, table, &e)) {
        reply_problem(r, 400, "invalid_field", e.text);
        return false;
    }
    *out = r->json;
    return true;
}

bool request_read(struct request *r, void *to, size_t room, size_t *got, struct err *e)
{
    assert((r->match.route->flags & ROUTE_STREAM) != 0);
    pthread_mutex_lock(&r->lock);
    while (r->up.at == r->up.bytes.size && !r->up.is_ended && !r->up.is_broken && !r->is_gone)
        pthread_cond_wait(&r->changed, &r->lock);

    const size_t left = r->up.bytes.size - r->up.at;
    const size_t n = left < room ? left : room;
    const bool is_broken = r->is_gone || r->up.is_broken;

    if (n > 0)
        memcpy(to, r->up.bytes.data + r->up.at, n);
    r->up.at += n;
    if (r->up.at == r->up.bytes.size) {
        buf_clear(&r->up.bytes);
        r->up.at = 0;
    }
    pthread_mutex_unlock(&r->lock);
    if (is_broken)
        return err_set(e, ERR_CANCELLED, "the client did not send all");
    request_wake(r);
    *got = n;
    return true;
}

const char *request_once(const struct request *r, struct hash *digest)
{
    if (!r->is_once)
        return NULL;
    *digest = r->digest;
    return r->idempotency_key;
}

bool request_knows_chunks(const struct request *r)
{
    return slice_is_equal(r->head.version, slice_string("HTTP/1.1"));
}

void request_watch(struct request *r)
{
    peer_know(r);
    pthread_mutex_lock(&r->server->peers_lock);
    r->is_watched = true;
    pthread_mutex_unlock(&r->server->peers_lock);
}

bool request_is_gone(struct request *r)
{
    pthread_mutex_lock(&r->lock);

    const bool is_gone = r->is_gone;

    pthread_mutex_unlock(&r->lock);
    return is_gone;
}

/* A number of the query between 1 and high, or the one for its absence. */
static bool query_number(struct request *r, const char *name, uint64_t absent, uint64_t high,
                         uint64_t *out)
{
    const char *text = request_query(r, name);
    struct err e;

    *out = absent;
    if (text == NULL || (parse_u64(text, out, &e) && *out >= 1 && *out <= high))
        return true;
    (void)err_set(&e, ERR_USAGE, "%s: must be 1 to %llu", name, (unsigned long long)high);
    reply_problem(r, 400, "invalid_query", e.text);
    return false;
}

bool request_page(struct request *r, uint32_t limit_max, struct request_page *out)
{
    uint64_t page;
    uint64_t limit;

    if (!query_number(r, "page", 1, 1000000000, &page) ||
        !query_number(r, "limit", limit_max < 50 ? limit_max : 50, limit_max, &limit))
        return false;
    *out = (struct request_page){(uint32_t)page, (uint32_t)limit, (page - 1) * limit};
    return true;
}

bool request_matches(struct request *r, const char *etag)
{
    const char *wanted = request_header(r, "If-Match");

    if (wanted == NULL) {
        reply_problem(r, 428, "precondition_required",
                      "If-Match with the ETag that was read is needed");
        return false;
    }
    if (etag == NULL || (strcmp(wanted, "*") != 0 && strcmp(wanted, etag) != 0)) {
        reply_problem(r, 412, "changed_meanwhile", "it is not what was read any more");
        return false;
    }
    return true;
}
