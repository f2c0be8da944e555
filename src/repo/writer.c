/*
 * Storing chunks: workers hash, look up and compress, one open pack per class collects the
 * frames (framer.c), threads of their own upload full packs (uploader.c).
 *
 *     writer_submit() -> work queue -> workers -> open content pack -> full queue -> uploader
 *     writer_put_tree() -> page queue -----------> open tree pack ---^
 *
 * Every wait is a queue with a bound, so memory is: batches (WRITER_BATCHES_PER_WORKER per
 * worker and a few more, each 0.5 to 4.5 MiB), two open packs, one in the queue, one with each
 * uploader, for each worker and for trees the chunks that wait for a frame, their bases (8 MiB at
 * most) and the frames that its reader of bases keeps, and the page queue; the memory of a stored
 * pack serves the next.  The first failure is kept; everything after it drains without effect.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "repo/page_queue.h"
#include "repo/uploader.h"

#define WRITER_BATCHES_PER_WORKER 2
#define WRITER_BATCHES_MORE       4
#define WRITER_WORKERS_MAX        64

/* Besides those of uploaders, all pack builders there can be at once: two open packs, the queue's,
 * and one that each worker waits to hand over. */
#define FULL_ROOM 1
#define BUILDERS  (2 + FULL_ROOM + WRITER_WORKERS_MAX)

/* A chunk that is so many times longer or shorter than its base has little in common with it. */
#define BASE_RATIO_MAX 4

/* A shorter page saves no more than its base takes in the directory of the pack and in the index.
 */
#define PAGE_BASE_MIN ((size_t)256)

/* From a store that is far away, bases are read for chunks of long files only: a frame of short
 * ones holds little else that is wanted. */
#define FAR_BASE_MIN ((size_t)128 << 10)

/* Chunks of a kept file that need no memory of their own. */
#define KEPT_FEW 16

/* Names the chunks of batches and stores the new ones; one thread each. */
struct worker {
    struct writer *writer;
    pthread_t thread;
    struct framer framer;
    struct mac *mac;
    struct mac_message *messages; /* the chunks of one batch */
    struct claim *claims;         /* of the same */
    size_t room;
};

struct writer {
    struct repo *repo;
    struct writer_options options;

    struct queue *idle;  /* empty batches */
    struct queue *work;  /* submitted batches */
    struct queue *full;  /* pack builders to upload */
    struct queue *spare; /* those that were uploaded: fresh memory is slower than used */
    struct worker *workers;
    int worker_count;
    bool workers_run;
    bool is_near; /* the store is: reading bases from it takes next to no time */

    struct open_pack content, tree;
    struct framer tree_framer;
    struct page_queue pages; /* that wait for it */
    struct mac *tree_mac;
    struct uploader uploader;
    struct needed_packs needed;
    _Atomic uint64_t data_chunks, tree_chunks, bytes_added;

    struct first_failure failure;
    pthread_mutex_t lock; /* guards under_way */
    pthread_cond_t drained;
    size_t under_way; /* batches submitted and not done */
};

/* Batches */

void batch_add(struct batch *b, const struct piece *p)
{
    assert(p->size > 0 && p->size <= CHUNK_MAX && p->offset + p->size <= b->bytes.size);
    if (b->count == b->room) {
        b->room = b->room == 0 ? 64 : b->room * 2;
        b->pieces = mem_resize(b->pieces, b->room, sizeof(*b->pieces));
    }
    b->pieces[b->count++] = *p;
}

static void batch_free(struct batch *b)
{
    buf_done(&b->bytes);
    mem_free(b->pieces);
    mem_free(b);
}

struct batch *writer_batch(struct writer *w)
{
    return queue_take(w->idle);
}

void writer_release(struct writer *w, struct batch *b)
{
    buf_clear(&b->bytes);
    b->count = 0;
    b->cookie = NULL;
    if (!queue_put(w->idle, b))
        batch_free(b);
}

static void batch_is_done(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    if (--w->under_way == 0)
        pthread_cond_broadcast(&w->drained);
    pthread_mutex_unlock(&w->lock);
}

bool writer_submit(struct writer *w, struct batch *b, struct err *e)
{
    if (first_failure_get(&w->failure, e)) {
        writer_release(w, b);
        return false;
    }
    pthread_mutex_lock(&w->lock);
    w->under_way++;
    pthread_mutex_unlock(&w->lock);

    const bool is_queued = queue_put(w->work, b);

    assert(is_queued);
    return true;
}

