/*
 * Of which epochs of the keys the objects are: what a rotation leaves to be packed again.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "base/thread.h"
#include "repo/discarded.h"
#include "repo/epochs.h"
#include "repo/parity_objects.h"
#include "repo/slot.h"
#include "repo/uploader.h"

#define THREADS_MAX 64

/* Headers that several threads read; each number belongs to one of them. */
struct reading {
    struct repo *repo;
    char *const *keys;
    size_t count;
    uint32_t *epochs;
    atomic_size_t next;
    struct first_failure failure;
};

/* Packs, in the trash or not, say themselves whether they hold content. */
static bool class_of(const char *key, struct slice header, enum object_class *out)
{
    struct seal_identity id;
    struct hash pack;
    int64_t time_s;
    uint8_t version;

    if (!pack_key_parse(key, &pack) && !discarded_key_parse(key, &pack, &time_s))
        return object_class_of(key, out);
    if (!seal_peek(header, &id, &version))
        return false;
    *out = id.class;
    return id.class == CLASS_CONTENT || id.class == CLASS_TREE;
}

static bool header_epoch(struct repo *r, struct seal_box *box, const char *key, uint32_t *out,
                         struct err *e)
{
    AUTO(buf) struct buf header = {0};
    struct seal_identity id;
    enum object_class class;
    uint8_t version;

    *out = EPOCH_UNREADABLE;
    if (!store_get(r->store, key, 0, SEAL_HEADER_SIZE, &header, e)) {
        if (e->code == ERR_NOT_FOUND)
            *out = EPOCH_NONE;
        return object_is_at_fault(e);
    }
    if (!class_of(key, buf_slice(&header), &class))
        return true;
    if (!object_seal_open(r, box, buf_slice(&header), class, e))
        return object_is_at_fault(e);
    if (seal_peek(buf_slice(&header), &id, &version))
        *out = id.epoch;
    return true;
}

static bool read_one(struct reading *d, struct seal_box *box, size_t i, struct err *e)
{
    if (cancel_is_requested())
        return cancel_err(e);
    return header_epoch(d->repo, box, d->keys[i], &d->epochs[i], e) ||
           err_wrap(e, "object %s", d->keys[i]);
}

static void read_some(struct reading *d, epochs_progress_fn *progress, void *arg)
{
    AUTO(seal_box) struct seal_box *box = seal_box_new();

    for (size_t i = 0; (i = atomic_fetch_add(&d->next, 1)) < d->count;) {
        struct err e = {0};

        if (first_failure_is_set(&d->failure))
            break;
        if (progress != NULL)
            progress(arg, "read headers", i, d->count);
        if (!read_one(d, box, i, &e))
            first_failure_set(&d->failure, &e);
    }
}

static void *read_main(void *arg)
{
    read_some(arg, NULL, NULL);
    return NULL;
}

bool epochs_read(struct repo *r, char *const *keys, size_t count, uint32_t *out,
                 epochs_progress_fn *progress, void *arg, struct err *e)
{
    struct reading d = {.repo = r,
                        .keys = keys,
                        .count = count,
                        .epochs = out,
                        .failure = {.lock = PTHREAD_MUTEX_INITIALIZER}};
    const size_t wanted = (size_t)store_parallel(r->store);
    pthread_t threads[THREADS_MAX];
    size_t started = 0;

    for (size_t i = 0; i < count; i++)
        out[i] = 1;
    if (r->epoch == 1)
        return true;
    for (; started + 1 < wanted && started + 1 < count && started < THREADS_MAX; started++)
        thread_start(&threads[started], read_main, &d, "headers");
    read_some(&d, progress, arg);
    while (started > 0)
        thread_join(threads[--started]);
    return !first_failure_get(&d.failure, e);
}

/* Counting */

enum kind { KIND_NONE, KIND_PACK, KIND_TRASH, KIND_INDEX, KIND_SNAPSHOT, KIND_RECORD };

