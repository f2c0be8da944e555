/*
 * Forms with files (RFC 7578, multipart/form-data) as they come, piece by piece.  Strict: what two
 * readers could take differently is refused.  Holds what
 * was added last and 5 KiB, whatever is sent.
 *
 *   --BOUNDARY CRLF  Content-Disposition: form-data; name="..." [; filename="..."] CRLF ... CRLF
 * CRLF the bytes of the part CRLF --BOUNDARY ... --BOUNDARY-- [CRLF]
 *
 * No text before the first boundary or behind the last, no blanks behind a boundary, at most
 * MULTIPART_PARTS_MAX parts with at most MULTIPART_HEAD_MAX bytes of headers each.
 */
#ifndef SERVER_MULTIPART_H
#define SERVER_MULTIPART_H

#include "base/buf.h"
#include "base/err.h"

#define MULTIPART_PARTS_MAX    32
#define MULTIPART_HEAD_MAX     ((size_t)4096)
#define MULTIPART_NAME_MAX     64  /* bytes of the name of a field */
#define MULTIPART_FILE_MAX     255 /* and of a file */
#define MULTIPART_BOUNDARY_MAX 70

/* Where the parts go; each may fail, and its error is that of the call that was made. */
struct multipart_taker {
    void *arg;
    /* file: the name that the client gave it; NULL: a field that is no file. */
    bool (*begin)(void *arg, const char *name, const char *file, struct err *e);
    bool (*bytes)(void *arg, struct slice bytes, struct err *e);
    bool (*end)(void *arg, struct err *e);
};

struct multipart;

/* type: the header Content-Type of the request (NULL: it has none).  ERR_USAGE: it is no form, or
 * has no boundary that makes sense. */
MUST_CHECK bool multipart_new(const char *type, const struct multipart_taker *to,
                              struct multipart **out, struct err *e);
void multipart_free(struct multipart *m); /* accepts NULL */
void multipart_auto(struct multipart **m);

/* Take some bytes.  ERR_USAGE: they are no form; nothing may be added after a failure. */
MUST_CHECK bool multipart_add(struct multipart *m, struct slice bytes, struct err *e);

/* No more come: whether that is all.  ERR_USAGE otherwise. */
MUST_CHECK bool multipart_finish(struct multipart *m, struct err *e);

#endif
