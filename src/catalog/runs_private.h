/* What runs, sets and jobs do for each other.  Private to src/catalog. */
#ifndef CATALOG_RUNS_PRIVATE_H
#define CATALOG_RUNS_PRIVATE_H

#include "catalog/runs.h"

/* A run that came to its end. */
struct run_end {
    const char *set;
    enum catalog_run_kind kind;
    const char *id;
    int64_t ended_ns;
};

/* End a run that waits or runs, of a job or not. */
MUST_CHECK bool catalog_run_close(struct catalog_tx *t, const char *id,
                                  const struct catalog_outcome *o, struct err *e);

/* Let the set know what came of it. */
MUST_CHECK bool catalog_set_learn(struct catalog_tx *t, const struct run_end *end,
                                  const struct catalog_outcome *o, struct err *e);

#endif