bool writer_drain(struct writer *w, struct err *e)
{
    pthread_mutex_lock(&w->lock);
    while (w->under_way > 0)
        pthread_cond_wait(&w->drained, &w->lock);
    pthread_mutex_unlock(&w->lock);
    return !first_failure_get(&w->failure, e);
}

/* Workers */

static void count_new(struct writer *w, enum chunk_type type, size_t size)
{
    atomic_fetch_add(type == CHUNK_DATA ? &w->data_chunks : &w->tree_chunks, 1);
    atomic_fetch_add(&w->bytes_added, size);
}

static void worker_init(struct worker *k, struct writer *w)
{
    k->writer = w;
    framer_init(&k->framer, &w->content, w->options.level);
    k->mac = mac_new(w->repo->keys->chunk_id);
}

static void worker_done(struct worker *k)
{
    framer_done(&k->framer);
    mac_free(k->mac);
    mem_free(k->messages);
    mem_free(k->claims);
}

/* Ids of all pieces, to the pieces and to the claims. */
static void name_pieces(struct worker *k, struct batch *b)
{
    if (b->count > k->room) {
        k->room = b->count * 2;
        k->messages = mem_resize(k->messages, k->room, sizeof(*k->messages));
        k->claims = mem_resize(k->claims, k->room, sizeof(*k->claims));
    }
    for (size_t i = 0; i < b->count; i++) {
        const struct piece *p = &b->pieces[i];

        k->messages[i] = (struct mac_message){.type = (uint8_t)p->type,
                                              .in = SLICE_OF(b->bytes.data + p->offset, p->size)};
    }
    open_pack_sum_beside(&k->writer->content, k->mac, k->messages, b->count);
    for (size_t i = 0; i < b->count; i++) {
        struct piece *p = &b->pieces[i];

        p->id = k->messages[i].sum;
        k->claims[i] = (struct claim){.id = p->id, .size = (uint32_t)p->size};
    }
}

/* Which pieces are new; returns how many. */
static size_t claim_pieces(struct worker *k, struct batch *b)
{
    struct writer *w = k->writer;
    size_t count = 0;

    index_claim_all(w->repo->index, k->claims, b->count);
    for (size_t i = 0; i < b->count; i++) {
        const struct claim *c = &k->claims[i];

        b->pieces[i].is_new = !c->is_found;
        if (c->is_found) {
            needed_packs_found(&w->needed, &c->place);
        } else {
            count_new(w, b->pieces[i].type, b->pieces[i].size);
            count++;
        }
    }
    return count;
}

/* Far away, it has to cost no time: a worker would wait for its packs to be stored anyway.  Pages
 * of trees are read by all who look for a file, one after the other. */
static bool takes_base(const struct writer *w, const struct piece *p)
{
    if (!p->has_base)
        return false;
    if (p->type != CHUNK_DATA)
        return w->is_near && p->size >= PAGE_BASE_MIN;
    return w->is_near || (p->size >= FAR_BASE_MIN && queue_count(w->full) > 0);
}

/*
 * The base to store a piece after, by its first bytes: what it names when that stands in a plain
 * frame, else the base of that, so that no delta rests on another.  The pack of the copy at *at is
 * needed from now on.
 */
static bool choose_base(struct writer *w, const struct piece *p, struct hash *out, struct place *at)
{
    struct index *ix = w->repo->index;

    if (!takes_base(w, p) || !index_find_live(ix, &p->base, at))
        return false;

    const struct hash *below = index_base_of(ix, at);

    *out = id_prefix(below == NULL ? &p->base : below);
    if (!index_find_live_base(ix, out, at) || at->size / BASE_RATIO_MAX > p->size ||
        p->size / BASE_RATIO_MAX > at->size)
        return false;
    needed_packs_found(&w->needed, at);
    return true;
}

static void store_piece(struct worker *k, const struct piece *p, struct slice bytes)
{
    struct hash base;
    struct place at;

    if (!choose_base(k->writer, p, &base, &at) ||
        !framer_gather_after(&k->framer, p, bytes, &base, &at))
        framer_gather(&k->framer, p, bytes);
}

static bool have_bases(const struct batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->pieces[i].has_base)
            return true;
    return false;
}

/* A batch of new chunks only is a frame as it is; others leave their new ones to be gathered. */
static void store_pieces(struct worker *k, const struct batch *b, size_t new_count)
{
    if (new_count == b->count && b->bytes.size >= BATCH_BYTES && b->bytes.size <= FRAME_PLAIN_MAX &&
        !have_bases(b)) {
        framer_batch(&k->framer, b);
        return;
    }
    for (size_t i = 0; i < b->count; i++) {
        const struct piece *p = &b->pieces[i];

        if (p->is_new)
            store_piece(k, p, SLICE_OF(b->bytes.data + p->offset, p->size));
    }
    framer_settle(&k->framer);
}

