/*
 * Drills: restoring a snapshot for proof.  Part of job.h.
 *
 * Each thing that a snapshot holds (a file tree, a database, the output of a command) is brought
 * back in scratch space and compared with what was noted when it was backed up.
 */
#ifndef JOB_DRILL_H
#define JOB_DRILL_H

#include "job/config.h"
#include "repo/repo.h"
#include "source/source.h"

enum verdict {
    VERDICT_PROVEN,      /* brought back, and nothing differs */
    VERDICT_NOT_CHECKED, /* nobody knows */
    VERDICT_FAILED,
};
/* "proven", "not checked", "failed". */
const char *verdict_text(enum verdict v);

/* What was found of one thing. */
struct drill_member {
    char *place; /* "files", "sqlite/app.db": its path without the first '/', as path text */
    enum verdict verdict;
    char *why; /* NULL when proven; else one sentence */
    int64_t duration_ms;
    uint64_t files, bytes; /* read back */
    uint64_t tables, rows; /* compared */
    char *check;           /* how, in a few words: "every chunk read and hashed" */
};

struct drill_options {
    const struct snapshot *snapshot;
    const char *scratch; /* a folder to work in; NULL: that of the system */
    const char *host;    /* where the drill runs; NULL: this machine's name */
    /* The set as it is configured here: only it says which programs check the output of
     * commands, whatever the snapshot says.  NULL: none is run. */
    const struct config_set *set;
};

struct drill_result {
    struct drill_member *members;
    size_t count;
    enum verdict verdict; /* failed when one is; proven when all are */
    int64_t time_ns, duration_ms;
    struct buf evidence; /* what was stored: JSON, docs/drills.md */
};
void drill_result_done(struct drill_result *d);
void drill_result_auto(struct drill_result *d);

/*
 * Drill a committed snapshot and store the evidence.  True whatever the verdict; false when no
 * verdict could be had or stored (ERR_CANCELLED, the repository failed): then nothing is stored.
 * Scratch space is cleaned up in any case; what a killed drill left there the next one removes.
 */
MUST_CHECK bool drill_run(struct repo *r, const struct drill_options *o, struct drill_result *out,
                          struct err *e);

#endif
