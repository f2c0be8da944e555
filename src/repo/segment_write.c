/*
 * Writing a segment: the packs, frames and bases of the inputs one after the other, their entries
 * merged.  Everything is written in order, so that memory is a block for each part.
 */
#include <assert.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "repo/segment_format.h"

/* Entries in a range of the fan, and in a shard of the filter, about. */
#define FAN_ENTRIES   64
#define SHARD_ENTRIES ((uint64_t)1 << 19)

#define NOWHERE       UINT32_MAX

/* Where a pack of an input goes. */
struct target {
    uint32_t number; /* NOWHERE: it is left out */
    uint32_t first_frame;
};

struct input {
    const struct segment_tables *tables;
    struct target *packs;
    uint32_t *sources; /* numbers; NOWHERE */
    size_t next;       /* entry */
};

/* A part that is being written. */
struct part {
    uint64_t offset; /* of the block in the file */
    size_t used;
    uint8_t *block;
};

struct writing {
    struct segment_head head;
    struct input *inputs;
    size_t count;
    struct file_draft draft;
    struct part parts[PART_COUNT];
    struct hash *sums;
    size_t sum_room;
    uint64_t *numbers; /* of the present shard */
    size_t number_count, number_room;
    size_t shard, range; /* the present ones */
};

static void writing_auto(struct writing *w)
{
    for (size_t i = 0; i < w->count; i++) {
        mem_free(w->inputs[i].packs);
        mem_free(w->inputs[i].sources);
    }
    for (int i = 0; i < PART_COUNT; i++)
        mem_free(w->parts[i].block);
    mem_free(w->inputs);
    mem_free(w->sums);
    mem_free(w->numbers);
    file_draft_auto(&w->draft);
}

/* Bytes to the file */

static bool put_block(struct writing *w, struct part *p, struct err *e)
{
    const size_t number = (size_t)((p->offset - SEGMENT_HEAD_SIZE) / SEGMENT_BLOCK);
    const struct slice block = SLICE_OF(p->block, SEGMENT_BLOCK);

    while (number >= w->sum_room) {
        w->sum_room = w->sum_room == 0 ? 64 : w->sum_room * 2;
        w->sums = mem_resize(w->sums, w->sum_room, sizeof(*w->sums));
    }
    sha256(block, &w->sums[number]);
    if (!fd_write_at(w->draft.fd, p->offset, block, e))
        return false;
    p->offset += SEGMENT_BLOCK;
    p->used = 0;
    return true;
}

static bool put(struct writing *w, enum segment_part part, const void *data, size_t size,
                struct err *e)
{
    struct part *p = &w->parts[part];
    struct slice rest = SLICE_OF(data, size);

    while (rest.size > 0) {
        const size_t room = SEGMENT_BLOCK - p->used;
        const size_t count = rest.size < room ? rest.size : room;

        memcpy(p->block + p->used, rest.data, count);
        p->used += count;
        rest = SLICE_OF(rest.data + count, rest.size - count);
        if (p->used == SEGMENT_BLOCK && !put_block(w, p, e))
            return false;
    }
    return true;
}

static bool end_part(struct writing *w, struct part *p, struct err *e)
{
    if (p->used == 0)
        return true;
    memset(p->block + p->used, 0, SEGMENT_BLOCK - p->used);
    return put_block(w, p, e);
}

/* What goes where */

static void plan_input(struct writing *w, struct input *in, const bool *drops)
{
    const struct segment_tables *t = in->tables;
    uint64_t *counts = w->head.counts;

    in->sources = mem_array(t->source_count, sizeof(*in->sources));
    in->packs = mem_array(t->pack_count, sizeof(*in->packs));
    for (size_t i = 0; i < t->source_count; i++)
        in->sources[i] = drops != NULL && drops[i] ? NOWHERE : (uint32_t)counts[PART_SOURCES]++;
    for (size_t i = 0; i < t->pack_count; i++) {
        const struct segment_pack *p = &t->packs[i];

        in->packs[i].number = NOWHERE;
        if (in->sources[p->source] == NOWHERE)
            continue;
        in->packs[i] =
            (struct target){(uint32_t)counts[PART_PACKS]++, (uint32_t)counts[PART_FRAMES]};
        counts[PART_FRAMES] += p->frame_count;
        counts[PART_ENTRIES] += p->chunk_count;
        for (uint32_t n = 0; n < p->frame_count; n++)
            counts[PART_BASES] += t->frames[p->first_frame + n].base_count;
    }
}

