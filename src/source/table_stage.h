/*
 * An import under way.  The document's rows are first copied into temporary tables, one for each
 * table, whose columns have the same types: until the document has been read to its end and every
 * value has been understood, nothing of the database is touched or locked.  Private to
 * table_json*.c.
 */
#ifndef SOURCE_TABLE_STAGE_H
#define SOURCE_TABLE_STAGE_H

#include "codec/json_reader.h"
#include "source/table_db.h"

/* Stages are numbered; so are their columns, "c0" and so on, behind "n", the row from 1. */
#define TABLE_STAGE_NAME "pg_temp.holdfast_stage_%zu"
#define TABLE_STAGES_MAX 65536

/* One table of the document. */
struct table_stage {
    struct table *table;
    char *name; /* in the document */
    size_t number;
    const struct table_column **columns; /* those that the document has */
    size_t column_count;
    uint64_t rows; /* 0: there is no temporary table */
    uint64_t inserted, updated, failed;
    uint64_t first, last; /* rows that are applied now */
    bool is_applied;
};

struct table_import {
    const struct table_json_import_options *options;
    struct table_db db;
    struct json_reader reader;
    struct table_stage *stages;
    size_t count, room;
};
void table_import_auto(struct table_import *m);

/* The position of a column in a stage; column_count when it has none of that name. */
static inline size_t table_stage_column(const struct table_stage *s, struct slice name)
{
    size_t i = 0;

    while (i < s->column_count && !slice_is_equal(slice_string(s->columns[i]->name), name))
        i++;
    return i;
}

/* All rows of a stage are applied. */
static inline void table_stage_take_all(struct table_stage *s)
{
    s->first = 1;
    s->last = s->rows;
}

/* Statements (table_statement.c): apply the chosen rows of these stages in one, within a savepoint
 * "holdfast" that stays when it fails; count which rows of all stages would be inserted. */
MUST_CHECK bool table_statement_run(struct table_import *m, struct table_stage *const *group,
                                    size_t count, struct err *e);
MUST_CHECK bool table_statement_count(struct table_import *m, struct err *e);

/* Read the whole document into stages. */
MUST_CHECK bool table_document_read(struct table_import *m, struct err *e);

/* The rows of one table on their way into its stage. */
struct table_rows {
    struct table_import *import;
    struct table_stage *stage;
    enum table_json_form form;
    bool is_settled;   /* the columns are known */
    bool is_at_end;    /* the last row was read */
    struct buf fields; /* of the row being read, in the order of the document */
    size_t *begin, *size;
    bool *is_set;
    size_t next; /* the column that most likely comes now */
    struct buf lines;
};
void table_rows_init(struct table_rows *w, struct table_import *m, struct table_stage *s);
void table_rows_auto(struct table_rows *w);

/* Let the document's column be one of the stage, unless it is computed here or may be missing. */
MUST_CHECK bool table_rows_add_column(struct table_rows *w, struct slice name, struct err *e);

/* Read the rows behind their '['. */
MUST_CHECK bool table_rows_read(struct table_rows *w, struct err *e);

/* Put the rows of all stages into their tables. */
MUST_CHECK bool table_apply(struct table_import *m, struct err *e);

#endif
