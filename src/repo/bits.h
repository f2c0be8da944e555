/*
 * Sets of numbers below a bound, as arrays of words.  Private to src/repo.
 */
#ifndef REPO_BITS_H
#define REPO_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

/* The empty set of numbers up to and with most; mem_free() releases it. */
static inline uint64_t *bits_new(size_t most)
{
    return mem_array(most / 64 + 1, sizeof(uint64_t));
}

static inline bool bits_have(const uint64_t *bits, size_t n)
{
    return (bits[n / 64] >> n % 64 & 1) != 0;
}

static inline void bits_add(uint64_t *bits, size_t n)
{
    bits[n / 64] |= (uint64_t)1 << n % 64;
}

#endif
