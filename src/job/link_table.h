/*
 * Private to src/job: files with several names, by device and inode, and the first name that
 * was met.
 */
#ifndef JOB_LINK_TABLE_H
#define JOB_LINK_TABLE_H

#include "codec/entry.h"

struct link_name {
    uint64_t device, inode;
    const char *path; /* borrowed; NULL: nothing was met yet */
};

/* {0} is a valid empty table. */
struct link_table {
    struct link_name *names; /* open addressing */
    size_t room, used;       /* room is a power of two, at most half of it used */
};
void link_table_done(struct link_table *t);

/* The place of this file; valid until the next call. */
struct link_name *link_table_place(struct link_table *t, const struct entry *en);

/* Fill in a place that had no path.  path is borrowed for the life of the table. */
void link_table_name(struct link_table *t, struct link_name *n, const struct entry *en,
                     const char *path);

#endif
