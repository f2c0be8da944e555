/*
 * How large a repository is, from listings and the index.
 */
#include "base/mem.h"
#include "repo/discarded.h"
#include "repo/index.h"
#include "repo/snapshot.h"

struct sum {
    uint64_t count, bytes;
};

static bool add_object(void *arg, const struct object_info *info, struct err *e)
{
    struct sum *s = arg;

    (void)e; /* a callback that cannot fail */
    s->count++;
    s->bytes += info->size;
    return true;
}

/* Whether an entry is the first copy of its chunk that exists. */
static bool is_first(const struct index *ix, size_t entry, const uint8_t prefix[16])
{
    size_t number = INDEX_NO_ENTRY;
    struct place at;

    while (index_entry_next(ix, prefix, &number, &at))
        if (index_pack_at(ix, index_frame_at(ix, at.frame).pack)->state != PACK_MISSING)
            return number == entry;
    return false;
}

static void count_chunks(const struct index *ix, struct repo_sizes *out)
{
    for (size_t i = 0; i < index_entry_room(ix); i++) {
        uint8_t prefix[16];
        struct place at;

        if (!index_entry_at(ix, i, prefix, &at) || !is_first(ix, i, prefix))
            continue;
        out->chunks++;
        out->chunk_bytes += at.size;
        if (index_pack_at(ix, index_frame_at(ix, at.frame).pack)->class == CLASS_CONTENT)
            out->data_chunks++;
        else
            out->tree_chunks++;
    }
}

static void count_deltas(const struct index *ix, struct repo_sizes *out)
{
    for (uint32_t i = 0; i < index_frame_count(ix); i++) {
        const struct index_frame f = index_frame_at(ix, i);

        if (f.base_count == 0 || index_pack_at(ix, f.pack)->state == PACK_MISSING)
            continue;
        out->delta_chunks += f.base_count;
        out->delta_bytes += f.plain_size;
        out->delta_stored += f.sealed_size;
    }
}

bool repo_measure(struct repo *r, struct repo_sizes *out, struct err *e)
{
    AUTO(mem) struct snapshot_standing *snapshots = NULL;
    struct repo_sizes sizes = {0};
    AUTO(discarded) struct discarded trash = {0};
    struct sum packs = {0}, indexes = {0};
    size_t count;

    if (!store_list(r->store, "packs/", add_object, &packs, e) ||
        !store_list(r->store, "index/", add_object, &indexes, e) || !discarded_read(r, &trash, e) ||
        !snapshot_scan(r, "", NULL, NULL, &snapshots, &count, e) || !repo_load_index(r, e))
        return false;
    if (!index_is_sound(r->index))
        return index_err_damaged(e);
    sizes.packs = packs.count;
    sizes.pack_bytes = packs.bytes;
    sizes.trash_packs = trash.keys.count;
    sizes.trash_bytes = trash.bytes;
    sizes.index_objects = indexes.count;
    sizes.index_bytes = indexes.bytes;
    for (size_t i = 0; i < count; i++)
        sizes.snapshots += snapshots[i].state == SNAPSHOT_COMMITTED ? 1 : 0;
    count_chunks(r->index, &sizes);
    count_deltas(r->index, &sizes);
    *out = sizes;
    return true;
}
