/*
 * Index objects: writing them, and reading all of them into one table.
 *
 * An index document is a count of packs and then their directories (docs/FORMAT.md, "Packs").
 * Index objects are read before packs are listed: a pack that an index names is durable before
 * the index is, so a pack missing from the later listing is gone, or was moved by a collector.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "repo/index_cache.h"
#include "repo/nearby.h"
#include "repo/shelf.h"

/* An index object this long holds the directories of some 800,000 chunks. */
#define INDEX_OBJECT_SIZE ((size_t)16 << 20)

/* A collector that rewrites the index may outrun a reader this many times in a row. */
#define INDEX_LOAD_ROUNDS 8

void index_document_add(struct index_document *d, const struct hash *id, enum object_class class,
                        uint64_t pack_size, struct slice directory)
{
    buf_append(&d->body, id->bytes, HASH_SIZE);
    buf_put_u8(&d->body, (uint8_t) class);
    buf_put_u64(&d->body, pack_size);
    buf_put_u32(&d->body, (uint32_t)directory.size);
    buf_append_slice(&d->body, directory);
    d->packs++;
}

void index_document_done(struct index_document *d)
{
    buf_done(&d->body);
    *d = (struct index_document){0};
}

void index_document_auto(struct index_document *d)
{
    index_document_done(d);
}

bool index_document_open(struct slice plain, uint32_t *count, struct slice *body, struct err *e)
{
    if (!take_u32(&plain, count))
        return err_set(e, ERR_CORRUPT, "it is too short");
    *body = plain;
    return true;
}

bool index_document_next(struct slice *body, struct index_row *out, struct err *e)
{
    struct slice rest = *body, id;
    uint32_t size;
    uint8_t class;

    if (!take_slice(&rest, HASH_SIZE, &id) || !take_u8(&rest, &class) ||
        !take_u64(&rest, &out->pack_size) || !take_u32(&rest, &size) ||
        !take_slice(&rest, size, &out->directory))
        return err_set(e, ERR_CORRUPT, "its rows are cut short");
    if (class != CLASS_CONTENT && class != CLASS_TREE)
        return err_set(e, ERR_CORRUPT, "it names an object of class %u as a pack", class);
    memcpy(out->id.bytes, id.data, HASH_SIZE);
    out->class = (enum object_class) class;
    *body = rest;
    return true;
}

static bool put_part(struct repo *r, uint32_t packs, struct slice rows, struct err *e)
{
    AUTO(buf) struct buf plain = {0};
    struct hash id;

    buf_put_u32(&plain, packs);
    buf_append_slice(&plain, rows);
    return document_put_hashed(r, CLASS_INDEX, "index", buf_slice(&plain), &id, e);
}

bool index_document_put(struct repo *r, struct index_document *d, struct err *e)
{
    struct slice rest = buf_slice(&d->body);
    const uint8_t *start = rest.data;
    uint32_t packs = 0;

    for (uint32_t i = 0; i < d->packs; i++) {
        struct index_row row;

        if (!index_document_next(&rest, &row, e))
            return false;
        packs++;
        const size_t size = (size_t)(rest.data - start);

        if (size >= INDEX_OBJECT_SIZE || i + 1 == d->packs) {
            if (!put_part(r, packs, SLICE_OF(start, size), e))
                return false;
            packs = 0;
            start = rest.data;
        }
    }
    index_document_done(d);
    return true;
}

static bool add_rows(struct index *ix, struct slice plain, struct err *e)
{
    struct slice body;
    uint32_t count, number;

    if (!index_document_open(plain, &count, &body, e))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct index_row row;

        if (!index_document_next(&body, &row, e) ||
            !index_add_pack(ix, &row.id, row.class, PACK_MISSING, row.directory, &number, e))
            return false;
    }
    return body.size == 0 ? true : err_set(e, ERR_CORRUPT, "bytes behind its last row");
}

static bool load_object(struct repo *r, struct index *ix, const char *key, struct err *e)
{
    AUTO(buf) struct buf plain = {0};
    struct hash id;

    if (!document_get(r, CLASS_INDEX, key, &plain, e))
        return false;
    if (key_hash(key, &id))
        index_begin_source(ix, &id);
    if (!add_rows(ix, buf_slice(&plain), e)) {
        ix->has_loose = true;
        return err_wrap(e, "%s", key);
    }
    return true;
}

