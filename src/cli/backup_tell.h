/*
 * What a backup says in the end.
 */
#ifndef CLI_BACKUP_TELL_H
#define CLI_BACKUP_TELL_H

#include "cli/call.h"
#include "job/job.h"

/* Print the summary, and set the call's status when the backup is incomplete.  stores, of a set
 * with several repositories, or NULL. */
void backup_tell(struct call *call, bool is_dry_run, const struct backup_result *r,
                 const struct stores_result *stores);

/* What each repository of a set has. */
json_t *stores_json(const struct stores_result *r);

#endif
