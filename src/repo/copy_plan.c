/*
 * What of the source has to move: the chunks that the destination lacks, and the frames they
 * stand in.
 *
 * The table in memory has the chunks of all frames in no order, so they are gathered in two passes
 * over it: which frames, then all chunks of these.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "repo/bits.h"
#include "repo/copy.h"

void copy_plan_auto(struct copy_plan *p)
{
    mem_free(p->chunks);
    mem_free(p->plain.items);
    mem_free(p->deltas.items);
}

/* Whether the destination has a chunk in the way it is needed there. */
static bool is_there(struct copy *c, const uint8_t prefix[16], bool is_plain)
{
    struct hash id = {0};
    struct place at;

    memcpy(id.bytes, prefix, 16); /* the table looks at no more of it */
    if (is_plain ? !index_find_live_base(c->to->index, &id, &at)
                 : !index_find_live(c->to->index, &id, &at))
        return false;
    needed_packs_found(&c->needed, &at);
    return true;
}

/* Which entries are wanted, and the frames that hold them; returns the chunks of these frames. */
static size_t choose(struct copy *c, uint64_t *wanted, uint64_t *frames)
{
    const struct index *ix = c->from->index;
    uint8_t prefix[16];
    struct place at;
    size_t count = 0;

    for (size_t n = 0; n < index_entry_room(ix); n++)
        if (marks_has(c->marks, n) && !bits_have(c->settled, n) &&
            index_entry_at(ix, n, prefix, &at) &&
            !is_there(c, prefix, index_holds_bases(ix, at.frame))) {
            bits_add(wanted, n);
            bits_add(frames, at.frame);
        }
    for (size_t n = 0; n < index_entry_room(ix); n++)
        count += index_entry_at(ix, n, prefix, &at) && bits_have(frames, at.frame) ? 1 : 0;
    return count;
}

static int chunk_order(const void *a, const void *b)
{
    const struct copy_chunk *left = a;
    const struct copy_chunk *right = b;

    if (left->frame != right->frame)
        return left->frame < right->frame ? -1 : 1;
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

static void add_frame(const struct index *ix, struct copy_plan *p, const struct copy_frame *f)
{
    const struct index_frame from = index_frame_at(ix, f->frame);
    struct copy_frames *to = from.base_count > 0 ? &p->deltas : &p->plain;

    if (to->count == to->room) {
        to->room = to->room == 0 ? 256 : to->room * 2;
        to->items = mem_resize(to->items, to->room, sizeof(*to->items));
    }
    to->items[to->count++] = *f;
    p->stored_bytes += from.sealed_size;
}

/* From chunks in order to frames. */
static void gather_frames(const struct index *ix, struct copy_plan *p)
{
    struct copy_frame f = {0};

    for (size_t i = 0; i < p->chunk_count; i++) {
        const struct copy_chunk *one = &p->chunks[i];

        f.frame = one->frame;
        f.count++;
        f.wanted += one->is_wanted ? one->size : 0;
        p->wanted += one->is_wanted ? 1 : 0;
        if (i + 1 < p->chunk_count && p->chunks[i + 1].frame == one->frame)
            continue;
        p->wanted_bytes += f.wanted;
        add_frame(ix, p, &f);
        f = (struct copy_frame){.first = i + 1};
    }
}

void copy_plan_make(struct copy *c, struct copy_plan *out)
{
    const struct index *ix = c->from->index;
    const size_t room = index_entry_room(ix);
    AUTO(mem) uint64_t *wanted = bits_new(room);
    AUTO(mem) uint64_t *frames = bits_new(index_frame_count(ix));
    struct place at;

    *out = (struct copy_plan){0};
    out->chunks = mem_array(choose(c, wanted, frames), sizeof(*out->chunks));
    for (size_t n = 0; n < room; n++) {
        struct copy_chunk *next = &out->chunks[out->chunk_count];
        uint8_t prefix[16];

        if (!index_entry_at(ix, n, prefix, &at) || !bits_have(frames, at.frame))
            continue;
        *next = (struct copy_chunk){.frame = at.frame,
                                    .offset = at.offset,
                                    .size = at.size,
                                    .is_wanted = bits_have(wanted, n)};
        memcpy(next->prefix, prefix, sizeof(next->prefix));
        out->chunk_count++;
    }
    if (out->chunk_count > 0)
        qsort(out->chunks, out->chunk_count, sizeof(*out->chunks), chunk_order);
    gather_frames(ix, out);
}
