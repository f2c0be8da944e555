/*
 * Copying the needed chunks of packs that are going away into new packs.
 *
 * Chunks are framed and compressed again, so what was scattered stands together afterwards.
 * The originals are removed soon, so a new pack is read back whole before it is stored.
 */
#include <assert.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "repo/framer.h"
#include "repo/parity_objects.h"
#include "repo/prune.h"

/* Read more often than it is written, and in no hurry. */
#define REPACK_LEVEL 3

/* Packs that may be finished before any is stored: one chunk can end two frames, and each of
 * them a pack.  Beside them there are two open packs and the one being stored. */
#define FULL_MAX 4
#define BUILDERS (FULL_MAX + 2 + 1)

struct repacker {
    struct prune *prune;
    struct pack_scan *source, *proof;
    struct buf object;
    struct queue *full, *spare;
    struct open_pack content_pack, tree_pack;
    struct framer content, tree;
    struct index_document document;
};

static void repacker_init(struct repacker *k, struct prune *p)
{
    const size_t room = pack_size_usual(p->repo);
    const int level = p->options->level == LEVEL_AUTO ? REPACK_LEVEL : p->options->level;

    *k = (struct repacker){.prune = p,
                           .source = pack_scan_new(p->repo),
                           .proof = pack_scan_new(p->repo),
                           .full = queue_new(FULL_MAX),
                           .spare = queue_new(BUILDERS)};
    open_pack_init(&k->content_pack, p->repo, CLASS_CONTENT, room, k->full, k->spare);
    open_pack_init(&k->tree_pack, p->repo, CLASS_TREE, room, k->full, k->spare);
    framer_init(&k->content, &k->content_pack, level);
    framer_init(&k->tree, &k->tree_pack, level);
}

static void repacker_auto(struct repacker *k)
{
    framer_done(&k->content);
    framer_done(&k->tree);
    open_pack_done(&k->content_pack);
    open_pack_done(&k->tree_pack);
    for (struct pack_builder *b; (b = queue_try_take(k->full)) != NULL;)
        pack_builder_free(b);
    for (struct pack_builder *b; (b = queue_try_take(k->spare)) != NULL;)
        pack_builder_free(b);
    queue_free(k->full);
    queue_free(k->spare);
    pack_scan_free(k->source);
    pack_scan_free(k->proof);
    buf_done(&k->object);
    index_document_done(&k->document);
}

/* Bases come from the store, so what goes wrong may be elsewhere. */
static bool prove_pack(struct repacker *k, struct slice object, struct err *e)
{
    if (!pack_scan_open(k->proof, object, e) || !pack_scan_plain(k->proof, e)) {
        e->code = ERR_FATAL;
        return err_wrap(e, "a pack does not read back before upload (faulty memory or library)");
    }
    return pack_scan_deltas(k->proof, e) || err_wrap(e, "read a new pack back before upload");
}

static bool put_pack(struct repacker *k, struct pack_builder *b, struct err *e)
{
    const enum object_class class = pack_builder_class(b);
    struct slice object, directory;
    struct hash id;
    uint32_t number;
    char key[PACK_KEY_MAX];

    pack_builder_finish(b, &id, &object, &directory);
    if (!prove_pack(k, object, e))
        return false;
    pack_key(&id, key);
    if (!store_put(k->prune->repo->store, key, object, PUT_NEW, e) ||
        !parity_put(k->prune->repo, key, object, e))
        return err_wrap(e, "store pack");
    index_document_add(&k->document, &id, class, object.size, directory);
    return index_add_pack(k->prune->moved, &id, class, PACK_LIVE, directory, &number, e);
}

static bool put_packs(struct repacker *k, struct err *e)
{
    while (queue_count(k->full) > 0) {
        AUTO(pack_builder) struct pack_builder *b = queue_take(k->full);

        if (!put_pack(k, b, e))
            return false;

        const bool is_kept = queue_put(k->spare, TAKE(b));

        assert(is_kept);
    }
    return true;
}

