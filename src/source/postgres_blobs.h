/*
 * Large objects in a file: "blobs".  Private to src/source.
 *
 * The file is a row of objects, in ascending order of their numbers; integers have the lowest
 * byte first, and a text is a varint (LEB128) of its length and then its bytes:
 *
 *     u32   number (oid)
 *     text  name of the owner
 *     text  rights, as the server prints an aclitem[]; empty: only the owner has any
 *     text  comment; empty: none
 *     any number of pieces: u32 length, more than 0, and so many bytes
 *     u32   0
 */
#ifndef SOURCE_POSTGRES_BLOBS_H
#define SOURCE_POSTGRES_BLOBS_H

#include "base/arena.h"

struct postgres_blob {
    uint32_t oid;
    struct slice owner, rights, comment;
};

void postgres_blob_encode(const struct postgres_blob *b, struct buf *out);
/* Take one off the front, up to its pieces; false with *s unchanged when it is cut short. */
MUST_CHECK bool postgres_blob_take(struct slice *s, struct postgres_blob *out);

/* One of the file, but for its content. */
#define POSTGRES_BLOB_NUMBER 24
struct postgres_blob_stored {
    char number[POSTGRES_BLOB_NUMBER];
    const char *owner, *rights, *comment;
    struct arena arena; /* holds them */
};

/* Called for each piece of one, the first with offset 0, which may be empty, and at its end. */
struct postgres_blobs_visitor {
    void *arg;
    bool (*piece)(void *arg, const struct postgres_blob_stored *b, uint64_t offset,
                  struct slice piece, struct err *e);
    bool (*end)(void *arg, const struct postgres_blob_stored *b, struct err *e);
};
/* Read the stored "blobs.bin" (postgres_blobs_read.c).  ERR_CORRUPT when it is damaged or has
 * another number of objects than wanted.  Failures of the visitor name the object. */
struct postgres_files;
MUST_CHECK bool postgres_blobs_read(const struct postgres_files *files, uint64_t wanted,
                                    const struct postgres_blobs_visitor *v, struct err *e);

#endif
