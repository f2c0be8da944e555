/*
 * Private to src/repo: segments, files in the cache's folder that say what some index objects
 * say, sorted and ready to be looked up where they stand.
 *
 *     head      4 KiB: what follows, the sum of the sums, and an HMAC of all that
 *     objects   the index objects it was made of
 *     packs, frames, bases
 *     entries   ascending
 *     fan       where the entries of each range of ids begin
 *     shards    of the filter, for ranges of ids
 *     filter    whether an id may be there at all (fuse.h)
 *     sums      SHA-256 of each block of what stands between head and sums
 *
 * Each part begins a block.  The numbers are those of the machine, since nothing but the cache of
 * this machine ever holds a segment.  A segment that was changed, is of another repository or
 * program, or is cut short, is found out before a byte of it is used: the head, sums, objects and
 * packs when it is opened, and each block of the rest when it is first looked at.
 */
#ifndef REPO_SEGMENT_H
#define REPO_SEGMENT_H

#include "repo/index.h"

#define SEGMENT_BLOCK     ((size_t)16 << 10)
#define SEGMENT_HEAD_SIZE ((size_t)4 << 10)
#define PREFIX_SIZE       ID_PREFIX_SIZE

/* One copy of a chunk. */
struct index_entry {
    uint8_t prefix[PREFIX_SIZE];
    uint32_t frame; /* in memory: or INDEX_PENDING */
    uint32_t offset;
    uint32_t size; /* in memory: 0 when the entry is free */
};

/* An index object. */
struct index_source {
    struct hash id;
    uint32_t is_shared; /* it names packs that another names, which has them here */
};

struct segment_pack {
    struct hash id;
    uint64_t size;
    uint32_t first_frame, frame_count;
    uint32_t chunk_count;
    uint32_t source; /* number of the object */
    uint32_t class;
    uint32_t unused; /* 0 */
};

/* What a segment says.  Numbers are those within it; the frames of packs follow each other, and so
 * do the bases of frames. */
struct segment_tables {
    const struct index_source *sources;
    const struct segment_pack *packs;
    const struct index_frame *frames;
    const struct index_base *bases;
    const struct index_entry *entries;
    size_t source_count, pack_count, frame_count, base_count, entry_count;
};

/* Whose segments they are. */
struct segment_owner {
    uint8_t repository[SEAL_ID_SIZE];
    uint8_t key[SEAL_KEY_SIZE]; /* in secret memory */
};

struct segment;

/*
 * Open a segment, a file of an open directory.  ERR_CORRUPT when it is not one of this owner, or
 * was damaged; ERR_NOT_FOUND.  Reads the parts named above.
 */
MUST_CHECK bool segment_open(int dirfd, const char *name, const struct segment_owner *owner,
                             struct segment **out, struct err *e);
void segment_free(struct segment *s); /* accepts NULL */
void segment_auto(struct segment **s);
const char *segment_name(const struct segment *s);
/* Packs and sources may be read; the rest by the calls below, or once all is sound. */
const struct segment_tables *segment_tables(const struct segment *s);

/* Whether all of it is as it was written; reads everything that was not read yet. */
bool segment_is_sound(struct segment *s);
/* A hint: it will be read from its beginning to its end, or all over the place, as at first. */
void segment_expect(const struct segment *s, bool is_in_order);
/* Whether some block was found to be otherwise.  What stands in such is not found. */
bool segment_is_damaged(const struct segment *s);

/* The first entry with a prefix; false when there is none.  Any thread, here and below. */
MUST_CHECK bool segment_seek(struct segment *s, const uint8_t prefix[PREFIX_SIZE], size_t *number);
/* An entry, whose frame and that frame's bases may be read from then on; false when they are
 * damaged. */
MUST_CHECK bool segment_entry(struct segment *s, size_t number, struct index_entry *out);

/* Some tables of which one segment is made. */
struct segment_input {
    const struct segment_tables *tables; /* sound */
    const bool *drops;                   /* by source: what is left out.  NULL: nothing */
};

#define SEGMENT_NAME_MAX 48
/*
 * Write a segment of count inputs, which name no pack twice, to an open directory, durably.  No
 * input may have the same frame twice.  ERR_USAGE when there is more than a segment can hold.  One
 * that is there already counts as written.  Memory: 24 MiB, 4 bytes a KiB of the segment, 8 bytes a
 * pack.
 */
MUST_CHECK bool segment_write(int dirfd, const struct segment_owner *owner,
                              const struct segment_input *inputs, size_t count,
                              char name[SEGMENT_NAME_MAX], struct err *e);

#endif
