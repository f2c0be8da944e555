/* Private to src/job: an archive that was looked at. */
#ifndef JOB_IMPORT_PRIVATE_H
#define JOB_IMPORT_PRIVATE_H

#include "base/arena.h"
#include "job/import_parser.h"

#define IMPORT_FILE_MAX ((uint64_t)2 << 40)

struct import_part {
    uint64_t size;
    struct hash sum;
};

struct import {
    struct import_found found;
    struct member *member;

    /* A file with parts */
    struct import_parser parser;
    int fd;
    struct hash sum; /* of the file */
    char *name;
    const char **paths;
    struct import_part *parts; /* in the order of paths */
    size_t room;
    struct arena texts;
    struct buf manifest;

    /* Bundles (import_bundle.c) */
    int folder_fd; /* that they stand in; -1: there is one, in fd */
};

/* Open a regular file for reading; flags of openat() besides the usual ones. */
MUST_CHECK bool import_open_file(int dirfd, const char *name, int flags, int *fd, uint64_t *size,
                                 struct err *e);

/* Takes the bytes of parts, one part after the other; each is what it was when it was looked at. */
struct import_taker {
    void *arg;
    bool (*begin)(void *arg, size_t part, struct err *e);
    bool (*bytes)(void *arg, struct slice bytes, struct err *e);
    bool (*end)(void *arg, struct err *e);
};
/* Hand over all parts, once more each time.  ERR_TRANSIENT when they are others by now. */
MUST_CHECK bool import_hand_over(struct import *i, const struct import_taker *to, struct err *e);

/* Have a process in a sandbox look at a database (import_database.c).  fd is open for writing, and
 * schema as sqlite_stranger_look() takes it.  ERR_CORRUPT: it is not taken. */
MUST_CHECK bool import_database_look(int fd, const char *schema, struct buf *manifest,
                                     struct err *e);

/* What a process says that it has found, and the sum of the file. */
MUST_CHECK bool import_take_found(struct slice payload, struct import_found *out, struct hash *sum,
                                  struct err *e);

/* Make the member of one bundle that was looked at, and that of a folder of them. */
MUST_CHECK bool import_bundle_file(struct import *i, const struct import_options *o, struct err *e);
MUST_CHECK bool import_bundle_folder(struct import *i, const struct import_options *o,
                                     struct err *e);

#endif
