/*
 * Memory that is released all at once: many small pieces with one life.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/buf.h"

/* {0} is a valid empty arena. */
struct arena {
    struct arena_block *last;
};

/* Undefined bytes, aligned to 8, valid until arena_done(). */
void *arena_take(struct arena *a, size_t size);

/* A copy of the bytes. */
struct slice arena_copy(struct arena *a, struct slice s);

/* A copy of the bytes with a NUL behind them. */
char *arena_string(struct arena *a, struct slice s);

void arena_done(struct arena *a);
void arena_auto(struct arena *a);

#endif
