/*
 * Chunks wait until they are worth a frame; frames are compressed by the thread that gathered
 * them and added to the open pack of their class; a full pack goes to the uploader's queue.
 */
#include "repo/framer.h"

#include "base/mem.h"
#include "codec/likeness.h"

/* Chunks that are longer on average come from long files: most files end before. */
#define LONG_CHUNK ((size_t)128 << 10)

/*
 * Levels of a framer that follows the store.  The first is for a store that keeps up and costs the
 * least time; the others are for frames begun while a full pack waits for the store, when there is
 * time to spend (docs/decisions/0074).  So many frames in a row lead from one to the next, and half
 * as many without a pack waiting lead back.
 */
static const int levels[] = {1, 3, 6, 9};
#define LEVEL_FRAMES 24
#define BACKLOG_MAX  ((int)(sizeof(levels) / sizeof(levels[0])) * LEVEL_FRAMES - 1)

/* Who looks for a page expands the delta that it stands in, and many nights left one of each part
 * of the tree: docs/decisions/0079. */
#define TREE_DELTA_BYTES ((size_t)128 << 10)

/* Of a page as a delta at most this part is new. */
#define PAGE_NEW_PART 2

/* Open packs */

void open_pack_init(struct open_pack *p, struct repo *r, enum object_class class, size_t size_max,
                    struct queue *full, struct queue *spare)
{
    *p = (struct open_pack){
        .repo = r, .class = class, .size_max = size_max, .full = full, .spare = spare};
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->named, NULL);
}

void open_pack_done(struct open_pack *p)
{
    pack_builder_free(p->builder);
    pthread_cond_destroy(&p->named);
    pthread_mutex_destroy(&p->lock);
}

static struct pack_builder *next_builder(const struct open_pack *p)
{
    struct pack_builder *b = queue_try_take(p->spare);

    if (b == NULL)
        return pack_builder_new(p->repo, p->class, p->size_max);
    pack_builder_restart(b, p->repo, p->class);
    return b;
}

