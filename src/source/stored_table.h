/*
 * Tables of databases as the manifests of a backup tell them, for who looks at them.  Part of
 * source.h.
 */
#ifndef SOURCE_STORED_TABLE_H
#define SOURCE_STORED_TABLE_H

#include "base/buf.h"

/* Borrowed, for the length of a call.  Texts may be NULL where that is said. */
struct stored_table {
    const char *schema;         /* NULL: SQLite has none */
    const char *name;           /* of SQLite as path_escape() writes it */
    const char *kind;           /* as the manifest has it */
    const char *file;           /* "data/public.t.copy"; NULL: its rows have no file of their own */
    const char *encoding;       /* of that file */
    const char *const *columns; /* in the order of that file */
    size_t column_count;
    bool has_rows; /* what follows is known */
    uint64_t rows, bytes;
    const char *hash; /* over all rows, in any order */
    const char *read; /* time of the backup that read them; NULL: this one did */
};
typedef bool stored_table_fn(void *arg, const struct stored_table *t, struct err *e);

/* Tell the tables of a manifest in its order, SQLite's own left out.  ERR_CORRUPT for what is no
 * manifest. */
MUST_CHECK bool postgres_tables_tell(struct slice manifest, stored_table_fn *fn, void *arg,
                                     struct err *e);
MUST_CHECK bool sqlite_tables_tell(struct slice manifest, stored_table_fn *fn, void *arg,
                                   struct err *e);

#endif
