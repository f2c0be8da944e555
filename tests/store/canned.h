/*
 * A server on loopback that answers with what the test has written, one reply to each request in
 * their order, the last one for ever.
 */
#ifndef TESTS_STORE_CANNED_H
#define TESTS_STORE_CANNED_H

#include <stdbool.h>
#include <stddef.h>

struct canned_reply {
    const char *text; /* of the connection, byte for byte; NULL: none, and nothing more is said */
    bool closes;      /* the connection behind it */
};

struct canned;

/* Borrows the replies.  AUTO(canned). */
struct canned *canned_new(const struct canned_reply *replies, size_t count);
void canned_auto(struct canned **c);

int canned_port(const struct canned *c);

/* Requests so far, and the head of one with its body, as a string. */
size_t canned_count(struct canned *c);
const char *canned_request(struct canned *c, size_t n);

#endif
