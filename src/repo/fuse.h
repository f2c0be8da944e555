/*
 * Private to src/repo: binary fuse filters (Graf and Lemire, 2022) with one byte per slot: a set of
 * numbers that answers "not there" for certain and "there" wrongly once in 256 times.  A filter
 * takes 9 to 10 bits a number where there are many.
 */
#ifndef REPO_FUSE_H
#define REPO_FUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a filter's numbers go, which follows from how many there are, but for the seed. */
struct fuse {
    uint64_t seed;
    uint32_t
        part; /* slots of a part, a power of two; a number has a slot in three parts in a row */
    uint32_t first; /* slots in which the first of the three may be */
};

/* Slots, and so bytes, of a filter. */
static inline size_t fuse_size(const struct fuse *f)
{
    return f->first + 2 * (size_t)f->part;
}

/*
 * Make a filter of count different numbers, at most FUSE_MAX.  *out is the filter; the result is
 * its fuse_size() bytes, for mem_free().  NULL when no seed of many fits, which happens when the
 * numbers are not different, and by chance never.
 */
#define FUSE_MAX ((size_t)1 << 24)
uint8_t *fuse_new(const uint64_t *numbers, size_t count, struct fuse *out);

/* Positions of a number, ascending, and the byte that they give, combined, when it is there. */
struct fuse_slots {
    uint32_t at[3];
    uint8_t print;
};
struct fuse_slots fuse_slots(const struct fuse *f, uint64_t number);

static inline bool fuse_has(const uint8_t *bytes, const struct fuse_slots *s)
{
    return (bytes[s->at[0]] ^ bytes[s->at[1]] ^ bytes[s->at[2]]) == s->print;
}

#endif
