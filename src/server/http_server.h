/*
 * The HTTP server: listeners, workers and limits around a table of routes.
 *
 * A few threads of libmicrohttpd move bytes and never block.  What a request asks is done by
 * workers, one thread for one request, so handlers are plain blocking code; a connection that waits
 * for its worker is suspended and costs no thread.  Everything has a bound: connections, the bytes
 * of bodies in memory, requests that wait, the time a head or a body may take.  docs/server.md has
 * the list.
 */
#ifndef SERVER_HTTP_SERVER_H
#define SERVER_HTTP_SERVER_H

#include "codec/hash.h"
#include "server/events.h"
#include "server/principal.h"
#include "server/route.h"

struct tls;
struct metrics;

struct http_listen {
    const char *address; /* "127.0.0.1:8080", "[::1]:8080"; port 0: a free one */
    struct tls *tls;     /* NULL: plain; outlives the server */
};

enum http_idempotency {
    HTTP_KEY_NEW,    /* not seen: do it */
    HTTP_KEY_REPLAY, /* done before: *status and *body are the answer */
    HTTP_KEY_BUSY,   /* under way: 409 */
    HTTP_KEY_OTHER,  /* used for another request: 422 */
};

/* Where the answers of requests with an Idempotency-Key are kept; called on workers. */
struct http_idempotency_ops {
    bool (*begin)(void *arg, const struct principal *p, const char *key, const struct hash *request,
                  enum http_idempotency *state, unsigned *status, struct buf *body, struct err *e);
    /* status 0: nothing was done, forget the key. */
    void (*finish)(void *arg, const struct principal *p, const char *key,
                   const struct hash *request, unsigned status, struct slice body);
    void *arg;
};

/* Zero stands for the default named behind a member. */
struct http_options {
    const struct http_listen *listens;
    size_t listen_count;
    const struct route *routes; /* lives as long as the server, as all that is pointed at here */
    size_t route_count;
    const char *const *hosts; /* allowed in Host, without port; IPv6 in brackets */
    size_t host_count;
    const char *const *proxies; /* addresses whose X-Forwarded-* are believed */
    size_t proxy_count;
    /* Who is served: addresses, and networks as "192.0.2.0/24".  None: everybody. */
    const char *const *clients;
    size_t client_count;
    void *app;                                      /* for handlers */
    principal_fn *identify;                         /* NULL: everybody is anonymous */
    principal_still_fn *still;                      /* NULL: open streams are not looked at again */
    void *identify_arg;                             /* of both */
    const struct http_idempotency_ops *idempotency; /* NULL: routes ignore the key */
    bool (*ready)(void *arg, struct err *e);        /* for /readyz; NULL: always */
    /* Adds to /metrics what somebody may see. */
    void (*measure)(void *arg, const struct principal *who, struct metrics *m);
    /* One line for the log of something that went wrong inside; any thread. */
    void (*log)(void *arg, const char *line);
    /* One call for each request that was answered, for an access log. */
    void (*access)(void *arg, const struct request *r, unsigned status, int64_t duration_ns);
    void *hook_arg;            /* of the four above */
    size_t threads;            /* that move bytes, for each listener: 2 */
    size_t workers;            /* 16 */
    size_t waiting_max;        /* requests that wait for a worker: 256 */
    size_t connections_max;    /* 1024 */
    size_t address_max;        /* connections of one address (IPv6: /64), proxies exempt: 64 */
    size_t streams_max;        /* event streams and sockets: 600 */
    uint64_t body_memory_max;  /* bytes of bodies in memory at a time: 32 MiB */
    uint32_t address_minute;   /* requests of one address in a minute: 6000 */
    uint32_t principal_minute; /* of one principal: 3000 */
    int64_t head_ms;           /* for a whole head, TLS handshake included: 10 s */
    int64_t idle_ms;           /* between requests: 15 s */
    uint32_t rate_min;         /* bytes a second of a body, after a grace of 5 s: 1024 */
    int64_t rate_ms;           /* which it is held against over so long, and then anew: 5 min */
};

struct http_server;

/*
 * Listen and serve.  ERR_USAGE: a route or an option is wrong; else the address cannot be had.  The
 * routes /healthz, /readyz and /metrics are the server's own and must not be in the table; /metrics
 * is for loopback and for scope "metrics:read".
 */
MUST_CHECK bool http_server_start(const struct http_options *options, struct http_server **out,
                                  struct err *e);

/* The server's own routes, for lists of all there are. */
extern const struct route health_routes[];
extern const size_t health_route_count;

/* The port of a listener. */
uint16_t http_server_port(const struct http_server *s, size_t listen);

/* The hub that reply_events() listens to. */
struct events *http_server_events(struct http_server *s);

/*
 * Close connections that come, let requests under way finish for at most drain_ms, end streams, and
 * stop.  Then waits for handlers that still run: they see request_is_gone().  Accepts NULL.
 */
void http_server_stop(struct http_server *s, int64_t drain_ms);
void http_server_auto(struct http_server **s); /* with 0 ms */

#endif
