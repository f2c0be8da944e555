/*
 * Private to src/repo: which chunks some snapshots need.
 */
#ifndef REPO_MARK_H
#define REPO_MARK_H

#include "repo/index.h"

enum mark_fault {
    MARK_MISSING,    /* no pack that exists holds the chunk */
    MARK_UNREADABLE, /* its bytes cannot be had, or are not what they should be */
};

/* Told of a chunk that is needed.  True: the walk goes on without it; false: it ends with *why
 * as its error. */
typedef bool mark_fault_fn(void *arg, enum mark_fault kind, const struct hash *chunk,
                           struct err *why);

/*
 * Marks over the entries of the loaded index, which is sound, and to which nothing may be added
 * meanwhile.  Of the copies of a chunk one is marked, always the same: a live one rather than a
 * condemned one, one that can be read rather than a delta that lacks a base, then one in a plain
 * frame rather than in a delta, then in the pack with the lowest id.  With a chunk in a delta the
 * bases of that frame are marked too, in a plain copy each.
 */
struct marks;
struct marks *marks_new(struct repo *r);
void marks_free(struct marks *m); /* accepts NULL */
void marks_auto(struct marks **m);

/* Mark a tree and all that it needs: pages, lists, content, the trees below.  What was walked
 * already is not walked again; what is marked as a base only was not.  After a failure the marks
 * are of no use any more. */
MUST_CHECK bool marks_add(struct marks *m, const struct hash *tree, mark_fault_fn *fault, void *arg,
                          struct err *e);

bool marks_has(const struct marks *m, size_t entry);
uint64_t marks_count(const struct marks *m); /* chunks */
uint64_t marks_trees(const struct marks *m); /* directories, or pages of them, among these */

#endif
