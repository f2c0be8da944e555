/*
 * The trash: docs/decisions/0013.
 */
#include "repo/parity_objects.h"
#include "repo/prune.h"

bool prune_discard(struct prune *p, const struct hash *pack, uint64_t size, struct err *e)
{
    struct store *s = p->repo->store;
    char from[PACK_KEY_MAX];
    char to[DISCARDED_KEY_MAX];

    pack_key(pack, from);
    if (!parity_remove(p->repo, from, e))
        return false;
    if (!s->can_move) {
        if (!store_remove(s, from, e))
            return false;
        p->stats.packs_freed++;
        p->stats.bytes_freed += size;
        return true;
    }
    discarded_key(pack, p->now_s, to);
    if (!store_move(s, from, to, e))
        return e->code == ERR_NOT_FOUND;
    p->stats.packs_discarded++;
    p->stats.bytes_discarded += size;
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
        s->packs_freed = s->packs_removed;
        s->bytes_freed = s->bytes_removed;
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
