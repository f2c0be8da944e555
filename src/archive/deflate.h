/*
 * DEFLATE by zlib, piece by piece, in memory that does not grow: as gzip (RFC 1952, one member), or
 * bare as it stands in zip files.  Compressed bytes are zlib's at its default level; another zlib
 * may make others of the same text, so nothing may depend on them.
 */
#ifndef ARCHIVE_DEFLATE_H
#define ARCHIVE_DEFLATE_H

#include "archive/in_out.h"
#include "codec/json_reader.h"

enum deflate_form {
    DEFLATE_GZIP, /* no name, no time, "Unix": ten bytes 1f 8b 08 00 00 00 00 00 00 03 in front */
    DEFLATE_BARE,
};

/* What is compressed goes to write(arg, ...). */
struct deflater;
struct deflater *deflater_new(enum deflate_form form, output_fn *write, void *arg);
void deflater_free(struct deflater *d);
void deflater_auto(struct deflater **d);

/* Give gzip's head the name of a file (borrowed until the first bytes were added) and a time in
 * seconds, as the program gzip does.  Before anything was added. */
void deflater_name(struct deflater *d, const char *name, uint32_t time_s);

/* Fail as write does only; nothing can be added after a failure. */
MUST_CHECK bool deflater_add(struct deflater *d, struct slice bytes, struct err *e);
MUST_CHECK bool deflater_finish(struct deflater *d, struct err *e);

/* CRC-32 of bytes that come in parts; it begins with 0. */
uint32_t deflate_crc(uint32_t crc, struct slice bytes);

struct inflate_limits {
    uint64_t size_max;  /* plain bytes */
    uint32_t ratio_max; /* plain bytes for each byte taken in, beyond the first MiB of them */
};
#define INFLATE_RATIO_FROM ((uint64_t)1 << 20)
/* Whether so many plain bytes may come of so many others: ERR_CORRUPT. */
MUST_CHECK bool inflate_limits_check(const struct inflate_limits *limits, uint64_t given,
                                     uint64_t taken, struct err *e);

/* Takes compressed bytes from read(arg, ...), as json_read_fn says. */
struct inflater;
struct inflater *inflater_new(enum deflate_form form, const struct inflate_limits *limits,
                              json_read_fn *read, void *arg);
void inflater_free(struct inflater *i);
void inflater_auto(struct inflater **i);

/*
 * The next plain bytes; a json_read_fn over a struct inflater.  *got is 0 only when the stream came
 * to its end, its sum and size are right (gzip), and read() has nothing more.  ERR_CORRUPT when it
 * is no such stream, ends early, has bytes or another member behind it, or is beyond the limits;
 * what it says then is "incorrect header check" where zlib and so Node say that.  Nothing can be
 * read after a failure.
 */
MUST_CHECK bool inflater_read(void *inflater, uint8_t *to, size_t room, size_t *got, struct err *e);

#endif
