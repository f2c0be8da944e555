/*
 * Forgetting by the rules of a configured set: a plan of job/retention_run.h, shown and applied.
 */
#ifndef CLI_FORGET_SET_H
#define CLI_FORGET_SET_H

#include "cli/call.h"
#include "job/job.h"

/*
 * What is known of the set besides its repositories: what the command line says, or else what the
 * catalog of the state folder says when there is one.
 */
struct forget_told {
    const char *failed_runs;        /* a number; NULL: the catalog is asked for all of it */
    int64_t clock_seen_ns;          /* 0: nothing was said */
    const struct strings *verified; /* each "ID=TIME"; or NULL */
};
MUST_CHECK bool forget_learn(struct call *call, const struct config *c, const char *set,
                             const struct forget_told *told, struct retention_known *out,
                             struct err *e);

/* One repository. */
struct forget_plan {
    struct repo *repo;
    const struct config_set *set;
    const struct config_repository *in;
    const struct retention_known *known;
    const char *approve; /* digest, or NULL */
    bool is_dry_run;
    bool is_brief; /* without a line for each snapshot */
};

/*
 * Tell the plan and, unless it is a dry run, do what it says; with --json it is added to list.
 * ERR_TRANSIENT when it is paused and ERR_FATAL when it is refused: after it was told, and nothing
 * was removed.  A dry run has succeeded all the same.
 */
MUST_CHECK bool forget_plan(struct call *call, const struct forget_plan *p, json_t *list,
                            struct err *e);

/* The same of a plan that came as such an element of list: what a service did, or would do. */
void forget_tell(struct call *call, const json_t *plan, bool is_brief);

#endif
