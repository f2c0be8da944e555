/*
 * The bytes of one file of a snapshot, piece by piece, holes as zeros.  Private to src/job.
 */
#ifndef JOB_FEED_H
#define JOB_FEED_H

#include "codec/extent.h"
#include "job/job.h"

struct feed {
    struct reader *reader; /* borrowed, as is the entry's list of holes */
    struct buf ids;
    size_t next;      /* chunk, as an offset in ids */
    struct buf chunk; /* the one before it */
    size_t taken;     /* of chunk */
    struct extent at;
    uint64_t size, zeros; /* of the file; still to come before anything else */
    struct buf piece;     /* of feed_read() */
    size_t given;         /* of piece */
};

/* en is a regular file. */
MUST_CHECK bool feed_open(struct feed *f, struct reader *rd, const struct entry *en, struct err *e);
void feed_close(struct feed *f); /* also of {0} */
void feed_auto(struct feed *f);

/*
 * Append the next piece, at most CHUNK_MAX bytes; nothing at the end of the file.  What is
 * appended has been authenticated.  ERR_CORRUPT also when the end is not where the entry says.
 * arg is the feed: the type is that of the feeds that sources take.  One feed takes either these
 * calls or those of feed_read().
 */
MUST_CHECK bool feed_next(void *arg, struct buf *out, struct err *e);

/* The same into memory: at most room bytes at a time, *got is 0 at the end. */
MUST_CHECK bool feed_read(void *arg, void *to, size_t room, size_t *got, struct err *e);

/* Append the whole of a file of at most FEED_GET_MAX bytes; ERR_CORRUPT when it is longer or no
 * file.  Errors name the path. */
#define FEED_GET_MAX ((size_t)64 << 20)
MUST_CHECK bool feed_get(struct reader *rd, const struct hash *tree, const char *path,
                         struct buf *out, struct err *e);

#endif
