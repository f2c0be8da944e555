/*
 * Private to src/agent: requests and answers as bytes; agent.h has the format.
 */
#ifndef AGENT_AGENT_RECORD_H
#define AGENT_AGENT_RECORD_H

#include <sys/socket.h>
#include <sys/un.h>

#include "agent/agent.h"

#define AGENT_REQUEST_SIZE 128
#define AGENT_ANSWER_SIZE  64
#define AGENT_ROW_SIZE     48
#define AGENT_ANSWER_MAX   (AGENT_ANSWER_SIZE + AGENT_KEYS_MAX * AGENT_ROW_SIZE)

enum agent_operation {
    AGENT_GET = 1,
    AGENT_PUT,
    AGENT_LIST,
    AGENT_FORGET,
    AGENT_STOP,
};

struct agent_request {
    enum agent_operation operation;
    struct agent_key key;
};

enum agent_result {
    AGENT_DONE = 1,
    AGENT_NONE,    /* get: there is no such key */
    AGENT_REFUSED, /* the request makes no sense */
};

struct agent_answer {
    enum agent_result result;
    uint32_t count;
    uint8_t sealed[AGENT_SEALED_SIZE];
    struct agent_row rows[AGENT_KEYS_MAX];
    bool has_rows; /* then count of them */
};

/* Exactly as many bytes. */
void agent_request_encode(const struct agent_request *r, uint8_t out[AGENT_REQUEST_SIZE]);
/* Returns how many bytes of out it takes. */
size_t agent_answer_encode(const struct agent_answer *a, uint8_t out[AGENT_ANSWER_MAX]);

/* Bytes from anywhere: ERR_CORRUPT for all that the format does not say. */
MUST_CHECK bool agent_request_decode(const uint8_t bytes[AGENT_REQUEST_SIZE],
                                     struct agent_request *out, struct err *e);
/* The answer to a request of this operation. */
MUST_CHECK bool agent_answer_decode(struct slice bytes, enum agent_operation operation,
                                    struct agent_answer *out, struct err *e);

/* As agent_path_check(). */
MUST_CHECK bool agent_address(const char *path, struct sockaddr_un *out, struct err *e);

/* Whether who is at the other end of a connection is our own user. */
MUST_CHECK bool agent_peer_check(int fd, struct err *e);

#endif
