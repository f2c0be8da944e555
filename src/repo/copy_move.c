/*
 * Frames on their way: read from the source's packs, opened, expanded, every chunk's id computed
 * again, then sealed anew as they were stored.
 *
 * Workers take one pack of the source each.  Plain frames move first, deltas when all of those
 * have arrived, because they need their bases in plain frames.  A frame of which little is wanted
 * is not moved: its wanted chunks are gathered into new frames.  Nothing is taken over that was not
 * proved to be what its id says, so whoever can write the source cannot put false chunks into the
 * destination.
 */
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "base/text.h"
#include "repo/copy.h"

/* Read by one request, and at most so many bytes between two frames for nothing. */
#define RUN_MAX ((uint64_t)8 << 20)
#define GAP_MAX ((uint64_t)256 << 10)

/* What is gathered anew is compressed in no hurry. */
#define COPY_LEVEL  3

#define WORKERS_MIN 2 /* so that one waits for the store while another computes */

/* Frames of one pack. */
struct job {
    uint32_t pack;
    const struct copy_frame *frames;
    size_t count;
};

/* Shared by the workers. */
struct move {
    struct copy *copy;
    const struct copy_plan *plan;
    struct landing landing;
    struct mover *movers;
    int mover_count;
    struct queue *jobs;  /* of the present phase */
    atomic_bool is_over; /* a fault or a failure: what is left is not looked at */

    pthread_mutex_t lock; /* guards what follows, and calls of the progress */
    struct copy_fault *fault;
    uint64_t frames_done;
};

struct mover {
    struct move *move;
    pthread_t thread;
    struct seal_box *box;
    struct compressor *compressor;
    struct mac *mac;
    struct prefix prefix;
    struct framer content, tree;
    struct buf sealed, stored, plain;
    uint64_t sealed_at; /* offset in the pack of the first byte of sealed */
    struct mac_message *messages;
    struct pack_chunk *chunks; /* of the frame */
    size_t room;
};

static bool is_ended(struct move *m)
{
    return atomic_load(&m->is_over) || first_failure_is_set(&m->landing.failure);
}

static void mover_init(struct mover *k, struct move *m)
{
    const int asked = m->copy->options->level;
    const int level = asked == LEVEL_AUTO ? COPY_LEVEL : asked;

    *k = (struct mover){.move = m,
                        .box = seal_box_new(),
                        .compressor = compressor_new(COPY_LEVEL), /* it only expands */
                        .mac = mac_new(m->copy->from->keys->chunk_id)};
    prefix_init(&k->prefix, m->copy->from, NULL);
    framer_init(&k->content, &m->landing.content, level);
    framer_init(&k->tree, &m->landing.tree, level);
}

static void mover_done(struct mover *k)
{
    seal_box_free(k->box);
    compressor_free(k->compressor);
    mac_free(k->mac);
    prefix_done(&k->prefix);
    framer_done(&k->content);
    framer_done(&k->tree);
    buf_done(&k->sealed);
    buf_done(&k->stored);
    buf_done(&k->plain);
    mem_free(k->messages);
    mem_free(k->chunks);
}

/* Reading */

/* A pack that the index names and that is not there is damage, or a prune's work. */
static bool fetch(struct mover *k, const char *key, uint64_t offset, size_t size, struct err *e)
{
    buf_clear(&k->sealed);
    k->sealed_at = offset;
    if (store_get(k->move->copy->from->store, key, offset, size, &k->sealed, e))
        return true;
    if (e->code == ERR_NOT_FOUND)
        e->code = ERR_CORRUPT;
    return false;
}

/* The frames from *next on that one request reads, together with what stands between. */
static bool fetch_run(struct mover *k, const struct job *j, const char *key, size_t next,
                      size_t *end, struct err *e)
{
    const struct index *ix = k->move->copy->from->index;
    const struct index_frame first = index_frame_at(ix, j->frames[next].frame);
    uint64_t begin = first.offset;
    uint64_t stop = (uint64_t)first.offset + first.sealed_size;

    /* The header too where that saves a request. */
    if (next == 0 && begin <= GAP_MAX)
        begin = 0;
    for (*end = next + 1; *end < j->count; ++*end) {
        const struct index_frame f = index_frame_at(ix, j->frames[*end].frame);

        if (f.offset - stop > GAP_MAX || f.offset + f.sealed_size - begin > RUN_MAX)
            break;
        stop = (uint64_t)f.offset + f.sealed_size;
    }
    return fetch(k, key, begin, (size_t)(stop - begin), e);
}

