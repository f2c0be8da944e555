/*
 * Leaving past epochs of the keys behind.
 *
 * A collector that packs what is of past epochs again, in rounds: after each the old packs of that
 * round are gone, so that what was done stays done and little more space is needed than the
 * repository takes.  Sealed records keep their epoch: their names, by which others know them, are
 * the hashes of their sealed bytes.
 */
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "repo/epochs.h"
#include "repo/parity_objects.h"
#include "repo/slot.h"

/* Each round looks at all snapshots again, so there are not many, and of a large repository each
 * does a part. */
#define ROUND_MIN ((uint64_t)1 << 30)
#define ROUNDS    16

struct work {
    struct repo *repo;
    const struct reencrypt_options *options;
    struct reencrypt_stats *stats;
    uint64_t total; /* of the run; 0: not known yet */
};

static void on_progress(void *arg, const char *step, uint64_t done, uint64_t total)
{
    struct work *w = arg;
    const uint64_t before = w->stats->bytes;
    const uint64_t most = w->options->max_bytes;

    if (w->options->progress == NULL)
        return;
    if (strcmp(step, "reencrypt") != 0) {
        w->options->progress(w->options->arg, step, done, total);
        return;
    }
    if (w->total == 0)
        w->total = most > 0 && most < total ? most : total;
    done += before;
    w->options->progress(w->options->arg, step, done < w->total ? done : w->total, w->total);
}

/* Slots of past epochs open nothing, but hold the keys of what is left. */
static bool remove_past_slots(struct work *w, struct err *e)
{
    AUTO(mem) struct key_slot *slots = NULL;
    size_t count;

    if (!key_list(w->repo, &slots, &count, e))
        return false;
    for (size_t i = 0; i < count; i++) {
        char key[SLOT_KEY_MAX];

        if (slots[i].is_damaged || slots[i].epoch >= w->repo->epoch)
            continue;
        slot_key(slots[i].id, key);
        if (!object_remove(w->repo, key, e))
            return false;
        w->stats->slots_removed++;
    }
    return true;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What the next round may pack again; 0: this run is over. */
static uint64_t round_size(const struct work *w, uint64_t left)
{
    const struct reencrypt_options *o = w->options;
    uint64_t size = o->round_bytes;

    if (size == 0)
        size = left / ROUNDS > ROUND_MIN ? left / ROUNDS : ROUND_MIN;
    if (o->max_bytes == 0)
        return size;
    return o->max_bytes <= w->stats->bytes ? 0 : least(size, o->max_bytes - w->stats->bytes);
}

static void add(struct reencrypt_stats *out, const struct prune_stats *s)
{
    out->rounds++;
    out->packs += s->packs_past - s->packs_past_kept;
    out->bytes += s->bytes_past - s->bytes_past_kept;
    out->packs_discarded += s->packs_discarded;
    out->bytes_discarded += s->bytes_discarded;
    out->snapshots_removed += s->snapshots_removed;
    out->packs_locked = s->packs_past_locked;
}

static bool pack_again(struct work *w, uint64_t left, struct err *e)
{
    for (;;) {
        struct prune_options o = {.below_epoch = w->repo->epoch,
                                  .keeps_locked = w->options->keeps_locked,
                                  .max_unused_percent = 100,
                                  .max_repack_bytes = round_size(w, left),
                                  .progress = on_progress,
                                  .arg = w};
        struct prune_stats s = {0};

        if (o.max_repack_bytes == 0)
            return true;
        if (cancel_is_requested())
            return cancel_err(e);
        if (!prune_run(w->repo, &o, &s, e))
            return false;
        add(w->stats, &s);
        /* What stays when nothing went is locked, or of a backup at work. */
        if (s.packs_past_kept == 0 || s.packs_past_kept == s.packs_past)
            return true;
    }
}

/* The only record whose name says nothing of its bytes, and that others do not name. */
static bool renew_switch(struct repo *r, struct err *e)
{
    AUTO(buf) struct buf plain = {0};
    AUTO(buf) struct buf object = {0};
    uint32_t epoch;

    if (!document_get_epoch(r, CLASS_PARITY, PARITY_SWITCH, &plain, &epoch, e))
        return e->code == ERR_NOT_FOUND;
    if (epoch >= r->epoch)
        return true;
    document_seal(r, CLASS_PARITY, buf_slice(&plain), &object);
    return store_put(r->store, PARITY_SWITCH, buf_slice(&object), PUT_REPLACE, e);
}

bool key_reencrypt(struct repo *r, const struct reencrypt_options *o, struct reencrypt_stats *out,
                   struct err *e)
{
    AUTO(mem) struct epoch_sum *of = NULL;
    struct work w = {.repo = r, .options = o, .stats = out};
    struct epochs_figures f;

    *out = (struct reencrypt_stats){0};
    if (r->epoch == 1)
        return true;
    if (!remove_past_slots(&w, e) || !epochs_measure(r, o->progress, o->arg, &f, e))
        return false;
    of = f.of;
    if (f.packs_left + f.indexes_left > 0 && !pack_again(&w, f.pack_bytes_left, e))
        return false;
    return renew_switch(r, e);
}
