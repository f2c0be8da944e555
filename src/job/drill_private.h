/*
 * Private to src/job: a drill under way, and the provers, one for each kind of thing.
 */
#ifndef JOB_DRILL_PRIVATE_H
#define JOB_DRILL_PRIVATE_H

#include "job/job.h"

struct drill {
    struct repo *repo;
    const struct drill_options *options;
    struct reader *reader;
    const char *scratch; /* an empty folder of this drill's own */
    struct drill_result result;
};

/*
 * Prove one thing: en is its entry at path.  Fills in what was counted and how it was checked, and
 * sets verdict and why (owned); the caller takes the time.  False only for ERR_CANCELLED and
 * failures of the repository other than damage, which is a verdict, as lack of room is.
 */
typedef bool prove_fn(struct drill *d, const char *path, const struct entry *en,
                      struct drill_member *m, struct err *e);

/* Everything below a directory, or one file: each chunk read and its id computed again. */
bool prove_tree(struct drill *d, const char *path, const struct entry *en, struct drill_member *m,
                struct err *e);

/* A copy of the database compared with its manifest. */
bool prove_sqlite(struct drill *d, const char *path, const struct entry *en, struct drill_member *m,
                  struct err *e);

/* The database restored on a server of its own and compared with its manifest. */
bool prove_postgres(struct drill *d, const char *path, const struct entry *en,
                    struct drill_member *m, struct err *e);

/* The configured check reads the output. */
bool prove_command(struct drill *d, const char *path, const struct entry *en,
                   struct drill_member *m, struct err *e);

/* All pushed bundles together: path is their folder. */
bool prove_bundle(struct drill *d, const char *path, const struct entry *en, struct drill_member *m,
                  struct err *e);

/* The manifest beside a member's entry. */
MUST_CHECK bool drill_read_manifest(struct drill *d, const char *path, struct buf *out,
                                    struct err *why);

/* Say that it failed, with this sentence; returns true. */
bool drill_failed(struct drill_member *m, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool drill_not_checked(struct drill_member *m, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* What a comparison with a manifest found: proven, or failed with the differences.  True. */
bool drill_compared(struct drill_member *m, uint64_t differences, struct buf *text);

/* Whether something failed because the scratch folder is full: nothing else is written to. */
bool drill_lacks_room(const struct err *why);

/* A failure while reading or copying: damage and a full scratch folder are verdicts (true), the
 * rest goes back with *e (false). */
bool drill_judge(struct drill_member *m, const struct err *why, struct err *e);

#endif
