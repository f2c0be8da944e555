#include "source/row_sum.h"

#include <assert.h>
#include <endian.h>
#include <string.h>
#include <xxhash.h>

#include "base/text.h"
#include "codec/hash.h"

static_assert(ROW_SUM_SIZE == sizeof(unsigned __int128), "all of it");
static_assert(ROW_SUM_TEXT == 2 * ROW_SUM_SIZE + 1, "the digits and a NUL");

static void add(struct row_sum *s, uint64_t high, uint64_t low)
{
    s->value += (unsigned __int128)high << 64 | low;
}

void row_sum_add_hash(struct row_sum *s, const uint8_t hash[ROW_SUM_SIZE])
{
    uint64_t high = 0;
    uint64_t low = 0;

    memcpy(&high, hash, sizeof(high));
    memcpy(&low, hash + sizeof(high), sizeof(low));
    add(s, be64toh(high), be64toh(low));
}

void row_sum_add(struct row_sum *s, struct slice row)
{
    if (s->how == ROW_HASH_SHA256) {
        struct hash h;

        sha256(row, &h);
        row_sum_add_hash(s, h.bytes);
        return;
    }

    const XXH128_hash_t h = XXH3_128bits(row.data, row.size);

    add(s, h.high64, h.low64);
}

void row_sum_bytes(const struct row_sum *s, uint8_t out[ROW_SUM_SIZE])
{
    const uint64_t halves[] = {htobe64((uint64_t)(s->value >> 64)), htobe64((uint64_t)s->value)};

    memcpy(out, halves, ROW_SUM_SIZE);
}

void row_sum_format(const struct row_sum *s, char out[ROW_SUM_TEXT])
{
    uint8_t bytes[ROW_SUM_SIZE];

    row_sum_bytes(s, bytes);
    hex_encode(SLICE_OF(bytes, sizeof(bytes)), out);
}
