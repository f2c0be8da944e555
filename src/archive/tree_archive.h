/*
 * Files and directories as one stream, by libarchive: tar (pax), which has everything that an entry
 * has, and zip, which opens everywhere.
 *
 * Zip has names, modes, times, numbers of owners, content and the targets of symbolic links, and
 * files of any size.  It has no form for devices and pipes, keeps no extended attributes, and its
 * directory stays in memory until its end: tree_zip_check() says beforehand what does not fit.
 */
#ifndef ARCHIVE_TREE_ARCHIVE_H
#define ARCHIVE_TREE_ARCHIVE_H

#include "codec/entry.h"

enum tree_format { TREE_TAR, TREE_ZIP };

/* Writes to a descriptor that it does not own.  One thread. */
struct tree_archive;
MUST_CHECK bool tree_archive_open(int fd, enum tree_format format, struct tree_archive **out,
                                  struct err *e);
void tree_archive_close(struct tree_archive *t); /* without finishing; accepts NULL */
void tree_archive_auto(struct tree_archive **t);

/*
 * Add an entry under a relative path of any bytes.  A file's size bytes follow through
 * tree_archive_bytes(), holes as zeros.  Sockets have no form and are left out.
 */
MUST_CHECK bool tree_archive_add(struct tree_archive *t, const char *path, const struct entry *en,
                                 struct err *e);
MUST_CHECK bool tree_archive_bytes(struct tree_archive *t, struct slice bytes, struct err *e);

/* The end of the archive. */
MUST_CHECK bool tree_archive_finish(struct tree_archive *t, struct err *e);

/*
 * Whether zip has a form for an entry, to be asked of all before the first is added.  *held begins
 * with 0 and counts what the directory takes.  ERR_USAGE.
 */
#define TREE_ZIP_HELD_MAX ((uint64_t)256 << 20)
MUST_CHECK bool tree_zip_check(const char *path, const struct entry *en, uint64_t *held,
                               struct err *e);

#endif
