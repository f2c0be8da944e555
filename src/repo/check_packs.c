/*
 * Reading packs whole, one thread per processor, each with one pack in memory at a time.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "base/thread.h"
#include "codec/random.h"
#include "repo/check.h"

/* A thread holds a pack and a frame, about 45 MiB with packs of the default size. */
#define CHECK_THREADS_MAX 8

/* What all threads work on. */
struct reading {
    struct check *check;
    uint32_t *packs; /* largest first, so that the threads end together */
    size_t count;
    _Atomic size_t next, done;
    atomic_bool has_failed;
    struct err failure; /* the first, guarded by the check's lock */
};

struct worker {
    struct reading *reading;
    pthread_t thread;
};

/* The tools of one thread. */
struct bench {
    struct check *check;
    struct reader *reader;
    struct pack_scan *scan;
    struct buf object;
};

static void bench_auto(struct bench *b)
{
    reader_free(b->reader);
    pack_scan_free(b->scan);
    buf_done(&b->object);
}

static void frame_is_bad(struct check *c, uint32_t frame)
{
    pthread_mutex_lock(&c->lock);
    c->bad_frames[frame / 64] |= (uint64_t)1 << frame % 64;
    pthread_mutex_unlock(&c->lock);
}

bool check_chunk_is_sound(const struct check *c, const struct hash *id)
{
    struct place at;

    return index_find(c->repo->index, id, &at) &&
           (c->bad_frames[at.frame / 64] >> at.frame % 64 & 1) == 0;
}

/* The pack's own directory cannot be used: what do readers get, who go by the index? */
static void try_frames(struct bench *b, const struct index_pack *p)
{
    for (uint32_t i = 0; i < p->frame_count; i++) {
        struct slice plain;
        struct err why;

        if (!reader_frame(b->reader, p->first_frame + i, &plain, &why))
            frame_is_bad(b->check, p->first_frame + i);
    }
}

static bool has_chunk(const struct index *ix, const struct pack_chunk *c, uint32_t frame)
{
    size_t number = INDEX_NO_ENTRY;
    struct place at;

    while (index_entry_next(ix, c->id.bytes, &number, &at))
        if (at.frame == frame && at.offset == c->offset && at.size == c->size)
            return true;
    return false;
}

static bool frame_matches(const struct index *ix, const struct pack_directory *d, size_t frame,
                          uint32_t number)
{
    const struct pack_frame *f = &d->frames[frame];
    const struct index_frame *known = index_frame_at(ix, number);

    if (f->offset != known->offset || f->sealed_size != known->sealed_size ||
        f->plain_size != known->plain_size ||
        f->compression != (enum compression)known->compression)
        return false;
    for (size_t i = 0; i < f->chunk_count; i++)
        if (!has_chunk(ix, &d->chunks[f->first_chunk + i], number))
            return false;
    return true;
}

/* Whether the index says of a pack what the pack says of itself. */
static bool directory_matches(const struct bench *b, const struct index_pack *p)
{
    const struct pack_directory *d = pack_scan_directory(b->scan);

    if (pack_scan_class(b->scan) != p->class || d->frame_count != p->frame_count ||
        d->chunk_count != p->chunk_count)
        return false;
    for (uint32_t i = 0; i < p->frame_count; i++)
        if (!frame_matches(b->check->repo->index, d, i, p->first_frame + i))
            return false;
    return true;
}

/* Where the two differ readers find other chunks than they look for. */
static void compare_frames(const struct bench *b, const struct index_pack *p)
{
    const struct pack_directory *d = pack_scan_directory(b->scan);

    for (uint32_t i = 0; i < p->frame_count; i++)
        if (i >= d->frame_count || !frame_matches(b->check->repo->index, d, i, p->first_frame + i))
            frame_is_bad(b->check, p->first_frame + i);
}

