#include "codec/likeness.h"

#include <string.h>

/* Words of former that are remembered, by a hash: at most half as many as there are slots. */
#define WORD      ((size_t)8)
#define SLOTS_LOG 13
#define SLOTS     ((size_t)1 << SLOTS_LOG)

static uint64_t word_at(struct slice s, size_t at)
{
    uint64_t word;

    memcpy(&word, s.data + at, sizeof(word));
    return word;
}

static size_t slot_of(uint64_t word)
{
    return (size_t)((word * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - SLOTS_LOG));
}

/* Bytes that are the same from two places on. */
static size_t same_from(struct slice a, size_t at, struct slice b, size_t from)
{
    size_t n = 0;

    while (at + n < a.size && from + n < b.size && a.data[at + n] == b.data[from + n])
        n++;
    return n;
}

size_t likeness_new_bytes(struct slice former, struct slice now)
{
    uint32_t places[SLOTS] = {0}; /* in former, plus 1; 0: none */
    const size_t step = WORD * (1 + former.size / (WORD * SLOTS / 2));
    size_t new = 0;

    for (size_t at = 0; at + WORD <= former.size && at < UINT32_MAX; at += step)
        places[slot_of(word_at(former, at))] = (uint32_t)at + 1;
    for (size_t at = 0; at < now.size;) {
        const uint32_t place = at + WORD > now.size ? 0 : places[slot_of(word_at(now, at))];
        const size_t same = place == 0 ? 0 : same_from(former, place - 1, now, at);

        new += same < WORD ? 1 : 0;
        at += same < WORD ? 1 : same;
    }
    return new;
}
