/*
 * Private to index_cache.c: what an index has in memory, as the tables of a segment, and segments
 * as parts of an index.
 */
#ifndef REPO_INDEX_IMAGE_H
#define REPO_INDEX_IMAGE_H

#include "repo/index_parts.h"

/* Tables of what is in memory; they borrow the bases and sources of the index. */
struct index_image {
    struct segment_tables tables;
    struct segment_pack *packs;
    struct index_frame *frames;
    struct index_entry *entries;
};
void index_image_make(const struct index *ix, struct index_image *out);
void index_image_auto(struct index_image *image);

/* Whether an index has room for a segment, and none of its packs. */
bool index_can_attach(const struct index *ix, const struct segment_tables *t);
/* Add a segment that can be attached to an index with nothing in memory.  Takes it; dir is that of
 * the file. */
void index_attach(struct index *ix, struct segment *s, int dir);
/* Put a segment in the place of what is in memory, which it was made of.  Numbers of packs and
 * frames stay. */
void index_settle(struct index *ix, struct segment *s, int dir);

#endif
