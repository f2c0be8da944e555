/*
 * What of a database belongs to a backup.  Private to src/source.
 *
 * pg_dump, which writes the definitions, chooses by the same patterns; the rules here are its
 * rules.
 */
#ifndef SOURCE_POSTGRES_SELECTION_H
#define SOURCE_POSTGRES_SELECTION_H

#include "source/postgres_link.h"
#include "source/postgres_manifest.h"

/* A table, sequence or the like. */
struct postgres_item {
    struct postgres_table table; /* file, rows, bytes and hash come with the data */
    uint32_t oid;
    uint64_t size;           /* of its data on the server's disk, bytes */
    const char *sql_name;    /* quoted */
    const char *sql_columns; /* quoted, separated by commas; "" when all are generated */
    char relkind;            /* as in pg_class */
    bool is_readable;        /* the role may read it */
    bool is_secured;         /* by row security, so that the role sees only some rows */
    bool has_data;           /* its rows or value belong to the backup */
    bool is_listed; /* found by an excluding pattern for data: has_data is false for that */
};

struct postgres_selection {
    struct postgres_item *items; /* by schema and name */
    size_t count;
    bool is_everything; /* no pattern names what to take: large objects belong to it */
    struct arena arena;
};
void postgres_selection_done(struct postgres_selection *s);
void postgres_selection_auto(struct postgres_selection *s);

/* A value that the server printed, for as long as the selection is there; NULL for null. */
const char *postgres_selection_keep(struct postgres_selection *s, const PGresult *r, int row,
                                    int column);

/*
 * Find out, without waiting for anybody's lock.  ERR_NOT_FOUND when a pattern of what to take
 * matches nothing, ERR_USAGE when one is malformed.
 */
MUST_CHECK bool postgres_selection_load(struct postgres_link *l,
                                        const struct postgres_texts patterns[POSTGRES_CHOICES],
                                        struct postgres_selection *out, struct err *e);

/* Append an array of the numbers of all items, 0 for what has no rows of its own. */
void postgres_selection_tables(const struct postgres_selection *s, struct buf *out);

/* Fill in the sizes of tables; waits while somebody changes one. */
MUST_CHECK bool postgres_selection_measure(struct postgres_link *l, struct postgres_selection *s,
                                           struct err *e);

/* ERR_DENIED unless the role may read all of it. */
MUST_CHECK bool postgres_selection_check(const struct postgres_selection *s, const char *role,
                                         struct err *e);

/*
 * A pattern of pg_dump as regular expressions of the server: '*' and '?' are wildcards, upper case
 * counts only inside '"', one '.' divides schema and table.  schema stays empty without one.
 */
MUST_CHECK bool postgres_pattern_parse(const char *pattern, bool is_schema, struct buf *schema,
                                       struct buf *name, struct err *e);

#endif
