/*
 * Private to src/job: the files of a restore, and which bytes of which frame go where.
 *
 * Files are planned until the plan is full, then run: the frames they need are read in the
 * order in which they are stored, each once, and every piece is written to all its places.
 * So memory is bounded however large the snapshot is.
 */
#ifndef JOB_RESTORE_PLAN_H
#define JOB_RESTORE_PLAN_H

#include <stdatomic.h>

#include "base/thread.h"
#include "job/job.h"
#include "job/path_set.h"

struct restore_counters {
    _Atomic uint64_t files_total, files_restored, files_updated, files_skipped, files_deleted;
    _Atomic uint64_t bytes_total, bytes_restored, bytes_skipped, files_verified;
    _Atomic uint64_t errors, warnings;
};

/* What all parts of one restore share. */
struct restore_run {
    struct repo *repo;
    const struct restore_options *options;
    const struct report *report;
    struct target *target; /* NULL: dry run into a directory that does not exist */
    struct restore_counters counters;
    pthread_mutex_t lock; /* guards what follows and the report's item callbacks */
    struct err failure;   /* of the first item that failed; code ERR_NONE: none */
    struct err damage;    /* the first ERR_CORRUPT; code ERR_NONE: none */
    struct path_set left; /* not as the snapshot has them: failed, or kept on request */
};

/* Tell one failed item, and remember damage of the repository.  path is raw bytes. */
void restore_item_error(struct restore_run *run, const char *during, const char *path,
                        const struct err *why);
/* False when a failed item ends the restore; e may be NULL. */
bool restore_goes_on(struct restore_run *run, struct err *e);
/* A path stays as it is, on request. */
void restore_left(struct restore_run *run, const char *path);
bool restore_was_left(struct restore_run *run, const char *path);
void restore_warning(struct restore_run *run, const char *path, const struct err *why);
void restore_item(struct restore_run *run, const char *action, const char *path, uint64_t size);

/*
 * Go through what root (a directory or something else, its slices stay valid) holds: restore
 * what is selected, or compare it with the target.  Single items that fail are told; false
 * only for what ends the whole restore.
 */
MUST_CHECK bool restore_walk(struct restore_run *run, const struct entry *root, bool is_verify,
                             struct err *e);

struct restore_plan;
struct restore_plan *restore_plan_new(struct restore_run *run);
void restore_plan_free(struct restore_plan *p); /* accepts NULL */
void restore_plan_auto(struct restore_plan **p);

/* Add a file that is to be created or replaced.  Copies what it needs; ERR_CORRUPT when chunks
 * of it are in no pack (the file is told and counted by the caller). */
MUST_CHECK bool restore_plan_add(struct restore_plan *p, struct reader *rd, const char *path,
                                 const struct entry *en, enum target_action action, struct err *e);
bool restore_plan_is_full(const struct restore_plan *p);

/* Restore all planned files with one thread per processor and empty the plan.  Failures of
 * single files are told, not returned unless they end the restore; ERR_CANCELLED is. */
MUST_CHECK bool restore_plan_run(struct restore_plan *p, struct err *e);

/* Compare a restored file with the snapshot by reading it back. */
MUST_CHECK bool restore_verify_file(struct restore_run *run, struct reader *rd, const char *path,
                                    const struct entry *en, struct err *e);

#endif
