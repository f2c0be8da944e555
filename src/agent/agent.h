/*
 * The key agent: a process of one user that keeps for a time what took long to derive from a
 * password.  It has no key that it could use itself: each is sealed to the password that it was
 * derived from, so whoever asks must know the password, and a wrong one finds nothing
 * (docs/decisions/0073-the-agent-keeps-sealed-keys.md).  Nothing of it is ever on a disk.
 *
 * A connection to its Unix socket carries one request and one answer, numbers little-endian:
 *
 *     request, 128 bytes                        answer, 64 bytes and count rows
 *          0   8 "HFAGENT" and version 1             0   8 "HFAGENT" and version 1
 *          8   1 operation                           8   1 result
 *          9   7 zero                                9   3 zero
 *         16  16 repository                         12   4 count
 *         32  16 slot                               16  48 sealed key
 *         48  32 name
 *         80  48 sealed key                     row, 48 bytes
 *                                                    0  16 repository
 *     get:    name                                  16  16 slot
 *     put:    repository, slot, name, key           32   4 seconds left
 *     list, forget, stop: none                      36   4 zero
 *                                                   40   8 times that it was got
 *
 * What an operation does not take is zero, and so is the key in an answer that has none.  Only list
 * has rows; the count of forget and stop says how many keys were wiped.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "base/buf.h"

#define AGENT_ID_SIZE     16
#define AGENT_NAME_SIZE   32
#define AGENT_SEALED_SIZE 48
#define AGENT_KEYS_MAX    64

/* What is kept. */
struct agent_key {
    uint8_t repository[AGENT_ID_SIZE], slot[AGENT_ID_SIZE]; /* what it is of, for people */
    uint8_t name[AGENT_NAME_SIZE];                          /* follows from password and slot */
    uint8_t sealed[AGENT_SEALED_SIZE];                      /* to the same two */
};

/*
 * Asking (agent_ask.c).  Each call is one connection, takes a second at most, and fails with
 * ERR_NOT_FOUND when no agent is at that path, ERR_DENIED when it is another user's, ERR_TRANSIENT
 * when it does not answer in time, ERR_CORRUPT when it is no agent.
 */

/* ERR_USAGE for a path that is not absolute or too long for a socket. */
MUST_CHECK bool agent_path_check(const char *path, struct err *e);

/* The key of a name.  *is_found = false: it has none, or not any more. */
MUST_CHECK bool agent_get(const char *path, const uint8_t name[AGENT_NAME_SIZE],
                          uint8_t sealed[AGENT_SEALED_SIZE], bool *is_found, struct err *e);

/* Let it keep one; instead of one of the same name, or when it is full of the one that was not
 * used for the longest time. */
MUST_CHECK bool agent_put(const char *path, const struct agent_key *key, struct err *e);

struct agent_row {
    uint8_t repository[AGENT_ID_SIZE], slot[AGENT_ID_SIZE];
    uint32_t left_s; /* until it is wiped, if nobody asks for it */
    uint64_t uses;
};
struct agent_rows {
    struct agent_row items[AGENT_KEYS_MAX];
    uint32_t count;
};
MUST_CHECK bool agent_list(const char *path, struct agent_rows *out, struct err *e);

/* All keys are wiped when these return; *count says how many there were.  After agent_stop() the
 * agent ends. */
MUST_CHECK bool agent_forget(const char *path, uint32_t *count, struct err *e);
MUST_CHECK bool agent_stop(const char *path, uint32_t *count, struct err *e);

/* Being one (agent_serve.c) */

struct agent_settings {
    const char *path; /* absolute, of the socket; its folder is made when it is not there */
    int64_t idle_ns;  /* a key is wiped when nobody asked for it for so long */
    int64_t life_ns;  /* and in any case when it was kept for so long */
};

/* Called once others can connect. */
typedef bool agent_ready_fn(void *arg, struct err *e);

/*
 * Serve until somebody asks to stop, by agent_stop() or a signal (cancel.h): then all is wiped and
 * the socket removed.  This process has one thread, and gives up most of its rights for good.
 * ERR_EXISTS when an agent serves in that folder already; ERR_DENIED when others could reach into
 * the folder; ERR_FATAL when memory cannot be locked.
 */
MUST_CHECK bool agent_serve(const struct agent_settings *s, agent_ready_fn *ready, void *arg,
                            struct err *e);

#endif
