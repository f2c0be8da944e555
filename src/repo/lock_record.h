/*
 * Private to src/repo: what is known of the locks of objects, kept in a file near by so that not
 * every backup has to ask for each.
 *
 *     "HFLOCKS1" | rows | SHA-256 of all before
 *     row: name (32) | end of the lock (u64, seconds since 1970) | 1 when it is strict (u8)
 *
 * Rows ascend by name, which is the SHA-256 of the repository's id and the object's key.  What
 * can be wrong with the file costs requests and nothing else, so reading and writing it never
 * fails.  A lock that was recorded and taken off since (by whoever may override the mode
 * "governance") is believed in until it would have ended.
 */
#ifndef REPO_LOCK_RECORD_H
#define REPO_LOCK_RECORD_H

#include "repo/object.h"

struct lock_row {
    struct hash name;
    struct object_lock lock;
};

struct lock_record {
    struct lock_row *rows; /* ascending, each name once, then those noted since */
    size_t sorted, count, room;
};

/* A file that cannot be used is an empty record. */
void lock_record_read(const char *folder, struct lock_record *out);
void lock_record_write(const char *folder, const struct lock_record *r);
void lock_record_done(struct lock_record *r);

/* Locks that were noted are found once they are settled. */
void lock_record_note(struct lock_record *r, const struct hash *name,
                      const struct object_lock *lock);
/* Sort in what was noted, and let go of locks that have ended. */
void lock_record_settle(struct lock_record *r, int64_t now_s);
MUST_CHECK bool lock_record_find(const struct lock_record *r, const struct hash *name,
                                 struct object_lock *out);

#endif
