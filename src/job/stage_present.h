/*
 * Private to src/job: the way through what is present, beside the snapshots, when a tree is
 * staged.  What is present decides: what only the snapshot has is the restore's.
 */
#ifndef JOB_STAGE_PRESENT_H
#define JOB_STAGE_PRESENT_H

#include "job/link_table.h"
#include "job/stage_tree.h"

struct stage_present {
    struct reader *reader;
    struct target *present;
    struct target *staged;         /* same paths; NULL: count only, by patterns */
    const struct exclude *exclude; /* counting only; or NULL */
    const char *root;              /* absolute path of the target, for exclude */
    size_t given;                  /* components of the path that is staged */
    struct link_table *names;      /* of files of the snapshot: MANY_NAMES has several there */
    const struct report *report;   /* or NULL */
    struct stage_counts *counts;   /* but files_new and bytes */
    uint64_t bytes_unchanged;      /* set: of the snapshot's files that need not be restored */
};

/* Paths in the table of names. */
#define ONE_NAME   "1"
#define MANY_NAMES "2"

/*
 * Compare what is present at a name of the target (NULL: all of it) with what the snapshot and the
 * safety snapshot have there (NULL: nothing), and give second names to what is the same and to
 * what is not saved.
 */
MUST_CHECK bool stage_present(struct stage_present *s, const char *name, const struct entry *wanted,
                              const struct entry *saved, struct err *e);

#endif
