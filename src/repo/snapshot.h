/*
 * Private to src/repo: snapshot objects and the marks that give them their state.
 */
#ifndef REPO_SNAPSHOT_H
#define REPO_SNAPSHOT_H

#include "repo/object.h"

/* The JSON of a snapshot.  Encoding fails with ERR_USAGE for text that is not UTF-8. */
MUST_CHECK bool snapshot_encode(const struct snapshot *s, struct buf *out, struct err *e);
MUST_CHECK bool snapshot_decode(struct slice plain, struct snapshot **out, struct err *e);

/* Read the commit (CLASS_COMMIT) or tombstone of a snapshot.  ERR_NOT_FOUND when there is
 * none, ERR_CORRUPT when it is not authentic or speaks of another snapshot. */
MUST_CHECK bool snapshot_mark_read(struct repo *r, enum object_class class, const struct hash *id,
                                   struct err *e);

/* The same, and what it says; the caller owns *out. */
MUST_CHECK bool snapshot_mark_load(struct repo *r, enum object_class class, const struct hash *id,
                                   json_t **out, struct err *e);

struct snapshot_standing {
    struct hash id;
    enum snapshot_state state;
};

/*
 * The state of each snapshot whose id begins with prefix ("" for all), without reading the
 * snapshots.  What has a tombstone is forgotten, also while a collector removes its commit.
 * A damaged tombstone counts for nothing, and what has a damaged commit is prepared; damage
 * is told as by snapshot_load_all().  The array is released with mem_free().
 */
MUST_CHECK bool snapshot_scan(struct repo *r, const char *prefix, damaged_fn *damaged, void *arg,
                              struct snapshot_standing **out, size_t *count, struct err *e);

/* All of the tags in "a,b"; "" stands for no tag at all. */
bool snapshot_has_tags(const struct snapshot *s, const char *list);

/* ERR_USAGE unless text has min to 64 lower-case hexadecimal digits. */
MUST_CHECK bool snapshot_prefix_check(const char *text, size_t min, struct err *e);

#endif
