/*
 * Archives on their way into an import of the service: what came over the network lies in a folder
 * of its own, STATE/imports/ID, until the job that reads it has ended.  Part of job.h.
 *
 *   archive/NAME   the file as it came, by the name that its sender gave it
 *   key.0, key.1   key files that came with it
 *
 * Who writes there holds a lock on the folder until the job is in the queue; a folder that nobody
 * holds and no job names is litter, whatever left it.
 */
#ifndef JOB_ARRIVAL_H
#define JOB_ARRIVAL_H

#include "catalog/catalog.h"

#define ARRIVAL_FOLDER "archive"
#define ARRIVAL_KEY    "key." /* and a number from 0 */

/* At a time: each may be as long as the configuration says. */
#define ARRIVALS_MAX 4

/*
 * Make a folder, mode 0700, with a new id and a lock that ends when *fd is closed.  ERR_TRANSIENT:
 * as many are there as may be.
 */
MUST_CHECK bool arrival_new(const char *state, char id[CATALOG_ID_SIZE], int *fd, struct err *e);

/* Whether it is an id: 32 hexadecimal digits.  Whether it is a name and leads nowhere else. */
bool arrival_id_is(const char *id);
bool arrival_name_is(const char *name);

/* Append the path of the folder. */
void arrival_path(const char *state, const char *id, struct buf *out);

/* Remove a folder and what is in it. */
MUST_CHECK bool arrival_remove(const char *state, const char *id, struct err *e);

/* Remove what is litter. */
MUST_CHECK bool arrival_sweep(const char *state, struct catalog *c, struct err *e);

#endif
