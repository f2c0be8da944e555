/*
 * The trash: docs/decisions/0013.
 */
#include "base/cancel.h"
#include "repo/parity_objects.h"
#include "repo/prune.h"

/* Of packs that were removed the bytes are free, unless the store keeps them. */
static void count_removed(struct prune *p, uint64_t packs, uint64_t bytes)
{
    if (p->keeps_versions) {
        p->stats.packs_hidden += packs;
        p->stats.bytes_hidden += bytes;
    } else {
        p->stats.packs_freed += packs;
        p->stats.bytes_freed += bytes;
    }
}

/* Removed in one call of a store that cannot move; one may interrupt between two. */
#define BATCH 256

static bool discard_one(struct prune *p, const struct discard *d, struct err *e)
{
    char from[PACK_KEY_MAX];
    char to[DISCARDED_KEY_MAX];

    pack_key(&d->pack, from);
    discarded_key(&d->pack, p->now_s, to);
    if (!parity_remove(p->repo, from, e))
        return false;
    if (!store_move(p->repo->store, from, to, e))
        return e->code == ERR_NOT_FOUND;
    p->stats.packs_discarded++;
    p->stats.bytes_discarded += d->size;
    return true;
}

/* At most BATCH. */
static bool remove_some(struct prune *p, const struct discard *list, size_t count, struct err *e)
{
    char at[BATCH][PACK_KEY_MAX];
    const char *keys[BATCH];

    for (size_t i = 0; i < count; i++) {
        pack_key(&list[i].pack, at[i]);
        keys[i] = at[i];
    }
    if (!objects_remove(p->repo, keys, count, e))
        return false;
    for (size_t i = 0; i < count; i++)
        count_removed(p, 1, list[i].size);
    return true;
}

bool prune_discard(struct prune *p, const struct discard *list, size_t count, struct err *e)
{
    const bool can_move = p->repo->store->can_move;
    size_t step = 0;

    for (size_t i = 0; i < count; i += step) {
        step = can_move ? 1 : count - i < BATCH ? count - i : BATCH;
        if (cancel_is_requested())
            return cancel_err(e);
        prune_progress(p, "remove packs", i, count);
        if (!(can_move ? discard_one(p, &list[i], e) : remove_some(p, &list[i], step, e)))
            return false;
    }
    return true;
}

/* Count what would go, as if it had gone. */
static void count_old(const struct discarded *d, int64_t until_s, struct discarded_sum *sum)
{
    for (size_t i = 0; i < d->keys.count; i++)
        if (d->times_s[i] <= until_s) {
            sum->packs++;
            sum->bytes += d->keys.sizes[i];
        }
}

/* What the packs of a dry run would come to. */
static void count_doomed(struct prune *p)
{
    struct prune_stats *s = &p->stats;

    if (p->repo->store->can_move) {
        s->packs_discarded = s->packs_removed;
        s->bytes_discarded = s->bytes_removed;
    } else {
        count_removed(p, s->packs_removed, s->bytes_removed);
    }
}

bool prune_trash(struct prune *p, struct err *e)
{
    const int64_t until_s =
        p->options->only_empties_trash ? INT64_MAX : p->now_s - DISCARDED_STAYS_S;
    AUTO(discarded) struct discarded d = {0};
    struct discarded_sum gone = {0};

    if (!discarded_read(p->repo, &d, e))
        return false;
    if (p->options->is_dry_run) {
        count_doomed(p);
        count_old(&d, until_s, &gone);
    } else if (!discarded_remove(p->repo, &d, until_s, &gone, e)) {
        return false;
    }
    p->stats.packs_in_trash = d.keys.count - gone.packs;
    p->stats.bytes_in_trash = d.bytes - gone.bytes;
    p->stats.packs_freed += gone.packs;
    p->stats.bytes_freed += gone.bytes;
    return true;
}
