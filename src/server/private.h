/*
 * What the files of the server share.
 *
 * A connection is a struct peer, a request on it a struct request.  A request belongs to the thread
 * of libmicrohttpd that moves its bytes and, between worker_submit() and the resumption, to a
 * worker; what both touch is guarded by its lock.  A connection is resumed only by whoever clears
 * is_suspended, so nobody resumes one that is gone.
 *
 * Locks, outer first: the hub's, a request's, peers_lock, those of libmicrohttpd.
 */
#ifndef SERVER_PRIVATE_H
#define SERVER_PRIVATE_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/thread.h"
#include "server/guard.h"
#include "server/http_server.h"
#include "server/metrics.h"
#include "server/rate.h"
#include "server/reply.h"
#include "server/websocket.h"

#define STREAM_ROOM ((size_t)256 << 10) /* bytes under way between a worker and a connection */
#define DRAIN_MAX \
    ((uint64_t)64 << 20) /* bytes of a refused body that are read so that the answer arrives */

struct address {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
};

/* Those whose first bits are the same. */
struct network {
    struct address first;
    unsigned bits;
};

enum peer_state {
    PEER_HEAD,     /* a head is awaited or on its way */
    PEER_IDLE,     /* between requests */
    PEER_BODY,     /* a body is on its way */
    PEER_BUSY,     /* the server's turn */
    PEER_REPLY,    /* an answer is on its way */
    PEER_LISTENS,  /* an event stream: whoever hangs up is gone */
    PEER_UPGRADED, /* a WebSocket, which has its own limits */
};

/* A connection; in the list of the server, whose peers_lock guards all of it. */
struct peer {
    struct peer *next, *previous;
    struct listener *listener;
    int fd;
    struct address address;
    bool is_proxy;
    bool is_ended; /* by a deadline, or one too many: its socket is shut down */
    enum peer_state state;
    int64_t since_ns;
    uint64_t moved;     /* bytes of the body received, or acknowledged before the reply began */
    int64_t stirred_ns; /* when bytes of the body came last */
    struct request *request;
    struct principal *who; /* of a stream or transfer that is open, else NULL; owned */
};

struct listener {
    struct http_server *server;
    struct MHD_Daemon *daemon;
    bool is_tls;
    struct tls *tls; /* borrowed */
    int fd;
    uint16_t port;
};

enum reply_kind { REPLY_NONE, REPLY_BODY, REPLY_FILE, REPLY_STREAM, REPLY_EVENTS, REPLY_SOCKET };

struct reply_field {
    struct reply_field *next;
    const char *name, *value;
};

struct reply {
    enum reply_kind kind;
    unsigned status;
    const char *type;
    struct buf body;
    struct reply_field *fields;
    bool closes;
    int fd;
    uint64_t offset, size;
    struct events_listener *listener;
    const struct websocket_protocol *protocol;
    void *protocol_arg;
};

/* Bytes between two threads; guarded by the request's lock. */
struct pipe_buf {
    struct buf bytes;
    size_t at; /* of them taken */
    bool is_ended, is_broken;
};

enum request_stage {
    STAGE_NEW,
    STAGE_ADMIT,   /* a worker finds out whether it may */
    STAGE_BODY,    /* its body is read into memory */
    STAGE_RUN,     /* the handler is at work */
    STAGE_REPLY,   /* there is an answer */
    STAGE_SENDING, /* which libmicrohttpd has */
};

struct request {
    struct request *next; /* in the queue of workers */
    struct http_server *server;
    struct peer *peer; /* NULL once is_gone */
    struct MHD_Connection *connection;
    atomic_int references;
    int64_t begun_ns;

    /* Set before a worker sees it. */
    struct arena arena;
    const char *raw_target; /* where libmicrohttpd keeps it, and as it was */
    char *target;
    char *path, *routed_path; /* decoded; the second is cut by the router */
    struct guard_field *queries;
    size_t query_count;
    struct guard_head head;
    struct guard_facts facts;
    struct route_match match;
    bool is_head, is_secure, has_body;
    bool is_served; /* its address is one that the options allow */
    const char *address_text, *origin;
    const char *customer_text; /* what the address counts as: of IPv6 its /64 */
    struct rate_state rate;

    struct principal principal;
    json_t *json;
    const char *idempotency_key;
    bool is_once;       /* the key is this request's to use up */
    struct hash digest; /* of a request with a key */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    enum request_stage stage;
    bool is_suspended;
    uint64_t wakes;      /* calls of request_wake() */
    bool waits_to_begin; /* the next call of libmicrohttpd is the first one again */
    bool is_gone;
    bool is_counted;    /* in the server's streams */
    bool is_discarding; /* the body no longer matters */
    uint64_t received;  /* bytes of the body */
    uint64_t discarded; /* of them, that came when it no longer mattered */
    uint64_t counted;   /* of them in body_memory */
    struct buf body;
    struct pipe_buf up, down;
    struct reply reply;

