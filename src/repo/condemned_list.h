/*
 * Private to src/repo: one condemned list, as a collector publishes it and others clear it
 * away.  What all lists say together is in object.h.
 */
#ifndef REPO_CONDEMNED_LIST_H
#define REPO_CONDEMNED_LIST_H

#include "repo/object.h"

/* One list, decoded. */
struct condemned_list {
    struct hash *packs;
    size_t pack_count;
    struct hash *snapshots; /* forgotten ones that the collector may remove */
    size_t snapshot_count;
};
void condemned_list_auto(struct condemned_list *l);
MUST_CHECK bool condemned_list_decode(struct slice plain, struct condemned_list *out,
                                      struct err *e);
MUST_CHECK bool condemned_list_get(struct repo *r, const char *key, struct condemned_list *out,
                                   struct err *e);
/* Publish; *key_out is released with mem_free().  At most CONDEMNED_MAX packs and snapshots. */
MUST_CHECK bool condemned_list_put(struct repo *r, const struct condemned_list *l, char **key_out,
                                   struct err *e);
/* Remove the lists of which nothing is left to remove: no pack exists, no snapshot does. */
MUST_CHECK bool condemned_list_sweep(struct repo *r, struct err *e);

#endif
