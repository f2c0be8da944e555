/*
 * What a collector does with each pack.
 *
 * A pack without a needed chunk goes.  Needed chunks are copied out of packs that somebody
 * else condemned, that are of a key epoch to be left behind, that are mostly unused, that would be
 * shorter if compressed more, or that are small while there are others to join.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "repo/epochs.h"
#include "repo/prune.h"

/* A pack below this part of the usual size is joined with others: a backup of little leaves a pack
 * of little. */
#define SMALL_PACK_PART 4

static void sum_uses(struct prune *p)
{
    const struct index *ix = p->repo->index;

    for (size_t i = 0; i < index_entry_room(ix); i++) {
        uint8_t prefix[16];
        struct place at;

        if (!index_entry_at(ix, i, prefix, &at))
            continue;

        const uint32_t pack = index_frame_at(ix, at.frame).pack;
        struct pack_use *use = &p->uses[pack];

        use->plain += at.size;
        if (marks_has(p->marks, i))
            use->used += at.size;
        else if (index_pack_at(ix, pack)->state != PACK_MISSING)
            p->stats.chunks_unused++;
    }
    p->stats.chunks_used = marks_count(p->marks);
}

static void choose_fates(struct prune *p)
{
    for (size_t i = 0; i < p->first.packs.count; i++) {
        uint32_t number;

        p->stats.packs_before++;
        p->stats.bytes_before += p->first.packs.sizes[i];
        if (!index_has_pack(p->repo->index, &p->first.pack_ids[i], &number))
            continue;

        struct pack_use *use = &p->uses[number];

        use->size = p->first.packs.sizes[i];
        if (use->used == 0)
            use->fate = FATE_REMOVE;
        else if (condemned_has(&p->first.others, &p->first.pack_ids[i]))
            use->fate = FATE_REPACK;
        if (use->plain > 0)
            p->stats.bytes_used +=
                (uint64_t)((double)use->size * (double)use->used / (double)use->plain);
    }
}

/* A young pack that no index names is often that of a backup at work.  Taking it away is safe, the
 * backup notices before it commits, but costs it another run; so it stays. */
static bool is_old(int64_t mtime, int64_t now)
{
    return now - mtime >= PACK_YOUNG_S;
}

/* Now, by the store's clock as far as it shows. */
static int64_t now_of(const struct key_list *packs)
{
    int64_t now = clock_now_ns() / NS_PER_S;

    for (size_t i = 0; i < packs->count; i++)
        now = packs->mtimes[i] > now ? packs->mtimes[i] : now;
    return now;
}

static bool is_wasteful(const struct prune *p, const struct pack_use *use)
{
    const uint64_t unused = use->plain - use->used;

    return (double)unused * 100 > (double)use->plain * (double)p->options->max_unused_percent;
}

static uint64_t small_size(const struct prune *p)
{
    return pack_size_usual(p->repo) / SMALL_PACK_PART;
}

/* Whether a pack is of an epoch that is to be left behind, by its number in the first look. */
static bool is_past(const struct prune *p, size_t pack)
{
    return p->epochs != NULL && p->epochs[pack] != EPOCH_NONE && p->epochs[pack] < p->below_epoch;
}

static bool find_epochs(struct prune *p, struct err *e)
{
    const struct key_list *packs = &p->first.packs;

    if (p->below_epoch == 0)
        return true;
    p->epochs = mem_array(packs->count, sizeof(*p->epochs));
    if (!epochs_read(p->repo, packs->items, packs->count, p->epochs, p->options->progress,
                     p->options->arg, e))
        return false;
    for (size_t i = 0; i < packs->count; i++)
        if (is_past(p, i)) {
            p->stats.packs_past++;
            p->stats.bytes_past += packs->sizes[i];
        }
    return true;
}

void prune_keep_past(struct prune *p, const struct hash *pack)
{
    size_t number;

    if (!look_has_pack(&p->first, pack, &number) || !is_past(p, number))
        return;
    p->stats.packs_past_kept++;
    p->stats.bytes_past_kept += p->first.packs.sizes[number];
}

