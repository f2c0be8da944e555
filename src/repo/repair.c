/*
 * Making the index again from what the packs say of themselves.
 *
 * Old index objects are listed before packs are, and only these are removed: the packs of an
 * index object that appears later may have come after the packs were listed.
 */
#include "base/cancel.h"
#include "base/mem.h"
#include "repo/index.h"
#include "repo/parity_objects.h"

/* Rows that wait to be written: about one object's worth. */
#define WAITING_MAX ((size_t)16 << 20)

struct repair {
    struct repo *repo;
    damaged_fn *damaged;
    void *arg;
    struct key_list old;
    struct index_document document;
    struct hash *lost; /* packs whose directory cannot be read */
    size_t lost_count;
    struct repair_stats stats;
};

static void repair_auto(struct repair *p)
{
    key_list_done(&p->old);
    index_document_done(&p->document);
    mem_free(p->lost);
}

static void tell(struct repair *p, const char *key, const struct err *why)
{
    if (p->damaged != NULL)
        p->damaged(p->arg, key, why);
}

static bool add_row(struct repair *p, const struct index_row *row, struct err *e)
{
    index_document_add(&p->document, &row->id, row->class, row->pack_size, row->directory);
    return p->document.body.size < WAITING_MAX || index_document_put(p->repo, &p->document, e);
}

static bool read_pack(struct repair *p, struct index_row *row, struct buf *plain, struct err *e)
{
    AUTO(pack_directory) struct pack_directory d = {0};

    if (!pack_directory_get(p->repo, &row->id, row->pack_size, &row->class, plain, e) ||
        !pack_directory_decode(buf_slice(plain), row->class, &d, e))
        return false;
    if (pack_size_of(&d, plain->size) != row->pack_size)
        return err_set(e, ERR_CORRUPT, "its size and its directory disagree");
    row->directory = buf_slice(plain);
    return true;
}

static bool add_pack(struct repair *p, const struct hash *id, uint64_t size, struct err *e)
{
    AUTO(buf) struct buf plain = {0};
    struct index_row row = {.id = *id, .pack_size = size};
    struct err why = {0};
    char key[PACK_KEY_MAX];

    if (read_pack(p, &row, &plain, &why)) {
        p->stats.packs++;
        return add_row(p, &row, e);
    }
    if (why.code == ERR_NOT_FOUND)
        return true; /* removed meanwhile */
    if (why.code != ERR_CORRUPT && why.code != ERR_USAGE) {
        *e = why;
        return false;
    }
    pack_key(id, key);
    p->stats.packs_damaged++;
    p->lost[p->lost_count++] = *id;
    tell(p, key, &why);
    return true;
}

static bool add_packs(struct repair *p, struct err *e)
{
    AUTO(key_list) struct key_list packs = {0};

    if (!key_list_read(p->repo, "packs/", &packs, e))
        return false;
    p->lost = mem_array(packs.count, sizeof(*p->lost));
    for (size_t i = 0; i < packs.count; i++) {
        struct hash id;

        if (cancel_is_requested())
            return cancel_err(e);
        if (pack_key_parse(packs.items[i], &id) && !add_pack(p, &id, packs.sizes[i], e))
            return false;
    }
    return true;
}

/* Take a pack off those that are lost. */
static bool was_lost(struct repair *p, const struct hash *id)
{
    for (size_t i = 0; i < p->lost_count; i++)
        if (hash_is_equal(&p->lost[i], id)) {
            p->lost[i] = p->lost[--p->lost_count];
            return true;
        }
    return false;
}

/* Without its header no frame of a pack can be opened. */
static bool header_opens(struct repo *r, const struct index_row *row)
{
    AUTO(seal_box) struct seal_box *box = seal_box_new();
    AUTO(buf) struct buf header = {0};
    struct err why;
    char key[PACK_KEY_MAX];

    pack_key(&row->id, key);
    return store_get(r->store, key, 0, SEAL_HEADER_SIZE, &header, &why) &&
           object_seal_open(r, box, buf_slice(&header), row->class, &why);
}

static bool salvage_object(struct repair *p, const char *key, struct err *e)
{
    AUTO(buf) struct buf plain = {0};
    struct slice body;
    uint32_t count;

    if (!document_get(p->repo, CLASS_INDEX, key, &plain, e) ||
        !index_document_open(buf_slice(&plain), &count, &body, e))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct index_row row;

        if (!index_document_next(&body, &row, e))
            return false;
        if (was_lost(p, &row.id) && header_opens(p->repo, &row) && !add_row(p, &row, e))
            return false;
    }
    return true;
}

/* A pack with a damaged directory may have sound frames, which the old index still finds. */
static bool salvage(struct repair *p, struct err *e)
{
    for (size_t i = 0; i < p->old.count && p->lost_count > 0; i++) {
        struct err why = {0};

        if (salvage_object(p, p->old.items[i], &why) || why.code == ERR_NOT_FOUND)
            continue;
        if (why.code != ERR_CORRUPT && why.code != ERR_USAGE) {
            *e = why;
            return false;
        }
        tell(p, p->old.items[i], &why);
    }
    return true;
}

static bool remove_old(struct repair *p, struct err *e)
{
    AUTO(key_list) struct key_list now = {0};

    for (size_t i = 0; i < p->old.count; i++) {
        struct hash id;

        if (key_hash(p->old.items[i], &id) && !object_remove(p->repo, p->old.items[i], e))
            return false;
    }
    if (!key_list_read(p->repo, "index/", &now, e))
        return false;
    p->stats.indexes_before = p->old.count;
    p->stats.indexes_after = now.count;
    return true;
}

bool repair_index(struct repo *r, damaged_fn *damaged, void *arg, struct repair_stats *out,
                  struct err *e)
{
    AUTO(repair) struct repair p = {.repo = r, .damaged = damaged, .arg = arg};

    repo_drop_index(r);
    if (!key_list_read(r, "index/", &p.old, e) || !add_packs(&p, e) || !salvage(&p, e))
        return false;
    if (p.document.packs > 0 && !index_document_put(r, &p.document, e))
        return false;
    if (!remove_old(&p, e))
        return false;
    *out = p.stats;
    return true;
}
