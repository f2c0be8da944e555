/*
 * The chunks of packs that do not come back: from what is left of the packs themselves, or from
 * another repository; each is proved by its id.
 */
#include "base/cancel.h"
#include "base/mem.h"
#include "repo/parity_objects.h"
#include "repo/prune.h"
#include "repo/repair_packs.h"

/* Rows of the index */

typedef bool row_fn(struct mending *m, void *arg, const struct index_row *row,
                    const struct pack_directory *d, struct err *e);

static bool each_row_of(struct mending *m, struct slice plain, row_fn *fn, void *arg, struct err *e)
{
    struct slice body;
    uint32_t count;

    if (!index_document_open(plain, &count, &body, e))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        AUTO(pack_directory) struct pack_directory d = {0};
        struct index_row row;

        if (cancel_is_requested())
            return cancel_err(e);
        if (!index_document_next(&body, &row, e) ||
            !pack_directory_decode(row.directory, row.class, &d, e) || !fn(m, arg, &row, &d, e))
            return false;
    }
    return true;
}

static bool each_row(struct mending *m, row_fn *fn, void *arg, struct err *e)
{
    AUTO(key_list) struct key_list keys = {0};

    if (!key_list_read(m->repo, "index/", &keys, e))
        return false;
    for (size_t i = 0; i < keys.count; i++) {
        AUTO(buf) struct buf plain = {0};

        mending_progress(m, "read index", i, keys.count);
        if (!document_get(m->repo, CLASS_INDEX, keys.items[i], &plain, e)) {
            if (e->code == ERR_NOT_FOUND)
                continue; /* a collector rewrote it */
            return false;
        }
        if (!each_row_of(m, buf_slice(&plain), fn, arg, e))
            return false;
    }
    return true;
}

/* An index in which nothing relies on bad packs. */
static bool load_without_bad(struct mending *m, struct err *e)
{
    repo_drop_index(m->repo);
    if (!index_load(m->repo, NULL, NULL, &m->repo->index, e))
        return false;
    for (size_t i = 0; i < m->bad_count; i++) {
        uint32_t number;

        if (index_has_pack(m->repo->index, &m->bad[i].id, &number))
            index_set_pack_state(m->repo->index, number, PACK_MISSING);
    }
    index_judge_deltas(m->repo->index);
    return true;
}

/* Copying */

struct copier {
    struct reader *own, *other;
    struct writer *writer;
    struct batch *batch; /* being filled, or NULL */
};

static void copier_auto(struct copier *k)
{
    if (k->batch != NULL)
        writer_release(k->writer, k->batch);
    writer_free(k->writer);
    reader_free(k->own);
    if (k->other != NULL)
        reader_free(k->other);
}

static void on_done(void *arg, struct batch *b)
{
    const struct copier *k = arg;

    writer_release(k->writer, b);
}

static bool submit(struct copier *k, struct err *e)
{
    return k->batch == NULL || writer_submit(k->writer, TAKE(k->batch), e);
}

static bool store_chunk(struct copier *k, enum chunk_type type, struct slice bytes, struct err *e)
{
    struct hash id;

    if (type != CHUNK_DATA)
        return writer_put_tree(k->writer, type, bytes, NULL, &id, e);
    if (k->batch == NULL)
        k->batch = writer_batch(k->writer);

    const struct piece p = {.offset = k->batch->bytes.size, .size = bytes.size, .type = CHUNK_DATA};

    buf_append_slice(&k->batch->bytes, bytes);
    batch_add(k->batch, &p);
    return k->batch->bytes.size < BATCH_BYTES || submit(k, e);
}

/* Where the own reader finds a chunk first. */
static enum chunk_origin own_origin(const struct mending *m, const struct hash *id)
{
    const struct index *ix = m->own.index;
    struct place at;

    if (!index_find(m->own.index, id, &at))
        return CHUNK_OF_REST;

    const struct index_pack *pack = index_pack_at(ix, index_frame_at(ix, at.frame).pack);

    return discarded_find(&m->trash, &pack->id) != NULL ? CHUNK_OF_TRASH : CHUNK_OF_REST;
}

