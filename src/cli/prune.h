/*
 * Pruning from commands: prune, and forget --prune.
 */
#ifndef CLI_PRUNE_H
#define CLI_PRUNE_H

#include "cli/call.h"
#include "repo/repo.h"

struct prune_choice {
    bool is_dry_run, empties_trash, extends_locks;
    bool keeps_locked, hides_locked; /* neither: what the store's options say */
    char *max_unused;                /* percent, or NULL */
    uint64_t max_repack_bytes;
    char *compression; /* what level_parse() takes, or NULL */
    char *recompress;  /* the same, or "" for the usual level, or NULL */
};

/* Prune and print what came of it. */
MUST_CHECK bool prune_and_tell(struct call *call, struct repo *r, const struct prune_choice *c,
                               struct err *e);

#endif
