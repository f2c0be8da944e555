/*
 * Repeating what failed for a moment, for those that are no struct store.
 */
#ifndef STORE_RETRY_H
#define STORE_RETRY_H

#include <stdint.h>

#include "base/err.h"

/* How often something is tried: attempts times, and on until time_ns have passed since it first
 * failed. */
struct patience {
    int attempts;    /* at least 1 */
    int64_t time_ns; /* 0: attempts decide alone */
};

typedef bool retry_fn(void *arg, struct err *e);

/* Call fn until it succeeds, fails with something else than ERR_TRANSIENT, or patience ends
 * (then ERR_AWAY); with the waits of store_retry_new(). */
MUST_CHECK bool retry_run(const struct patience *p, retry_fn *fn, void *arg, struct err *e);

#endif