static bool scan_frame(struct bench *b, size_t frame, struct err *e)
{
    const struct pack_frame *f = &pack_scan_directory(b->scan)->frames[frame];
    struct slice plain;

    if (!pack_scan_frame(b->scan, frame, &plain, e))
        return false;
    for (size_t i = 0; i < f->chunk_count; i++)
        if (!pack_scan_chunk(b->scan, f->first_chunk + i, plain, e))
            return false;
    return true;
}

static void scan_frames(struct bench *b, uint32_t number)
{
    const struct index_pack *p = index_pack_at(b->check->repo->index, number);

    for (uint32_t i = 0; i < p->frame_count; i++) {
        struct err why;

        if (scan_frame(b, i, &why))
            continue;
        frame_is_bad(b->check, p->first_frame + i);
        check_pack_damage(b->check, number, &why);
    }
}

static void scan_pack(struct bench *b, uint32_t number)
{
    const struct index_pack *p = index_pack_at(b->check->repo->index, number);
    struct hash found;
    struct err why;

    sha256(buf_slice(&b->object), &found);

    const bool is_named = hash_is_equal(&found, &p->id);

    if (!is_named) {
        (void)err_set(&why, ERR_CORRUPT, "its bytes do not have the hash that names it");
        check_pack_damage(b->check, number, &why);
    }
    if (!pack_scan_open(b->scan, buf_slice(&b->object), &why)) {
        check_pack_damage(b->check, number, &why);
        try_frames(b, p);
    } else if (!directory_matches(b, p)) {
        (void)err_set(&why, ERR_CORRUPT, "the index says of it what it does not say of itself");
        check_pack_damage(b->check, number, &why);
        pthread_mutex_lock(&b->check->lock);
        b->check->stats.suggest_repair_index |= is_named;
        pthread_mutex_unlock(&b->check->lock);
        compare_frames(b, p);
        try_frames(b, p);
    } else {
        scan_frames(b, number);
    }
}

/* False only for what is no damage of this pack. */
static bool read_pack(struct bench *b, uint32_t number, struct err *e)
{
    struct check *c = b->check;
    const struct index_pack *p = index_pack_at(c->repo->index, number);
    struct err why = {0};
    char key[PACK_KEY_MAX];

    pack_key(&p->id, key);
    buf_clear(&b->object);
    if (store_get_all(c->repo->store, key, &b->object, &why)) {
        scan_pack(b, number);
    } else if (why.code == ERR_NOT_FOUND || check_is_damage(&why)) {
        check_pack_damage(c, number, &why);
        try_frames(b, p);
    } else {
        *e = why;
        return false;
    }
    pthread_mutex_lock(&c->lock);
    c->stats.packs_read++;
    c->stats.bytes_read += b->object.size;
    pthread_mutex_unlock(&c->lock);
    return true;
}

static void fail(struct reading *g, const struct err *why)
{
    pthread_mutex_lock(&g->check->lock);
    if (!atomic_load(&g->has_failed))
        g->failure = *why;
    atomic_store(&g->has_failed, true);
    pthread_mutex_unlock(&g->check->lock);
}

static void *worker_main(void *arg)
{
    struct reading *g = ((struct worker *)arg)->reading;
    AUTO(bench)
    struct bench b = {.check = g->check,
                      .reader = reader_new(g->check->repo),
                      .scan = pack_scan_new(g->check->repo)};
    size_t at;

    while (!atomic_load(&g->has_failed) && (at = atomic_fetch_add(&g->next, 1)) < g->count) {
        struct err why;

        if (cancel_is_requested() ? !cancel_err(&why) : !read_pack(&b, g->packs[at], &why)) {
            fail(g, &why);
            break;
        }

        const size_t done = atomic_fetch_add(&g->done, 1) + 1;

        pthread_mutex_lock(&g->check->lock);
        check_progress(g->check, "read packs", done, g->count);
        pthread_mutex_unlock(&g->check->lock);
    }
    return NULL;
}

