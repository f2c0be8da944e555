/*
 * What archives are read from and written to.  Formats that have something in front that is known
 * only at the end, or a directory at the end, need places that can be gone back to.
 */
#ifndef ARCHIVE_IN_OUT_H
#define ARCHIVE_IN_OUT_H

#include "base/buf.h"

/* Takes bytes piece by piece, in order. */
typedef bool output_fn(void *arg, struct slice piece, struct err *e);

/* Bytes of a known size that can be read at any place, and again. */
struct input {
    /* Up to size bytes from offset on; less at the end only. */
    bool (*read_at)(void *arg, uint64_t offset, void *to, size_t size, size_t *got, struct err *e);
    void *arg;
    uint64_t size;
};

/* Over a regular file, which stays the caller's; its size is that of this moment. */
MUST_CHECK bool input_of_fd(const int *fd, struct input *out, struct err *e);
/* Over bytes that stay where they are. */
struct input input_of_slice(const struct slice *bytes);

/* Exactly size bytes.  ERR_CORRUPT when the input has become shorter. */
MUST_CHECK bool input_read(const struct input *in, uint64_t offset, void *to, size_t size,
                           struct err *e);

/* Bytes written in order, of which some are then written again. */
struct output {
    output_fn *write;
    /* Replace bytes that were written, counted from the first that write() got. */
    bool (*patch)(void *arg, uint64_t offset, struct slice bytes, struct err *e);
    void *arg;
};

/* Over a file that is empty and at its beginning; it stays the caller's. */
struct output output_of_fd(const int *fd);
/* Appends to a buffer that is empty at first. */
struct output output_of_buf(struct buf *to);

#endif
