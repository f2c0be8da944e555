/*
 * The table of chunks, and the frames and packs that they stand in.
 *
 * Entries are 28 bytes, at most three quarters of the table are used, so a million chunks
 * take 59 MB.  Linear probing from the first eight bytes of the id, which are uniform.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "repo/index_parts.h"

struct index *index_new(void)
{
    struct index *ix = mem_new(sizeof(*ix));

    pthread_rwlock_init(&ix->lock, NULL);
    ix->dir = -1;
    ix->room = 1024;
    ix->entries = mem_array(ix->room, sizeof(*ix->entries));
    ix->by_id_room = 64;
    ix->by_id = mem_array(ix->by_id_room, sizeof(*ix->by_id));
    return ix;
}

void index_free(struct index *ix)
{
    if (ix == NULL)
        return;
    pthread_rwlock_destroy(&ix->lock);
    index_segments_done(ix);
    mem_free(ix->sources);
    mem_free(ix->judged);
    mem_free(ix->entries);
    mem_free(ix->packs);
    mem_free(ix->by_id);
    mem_free(ix->frames);
    mem_free(ix->bases);
    mem_free(ix);
}

void index_auto(struct index **ix)
{
    index_free(*ix);
}

static void insert(struct index_entry *entries, size_t room, const struct index_entry *en)
{
    size_t i = index_slot_of(en->prefix, room);

    while (entries[i].size != 0)
        i = (i + 1) & (room - 1);
    entries[i] = *en;
}

/* Make room for extra more entries. */
static void grow(struct index *ix, size_t extra)
{
    size_t room = ix->room;

    while (ix->used + extra > room / 4 * 3)
        room *= 2;
    if (room == ix->room)
        return;

    struct index_entry *entries = mem_array(room, sizeof(*entries));

    for (size_t i = 0; i < ix->room; i++)
        if (ix->entries[i].size != 0)
            insert(entries, room, &ix->entries[i]);
    mem_free(ix->entries);
    ix->entries = entries;
    ix->room = room;
}

void index_add_entry(struct index *ix, const uint8_t *id, struct place place)
{
    struct index_entry en = {.frame = place.frame, .offset = place.offset, .size = place.size};

    grow(ix, 1);
    memcpy(en.prefix, id, PREFIX_SIZE);
    insert(ix->entries, ix->room, &en);
    ix->used++;
}

bool index_has_pack(const struct index *ix, const struct hash *id, uint32_t *number)
{
    for (size_t i = index_slot_of(id->bytes, ix->by_id_room); ix->by_id[i] != 0;
         i = (i + 1) & (ix->by_id_room - 1)) {
        const uint32_t n = ix->by_id[i] - 1;

        if (hash_is_equal(&ix->packs[n].id, id)) {
            *number = n;
            return true;
        }
    }
    return false;
}

static void name_pack(struct index *ix, uint32_t number)
{
    size_t i = index_slot_of(ix->packs[number].id.bytes, ix->by_id_room);

    while (ix->by_id[i] != 0)
        i = (i + 1) & (ix->by_id_room - 1);
    ix->by_id[i] = number + 1;
}

void index_reserve_packs(struct index *ix, size_t extra)
{
    const size_t wanted = ix->pack_count + extra;
    size_t room = ix->by_id_room;

    if (wanted > ix->pack_room) {
        ix->pack_room = wanted > 2 * ix->pack_room ? wanted : 2 * ix->pack_room;
        ix->packs = mem_resize(ix->packs, ix->pack_room, sizeof(*ix->packs));
    }
    while (wanted > room / 2)
        room *= 2;
    if (room == ix->by_id_room)
        return;
    mem_free(ix->by_id);
    ix->by_id_room = room;
    ix->by_id = mem_array(room, sizeof(*ix->by_id));
    for (uint32_t n = 0; n < ix->pack_count; n++)
        name_pack(ix, n);
}

uint32_t index_append_pack(struct index *ix, const struct hash *id)
{
    const uint32_t number = (uint32_t)ix->pack_count;

    index_reserve_packs(ix, 1);
    ix->packs[number].id = *id;
    ix->pack_count++;
    name_pack(ix, number);
    return number;
}

static void add_bases(struct index *ix, const struct pack_directory *d, const struct pack_frame *f)
{
    while (ix->base_count + f->chunk_count > ix->base_room) {
        ix->base_room = ix->base_room == 0 ? 256 : ix->base_room * 2;
        ix->bases = mem_resize(ix->bases, ix->base_room, sizeof(*ix->bases));
    }
    for (size_t i = 0; i < f->chunk_count; i++) {
        const struct pack_chunk *c = &d->chunks[f->first_chunk + i];

        ix->bases[ix->base_count++] = (struct index_base){.id = c->base, .offset = c->offset};
    }
}

