/*
 * Archives of other programs on their way into a snapshot.  Part of job.h.
 *
 * What is in such a file somebody else has chosen.  It is read by a process that may do nothing but
 * read it and say what it found (import_parser.h); this process, which may have a repository open,
 * sees names, sizes, sums and bytes, and believes none of them unchecked.
 */
#ifndef JOB_IMPORT_H
#define JOB_IMPORT_H

#include "archive/foreign.h"
#include "source/source.h"

#define IMPORT_KEYS_MAX 16

struct import_options {
    const char *path;         /* of a file, or of a folder of bundles as their server keeps it */
    const char *name;         /* in the snapshot; NULL: that of the file.  Bundles keep theirs */
    const char *as;           /* the kind that it is said to be; NULL: what it turns out to be */
    const struct slice *keys; /* what key files hold, each at most FOREIGN_KEY_MAX bytes */
    size_t key_count;         /* at most IMPORT_KEYS_MAX */
};

/* What was found. */
struct import_found {
    enum foreign_kind kind;
    struct foreign_facts facts; /* of several bundles: those of the first */
    const char *name;           /* in the snapshot: of the file, or "backup" for bundles */
    size_t count;               /* parts, or bundles */
    uint64_t file_bytes, part_bytes;
};

/*
 * Look at all of it.  When this has succeeded the whole of the file was read and is right, as far
 * as its format can tell.  This process has one thread.  ERR_CORRUPT: it is no archive of a known
 * kind, or damaged; ERR_USAGE: it is of several kinds, or a name makes no sense.
 */
struct import;
MUST_CHECK bool import_look(const struct import_options *o, struct import **out, struct err *e);
const struct import_found *import_found(const struct import *i);

/*
 * The member of a set that brings it into a backup; stays the import's.  A file that is another one
 * by then ends the backup: ERR_TRANSIENT.
 */
struct member *import_member(struct import *i);
void import_free(struct import *i); /* accepts NULL; ends the process that reads */
void import_auto(struct import **i);

/* What the program does that is started with this argument, in its sandbox: the exit status. */
#define IMPORT_OPTION "--import-parser"
int import_child(void);

#endif
