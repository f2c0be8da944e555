/*
 * Reading packs whole, one thread per processor, each with one pack in memory at a time.  A
 * thread that finds no pack left to read helps another with the frames of its pack.  Packs with
 * deltas come first, and what they were read after is not expanded again behind them.
 *
 * Every byte of a pack is in its header, a frame, the directory or the trailer, and every one of
 * these is authenticated: docs/FORMAT.md, "Packs".  So the hash that names a pack is worked out
 * only where something is wrong already: docs/decisions/0056.
 */
#include "base/cancel.h"
#include "base/mem.h"
#include "base/thread.h"
#include "repo/bits.h"
#include "repo/check.h"

/* A thread holds a pack and a frame, about 45 MiB with packs of the default size. */
#define CHECK_THREADS_MAX 8

/* A thread: its tools, and the pack that it has in memory.  Others may read pack and object while
 * they count as helpers. */
struct worker {
    struct reading *reading;
    struct check *check;
    pthread_t thread;
    struct reader *reader;
    struct pack_scan *scan;
    struct mac *mac;
    struct buf object;
    uint32_t pack; /* number of the one that object holds */
    /* Guarded by the check's lock: */
    uint32_t next_frame, frame_count; /* those from next_frame on are for whoever takes them */
    uint32_t helpers;
    bool is_damaged; /* a frame of it is not what it should be */
};

/* What all threads work on, guarded by the check's lock. */
struct reading {
    struct check *check;
    struct check_bases *bases; /* NULL where there are no deltas */
    uint32_t *packs;           /* largest first, so that the threads end together */
    size_t count, next, done;
    size_t done_before, total; /* for the progress */
    bool has_failed;
    struct err failure;     /* the first */
    pthread_cond_t changed; /* packs are done, frames can be taken, a helper left, or all failed */
    struct worker workers[CHECK_THREADS_MAX];
    size_t worker_count;
};

static void note_base(void *arg, uint32_t frame, struct slice plain)
{
    struct worker *w = arg;

    check_bases_note(w->reading->bases, w->mac, frame, plain);
}

static void worker_init(struct worker *w, struct reading *g)
{
    *w = (struct worker){.reading = g,
                         .check = g->check,
                         .reader = reader_new(g->check->repo),
                         .scan = pack_scan_new(g->check->repo),
                         .mac = mac_new(g->check->repo->keys->chunk_id)};
    if (g->bases != NULL)
        pack_scan_watch(w->scan, note_base, w);
}

static void worker_done(struct worker *w)
{
    reader_free(w->reader);
    pack_scan_free(w->scan);
    mac_free(w->mac);
    buf_done(&w->object);
}

static void frame_is_bad(struct check *c, uint32_t frame)
{
    pthread_mutex_lock(&c->lock);
    bits_add(c->bad_frames, frame);
    pthread_mutex_unlock(&c->lock);
}

static bool is_bad(const struct check *c, uint32_t frame)
{
    return bits_have(c->bad_frames, frame);
}

bool check_chunk_is_sound(const struct check *c, const struct hash *id)
{
    struct index *ix = c->repo->index;
    struct place at, base;

    if (!index_find(ix, id, &at) || is_bad(c, at.frame))
        return false;

    const struct index_base *bases = index_bases_at(ix, at.frame);
    const uint32_t count = index_frame_at(ix, at.frame).base_count;

    for (uint32_t i = 0; i < count; i++)
        if (!index_find_base(ix, &bases[i].id, &base) || is_bad(c, base.frame))
            return false;
    return true;
}

