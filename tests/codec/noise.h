/*
 * Bytes that no compressor gains on, the same in every run: xorshift64, eight bits of each state.
 */
#ifndef CODEC_NOISE_H
#define CODEC_NOISE_H

#include "base/buf.h"

#define NOISE_SEED UINT64_C(88172645463325252)

static inline uint64_t noise_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline void noise_append(struct buf *out, size_t size, uint64_t seed)
{
    uint8_t *to = buf_extend(out, size);

    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(noise_next(&seed) >> 32);
}

#endif
