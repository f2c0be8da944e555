/*
 * The table of chunks, and of the frames and packs that they stand in.
 *
 * Entries are 28 bytes, at most three quarters of the table are used, so a million chunks
 * take 59 MB.  Linear probing from the first eight bytes of the id, which are uniform.
 */
#include "repo/index.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define PREFIX_SIZE 16

struct index_entry {
    uint8_t prefix[PREFIX_SIZE];
    uint32_t frame; /* or INDEX_PENDING */
    uint32_t offset;
    uint32_t size; /* 0: the entry is free */
};

struct index {
    pthread_rwlock_t lock; /* guards entries, room and used once the index is shared */
    struct index_entry *entries;
    size_t room; /* power of two */
    size_t used;

    struct index_pack *packs;
    size_t pack_count, pack_room;
    uint32_t *by_id; /* open addressing over pack ids; value is number + 1 */
    size_t by_id_room;

    struct index_frame *frames;
    size_t frame_count, frame_room;

    struct index_base *bases; /* of deltas, frame by frame */
    size_t base_count, base_room;
};

struct index *index_new(void)
{
    struct index *ix = mem_new(sizeof(*ix));

    pthread_rwlock_init(&ix->lock, NULL);
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

static size_t slot_of(const uint8_t *id, size_t room)
{
    uint64_t h;

    memcpy(&h, id, sizeof(h));
    return (size_t)h & (room - 1);
}

static void insert(struct index_entry *entries, size_t room, const struct index_entry *en)
{
    size_t i = slot_of(en->prefix, room);

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

static void add_entry(struct index *ix, const struct hash *id, struct place place)
{
    struct index_entry en = {.frame = place.frame, .offset = place.offset, .size = place.size};

    memcpy(en.prefix, id->bytes, PREFIX_SIZE);
    insert(ix->entries, ix->room, &en);
    ix->used++;
}

bool index_has_pack(const struct index *ix, const struct hash *id, uint32_t *number)
{
    for (size_t i = slot_of(id->bytes, ix->by_id_room); ix->by_id[i] != 0;
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
    size_t i = slot_of(ix->packs[number].id.bytes, ix->by_id_room);

    while (ix->by_id[i] != 0)
        i = (i + 1) & (ix->by_id_room - 1);
    ix->by_id[i] = number + 1;
}

static struct index_pack *new_pack(struct index *ix)
{
    if (ix->pack_count == ix->pack_room) {
        ix->pack_room = ix->pack_room == 0 ? 64 : ix->pack_room * 2;
        ix->packs = mem_resize(ix->packs, ix->pack_room, sizeof(*ix->packs));
    }
    if (ix->pack_count + 1 > ix->by_id_room / 2) {
        mem_free(ix->by_id);
        ix->by_id_room *= 2;
        ix->by_id = mem_array(ix->by_id_room, sizeof(*ix->by_id));
        for (uint32_t n = 0; n < ix->pack_count; n++)
            name_pack(ix, n);
    }
    return &ix->packs[ix->pack_count++];
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
                                 .compression = (uint8_t)f->compression};
        if (is_delta)
            add_bases(ix, d, f);
    }
}

bool index_add_pack(struct index *ix, const struct hash *id, enum object_class class,
                    enum pack_state state, struct slice directory, uint32_t *number, struct err *e)
{
    AUTO(pack_directory) struct pack_directory d = {0};

    if (index_has_pack(ix, id, number))
        return true;
    if (!pack_directory_decode(directory, class, &d, e))
        return false;
    if (ix->frame_count + d.frame_count >= INDEX_PENDING ||
        ix->base_count + d.chunk_count >= UINT32_MAX)
        return err_set(e, ERR_FATAL, "the index holds too many frames for this program");

    struct index_pack *p = new_pack(ix);
    const uint32_t first = (uint32_t)ix->frame_count;

