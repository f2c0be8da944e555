/*
 * Private to index.c, index_find.c and index_segments.c: what an index is made of.
 */
#ifndef REPO_INDEX_PARTS_H
#define REPO_INDEX_PARTS_H

#include <pthread.h>

#include "repo/segment.h"

/* A segment in use, and the numbers in the index of the first of what it has. */
struct index_segment {
    struct segment *file; /* owned */
    uint32_t first_pack, first_frame;
    size_t first_entry;
};

struct index {
    pthread_rwlock_t lock; /* guards entries, room and used once the index is shared */

    struct index_segment *segments;
    size_t segment_count;
    uint32_t segment_packs, segment_frames; /* of all segments */
    size_t segment_entries;
    int dir; /* theirs; -1 when there are none */

    struct index_entry *entries; /* of no segment */
    size_t room;                 /* power of two */
    size_t used;

    struct index_pack *packs; /* of all */
    size_t pack_count, pack_room;
    uint32_t *by_id; /* open addressing over pack ids; value is number + 1 */
    size_t by_id_room;

    struct index_frame *frames; /* of no segment; pack is its number in the index */
    size_t frame_count, frame_room;

    struct index_base *bases; /* of deltas, frame by frame; of no segment */
    size_t base_count, base_room;

    struct index_source *sources; /* index objects, of no segment */
    size_t source_count, source_room;
    bool has_loose; /* packs were added that are of no source, or not all of one */

    uint8_t *judged;     /* by frame: 0, or 1 and the state of a delta's bases */
    size_t judged_count; /* frames beyond it have live bases: index_judge_deltas() is yet to come */
};

static inline struct place index_place_of(const struct index_entry *en)
{
    return (struct place){.frame = en->frame, .offset = en->offset, .size = en->size};
}

/* The segment that a frame is of, or NULL. */
static inline const struct index_segment *index_segment_of(const struct index *ix, uint32_t frame)
{
    size_t i = ix->segment_count;

    if (frame >= ix->segment_frames)
        return NULL;
    while (ix->segments[--i].first_frame > frame)
        ;
    return &ix->segments[i];
}

/* The place in the table where looking for an id begins. */
static inline size_t index_slot_of(const uint8_t *id, size_t room)
{
    uint64_t h;

    __builtin_memcpy(&h, id, sizeof(h));
    return (size_t)h & (room - 1);
}

/* Make room for so many more packs. */
void index_reserve_packs(struct index *ix, size_t extra);
/* Append a pack, whose id is new, to the packs; the caller sets the rest before anything else is
 * called.  Returns its number. */
uint32_t index_append_pack(struct index *ix, const struct hash *id);

/* Release the segments; the files of damaged ones are removed. */
void index_segments_done(struct index *ix);

/* Add an entry to the table, with the lock held once the index is shared. */
void index_add_entry(struct index *ix, const uint8_t *id, struct place place);

#endif