/* config and the objects of epochs are what they are for: they are not counted. */
static enum kind kind_of(const char *key)
{
    struct hash pack;
    int64_t time_s;
    enum object_class class;

    if (pack_key_parse(key, &pack))
        return KIND_PACK;
    if (discarded_key_parse(key, &pack, &time_s))
        return KIND_TRASH;
    if (!object_class_of(key, &class) || class == CLASS_CONFIG || class == CLASS_EPOCH)
        return KIND_NONE;
    if (class == CLASS_INDEX)
        return KIND_INDEX;
    return class == CLASS_SNAPSHOT ? KIND_SNAPSHOT : KIND_RECORD;
}

/* Only what has a kind, and the keys of slots. */
static void sift(struct key_list *l)
{
    size_t kept = 0;

    for (size_t i = 0; i < l->count; i++) {
        if (kind_of(l->items[i]) == KIND_NONE) {
            mem_free(l->items[i]);
            continue;
        }
        l->items[kept] = l->items[i];
        l->sizes[kept++] = l->sizes[i];
    }
    l->count = kept;
}

static void add(struct epoch_sum *sum, enum kind kind, uint64_t size)
{
    switch (kind) {
    case KIND_NONE:
        return;
    case KIND_PACK:
        sum->packs++;
        sum->pack_bytes += size;
        return;
    case KIND_TRASH:
        sum->trash_packs++;
        sum->trash_bytes += size;
        return;
    case KIND_INDEX:
        sum->indexes++;
        sum->index_bytes += size;
        return;
    case KIND_SNAPSHOT:
        sum->snapshots++;
        break;
    case KIND_RECORD:
        break;
    }
    sum->records++;
    sum->record_bytes += size;
}

static bool count_slots(struct repo *r, struct epochs_figures *out, struct err *e)
{
    AUTO(mem) struct key_slot *slots = NULL;
    size_t count;

    if (!key_list(r, &slots, &count, e))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (slots[i].is_damaged)
            continue;
        if (slots[i].epoch > r->epoch) {
            out->slots_unfinished++;
            continue;
        }
        out->of[slots[i].epoch - 1].slots++;
        out->slots_past += slots[i].epoch < r->epoch ? 1 : 0;
    }
    return true;
}

static void sum_left(struct epochs_figures *out)
{
    for (uint32_t i = 0; i + 1 < out->newest; i++) {
        out->packs_left += out->of[i].packs;
        out->pack_bytes_left += out->of[i].pack_bytes;
        out->indexes_left += out->of[i].indexes;
        out->trash_packs_left += out->of[i].trash_packs;
        out->trash_bytes_left += out->of[i].trash_bytes;
        out->records_left += out->of[i].records;
        out->snapshots_left += out->of[i].snapshots;
    }
}

bool epochs_measure(struct repo *r,
                    void (*progress)(void *arg, const char *step, uint64_t done, uint64_t total),
                    void *arg, struct epochs_figures *out, struct err *e)
{
    AUTO(key_list) struct key_list all = {0};
    struct epochs_figures f = {.newest = r->epoch};

    if (!key_list_read(r, "", &all, e))
        return false;
    sift(&all);

    AUTO(mem) uint32_t *epochs = mem_array(all.count, sizeof(*epochs));
    AUTO(mem) struct epoch_sum *of = mem_array(r->epoch, sizeof(*of));

    for (uint32_t i = 0; i < r->epoch; i++)
        of[i].epoch = i + 1;
    f.of = of;
    if (!epochs_read(r, all.items, all.count, epochs, progress, arg, e) || !count_slots(r, &f, e))
        return false;
    for (size_t i = 0; i < all.count; i++)
        if (epochs[i] == EPOCH_UNREADABLE)
            f.unreadable++;
        else if (epochs[i] != EPOCH_NONE)
            add(&of[epochs[i] - 1], kind_of(all.items[i]), all.sizes[i]);
    sum_left(&f);
    of = NULL;
    *out = f;
    return true;
}
