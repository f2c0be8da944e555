/*
 * The tables of the catalog and how they came to be, version by version.  Private to src/catalog.
 */
#ifndef CATALOG_SCHEMA_H
#define CATALOG_SCHEMA_H

#include "catalog/db.h"

/* The version that this program makes and understands. */
int schema_newest(void);

/*
 * Bring the database from whatever version it has, or none, to this one: each step in a
 * transaction of its own, and by one process at a time.  ERR_USAGE when it is newer, ERR_CORRUPT
 * when it is another program's.
 */
MUST_CHECK bool schema_update(struct db *d, int version, struct err *e);

/* The version of a database; 0: it has no tables. */
MUST_CHECK bool schema_version(struct db *d, int *out, struct err *e);

#endif
