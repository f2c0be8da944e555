/*
 * Private to sftp_link.c and sftp_reader.c: what a link is made of.
 *
 * The server's input is a socket, so that writing can wait with an end and raises no signal;
 * its output and errors are pipes that one thread reads.  That thread never waits for anybody
 * else, so the server can always answer and nobody waits for ever.
 *
 * Locks: sending, held while a packet goes out, before lock, which guards what is marked so.
 */
#ifndef STORE_SFTP_READER_H
#define STORE_SFTP_READER_H

#include <pthread.h>

#include "base/clock.h"
#include "base/process.h"
#include "store/sftp_link.h"

#define SFTP_LAST_WORDS_NS (NS_PER_S / 2) /* what a program says at its end is waited for */

enum {
    SFTP_TEXT_ROOM = 160, /* for what somebody else says, in a sentence of ours */
    SFTP_POLL_MS = 200,
};

struct sftp_link {
    struct child child;
    int input; /* our end of the socket that is the child's standard input; -1: closed */
    int wake;  /* an eventfd: the reader looks at is_closing */
    pthread_t reader;
    int64_t timeout_ns;
    struct sftp_abilities abilities;

    /* Of the reader alone. */
    struct buf received; /* the beginning of a packet */
    struct buf errors;

    pthread_mutex_t sending;

    pthread_mutex_t lock;              /* guards everything below */
    pthread_cond_t answered;           /* and any other change */
    struct sftp_request *first, *last; /* under way, oldest first */
    uint32_t next_id;
    int64_t heard_ns; /* when the last whole packet came */
    bool is_greeted;  /* the version has come */
    bool is_broken;
    bool is_closing;
    struct err why; /* it is broken */
};

/* The thread that reads; arg is the link. */
void *sftp_reader_main(void *arg);

/* Nothing goes through the link any more, for this reason unless there is one already: what is
 * under way is not answered, and the program is killed.  Lock held. */
void sftp_reader_break(struct sftp_link *l, enum err_code code, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Requests under way get no answer.  Lock held. */
void sftp_reader_forget(struct sftp_link *l);

#endif
