/*
 * Plain tar archives, as programs make them that put files side by side: the POSIX "ustar" form,
 * with extended headers ("pax") for what does not fit.  Read strictly, for archives that somebody
 * else hands over: nothing is made on a disk, and what a member's name says is the caller's to
 * judge.  tar.h writes archives of whole trees.
 *
 * What is read:
 *
 *  - Regular files and directories.  Links, devices, FIFOs, sparse files, GNU's and the old forms,
 *    and global headers are refused.
 *  - Of an extended header "path" and "size" count; times, owners and comments are passed over;
 *    every other record is refused.  Two for one member, or a record that comes twice, are refused.
 *  - A name has 1 to 255 bytes of UTF-8 and parts that are not empty, "." or ".."; it does not
 * begin with '/', nor hold backslashes or control characters.  A "./" in front is taken away.
 *  - Sizes are octal digits; a header's checksum counts; sizes that are told twice agree.
 *  - Two blocks of zeros end the archive, and at most USTAR_TAIL_MAX more zeros follow.
 */
#ifndef ARCHIVE_USTAR_H
#define ARCHIVE_USTAR_H

#include "codec/json_reader.h"

#define USTAR_BLOCK    512
#define USTAR_RECORD   10240 /* archives are filled up to a multiple */
#define USTAR_NAME_MAX 256   /* with NUL */
#define USTAR_TAIL_MAX ((uint64_t)1 << 20)

struct ustar_member {
    char name[USTAR_NAME_MAX]; /* "files/x"; without '/' at the end; empty: the root */
    bool is_directory;
    uint64_t size; /* of a file */
};

struct ustar_limits {
    uint64_t members; /* of all kinds */
    uint64_t bytes;   /* of all files */
};

/* Borrows arg.  Errors of read are handed on; every other is ERR_CORRUPT. */
struct ustar_reader;
struct ustar_reader *ustar_reader_new(json_read_fn *read, void *arg, struct ustar_limits limits);
void ustar_reader_free(struct ustar_reader *r); /* wipes what was read */
void ustar_reader_auto(struct ustar_reader **r);

/* The next member, past what was not read of the one before.  *more is false at the end, which
 * was then read up to the end of the stream. */
MUST_CHECK bool ustar_reader_next(struct ustar_reader *r, struct ustar_member *out, bool *more,
                                  struct err *e);

/* A json_read_fn over the bytes of the member; arg is the reader. */
MUST_CHECK bool ustar_reader_read(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e);

/*
 * Append the headers of a member as Python's tarfile writes them: an extended header with the time
 * in full, and with the size when it is 8 GiB or more; then the member's own.  name has fewer
 * than 100 bytes and ends with '/' for directories; the owner is root without a name.
 */
void ustar_header(const char *name, uint32_t mode, uint64_t size, double mtime, struct buf *out);

/* Append the zeros that fill a member of so many bytes up to whole blocks. */
void ustar_fill(uint64_t size, struct buf *out);

/* Append the end of an archive whose members took so many bytes. */
void ustar_end(uint64_t size, struct buf *out);

#endif