/* Let the box hold the pack's key; its header is what was fetched first, or is fetched now. */
static bool open_header(struct mover *k, uint32_t pack, struct err *e)
{
    const struct repo *r = k->move->copy->from;
    const enum object_class class = index_pack_at(r->index, pack)->class;

    return object_seal_open(r, k->box, SLICE_OF(k->sealed.data, SEAL_HEADER_SIZE), class, e);
}

static bool open_source(struct mover *k, const struct job *j, const char *key, struct err *e)
{
    const struct index *ix = k->move->copy->from->index;

    /* Where the first run has the header, it is read with that. */
    return index_frame_at(ix, j->frames[0].frame).offset <= GAP_MAX ||
           (fetch(k, key, 0, SEAL_HEADER_SIZE, e) && open_header(k, j->pack, e));
}

/* The stored bytes of a frame to k->stored, and the plain ones to *plain. */
static bool open_frame(struct mover *k, uint32_t number, struct slice *plain, struct err *e)
{
    const struct index *ix = k->move->copy->from->index;
    const struct index_frame f = index_frame_at(ix, number);
    const struct section s = {.number = number - index_pack_at(ix, f.pack)->first_frame,
                              .kind = SECTION_FRAME,
                              .compression = (enum compression)f.compression,
                              .plain_size = f.plain_size};
    const uint8_t *sealed = k->sealed.data + (f.offset - k->sealed_at);

    buf_clear(&k->stored);
    buf_clear(&k->plain);
    if (!unseal_section(k->box, &s, SLICE_OF(sealed, f.sealed_size), &k->stored, e))
        return false;
    *plain = buf_slice(&k->stored);
    if (s.compression == COMPRESSION_NONE)
        return true;
    if (!prefix_of_frame(&k->prefix, number, e) ||
        !compressor_expand(k->compressor, buf_slice(&k->prefix.bytes), buf_slice(&k->stored),
                           f.plain_size, &k->plain, e))
        return false;
    *plain = buf_slice(&k->plain);
    return true;
}

static bool is_named(const struct hash *id, const struct copy_chunk *c)
{
    return memcmp(id->bytes, c->prefix, sizeof(c->prefix)) == 0;
}

/*
 * Whole ids, types and bases to k->chunks.  The index has the beginnings of ids and no types; a
 * pack of trees holds chunks of two types.
 */
static bool name_chunks(struct mover *k, const struct copy_frame *f, struct slice plain,
                        struct err *e)
{
    const struct index *ix = k->move->copy->from->index;
    const struct copy_chunk *from = &k->move->plan->chunks[f->first];
    const struct index_base *bases = index_bases_at(ix, f->frame);
    const bool is_tree = index_pack_at(ix, index_frame_at(ix, f->frame).pack)->class == CLASS_TREE;
    const enum chunk_type type = is_tree ? CHUNK_TREE : CHUNK_DATA;

    if (f->count > k->room) {
        k->room = (size_t)f->count * 2;
        k->messages = mem_resize(k->messages, k->room, sizeof(*k->messages));
        k->chunks = mem_resize(k->chunks, k->room, sizeof(*k->chunks));
    }
    for (uint32_t i = 0; i < f->count; i++)
        k->messages[i] = (struct mac_message){
            .type = (uint8_t)type, .in = SLICE_OF(plain.data + from[i].offset, from[i].size)};
    mac_sum_all(k->mac, k->messages, f->count);
    for (uint32_t i = 0; i < f->count; i++) {
        struct pack_chunk *to = &k->chunks[i];

        *to = (struct pack_chunk){
            .id = k->messages[i].sum, .type = type, .size = from[i].size, .offset = from[i].offset};
        if (is_tree && !is_named(&to->id, &from[i])) {
            to->type = CHUNK_LIST;
            mac_sum(k->mac, CHUNK_LIST, k->messages[i].in, &to->id);
        }
        if (!is_named(&to->id, &from[i])) {
            char text[2 * sizeof(from[i].prefix) + 1];

            hex_encode(SLICE_OF(from[i].prefix, sizeof(from[i].prefix)), text);
            return err_set(e, ERR_CORRUPT, "chunk %.16s holds other bytes than its id says", text);
        }
        if (bases != NULL)
            to->base = bases[i].id;
    }
    return true;
}

