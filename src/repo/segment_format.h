/*
 * Private to segment.c and segment_write.c: the head of a segment and where its parts are; and how
 * ids are divided into ranges, for index_locate.c too.
 */
#ifndef REPO_SEGMENT_FORMAT_H
#define REPO_SEGMENT_FORMAT_H

#include "repo/fuse.h"
#include "repo/segment.h"

/* Says of the program that wrote a segment what has to be the same; the first bytes of a machine
 * with another order of bytes differ. */
#define SEGMENT_MAGIC   UINT64_C(0x31746e656d676573)
#define SEGMENT_VERSION 2

enum segment_part {
    PART_SOURCES,
    PART_PACKS,
    PART_FRAMES,
    PART_BASES,
    PART_ENTRIES,
    PART_FAN,
    PART_SHARDS,
    PART_FILTER,
    PART_COUNT,
};

struct segment_shard {
    struct fuse fuse;
    uint64_t offset; /* in the filter */
};

struct segment_head {
    uint64_t magic;
    uint32_t version;
    uint32_t row_sizes; /* segment_row_sizes() */
    uint8_t repository[SEAL_ID_SIZE];
    uint64_t counts[PART_COUNT]; /* rows */
    uint32_t fan_bits, shard_bits;
    struct hash sums; /* of the sums */
    struct hash mac;  /* of all before */
};

/* Bytes of a row of each part. */
extern const size_t segment_row[PART_COUNT];

static inline uint32_t segment_row_sizes(void)
{
    uint32_t all = 0;

    for (int i = 0; i < PART_COUNT; i++)
        all = all * 31 + (uint32_t)segment_row[i];
    return all;
}

static inline uint64_t segment_rounded(uint64_t size)
{
    return (size + SEGMENT_BLOCK - 1) / SEGMENT_BLOCK * SEGMENT_BLOCK;
}

/* Where a part begins; PART_COUNT: the sums. */
static inline uint64_t segment_offset(const struct segment_head *h, int part)
{
    uint64_t at = SEGMENT_HEAD_SIZE;

    for (int i = 0; i < part; i++)
        at += segment_rounded(h->counts[i] * segment_row[i]);
    return at;
}

void segment_head_sum(const struct segment_head *h, const struct segment_owner *owner,
                      struct hash *out);

/* The first bits of an id. */
static inline uint64_t segment_number(const uint8_t *prefix)
{
    uint64_t n;

    __builtin_memcpy(&n, prefix, sizeof(n));
    return __builtin_bswap64(n);
}

static inline size_t segment_range(uint64_t number, uint32_t bits)
{
    return bits == 0 ? 0 : (size_t)(number >> (64 - bits));
}

/* So many bits that a range of ids has at most about so many entries. */
static inline uint32_t segment_bits(uint64_t entries, uint64_t wanted)
{
    uint32_t bits = 0;

    while (bits < 30 && entries >> bits > wanted)
        bits++;
    return bits;
}

#endif
