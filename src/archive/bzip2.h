/*
 * bzip2 by libbz2, piece by piece, as deflate.h has gzip: one stream, nothing behind it, memory
 * that does not grow (8 MiB to write, 4 MiB to read).
 */
#ifndef ARCHIVE_BZIP2_H
#define ARCHIVE_BZIP2_H

#include "archive/deflate.h"

/* What is compressed goes to write(arg, ...), in blocks of 900 kB as `bzip2 -9` makes them. */
struct bzip2_writer;
struct bzip2_writer *bzip2_writer_new(output_fn *write, void *arg);
void bzip2_writer_free(struct bzip2_writer *w);
void bzip2_writer_auto(struct bzip2_writer **w);

/* Fail as write does only; nothing can be added after a failure. */
MUST_CHECK bool bzip2_writer_add(struct bzip2_writer *w, struct slice bytes, struct err *e);
MUST_CHECK bool bzip2_writer_finish(struct bzip2_writer *w, struct err *e);

/* Takes compressed bytes from read(arg, ...), as json_read_fn says. */
struct bzip2_reader;
struct bzip2_reader *bzip2_reader_new(const struct inflate_limits *limits, json_read_fn *read,
                                      void *arg);
void bzip2_reader_free(struct bzip2_reader *r);
void bzip2_reader_auto(struct bzip2_reader **r);

/* A json_read_fn over a struct bzip2_reader; what inflater_read() says of itself. */
MUST_CHECK bool bzip2_reader_read(void *reader, uint8_t *to, size_t room, size_t *got,
                                  struct err *e);

#endif
