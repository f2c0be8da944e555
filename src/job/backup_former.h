/*
 * What a former attempt at a job stored, before it could say so.  Private to src/job.
 */
#ifndef JOB_BACKUP_FORMER_H
#define JOB_BACKUP_FORMER_H

#include "job/job.h"

/* Whether a backup has to look for it at all. */
bool backup_former_is_wanted(const struct backup_options *o);

/* The oldest committed snapshot of the set and the job of a backup, borrowed; NULL: none. */
const struct snapshot *backup_former_find(const struct snapshot_list *l,
                                          const struct backup_options *o);

/* The one of a list that is the same snapshot: itself, or a copy of it; borrowed, or NULL. */
const struct snapshot *backup_former_copy(const struct snapshot_list *l, const struct snapshot *s);

/* What the attempt that made it would have said. */
void backup_former_result(const struct snapshot *s, struct backup_result *out);

#endif
