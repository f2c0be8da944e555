/*
 * Private to src/repo: where every chunk stands.
 *
 * Chunks are found by the first 16 bytes of ids: an id is a keyed hash, so two chunks that
 * share 128 bits do not happen, and readers recompute the whole id anyway.  A chunk may have
 * copies in several packs; lookups prefer one in a pack that is not condemned.
 *
 * What is added stands in memory, in a table with open addressing.  Where the index is large, most
 * of it stands in segments, files of the cache that are mapped (segment.h): packs are in memory
 * all the same, frames, bases and entries are not.  Numbers of packs, frames and entries go
 * through the segments and then on through the table.
 *
 * A frame may be a delta: it was compressed after the bytes of other chunks, its bases, which have
 * to be read before it.  Bases stand in plain frames of content.  A delta is only as live, and only
 * as readable, as the best plain copies of all its bases.
 *
 * Filled by one thread; then shared: find, claim and fill lock inside.
 */
#ifndef REPO_INDEX_H
#define REPO_INDEX_H

#include "repo/pack.h"

/* State of a pack as far as this process knows, the best first. */
enum pack_state {
    PACK_LIVE,
    PACK_CONDEMNED, /* on somebody's list: readable as long as it lasts, no base for dedup */
    PACK_MISSING,   /* named by an index, not in the store */
};

struct index_pack {
    struct hash id;
    enum object_class class;
    enum pack_state state;
    uint64_t size;
    uint32_t first_frame, frame_count; /* numbers of its frames */
    uint32_t chunk_count;
    uint32_t source; /* of one in memory: the index object, by index_begin_source() */
};

/* A row of segments, too: no byte of it is padding. */
struct index_frame {
    uint32_t pack;
    uint32_t offset; /* in the pack */
    uint32_t sealed_size;
    uint32_t plain_size;
    uint32_t first_base; /* of a delta, for index_bases_at() */
    uint32_t base_count; /* one per chunk; 0: a plain frame */
    uint32_t compression;
};

/* The base of a chunk in a delta. */
struct index_base {
    struct hash id;  /* its first bytes */
    uint32_t offset; /* of the chunk, in the plain frame */
};

struct index;
struct index *index_new(void);
void index_free(struct index *ix); /* accepts NULL */
void index_auto(struct index **ix);

/* The packs that are added from now on, up to the next call, are named by this index object. */
void index_begin_source(struct index *ix, const struct hash *id);

/* Add a pack; a pack that is there already is skipped and *number is its old number. */
MUST_CHECK bool index_add_pack(struct index *ix, const struct hash *id, enum object_class class,
                               enum pack_state state, struct slice directory, uint32_t *number,
                               struct err *e);
MUST_CHECK bool index_has_pack(const struct index *ix, const struct hash *id, uint32_t *number);
size_t index_pack_count(const struct index *ix);
const struct index_pack *index_pack_at(const struct index *ix, uint32_t number);
void index_set_pack_state(struct index *ix, uint32_t number, enum pack_state state);
/* From now on a delta counts as no better than its bases; called once all packs have their states,
 * and whenever they change.  Takes no lock. */
void index_judge_deltas(struct index *ix);
/* Whether a base of a delta is in no pack that exists.  Beside index_distrust_pack(). */
bool index_has_lost_bases(struct index *ix, uint32_t frame);
/* Something in a pack could not be read: a live one counts as condemned from now on.  Any
 * thread. */
void index_distrust_pack(struct index *ix, uint32_t number);
size_t index_frame_count(const struct index *ix);
struct index_frame index_frame_at(const struct index *ix, uint32_t frame);
/* State of its pack, or that of its bases when that is worse.  Takes no lock. */
enum pack_state index_frame_state(const struct index *ix, uint32_t frame);
/* Whether chunks in it can be bases: it is a plain frame. */
bool index_holds_bases(const struct index *ix, uint32_t frame);
/* The bases of a frame's chunks, in their order; NULL for a plain frame. */
const struct index_base *index_bases_at(const struct index *ix, uint32_t frame);
/* The base of the chunk that stands there; NULL when it stands in a plain frame. */
const struct hash *index_base_of(const struct index *ix, const struct place *at);
size_t index_chunk_count(const struct index *ix);

/*
 * Any readable copy, a live one first; false when there is none (missing packs do not count).  A
 * delta that lacks a base comes last: whoever reads it is told which base that is.
 */
MUST_CHECK bool index_find(struct index *ix, const struct hash *id, struct place *out);

/* The same, but only in a pack that is not condemned. */
MUST_CHECK bool index_find_live(struct index *ix, const struct hash *id, struct place *out);

