/* Packs that are nowhere but in an index. */
#ifndef TESTS_REPO_INDEX_ROWS_H
#define TESTS_REPO_INDEX_ROWS_H

#include <string.h>

#include "repo/index.h"

#define CHUNK_SIZE 10

static bool ids_are_crowded;

/* Ids as even as those of real chunks, or crowded at the ends of 2^16 ranges. */
static inline struct hash id_of(uint64_t n)
{
    struct hash id;

    sha256(SLICE_OF(&n, sizeof(n)), &id);
    if (ids_are_crowded)
        memset(id.bytes + 2, n % 2 == 0 ? 0 : UINT8_MAX, 3);
    return id;
}

/* The directory of a pack with chunks first .. first + count - 1, at most 1,000 in a frame. */
static inline void directory_of(uint64_t first, size_t count, struct buf *out)
{
    const size_t frames = (count + 999) / 1000;

    buf_put_u32(out, (uint32_t)frames);
    buf_put_u32(out, (uint32_t)count);
    for (size_t i = 0; i < frames; i++) {
        const uint32_t n = (uint32_t)(count - i * 1000 < 1000 ? count - i * 1000 : 1000);

        buf_put_u32(out, n * CHUNK_SIZE + SEAL_TAG_SIZE);
        buf_put_u32(out, n * CHUNK_SIZE);
        buf_put_u8(out, COMPRESSION_NONE);
        buf_put_u32(out, n);
    }
    for (uint64_t n = first; n < first + count; n++) {
        const struct hash id = id_of(n);

        buf_append(out, id.bytes, HASH_SIZE);
        buf_put_u8(out, CHUNK_DATA);
        buf_put_u8(out, 0);
        buf_put_u32(out, CHUNK_SIZE);
    }
}

/* That of a pack with chunks first .. first + count - 1 in one delta, whose bases are base ..
 * base + count - 1. */
static inline void delta_directory_of(uint64_t first, uint32_t count, uint64_t base,
                                      struct buf *out)
{
    buf_put_u32(out, 1);
    buf_put_u32(out, count);
    buf_put_u32(out, SEAL_TAG_SIZE + 1);
    buf_put_u32(out, count * CHUNK_SIZE);
    buf_put_u8(out, COMPRESSION_ZSTD_AFTER);
    buf_put_u32(out, count);
    for (uint64_t n = 0; n < count; n++) {
        const struct hash chunk = id_of(first + n), below = id_of(base + n);

        buf_append(out, chunk.bytes, HASH_SIZE);
        buf_put_u8(out, CHUNK_DATA);
        buf_put_u8(out, 1);
        buf_put_u32(out, CHUNK_SIZE);
        buf_append(out, below.bytes, HASH_SIZE);
    }
}

#endif