/* Fetch the objects that are not had. */
static void fetch_objects(struct repo *r, const struct key_list *keys, const bool *has_it)
{
    AUTO(mem) struct hash *ids = mem_array(keys->count, sizeof(*ids));
    size_t count = 0;

    for (size_t i = 0; i < keys->count; i++)
        count += !has_it[i] && key_hash(keys->items[i], &ids[count]) ? 1 : 0;
    nearby_fetch(r, "index", ids, count);
}

/* Whether a listing has all keys of another. */
static bool key_list_has_all(const struct key_list *l, const struct key_list *wanted)
{
    for (size_t i = 0; i < wanted->count; i++) {
        bool is_there = false;

        for (size_t n = 0; n < l->count && !is_there; n++)
            is_there = strcmp(l->items[n], wanted->items[i]) == 0;
        if (!is_there)
            return false;
    }
    return true;
}

/* How an index is loaded. */
struct loading {
    struct repo *repo;
    damaged_fn *damaged;
    void *arg;
    bool checks_all; /* of the segments near by */
};

/* One pass over the index objects; *is_stale when one of them vanished meanwhile. */
static bool load_objects(const struct loading *l, struct index *ix, const struct key_list *keys,
                         bool *is_stale, struct err *e)
{
    AUTO(mem) bool *has_it = mem_array(keys->count, sizeof(*has_it));
    AUTO(index_cache) struct index_cache cache = {0};

    index_cache_open(l->repo, &cache);
    index_cache_attach(&cache, ix, keys, l->checks_all, has_it);
    fetch_objects(l->repo, keys, has_it);
    for (size_t i = 0; i < keys->count; i++) {
        struct err why = {0};

        if (has_it[i])
            continue;
        if (load_object(l->repo, ix, keys->items[i], &why)) {
            index_cache_flush(&cache, ix, INDEX_FLUSH_CHUNKS);
        } else if (why.code == ERR_NOT_FOUND) {
            *is_stale = true;
        } else if (why.code == ERR_CORRUPT && l->damaged != NULL) {
            l->damaged(l->arg, keys->items[i], &why);
        } else {
            *e = why;
            return err_wrap(e, "load the index");
        }
    }
    index_cache_flush(&cache, ix, INDEX_KEEP_CHUNKS);
    index_cache_merge(&cache, ix);
    return true;
}

/* What is condemned, read beside the index; like that, before the packs are listed. */
struct doom {
    struct repo *repo;
    struct condemned list;
};

static bool doom_read(void *arg, struct err *e)
{
    struct doom *d = arg;

    return condemned_read(d->repo, NULL, &d->list, e);
}

static void doom_auto(struct doom *d)
{
    condemned_auto(&d->list);
}

/*
 * Packs begin as missing; those that the store has become live, or condemned.  With a damaged
 * list any pack may be condemned: all can be read, and none be relied on.
 */
struct states {
    struct index *index;
    const struct condemned *doomed; /* NULL: anything may be */
};

static bool set_state(void *arg, const struct object_info *info, struct err *e)
{
    const struct states *s = arg;
    struct hash id;
    uint32_t number;

    (void)e; /* a callback that cannot fail */
    if (key_hash(info->key, &id) && index_has_pack(s->index, &id, &number))
        index_set_pack_state(s->index, number,
                             s->doomed != NULL && !condemned_has(s->doomed, &id) ? PACK_LIVE
                                                                                 : PACK_CONDEMNED);
    return true;
}

static bool set_states(struct repo *r, struct index *ix, const struct condemned *doomed,
                       bool is_known, struct err *e)
{
    struct states states = {ix, is_known ? doomed : NULL};

    r->has_bad_condemned = !is_known;
    if (!store_list(r->store, "packs/", set_state, &states, e))
        return false;
    index_judge_deltas(ix);
    return true;
}

/*
 * Packs are missing: they may have been moved by a collector that made the index anew after it was
 * listed.  An object of it can be read all the same, before it is removed or from a copy near by.
 */
static bool moved_check(struct repo *r, const struct index *ix, const struct key_list *keys,
                        bool *is_stale, struct err *e)
{
    AUTO(key_list) struct key_list now = {0};
    bool is_missing = false;

    for (uint32_t i = 0; i < index_pack_count(ix) && !is_missing; i++)
        is_missing = index_pack_at(ix, i)->state == PACK_MISSING;
    if (!is_missing)
        return true;
    if (!key_list_read(r, "index/", &now, e))
        return err_wrap(e, "load the index");
    *is_stale = !key_list_has_all(&now, keys);
    return true;
}

