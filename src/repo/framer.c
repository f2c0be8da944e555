/*
 * Chunks wait until they are worth a frame; frames are compressed by the thread that gathered
 * them and added to the open pack of their class; a full pack goes to the uploader's queue.
 */
#include "repo/framer.h"

#include "base/mem.h"

/* Chunks that are longer on average come from long files: most files end before. */
#define LONG_CHUNK ((size_t)128 << 10)

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

/* A frame as it will be stored. */
struct frame {
    struct slice stored;
    enum compression compression;
    uint32_t plain_size;
    const struct pack_chunk *chunks;
    size_t count;
};

static void open_pack_add(struct open_pack *p, const struct frame *f)
{
    struct pack_builder *full = NULL;

    pthread_mutex_lock(&p->lock);
    if (p->builder != NULL &&
        pack_builder_size_with(p->builder, f->stored.size, f->count) > p->size_max)
        full = TAKE(p->builder);
    if (p->builder == NULL)
        p->builder = next_builder(p);
    pack_builder_add(p->builder, f->stored, f->compression, f->plain_size, f->chunks, f->count);
    pthread_mutex_unlock(&p->lock);
    atomic_fetch_add(&p->frames, 1);
    hand_over(p, full);
}

/* Framers */

void framer_init(struct framer *f, struct open_pack *pack, int level)
{
    *f = (struct framer){.pack = pack, .compressor = level < 0 ? NULL : compressor_new(level)};
}

void framer_done(struct framer *f)
{
    compressor_free(f->compressor);
    buf_done(&f->gather);
    buf_done(&f->packed);
    mem_free(f->chunks);
}

static void add_chunk(struct framer *f, const struct piece *p)
{
    if (f->count == f->room) {
        f->room = f->room == 0 ? 64 : f->room * 2;
        f->chunks = mem_resize(f->chunks, f->room, sizeof(*f->chunks));
    }
    f->chunks[f->count++] =
        (struct pack_chunk){.id = p->id, .type = p->type, .size = (uint32_t)p->size};
}

/* A frame of these bytes, which are those of f->chunks. */
static void store_frame(struct framer *f, struct slice plain)
{
    const enum content content = plain.size >= f->count * LONG_CHUNK ? CONTENT_LONG : CONTENT_MIXED;
    struct frame frame = {.stored = plain,
                          .compression = COMPRESSION_NONE,
                          .plain_size = (uint32_t)plain.size,
                          .chunks = f->chunks,
                          .count = f->count};

    buf_clear(&f->packed);
    if (f->compressor != NULL && compressor_compress(f->compressor, plain, content, &f->packed)) {
        frame.stored = buf_slice(&f->packed);
        frame.compression = COMPRESSION_ZSTD;
    }
    open_pack_add(f->pack, &frame);
    f->count = 0;
}

void framer_flush(struct framer *f)
{
    if (f->count > 0)
        store_frame(f, buf_slice(&f->gather));
    buf_clear(&f->gather);
}

void framer_settle(struct framer *f)
{
    if (f->gather.size >= BATCH_BYTES)
        framer_flush(f);
}

void framer_gather(struct framer *f, const struct piece *p, struct slice bytes)
{
    if (f->gather.size + bytes.size > FRAME_PLAIN_MAX)
        framer_flush(f);
    add_chunk(f, p);
    buf_append_slice(&f->gather, bytes);
}

void framer_batch(struct framer *f, const struct batch *b)
{
    framer_flush(f);
    for (size_t i = 0; i < b->count; i++)
        add_chunk(f, &b->pieces[i]);
    store_frame(f, buf_slice(&b->bytes));
}
