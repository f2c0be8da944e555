/*
 * The promises of store/store.h, as functions that check one each with the assertions of
 * support/test.h.  A driver or wrapper that passes them all is a store.
 */
#ifndef TESTS_STORE_CONFORMANCE_H
#define TESTS_STORE_CONFORMANCE_H

#include <stddef.h>

#include "store/store.h"

typedef void promise_fn(struct store *empty);

extern promise_fn *const conformance_promises[];
extern const size_t conformance_promise_count;

/*
 * Whether number n is a race that Ceph 16.2 does not decide where it keeps versions: for a new key,
 * since it ignores conditions there, and of a reader with two writers who replace an object, which
 * was missing for a moment in one of some twenty runs beside other work.
 */
bool conformance_is_race(size_t n);

#endif