    bool is_watched; /* request_watch(); guarded by peers_lock */
};

struct http_server {
    struct http_options options;
    struct router *router;
    struct route *routes; /* those given and the server's own */
    struct listener *listeners;
    struct address *proxies;
    struct network *clients;
    struct rate *rate;
    struct events *events;
    struct sockets *sockets;
    struct workers *workers;
    struct deadlines *deadlines;
    struct stream_watch *stream_watch;
    atomic_uint_fast64_t body_memory;
    atomic_size_t streams;
    atomic_bool is_stopping;

    pthread_mutex_t peers_lock; /* guards the list and all in it */
    struct peer *peers;
    size_t peer_count;

    struct metric_histogram durations;
    atomic_uint_fast64_t answered[6]; /* by the first digit of the status */
    atomic_uint_fast64_t refused_connections;
    atomic_uint_fast64_t ended_late; /* connections that a deadline ended */
};

/* request.c */
struct request *request_new(struct http_server *s, struct MHD_Connection *c);
void request_hold(struct request *r);
void request_drop(struct request *r);
/* Nobody waits for the answer any more: tell the worker and wake the connection, which ends.
 * Without the lock. */
void request_abandon(struct request *r);
/* Let go of the events it listens to, and of its place among the streams.  Without the lock. */
void request_leave(struct request *r);
/* Resume the connection, or keep it from being suspended for what was seen before.  Without the
 * lock. */
void request_wake(struct request *r);
/* How often it was woken: with the lock, when something is found to be missing.  Without the lock
 * request_sleep() then suspends the connection unless it was woken since; on the thread of
 * libmicrohttpd, whose own lock must not be taken under ours. */
void request_sleep(struct request *r, uint64_t wakes);
uint64_t request_wakes(struct request *r); /* takes the lock itself */

/* head.c: what libmicrohttpd read, as it was sent.  False when it cannot have been a strict head.
 */
bool head_read(struct request *r, const char *method, const char *version);

/* admit.c */
/* On the thread of libmicrohttpd, before anything blocks.  False: r has its answer. */
bool admit_head(struct request *r, const char *method, const char *version);
/* On a worker. */
bool admit_principal(struct request *r);

/* respond.c: hand the answer to libmicrohttpd. */
enum MHD_Result respond(struct request *r);

/* connection.c */
void *connection_begin(void *cls, const char *uri, struct MHD_Connection *c);
enum MHD_Result connection_go_on(void *cls, struct MHD_Connection *c, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *size, void **request);
void connection_end(void *cls, struct MHD_Connection *c, void **request,
                    enum MHD_RequestTerminationCode why);

/* peer.c */
enum MHD_Result peer_accept(void *cls, const struct sockaddr *a, socklen_t size);
void peer_notify(void *cls, struct MHD_Connection *c, void **context,
                 enum MHD_ConnectionNotificationCode what);
/* A head has come.  False when a deadline ended the connection before. */
bool peer_begin(struct request *r);
void peer_set_state(struct http_server *s, struct peer *p, enum peer_state state);
/* The same for a stream, PEER_LISTENS or PEER_UPGRADED: whose it is stays known. */
void peer_set_stream(struct request *r, enum peer_state state);
/* Whose the request is, for as long as it lasts: it ends when he may no longer.  On any thread. */
void peer_know(struct request *r);
bool address_parse(const char *text, struct address *out);
/* "192.0.2.0/24", "2001:db8::/32", or an address; false also when bits behind the network are set.
 */
bool network_parse(const char *text, struct network *out);
const char *address_text(const struct address *a, struct arena *arena);
bool address_is_loopback(const struct address *a);
/* Finds out who asks behind proxies, and under which origin the client knows us. */
void peer_look_behind(struct request *r);

/* worker.c */
struct workers *workers_new(size_t threads, size_t room, void (*work)(struct request *r));
/* False when room requests wait already. */
bool workers_submit(struct workers *w, struct request *r);
void workers_free(struct workers *w); /* waits for all */
void run_request(struct request *r);  /* run.c: what a worker does */

/* deadline.c */
struct deadlines *deadlines_new(struct http_server *s);
void deadlines_free(struct deadlines *d);

/* stream_watch.c */
struct stream_watch *stream_watch_new(struct http_server *s);
void stream_watch_free(struct stream_watch *w);

/* websocket.c */
struct sockets *sockets_new(struct http_server *s);
void sockets_free(struct sockets *s);
void sockets_close(struct sockets *s);
void sockets_adopt(void *cls, struct MHD_Connection *c, void *con_cls, const char *extra,
                   size_t extra_size, MHD_socket fd, struct MHD_UpgradeResponseHandle *handle);

#endif
