/*
 * Private to src/repo: copying snapshots from one repository, the source, into another.
 *
 * copy.c goes from snapshot to snapshot, copy_plan.c chooses what the destination lacks,
 * copy_move.c reads, proves and hands over frames, copy_land.c makes packs of them.
 */
#ifndef REPO_COPY_H
#define REPO_COPY_H

#include "repo/framer.h"
#include "repo/mark.h"
#include "repo/uploader.h"

/* A chunk of a frame that moves, as the source's index has it. */
struct copy_chunk {
    uint8_t prefix[16]; /* of its id */
    uint32_t frame, offset, size;
    bool is_wanted; /* the destination lacks it */
};

/* A frame that holds wanted chunks. */
struct copy_frame {
    uint32_t frame; /* its number in the source's index */
    uint32_t count; /* of its chunks, all of them */
    size_t first;   /* in the plan's chunks, in the order of their bytes */
    uint64_t wanted;
};

/* Ascending, so the frames of one pack stand together. */
struct copy_frames {
    struct copy_frame *items;
    size_t count, room;
};

struct copy_plan {
    struct copy_chunk *chunks;
    size_t chunk_count;
    struct copy_frames plain, deltas;
    uint64_t wanted, wanted_bytes; /* chunks, and their plain bytes */
    uint64_t stored_bytes;         /* of the frames, as the source stores them */
};
void copy_plan_auto(struct copy_plan *p);

struct copy {
    struct repo *from, *to;
    const struct copy_options *options;
    struct copy_stats *stats;
    struct key_list index_keys; /* objects of the source's index, from before it was loaded */
    struct marks *marks;        /* over that: what snapshots need */
    uint64_t *settled;          /* bit by entry: marked, and known to be in the destination */
    struct needed_packs needed; /* of the destination */
};

/*
 * Find what is marked, not settled, and not in the destination.  What is found there is noted as
 * needed.  What stands in the source's plain frames must stand in a plain frame of the destination
 * too: it may be the base of a delta.
 */
void copy_plan_make(struct copy *c, struct copy_plan *out);

/* Why a snapshot cannot be had from the source as the source is now. */
struct copy_fault {
    bool is_set;
    struct err why;
};

/*
 * Bring all wanted chunks to the destination, durable and in its index.  True with *fault set when
 * something in the source is damaged or gone: what was moved until then is durable all the same.
 */
MUST_CHECK bool copy_move(struct copy *c, const struct copy_plan *p, struct copy_fault *fault,
                          struct err *e);

#define COPY_WORKERS_MAX 16

/* Where frames arrive: open packs and their way into the destination. */
struct landing {
    struct queue *full, *spare, *busy;
    struct open_pack content, tree;
    struct first_failure failure; /* of the destination, and what ends the whole copy */
    struct uploader uploader;
};
void landing_start(struct landing *l, struct repo *to, struct needed_packs *needed);
/* Make everything durable that was handed over. */
MUST_CHECK bool landing_finish(struct landing *l, struct err *e);
void landing_auto(struct landing *l);

#endif
