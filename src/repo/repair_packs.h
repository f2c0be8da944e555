/*
 * Private to src/repo: packs being repaired.  repair_packs.c finds them and puts back what comes
 * bit for bit, repair_packs_copy.c stores their chunks anew and removes what these replace.
 */
#ifndef REPO_REPAIR_PACKS_H
#define REPO_REPAIR_PACKS_H

#include "repo/discarded.h"
#include "repo/index.h"

/* Where chunks of packs that do not come back were had. */
enum chunk_origin {
    CHUNK_OF_REST, /* of damaged packs */
    CHUNK_OF_TRASH,
    CHUNK_OF_OTHER, /* repository */
    CHUNK_ORIGINS,
};

struct bad_pack {
    struct hash id;
    bool is_missing;
    bool is_named;                  /* an index names it */
    bool is_whole;                  /* it came back bit for bit */
    bool is_replaced;               /* all its chunks have other copies now, and it is gone */
    uint64_t lost;                  /* chunks that were found nowhere */
    uint64_t copied[CHUNK_ORIGINS]; /* chunks that have other copies since */
    struct err why;                 /* of its parity, or what stands in the way */
};

struct mending {
    struct repo *repo;
    const struct repair_packs_options *options;
    struct repair_packs_stats stats;
    struct key_list packs;
    struct bad_pack *bad; /* sorted once those are out that came back whole */
    size_t bad_count;
    bool has_bad_index;
    struct err index_fault;
    struct discarded trash; /* where missing packs may still stand */
    bool helps_trash;       /* some of the bad do */
    struct store *view;     /* of own: packs of the trash are there */
    struct repo own; /* the repository with an index in which damaged packs can still be read */
};

void mending_tell(struct mending *m, const struct hash *pack, enum heal_source from,
                  const char *sentence);
void mending_progress(const struct mending *m, const char *step, uint64_t done, uint64_t total);
/* NULL when the pack is not among the bad. */
struct bad_pack *mending_find(const struct mending *m, const struct hash *id);

/* Store in new packs the chunks of bad packs that have no other copy, where they can be had. */
MUST_CHECK bool mending_copy(struct mending *m, struct err *e);

/* Remove the bad packs whose chunks all have other copies, from the index too. */
MUST_CHECK bool mending_drop(struct mending *m, struct err *e);

#endif
