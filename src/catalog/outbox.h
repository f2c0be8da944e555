/*
 * Messages that are still to be sent.  Part of catalog.h.
 *
 * A message is added in the transaction of what it tells of, so that neither is there without the
 * other, and sent at least once: whoever takes it has it for the length of a lease, and one that is
 * not heard of in that time is taken again.
 */
#ifndef CATALOG_OUTBOX_H
#define CATALOG_OUTBOX_H

#include "catalog/opening.h"

/* Messages that may wait at a time. */
#define CATALOG_OUTBOX_MAX 10000

enum catalog_message_state {
    OUTBOX_WAITING,
    OUTBOX_SENT,
    OUTBOX_FAILED, /* given up */
    OUTBOX_STATES,
};
const char *catalog_message_state_name(enum catalog_message_state state);

struct catalog_message {
    const char *id;
    const char *run;     /* that it tells of; or NULL */
    const char *channel; /* "mail", "slack" ...: the sender's words */
    const char *recipient;
    const char *payload; /* JSON */
    const char *dedup;   /* when adding: a text that only one message ever has; or NULL */
    enum catalog_message_state state;
    int64_t attempts;  /* so far */
    int64_t fence;     /* of whoever took it */
    int64_t next_ns;   /* when it may be sent; when adding 0: at once */
    const char *error; /* of the last attempt; or NULL */
    int64_t created_ns, ended_ns;
};

/* Add one.  *is_new is false when dedup was known, and then nothing was added.  ERR_TRANSIENT when
 * as many wait as may. */
MUST_CHECK bool catalog_outbox_add(struct catalog_tx *t, const struct catalog_message *m,
                                   bool *is_new, struct err *e);

/* How many more may wait. */
MUST_CHECK bool catalog_outbox_room(struct catalog_tx *t, size_t *out, struct err *e);

struct catalog_message_list {
    struct catalog_message *items;
    size_t count;
};
/* Take up to limit (1 to 100) messages whose time has come. */
MUST_CHECK bool catalog_outbox_claim(struct catalog *c, size_t limit, int lease_ms, struct arena *a,
                                     struct catalog_message_list *out, struct err *e);

/*
 * What became of an attempt: it was sent, it is given up, or (OUTBOX_WAITING) it is tried again at
 * next_ns.  ERR_DENIED when it was taken by somebody else meanwhile.
 */
struct catalog_message_result {
    enum catalog_message_state state;
    int64_t next_ns;
    const char *error; /* or NULL */
};
MUST_CHECK bool catalog_outbox_done(struct catalog_tx *t, const struct catalog_message *m,
                                    const struct catalog_message_result *r, struct err *e);

/* Newest first; state -1: all. */
MUST_CHECK bool catalog_outbox_list(struct catalog_tx *t, int state, const struct catalog_page *p,
                                    struct arena *a, struct catalog_message_list *out,
                                    struct err *e);

/* How many there are of each state. */
MUST_CHECK bool catalog_outbox_count(struct catalog_tx *t, int64_t out[OUTBOX_STATES],
                                     struct err *e);

/* How long until the next message may be sent, 0: now, at most limit_ms. */
MUST_CHECK bool catalog_outbox_due(struct catalog_tx *t, int limit_ms, int *out, struct err *e);

/* Remove those that ended before a time. */
MUST_CHECK bool catalog_outbox_forget(struct catalog_tx *t, int64_t before_ns, int64_t *removed,
                                      struct err *e);

#endif
