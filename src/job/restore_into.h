/*
 * Bringing one member of a set back into what it was backed up from.  Part of job.h.
 */
#ifndef JOB_RESTORE_INTO_H
#define JOB_RESTORE_INTO_H

#include "repo/repo.h"

struct restore_into_options {
    const struct snapshot *snapshot;
    const char *place; /* in the snapshot, without the first '/': "sqlite/app.db" */
    const char *into;  /* the file of the database */
    bool force;        /* also while others have it open */
};

/*
 * Put a SQLite database in the place of a file, whole or not at all: sqlite_restore().  ERR_USAGE
 * for places that hold nothing of the kind.
 */
MUST_CHECK bool restore_into_run(struct repo *r, const struct restore_into_options *o,
                                 struct err *e);

#endif