/* After a failure batches are still named and done(), so that their owners get them back. */
static void *worker_main(void *arg)
{
    struct worker *k = arg;
    struct writer *w = k->writer;
    struct batch *b;

    while ((b = queue_take(w->work)) != NULL) {
        name_pieces(k, b);

        const size_t new_count = claim_pieces(k, b);

        if (new_count > 0 && !w->options.is_dry_run && !first_failure_is_set(&w->failure))
            store_pieces(k, b, new_count);
        w->options.done(w->options.arg, b);
        batch_is_done(w);
    }
    return NULL;
}

/* The writer as a whole */

static void open_queues(struct writer *w)
{
    const size_t batches =
        (size_t)w->worker_count * WRITER_BATCHES_PER_WORKER + WRITER_BATCHES_MORE;

    w->idle = queue_new(batches);
    w->work = queue_new(batches);
    w->full = queue_new(FULL_ROOM);
    w->spare = queue_new(BUILDERS + (size_t)store_parallel(w->repo->store));
    for (size_t i = 0; i < batches; i++)
        writer_release(w, mem_new(sizeof(struct batch)));
}

static void start_threads(struct writer *w)
{
    w->workers = mem_array((size_t)w->worker_count, sizeof(*w->workers));
    for (int i = 0; i < w->worker_count; i++) {
        worker_init(&w->workers[i], w);
        thread_start(&w->workers[i].thread, worker_main, &w->workers[i], "worker");
    }
    w->workers_run = true;
    w->uploader.repo = w->repo;
    w->uploader.packs = w->full;
    w->uploader.spare = w->spare;
    w->uploader.work = w->work;
    w->uploader.failure = &w->failure;
    w->uploader.needed = &w->needed;
    uploader_start(&w->uploader);
}

bool writer_open(struct repo *r, const struct writer_options *o, struct writer **out, struct err *e)
{
    if (!repo_load_index(r, e) || !condemned_check(r, e))
        return false;

    struct writer *w = mem_new(sizeof(*w));
    const int workers = o->workers > 0 ? o->workers : thread_processors();
    const size_t wanted = o->pack_size > 0 ? o->pack_size : pack_size_usual(r);
    const size_t pack_size = wanted < STORE_OBJECT_MAX ? wanted : STORE_OBJECT_MAX;

    w->repo = r;
    w->options = *o;
    w->is_near = store_parallel(r->store) == 1;
    w->worker_count = workers < WRITER_WORKERS_MAX ? workers : WRITER_WORKERS_MAX;
    pthread_mutex_init(&w->failure.lock, NULL);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->drained, NULL);
    needed_packs_init(&w->needed, r);
    open_queues(w);
    open_pack_init(&w->content, r, CLASS_CONTENT, pack_size, w->full, w->spare);
    open_pack_init(&w->tree, r, CLASS_TREE, pack_size, w->full, w->spare);
    framer_init(&w->tree_framer, &w->tree, o->level);
    page_queue_init(&w->pages, &w->tree_framer);
    w->tree_mac = mac_new(r->keys->chunk_id);
    start_threads(w);
    *out = w;
    return true;
}

static void store_page(struct writer *w, const struct piece *p, struct slice bytes)
{
    struct hash base;
    struct place at;

    if (choose_base(w, p, &base, &at)) {
        page_queue_add(&w->pages, p, bytes, &base, &at);
        return;
    }
    framer_gather(&w->tree_framer, p, bytes);
    framer_settle(&w->tree_framer);
}

bool writer_put_tree(struct writer *w, enum chunk_type type, struct slice bytes,
                     const struct hash *base, struct hash *id, struct err *e)
{
    struct piece p = {.size = bytes.size, .type = type, .has_base = base != NULL};
    struct place at;

    assert(bytes.size > 0 && bytes.size <= CHUNK_MAX);
    if (first_failure_get(&w->failure, e))
        return false;
    if (base != NULL)
        p.base = *base;
    mac_sum(w->tree_mac, (uint8_t)type, bytes, &p.id);
    *id = p.id;
    if (index_find_or_claim(w->repo->index, id, (uint32_t)bytes.size, &at)) {
        needed_packs_found(&w->needed, &at);
        return true;
    }
    count_new(w, type, bytes.size);
    if (!w->options.is_dry_run)
        store_page(w, &p, bytes);
    return true;
}

