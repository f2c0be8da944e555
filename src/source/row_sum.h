/*
 * A sum over rows that does not depend on their order.  Private to src/source.
 *
 * Each row counts as the first 16 bytes of its SHA-256, read as a number with the highest byte
 * first; the sum is taken modulo 2^128.  Two tables with the same rows, each as often, have the
 * same sum; others do only with a chance of about 2^-128 unless somebody looks for them.
 */
#ifndef SOURCE_ROW_SUM_H
#define SOURCE_ROW_SUM_H

#include "codec/hash.h"

#define ROW_SUM_ROW 1024 /* a longer row is not worth a copy */

/* {0} is the sum of no rows. */
struct row_sum {
    unsigned __int128 value;
    /* A row that waits for the next, since two are hashed faster than one after the other. */
    bool is_waiting;
    size_t row_size;
    uint8_t row[ROW_SUM_ROW];
};

void row_sum_add(struct row_sum *s, struct slice row);
/* The same with the SHA-256 of the row. */
void row_sum_add_hash(struct row_sum *s, const struct hash *h);

/* 32 digits, lower case, the highest first.  More rows may follow. */
#define ROW_SUM_TEXT 33
void row_sum_format(struct row_sum *s, char out[ROW_SUM_TEXT]);

#endif
