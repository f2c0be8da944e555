/*
 * The former content of a file that is read again: which chunk of it a new chunk is probably much
 * like.  Chunks are cut by content, so most come out as they were, but where bytes were added or
 * taken away all that follows stands elsewhere; the walk goes along both and takes a chunk of about
 * the same length as the same one.  One thread at a time.
 */
#ifndef JOB_FORMER_H
#define JOB_FORMER_H

#include "repo/repo.h"

struct former {
    struct repo *repo;
    struct buf ids; /* of the former chunks; empty: nothing is known */
    size_t next;    /* the first that was not given yet */
    size_t at;      /* the chunk that position is in, or the last one */
    uint64_t start; /* where that begins */
    uint64_t position;
};

/* Begin with a file.  Of before only flags and content count; with a list that cannot be read
 * nothing is known. */
void former_begin(struct former *f, struct reader *rd, const struct entry *before);
/* Begin with a file of which nothing is known. */
void former_clear(struct former *f);
void former_done(struct former *f);

/*
 * Whether the next chunk of the file, which in begins with, ends where the former one did that
 * began at the same place, as far as the walk knows; at_end says that no bytes follow in.  It does
 * when a chunk of this kind may end there, or where one of the former chunks behind it ended, as
 * far as CHUNK_MAX reaches, or when the file ends where it did: so what stood at the former end
 * changed in its place, and nothing was added or taken away.  True: *size is its length, or 0 when
 * in has to be longer to tell.
 */
MUST_CHECK bool former_cut(const struct former *f, enum cut_kind kind, struct slice in, bool at_end,
                           size_t *size);

/* The counterpart of the next chunk of the file, which has this size.  False: none is known. */
MUST_CHECK bool former_next(struct former *f, uint64_t size, struct hash *out);

#endif
