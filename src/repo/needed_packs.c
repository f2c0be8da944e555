#include "repo/needed_packs.h"

#include <stdlib.h>

#include "base/mem.h"
#include "repo/object_locks.h"

void needed_packs_init(struct needed_packs *n, struct repo *r)
{
    *n = (struct needed_packs){.repo = r, .found_count = index_pack_count(r->index)};
    n->found = mem_array(n->found_count, sizeof(*n->found));
    n->deltas = mem_array(index_frame_count(r->index), sizeof(*n->deltas));
}

void needed_packs_done(struct needed_packs *n)
{
    mem_free(n->found);
    mem_free(n->deltas);
    mem_free(n->written);
}

static void note_pack(struct needed_packs *n, uint32_t frame)
{
    __atomic_store_n(&n->found[index_frame_at(n->repo->index, frame).pack], true, __ATOMIC_RELAXED);
}

/* A live delta has live bases; of the copies of a base the one counts that readers prefer. */
static void note_bases(struct needed_packs *n, uint32_t frame)
{
    const struct index_base *bases = index_bases_at(n->repo->index, frame);
    const uint32_t count = index_frame_at(n->repo->index, frame).base_count;

    if (count == 0 || __atomic_load_n(&n->deltas[frame], __ATOMIC_RELAXED))
        return;
    for (uint32_t i = 0; i < count; i++) {
        struct place at;

        if (index_find_base(n->repo->index, &bases[i].id, &at))
            note_pack(n, at.frame);
    }
    __atomic_store_n(&n->deltas[frame], true, __ATOMIC_RELAXED);
}

void needed_packs_found(struct needed_packs *n, const struct place *at)
{
    if (at->frame == INDEX_PENDING)
        return;
    note_pack(n, at->frame);
    note_bases(n, at->frame);
}

void needed_packs_written(struct needed_packs *n, const struct hash *id)
{
    if (n->written_count == n->written_room) {
        n->written_room = n->written_room == 0 ? 16 : n->written_room * 2;
        n->written = mem_resize(n->written, n->written_room, sizeof(*n->written));
    }
    n->written[n->written_count++] = *id;
}

static bool is_needed(const struct needed_packs *n, const struct hash *id)
{
    uint32_t number;

    if (n->written_count > 0 &&
        bsearch(id, n->written, n->written_count, sizeof(*id), hash_order) != NULL)
        return true;
    return index_has_pack(n->repo->index, id, &number) && number < n->found_count &&
           n->found[number];
}

/* What is committed is locked for as long as promised from now on, what it shares with others
 * too. */
static bool keep_locked(const struct needed_packs *n, struct err *e)
{
    AUTO(lock_group) struct lock_group g = {.repo = n->repo};

    if (n->repo->locks == NULL)
        return true;
    for (uint32_t i = 0; i < n->found_count; i++)
        if (n->found[i])
            lock_group_add_pack(&g, &index_pack_at(n->repo->index, i)->id);
    for (size_t i = 0; i < n->written_count; i++)
        lock_group_add_pack(&g, &n->written[i]);
    return lock_group_add_common(&g, e) && lock_group_extend(&g, e);
}

/*
 * The order of the two reads is what makes this safe: a collector that has removed its list
 * has removed the packs before, so a pack that is seen after the lists were read is either
 * not condemned or on a list that was seen.  Packs written by this run count too: until the
 * snapshot was there nothing told a collector that they are needed.
 */
bool needed_packs_check(struct needed_packs *n, bool *are_safe, struct err *e)
{
    AUTO(condemned) struct condemned doomed = {0};
    AUTO(key_list) struct key_list packs = {0};
    size_t present = 0, needed = n->written_count;

    if (!condemned_read(n->repo, NULL, &doomed, e) || !key_list_read(n->repo, "packs/", &packs, e))
        return false;
    for (size_t i = 0; i < n->found_count; i++)
        needed += n->found[i] ? 1 : 0;
    if (n->written_count > 0)
        qsort(n->written, n->written_count, sizeof(*n->written), hash_order);
    for (size_t i = 0; i < packs.count; i++) {
        struct hash id;

        if (key_hash(packs.items[i], &id) && is_needed(n, &id) && !condemned_has(&doomed, &id))
            present++;
    }
    /* A base that was not found was not counted. */
    *are_safe = present == needed && !index_is_damaged(n->repo->index);
    return !*are_safe || keep_locked(n, e);
}
