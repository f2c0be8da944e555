/*
 * Archives of CFMS in memory, for the tests of what reads them.
 */
#ifndef ARCHIVE_CFMS_FIXTURE_H
#define ARCHIVE_CFMS_FIXTURE_H

#include "archive/cfms.h"

/* A cfms_read_fn over a struct slice, a few bytes at a time. */
static inline bool fixture_read(void *arg, uint64_t offset, uint8_t *to, size_t room, size_t *got,
                                struct err *e)
{
    const struct slice *from = arg;
    const size_t left = offset < from->size ? from->size - (size_t)offset : 0;

    (void)e; /* memory does not fail */
    *got = left < room ? left : room;
    if (*got > 0)
        __builtin_memcpy(to, from->data + offset, *got);
    return true;
}

/* A cfms_write_fn into a struct buf. */
static inline bool fixture_write(void *arg, struct slice bytes, struct err *e)
{
    (void)e; /* memory does not fail */
    buf_append_slice(arg, bytes);
    return true;
}

#endif
