/*
 * One connection to an SFTP server: a child process (ssh) and the requests under way to it.
 *
 * Any number of threads use a link at once, each with a call of its own: a call asks one or
 * more requests and waits for their answers in any order.  One thread of the link reads what
 * the server says and hands each answer to the request of its id.  A link that broke stays
 * broken: whatever is asked then, or was under way, fails with the reason.
 */
#ifndef STORE_SFTP_LINK_H
#define STORE_SFTP_LINK_H

#include "store/sftp_packet.h"

struct sftp_link;

struct sftp_program {
    char *const *argv;
    bool has_terminal; /* it may ask somebody, and is interrupted with us */
    int timeout_s;     /* a server that says nothing for so long is given up */
};

/*
 * Start the program and greet the server.  ERR_TRANSIENT when it ends or is silent, ERR_DENIED
 * when its last words are that it was not let in, ERR_FATAL for what is no SFTP.
 */
MUST_CHECK bool sftp_link_open(const struct sftp_program *program, struct sftp_link **out,
                               struct err *e);

/* After the last call: lets the server finish what it was asked, for at most two seconds. */
void sftp_link_close(struct sftp_link *l);

/* True once nothing goes through it any more. */
bool sftp_link_is_broken(struct sftp_link *l);

const struct sftp_abilities *sftp_link_abilities(const struct sftp_link *l);

/* What one operation asks of a link. */
struct sftp_call {
    struct sftp_link *link;
    size_t unanswered;       /* guarded by the link's lock */
    int64_t told_to_stop_ns; /* when this call learned that the user wants to stop; 0: has not */
};
void sftp_call_init(struct sftp_call *c, struct sftp_link *l);
/* Waits for answers that are still to come, because they are written to the requests. */
void sftp_call_auto(struct sftp_call *c);

/* One request and its answer; stays where it is until its call ends or the answer was seen. */
struct sftp_request {
    /* Set by the caller: where a DATA answer goes, and how much of it fits. */
    uint8_t *to;
    size_t room;
    size_t got; /* bytes of a DATA answer */

    struct sftp_reply reply; /* its slices point into bytes; data is empty when it went to .to */

    /* Private to sftp_link.c, guarded by the link's lock. */
    struct buf bytes;
    struct sftp_call *call; /* NULL: nobody waits, freed when it is answered */
    struct sftp_request *next;
    int64_t asked_ns;
    uint32_t id;
    bool is_answered;
};
void sftp_request_auto(struct sftp_request *r); /* not while it is under way */

/* Send a packet, whose length counts the payload behind it, and which gets an id. */
MUST_CHECK bool sftp_ask(struct sftp_call *c, struct sftp_request *r, struct buf *packet,
                         struct slice payload, struct err *e);

/* Wait for the answer. */
MUST_CHECK bool sftp_wait(struct sftp_call *c, struct sftp_request *r, struct err *e);

/* Send a packet whose answer does not matter. */
void sftp_tell(struct sftp_call *c, struct buf *packet);

/* The answer is of this kind (for STATUS: and it is OK); otherwise fails with what it says. */
MUST_CHECK bool sftp_expect(const struct sftp_request *r, enum sftp_kind kind, struct err *e);

/* Whether it is this status. */
bool sftp_answered(const struct sftp_request *r, enum sftp_status status);

#endif
