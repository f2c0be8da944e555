/*
 * The driver of S3 in front of a server that answers what the test has written (canned.h).
 */
#ifndef TESTS_STORE_CANNED_S3_H
#define TESTS_STORE_CANNED_S3_H

#include "base/buf.h"
#include "canned.h"
#include "store/s3.h"

#define EMPTY  "Content-Length: 0\r\n\r\n"
#define OK     "HTTP/1.1 200 OK\r\n"
#define ID     "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI"

/* A reply with a body, whose length is added. */
const char *with_body(struct buf *out, const char *head, const char *body);

/* A string in secret memory, to be owned by struct store_secrets. */
char *secret(const char *text);

/* Whether a request has this text in it, in any case of letters. */
bool has_line(const char *request, const char *line);

/* A server and the store that asks it; options may be set before it is opened.  AUTO(pair). */
struct pair {
    struct canned *server;
    struct store *store;
    struct store_secrets secrets;
    struct store_options options;
};
void pair_open(struct pair *p, const struct canned_reply *replies, size_t count);
void pair_auto(struct pair *p);

#define PAIR(p, ...)                                      \
    const struct canned_reply replies_[] = {__VA_ARGS__}; \
    AUTO(pair) struct pair p = {0};                       \
    pair_open(&p, replies_, sizeof(replies_) / sizeof(replies_[0]))

#endif
