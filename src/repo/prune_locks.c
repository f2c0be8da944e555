/*
 * What a collector leaves alone because the storage has locked it, and what it locks for longer.
 *
 * Nothing that is locked takes less space for being taken away, so it stays as it is: packs
 * that nobody needs, and forgotten snapshots, which can be brought back until their locks end. What
 * such a snapshot needs is marked like that of others; but only what snapshots need that are
 * not forgotten is locked for longer, or it would never go.
 *
 * What is on the lists of other collectors goes all the same: a list that is not worked off
 * condemns for ever.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "repo/object_locks.h"
#include "repo/prune.h"

static void note_end(struct prune *p, const struct object_lock *lock)
{
    int64_t *first_s = &p->stats.first_lock_ends_s;

    if (*first_s == 0 || lock->until_s < *first_s)
        *first_s = lock->until_s;
}

bool prune_hold_snapshots(struct prune *p, const struct look *l, struct err *e)
{
    AUTO(lock_group) struct lock_group g = {.repo = p->repo};
    AUTO(mem) size_t *numbers = mem_array(l->snapshot_count, sizeof(*numbers));
    char key[OBJECT_KEY_MAX];

    mem_free(p->held);
    p->held = mem_array(l->snapshot_count, sizeof(*p->held));
    p->held_count = 0;
    p->stats.first_lock_ends_s = 0;
    if (!p->options->keeps_locked)
        return true;
    for (size_t i = 0; i < l->snapshot_count; i++) {
        if (l->snapshots[i].state != SNAPSHOT_FORGOTTEN ||
            condemned_has_snapshot(&l->others, &l->snapshots[i].id))
            continue;
        object_key("snapshots", &l->snapshots[i].id, key);
        numbers[g.count] = i;
        lock_group_add(&g, key);
    }
    if (g.count > 0 && !lock_group_ask(&g, e))
        return false;
    for (size_t i = 0; i < g.count; i++)
        if (object_lock_holds(&g.locks[i], p->now_s)) {
            p->held[p->held_count++] = l->snapshots[numbers[i]].id;
            note_end(p, &g.locks[i]);
        }
    if (p->held_count > 0)
        qsort(p->held, p->held_count, sizeof(*p->held), hash_order);
    p->stats.snapshots_locked = p->held_count;
    return true;
}

bool prune_is_held(const struct prune *p, const struct hash *snapshot)
{
    return p->held_count > 0 &&
           bsearch(snapshot, p->held, p->held_count, sizeof(*p->held), hash_order) != NULL;
}

bool prune_hold_packs(struct prune *p, bool (*may_go)(const struct prune *p, size_t pack),
                      struct err *e)
{
    AUTO(lock_group) struct lock_group g = {.repo = p->repo};
    const struct look *l = &p->first;
    AUTO(mem) size_t *numbers = mem_array(l->packs.count, sizeof(*numbers));

    p->is_locked = mem_array(l->packs.count, sizeof(*p->is_locked));
    if (!p->options->keeps_locked)
        return true;
    for (size_t i = 0; i < l->packs.count; i++)
        if (!condemned_has(&l->others, &l->pack_ids[i]) && may_go(p, i)) {
            numbers[g.count] = i;
            lock_group_add(&g, l->packs.items[i]);
        }
    if (g.count > 0 && !lock_group_ask(&g, e))
        return false;
    for (size_t i = 0; i < g.count; i++)
        p->is_locked[numbers[i]] = object_lock_holds(&g.locks[i], p->now_s);
    for (size_t i = 0; i < g.count; i++)
        if (p->is_locked[numbers[i]])
            note_end(p, &g.locks[i]);
    return true;
}

void prune_note_needed(struct prune *p, const struct look *l)
{
    const struct index *ix = p->repo->index;

    if (p->repo->locks == NULL)
        return;
    mem_free(p->is_needed);
    mem_free(p->committed);
    p->is_needed = mem_array(index_pack_count(ix), sizeof(*p->is_needed));
    for (size_t i = 0; i < index_entry_room(ix); i++) {
        uint8_t prefix[16];
        struct place at;

        if (marks_has(p->marks, i) && index_entry_at(ix, i, prefix, &at))
            p->is_needed[index_frame_at(ix, at.frame).pack] = true;
    }
    p->committed = mem_array(l->snapshot_count, sizeof(*p->committed));
    p->committed_count = 0;
    for (size_t i = 0; i < l->snapshot_count; i++)
        if (l->snapshots[i].state == SNAPSHOT_COMMITTED)
            p->committed[p->committed_count++] = l->snapshots[i].id;
}

bool prune_extend_locks(struct prune *p, struct err *e)
{
    AUTO(lock_group) struct lock_group g = {.repo = p->repo};
    struct lock_stats sum;

    if (p->repo->locks == NULL)
        return true;
    for (uint32_t n = 0; n < index_pack_count(p->repo->index); n++) {
        const struct hash *id = &index_pack_at(p->repo->index, n)->id;

        if (p->is_needed[n] && !prune_is_doomed(p, id))
            lock_group_add_pack(&g, id);
    }
    for (size_t i = 0; i < p->committed_count; i++) {
        char key[OBJECT_KEY_MAX];

        object_key("snapshots", &p->committed[i], key);
        lock_group_add(&g, key);
        object_key("commits", &p->committed[i], key);
        lock_group_add(&g, key);
    }
    prune_progress(p, "extend locks", 0, g.count);
    if (!lock_group_add_common(&g, e) || !lock_group_extend(&g, e))
        return false;
    repo_lock_stats(p->repo, &sum);
    p->stats.locks_asked = sum.asked;
    p->stats.locks_extended = sum.extended;
    return true;
}
