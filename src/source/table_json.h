/*
 * Tables of a PostgreSQL database as one JSON document, and back.  Part of source.h; the format
 * is described in docs/formats/table-json.md.
 */
#ifndef SOURCE_TABLE_JSON_H
#define SOURCE_TABLE_JSON_H

#include "base/buf.h"
#include "codec/json_reader.h"

/* Longest row, in bytes of JSON text. */
#define TABLE_JSON_ROW_MAX ((size_t)64 << 20)

struct table_json_database {
    const char *dsn;      /* libpq's connection string or URI */
    const char *password; /* or NULL: where libpq finds one */
};

/* A table, "name" in schema public or "schema.name"; parts with dots or quotation marks stand in
 * quotation marks.  name is what the document calls it; NULL: the same. */
struct table_json_pick {
    const char *table;
    const char *name;
};

/* Gets the document piece by piece. */
typedef bool table_json_write_fn(void *arg, struct slice bytes, struct err *e);

enum table_json_form {
    TABLE_JSON_TYPED, /* columns with their types, every value exactly */
    TABLE_JSON_PLAIN, /* arrays of rows, as applications write them */
};

struct table_json_export_options {
    struct table_json_database database;
    enum table_json_form form;
    const struct table_json_pick *picks; /* in this order */
    size_t pick_count;                   /* 0: all tables that can be seen, ordered by name */
    bool skips_missing;                  /* picks that the database does not have are left out */
    table_json_write_fn *write;
    void *arg;
};

struct table_json_totals {
    uint64_t tables, rows;
};

/*
 * Write the document, as of one moment.  What was written before a failure is no document.
 * ERR_NOT_FOUND for a table that is not there, ERR_DENIED without the right to read it.
 */
MUST_CHECK bool table_json_export(const struct table_json_export_options *o,
                                  struct table_json_totals *out, struct err *e);

enum table_json_mode {
    TABLE_JSON_UPSERT,  /* rows with a primary key that exists are updated, others inserted */
    TABLE_JSON_REPLACE, /* the tables in the document are emptied first */
    TABLE_JSON_INSERT,  /* every row is new */
};

struct table_json_count {
    char *name; /* in the document */
    uint64_t rows, inserted, updated, unchanged;
    uint64_t failed; /* and left out */
};

struct table_json_counts {
    struct table_json_count *tables; /* in the document's order */
    size_t count;
};
void table_json_counts_auto(struct table_json_counts *c);

/* A row that the database refused and that was left out; key is its primary key's text. */
struct table_json_failure {
    const char *table; /* in the document */
    const char *key;
    const struct err *why;
};
typedef void table_json_failed_fn(void *arg, const struct table_json_failure *f);

/* Writes what belongs into the same transaction, behind the rows; its failure undoes them. */
struct postgres_link;
typedef bool table_json_end_fn(void *arg, struct postgres_link *l,
                               const struct table_json_counts *c, struct err *e);

struct table_json_import_options {
    struct table_json_database database;
    enum table_json_mode mode;
    bool ignores_unknown;                /* tables and columns; otherwise an error */
    bool skips_triggers;                 /* those of users; needs the owner of the tables */
    bool is_dry_run;                     /* write nothing; rows whose key is there are "updated" */
    bool skips_failures;                 /* leave rows out that the database refuses */
    table_json_failed_fn *failed;        /* gets each of them, or NULL */
    table_json_end_fn *at_end;           /* not called by a dry run; or NULL */
    void *call_arg;                      /* of both */
    const struct table_json_pick *picks; /* the only tables that are known */
    size_t pick_count;                   /* 0: all tables of the database */
    json_read_fn *read;
    void *arg;
};

/*
 * Read the document to its end, then change the database, in one transaction: either all of it
 * arrives or nothing.  Numbers that sequences gave away stay given away.  ERR_CORRUPT when it is
 * no such document, ERR_NOT_FOUND for tables or columns that the database does not have; a
 * failure names table, row (from 1) and column where it has them.  Only rows that break a
 * constraint, that a trigger refuses or whose values cannot be can be left out.
 */
MUST_CHECK bool table_json_import(const struct table_json_import_options *o,
                                  struct table_json_counts *out, struct err *e);

#endif
