/*
 * Private to src/repo: the bytes that a delta frame is compressed after.
 *
 * They are the bases of its chunks, in the order of the chunks, one behind the other; of equal
 * bases in a row only the first counts (docs/FORMAT.md, "Packs").  One thread at a time.
 */
#ifndef REPO_PREFIX_H
#define REPO_PREFIX_H

#include "codec/compress.h"
#include "repo/index.h"

struct prefix {
    struct repo *repo;
    struct reader *reader; /* of bases; NULL until the first */
    bool is_owned;         /* the reader */
    frame_fn *on_frame;    /* told of each frame that is read for a base; may be NULL */
    void *arg;
    struct buf bytes;
    struct hash last; /* the base that bytes end with */
};

/* Read by reader, which is not owned and has to be free whenever a base is added; by one of its own
 * when NULL. */
void prefix_init(struct prefix *p, struct repo *r, struct reader *reader);
void prefix_done(struct prefix *p);

/* Begin another one. */
void prefix_clear(struct prefix *p);

/*
 * Append a base.  Its id is not computed again: bytes that are not what it says give chunks that
 * are not what they say.  ERR_CORRUPT when no copy of it can be read, which makes the packs of
 * these copies distrusted, and when the prefix gets longer than COMPRESS_PREFIX_MAX.
 */
MUST_CHECK bool prefix_add(struct prefix *p, const struct hash *base, struct err *e);

/* The same in two steps, from one copy of a base: bytes are valid until the next call. */
MUST_CHECK bool prefix_read_copy(struct prefix *p, const struct hash *base, const struct place *at,
                                 struct slice *bytes, struct err *e);
MUST_CHECK bool prefix_append(struct prefix *p, const struct hash *base, struct slice bytes,
                              struct err *e);

/* All bases of a frame of the loaded index, in place of what was there; none for a plain frame. */
MUST_CHECK bool prefix_of_frame(struct prefix *p, uint32_t frame, struct err *e);

#endif
