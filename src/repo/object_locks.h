/*
 * Private to src/repo: locks that the storage keeps on objects (docs/decisions/0017).
 *
 * What is committed is locked: the driver locks each object that snapshots need when it is
 * stored, and before a snapshot is committed the locks of older objects that it needs are extended.
 * What is asked of the store for it is remembered in a record near by.
 */
#ifndef REPO_OBJECT_LOCKS_H
#define REPO_OBJECT_LOCKS_H

#include "repo/lock_record.h"

/* What is known of the locks of a repository; NULL in struct repo where the store has no rule. */
struct object_locks {
    pthread_mutex_t lock; /* guards what follows */
    bool is_read;
    struct lock_record record;
    struct lock_stats stats;
};
struct object_locks *object_locks_new(const struct store *s);
void object_locks_free(struct object_locks *l); /* accepts NULL */

/* An object of this key was stored by this run.  Any thread. */
void object_locks_note_put(struct repo *r, const char *key);

/* Objects whose locks are looked at together. */
struct lock_group {
    struct repo *repo;
    char **keys;
    struct object_lock *locks; /* known once they were asked for; of objects that are gone {0} */
    bool *is_known;
    size_t count, room;
};
void lock_group_auto(struct lock_group *g);
void lock_group_add(struct lock_group *g, const char *key);
void lock_group_add_pack(struct lock_group *g, const struct hash *pack);
/* What every snapshot needs: the config, key slots, the index. */
MUST_CHECK bool lock_group_add_common(struct lock_group *g, struct err *e);

/* Find out about all locks, several at once. */
MUST_CHECK bool lock_group_ask(struct lock_group *g, struct err *e);

/*
 * The same, and extend those that end before the promise does if it is given now.  What was done
 * before a failure counts: a further call goes on from there.  Only where the store has a rule.
 */
MUST_CHECK bool lock_group_extend(struct lock_group *g, struct err *e);

/* Whether it is locked at this moment. */
bool object_lock_holds(const struct object_lock *l, int64_t now_s);

#endif
