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

/* A database of SQLite is held in memory while a table of it is read. */
#define TABLES_SQLITE_MAX ((uint64_t)128 << 20)

struct tables_dump {
    const char *path;  /* of the file with its rows: "/postgres/shop/data/public.orders.copy"; of
                        * SQLite the database: "/sqlite/app.db" */
    const char *table; /* of SQLite, as tables_walk() names it; else NULL */
    enum copy_rows_form form;
    uint64_t rows_max; /* 0: all */
    int fd;
};
/*
 * Write the rows of a table.  ERR_USAGE when the path is of no table with rows of its own, for JSON
 * out of a database that is not in UTF-8, and for one of SQLite of more than TABLES_SQLITE_MAX
 * bytes.  That may be hostile: docs/sandbox.md says where it is read.  ERR_CORRUPT, after some were
 * written, when they are not those of the manifest.
 */
MUST_CHECK bool tables_dump(struct repo *r, const struct hash *tree, const struct tables_dump *o,
                            struct err *e);

#endif
