/*
 * Writing tar streams (pax interchange format), by libarchive.
 */
#ifndef ARCHIVE_TAR_H
#define ARCHIVE_TAR_H

#include "codec/entry.h"

/* Writes to a descriptor that it does not own.  One thread. */
struct tar_writer;
MUST_CHECK bool tar_writer_open(int fd, struct tar_writer **out, struct err *e);
void tar_writer_close(struct tar_writer *t); /* without finishing; accepts NULL */
void tar_writer_auto(struct tar_writer **t);

/*
 * Add an entry under a relative path of any bytes.  A file's size bytes follow through
 * tar_writer_bytes(), holes as zeros.  Sockets have no form in tar and are left out.
 */
MUST_CHECK bool tar_writer_add(struct tar_writer *t, const char *path, const struct entry *en,
                               struct err *e);
MUST_CHECK bool tar_writer_bytes(struct tar_writer *t, struct slice bytes, struct err *e);

/* The end of the archive. */
MUST_CHECK bool tar_writer_finish(struct tar_writer *t, struct err *e);

#endif
