/*
 * Runs: what was done or is to be done, one record for each attempt.  Part of catalog.h.
 *
 * A run that belongs to a job of the queue is moved on by jobs.h; others, of the command line for
 * instance, are added when they begin and ended here.
 */
#ifndef CATALOG_RUNS_H
#define CATALOG_RUNS_H

#include "catalog/opening.h"

enum catalog_run_kind {
    RUN_BACKUP,
    RUN_VERIFY,
    RUN_DRILL,
    RUN_RESTORE,
    RUN_RETENTION,
    RUN_PRUNE,
    RUN_COPY,
    RUN_EXPORT,
    RUN_IMPORT,
    RUN_CHECK,
    RUN_PUSH,
    RUN_KINDS,
};

enum catalog_run_state {
    RUN_QUEUED,
    RUN_RUNNING,
    RUN_SUCCESS,
    RUN_INCOMPLETE, /* some source could not be read in full */
    RUN_DEGRADED,   /* a success that some of several repositories, none required, did not get */
    RUN_FAILED,
    RUN_CANCELLED,
    RUN_INTERRUPTED, /* its process or host went away */
    RUN_SKIPPED,     /* nothing was to be done, or its time was over */
    RUN_STATES,
};

enum catalog_run_cause {
    CAUSE_MANUAL,
    CAUSE_SCHEDULE,
    CAUSE_API,
    CAUSE_CATCH_UP,
    RUN_CAUSES,
};

/* "backup", "success", "catch-up"; and back, -1 for other words. */
const char *catalog_run_kind_name(enum catalog_run_kind kind);
const char *catalog_run_state_name(enum catalog_run_state state);
const char *catalog_run_cause_name(enum catalog_run_cause cause);
int catalog_run_kind_find(const char *name);
int catalog_run_state_find(const char *name);
int catalog_run_cause_find(const char *name);

/* Nothing comes after it. */
static inline bool catalog_run_state_is_final(enum catalog_run_state state)
{
    return state != RUN_QUEUED && state != RUN_RUNNING;
}

/* What came of a run. */
struct catalog_outcome {
    enum catalog_run_state state; /* a final one */
    const char *snapshot;         /* what was made or looked at; or NULL */
    const char *verdict;          /* of verify and drill: "verified", "proven", "failed"; or NULL */
    const char *checksum;         /* or NULL */
    int64_t bytes, bytes_added;   /* in all; new in the repository */
    int64_t files;
    const char *error_code; /* a word that programs may look at; or NULL */
    const char *error;      /* a sentence; or NULL */
    const char *details;    /* JSON; or NULL */
    bool may_be_incomplete; /* the set allows it: an incomplete backup is a success of the set */
};

/* Whether a set has a backup by it: what counts for its last success and its failures in a row. */
static inline bool catalog_outcome_is_success(const struct catalog_outcome *o)
{
    return o->state == RUN_SUCCESS || o->state == RUN_DEGRADED ||
           (o->state == RUN_INCOMPLETE && o->may_be_incomplete);
}

struct catalog_run {
    const char *id;
    const char *job;    /* or NULL */
    int64_t attempt;    /* of the job, from 1 */
    const char *config; /* or NULL */
    const char *set;
    enum catalog_run_kind kind;
    const char *variant; /* "full", "database", "files" ...; or NULL */
    enum catalog_run_cause cause;
    const char *requested_by; /* a user's name, "token:ID", "system" */
    int64_t created_ns, started_ns, ended_ns;
    const char *progress; /* JSON: what the process told last; or NULL */
    struct catalog_outcome outcome;
};

/*
 * Add a run.  id NULL: a new one, written to new_id; others must not be there yet (ERR_EXISTS).
 * created_ns 0: now.  The state is outcome's and may be any; the set learns of a final one.
 */
MUST_CHECK bool catalog_run_add(struct catalog_tx *t, const struct catalog_run *r,
                                char new_id[CATALOG_ID_SIZE], struct err *e);

/* End a run that belongs to no job.  ERR_NOT_FOUND when there is none that runs. */
MUST_CHECK bool catalog_run_end(struct catalog_tx *t, const char *id,
                                const struct catalog_outcome *o, struct err *e);

/* ERR_NOT_FOUND. */
MUST_CHECK bool catalog_run_get(struct catalog_tx *t, const char *id, struct arena *a,
                                struct catalog_run *out, struct err *e);

/* What the process of a run told (catalog_job_log()); "" when nothing is kept. */
#define CATALOG_LOG_MAX ((size_t)256 << 10)
MUST_CHECK bool catalog_run_log_get(struct catalog_tx *t, const char *id, struct arena *a,
                                    const char **out, struct err *e);

