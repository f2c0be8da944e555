/* Chunks on their way into a repository and out of it, as several tests need them. */
#ifndef TESTS_REPO_CHUNKS_H
#define TESTS_REPO_CHUNKS_H

#include <string.h>

#include "base/mem.h"
#include "repo/index.h"
#include "support/fixture.h"

/* The bytes of chunk number n, which nothing compresses; released with mem_free(). */
static inline struct slice chunk_bytes(uint64_t n, size_t size)
{
    uint8_t *bytes = mem_new(size);

    noise_fill(n + 1000, bytes, size);
    return SLICE_OF(bytes, size);
}

/* What docs/FORMAT.md says the id is. */
static inline struct hash chunk_id(const struct repo *r, enum chunk_type type, struct slice bytes)
{
    AUTO(mac) struct mac *m = mac_new(r->keys->chunk_id);
    struct hash id;

    mac_sum(m, (uint8_t)type, bytes, &id);
    return id;
}

static inline struct hash chunk_number_id(const struct repo *r, uint64_t n, size_t size)
{
    const struct slice bytes = chunk_bytes(n, size);
    const struct hash id = chunk_id(r, CHUNK_DATA, bytes);

    mem_free((void *)(uintptr_t)bytes.data);
    return id;
}

/* Receives batches: counts and gives them back.  Put it in writer_options.arg. */
struct receiver {
    struct writer *writer;
    _Atomic uint64_t batches, pieces, fresh;
    struct hash last; /* id of the last piece of the last batch */
};

static inline void receive(void *arg, struct batch *b)
{
    struct receiver *v = arg;

    v->batches++;
    v->pieces += b->count;
    for (size_t i = 0; i < b->count; i++)
        v->fresh += b->pieces[i].is_new;
    if (b->count > 0 && b->cookie == v)
        v->last = b->pieces[b->count - 1].id;
    writer_release(v->writer, b);
}

static inline struct writer_options options_to(struct receiver *v)
{
    return (struct writer_options){.workers = 2, .done = receive, .arg = v};
}

/* A writer that gives its batches to a receiver. */
struct run {
    struct receiver to;
    struct writer *w;
};

static inline void run_open(struct run *n, struct repo *r, struct writer_options o)
{
    *n = (struct run){0};
    o.done = receive;
    o.arg = &n->to;
    if (o.workers == 0)
        o.workers = 2;
    CHECK_OK(writer_open(r, &o, &n->w, e));
    n->to.writer = n->w;
}

static inline void run_auto(struct run *n)
{
    writer_free(n->w);
}

static inline struct writer_stats run_finish(struct run *n)
{
    struct writer_stats stats;

    CHECK_OK(writer_drain(n->w, e));
    CHECK_OK(writer_finish(n->w, &stats, e));
    return stats;
}

/* Whether a snapshot of what the run stored can be committed. */
static inline bool is_safe(struct run *n)
{
    bool safe = false;

    CHECK_OK(writer_confirm(n->w, &safe, e));
    return safe;
}

static inline void piece_add(struct batch *b, struct slice bytes)
{
    const struct piece p = {.offset = b->bytes.size, .size = bytes.size, .type = CHUNK_DATA};

    buf_append_slice(&b->bytes, bytes);
    batch_add(b, &p);
}

/* Add chunks first .. first + count - 1 to a batch. */
static inline void pieces_add(struct batch *b, uint64_t first, size_t count, size_t size)
{
    for (uint64_t n = first; n < first + count; n++) {
        const struct slice bytes = chunk_bytes(n, size);

        piece_add(b, bytes);
        mem_free((void *)(uintptr_t)bytes.data);
    }
}

static inline bool chunks_submit(struct writer *w, uint64_t first, size_t count, size_t size,
                                 struct err *e)
{
    struct batch *b = writer_batch(w);

    pieces_add(b, first, count, size);
    return writer_submit(w, b, e);
}

/* Store chunks, one batch for each per_batch of them, and make them durable. */
static inline struct writer_stats chunks_store(struct repo *r, uint64_t first, size_t count,
                                               size_t size, size_t per_batch)
{
    AUTO(writer) struct writer *w = NULL;
    struct receiver v = {0};
    const struct writer_options o = options_to(&v);
    struct writer_stats stats = {0};

    CHECK_OK(writer_open(r, &o, &w, e));
    v.writer = w;
    for (size_t n = 0; n < count; n += per_batch)
        CHECK_OK(
            chunks_submit(w, first + n, per_batch < count - n ? per_batch : count - n, size, e));
    CHECK_OK(writer_drain(w, e));
    CHECK_OK(writer_finish(w, &stats, e));
    repo_drop_index(r);
    CHECK_OK(repo_load_index(r, e));
    return stats;
}

/* Store one chunk and return its id. */
static inline struct hash chunk_store(struct repo *r, enum chunk_type type, struct slice bytes)
{
    AUTO(writer) struct writer *w = NULL;
    struct receiver v = {0};
    const struct writer_options o = options_to(&v);
    struct writer_stats stats;
    struct hash id = chunk_id(r, type, bytes);

    CHECK_OK(writer_open(r, &o, &w, e));
    v.writer = w;
    if (type == CHUNK_DATA) {
        struct batch *b = writer_batch(w);

        piece_add(b, bytes);
        CHECK_OK(writer_submit(w, b, e));
    } else {
        CHECK_OK(writer_put_tree(w, type, bytes, NULL, &id, e));
    }
    CHECK_OK(writer_finish(w, &stats, e));
    repo_drop_index(r);
    CHECK_OK(repo_load_index(r, e));
    return id;
}

/* A reader of the loaded index finds chunks first .. first + count - 1 with their bytes. */
static inline void chunks_check(struct repo *r, uint64_t first, size_t count, size_t size)
{
    AUTO(reader) struct reader *rd = reader_new(r);

    for (uint64_t n = first; n < first + count; n++) {
        AUTO(buf) struct buf got = {0};
        const struct slice wanted = chunk_bytes(n, size);
        const struct hash id = chunk_id(r, CHUNK_DATA, wanted);

        CHECK_OK(reader_chunk(rd, CHUNK_DATA, &id, &got, e));
        CHECK(slice_is_equal(buf_slice(&got), wanted));
        mem_free((void *)(uintptr_t)wanted.data);
    }
}

#endif