/* Handing over */

static void land_whole(struct mover *k, const struct copy_frame *f)
{
    const struct index *ix = k->move->copy->from->index;
    const struct index_frame from = index_frame_at(ix, f->frame);
    struct landing *l = &k->move->landing;
    const bool is_tree = index_pack_at(ix, from.pack)->class == CLASS_TREE;

    open_pack_add(is_tree ? &l->tree : &l->content,
                  &(struct stored_frame){.stored = buf_slice(&k->stored),
                                         .compression = (enum compression)from.compression,
                                         .plain_size = from.plain_size,
                                         .chunks = k->chunks,
                                         .count = f->count});
}

static void land_wanted(struct mover *k, const struct copy_frame *f, struct slice plain)
{
    const struct copy_chunk *from = &k->move->plan->chunks[f->first];

    for (uint32_t i = 0; i < f->count; i++) {
        const struct pack_chunk *c = &k->chunks[i];
        const struct piece p = {.id = c->id, .type = c->type, .size = c->size};
        struct framer *to = c->type == CHUNK_DATA ? &k->content : &k->tree;

        if (!from[i].is_wanted)
            continue;
        framer_gather(to, &p, SLICE_OF(plain.data + c->offset, c->size));
        framer_settle(to);
    }
}

static void tell_progress(struct move *m)
{
    const struct copy_options *o = m->copy->options;

    pthread_mutex_lock(&m->lock);
    m->frames_done++;
    if (o->progress != NULL)
        o->progress(o->arg, "copy frames", m->frames_done,
                    m->plan->plain.count + m->plan->deltas.count);
    pthread_mutex_unlock(&m->lock);
}

/* Deltas move whole, which is next to nothing; of others half must be wanted. */
static bool move_frame(struct mover *k, const struct copy_frame *f, struct err *e)
{
    const struct index_frame from = index_frame_at(k->move->copy->from->index, f->frame);
    struct slice plain;

    if (cancel_is_requested())
        return cancel_err(e);
    if (!open_frame(k, f->frame, &plain, e) || !name_chunks(k, f, plain, e))
        return err_wrap(
            e, "frame %u",
            (unsigned)(f->frame -
                       index_pack_at(k->move->copy->from->index, from.pack)->first_frame));
    if (from.base_count > 0 || f->wanted * 2 >= from.plain_size)
        land_whole(k, f);
    else
        land_wanted(k, f, plain);
    tell_progress(k->move);
    return true;
}

static bool move_pack(struct mover *k, const struct job *j, struct err *e)
{
    char key[PACK_KEY_MAX];
    size_t next = 0, end;

    pack_key(&index_pack_at(k->move->copy->from->index, j->pack)->id, key);
    if (!open_source(k, j, key, e))
        return err_wrap(e, "%s", key);
    for (; next < j->count && !is_ended(k->move); next = end) {
        if (!fetch_run(k, j, key, next, &end, e) ||
            (k->sealed_at == 0 && !open_header(k, j->pack, e)))
            return err_wrap(e, "%s", key);
        for (size_t i = next; i < end && !is_ended(k->move); i++)
            if (!move_frame(k, &j->frames[i], e))
                return err_wrap(e, "%s", key);
    }
    return true;
}

/* Damage ends the present snapshot, everything else the whole copy. */
static void note_failure(struct move *m, uint32_t pack, struct err *why)
{
    if (why->code != ERR_CORRUPT) {
        pthread_mutex_lock(&m->lock);
        if (why->code != ERR_CANCELLED && !first_failure_is_set(&m->landing.failure)) {
            (void)err_wrap(why, "read the source");
            m->copy->stats->is_source_failure = true;
        }
        first_failure_set(&m->landing.failure, why);
        pthread_mutex_unlock(&m->lock);
    } else {
        index_distrust_pack(m->copy->from->index, pack);
        pthread_mutex_lock(&m->lock);
        if (!m->fault->is_set)
            *m->fault = (struct copy_fault){true, *why};
        pthread_mutex_unlock(&m->lock);
    }
    atomic_store(&m->is_over, true);
}

