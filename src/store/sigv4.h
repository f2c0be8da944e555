/*
 * AWS Signature Version 4 (AWS4-HMAC-SHA256), by which S3 knows who asks.  Nothing here does I/O
 * or keeps anything.
 *
 *     canonical request = method, path, query, headers, names of the headers, hash of the body
 *     string to sign    = time, scope (day/region/service), SHA-256 of the canonical request
 *     signature         = HMAC(key of the scope, string to sign)
 */
#ifndef STORE_SIGV4_H
#define STORE_SIGV4_H

#include "base/buf.h"

struct sigv4_pair {
    const char *name, *value;
};

/* What is signed.  Path and query are plain text, not percent-encoded. */
struct sigv4_request {
    const char *method;
    const char *path; /* begins with '/'; signed as it is, without removing "." or "//" */
    const struct sigv4_pair *query;
    size_t query_count;
    const struct sigv4_pair *headers; /* lower-case names; with host and x-amz-date */
    size_t header_count;
    const char *payload; /* SHA-256 of the body in hex */
};

struct sigv4_scope {
    int64_t time_ns; /* what x-amz-date says */
    const char *region, *service;
};

struct sigv4_keys {
    const char *id, *secret;
};

/* Percent-encode all but A-Z a-z 0-9 - . _ ~ and, for paths, '/'.  Appends. */
void sigv4_encode(struct slice in, bool is_path, struct buf *out);

/* "20150830T123600Z" */
#define SIGV4_TIME_MAX 17
void sigv4_time(int64_t time_ns, char out[SIGV4_TIME_MAX]);

/* What to write into the request line, "/path?a=1&b=", byte for byte as it is signed.  Appends. */
void sigv4_target(const struct sigv4_request *r, struct buf *out);

/* The canonical request.  Appends. */
void sigv4_canonical(const struct sigv4_request *r, struct buf *out);

/* The value of the header Authorization.  Appends. */
void sigv4_authorization(const struct sigv4_request *r, const struct sigv4_scope *scope,
                         const struct sigv4_keys *keys, struct buf *out);

/* An object that whoever has the address may read for some time: the signature is in the query. */
struct sigv4_object {
    const char *host, *path; /* as above */
    const char *token;       /* of a session; or NULL */
    unsigned seconds;        /* 1 to SIGV4_PRESIGN_MAX */
};
#define SIGV4_PRESIGN_MAX 604800 /* seven days: S3 takes no more */

/* What stands behind the host, "/path?X-Amz-Algorithm=...&X-Amz-Signature=...".  Appends. */
void sigv4_presign(const struct sigv4_object *o, const struct sigv4_scope *scope,
                   const struct sigv4_keys *keys, struct buf *out);

#endif