/* The pack's own directory cannot be used: what do readers get, who go by the index? */
static void try_frames(struct worker *w, const struct index_pack *p)
{
    for (uint32_t i = 0; i < p->frame_count; i++) {
        struct slice plain;
        struct err why;

        if (!reader_frame(w->reader, p->first_frame + i, &plain, &why))
            frame_is_bad(w->check, p->first_frame + i);
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

/* Of frames with the same compression and the same chunks. */
static bool bases_match(const struct index *ix, const struct pack_directory *d,
                        const struct pack_frame *f, uint32_t number)
{
    const struct index_base *bases = index_bases_at(ix, number);
    const uint32_t count = index_frame_at(ix, number).base_count;

    if (bases == NULL)
        return true;
    if (count != f->chunk_count)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!hash_is_equal(&bases[i].id, &d->chunks[f->first_chunk + i].base))
            return false;
    return true;
}

static bool frame_matches(const struct index *ix, const struct pack_directory *d, size_t frame,
                          uint32_t number)
{
    const struct pack_frame *f = &d->frames[frame];
    const struct index_frame known = index_frame_at(ix, number);

    if (f->offset != known.offset || f->sealed_size != known.sealed_size ||
        f->plain_size != known.plain_size || f->compression != (enum compression)known.compression)
        return false;
    for (size_t i = 0; i < f->chunk_count; i++)
        if (!has_chunk(ix, &d->chunks[f->first_chunk + i], number))
            return false;
    return bases_match(ix, d, f, number);
}

/* Whether the index says of a pack what the pack says of itself. */
static bool directory_matches(const struct worker *w, const struct index_pack *p)
{
    const struct pack_directory *d = pack_scan_directory(w->scan);

    if (pack_scan_class(w->scan) != p->class || d->frame_count != p->frame_count ||
        d->chunk_count != p->chunk_count)
        return false;
    for (uint32_t i = 0; i < p->frame_count; i++)
        if (!frame_matches(w->check->repo->index, d, i, p->first_frame + i))
            return false;
    return true;
}

/* Where the two differ readers find other chunks than they look for. */
static void compare_frames(const struct worker *w, const struct index_pack *p)
{
    const struct pack_directory *d = pack_scan_directory(w->scan);

    for (uint32_t i = 0; i < p->frame_count; i++)
        if (i >= d->frame_count || !frame_matches(w->check->repo->index, d, i, p->first_frame + i))
            frame_is_bad(w->check, p->first_frame + i);
}

/* A delta that no snapshot needs, so that a prune was free to take its bases. */
static bool is_left_over(const struct check *c, uint32_t frame)
{
    return !bits_have(c->needed_frames, frame) && index_has_lost_bases(c->repo->index, frame);
}

/* Its chunks are known to be what they should be, from when deltas were read. */
static bool is_proved(struct worker *w, uint32_t pack, uint32_t frame)
{
    const struct pack_directory *d = pack_scan_directory(w->scan);
    const struct pack_frame *f = &d->frames[frame];

    return w->reading->bases != NULL &&
           check_bases_prove(w->reading->bases,
                             index_pack_at(w->check->repo->index, pack)->first_frame + frame,
                             d->chunks + f->first_chunk, f->chunk_count);
}

/* A frame of the pack with this number.  What need not be expanded has to be authentic still. */
static bool scan_frame(struct worker *w, uint32_t pack, uint32_t frame, struct err *e)
{
    const struct index_pack *p = index_pack_at(w->check->repo->index, pack);
    struct slice plain;

    if (is_proved(w, pack, frame) || is_left_over(w->check, p->first_frame + frame))
        return pack_scan_unseal(w->scan, frame, e);
    return pack_scan_frame(w->scan, frame, &plain, e) && pack_scan_chunks(w->scan, frame, plain, e);
}

static bool take_frame(struct worker *owner, uint32_t *frame)
{
    pthread_mutex_lock(&owner->check->lock);

    const bool is_left = owner->next_frame < owner->frame_count;

    if (is_left)
        *frame = owner->next_frame++;
    pthread_mutex_unlock(&owner->check->lock);
    return is_left;
}

/* Scan what no other thread takes of the owner's pack, which is open in w->scan. */
static void scan_frames(struct worker *w, struct worker *owner)
{
    const struct index_pack *p = index_pack_at(w->check->repo->index, owner->pack);
    uint32_t frame;

    while (take_frame(owner, &frame)) {
        struct err why;

        if (scan_frame(w, owner->pack, frame, &why))
            continue;
        frame_is_bad(w->check, p->first_frame + frame);
        check_pack_damage(w->check, owner->pack, &why);
        pthread_mutex_lock(&w->check->lock);
        owner->is_damaged = true;
        pthread_mutex_unlock(&w->check->lock);
    }
}

/* Scan the pack that is open, with whoever helps; true when all its frames are as they should be.
 * Nobody reads its bytes afterwards. */
static bool share_frames(struct worker *w, uint32_t number)
{
    struct reading *g = w->reading;

    pthread_mutex_lock(&g->check->lock);
    w->pack = number;
    w->is_damaged = false;
    w->next_frame = 0;
    w->frame_count = index_pack_at(g->check->repo->index, number)->frame_count;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->check->lock);

    scan_frames(w, w);

    pthread_mutex_lock(&g->check->lock);
    while (w->helpers > 0)
        pthread_cond_wait(&g->changed, &g->check->lock);
    pthread_mutex_unlock(&g->check->lock);
    return !w->is_damaged;
}