/* Which runs; NULL, -1 and 0: all. */
struct catalog_run_filter {
    const char *config, *set, *job, *snapshot;
    int kind, state;           /* enum values or -1 */
    int64_t from_ns, until_ns; /* created, from before until */
    bool is_ended;             /* only those in a final state */
};
#define CATALOG_RUNS_ALL ((struct catalog_run_filter){.kind = -1, .state = -1})

struct catalog_run_list {
    struct catalog_run *items;
    size_t count;
};
MUST_CHECK bool catalog_run_list(struct catalog_tx *t, const struct catalog_run_filter *f,
                                 const struct catalog_page *p, struct arena *a,
                                 struct catalog_run_list *out, struct err *e);
MUST_CHECK bool catalog_run_count(struct catalog_tx *t, const struct catalog_run_filter *f,
                                  int64_t *out, struct err *e);

/* Numbers of one kind of run and state, for statistics. */
struct catalog_run_sum {
    enum catalog_run_kind kind;
    const char *variant; /* or NULL */
    enum catalog_run_state state;
    int64_t runs, bytes;
    int64_t seconds; /* from beginning to end, added up */
};
struct catalog_run_sums {
    struct catalog_run_sum *items;
    size_t count;
};
/* Of those created from before until (0: no limit). */
MUST_CHECK bool catalog_run_sum(struct catalog_tx *t, int64_t from_ns, int64_t until_ns,
                                struct arena *a, struct catalog_run_sums *out, struct err *e);

/* How many runs of a set there are by kind and state. */
struct catalog_run_tally {
    const char *set;
    enum catalog_run_kind kind;
    enum catalog_run_state state;
    int64_t runs;
};
struct catalog_run_tally_list {
    struct catalog_run_tally *items;
    size_t count;
};
MUST_CHECK bool catalog_run_tally(struct catalog_tx *t, struct arena *a,
                                  struct catalog_run_tally_list *out, struct err *e);

/*
 * Remove runs that ended before a time, but for each set the newest backup that succeeded and what
 * restore points and jobs name.  At most limit of them, so that nobody waits long; *removed says
 * how many.
 */
MUST_CHECK bool catalog_run_forget(struct catalog_tx *t, int64_t before_ns, int64_t limit,
                                   int64_t *removed, struct err *e);

/* What is known of a set. */
struct catalog_set {
    const char *name;
    int64_t success_ns;      /* the last backup that succeeded (catalog_outcome_is_success) ended */
    const char *success_run; /* or NULL */
    int64_t failure_ns;      /* the last one that did not */
    int64_t failures;        /* in a row */
    int64_t verified_ns, proven_ns;
    const char *pause_reason; /* NULL: it is not paused */
};
struct catalog_set_list {
    struct catalog_set *items;
    size_t count;
};
/* A set that nothing is known of is all zero and found. */
MUST_CHECK bool catalog_set_get(struct catalog_tx *t, const char *name, struct arena *a,
                                struct catalog_set *out, struct err *e);
/* By name. */
MUST_CHECK bool catalog_set_list(struct catalog_tx *t, struct arena *a,
                                 struct catalog_set_list *out, struct err *e);
/* The newest drill of a set that came to an end of its own: nobody stopped it, nothing cut it off.
 */
struct catalog_drill {
    const char *set;
    const char *run;
    enum catalog_run_state state;
    int64_t ended_ns;
};
struct catalog_drill_list {
    struct catalog_drill *items;
    size_t count;
};
/* Of each set that has one, in no order. */
MUST_CHECK bool catalog_drill_list(struct catalog_tx *t, struct arena *a,
                                   struct catalog_drill_list *out, struct err *e);
/* reason NULL: go on. */
MUST_CHECK bool catalog_set_pause(struct catalog_tx *t, const char *name, const char *reason,
                                  struct err *e);

/* Snapshots that somebody wants to keep, whatever the retention says, until a time. */
struct catalog_restore_point {
    const char *id;
    const char *run, *snapshot; /* or NULL */
    const char *description;
    bool is_verified;
    const char *created_by;
    int64_t created_ns, expires_ns; /* 0: never expires */
};
struct catalog_restore_point_list {
    struct catalog_restore_point *items;
    size_t count;
};
/* id and created_ns are ignored. */
MUST_CHECK bool catalog_restore_point_add(struct catalog_tx *t,
                                          const struct catalog_restore_point *p,
                                          char id[CATALOG_ID_SIZE], struct err *e);
/* Say which snapshot it has become. */
MUST_CHECK bool catalog_restore_point_set(struct catalog_tx *t, const char *id,
                                          const char *snapshot, bool is_verified, struct err *e);
MUST_CHECK bool catalog_restore_point_list(struct catalog_tx *t, const struct catalog_page *p,
                                           struct arena *a, struct catalog_restore_point_list *out,
                                           struct err *e);
MUST_CHECK bool catalog_restore_point_remove(struct catalog_tx *t, const char *id, struct err *e);

#endif