/* Load the index as it was at a moment; *is_stale when there was none. */
static bool load_round(const struct loading *l, struct index **out, bool *is_stale, struct err *e)
{
    struct repo *r = l->repo;
    AUTO(index) struct index *ix = index_new();
    AUTO(key_list) struct key_list keys = {0};
    AUTO(doom) struct doom doom = {.repo = r};
    AUTO(aside) struct aside reading = {0}; /* it ends before doom does */
    struct err why = {0};

    *is_stale = false;
    aside_start(&reading, r, doom_read, &doom);
    if (!key_list_read(r, "index/", &keys, e) || !load_objects(l, ix, &keys, is_stale, e))
        return false;
    /* Of segments that were just written nothing was compared yet. */
    if (l->checks_all && !index_is_sound(ix))
        return index_err_damaged(e);

    const bool is_known = aside_end(&reading, &why);

    if (!is_known && why.code != ERR_CORRUPT && why.code != ERR_USAGE) {
        *e = why;
        return false;
    }
    if (!*is_stale &&
        (!set_states(r, ix, &doom.list, is_known, e) || !moved_check(r, ix, &keys, is_stale, e)))
        return false;
    *out = TAKE(ix);
    return true;
}

static bool load(const struct loading *l, struct index **out, struct err *e)
{
    for (int round = 0; round < INDEX_LOAD_ROUNDS; round++) {
        AUTO(index) struct index *ix = NULL;
        bool is_stale = false;

        if (!load_round(l, &ix, &is_stale, e))
            return false;
        if (!is_stale) {
            *out = TAKE(ix);
            return true;
        }
    }
    return err_set(e, ERR_TRANSIENT, "the index keeps changing while it is read");
}

bool index_load(struct repo *r, damaged_fn *damaged, void *arg, struct index **out, struct err *e)
{
    const struct loading l = {.repo = r, .damaged = damaged, .arg = arg, .checks_all = true};

    return load(&l, out, e);
}

bool index_is_stale(struct repo *r, const struct key_list *loaded)
{
    AUTO(key_list) struct key_list now = {0};
    struct err ignored;

    return key_list_read(r, "index/", &now, &ignored) && !key_list_has_all(&now, loaded);
}

static bool load_whole(void *arg, struct err *e)
{
    struct repo *r = arg;

    const struct loading l = {.repo = r};

    if (!load(&l, &r->index, e))
        return false;
    nearby_init(r);
    return true;
}

bool repo_load_index(struct repo *r, struct err *e)
{
    if (r->is_loading) {
        r->is_loading = false;
        return aside_end(&r->loading, e);
    }
    return r->index != NULL || load_whole(r, e);
}

void repo_expect_index(struct repo *r)
{
    if (r->is_loading || r->index != NULL)
        return;
    r->is_loading = true;
    aside_start(&r->loading, r, load_whole, r);
}

void repo_drop_index(struct repo *r)
{
    aside_auto(&r->loading);
    r->is_loading = false;
    nearby_done(r);
    shelf_forget(r->shelf);
    repo_expect_frames(r, NULL, 0, NULL);
    index_free(r->index);
    r->index = NULL;
}

bool repo_find(struct repo *r, const struct hash *id, struct place *out)
{
    return index_find(r->index, id, out);
}

bool repo_err_lost(const struct repo *r, const struct hash *id, struct err *e)
{
    char text[65];

    if (index_is_damaged(r->index))
        return index_err_damaged(e);
    hex_encode(SLICE_OF(id->bytes, HASH_SIZE), text);
    return err_set(e, ERR_CORRUPT, "chunk %.16s is in no pack that exists", text);
}

uint32_t repo_frame_size(struct repo *r, uint32_t frame)
{
    return index_frame_at(r->index, frame).plain_size;
}

bool repo_is_collecting(struct repo *r, bool *out, struct err *e)
{
    AUTO(key_list) struct key_list lists = {0};

    if (!key_list_read(r, "condemned/", &lists, e))
        return false;
    *out = lists.count > 0;
    return true;
}