static struct worker *find_owner(struct reading *g)
{
    for (size_t i = 0; i < g->worker_count; i++)
        if (g->workers[i].next_frame < g->workers[i].frame_count)
            return &g->workers[i];
    return NULL;
}

static void help(struct worker *w, struct worker *owner)
{
    struct err why;

    if (pack_scan_open(w->scan, buf_slice(&owner->object), &why))
        scan_frames(w, owner);
    else
        check_pack_damage(w->check, owner->pack, &why);
}

/* No pack is left to take: take frames of the packs that other threads have in memory. */
static void help_others(struct worker *w)
{
    struct reading *g = w->reading;

    pthread_mutex_lock(&g->check->lock);
    while (!g->has_failed && g->done < g->count) {
        struct worker *owner = find_owner(g);

        if (owner == NULL) {
            pthread_cond_wait(&g->changed, &g->check->lock);
            continue;
        }
        owner->helpers++;
        pthread_mutex_unlock(&g->check->lock);
        help(w, owner);
        pthread_mutex_lock(&g->check->lock);
        owner->helpers--;
        pthread_cond_broadcast(&g->changed);
    }
    pthread_mutex_unlock(&g->check->lock);
}

/* Whether the bytes of a pack have the hash that names it; told when not. */
static bool name_is_right(struct check *c, uint32_t number, struct slice object)
{
    struct hash found;
    struct err why;

    sha256(object, &found);
    if (hash_is_equal(&found, &index_pack_at(c->repo->index, number)->id))
        return true;
    (void)err_set(&why, ERR_CORRUPT, "its bytes do not have the hash that names it");
    check_pack_damage(c, number, &why);
    return false;
}

static void directory_is_bad(struct worker *w, uint32_t number, const struct err *why)
{
    check_pack_damage(w->check, number, why);
    try_frames(w, index_pack_at(w->check->repo->index, number));
}

static void scan_pack(struct worker *w, uint32_t number, const char *key)
{
    const struct index_pack *p = index_pack_at(w->check->repo->index, number);
    const struct slice object = buf_slice(&w->object);
    struct err why;
    const bool is_open = pack_scan_open(w->scan, object, &why);

    if (is_open && directory_matches(w, p)) {
        if (share_frames(w, number))
            check_parity_of(w->check, key, object, &p->id);
        return;
    }

    const bool is_named = name_is_right(w->check, number, object);

    if (is_named)
        check_parity_of(w->check, key, object, &p->id);
    if (is_open) {
        (void)err_set(&why, ERR_CORRUPT, "the index says of it what it does not say of itself");
        pthread_mutex_lock(&w->check->lock);
        w->check->stats.suggest_repair_index |= is_named;
        pthread_mutex_unlock(&w->check->lock);
        compare_frames(w, p);
    }
    directory_is_bad(w, number, &why);
}

/* False only for what is no damage of this pack. */
static bool read_pack(struct worker *w, uint32_t number, struct err *e)
{
    struct check *c = w->check;
    const struct index_pack *p = index_pack_at(c->repo->index, number);
    struct err why = {0};
    char key[PACK_KEY_MAX];

    pack_key(&p->id, key);
    buf_clear(&w->object);
    if (store_get_all(c->repo->store, key, &w->object, &why)) {
        scan_pack(w, number, key);
    } else if (why.code == ERR_NOT_FOUND || check_is_damage(&why)) {
        check_pack_damage(c, number, &why);
        try_frames(w, p);
    } else {
        *e = why;
        return false;
    }
    return true;
}

static bool take_pack(struct reading *g, uint32_t *number)
{
    pthread_mutex_lock(&g->check->lock);

    const bool is_left = !g->has_failed && g->next < g->count;

    if (is_left)
        *number = g->packs[g->next++];
    pthread_mutex_unlock(&g->check->lock);
    return is_left;
}