/* From one of the two; *from is CHUNK_ORIGINS when neither has it. */
static bool fetch(const struct mending *m, struct copier *k, const struct pack_chunk *c,
                  struct buf *out, enum chunk_origin *from, struct err *e)
{
    struct reader *const readers[] = {k->own, k->other};

    for (size_t i = 0; i < 2 && readers[i] != NULL; i++) {
        buf_clear(out);
        if (reader_chunk(readers[i], c->type, &c->id, out, e)) {
            *from = i == 0 ? own_origin(m, &c->id) : CHUNK_OF_OTHER;
            return true;
        }
        if (!object_is_at_fault(e))
            return false;
    }
    *from = CHUNK_ORIGINS;
    return true;
}

static bool copy_row(struct mending *m, void *arg, const struct index_row *row,
                     const struct pack_directory *d, struct err *e)
{
    struct copier *k = arg;
    struct bad_pack *bad = mending_find(m, &row->id);
    AUTO(buf) struct buf bytes = {0};

    for (size_t i = 0; i < d->chunk_count; i++) {
        const struct pack_chunk *c = &d->chunks[i];
        enum chunk_origin from;
        struct place at;

        if (index_find_live(m->repo->index, &c->id, &at))
            continue;
        if (!fetch(m, k, c, &bytes, &from, e) ||
            (from != CHUNK_ORIGINS && !store_chunk(k, c->type, buf_slice(&bytes), e)))
            return false;
        if (from != CHUNK_ORIGINS)
            m->stats.chunks_copied++;
        else
            m->stats.chunks_lost++;
        if (bad != NULL && from != CHUNK_ORIGINS)
            bad->copied[from]++;
        else if (bad != NULL)
            bad->lost++;
    }
    return true;
}

/* Let the own reader find what stands in the trash. */
static void revive_discarded(struct mending *m)
{
    m->view = discarded_view_new(m->repo->store, &m->trash);
    m->own.store = m->view;
    for (size_t i = 0; i < m->bad_count; i++) {
        uint32_t number;

        if (discarded_find(&m->trash, &m->bad[i].id) != NULL &&
            index_has_pack(m->own.index, &m->bad[i].id, &number))
            index_set_pack_state(m->own.index, number, PACK_LIVE);
    }
    index_judge_deltas(m->own.index);
}

bool mending_copy(struct mending *m, struct err *e)
{
    struct repo *from = m->options->from;
    AUTO(copier) struct copier k = {0};
    const struct writer_options o = {.done = on_done, .arg = &k};
    struct writer_stats stats;

    /* What is left of bad packs is read by an index that still knows them. */
    m->own = *m->repo;
    m->repo->index = NULL;
    revive_discarded(m);
    if ((from != NULL && !repo_load_index(from, e)) || !load_without_bad(m, e) ||
        !writer_open(m->repo, &o, &k.writer, e))
        return false;
    k.own = reader_new(&m->own);
    k.other = from == NULL ? NULL : reader_new(from);
    return each_row(m, copy_row, &k, e) && submit(&k, e) && writer_drain(k.writer, e) &&
           writer_finish(k.writer, &stats, e);
}

/* Removing */

/* Nothing but the bad pack may be lost with it: as live chunks, and as plain bases of deltas. */
static bool judge_row(struct mending *m, void *arg, const struct index_row *row,
                      const struct pack_directory *d, struct err *e)
{
    struct bad_pack *bad = mending_find(m, &row->id);
    struct place at;

    (void)arg;
    (void)e; /* a callback that cannot fail */
    /* Of a pack that no index names nobody knows what is in it. */
    if (bad != NULL && !bad->is_named)
        bad->is_named = bad->is_replaced = true;
    for (size_t n = 0; bad != NULL && n < d->frame_count; n++) {
        const struct pack_frame *f = &d->frames[n];
        const bool is_base = f->compression != COMPRESSION_ZSTD_AFTER;

        for (size_t i = f->first_chunk; i < (size_t)f->first_chunk + f->chunk_count; i++) {
            const struct hash *id = &d->chunks[i].id;

            if (is_base ? index_find_live_base(m->repo->index, id, &at)
                        : index_find_live(m->repo->index, id, &at))
                continue;
            bad->is_replaced = false;
            (void)err_set(
                &bad->why, ERR_CORRUPT,
                "chunks of it are neither in what is left of it, nor in the trash, nor in "
                "another repository");
        }
    }
    return true;
}

