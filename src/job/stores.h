/*
 * The repositories of a set: opened side by side, backed up to with one reading of the source, and
 * brought to the same state.  Part of job.h.
 *
 * A store that cannot be opened, or fails, does not stop the others; the next run catches it up.
 */
#ifndef JOB_STORES_H
#define JOB_STORES_H

#include "job/config.h"
#include "repo/repo.h"

struct set_store {
    const struct config_repository *config;
    struct store *store;
    struct repo *repo;          /* NULL: not open yet, cannot be opened, or has failed since */
    struct err why;             /* that is so; ERR_NONE: not open yet */
    struct snapshot_list known; /* of the set, committed or forgotten */
    bool is_known;
    const struct snapshot **planned; /* in a dry run: what would be copied here */
    size_t planned_count;
};

struct set_stores {
    const struct config_set *set;
    struct set_store *items; /* in the order of the set */
    size_t count;
    struct openings *openings; /* what goes on; NULL: nothing */
};

/* Opens one repository of a configuration with the secret that is named there.  Called by several
 * threads at once, each with another repository. */
typedef bool set_store_open_fn(void *arg, const struct config_repository *c, struct store **store,
                               struct repo **repo, struct err *e);

/*
 * Open what can be opened, all at once; configuration and arg must live as long as the result.
 * Returns when each is open or has failed, or two seconds after the first was open: the others go
 * on then, and are waited for when there is need of them.  ERR_USAGE when two of them do not share
 * chunker parameters.  The error of the first when none can be opened.
 */
MUST_CHECK bool set_stores_open(const struct config_set *set, set_store_open_fn *open, void *arg,
                                struct set_stores **out, struct err *e);
/* Waits for what is still being opened; accepts NULL. */
void set_stores_free(struct set_stores *s);
void set_stores_auto(struct set_stores **s);

/* Wait for all of them: ERR_USAGE when two of them do not share chunker parameters. */
MUST_CHECK bool set_stores_wait(struct set_stores *s, struct err *e);

/* The same for one.  One that cannot be opened, or is not like the others, has the reason in why.
 */
void set_stores_settle(struct set_stores *s, size_t n);
bool set_stores_is_settled(const struct set_stores *s, size_t n);

/* Let go of one that has failed; its configuration stays. */
void set_store_close(struct set_store *s);

/* What became of one store in a run. */
struct store_outcome {
    const char *name;
    bool has_it;          /* the snapshot that the run is about */
    struct hash snapshot; /* its id there */
    uint64_t copied;      /* snapshots that were copied into it */
    uint64_t failed;      /* that could not be, because they are damaged elsewhere */
    bool has_failed;      /* it could not be opened, or written to, or read */
    struct err why;
};

struct stores_result {
    struct backup_result *backup; /* NULL: nothing was backed up, only caught up */
    size_t first;                 /* the store that the source was read into */
    struct store_outcome *stores;
    size_t count;
    size_t holders;   /* stores that have the snapshot */
    bool is_degraded; /* a store failed, or lacks a snapshot that it should have */
};
void stores_result_done(struct stores_result *r);
void stores_result_auto(struct stores_result *r);

struct report;
struct backup_options;

/* Who hears of what goes on. */
struct stores_report {
    const struct report *backup;
    /* The options of a copy to a store; told and progress may be NULL. */
    struct copy_options (*copy)(void *arg, const char *to);
    void *arg;
};

/*
 * Back up into the first store that takes it, then bring all stores to the same state; when that
 * store fails before another has the snapshot, the next one is backed up to.  True when
 * the snapshot is committed in one store at least (or nothing was to be committed): see holders
 * and is_degraded, and the set's required_repositories.  A source that fails, or an interruption,
 * ends the run.  result is *out->backup's place.
 */
MUST_CHECK bool stores_backup(struct set_stores *s, const struct backup_options *o,
                              const struct stores_report *report, struct backup_result *result,
                              struct stores_result *out, struct err *e);

/*
 * Give every store the snapshots of the set that another has and that its rules would keep.
 * What was forgotten in a store and not pruned yet does not come back.
 */
MUST_CHECK bool stores_catch_up(struct set_stores *s, const struct stores_report *report,
                                struct stores_result *out, struct err *e);

/*
 * Find a snapshot: of an id (also that of which it is a copy) the first store that has it, of
 * "latest" the newest of all that answer.  *sub as of snapshot_resolve().
 */
MUST_CHECK bool stores_find(struct set_stores *s, const char *selector,
                            const struct snapshot_filter *f, size_t *which, struct snapshot **out,
                            char **sub, struct err *e);

#endif
