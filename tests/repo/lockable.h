/*
 * A store in memory that locks as a bucket with Object Lock does: what is removed is hidden, and
 * its bytes are counted as kept.
 */
#ifndef TESTS_REPO_LOCKABLE_H
#define TESTS_REPO_LOCKABLE_H

#include "store/store.h"

/* Owns next, a store in memory. */
struct store *lockable_new(struct store *next, const struct lock_rule *rule);

/* A rule in days. */
struct lock_rule lockable_days(int promise, int lasts);

/* The lock of an object that is there, without being counted. */
struct object_lock lockable_lock(struct store *s, const char *key);
void lockable_set(struct store *s, const char *key, int64_t until_s);

struct lockable_counts {
    int asked, extended;
    int removed_locked; /* calls of remove() for what is locked */
};
struct lockable_counts lockable_counts(struct store *s); /* since the last call */

/* From now on n locks are extended, and then none; negative: all. */
void lockable_extend_only(struct store *s, int n);

#endif
