/*
 * Private to the writer: the packs that the snapshot of a run relies on, because a chunk was
 * found in them or because the run wrote them.
 */
#ifndef REPO_NEEDED_PACKS_H
#define REPO_NEEDED_PACKS_H

#include "repo/index.h"

struct needed_packs {
    struct repo *repo;
    bool *found; /* by number in the index as it was loaded */
    size_t found_count;
    bool *deltas;         /* by frame number: the packs of its bases are noted */
    struct hash *written; /* sorted once the check has begun */
    size_t written_count, written_room;
};
void needed_packs_init(struct needed_packs *n, struct repo *r);
void needed_packs_done(struct needed_packs *n);

/* A chunk was found here, which may be INDEX_PENDING; with a delta the packs of its bases are
 * needed too.  Any thread. */
void needed_packs_found(struct needed_packs *n, const struct place *at);

/* A pack is durable.  One thread. */
void needed_packs_written(struct needed_packs *n, const struct hash *id);

/* Whether all of them exist and none is condemned (FORMAT.md, "Order of writes", 3); then they are
 * locked for as long as the store's rule promises.  After all other calls. */
MUST_CHECK bool needed_packs_check(struct needed_packs *n, bool *are_safe, struct err *e);

#endif