/* A pack of which somebody has to know whether it is locked. */
static bool may_go(const struct prune *p, size_t pack)
{
    const struct look *l = &p->first;
    uint32_t number;

    if (!index_has_pack(p->repo->index, &l->pack_ids[pack], &number))
        return is_old(l->packs.mtimes[pack], p->store_now_s);

    const struct pack_use *use = &p->uses[number];

    return use->used == 0 || is_wasteful(p, use) || use->size < small_size(p) || is_past(p, pack) ||
           p->options->recompresses;
}

/* What is locked keeps its place.  Small packs that are needed wait to be joined; others are told.
 */
static void keep_locked(struct prune *p)
{
    for (size_t i = 0; i < p->first.packs.count; i++) {
        uint32_t number;
        struct pack_use *use = NULL;

        if (!p->is_locked[i])
            continue;
        if (index_has_pack(p->repo->index, &p->first.pack_ids[i], &number)) {
            use = &p->uses[number];
            use->fate = FATE_KEEP;
            use->is_locked = true;
        }
        p->stats.packs_past_locked += is_past(p, i) ? 1 : 0;
        if (use == NULL || use->used == 0 || is_wasteful(p, use)) {
            p->stats.packs_locked++;
            p->stats.bytes_locked += p->first.packs.sizes[i];
        }
    }
}

/* A pack that would be worth repacking. */
struct offer {
    uint32_t pack;
    uint64_t size;
    uint64_t rank; /* highest first */
};

static int offer_compare(const void *a, const void *b)
{
    const struct offer *left = a;
    const struct offer *right = b;

    if (left->rank != right->rank)
        return left->rank > right->rank ? -1 : 1;
    return left->pack < right->pack ? -1 : 1;
}

/* Take what the budget allows, or nothing when that is less than least packs. */
static void accept(struct prune *p, struct offer *offers, size_t count, size_t least,
                   uint64_t *budget)
{
    uint64_t left = *budget;
    size_t taken = 0;

    if (count > 0)
        qsort(offers, count, sizeof(*offers), offer_compare);
    for (size_t i = 0; i < count; i++)
        if (offers[i].size <= left) {
            left -= offers[i].size;
            offers[taken++] = offers[i];
        }
    if (taken < least)
        return;
    for (size_t i = 0; i < taken; i++)
        p->uses[offers[i].pack].fate = FATE_REPACK;
    *budget = left;
}

static void repack_wasteful(struct prune *p, struct offer *offers, uint64_t *budget)
{
    size_t count = 0;

    for (uint32_t n = 0; n < p->use_count; n++) {
        const struct pack_use *use = &p->uses[n];

        if (use->size > 0 && use->fate == FATE_KEEP && !use->is_locked && is_wasteful(p, use))
            offers[count++] = (struct offer){n, use->size, use->plain - use->used};
    }
    accept(p, offers, count, 0, budget);
}

/* Those that gain the most for their size first. */
static bool repack_long(struct prune *p, struct offer *offers, uint64_t *budget, struct err *e)
{
    const bool is_bounded = p->options->max_repack_bytes > 0;
    uint64_t own = *budget < RECOMPRESS_BYTES || is_bounded ? *budget : RECOMPRESS_BYTES;
    const uint64_t before = own;
    size_t count = 0;

    if (!p->options->recompresses)
        return true;
    if (!prune_try_compression(p, own, e))
        return false;
    for (uint32_t n = 0; n < p->use_count; n++)
        if (p->uses[n].gain > 0)
            offers[count++] =
                (struct offer){n, p->uses[n].size, p->uses[n].gain * 1000 / p->uses[n].size};
    accept(p, offers, count, 0, &own);
    *budget -= before - own;
    return true;
}

/* The oldest epoch first.  The last one taken may go beyond the budget, so that there always is
 * progress. */
static void repack_past(struct prune *p, struct offer *offers, uint64_t *budget)
{
    size_t count = 0;

    for (size_t i = 0; i < p->first.packs.count; i++) {
        uint32_t n;

        if (!is_past(p, i) || !index_has_pack(p->repo->index, &p->first.pack_ids[i], &n) ||
            p->uses[n].fate != FATE_KEEP || p->uses[n].is_locked)
            continue;
        offers[count++] = (struct offer){n, p->uses[n].size, EPOCH_MAX - p->epochs[i]};
    }
    if (count > 0)
        qsort(offers, count, sizeof(*offers), offer_compare);
    for (size_t i = 0; i < count; i++) {
        if (*budget == 0)
            break;
        p->uses[offers[i].pack].fate = FATE_REPACK;
        *budget -= offers[i].size < *budget ? offers[i].size : *budget;
    }
}