/* Whether the copy of a chunk at this very place is the one that was marked. */
static bool is_marked(const struct prune *p, const struct pack_chunk *c, uint32_t frame)
{
    size_t number = INDEX_NO_ENTRY;
    struct place at;

    while (index_entry_next(p->repo->index, c->id.bytes, &number, &at))
        if (at.frame == frame && at.offset == c->offset)
            return marks_has(p->marks, number);
    return false;
}

/* A delta stays one: its base was marked with it. */
static void copy_chunk(struct framer *to, const struct pack_frame *from, const struct pack_chunk *c,
                       struct slice bytes)
{
    const struct piece p = {.id = c->id, .type = c->type, .size = c->size};
    struct place at;

    if (from->compression != COMPRESSION_ZSTD_AFTER ||
        !index_find_base(to->pack->repo->index, &c->base, &at) ||
        !framer_gather_after(to, &p, bytes, &c->base, &at))
        framer_gather(to, &p, bytes);
    framer_settle(to);
}

static bool copy_frame(struct repacker *k, struct framer *to, size_t frame, uint32_t number,
                       struct err *e)
{
    const struct pack_directory *d = pack_scan_directory(k->source);
    const struct pack_frame *from = &d->frames[frame];
    struct slice plain = {0};

    for (size_t i = from->first_chunk; i < (size_t)from->first_chunk + from->chunk_count; i++) {
        const struct pack_chunk *c = &d->chunks[i];

        if (!is_marked(k->prune, c, number))
            continue;
        if (plain.size == 0 && !pack_scan_frame(k->source, frame, &plain, e))
            return false;
        if (!pack_scan_chunk(k->source, i, plain, e))
            return false;
        copy_chunk(to, from, c, SLICE_OF(plain.data + c->offset, c->size));
        if (!put_packs(k, e))
            return false;
    }
    return true;
}

static bool copy_pack(struct repacker *k, const struct index_pack *p, struct err *e)
{
    struct framer *to = p->class == CLASS_CONTENT ? &k->content : &k->tree;
    char key[PACK_KEY_MAX];

    pack_key(&p->id, key);
    buf_clear(&k->object);
    if (!store_get_all(k->prune->repo->store, key, &k->object, e)) {
        if (e->code == ERR_NOT_FOUND)
            e->code = ERR_TRANSIENT; /* it was there: another collector took it */
        return err_wrap(e, "repack");
    }
    if (!pack_scan_open(k->source, buf_slice(&k->object), e))
        return err_wrap(e, "repack %s", key);
    if (pack_scan_class(k->source) != p->class ||
        pack_scan_directory(k->source)->frame_count != p->frame_count)
        return err_set(e, ERR_CORRUPT, "repack %s: the index and the pack disagree", key);
    for (uint32_t i = 0; i < p->frame_count; i++)
        if (!copy_frame(k, to, i, p->first_frame + i, e))
            return err_wrap(e, "repack %s", key);
    return true;
}

static bool copy_all(struct repacker *k, struct err *e)
{
    const struct prune *p = k->prune;
    uint64_t done = 0;
    uint64_t bytes = 0;

    for (uint32_t n = 0; n < p->use_count; n++) {
        if (p->uses[n].fate != FATE_REPACK)
            continue;
        if (cancel_is_requested())
            return cancel_err(e);
        if (p->below_epoch > 0)
            prune_progress(p, "reencrypt", bytes, p->stats.bytes_past);
        else
            prune_progress(p, "repack", done++, p->stats.packs_repacked);
        bytes += p->uses[n].size;
        if (!copy_pack(k, index_pack_at(p->repo->index, n), e))
            return false;
    }
    framer_flush(&k->content);
    framer_flush(&k->tree);
    open_pack_flush(&k->content_pack);
    open_pack_flush(&k->tree_pack);
    return put_packs(k, e);
}

bool prune_repack(struct prune *p, struct err *e)
{
    if (p->stats.packs_repacked == 0)
        return true;

    AUTO(repacker) struct repacker k;

    repacker_init(&k, p);
    p->moved = index_new();
    if (!copy_all(&k, e)) {
        if (e->code == ERR_CORRUPT && index_is_stale(p->repo, &p->index_keys))
            e->code = ERR_TRANSIENT; /* bases were there: another collector moved them */
        return false;
    }
    assert(k.document.packs > 0);
    return index_document_put(p->repo, &k.document, e);
}
