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

#include "base/buf.h"

struct postgres_blob {
    uint32_t oid;
    struct slice owner, rights, comment;
};

void postgres_blob_encode(const struct postgres_blob *b, struct buf *out);
/* Take one off the front, up to its pieces; false with *s unchanged when it is cut short. */
MUST_CHECK bool postgres_blob_take(struct slice *s, struct postgres_blob *out);

#endif
