/*
 * What options of restore say about parts of a PostgreSQL database.
 */
#ifndef CLI_RESTORE_PART_H
#define CLI_RESTORE_PART_H

#include "base/arena.h"
#include "cli/options.h"
#include "source/source.h"

struct part_args {
    struct strings tables, schemas;
    char *as;
    bool data_only;
};

/* Whether any is given. */
bool part_args_are_given(const struct part_args *a);

/* What they ask for, with --in-place or without; lives in the arena.  ERR_USAGE for names that are
 * none and options that exclude each other. */
MUST_CHECK bool part_args_read(const struct part_args *a, bool in_place, struct arena *arena,
                               struct postgres_part *out, struct err *e);

/* Add to a failure what else could be done. */
void part_args_advise(const struct postgres_part *part, struct err *e);

#endif
