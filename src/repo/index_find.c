/*
 * Looking up chunks: in the segments, the largest first, and then in the table.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "repo/index_parts.h"

/* Where the copies of a chunk are being looked for: {0} before the first. */
struct cursor {
    size_t segment;
    size_t number; /* of the next entry: in the segment, or in the table */
    bool is_inside;
};

/* The next copy in the segment of the cursor. */
static bool next_in_segment(const struct index *ix, const uint8_t *prefix, struct cursor *c,
                            struct index_entry *out)
{
    const struct index_segment *s = &ix->segments[c->segment];

    if (!c->is_inside && !segment_seek(s->file, prefix, &c->number))
        return false;
    c->is_inside = true;
    if (c->number == segment_tables(s->file)->entry_count ||
        !segment_entry(s->file, c->number, out) || memcmp(prefix, out->prefix, PREFIX_SIZE) != 0)
        return false;
    out->frame += s->first_frame;
    c->number++;
    return true;
}

/* The next copy of a chunk, or claim of it; false when there are no more. */
static bool next_copy(const struct index *ix, const uint8_t *prefix, struct cursor *c,
                      struct index_entry *out)
{
    for (; c->segment < ix->segment_count; c->segment++, c->is_inside = false)
        if (next_in_segment(ix, prefix, c, out))
            return true;
    if (!c->is_inside)
        c->number = index_slot_of(prefix, ix->room);
    c->is_inside = true;
    while (ix->entries[c->number].size != 0) {
        const struct index_entry *en = &ix->entries[c->number];

        c->number = (c->number + 1) & (ix->room - 1);
        if (memcmp(en->prefix, prefix, PREFIX_SIZE) != 0)
            continue;
        *out = *en;
        return true;
    }
    return false;
}

static enum pack_state pack_state_of(const struct index *ix, const struct index_entry *en)
{
    return ix->packs[index_frame_at(ix, en->frame).pack].state;
}

/* The copy to use; with the lock held. */
static bool best_copy(const struct index *ix, const struct hash *id, bool plain_only,
                      struct index_entry *best, enum pack_state *best_state)
{
    struct cursor c = {0};
    struct index_entry en;
    bool found = false;

    while ((!found || *best_state != PACK_LIVE) && next_copy(ix, id->bytes, &c, &en)) {
        if (en.frame == INDEX_PENDING || pack_state_of(ix, &en) == PACK_MISSING ||
            (plain_only && !index_holds_bases(ix, en.frame)))
            continue;

        const enum pack_state state = index_frame_state(ix, en.frame);

        if (found && state >= *best_state)
            continue;
        found = true;
        *best = en;
        *best_state = state;
    }
    return found;
}

/* States of deltas */

void index_judge_deltas(struct index *ix)
{
    if (ix->judged == NULL || ix->judged_count != index_frame_count(ix)) {
        mem_free(ix->judged);
        ix->judged_count = index_frame_count(ix);
        ix->judged = mem_array(ix->judged_count, 1);
    } else {
        memset(ix->judged, 0, ix->judged_count);
    }
}

/* The worst off of the bases of a delta, found out when it is asked for. */
static enum pack_state bases_state(const struct index *ix, uint32_t frame, uint32_t base_count)
{
    const struct index_base *bases = index_bases_at(ix, frame);
    enum pack_state worst = PACK_LIVE;
    uint8_t known = PACK_LIVE + 1;

    if (bases == NULL || frame >= ix->judged_count)
        return PACK_LIVE;
    known = __atomic_load_n(&ix->judged[frame], __ATOMIC_RELAXED);
    if (known != 0)
        return (enum pack_state)(known - 1);
    for (uint32_t i = 0; i < base_count && worst != PACK_MISSING; i++) {
        struct index_entry en;
        enum pack_state state = PACK_MISSING;

        if (!best_copy(ix, &bases[i].id, true, &en, &state))
            state = PACK_MISSING;
        worst = state > worst ? state : worst;
    }
    __atomic_store_n(&ix->judged[frame], (uint8_t)(worst + 1), __ATOMIC_RELAXED);
    return worst;
}