/* One small pack alone would only be written again as it is. */
static void join_small(struct prune *p, enum object_class class, struct offer *offers,
                       uint64_t *budget)
{
    const uint64_t small = small_size(p);
    size_t count = 0;
    size_t least = 2;

    for (uint32_t n = 0; n < p->use_count; n++) {
        const struct pack_use *use = &p->uses[n];

        if (use->size == 0 || use->is_locked || index_pack_at(p->repo->index, n)->class != class)
            continue;
        if (use->fate == FATE_REPACK)
            least = 1;
        else if (use->fate == FATE_KEEP && use->size < small)
            offers[count++] = (struct offer){n, use->size, small - use->size};
    }
    accept(p, offers, count, least, budget);
}

/* Packs beyond what one list holds wait for the next time. */
static void condemn(struct prune *p)
{
    const struct look *l = &p->first;
    p->doomed = mem_array(l->packs.count, sizeof(*p->doomed));
    p->is_rescued = mem_array(l->packs.count, sizeof(*p->is_rescued));
    for (size_t i = 0; i < l->packs.count; i++) {
        const struct hash *id = &l->pack_ids[i];
        uint32_t number;
        struct pack_use *use =
            index_has_pack(p->repo->index, id, &number) ? &p->uses[number] : NULL;
        const bool goes =
            use != NULL ? use->fate != FATE_KEEP
                        : condemned_has(&l->others, id) ||
                              (is_old(l->packs.mtimes[i], p->store_now_s) && !p->is_locked[i]);

        if (!goes) {
            prune_keep_past(p, id);
            continue;
        }
        if (p->doomed_count + p->forgotten_count >= CONDEMNED_MAX) {
            if (use != NULL)
                use->fate = FATE_KEEP;
            prune_keep_past(p, id);
            continue;
        }
        p->doomed[p->doomed_count++] = *id;
        p->stats.packs_removed++;
        p->stats.bytes_removed += l->packs.sizes[i];
        if (use != NULL && use->fate == FATE_REPACK) {
            p->stats.packs_repacked++;
            p->stats.bytes_repacked +=
                (uint64_t)((double)use->size * (double)use->used / (double)use->plain);
            p->stats.packs_recompressed += use->gain > 0 ? 1 : 0;
            p->stats.bytes_gained += use->gain;
        }
    }
    p->stats.packs_kept = p->stats.packs_before - p->stats.packs_removed;
}

static void name_forgotten(struct prune *p)
{
    p->forgotten = mem_array(p->first.snapshot_count, sizeof(*p->forgotten));
    for (size_t i = 0; i < p->first.snapshot_count && p->forgotten_count < CONDEMNED_MAX; i++)
        if (p->first.snapshots[i].state == SNAPSHOT_FORGOTTEN &&
            !prune_is_held(p, &p->first.snapshots[i].id))
            p->forgotten[p->forgotten_count++] = p->first.snapshots[i].id;
    if (p->forgotten_count > 0)
        qsort(p->forgotten, p->forgotten_count, sizeof(*p->forgotten), hash_order);
    p->stats.snapshots_removed = p->forgotten_count;
}

bool prune_plan(struct prune *p, struct err *e)
{
    uint64_t budget = p->options->max_repack_bytes == 0 ? UINT64_MAX : p->options->max_repack_bytes;

    p->use_count = index_pack_count(p->repo->index);
    p->uses = mem_array(p->use_count, sizeof(*p->uses));
    p->store_now_s = now_of(&p->first.packs);
    sum_uses(p);
    choose_fates(p);
    if (!find_epochs(p, e) || !prune_hold_packs(p, may_go, e))
        return false;
    keep_locked(p);

    AUTO(mem) struct offer *offers = mem_array(p->use_count, sizeof(*offers));

    repack_past(p, offers, &budget);
    repack_wasteful(p, offers, &budget);
    if (!repack_long(p, offers, &budget, e))
        return false;
    join_small(p, CLASS_CONTENT, offers, &budget);
    join_small(p, CLASS_TREE, offers, &budget);
    name_forgotten(p);
    condemn(p);
    return true;
}