    *p = (struct index_pack){.id = *id,
                             .class = class,
                             .state = state,
                             .size = pack_size_of(&d, directory.size),
                             .first_frame = first,
                             .frame_count = (uint32_t)d.frame_count,
                             .chunk_count = (uint32_t)d.chunk_count};
    *number = (uint32_t)(ix->pack_count - 1);
    name_pack(ix, *number);
    add_frames(ix, &d, *number);
    grow(ix, d.chunk_count);
    for (size_t i = 0; i < d.frame_count; i++)
        for (size_t n = 0; n < d.frames[i].chunk_count; n++) {
            const struct pack_chunk *c = &d.chunks[d.frames[i].first_chunk + n];

            add_entry(
                ix, &c->id,
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

enum pack_state index_frame_state(const struct index *ix, uint32_t frame)
{
    const struct index_frame *f = index_frame_at(ix, frame);
    const enum pack_state state = ix->packs[f->pack].state;

    return state > (enum pack_state)f->bases ? state : (enum pack_state)f->bases;
}

bool index_holds_bases(const struct index *ix, uint32_t frame)
{
    const struct index_frame *f = index_frame_at(ix, frame);

    return f->base_count == 0 && ix->packs[f->pack].class == CLASS_CONTENT;
}

static enum pack_state state_of(const struct index *ix, const struct index_entry *en)
{
    return index_frame_state(ix, en->frame);
}

static bool is_in_missing_pack(const struct index *ix, const struct index_entry *en)
{
    return ix->packs[ix->frames[en->frame].pack].state == PACK_MISSING;
}

/* The next entry for this id from position *at on, or NULL. */
static const struct index_entry *next_copy(const struct index *ix, const struct hash *id,
                                           size_t *at)
{
    while (ix->entries[*at].size != 0) {
        const struct index_entry *en = &ix->entries[*at];

        *at = (*at + 1) & (ix->room - 1);
        if (memcmp(en->prefix, id->bytes, PREFIX_SIZE) == 0)
            return en;
    }
    return NULL;
}

static struct place place_of(const struct index_entry *en)
{
    return (struct place){.frame = en->frame, .offset = en->offset, .size = en->size};
}

/* The copy to use, or NULL; with the lock held. */
static const struct index_entry *best_copy(const struct index *ix, const struct hash *id,
                                           bool plain_only)
{
    const struct index_entry *en, *best = NULL;
    size_t at = slot_of(id->bytes, ix->room);

    while ((best == NULL || state_of(ix, best) != PACK_LIVE) &&
           (en = next_copy(ix, id, &at)) != NULL)
        if (en->frame != INDEX_PENDING && !is_in_missing_pack(ix, en) &&
            (!plain_only || index_holds_bases(ix, en->frame)) &&
            (best == NULL || state_of(ix, en) < state_of(ix, best)))
            best = en;
    return best;
}

void index_judge_deltas(struct index *ix)
{
    for (size_t i = 0; i < ix->frame_count; i++) {
        struct index_frame *f = &ix->frames[i];

        f->bases = PACK_LIVE;
        for (uint32_t n = 0; n < f->base_count && f->bases != PACK_MISSING; n++) {
            const struct index_entry *en = best_copy(ix, &ix->bases[f->first_base + n].id, true);
            const enum pack_state state = en == NULL ? PACK_MISSING : state_of(ix, en);

            f->bases = state > (enum pack_state)f->bases ? (uint8_t)state : f->bases;
        }
    }
}

void index_distrust_pack(struct index *ix, uint32_t number)
{
    assert(number < ix->pack_count);
    pthread_rwlock_wrlock(&ix->lock);
    if (ix->packs[number].state == PACK_LIVE) {
        ix->packs[number].state = PACK_CONDEMNED;
        index_judge_deltas(ix);
    }
    pthread_rwlock_unlock(&ix->lock);
}

bool index_has_lost_bases(struct index *ix, uint32_t frame)
{
    pthread_rwlock_rdlock(&ix->lock);

    const bool is_lost = index_frame_at(ix, frame)->bases == PACK_MISSING;

    pthread_rwlock_unlock(&ix->lock);
    return is_lost;
}

size_t index_frame_count(const struct index *ix)
{
    return ix->frame_count;
}

const struct index_frame *index_frame_at(const struct index *ix, uint32_t frame)
{
    assert(frame < ix->frame_count);
    return &ix->frames[frame];
}

const struct index_base *index_bases_at(const struct index *ix, uint32_t frame)
{
    const struct index_frame *f = index_frame_at(ix, frame);

    return f->base_count == 0 ? NULL : &ix->bases[f->first_base];
}

static int base_compare(const void *key, const void *member)
{
    const uint32_t offset = *(const uint32_t *)key;
    const struct index_base *b = member;

    return offset < b->offset ? -1 : offset > b->offset;
}

const struct hash *index_base_of(const struct index *ix, const struct place *at)
{
    const struct index_frame *f = index_frame_at(ix, at->frame);

    if (f->base_count == 0)
        return NULL;

    const struct index_base *found = bsearch(&at->offset, &ix->bases[f->first_base], f->base_count,
                                             sizeof(*found), base_compare);

    return found == NULL ? NULL : &found->id;
}

size_t index_chunk_count(const struct index *ix)
{
    return ix->used;
}

static bool find(struct index *ix, const struct hash *id, bool plain_only, bool live_only,
                 struct place *out)
{
    pthread_rwlock_rdlock(&ix->lock);
    const struct index_entry *best = best_copy(ix, id, plain_only);
    const bool found = best != NULL && (!live_only || state_of(ix, best) == PACK_LIVE);

    if (found)
        *out = place_of(best);
    pthread_rwlock_unlock(&ix->lock);
    return found;
}

bool index_find(struct index *ix, const struct hash *id, struct place *out)
{
    return find(ix, id, false, false, out);
}

bool index_find_live(struct index *ix, const struct hash *id, struct place *out)
{
    return find(ix, id, false, true, out);
}

bool index_find_base(struct index *ix, const struct hash *id, struct place *out)
{
    return find(ix, id, true, false, out);
}

bool index_find_live_base(struct index *ix, const struct hash *id, struct place *out)
{
    return find(ix, id, true, true, out);
}

/* With the lock held for writing. */
static bool claim(struct index *ix, const struct hash *id, uint32_t size, struct place *out)
{
    size_t at = slot_of(id->bytes, ix->room);
    const struct index_entry *en;

    while ((en = next_copy(ix, id, &at)) != NULL)
        if (en->frame == INDEX_PENDING || state_of(ix, en) == PACK_LIVE) {
            *out = place_of(en);
            return true;
        }
    grow(ix, 1);
    add_entry(ix, id, (struct place){.frame = INDEX_PENDING, .size = size});
    return false;
}

bool index_find_or_claim(struct index *ix, const struct hash *id, uint32_t size, struct place *out)
{
    pthread_rwlock_wrlock(&ix->lock);
    const bool found = claim(ix, id, size, out);
    pthread_rwlock_unlock(&ix->lock);
    return found;
}

void index_claim_all(struct index *ix, struct claim *claims, size_t count)
{
    pthread_rwlock_wrlock(&ix->lock);
    for (size_t i = 0; i < count; i++)
        claims[i].is_found = claim(ix, &claims[i].id, claims[i].size, &claims[i].place);
    pthread_rwlock_unlock(&ix->lock);
}

void index_each(const struct index *ix, index_entry_fn *fn, void *arg)
{
    for (size_t i = 0; i < ix->room; i++)
        if (ix->entries[i].size != 0 && ix->entries[i].frame != INDEX_PENDING)
            fn(arg, ix->entries[i].prefix, place_of(&ix->entries[i]));
}

size_t index_copies(struct index *ix, const struct hash *id, struct place *out, size_t room)
{
    const struct index_entry *en;
    size_t count = 0;

    pthread_rwlock_rdlock(&ix->lock);
    size_t at = slot_of(id->bytes, ix->room);

    while ((en = next_copy(ix, id, &at)) != NULL)
        if (en->frame != INDEX_PENDING) {
            if (count < room)
                out[count] = place_of(en);
            count++;
        }
    pthread_rwlock_unlock(&ix->lock);
    return count;
}

size_t index_entry_room(const struct index *ix)
{
    return ix->room;
}

bool index_entry_at(const struct index *ix, size_t number, uint8_t prefix[16], struct place *out)
{
    assert(number < ix->room);
    const struct index_entry *en = &ix->entries[number];

    if (en->size == 0 || en->frame == INDEX_PENDING)
        return false;
    memcpy(prefix, en->prefix, PREFIX_SIZE);
    *out = place_of(en);
    return true;
}

bool index_entry_next(const struct index *ix, const uint8_t prefix[16], size_t *number,
                      struct place *out)
{
    const size_t mask = ix->room - 1;
    size_t at = *number == INDEX_NO_ENTRY ? slot_of(prefix, ix->room) : (*number + 1) & mask;

    for (; ix->entries[at].size != 0; at = (at + 1) & mask) {
        const struct index_entry *en = &ix->entries[at];

        if (en->frame == INDEX_PENDING || memcmp(prefix, en->prefix, PREFIX_SIZE) != 0)
            continue;
        *number = at;
        *out = place_of(en);
        return true;
    }
    return false;
}
