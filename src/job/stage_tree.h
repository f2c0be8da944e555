/*
 * File trees of a set restored beside those that stand there, to change places with them.
 *
 * A tree at path P is built in a folder of ours, "<dirname P>/.holdfast-restore-<id>".  Where P is
 * a mount point (or "/") it cannot change its name: then the folder is in P, and what changes
 * places is what P holds.  The new tree is that of the snapshot, with what no backup saves carried
 * over from the present one.  Files that are the same in both are given a second name: no data
 * moves, and what is written into them later is written into both trees.
 *
 * No link in the tree is followed, and nothing of the present tree is changed (but for the time of
 * the inode of files that get another name).
 */
#ifndef JOB_STAGE_TREE_H
#define JOB_STAGE_TREE_H

#include "job/job.h"
#include "job/swap.h"

struct stage_options {
    const struct snapshot *snapshot; /* what is to be */
    const struct snapshot *safety;   /* what is, backed up just now by the same set */
    const char *source;              /* name of the file tree in the set */
    const char *path;                /* P: absolute, normalised; one of the source's paths */
    const char *id;   /* of this tree in this restore: 16 hex digits; NULL for stage_plan() */
    bool numeric_ids; /* as in struct target_options */
    const struct exclude *exclude; /* of the source, or NULL; for stage_plan() alone */
};

/* Of what is no directory; the first four are all of the snapshot and all that is saved of the
 * present. */
struct stage_counts {
    uint64_t files_new;       /* nothing of that name is there now */
    uint64_t files_replaced;  /* something else is */
    uint64_t files_unchanged; /* the same file as before */
    uint64_t files_removed;   /* not in the snapshot; it stays in the old tree */
    uint64_t files_kept;      /* in no snapshot, carried over */
    uint64_t bytes;           /* of files that are new or replaced */
    uint64_t warnings;        /* items that are not quite as they should be, such as their owner */
};

struct stage_result {
    struct swap_list swaps;
    struct stage_counts counts;
};
void stage_result_auto(struct stage_result *r);

/* Where the tree of a path is built; an owned string.  Looks only, so that it can be noted down
 * before anything is made. */
MUST_CHECK bool stage_folder(const char *path, const char *id, char **out, struct err *e);

/*
 * Build the new tree of a path, whole and durable, in its folder, and say what changes places
 * (nothing, when nothing would change).  Missing directories above the path are made.  What the
 * snapshot does not have at the path is to be nothing, unless it holds what no backup saves.
 *
 * ERR_NOT_FOUND: the snapshot has nothing of the source.  ERR_USAGE: something is mounted inside
 * the path.  ERR_EXISTS: the folder is there already, another restore has its folder inside the
 * path, or what no backup saves stands below what is no directory in the snapshot.  Any item that
 * cannot be restored or carried over fails the whole, naming it.  After a failure or a
 * cancellation, the folder is gone.
 */
MUST_CHECK bool stage_tree(struct repo *r, const struct stage_options *o,
                           const struct report *report, struct stage_result *out, struct err *e);

/* Remove a folder of stage_folder() with all that is in it, also when the work was cancelled. */
MUST_CHECK bool stage_remove(const char *folder, struct err *e);

/*
 * What stage_tree() would do, looking only and without a safety snapshot: files are compared by
 * type, size, time of modification and mode, and what is not in the snapshot counts as kept
 * when the source's patterns exclude it, and as removed otherwise.
 */
MUST_CHECK bool stage_plan(struct repo *r, const struct stage_options *o, struct stage_counts *out,
                           struct err *e);

#endif
