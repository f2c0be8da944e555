/*
 * Private to the writer: from new chunks to frames, and from frames to packs.
 *
 * A framer belongs to one thread; an open pack is shared by the framers of one class.
 */
#ifndef REPO_FRAMER_H
#define REPO_FRAMER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/thread.h"
#include "repo/prefix.h"

/* The pack of one class that frames go into. */
struct open_pack {
    struct repo *repo;
    enum object_class class;
    size_t size_max;              /* a finished pack is not longer, unless one frame is */
    struct queue *full;           /* receives finished pack builders */
    struct queue *spare;          /* pack builders to use again before new ones are made */
    pthread_mutex_t lock;         /* guards builder and naming */
    struct pack_builder *builder; /* NULL until the first frame */
    struct pack_builder *naming;  /* whose bytes a thread is hashing, or NULL */
    pthread_cond_t named;         /* naming became NULL */
    _Atomic uint64_t frames;      /* added so far */
    _Atomic uint64_t delta_chunks, delta_bytes; /* of these: in deltas, as plain bytes */
    _Atomic int backlog; /* how much and for how long the store has been behind: framer.c */
    _Atomic uint64_t frames_harder; /* of frames: compressed more because it was */
};
void open_pack_init(struct open_pack *p, struct repo *r, enum object_class class, size_t size_max,
                    struct queue *full, struct queue *spare);
void open_pack_done(struct open_pack *p);

/* A frame as it will be stored. */
struct stored_frame {
    struct slice stored;
    enum compression compression;
    uint32_t plain_size;
    const struct pack_chunk *chunks;
    size_t count;
};
/* Any thread; waits while the uploader is busy. */
void open_pack_add(struct open_pack *p, const struct stored_frame *f);

/* Hand over what has been collected, if anything. */
void open_pack_flush(struct open_pack *p);
/* mac_sum_all(), and beside it the name of the pack, as far as it stands. */
void open_pack_sum_beside(struct open_pack *p, struct mac *m, struct mac_message *messages,
                          size_t count);

/* Chunks that wait until they are worth a frame. */
struct gather {
    struct buf bytes;
    struct pack_chunk *chunks;
    size_t count, room;
};

/* A base in the prefix of a delta. */
struct framer_base {
    struct hash id;
    enum chunk_type type;
    size_t size;
};

/* A delta of pages rests on so few frames, for who looks for one page reads all of them. */
#define TREE_BASE_FRAMES 4

/* Collects new chunks, those with a base apart from the others. */
struct framer {
    struct open_pack *pack;
    struct compressor *compressor; /* NULL: store raw */
    bool is_adaptive;              /* its level follows the backlog of the pack */
    struct gather plain, deltas;
    struct prefix prefix;      /* the bases of deltas */
    struct framer_base *bases; /* the same, in order */
    size_t base_count, base_room;
    struct mac *mac;
    uint32_t base_frames[TREE_BASE_FRAMES]; /* where they stand; of trees only */
    size_t base_frame_count;
    struct buf packed;
};
/* level as in writer_options: 0 follows the store (docs/decisions/0074). */
void framer_init(struct framer *f, struct open_pack *pack, int level);
void framer_done(struct framer *f);

/* Add one chunk to those that wait for others. */
void framer_gather(struct framer *f, const struct piece *p, struct slice bytes);

/*
 * The same with a base of the same type, and the copy of it to rely on, in a plain frame.  False,
 * and it is not added, when that copy cannot be read, for a page of a tree that has little in
 * common with it, and when the framer stores raw.  It becomes a delta with others unless that saves
 * less than half, or a base is not what its id says.
 */
MUST_CHECK bool framer_gather_after(struct framer *f, const struct piece *p, struct slice bytes,
                                    const struct hash *base, const struct place *at);

/* Store what waits when it is worth a frame, or in any case. */
void framer_settle(struct framer *f);
void framer_flush(struct framer *f);

/* Store the bytes of a batch, all of whose pieces are new, as a frame of its own. */
void framer_batch(struct framer *f, const struct batch *b);

#endif
