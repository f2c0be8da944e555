/*
 * Private to src/repo: the segments of an index in the cache's folder.
 *
 * What the folder has is used as far as it says what the listed index objects say; what it lacks is
 * read from those and, when it is much, kept as another segment.  Of two segments that are not very
 * different in size one is made, so there are few.  Nothing here fails: without the folder, or
 * without room in it, the index is in memory.
 */
#ifndef REPO_INDEX_CACHE_H
#define REPO_INDEX_CACHE_H

#include "repo/index_parts.h"

/* So many chunks in memory become a segment when the index is loaded. */
#define INDEX_KEEP_CHUNKS ((size_t)100 * 1000)
/* And so many, while it is. */
#define INDEX_FLUSH_CHUNKS ((size_t)4 << 20)

struct index_cache {
    struct repo *repo;
    int dir;                     /* -1: there is none yet, or it cannot be used */
    struct segment_owner *owner; /* NULL: it cannot be used */
};

void index_cache_open(struct repo *r, struct index_cache *out);
void index_cache_auto(struct index_cache *c);

/*
 * Let a new index use what there is.  has_it[i] is set for the i-th of these keys of index objects
 * when it need not be read.  checks_all: no block is left to be looked at later.
 */
void index_cache_attach(struct index_cache *c, struct index *ix, const struct key_list *keys,
                        bool checks_all, bool *has_it);

/* Make a segment of what is in memory once that is least chunks. */
void index_cache_flush(struct index_cache *c, struct index *ix, size_t least);

/* Join segments in the folder that the next index_cache_attach() finds as one.  The index goes on
 * with those it has. */
void index_cache_merge(struct index_cache *c, const struct index *ix);

#endif
