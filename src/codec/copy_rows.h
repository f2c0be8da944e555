/*
 * Rows as PostgreSQL's COPY writes them as text, turned into CSV or lines of JSON as they pass.
 *
 * CSV: what COPY ... TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *) writes, so that NULL, which is
 * nothing between two commas, and the empty text, which is "", stay two things.
 * JSON: an object on a line for each row; each value is a text as PostgreSQL prints it, or null.
 * The bytes of texts stay as they are: they have to be UTF-8 to be JSON.
 *
 * A row may be as long as it likes: nothing is kept but where in it one is.
 */
#ifndef CODEC_COPY_ROWS_H
#define CODEC_COPY_ROWS_H

#include "base/buf.h"

enum copy_rows_form { COPY_ROWS_CSV, COPY_ROWS_JSON };

struct copy_rows {
    enum copy_rows_form form;
    const char *const *columns; /* borrowed */
    size_t column_count;
    uint64_t rows_max; /* what comes after so many is not looked at; 0: all */

    uint64_t rows; /* so far */
    size_t column; /* of the value under way */
    int place;     /* in it; copy_rows.c */
};

/* Append what stands in front of the first row. */
void copy_rows_head(const struct copy_rows *c, struct buf *out);

/* Append what some bytes, in order, become.  ERR_CORRUPT for what COPY does not write. */
MUST_CHECK bool copy_rows_turn(struct copy_rows *c, struct slice bytes, struct buf *out,
                               struct err *e);

/* Whether no more rows are wanted. */
bool copy_rows_is_full(const struct copy_rows *c);

/* ERR_CORRUPT when a row is cut off, or all were wanted and there were not so many. */
MUST_CHECK bool copy_rows_end(const struct copy_rows *c, uint64_t rows, struct err *e);

#endif
