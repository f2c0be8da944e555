/*
 * Private to src/repo: bases that deltas are going to need, kept from frames that pass by.
 *
 * Who reads many frames says which, once.  Bases of the deltas among them lie anywhere in older
 * frames; when such a frame is expanded, for whatever reason, the cache copies those that it was
 * told of, so that no frame is expanded again for each delta that rests on a part of it.  Any
 * thread, but for new and free.
 */
#ifndef REPO_BASE_CACHE_H
#define REPO_BASE_CACHE_H

#include "repo/index.h"

struct base_cache;

/* For repo_expect_frames(): frames and turns as it says.  The index is not used afterwards. */
struct base_cache *base_cache_new(struct index *ix, const uint32_t *frames, size_t count,
                                  uint32_t *turns);
void base_cache_free(struct base_cache *c); /* accepts NULL */

/* The plain bytes of a frame: what is wanted of them is kept, as long as BASE_CACHE_MAX allows. */
#define BASE_CACHE_MAX ((size_t)64 << 20)
void base_cache_fill(struct base_cache *c, uint32_t frame, struct slice plain);

/* Append the bytes of a base, and let them go when no other delta was going to need them.  False
 * when they are not there. */
bool base_cache_take(struct base_cache *c, const struct place *at, struct buf *out);

#endif
