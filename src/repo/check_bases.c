/*
 * Frames that deltas are read after.  A check expands each of them to read the deltas; the ids of
 * its chunks are computed then, so that it need not be expanded again when its own pack comes.
 * What counts is that the bytes of the frame were authentic, and that they are when the pack comes:
 * then they are the same bytes, as nothing is sealed twice with one key and number.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "repo/bits.h"
#include "repo/check.h"

/* Chunks of all such frames; 24 MiB of memory.  With more of them nothing is kept. */
#define BASES_MAX ((size_t)1 << 19)

struct base_chunk {
    uint32_t frame, offset, size;
    struct hash id; /* as computed, once the frame was read */
};

struct check_bases {
    struct check *check;
    struct base_chunk *chunks; /* by frame, then by offset */
    size_t count;
    uint64_t *wanted, *taken,
        *known; /* a bit per frame; the last two guarded by the check's lock */
};

static void find_frames(struct check_bases *b)
{
    struct index *ix = b->check->repo->index;

    for (uint32_t n = 0; n < index_frame_count(ix); n++) {
        const struct index_base *bases = index_bases_at(ix, n);
        struct place at;

        for (uint32_t i = 0; i < index_frame_at(ix, n).base_count; i++)
            if (index_find_base(ix, &bases[i].id, &at))
                bits_add(b->wanted, at.frame);
    }
}

static int by_place(const void *a, const void *b)
{
    const struct base_chunk *left = a, *right = b;

    if (left->frame != right->frame)
        return left->frame < right->frame ? -1 : 1;
    return left->offset == right->offset ? 0 : left->offset < right->offset ? -1 : 1;
}

/* Copy to out, or with NULL only count, the chunks of the frames that are wanted. */
static size_t list_chunks(const struct check_bases *b, struct base_chunk *out)
{
    const struct index *ix = b->check->repo->index;
    size_t count = 0;

    for (size_t i = 0; i < index_entry_room(ix); i++) {
        uint8_t prefix[16];
        struct place at;

        if (!index_entry_at(ix, i, prefix, &at) || !bits_have(b->wanted, at.frame))
            continue;
        if (out != NULL)
            out[count] =
                (struct base_chunk){.frame = at.frame, .offset = at.offset, .size = at.size};
        count++;
    }
    return count;
}

struct check_bases *check_bases_new(struct check *c)
{
    struct check_bases *b = mem_new(sizeof(*b));
    const size_t frames = index_frame_count(c->repo->index);

    b->check = c;
    b->wanted = bits_new(frames);
    b->taken = bits_new(frames);
    b->known = bits_new(frames);
    find_frames(b);
    b->count = list_chunks(b, NULL);
    if (b->count > BASES_MAX)
        b->count = 0;
    if (b->count == 0)
        return b;
    b->chunks = mem_array(b->count, sizeof(*b->chunks));
    (void)list_chunks(b, b->chunks);
    qsort(b->chunks, b->count, sizeof(*b->chunks), by_place);
    return b;
}

void check_bases_free(struct check_bases *b)
{
    if (b == NULL)
        return;
    mem_free(b->chunks);
    mem_free(b->wanted);
    mem_free(b->taken);
    mem_free(b->known);
    mem_free(b);
}

void check_bases_auto(struct check_bases **b)
{
    check_bases_free(*b);
}

/* The chunks of one frame; returns how many there are. */
static size_t chunks_of(const struct check_bases *b, uint32_t frame, struct base_chunk **out)
{
    size_t low = 0, high = b->count, end;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (b->chunks[middle].frame < frame)
            low = middle + 1;
        else
            high = middle;
    }
    for (end = low; end < b->count && b->chunks[end].frame == frame; end++)
        ;
    *out = b->chunks + low;
    return end - low;
}

static bool take(struct check_bases *b, uint32_t frame)
{
    pthread_mutex_lock(&b->check->lock);

    const bool is_free = !bits_have(b->taken, frame);

    bits_add(b->taken, frame);
    pthread_mutex_unlock(&b->check->lock);
    return is_free;
}

/* The index has no types.  A list among pages gets an id that is not its own, so its frame is
 * proved when its pack comes. */
static enum chunk_type usual_type(const struct index *ix, uint32_t frame)
{
    const struct index_pack *p = index_pack_at(ix, index_frame_at(ix, frame).pack);

    return p->class == CLASS_TREE ? CHUNK_TREE : CHUNK_DATA;
}

void check_bases_note(struct check_bases *b, struct mac *mac, uint32_t frame, struct slice plain)
{
    struct base_chunk *chunks;
    const size_t count = chunks_of(b, frame, &chunks);

    if (count == 0 || !take(b, frame))
        return;

    AUTO(mem) struct mac_message *messages = mem_array(count, sizeof(*messages));
    const enum chunk_type type = usual_type(b->check->repo->index, frame);

    for (size_t i = 0; i < count; i++)
        messages[i] = (struct mac_message){
            .type = (uint8_t)type, .in = SLICE_OF(plain.data + chunks[i].offset, chunks[i].size)};
    mac_sum_all(mac, messages, count);
    for (size_t i = 0; i < count; i++)
        chunks[i].id = messages[i].sum;
    pthread_mutex_lock(&b->check->lock);
    bits_add(b->known, frame);
    pthread_mutex_unlock(&b->check->lock);
}

static bool has_chunk(const struct base_chunk *chunks, size_t count, const struct pack_chunk *c)
{
    for (size_t i = 0; i < count; i++)
        if (chunks[i].offset == c->offset && chunks[i].size == c->size &&
            id_is_named(&chunks[i].id, &c->id))
            return true;
    return false;
}

bool check_bases_prove(struct check_bases *b, uint32_t frame, const struct pack_chunk *wanted,
                       size_t wanted_count)
{
    struct base_chunk *chunks;

    pthread_mutex_lock(&b->check->lock);

    const bool is_known = bits_have(b->known, frame);

    pthread_mutex_unlock(&b->check->lock);
    if (!is_known)
        return false;

    const size_t count = chunks_of(b, frame, &chunks);

    for (size_t i = 0; i < wanted_count; i++)
        if (!has_chunk(chunks, count, &wanted[i]))
            return false;
    return true;
}
