/* Extended attributes of a file, in the form that entries hold.  Private to src/source. */
#ifndef SOURCE_XATTRS_H
#define SOURCE_XATTRS_H

#include "base/buf.h"

/* Working memory; {0} is valid. */
struct xattrs {
    struct buf names, value;
    struct buf encoded; /* the result: struct entry, xattrs */
};
void xattrs_done(struct xattrs *x);
void xattrs_auto(struct xattrs *x);

/*
 * Read those of an open file, or (fd is -1) of a path whose last component is not followed,
 * into x->encoded.  A file system that has none counts as none; so does a file that is gone.
 * ERR_FATAL when they are more than an entry can hold; x->encoded is empty after a failure.
 */
MUST_CHECK bool xattrs_read(struct xattrs *x, int fd, const char *path, struct err *e);

#endif
