/*
 * Retention of a set in one of its repositories: a plan (retention.h) made of the snapshots that
 * are there and of what is known about them, and doing what it says.  Part of job.h.
 *
 * received    when the store got the commit, by its clock.  Of a copy, which came later than what
 *             it is a copy of, its own time, if that is earlier: copies are judged apart from what
 *             was written there, so that a false time costs none of these
 * trust       the newest evidence of a drill of the snapshot, or of what it was made from
 *             (snapshot.original); else whether all that was there was read and found whole since.
 *             The clock of the store may be behind by RETENTION_SKEW_NS, so that what came shortly
 *             before the reading is not verified by it
 * pins        the tag "pin"
 * restore     the tag "restore-point:TIME" (RFC 3339: until then), or "restore-point"; and what a
 *   points    restore backed up before it (SNAPSHOT_SAFETY), for RETENTION_SAFETY_NS
 *
 * kind        SNAPSHOT_UPLOAD and SNAPSHOT_IMPORT; uploads are judged name by name
 *
 * Snapshots of other sets are not looked at.
 */
#ifndef JOB_RETENTION_RUN_H
#define JOB_RETENTION_RUN_H

#include "job/config.h"
#include "job/retention.h"

/* Tags that keep a snapshot. */
#define RETENTION_PIN   "pin"
#define RETENTION_POINT "restore-point"

/* How long a safety snapshot is of use: 30 days. */
#define RETENTION_SAFETY_NS (INT64_C(30) * 24 * 3600 * 1000000000)

/* A repository all of which was read and found whole, as it was at a time. */
struct retention_verified {
    char repository[REPO_ID_TEXT]; /* as repo_id_text() writes it */
    int64_t time_ns;
};

/* What the repository does not know; {0}: nothing is. */
struct retention_known {
    int64_t now_ns;    /* 0: the clock's */
    int64_t latest_ns; /* the latest time that the clock was seen to show; 0: unknown */
    const struct retention_verified *verified;
    size_t verified_count;
    int failed_runs;  /* backups of the set that failed since the last that did not */
    bool is_approved; /* more than max_percent may go */
};

/* A plan and what it points at. */
struct retention_run {
    struct arena arena;
    struct retention_plan *plan;
};
void retention_run_free(struct retention_run *r); /* accepts NULL */
void retention_run_auto(struct retention_run **r);

/*
 * Plan by the rules of the repository, or else those of the set; in is one of the set's.  Removes
 * nothing.  ERR_USAGE: neither has rules.  ERR_CORRUPT: a snapshot is damaged, and what cannot be
 * read cannot be judged.
 */
MUST_CHECK bool retention_run_plan(struct repo *r, const struct config_set *set,
                                   const struct config_repository *in,
                                   const struct retention_known *k, struct retention_run **out,
                                   struct err *e);

/*
 * Find the plan that somebody was shown: the one that is made now, or what it would be with the
 * approval, whichever has this digest (64 hexadecimal digits).  ERR_EXISTS: neither; something
 * has changed since.  Digest NULL: as retention_run_plan().
 */
MUST_CHECK bool retention_run_find(struct repo *r, const struct config_set *set,
                                   const struct config_repository *in,
                                   const struct retention_known *k, const char *digest,
                                   struct retention_run **out, struct err *e);

/* Forget what the plan removes; *removed counts them, also on failure.  A plan that is paused or
 * refused removes nothing. */
MUST_CHECK bool retention_run_apply(struct repo *r, const struct retention_run *run,
                                    uint64_t *removed, struct err *e);

#endif