enum pack_state index_frame_state(const struct index *ix, uint32_t frame)
{
    const struct index_frame f = index_frame_at(ix, frame);
    const enum pack_state state = ix->packs[f.pack].state;
    const enum pack_state bases = bases_state(ix, frame, f.base_count);

    return state > bases ? state : bases;
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

    const uint32_t count = index_frame_at(ix, frame).base_count;
    const bool is_lost = bases_state(ix, frame, count) == PACK_MISSING;

    pthread_rwlock_unlock(&ix->lock);
    return is_lost;
}

/* Chunks */

static bool find(struct index *ix, const struct hash *id, bool plain_only, bool live_only,
                 struct place *out)
{
    struct index_entry en;
    enum pack_state state;

    pthread_rwlock_rdlock(&ix->lock);

    const bool found =
        best_copy(ix, id, plain_only, &en, &state) && (!live_only || state == PACK_LIVE);

    pthread_rwlock_unlock(&ix->lock);
    if (found)
        *out = index_place_of(&en);
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
    struct cursor c = {0};
    struct index_entry en;

    while (next_copy(ix, id->bytes, &c, &en))
        if (en.frame == INDEX_PENDING || index_frame_state(ix, en.frame) == PACK_LIVE) {
            *out = index_place_of(&en);
            return true;
        }
    index_add_entry(ix, id->bytes, (struct place){.frame = INDEX_PENDING, .size = size});
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

size_t index_copies(struct index *ix, const struct hash *id, struct place *out, size_t room)
{
    struct cursor c = {0};
    struct index_entry en;
    size_t count = 0;

    pthread_rwlock_rdlock(&ix->lock);
    while (next_copy(ix, id->bytes, &c, &en))
        if (en.frame != INDEX_PENDING) {
            if (count < room)
                out[count] = index_place_of(&en);
            count++;
        }
    pthread_rwlock_unlock(&ix->lock);
    return count;
}

/* Entries by number: those of the segments, then the places of the table. */

size_t index_entry_room(const struct index *ix)
{
    return ix->segment_entries + ix->room;
}

/* The segment that an entry stands in; segment_count: the table. */
static size_t segment_with(const struct index *ix, size_t number)
{
    size_t i = ix->segment_count;

    if (number >= ix->segment_entries)
        return i;
    while (ix->segments[--i].first_entry > number)
        ;
    return i;
}

bool index_entry_at(const struct index *ix, size_t number, uint8_t prefix[16], struct place *out)
{
    const size_t segment = segment_with(ix, number);
    struct index_entry en;

    assert(number < index_entry_room(ix));
    if (segment < ix->segment_count) {
        const struct index_segment *s = &ix->segments[segment];

        if (!segment_entry(s->file, number - s->first_entry, &en))
            return false;
        en.frame += s->first_frame;
    } else {
        en = ix->entries[number - ix->segment_entries];
        if (en.size == 0 || en.frame == INDEX_PENDING)
            return false;
    }
    memcpy(prefix, en.prefix, PREFIX_SIZE);
    *out = index_place_of(&en);
    return true;
}

void index_each(const struct index *ix, index_entry_fn *fn, void *arg)
{
    for (size_t i = 0; i < index_entry_room(ix); i++) {
        uint8_t prefix[PREFIX_SIZE];
        struct place at;

        if (index_entry_at(ix, i, prefix, &at))
            fn(arg, prefix, at);
    }
}

bool index_entry_next(const struct index *ix, const uint8_t prefix[16], size_t *number,
                      struct place *out)
{
    struct cursor c = {0};
    struct index_entry en;

    if (*number != INDEX_NO_ENTRY) {
        c.segment = segment_with(ix, *number);
        c.is_inside = true;
        c.number = c.segment < ix->segment_count
                       ? *number + 1 - ix->segments[c.segment].first_entry
                       : (*number - ix->segment_entries + 1) & (ix->room - 1);
    }
    while (next_copy(ix, prefix, &c, &en)) {
        if (en.frame == INDEX_PENDING)
            continue;
        *number = c.segment < ix->segment_count
                      ? ix->segments[c.segment].first_entry + c.number - 1
                      : ix->segment_entries + ((c.number - 1) & (ix->room - 1));
        *out = index_place_of(&en);
        return true;
    }
    return false;
}
