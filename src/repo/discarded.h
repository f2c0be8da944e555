/*
 * Private to src/repo: the trash.  A pack that a collector takes away stands there for a while:
 *
 *     discarded/<id>.<time>    time: when it was taken away, seconds since 1970, decimal
 *
 * The time is in the name because a rename keeps the mtime, and because nothing else would be as
 * atomic as the name.  All stand in one folder, so that a full disk need not have room for more of
 * them.  Nobody counts what stands here: for every reader, writer and collector such
 * a pack is gone.
 */
#ifndef REPO_DISCARDED_H
#define REPO_DISCARDED_H

#include "repo/object.h"

#define DISCARDED_PREFIX  "discarded/"
#define DISCARDED_STAYS_S (INT64_C(7) * 24 * 60 * 60)

#define DISCARDED_KEY_MAX 104
void discarded_key(const struct hash *pack, int64_t time_s, char out[DISCARDED_KEY_MAX]);
/* False for any other key. */
MUST_CHECK bool discarded_key_parse(const char *key, struct hash *pack, int64_t *time_s);

/* What stands in the trash: of each object its pack and when it was taken away. */
struct discarded {
    struct key_list keys; /* only those of the trash, in no special order */
    struct hash *packs;
    int64_t *times_s;
    uint64_t bytes;
};
MUST_CHECK bool discarded_read(struct repo *r, struct discarded *out, struct err *e);
void discarded_auto(struct discarded *d);

/* The key of a pack in the trash; NULL when it is not there. */
const char *discarded_find(const struct discarded *d, const struct hash *pack);

/* Remove those taken away at the time given or before, for good.  Asks for no space.  The sums are
 * those of what is gone, also after a failure. */
struct discarded_sum {
    uint64_t packs, bytes;
};
MUST_CHECK bool discarded_remove(struct repo *r, const struct discarded *d, int64_t until_s,
                                 struct discarded_sum *sum, struct err *e);

#endif
