/*
 * Answers to requests that clients may repeat (Idempotency-Key).  Part of catalog.h.
 *
 * A request is begun, and ended in the transaction of what it did: who repeats it gets the same
 * answer, and nothing is done twice.
 */
#ifndef CATALOG_IDEMPOTENCY_H
#define CATALOG_IDEMPOTENCY_H

#include "catalog/opening.h"

#define CATALOG_IDEMPOTENCY_S 86400 /* that answers are kept */

struct catalog_request {
    const char *principal; /* who asks: keys of others are others */
    const char *name;      /* the key: 1 to 200 bytes */
    const char *hash;      /* of method, path and body, as text */
};

enum catalog_request_state {
    REQUEST_NEW,     /* do it */
    REQUEST_RUNNING, /* it was begun and has no answer yet; 60 s after that it is new again */
    REQUEST_DONE,    /* answer */
    REQUEST_OTHER,   /* the key was used for something else */
};
struct catalog_answer {
    enum catalog_request_state state;
    int64_t status;
    const char *text;
};
MUST_CHECK bool catalog_request_begin(struct catalog *c, const struct catalog_request *r,
                                      struct arena *a, struct catalog_answer *out, struct err *e);
/* Keep the answer.  One that work goes on (202) gives way to one that it has ended well (200); else
 * what is kept stays.  ERR_NOT_FOUND when nothing was kept. */
MUST_CHECK bool catalog_request_end(struct catalog_tx *t, const struct catalog_request *r,
                                    int64_t status, const char *text, struct err *e);
/* It failed and may be repeated, unless it has an answer already. */
MUST_CHECK bool catalog_request_forget(struct catalog_tx *t, const struct catalog_request *r,
                                       struct err *e);
/* Nothing came of it and it may be repeated, whatever its answer. */
MUST_CHECK bool catalog_request_drop(struct catalog_tx *t, const struct catalog_request *r,
                                     struct err *e);
/* Remove answers that are old. */
MUST_CHECK bool catalog_request_clean(struct catalog_tx *t, int64_t *removed, struct err *e);

#endif
