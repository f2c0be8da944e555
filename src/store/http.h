/*
 * Requests over HTTP/1.1 and TLS (libcurl): one request, one reply, in a pool of connections that
 * threads share; the part of store.h for everybody who asks something over HTTP.  Nothing is
 * followed, nothing is repeated and no environment variable counts.
 *
 * A reply that was cut off, a connection that breaks or stalls, a server that is not there:
 * ERR_TRANSIENT.  A certificate that does not hold: ERR_DENIED.  Somebody asked to stop:
 * ERR_CANCELLED; requests begun after that still get some seconds, for they clear up.
 */
#ifndef STORE_HTTP_H
#define STORE_HTTP_H

#include "base/buf.h"

struct http;

struct http_settings {
    int connections;     /* most at once, above 0 */
    int64_t stall_ms;    /* a transfer that stands still that long has failed */
    const char *ca_file; /* certificates to trust; NULL: $SSL_CERT_FILE and $SSL_CERT_DIR, or the
                            system's */
    const char *proxy;   /* URL, or NULL */
    bool trusts_any_certificate;
    uint64_t upload_limit, download_limit; /* bytes a second of one request; 0: none */
};

/* Borrows the strings. */
struct http *http_new(const struct http_settings *settings);
void http_free(struct http *h); /* accepts NULL; no request is under way */
void http_auto(struct http **h);

struct http_request {
    const char *method;         /* "HEAD" expects no body */
    const char *url;            /* http: or https: */
    const char *const *headers; /* "name: value" */
    size_t header_count;
    struct slice body; /* borrowed; PUT and POST send one, and its length, even when it is empty */
    size_t reply_max;  /* longest body of a reply that is a success */
};

struct http_reply {
    int status;
    bool has_length;    /* the body's end was marked, so that it is known to be whole */
    struct buf headers; /* "name: value" with lower-case names, each ended by a NUL */
    struct buf *body;   /* of a success (2xx), appended; not owned */
    struct buf failure; /* what came with another status, its beginning */
};
void http_reply_done(struct http_reply *r);
void http_reply_auto(struct http_reply *r);

/* The value of a header by its lower-case name, or NULL. */
const char *http_reply_header(const struct http_reply *r, const char *name);

/*
 * Ask.  True with any status.  out->body is set by the caller, or NULL when none is wanted;
 * after a failure it is as it was.  A body longer than reply_max is ERR_CORRUPT.
 */
MUST_CHECK bool http_send(struct http *h, const struct http_request *r, struct http_reply *out,
                          struct err *e);

#endif
