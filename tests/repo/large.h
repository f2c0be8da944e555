/* Repositories with a large index, of packs that are nowhere but in it. */
#ifndef TESTS_REPO_LARGE_H
#define TESTS_REPO_LARGE_H

#include "base/mem.h"
#include "repo/index_rows.h"
#include "repo/world.h"
#include "store/scratch.h"
#include "support/test.h"

/* Chunks of a pack of these tests, and of an index object, which is enough for a segment. */
#define PACK_CHUNKS   2000
#define OBJECT_CHUNKS ((uint64_t)120000)
#define DELTA_CHUNKS  500
/* Numbers of chunks in deltas, and of packs of these. */
#define DELTAS ((uint64_t)1 << 32)
/* Numbers of packs with chunks that others have too. */
#define COPIES ((uint64_t)1 << 33)

static inline struct hash pack_id(uint64_t n)
{
    return id_of((uint64_t)1 << 40 | n);
}

/* Put an index object with chunks first .. first + count - 1, and DELTA_CHUNKS in a delta after
 * the first of these. */
static inline void put_object(struct repo *r, uint64_t first, uint64_t count)
{
    AUTO(index_document) struct index_document d = {0};
    AUTO(buf) struct buf directory = {0};
    struct hash id;

    for (uint64_t n = first; n < first + count; n += PACK_CHUNKS) {
        id = pack_id(n);
        buf_clear(&directory);
        directory_of(n, PACK_CHUNKS, &directory);
        index_document_add(&d, &id, CLASS_CONTENT, 1, buf_slice(&directory));
    }
    id = pack_id(DELTAS + first);
    buf_clear(&directory);
    delta_directory_of(DELTAS + first, DELTA_CHUNKS, first, &directory);
    index_document_add(&d, &id, CLASS_CONTENT, 1, buf_slice(&directory));
    CHECK_OK(index_document_put(r, &d, e));
}

/* Put an index object of another pack with chunks first .. first + count - 1. */
static inline void put_copies(struct repo *r, uint64_t pack, uint64_t first, size_t count)
{
    AUTO(index_document) struct index_document d = {0};
    AUTO(buf) struct buf directory = {0};
    const struct hash id = pack_id(pack);

    directory_of(first, count, &directory);
    index_document_add(&d, &id, CLASS_CONTENT, 1, buf_slice(&directory));
    CHECK_OK(index_document_put(r, &d, e));
}

/* Let a pack be there, with other bytes than its own: nothing of it is read. */
static inline void put_pack(struct store *s, uint64_t n)
{
    const struct hash id = pack_id(n);
    char key[PACK_KEY_MAX];

    pack_key(&id, key);
    CHECK_OK(store_put(s, key, slice_string("x"), PUT_NEW, e));
}

/* And all that put_object() names. */
static inline void put_packs(struct store *s, uint64_t first, uint64_t count)
{
    put_pack(s, DELTAS + first);
    for (uint64_t n = first; n < first + count; n += PACK_CHUNKS)
        put_pack(s, n);
}

/* A repository of some such objects, and a folder for its cache. */
struct large {
    struct store *store;
    struct repo *repo;
    char *folder;
};

static inline void large_auto(struct large *l)
{
    repo_close(l->repo);
    store_close(l->store);
    scratch_auto(&l->folder);
}

static inline struct large large_new(uint64_t objects)
{
    struct large l = {.store = store_memory_new(), .folder = scratch_new()};

    l.repo = world_repo(l.store);
    for (uint64_t i = 0; i < objects; i++) {
        put_object(l.repo, i * OBJECT_CHUNKS, OBJECT_CHUNKS);
        put_packs(l.store, i * OBJECT_CHUNKS, OBJECT_CHUNKS);
    }
    repo_keep_in(l.repo, l.folder, true);
    return l;
}

static inline void reload(struct repo *r)
{
    repo_drop_index(r);
    CHECK_OK(repo_load_index(r, e));
}

#endif
