/* Chunks that were edited, stored with what they were before as their bases. */
#ifndef TESTS_REPO_EDITED_H
#define TESTS_REPO_EDITED_H

#include "repo/chunks.h"

/* Chunk number n after so many small changes; released with release(). */
static inline struct slice edited_bytes(uint64_t n, size_t size, uint8_t times)
{
    const struct slice bytes = chunk_bytes(n, size);

    ((uint8_t *)(uintptr_t)bytes.data)[size / 2] ^= times;
    return bytes;
}

static inline void release(struct slice bytes)
{
    mem_free((void *)(uintptr_t)bytes.data);
}

static inline struct hash edited_id(const struct repo *r, uint64_t n, size_t size, uint8_t times)
{
    const struct slice bytes = edited_bytes(n, size, times);
    const struct hash id = chunk_id(r, CHUNK_DATA, bytes);

    release(bytes);
    return id;
}

static inline void piece_add_after(struct batch *b, struct slice bytes, const struct hash *base)
{
    const struct piece p = {.offset = b->bytes.size,
                            .size = bytes.size,
                            .type = CHUNK_DATA,
                            .has_base = true,
                            .base = *base};

    buf_append_slice(&b->bytes, bytes);
    batch_add(b, &p);
}

static inline void reload(struct repo *r)
{
    repo_drop_index(r);
    CHECK_OK(repo_load_index(r, e));
}

/* A run that stores one chunk with this base. */
static inline struct writer_stats store_after(struct repo *r, struct slice bytes,
                                              const struct hash *base, struct writer_options o)
{
    AUTO(run) struct run n;

    reload(r);
    run_open(&n, r, o);
    struct batch *b = writer_batch(n.w);

    piece_add_after(b, bytes, base);
    CHECK_OK(writer_submit(n.w, b, e));

    const struct writer_stats stats = run_finish(&n);

    reload(r);
    return stats;
}

#endif