static bool plan(struct writing *w, const struct segment_input *inputs, struct err *e)
{
    struct segment_head *h = &w->head;

    for (size_t i = 0; i < w->count; i++) {
        w->inputs[i].tables = inputs[i].tables;
        plan_input(w, &w->inputs[i], inputs[i].drops);
    }
    if (h->counts[PART_FRAMES] >= INDEX_PENDING || h->counts[PART_ENTRIES] >= UINT32_MAX ||
        h->counts[PART_BASES] >= UINT32_MAX)
        return err_set(e, ERR_USAGE, "a segment cannot hold so much");
    h->fan_bits = segment_bits(h->counts[PART_ENTRIES], FAN_ENTRIES);
    h->shard_bits = segment_bits(h->counts[PART_ENTRIES], SHARD_ENTRIES);
    h->counts[PART_FAN] = (UINT64_C(1) << h->fan_bits) + 1;
    h->counts[PART_SHARDS] = UINT64_C(1) << h->shard_bits;
    for (int i = 0; i < PART_COUNT; i++)
        w->parts[i] = (struct part){segment_offset(h, i), 0, mem_new(SEGMENT_BLOCK)};
    return true;
}

/* Packs, frames and bases */

static bool put_pack(struct writing *w, const struct input *in, size_t number, uint32_t *base,
                     struct err *e)
{
    const struct segment_tables *t = in->tables;
    const struct segment_pack *p = &t->packs[number];
    struct segment_pack row = *p;

    row.first_frame = in->packs[number].first_frame;
    row.source = in->sources[p->source];
    if (!put(w, PART_PACKS, &row, sizeof(row), e))
        return false;
    for (uint32_t i = 0; i < p->frame_count; i++) {
        const struct index_frame *f = &t->frames[p->first_frame + i];
        struct index_frame frame = *f;

        frame.pack = in->packs[number].number;
        frame.first_base = *base;
        *base += f->base_count;
        if (!put(w, PART_FRAMES, &frame, sizeof(frame), e) ||
            !put(w, PART_BASES, &t->bases[f->first_base], f->base_count * sizeof(*t->bases), e))
            return false;
    }
    return true;
}

static bool put_tables(struct writing *w, struct err *e)
{
    uint32_t base = 0;

    for (size_t i = 0; i < w->count; i++) {
        const struct input *in = &w->inputs[i];

        for (size_t n = 0; n < in->tables->source_count; n++)
            if (in->sources[n] != NOWHERE &&
                !put(w, PART_SOURCES, &in->tables->sources[n], sizeof(struct index_source), e))
                return false;
        for (size_t n = 0; n < in->tables->pack_count; n++)
            if (in->packs[n].number != NOWHERE && !put_pack(w, in, n, &base, e))
                return false;
    }
    return true;
}

/* Entries, fan and filter */

static bool end_shard(struct writing *w, struct err *e)
{
    struct segment_shard row = {.offset = w->head.counts[PART_FILTER]};
    AUTO(mem)
    uint8_t *bytes =
        w->number_count > FUSE_MAX ? NULL : fuse_new(w->numbers, w->number_count, &row.fuse);

    if (bytes == NULL)
        return err_set(e, ERR_USAGE, "ids are not as even as those of chunks");
    w->head.counts[PART_FILTER] += fuse_size(&row.fuse);
    w->number_count = 0;
    w->shard++;
    return put(w, PART_SHARDS, &row, sizeof(row), e) &&
           put(w, PART_FILTER, bytes, fuse_size(&row.fuse), e);
}

static void note_number(struct writing *w, uint64_t number)
{
    if (w->number_count > 0 && w->numbers[w->number_count - 1] == number)
        return;
    if (w->number_count == w->number_room) {
        w->number_room = w->number_room == 0 ? 1024 : w->number_room * 2;
        w->numbers = mem_resize(w->numbers, w->number_room, sizeof(*w->numbers));
    }
    w->numbers[w->number_count++] = number;
}

