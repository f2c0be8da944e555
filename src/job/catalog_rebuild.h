/*
 * The catalog from the repositories: what their snapshots and the evidence of drills still tell of
 * backups that were made, written into a catalog that lost it, or never had it.  Part of job.h.
 *
 * What comes back: a run for each snapshot of a set (one for all its copies), a run for each drill,
 * what is known of the sets by them, and configurations of the API.  What cannot: runs that left
 * nothing behind (failed ones, checks, restores, pushes), restore points, users, tokens, the audit
 * log, settings.
 *
 * What the catalog knows already stays as it is: runs are found by their snapshots, and the ids of
 * those that are written are made from what they tell of, so that any number of rebuilds, at once
 * or one after the other, write each run once.
 */
#ifndef JOB_CATALOG_REBUILD_H
#define JOB_CATALOG_REBUILD_H

#include "catalog/catalog.h"
#include "job/config.h"
#include "repo/repo.h"

struct rebuild;
struct rebuild *rebuild_new(void);
void rebuild_free(struct rebuild *b); /* accepts NULL */
void rebuild_auto(struct rebuild **b);

/*
 * Read all that a repository tells; name is kept with the runs.  What is damaged is told and left
 * out.  On failure what was read of it before stays.
 */
MUST_CHECK bool rebuild_read(struct rebuild *b, const char *name, struct repo *r,
                             damaged_fn *damaged, void *arg, struct err *e);

/* What was read. */
struct rebuild_found {
    uint64_t snapshots; /* of sets, with their copies */
    uint64_t without_set;
    uint64_t safety;  /* taken by restores: no backups of their own */
    uint64_t imports; /* of what other programs backed up */
    uint64_t drills;
};
void rebuild_found(const struct rebuild *b, struct rebuild_found *out);

/*
 * The configurations that travelled with the newest snapshots of each set, as one document that
 * config_read() takes; for json_decref(), NULL when there is none.  Those of the API are left out,
 * with their repositories in it: rebuild_write() brings them back.
 */
json_t *rebuild_configuration(const struct rebuild *b);

/* What was written. */
struct rebuild_counts {
    uint64_t backups, drills, configs;
    uint64_t known;     /* runs that were there already */
    uint64_t old;       /* that the catalog would forget at once: not written */
    uint64_t under_way; /* that belong to a run which has not ended: it will tell itself */
};

struct rebuild_options {
    struct catalog *catalog;
    const struct config *config; /* sets of this file are no configurations of the API */
    /* Called in each transaction that has written something, with what it has written. */
    bool (*record)(void *arg, struct catalog_tx *t, const struct rebuild_counts *added,
                   struct err *e);
    void *arg;
};

/* In transactions of some hundred runs: one that is killed has written some of them, and the next
 * one writes the others. */
MUST_CHECK bool rebuild_write(struct rebuild *b, const struct rebuild_options *o,
                              struct rebuild_counts *out, struct err *e);

#endif