static void *mover_main(void *arg)
{
    struct mover *k = arg;
    const struct job *j;

    while ((j = queue_take(k->move->jobs)) != NULL) {
        struct err e = {0};

        if (!is_ended(k->move) && !move_pack(k, j, &e))
            note_failure(k->move, j->pack, &e);
    }
    return NULL;
}

/* All at once */

/* One job for each pack; returns how many. */
static size_t make_jobs(const struct index *ix, const struct copy_frames *f, struct job *jobs)
{
    size_t count = 0;

    for (size_t i = 0; i < f->count; i++) {
        const uint32_t pack = index_frame_at(ix, f->items[i].frame).pack;

        if (count == 0 || jobs[count - 1].pack != pack)
            jobs[count++] = (struct job){.pack = pack, .frames = &f->items[i]};
        jobs[count - 1].count++;
    }
    return count;
}

static void expect_frames(struct repo *from, const struct copy_frames *f)
{
    AUTO(mem) uint32_t *frames = mem_array(f->count, sizeof(*frames));

    for (size_t i = 0; i < f->count; i++)
        frames[i] = f->items[i].frame;
    repo_expect_frames(from, frames, f->count, NULL);
}

static void run_phase(struct move *m, const struct copy_frames *f)
{
    AUTO(mem) struct job *jobs = mem_array(f->count, sizeof(*jobs));
    const size_t job_count = make_jobs(m->copy->from->index, f, jobs);

    if (job_count == 0 || is_ended(m))
        return;
    expect_frames(m->copy->from, f);
    m->jobs = queue_new(job_count);
    for (size_t i = 0; i < job_count; i++)
        if (!queue_put(m->jobs, &jobs[i]))
            break; /* cannot be: it is not closed */
    queue_close(m->jobs);
    for (int i = 0; i < m->mover_count; i++)
        thread_start(&m->movers[i].thread, mover_main, &m->movers[i], "copy");
    for (int i = 0; i < m->mover_count; i++)
        thread_join(m->movers[i].thread);
    queue_free(m->jobs);
    repo_expect_frames(m->copy->from, NULL, 0, NULL);
}

/* As many as there are processors, or requests that the source answers side by side. */
static int worker_count(const struct copy *c)
{
    const int processors = thread_processors();
    const int parallel = store_parallel(c->from->store);
    const int n = processors > parallel ? processors : parallel;

    return n < WORKERS_MIN ? WORKERS_MIN : n > COPY_WORKERS_MAX ? COPY_WORKERS_MAX : n;
}

static void count_landed(struct copy_stats *s, const struct landing *l)
{
    s->packs += atomic_load(&l->uploader.stored);
    s->bytes_stored += atomic_load(&l->uploader.bytes_stored);
}

static void move_auto(struct move *m)
{
    for (int i = 0; i < m->mover_count; i++)
        mover_done(&m->movers[i]);
    mem_free(m->movers);
    landing_auto(&m->landing);
    pthread_mutex_destroy(&m->lock);
}

/* What was gathered goes too after a fault: it serves the next snapshot, or the next run. */
static bool finish(struct move *m, struct err *e)
{
    for (int i = 0; i < m->mover_count && !first_failure_is_set(&m->landing.failure); i++) {
        framer_flush(&m->movers[i].content);
        framer_flush(&m->movers[i].tree);
    }
    return landing_finish(&m->landing, e);
}

bool copy_move(struct copy *c, const struct copy_plan *p, struct copy_fault *fault, struct err *e)
{
    AUTO(move) struct move m = {.copy = c, .plan = p, .fault = fault};

    *fault = (struct copy_fault){0};
    pthread_mutex_init(&m.lock, NULL);
    landing_start(&m.landing, c->to, &c->needed);
    const int workers = worker_count(c);

    m.movers = mem_array((size_t)workers, sizeof(*m.movers));
    while (m.mover_count < workers)
        mover_init(&m.movers[m.mover_count++], &m);
    run_phase(&m, &p->plain);
    run_phase(&m, &p->deltas);

    const bool is_durable = finish(&m, e);

    count_landed(c->stats, &m.landing);
    return is_durable;
}
