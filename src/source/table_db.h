/*
 * The connection that tables are read from and written to, and what its tables look like.
 * Private to table_json*.c.
 */
#ifndef SOURCE_TABLE_DB_H
#define SOURCE_TABLE_DB_H

#include "source/postgres_link.h"
#include "source/table_json.h"

struct table_db {
    struct postgres_link link;
    struct table *tables;
    size_t count;
    struct arena arena; /* of the tables */
};

void table_db_auto(struct table_db *d);

/* Connect, and settle the forms in which values are read and written. */
MUST_CHECK bool table_db_open(struct table_db *d, const struct table_json_database *where,
                              struct err *e);

/* What decides the form of a column's values. */
enum table_kind {
    TABLE_KIND_TEXT, /* anything in PostgreSQL's own text form */
    TABLE_KIND_BOOL,
    TABLE_KIND_NUMBER, /* small integers and floats */
    TABLE_KIND_BIG,    /* int8 */
    TABLE_KIND_JSON,
    TABLE_KIND_BYTES,
    TABLE_KIND_TIME, /* timestamp with and without time zone */
    TABLE_KIND_ARRAY,
};

struct table_column {
    const char *name;
    const char *quoted;
    const char *type;
    const char *sequence; /* that makes its values, as quoted name; NULL: none */
    enum table_kind kind;
    bool is_generated;
    bool is_always_identity;
    bool is_key; /* of the primary key */
};

struct table {
    const char *name;   /* as table_json_pick says */
    const char *schema; /* and relation, as they are */
    const char *relation;
    const char *quoted; /* with schema */
    const char *oid;
    const char *only; /* "ONLY " in front of a table that may have children of its own */
    struct table_column *columns;
    size_t column_count; /* 0 until table_db_columns() */
};

/* Look at all tables that are not the system's or an extension's. */
MUST_CHECK bool table_db_load(struct table_db *d, struct err *e);
/* By its name; "public." may stand in front.  NULL: there is none. */
struct table *table_db_find(struct table_db *d, struct slice name);
/* Load the columns of a table, unless they are there. */
MUST_CHECK bool table_db_columns(struct table_db *d, struct table *t, struct err *e);

#endif
