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

/* Whether number n is the race for a new key, which storage without conditions decides nearly. */
bool conformance_is_race(size_t n);

#endif
