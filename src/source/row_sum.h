/*
 * A sum over rows that does not depend on their order.  Private to src/source.
 *
 * Each row counts as a number of 128 bits, and the sum is taken modulo 2^128.  Two tables with the
 * same rows, each as often, have the same sum; others do only by a chance of about 2^-128.  It
 * finds accidents: who looks for other rows with the same sum finds some, but has to get them past
 * the seal of the repository (docs/decisions/0038-xxh3-for-sums-of-rows.md).
 */
#ifndef SOURCE_ROW_SUM_H
#define SOURCE_ROW_SUM_H

#include "base/buf.h"

/* How a row becomes a number. */
enum row_hash {
    ROW_HASH_XXH3,   /* XXH3_128bits(), its high half in front */
    ROW_HASH_SHA256, /* the first 16 bytes of SHA-256, the highest in front: older manifests */
};

#define ROW_SUM_SIZE 16

/* {0} is the sum of no rows by XXH3. */
struct row_sum {
    enum row_hash how;
    unsigned __int128 value;
};

void row_sum_add(struct row_sum *s, struct slice row);
/* A row that was hashed already: the first 16 bytes count, the highest in front. */
void row_sum_add_hash(struct row_sum *s, const uint8_t hash[ROW_SUM_SIZE]);

/* The sum, its highest byte first.  More rows may follow. */
void row_sum_bytes(const struct row_sum *s, uint8_t out[ROW_SUM_SIZE]);
/* As 32 digits, lower case. */
#define ROW_SUM_TEXT 33
void row_sum_format(const struct row_sum *s, char out[ROW_SUM_TEXT]);

#endif