/* True with *is_alone when no collector is at work but the own list. */
static bool look_around(struct mending *m, const char *own_list, bool *is_alone, struct err *e)
{
    AUTO(condemned) struct condemned others = {0};

    if (!condemned_read(m->repo, own_list, &others, e))
        return false;
    *is_alone = others.list_count == 0;
    return true;
}

/* Where its chunks come from. */
static void tell_replaced(struct mending *m, const struct hash *pack)
{
    static const char *const places[CHUNK_ORIGINS] = {
        [CHUNK_OF_REST] = "what was left of damaged packs",
        [CHUNK_OF_TRASH] = "the trash",
        [CHUNK_OF_OTHER] = "the other repository",
    };
    const uint64_t *copied = mending_find(m, pack)->copied;
    AUTO(buf) struct buf sentence = {0};
    const char *between = "what was in it is in new packs: ";

    for (int i = 0; i < CHUNK_ORIGINS; i++)
        if (copied[i] > 0) {
            buf_printf(&sentence, "%s%llu chunk%s from %s", between, (unsigned long long)copied[i],
                       copied[i] == 1 ? "" : "s", places[i]);
            between = ", ";
        }
    if (sentence.size == 0)
        buf_printf(&sentence, "all that was in it is in other packs, too");
    mending_tell(m, pack,
                 copied[CHUNK_OF_OTHER] > 0   ? HEAL_REPOSITORY
                 : copied[CHUNK_OF_TRASH] > 0 ? HEAL_TRASH
                                              : HEAL_AGAIN,
                 buf_string(&sentence));
}

static bool remove_doomed(struct mending *m, struct prune *p, struct err *e)
{
    AUTO(look) struct look now = {0};

    if (!look_take(m->repo, p->list_key, &now, e) || !prune_index(p, &now, e))
        return false;
    for (size_t i = 0; i < p->doomed_count; i++) {
        char key[PACK_KEY_MAX];

        pack_key(&p->doomed[i], key);
        if (!object_remove(m->repo, key, e))
            return false;
        tell_replaced(m, &p->doomed[i]);
    }
    return store_remove(m->repo->store, p->list_key, e);
}

static void stay(struct mending *m)
{
    for (size_t i = 0; i < m->bad_count; i++)
        if (m->bad[i].is_replaced) {
            m->bad[i].is_replaced = false;
            (void)err_set(&m->bad[i].why, ERR_TRANSIENT,
                          "what was in it is in new packs; it stays, for a prune is at work or was "
                          "interrupted");
        }
}

static void prune_done(struct prune *p)
{
    key_list_done(&p->index_keys);
    mem_free(p->doomed);
    mem_free(p->is_rescued);
    mem_free(p->list_key);
}

static bool drop(struct mending *m, struct prune *p, struct err *e)
{
    struct err ignored;
    bool is_alone = false;

    for (size_t i = 0; i < m->bad_count; i++)
        if (m->bad[i].is_replaced)
            p->doomed[p->doomed_count++] = m->bad[i].id;
    if (p->doomed_count == 0)
        return true;

    const struct condemned_list list = {.packs = p->doomed, .pack_count = p->doomed_count};

    if (!key_list_read(m->repo, "index/", &p->index_keys, e) ||
        !condemned_list_put(m->repo, &list, &p->list_key, e))
        return false;

    /* A collector that comes later sees the own list before it removes anything. */
    const bool has_looked = look_around(m, p->list_key, &is_alone, e);

    if (has_looked && is_alone)
        return remove_doomed(m, p, e);
    /* A list that stays is cleared away by the next collector. */
    (void)!store_remove(m->repo->store, p->list_key, &ignored);
    stay(m);
    return has_looked;
}

bool mending_drop(struct mending *m, struct err *e)
{
    struct prune p = {.repo = m->repo,
                      .doomed = mem_array(m->bad_count, sizeof(*p.doomed)),
                      .is_rescued = mem_array(m->bad_count, sizeof(*p.is_rescued))};

    const bool ok = load_without_bad(m, e) && each_row(m, judge_row, NULL, e) && drop(m, &p, e);

    prune_done(&p);
    return ok;
}
