/*
 * One request to S3: signed, sent, and its reply turned into an error of ours unless it is a
 * success.  What can be put right at once is: a clock that is wrong (the store's says how far), a
 * region that is another one, keys that have expired.  Everything else is the caller's, or
 * retry.c's.
 */
#ifndef STORE_S3_CALL_H
#define STORE_S3_CALL_H

#include <pthread.h>
#include <stdatomic.h>

#include "codec/hash.h"
#include "store/credentials.h"
#include "store/http.h"
#include "store/s3_place.h"
#include "store/s3_xml.h"
#include "store/sigv4.h"

struct s3 {
    struct store store;
    struct s3_place place;
    struct s3_options options; /* strings borrowed */
    struct http *http;
    struct credentials *credentials;
    int senders;                    /* threads that send the parts of one file */
    atomic_bool ignores_conditions; /* If-None-Match is not understood */
    atomic_bool has_versions;       /* a reply has shown that the bucket keeps them */

    pthread_mutex_t lock;  /* guards what follows */
    char *region;          /* requests are signed for it */
    int64_t skew_ns;       /* how far the store's clock is before ours */
    int64_t hold_until_ns; /* the store wants no request before (monotonic) */
};

/* Connect nothing yet.  AUTO(s3) and s3_free() accept half of one. */
MUST_CHECK bool s3_new(const char *place, const struct store_options *o, struct s3 **out,
                       struct err *e);
void s3_free(struct s3 *s);
void s3_auto(struct s3 **s);

struct s3_request {
    const char *method;
    const char *key; /* below the prefix; NULL: the bucket itself */
    const struct sigv4_pair *query;
    size_t query_count;
    const struct sigv4_pair *headers; /* besides those that every request has */
    size_t header_count;
    struct slice body;
    const struct hash *sum; /* of body; NULL: not known */
    size_t reply_max;       /* longest body of a success */
    bool expects_xml;       /* then an <Error> may stand in a success */
};

/*
 * Ask.  reply->body as for http_send().  A failure has the code that its status means: 404
 * ERR_NOT_FOUND, 401 and 403 ERR_DENIED, 412 ERR_EXISTS, 416 ERR_CORRUPT, what passes
 * ERR_TRANSIENT; reply then still has its status and headers.
 */
MUST_CHECK bool s3_call(struct s3 *s, const struct s3_request *r, struct http_reply *reply,
                        struct err *e);

/* The address by which an object may be read for so many seconds by whoever has it, as the keys of
 * the moment allow.  Nothing is asked.  Appends. */
MUST_CHECK bool s3_presign(struct s3 *s, const char *key, unsigned seconds, struct buf *out,
                           struct err *e);

/* Record what a failure inside a reply of success says. */
bool s3_refusal(struct s3 *s, int status, const struct s3_error *error, struct err *e);

/* The time by the store's clock, as far as a wrong one of ours has shown: seconds since 1970. */
int64_t s3_now_s(struct s3 *s);

/* A header with a date, in seconds since 1970; 0 when there is none. */
int64_t s3_date(const struct http_reply *r, const char *name);

#endif
