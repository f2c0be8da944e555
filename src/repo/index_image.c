#include "repo/index_image.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

/* The place in the table of packs so many further on is fetched while one is added. */
#define AHEAD 16

void index_image_auto(struct index_image *image)
{
    mem_free(image->packs);
    mem_free(image->frames);
    mem_free(image->entries);
}

static int entry_order(const void *a, const void *b)
{
    return memcmp(a, b, PREFIX_SIZE);
}

/* Packs, frames and bases are in their places already; only their numbers differ. */
void index_image_make(const struct index *ix, struct index_image *out)
{
    const size_t pack_count = ix->pack_count - ix->segment_packs;
    size_t entry_count = 0;

    out->packs = mem_array(pack_count, sizeof(*out->packs));
    for (size_t i = 0; i < pack_count; i++) {
        const struct index_pack *p = &ix->packs[ix->segment_packs + i];

        out->packs[i] = (struct segment_pack){.id = p->id,
                                              .size = p->size,
                                              .first_frame = p->first_frame - ix->segment_frames,
                                              .frame_count = p->frame_count,
                                              .chunk_count = p->chunk_count,
                                              .source = p->source,
                                              .class = p->class};
    }
    out->frames = mem_array(ix->frame_count, sizeof(*out->frames));
    for (size_t i = 0; i < ix->frame_count; i++) {
        out->frames[i] = ix->frames[i];
        out->frames[i].pack -= ix->segment_packs;
    }
    out->entries = mem_array(ix->used, sizeof(*out->entries));
    for (size_t i = 0; i < ix->room; i++) {
        if (ix->entries[i].size == 0)
            continue;
        assert(ix->entries[i].frame != INDEX_PENDING);
        out->entries[entry_count] = ix->entries[i];
        out->entries[entry_count++].frame -= ix->segment_frames;
    }
    qsort(out->entries, entry_count, sizeof(*out->entries), entry_order);
    out->tables = (struct segment_tables){.sources = ix->sources,
                                          .packs = out->packs,
                                          .frames = out->frames,
                                          .bases = ix->bases,
                                          .entries = out->entries,
                                          .source_count = ix->source_count,
                                          .pack_count = pack_count,
                                          .frame_count = ix->frame_count,
                                          .base_count = ix->base_count,
                                          .entry_count = entry_count};
}

bool index_can_attach(const struct index *ix, const struct segment_tables *t)
{
    uint32_t number;

    if (ix->segment_frames + t->frame_count >= INDEX_PENDING)
        return false;
    for (size_t i = 0; i < t->pack_count && ix->pack_count > 0; i++)
        if (index_has_pack(ix, &t->packs[i].id, &number))
            return false;
    return true;
}

/* The segment comes behind the others; its packs are named already. */
static void append(struct index *ix, struct segment *s, int dir)
{
    const struct segment_tables *t = segment_tables(s);

    ix->segments = mem_resize(ix->segments, ix->segment_count + 1, sizeof(*ix->segments));
    ix->segments[ix->segment_count++] = (struct index_segment){.file = s,
                                                               .first_pack = ix->segment_packs,
                                                               .first_frame = ix->segment_frames,
                                                               .first_entry = ix->segment_entries};
    ix->segment_packs += (uint32_t)t->pack_count;
    ix->segment_frames += (uint32_t)t->frame_count;
    ix->segment_entries += t->entry_count;
    if (ix->dir < 0)
        ix->dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
}

void index_attach(struct index *ix, struct segment *s, int dir)
{
    const struct segment_tables *t = segment_tables(s);

    assert(ix->used == 0 && ix->pack_count == ix->segment_packs);
    index_reserve_packs(ix, t->pack_count);
    for (size_t i = 0; i < t->pack_count; i++) {
        const struct segment_pack *p = &t->packs[i];

        if (i + AHEAD < t->pack_count)
            __builtin_prefetch(&ix->by_id[index_slot_of(p[AHEAD].id.bytes, ix->by_id_room)], 1);

        const uint32_t number = index_append_pack(ix, &p->id);

        ix->packs[number] = (struct index_pack){.id = p->id,
                                                .class = (enum object_class)p->class,
                                                .state = PACK_MISSING,
                                                .size = p->size,
                                                .first_frame = p->first_frame + ix->segment_frames,
                                                .frame_count = p->frame_count,
                                                .chunk_count = p->chunk_count};
    }
    append(ix, s, dir);
}

void index_settle(struct index *ix, struct segment *s, int dir)
{
    append(ix, s, dir);
    assert(ix->segment_packs == ix->pack_count);
    ix->used = 0;
    ix->frame_count = 0;
    ix->base_count = 0;
    ix->source_count = 0;
    memset(ix->entries, 0, ix->room * sizeof(*ix->entries));
}

bool index_is_damaged(const struct index *ix)
{
    for (size_t i = 0; i < ix->segment_count; i++)
        if (segment_is_damaged(ix->segments[i].file))
            return true;
    return false;
}

bool index_is_sound(const struct index *ix)
{
    for (size_t i = 0; i < ix->segment_count; i++)
        if (!segment_is_sound(ix->segments[i].file))
            return false;
    return true;
}

bool index_err_damaged(struct err *e)
{
    return err_set(e, ERR_TRANSIENT,
                   "the copy of the index in the cache is damaged; it is made anew: try again");
}

/* What is damaged is not found again. */
void index_segments_done(struct index *ix)
{
    for (size_t i = 0; i < ix->segment_count; i++) {
        struct segment *s = ix->segments[i].file;
        struct err ignored;

        if (segment_is_damaged(s))
            (void)!file_remove(ix->dir, segment_name(s), &ignored);
        segment_free(s);
    }
    mem_free(ix->segments);
    fd_auto(&ix->dir);
}
