/*
 * Tables of the databases in a snapshot.  Part of job.h.
 */
#ifndef JOB_TABLES_H
#define JOB_TABLES_H

#include "codec/copy_rows.h"
#include "repo/repo.h"
#include "source/source.h"

/* A database of a snapshot; borrowed, for the length of a call. */
struct tables_database {
    const char *kind; /* "postgres", "sqlite" */
    const char *path; /* "/postgres/shop", raw bytes with a NUL */
    bool has_manifest;
};

/* Called for each database, with NULL, and then for each of its tables. */
typedef bool tables_fn(void *arg, const struct tables_database *d, const struct stored_table *t,
                       struct err *e);
MUST_CHECK bool tables_walk(struct repo *r, const struct hash *tree, tables_fn *fn, void *arg,
                            struct err *e);

struct tables_dump {
    const char *path; /* of the file with its rows: "/postgres/shop/data/public.orders.copy" */
    enum copy_rows_form form;
    uint64_t rows_max; /* 0: all */
    int fd;
};
/*
 * Write the rows of a table.  ERR_USAGE when the path is of no table with rows of its own, and for
 * JSON out of a database that is not in UTF-8.  ERR_CORRUPT, after some were written, when they are
 * not those of the manifest.
 */
MUST_CHECK bool tables_dump(struct repo *r, const struct hash *tree, const struct tables_dump *o,
                            struct err *e);

#endif
