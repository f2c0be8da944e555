/*
 * What a job tells of the repositories it needed.  Part of dispatch.h.
 */
#ifndef JOB_DISPATCH_STORES_H
#define JOB_DISPATCH_STORES_H

#include "catalog/catalog.h"
#include "job/child_outcome.h"
#include "job/config.h"

/*
 * Write down which repositories of the set are up or down, as far as the job said it: by name, for
 * several; of one, that the job was done, or that it could not be opened.  Nothing is concluded
 * from other failures.  set NULL: nothing is known.  What a check found is written down, too.
 */
MUST_CHECK bool dispatch_stores(struct catalog_tx *t, const struct config_set *set,
                                const struct child_job *j, const struct child_outcome *o,
                                struct err *e);

/* Whether it was a check that read everything and found it whole. */
bool dispatch_verified(const struct child_outcome *o);

#endif
