/*
 * What a backup takes and what it leaves out.
 */
#ifndef CLI_BACKUP_PATHS_H
#define CLI_BACKUP_PATHS_H

#include "cli/call.h"
#include "source/source.h"

struct backup_paths_args {
    struct strings exclude, exclude_files, files_from;
};

/* The patterns of --exclude and --exclude-file. */
MUST_CHECK bool backup_excludes(const struct backup_paths_args *args, struct exclude *out,
                                struct err *e);

/*
 * The words of the call and the lines of --files-from, absolute, sorted, none inside another.
 * Strings live in the arena, the array is the caller's.  ERR_USAGE when there are none.
 */
MUST_CHECK bool backup_paths(struct call *call, const struct backup_paths_args *args,
                             struct strings *out, struct err *e);

#endif
