/*
 * Which file of the previous snapshot a file probably was that stands where none was before: one
 * that was renamed or moved, or written anew under much the same name.  Only a guess at what its
 * bytes are like, for deltas: nothing is taken over because of it.  Private to src/job.
 */
#ifndef JOB_MOVED_H
#define JOB_MOVED_H

#include "repo/repo.h"

/* What the previous snapshot says of a file's content, or the tree of a directory; borrowed from
 * whoever told it. */
struct content_before {
    struct slice content; /* empty: nothing is known */
    bool is_indirect;
    /* Only of a file that had this name. */
    enum cut_kind cut;
    uint64_t size;
    bool has_holes;
};

/* Files and directories to find; no more than some 60 MB of them, what comes later is not found. */
struct moved;
struct moved *moved_new(void);
void moved_free(struct moved *m); /* accepts NULL */
void moved_auto(struct moved **m);

/* Add the entries of one tree, or of all below it; folder is the name of its directory.  A tree
 * that cannot be read is passed over.  Before anything is looked for. */
void moved_add(struct moved *m, struct reader *rd, const struct hash *tree, struct slice folder);
void moved_add_all(struct moved *m, struct reader *rd, const struct hash *root);

/*
 * Find what a file or directory was: what had the same inode, and for a file else what had the same
 * name but for its digits and about the same size, preferably in a directory of the same name.  A
 * file of just this name in such a directory comes before one that had the inode and another name,
 * for inodes are used again.  Any thread.
 */
MUST_CHECK bool moved_find(const struct moved *m, const struct entry *now, struct slice folder,
                           struct content_before *out);

#endif
