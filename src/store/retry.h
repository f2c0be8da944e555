/*
 * Repeating what failed for a moment, for those that are no struct store.
 */
#ifndef STORE_RETRY_H
#define STORE_RETRY_H

#include "base/err.h"

typedef bool retry_fn(void *arg, struct err *e);

/* Call fn until it succeeds or fails with something else than ERR_TRANSIENT, at most so often,
 * with the waits of store_retry_new(). */
MUST_CHECK bool retry_run(int attempts, retry_fn *fn, void *arg, struct err *e);

#endif