static void add_frames(struct index *ix, const struct pack_directory *d, uint32_t pack)
{
    while (ix->frame_count + d->frame_count > ix->frame_room) {
        ix->frame_room = ix->frame_room == 0 ? 256 : ix->frame_room * 2;
        ix->frames = mem_resize(ix->frames, ix->frame_room, sizeof(*ix->frames));
    }
    for (size_t i = 0; i < d->frame_count; i++) {
        const struct pack_frame *f = &d->frames[i];
        const bool is_delta = f->compression == COMPRESSION_ZSTD_AFTER;

        ix->frames[ix->frame_count++] =
            (struct index_frame){.pack = pack,
                                 .offset = f->offset,
                                 .sealed_size = f->sealed_size,
                                 .plain_size = f->plain_size,
                                 .first_base = (uint32_t)ix->base_count,
                                 .base_count = is_delta ? f->chunk_count : 0,
                                 .compression = f->compression};
        if (is_delta)
            add_bases(ix, d, f);
    }
}

void index_begin_source(struct index *ix, const struct hash *id)
{
    if (ix->source_count == ix->source_room) {
        ix->source_room = ix->source_room == 0 ? 16 : ix->source_room * 2;
        ix->sources = mem_resize(ix->sources, ix->source_room, sizeof(*ix->sources));
    }
    ix->sources[ix->source_count++] = (struct index_source){.id = *id};
}

bool index_add_pack(struct index *ix, const struct hash *id, enum object_class class,
                    enum pack_state state, struct slice directory, uint32_t *number, struct err *e)
{
    AUTO(pack_directory) struct pack_directory d = {0};

    if (index_has_pack(ix, id, number)) {
        if (ix->source_count > 0)
            ix->sources[ix->source_count - 1].is_shared = true;
        return true;
    }
    if (!pack_directory_decode(directory, class, &d, e))
        return false;
    if (index_frame_count(ix) + d.frame_count >= INDEX_PENDING ||
        ix->base_count + d.chunk_count >= UINT32_MAX)
        return err_set(e, ERR_FATAL, "the index holds too many frames for this program");

    const uint32_t first = (uint32_t)index_frame_count(ix);

    *number = index_append_pack(ix, id);
    ix->packs[*number] =
        (struct index_pack){.id = *id,
                            .class = class,
                            .state = state,
                            .size = pack_size_of(&d, directory.size),
                            .first_frame = first,
                            .frame_count = (uint32_t)d.frame_count,
                            .chunk_count = (uint32_t)d.chunk_count,
                            .source = ix->source_count == 0 ? 0 : (uint32_t)ix->source_count - 1};
    ix->has_loose = ix->has_loose || ix->source_count == 0;
    add_frames(ix, &d, *number);
    grow(ix, d.chunk_count);
    for (size_t i = 0; i < d.frame_count; i++)
        for (size_t n = 0; n < d.frames[i].chunk_count; n++) {
            const struct pack_chunk *c = &d.chunks[d.frames[i].first_chunk + n];

            index_add_entry(
                ix, c->id.bytes,
                (struct place){.frame = first + (uint32_t)i, .offset = c->offset, .size = c->size});
        }
    return true;
}

size_t index_pack_count(const struct index *ix)
{
    return ix->pack_count;
}

const struct index_pack *index_pack_at(const struct index *ix, uint32_t number)
{
    assert(number < ix->pack_count);
    return &ix->packs[number];
}

void index_set_pack_state(struct index *ix, uint32_t number, enum pack_state state)
{
    assert(number < ix->pack_count);
    ix->packs[number].state = state;
}

size_t index_frame_count(const struct index *ix)
{
    return ix->segment_frames + ix->frame_count;
}

struct index_frame index_frame_at(const struct index *ix, uint32_t frame)
{
    const struct index_segment *s = index_segment_of(ix, frame);

    assert(frame < index_frame_count(ix));
    if (s == NULL)
        return ix->frames[frame - ix->segment_frames];

    struct index_frame f = segment_tables(s->file)->frames[frame - s->first_frame];

    f.pack += s->first_pack;
    return f;
}

bool index_holds_bases(const struct index *ix, uint32_t frame)
{
    return index_frame_at(ix, frame).base_count == 0;
}

const struct index_base *index_bases_at(const struct index *ix, uint32_t frame)
{
    const struct index_frame f = index_frame_at(ix, frame);
    const struct index_segment *s = index_segment_of(ix, frame);

    if (f.base_count == 0)
        return NULL;
    return (s == NULL ? ix->bases : segment_tables(s->file)->bases) + f.first_base;
}

static int base_compare(const void *key, const void *member)
{
    const uint32_t offset = *(const uint32_t *)key;
    const struct index_base *b = member;

    return offset < b->offset ? -1 : offset > b->offset;
}

const struct hash *index_base_of(const struct index *ix, const struct place *at)
{
    const struct index_base *bases = index_bases_at(ix, at->frame);

    if (bases == NULL)
        return NULL;

    const struct index_base *found = bsearch(
        &at->offset, bases, index_frame_at(ix, at->frame).base_count, sizeof(*found), base_compare);

    return found == NULL ? NULL : &found->id;
}

size_t index_chunk_count(const struct index *ix)
{
    return ix->segment_entries + ix->used;
}