/* The same two, but only a copy that can be a base. */
MUST_CHECK bool index_find_base(struct index *ix, const struct hash *id, struct place *out);
MUST_CHECK bool index_find_live_base(struct index *ix, const struct hash *id, struct place *out);

/*
 * For writers, under one lock: true when a live copy exists (*out is its place, or frame
 * INDEX_PENDING when another thread is storing it just now); false when there is none, and the
 * id is pending from now on: the caller stores it.  A pending chunk gets no place in this
 * index; the next index_load() has it.
 */
#define INDEX_PENDING UINT32_MAX
MUST_CHECK bool index_find_or_claim(struct index *ix, const struct hash *id, uint32_t size,
                                    struct place *out);

/* The same for many ids with one lock; is_found is what the single call returns. */
struct claim {
    struct hash id;
    uint32_t size;
    bool is_found;
    struct place place; /* when it was found */
};
void index_claim_all(struct index *ix, struct claim *claims, size_t count);

/*
 * A segment was found to be damaged: chunks that it has are not found, and whoever misses one says
 * so.  index_is_sound() looks at all of it first, for those who draw conclusions from what is not
 * there; false means the same.
 */
bool index_is_damaged(const struct index *ix);
bool index_is_sound(const struct index *ix);
/* ERR_TRANSIENT: what another attempt does not meet, since the segment is removed. */
MUST_CHECK bool index_err_damaged(struct err *e);

/* Call fn for each chunk entry (every copy) with its place; ids are the first 16 bytes. */
typedef void index_entry_fn(void *arg, const uint8_t prefix[16], struct place place);
void index_each(const struct index *ix, index_entry_fn *fn, void *arg);

/* All copies of one chunk, at most room places; returns how many there are. */
size_t index_copies(struct index *ix, const struct hash *id, struct place *out, size_t room);

/*
 * Entries by number, for whoever keeps a bit per entry.  Numbers lie below index_entry_room()
 * and stay what they are while nothing is added or claimed; no lock is taken.
 */
size_t index_entry_room(const struct index *ix);
/* False when no entry has this number. */
MUST_CHECK bool index_entry_at(const struct index *ix, size_t number, uint8_t prefix[16],
                               struct place *out);
/* The copies of one chunk, one with each call, missing packs included; *number is
 * INDEX_NO_ENTRY before the first.  False when there are no more. */
#define INDEX_NO_ENTRY SIZE_MAX
MUST_CHECK bool index_entry_next(const struct index *ix, const uint8_t prefix[16], size_t *number,
                                 struct place *out);

/*
 * Where many chunks stand, fewer than 2^32.  They are looked up in the order of their ids, which
 * goes through a segment once, from its beginning to its end, where any other order is all over it.
 * The index has to be sound; nothing is read of frames.  No lock is taken.  Fails when it is
 * cancelled only.  Memory: 4 bytes a chunk.
 */
struct index_spot {
    size_t entry;   /* number of a copy; INDEX_NO_ENTRY: there is none */
    uint32_t frame; /* that it is in */
    bool is_only;   /* there is this copy and no other, missing packs included */
};
MUST_CHECK bool index_locate(const struct index *ix, const struct hash *ids, size_t count,
                             struct index_spot *out, struct err *e);

/*
 * Load index objects into a new index, ask the store which packs exist and read the condemned
 * lists, so that every pack has its state.  An index object that vanishes while this runs makes
 * it list again.  damaged, when given, is told of unreadable index objects, which are skipped.
 * With a damaged condemned list all packs count as condemned.
 */
MUST_CHECK bool index_load(struct repo *r, damaged_fn *damaged, void *arg, struct index **out,
                           struct err *e);

/*
 * Whether one of the index objects that were listed before an index was loaded is gone: a
 * collector replaced it, and packs that the loaded index names may be gone too.
 */
bool index_is_stale(struct repo *r, const struct key_list *loaded);

/* Encoder of an index document. */
struct index_document {
    struct buf body;
    uint32_t packs;
};
void index_document_add(struct index_document *d, const struct hash *id, enum object_class class,
                        uint64_t pack_size, struct slice directory);
/* Publish what was added as one or more index objects (at most 16 MiB each) and empty it. */
MUST_CHECK bool index_document_put(struct repo *r, struct index_document *d, struct err *e);
void index_document_done(struct index_document *d);
void index_document_auto(struct index_document *d);
/* Walk the packs of an index document. */
struct index_row {
    struct hash id;
    enum object_class class;
    uint64_t pack_size;
    struct slice directory;
};
MUST_CHECK bool index_document_next(struct slice *body, struct index_row *out, struct err *e);
MUST_CHECK bool index_document_open(struct slice plain, uint32_t *count, struct slice *body,
                                    struct err *e);

#endif