/* The ranges up to and with this one begin here. */
static bool begin_range(struct writing *w, size_t range, uint32_t entry, struct err *e)
{
    for (; w->range <= range; w->range++)
        if (!put(w, PART_FAN, &entry, sizeof(entry), e))
            return false;
    return true;
}

static bool put_entry(struct writing *w, const struct index_entry *en, uint32_t number,
                      struct err *e)
{
    const uint64_t first = segment_number(en->prefix);

    while (w->shard < segment_range(first, w->head.shard_bits))
        if (!end_shard(w, e))
            return false;
    note_number(w, first);
    return begin_range(w, segment_range(first, w->head.fan_bits), number, e) &&
           put(w, PART_ENTRIES, en, sizeof(*en), e);
}

/* Whether the next entry of an input stays, and with which frame. */
static bool place_entry(const struct input *in, struct index_entry *out)
{
    const struct segment_tables *t = in->tables;

    *out = t->entries[in->next];

    const uint32_t pack = t->frames[out->frame].pack;

    if (in->packs[pack].number == NOWHERE)
        return false;
    out->frame += in->packs[pack].first_frame - t->packs[pack].first_frame;
    return true;
}

/* The input with the lowest entry, or NULL at the end. */
static struct input *lowest(struct writing *w)
{
    struct input *best = NULL;

    for (size_t i = 0; i < w->count; i++) {
        struct input *in = &w->inputs[i];

        if (in->next < in->tables->entry_count &&
            (best == NULL || memcmp(in->tables->entries[in->next].prefix,
                                    best->tables->entries[best->next].prefix, PREFIX_SIZE) < 0))
            best = in;
    }
    return best;
}

static bool put_entries(struct writing *w, struct err *e)
{
    uint32_t number = 0;
    struct input *in;

    for (; (in = lowest(w)) != NULL; in->next++) {
        struct index_entry en;

        if (place_entry(in, &en) && !put_entry(w, &en, number++, e))
            return false;
    }
    assert(number == w->head.counts[PART_ENTRIES]);
    while (w->shard < w->head.counts[PART_SHARDS])
        if (!end_shard(w, e))
            return false;
    return begin_range(w, (size_t)w->head.counts[PART_FAN] - 1, number, e);
}

/* The head comes last. */
static bool finish(struct writing *w, int dirfd, const struct segment_owner *owner,
                   char name[SEGMENT_NAME_MAX], struct err *e)
{
    static const char begin[] = "segment-";
    struct segment_head *h = &w->head;
    uint8_t head[SEGMENT_HEAD_SIZE] = {0};

    for (int i = 0; i < PART_COUNT; i++)
        if (!end_part(w, &w->parts[i], e))
            return false;

    const uint64_t end = segment_offset(h, PART_COUNT);
    const struct slice sums =
        SLICE_OF(w->sums, (size_t)((end - SEGMENT_HEAD_SIZE) / SEGMENT_BLOCK) * HASH_SIZE);

    sha256(sums, &h->sums);
    segment_head_sum(h, owner, &h->mac);
    memcpy(head, h, sizeof(*h));
    if (!fd_write_at(w->draft.fd, end, sums, e) ||
        !fd_write_at(w->draft.fd, 0, SLICE_OF(head, sizeof(head)), e))
        return false;
    memcpy(name, begin, sizeof(begin));
    hex_encode(SLICE_OF(h->mac.bytes, SEAL_ID_SIZE), name + sizeof(begin) - 1);
    return file_draft_link(&w->draft, dirfd, name, e) || e->code == ERR_EXISTS;
}

bool segment_write(int dirfd, const struct segment_owner *owner, const struct segment_input *inputs,
                   size_t count, char name[SEGMENT_NAME_MAX], struct err *e)
{
    AUTO(writing)
    struct writing w = {
        .head = {.magic = SEGMENT_MAGIC,
                 .version = SEGMENT_VERSION,
                 .row_sizes = segment_row_sizes()},
        .inputs = mem_array(count, sizeof(*w.inputs)),
        .count = count,
        .draft = FILE_DRAFT_NONE,
    };

    memcpy(w.head.repository, owner->repository, sizeof(w.head.repository));
    return plan(&w, inputs, e) && file_draft_open(dirfd, "segment.tmp", &w.draft, e) &&
           put_tables(&w, e) && put_entries(&w, e) && finish(&w, dirfd, owner, name, e);
}