/* Choosing */

static uint64_t size_of(const struct check *c, uint32_t pack)
{
    return index_pack_at(c->repo->index, pack)->size;
}

static void shuffle(uint32_t *packs, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        uint64_t random;

        random_bytes(&random, sizeof(random));

        const size_t other = (size_t)(random % i);
        const uint32_t swapped = packs[i - 1];

        packs[i - 1] = packs[other];
        packs[other] = swapped;
    }
}

/* How many of the packs, in random order, the options ask for; at least one. */
static size_t share_of(const struct check *c, const uint32_t *packs, size_t count)
{
    const struct check_options *o = c->options;
    uint64_t sum = 0;
    size_t n = 0;

    if (o->subset_percent > 0) {
        n = (size_t)((double)count * o->subset_percent / 100 + 0.5);
        n = n > count ? count : n;
        return n == 0 && count > 0 ? 1 : n;
    }
    while (n < count && sum < o->subset_bytes)
        sum += size_of(c, packs[n++]);
    return n;
}

/* The part of t that a pack belongs to, from 0: the same in every run. */
static uint32_t part_of(const struct check *c, uint32_t pack, uint32_t t)
{
    const uint8_t *id = index_pack_at(c->repo->index, pack)->id.bytes;

    return ((uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3]) % t;
}

static size_t choose(const struct check *c, uint32_t *packs, size_t count)
{
    const struct check_options *o = c->options;
    size_t n = 0;

    if (!o->read_data)
        return 0;
    if (o->subset_percent > 0 || o->subset_bytes > 0) {
        shuffle(packs, count);
        return share_of(c, packs, count);
    }
    if (o->subset_t == 0)
        return count;
    for (size_t i = 0; i < count; i++) {
        const uint32_t pack = packs[i];

        /* What is not chosen stays behind what is. */
        if (part_of(c, pack, o->subset_t) + 1 == o->subset_n) {
            packs[i] = packs[n];
            packs[n++] = pack;
        }
    }
    return n;
}

/* All that exist; the chosen ones and the suspects come to the front.  Returns their number. */
static size_t list_packs(const struct check *c, uint32_t *packs)
{
    size_t count = 0;

    for (uint32_t n = 0; n < index_pack_count(c->repo->index); n++)
        if (index_pack_at(c->repo->index, n)->state != PACK_MISSING)
            packs[count++] = n;

    size_t chosen = choose(c, packs, count);

    for (size_t i = chosen; i < count; i++)
        if (c->is_suspect[packs[i]])
            packs[chosen++] = packs[i];
    return chosen;
}

static int larger_first(const void *a, const void *b, void *arg)
{
    const struct check *c = arg;
    const uint64_t left = size_of(c, *(const uint32_t *)a);
    const uint64_t right = size_of(c, *(const uint32_t *)b);

    return left == right ? 0 : left > right ? -1 : 1;
}

bool check_packs(struct check *c, struct err *e)
{
    AUTO(mem) uint32_t *packs = mem_array(index_pack_count(c->repo->index), sizeof(*packs));
    struct reading g = {.check = c, .packs = packs, .count = list_packs(c, packs)};
    struct worker workers[CHECK_THREADS_MAX];
    size_t threads = (size_t)thread_processors();

    threads = threads < g.count ? threads : g.count;
    threads = threads < CHECK_THREADS_MAX ? threads : CHECK_THREADS_MAX;
    if (g.count > 0)
        qsort_r(packs, g.count, sizeof(*packs), larger_first, c);
    for (size_t i = 0; i < threads; i++) {
        workers[i].reading = &g;
        thread_start(&workers[i].thread, worker_main, &workers[i], "check");
    }
    for (size_t i = 0; i < threads; i++)
        thread_join(workers[i].thread);
    if (!atomic_load(&g.has_failed))
        return true;
    *e = g.failure;
    return false;
}