static void pack_is_done(struct reading *g, uint64_t size)
{
    struct check *c = g->check;

    pthread_mutex_lock(&c->lock);
    c->stats.packs_read++;
    c->stats.bytes_read += size;
    g->done++;
    check_progress(c, "read packs", g->done_before + g->done, g->total);
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&c->lock);
}

static void fail(struct reading *g, const struct err *why)
{
    pthread_mutex_lock(&g->check->lock);
    if (!g->has_failed)
        g->failure = *why;
    g->has_failed = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->check->lock);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    uint32_t number;

    while (take_pack(w->reading, &number)) {
        struct err why;

        if (cancel_is_requested() ? cancel_err(&why) : read_pack(w, number, &why))
            pack_is_done(w->reading, w->object.size);
        else
            fail(w->reading, &why);
    }
    help_others(w);
    return NULL;
}

static bool has_deltas(const struct index *ix, uint32_t pack)
{
    const struct index_pack *p = index_pack_at(ix, pack);

    for (uint32_t i = 0; i < p->frame_count; i++)
        if (index_frame_at(ix, p->first_frame + i).base_count > 0)
            return true;
    return false;
}

/* Those with deltas to the front, in the order that they have.  Returns how many there are. */
static size_t deltas_first(const struct index *ix, uint32_t *packs, size_t count)
{
    AUTO(mem) uint32_t *others = mem_array(count, sizeof(*others));
    size_t with = 0, without = 0;

    for (size_t i = 0; i < count; i++)
        if (has_deltas(ix, packs[i]))
            packs[with++] = packs[i];
        else
            others[without++] = packs[i];
    for (size_t i = 0; i < without; i++)
        packs[with + i] = others[i];
    return with;
}

static bool read_packs(struct reading *g, struct err *e)
{
    const size_t wanted = (size_t)repo_threads(g->check->repo);

    if (g->count == 0)
        return true;
    g->worker_count = wanted < CHECK_THREADS_MAX ? wanted : CHECK_THREADS_MAX;
    for (size_t i = 0; i < g->worker_count; i++)
        worker_init(&g->workers[i], g);
    for (size_t i = 0; i < g->worker_count; i++)
        thread_start(&g->workers[i].thread, worker_main, &g->workers[i], "check");
    for (size_t i = 0; i < g->worker_count; i++)
        thread_join(g->workers[i].thread);
    for (size_t i = 0; i < g->worker_count; i++)
        worker_done(&g->workers[i]);
    pthread_cond_destroy(&g->changed);
    if (g->has_failed)
        *e = g->failure;
    return !g->has_failed;
}

/* The frames of these packs are going to be read. */
static void expect_packs(struct check *c, const uint32_t *packs, size_t count)
{
    const struct index *ix = c->repo->index;
    AUTO(mem) uint32_t *frames = NULL;
    size_t frame_count = 0;

    for (size_t i = 0; i < count; i++)
        frame_count += index_pack_at(ix, packs[i])->frame_count;
    frames = mem_array(frame_count, sizeof(*frames));
    frame_count = 0;
    for (size_t i = 0; i < count; i++)
        for (uint32_t n = 0; n < index_pack_at(ix, packs[i])->frame_count; n++)
            frames[frame_count++] = index_pack_at(ix, packs[i])->first_frame + n;
    repo_expect_frames(c->repo, frames, frame_count, NULL);
}

bool check_packs(struct check *c, struct err *e)
{
    AUTO(mem) uint32_t *packs = mem_array(index_pack_count(c->repo->index), sizeof(*packs));
    const size_t count = check_choose(c, packs);
    const size_t with = deltas_first(c->repo->index, packs, count);
    AUTO(check_bases) struct check_bases *bases = with > 0 ? check_bases_new(c) : NULL;
    struct reading deltas = {.check = c,
                             .bases = bases,
                             .packs = packs,
                             .count = with,
                             .total = count,
                             .changed = PTHREAD_COND_INITIALIZER};
    struct reading others = {.check = c,
                             .bases = bases,
                             .packs = packs + with,
                             .count = count - with,
                             .done_before = with,
                             .total = count,
                             .changed = PTHREAD_COND_INITIALIZER};

    expect_packs(c, packs, with);

    const bool is_read = read_packs(&deltas, e);

    repo_expect_frames(c->repo, NULL, 0, NULL);
    return is_read && read_packs(&others, e);
}