bool writer_keep(struct writer *w, struct slice ids)
{
    const size_t count = ids.size / HASH_SIZE;
    struct place few[KEPT_FEW];
    AUTO(mem) struct place *many = count > KEPT_FEW ? mem_array(count, sizeof(*many)) : NULL;
    struct place *at = many != NULL ? many : few;
    struct hash id;

    /* Looked up first, marked afterwards: a file that must be read again marks nothing. */
    for (size_t i = 0; i < count; i++) {
        memcpy(id.bytes, ids.data + i * HASH_SIZE, HASH_SIZE);
        if (!index_find_live(w->repo->index, &id, &at[i]))
            return false;
    }
    for (size_t i = 0; i < count; i++)
        needed_packs_found(&w->needed, &at[i]);
    return true;
}

static void stop_workers(struct writer *w)
{
    if (!w->workers_run)
        return;
    queue_close(w->work);
    for (int i = 0; i < w->worker_count; i++)
        thread_join(w->workers[i].thread);
    w->workers_run = false;
}

bool writer_finish(struct writer *w, struct writer_stats *out, struct err *e)
{
    stop_workers(w);
    for (int i = 0; i < w->worker_count; i++)
        framer_flush(&w->workers[i].framer);
    page_queue_flush(&w->pages);
    framer_flush(&w->tree_framer);
    atomic_store(&w->uploader.is_finishing, true);
    open_pack_flush(&w->content);
    open_pack_flush(&w->tree);
    uploader_stop(&w->uploader);
    if (first_failure_get(&w->failure, e))
        return false;
    if (!uploader_publish(&w->uploader, e))
        return false;
    writer_progress(w, out);
    return true;
}

bool writer_takes_bases(const struct writer *w)
{
    return w->is_near && !w->options.is_dry_run && w->options.level != LEVEL_RAW;
}

void writer_progress(struct writer *w, struct writer_stats *out)
{
    const struct uploader *u = &w->uploader;

    *out = (struct writer_stats){
        .data_chunks = atomic_load(&w->data_chunks),
        .tree_chunks = atomic_load(&w->tree_chunks),
        .bytes_added = atomic_load(&w->bytes_added),
        .bytes_stored = atomic_load(&u->bytes_stored),
        .frames = atomic_load(&w->content.frames) + atomic_load(&w->tree.frames),
        .frames_harder =
            atomic_load(&w->content.frames_harder) + atomic_load(&w->tree.frames_harder),
        .frames_verified = atomic_load(&u->frames_verified),
        .delta_chunks = atomic_load(&w->content.delta_chunks) + atomic_load(&w->tree.delta_chunks),
        .delta_bytes = atomic_load(&w->content.delta_bytes) + atomic_load(&w->tree.delta_bytes),
        .packs = atomic_load(&u->stored)};
}

bool writer_confirm(struct writer *w, bool *is_safe, struct err *e)
{
    return needed_packs_check(&w->needed, is_safe, e) || err_wrap(e, "confirm the snapshot");
}

void writer_free(struct writer *w)
{
    if (w == NULL)
        return;
    if (w->workers_run || w->uploader.count > 0) {
        const struct err abandoned = {.code = ERR_CANCELLED, .text = "the run was given up"};

        first_failure_set(&w->failure, &abandoned);
    }
    stop_workers(w);
    uploader_stop(&w->uploader);
    for (int i = 0; i < w->worker_count; i++)
        worker_done(&w->workers[i]);
    mem_free(w->workers);
    page_queue_done(&w->pages);
    framer_done(&w->tree_framer);
    mac_free(w->tree_mac);
    open_pack_done(&w->content);
    open_pack_done(&w->tree);
    uploader_done(&w->uploader);
    needed_packs_done(&w->needed);

    queue_close(w->idle);
    for (struct batch *b; (b = queue_take(w->idle)) != NULL;)
        batch_free(b);
    for (struct pack_builder *b; (b = queue_try_take(w->spare)) != NULL;)
        pack_builder_free(b);
    queue_free(w->idle);
    queue_free(w->spare);
    queue_free(w->work);
    queue_free(w->full);
    pthread_cond_destroy(&w->drained);
    pthread_mutex_destroy(&w->lock);
    pthread_mutex_destroy(&w->failure.lock);
    mem_free(w);
}

void writer_auto(struct writer **w)
{
    writer_free(*w);
}