/* Outside the lock: waits while the uploader is busy. */
static void hand_over(struct open_pack *p, struct pack_builder *b)
{
    if (b == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    while (p->naming == b)
        pthread_cond_wait(&p->named, &p->lock);
    pthread_mutex_unlock(&p->lock);
    if (!queue_put(p->full, b))
        pack_builder_free(b);
}

void open_pack_flush(struct open_pack *p)
{
    pthread_mutex_lock(&p->lock);
    struct pack_builder *b = TAKE(p->builder);
    pthread_mutex_unlock(&p->lock);

    hand_over(p, b);
}

void open_pack_sum_beside(struct open_pack *p, struct mac *m, struct mac_message *messages,
                          size_t count)
{
    struct pack_builder *b = NULL;
    size_t size = 0;

    pthread_mutex_lock(&p->lock);
    if (p->naming == NULL && p->builder != NULL) {
        b = p->naming = p->builder;
        size = pack_builder_size(b);
    }
    pthread_mutex_unlock(&p->lock);
    if (b == NULL) {
        mac_sum_all(m, messages, count);
        return;
    }
    pack_builder_sum_beside(b, size, m, messages, count);
    pthread_mutex_lock(&p->lock);
    p->naming = NULL;
    pthread_cond_broadcast(&p->named);
    pthread_mutex_unlock(&p->lock);
}

void open_pack_add(struct open_pack *p, const struct stored_frame *f)
{
    struct pack_builder *full = NULL;

    pthread_mutex_lock(&p->lock);
    while (p->naming != NULL && p->naming == p->builder &&
           pack_builder_will_move(p->builder, f->stored.size))
        pthread_cond_wait(&p->named, &p->lock);
    if (p->builder != NULL &&
        pack_builder_size_with(p->builder, f->stored.size, f->compression, f->count) > p->size_max)
        full = TAKE(p->builder);
    if (p->builder == NULL)
        p->builder = next_builder(p);
    pack_builder_add(p->builder, f->stored, f->compression, f->plain_size, f->chunks, f->count);
    pthread_mutex_unlock(&p->lock);
    atomic_fetch_add(&p->frames, 1);
    hand_over(p, full);
}

/* The level for the next frame.  Of threads that meet here one may lose its step. */
static int next_level(struct open_pack *p)
{
    const int before = atomic_load(&p->backlog);
    const int now = queue_count(p->full) > 0 ? before + 1 : before - 2;
    const int backlog = now < 0 ? 0 : now > BACKLOG_MAX ? BACKLOG_MAX : now;

    atomic_store(&p->backlog, backlog);
    return levels[backlog / LEVEL_FRAMES];
}

/* Framers */

void framer_init(struct framer *f, struct open_pack *pack, int level)
{
    *f = (struct framer){.pack = pack,
                         .compressor =
                             level < 0 ? NULL : compressor_new(level > 0 ? level : levels[0]),
                         .is_adaptive = level == 0};
    prefix_init(&f->prefix, pack->repo, NULL);
    f->mac = mac_new(pack->repo->keys->chunk_id);
}

static void gather_done(struct gather *g)
{
    buf_done(&g->bytes);
    mem_free(g->chunks);
}

void framer_done(struct framer *f)
{
    compressor_free(f->compressor);
    gather_done(&f->plain);
    gather_done(&f->deltas);
    prefix_done(&f->prefix);
    mem_free(f->bases);
    mac_free(f->mac);
    buf_done(&f->packed);
}

static struct pack_chunk *add_chunk(struct gather *g, const struct piece *p)
{
    if (g->count == g->room) {
        g->room = g->room == 0 ? 64 : g->room * 2;
        g->chunks = mem_resize(g->chunks, g->room, sizeof(*g->chunks));
    }
    g->chunks[g->count] =
        (struct pack_chunk){.id = p->id, .type = p->type, .size = (uint32_t)p->size};
    return &g->chunks[g->count++];
}

static void choose_level(struct framer *f)
{
    if (f->compressor == NULL || !f->is_adaptive)
        return;

    const int level = next_level(f->pack);

    compressor_set_level(f->compressor, level);
    if (level > levels[0])
        atomic_fetch_add(&f->pack->frames_harder, 1);
}

static enum content content_of(const struct gather *g, struct slice plain)
{
    return plain.size >= g->count * LONG_CHUNK ? CONTENT_LONG : CONTENT_MIXED;
}

/* A frame of these bytes, which are those of the chunks of g. */
static void store_frame(struct framer *f, struct gather *g, struct slice plain)
{
    const enum content content = content_of(g, plain);
    struct stored_frame frame = {.stored = plain,
                                 .compression = COMPRESSION_NONE,
                                 .plain_size = (uint32_t)plain.size,
                                 .chunks = g->chunks,
                                 .count = g->count};

    choose_level(f);
    buf_clear(&f->packed);
    if (f->compressor != NULL && compressor_compress(f->compressor, plain, content, &f->packed)) {
        frame.stored = buf_slice(&f->packed);
        frame.compression = COMPRESSION_ZSTD;
    }
    open_pack_add(f->pack, &frame);
    g->count = 0;
}

static void flush_plain(struct framer *f)
{
    if (f->plain.count > 0)
        store_frame(f, &f->plain, buf_slice(&f->plain.bytes));
    buf_clear(&f->plain.bytes);
}

/* Ids are computed here for all bases of a delta: two at a time take little more than one. */
static bool bases_are_sound(const struct framer *f)
{
    AUTO(mem) struct mac_message *messages = mem_array(f->base_count, sizeof(*messages));
    const uint8_t *bytes = f->prefix.bytes.data;

    for (size_t i = 0; i < f->base_count; i++) {
        const struct framer_base *b = &f->bases[i];

        messages[i] =
            (struct mac_message){.in = SLICE_OF(bytes, b->size), .type = (uint8_t)b->type};
        bytes += b->size;
    }
    mac_sum_all(f->mac, messages, f->base_count);
    for (size_t i = 0; i < f->base_count; i++)
        if (!id_is_named(&messages[i].sum, &f->bases[i].id))
            return false;
    return true;
}

/* As a delta, or, when that does not pay or cannot be relied on, as any other frame. */
static void flush_deltas(struct framer *f)
{
    struct gather *g = &f->deltas;
    const struct slice plain = buf_slice(&g->bytes);

    if (g->count == 0)
        return;
    buf_clear(&f->packed);
    if (bases_are_sound(f) && compressor_compress_after(f->compressor, buf_slice(&f->prefix.bytes),
                                                        plain, content_of(g, plain), &f->packed)) {
        atomic_fetch_add(&f->pack->delta_chunks, g->count);
        atomic_fetch_add(&f->pack->delta_bytes, plain.size);
        open_pack_add(f->pack, &(struct stored_frame){.stored = buf_slice(&f->packed),
                                                      .compression = COMPRESSION_ZSTD_AFTER,
                                                      .plain_size = (uint32_t)plain.size,
                                                      .chunks = g->chunks,
                                                      .count = g->count});
        g->count = 0;
    } else {
        store_frame(f, g, plain);
    }
    buf_clear(&g->bytes);
    prefix_clear(&f->prefix);
    f->base_count = f->base_frame_count = 0;
}

void framer_flush(struct framer *f)
{
    flush_plain(f);
    flush_deltas(f);
}

void framer_settle(struct framer *f)
{
    const size_t delta_bytes = f->pack->class == CLASS_TREE ? TREE_DELTA_BYTES : BATCH_BYTES;

    if (f->plain.bytes.size >= BATCH_BYTES)
        flush_plain(f);
    if (f->deltas.bytes.size >= delta_bytes)
        flush_deltas(f);
}

void framer_gather(struct framer *f, const struct piece *p, struct slice bytes)
{
    if (f->plain.bytes.size + bytes.size > FRAME_PLAIN_MAX)
        flush_plain(f);
    (void)add_chunk(&f->plain, p);
    buf_append_slice(&f->plain.bytes, bytes);
}

static bool rests_on(const struct framer *f, uint32_t frame)
{
    for (size_t i = 0; i < f->base_frame_count; i++)
        if (f->base_frames[i] == frame)
            return true;
    return false;
}

/* Whether the delta that is being gathered has room for a chunk with a base in this frame. */
static bool has_room(const struct framer *f, size_t size, uint32_t base_frame)
{
    return f->deltas.bytes.size + size <= FRAME_PLAIN_MAX &&
           f->prefix.bytes.size + CHUNK_MAX <= COMPRESS_PREFIX_MAX &&
           (f->base_frame_count < TREE_BASE_FRAMES || rests_on(f, base_frame));
}

/* A page that has become another one is stored whole, and is the base of those that follow. */
static bool is_like(struct slice former, struct slice page)
{
    return likeness_new_bytes(former, page) <= page.size / PAGE_NEW_PART;
}

/* Of equal bases in a row the prefix has one. */
static bool add_base(struct framer *f, enum chunk_type type, const struct hash *base,
                     struct slice bytes)
{
    const size_t before = f->prefix.bytes.size;
    struct err too_long;

    if (!prefix_append(&f->prefix, base, bytes, &too_long))
        return false;
    if (f->prefix.bytes.size == before)
        return true;
    if (f->base_count == f->base_room) {
        f->base_room = f->base_room == 0 ? 64 : f->base_room * 2;
        f->bases = mem_resize(f->bases, f->base_room, sizeof(*f->bases));
    }
    f->bases[f->base_count++] = (struct framer_base){*base, type, bytes.size};
    return true;
}

bool framer_gather_after(struct framer *f, const struct piece *p, struct slice bytes,
                         const struct hash *base, const struct place *at)
{
    struct slice former;
    struct err unreadable;

    if (f->compressor == NULL)
        return false;
    if (!has_room(f, bytes.size, at->frame))
        flush_deltas(f);
    if (!prefix_read_copy(&f->prefix, base, at, &former, &unreadable) ||
        (f->pack->class == CLASS_TREE && !is_like(former, bytes)) ||
        !add_base(f, p->type, base, former))
        return false;
    if (f->pack->class == CLASS_TREE && !rests_on(f, at->frame))
        f->base_frames[f->base_frame_count++] = at->frame;
    add_chunk(&f->deltas, p)->base = *base;
    buf_append_slice(&f->deltas.bytes, bytes);
    return true;
}

void framer_batch(struct framer *f, const struct batch *b)
{
    flush_plain(f);
    for (size_t i = 0; i < b->count; i++)
        (void)add_chunk(&f->plain, &b->pieces[i]);
    store_frame(f, &f->plain, buf_slice(&b->bytes));
}
