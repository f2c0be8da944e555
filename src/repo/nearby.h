/*
 * Private to src/repo: bringing near what is about to be read, where the store keeps copies
 * (store_cache_new()), and doing beside each other what waits for it.  Elsewhere these calls do
 * nothing.  What cannot be fetched stays where it is: whoever reads it next hears why.
 */
#ifndef REPO_NEARBY_H
#define REPO_NEARBY_H

#include "repo/index.h"

/* Fetch objects of folder ("index"), as many at once as the store can make use of. */
void nearby_fetch(struct repo *r, const char *folder, const struct hash *ids, size_t count);

/* Before something of a pack of the loaded index is read: fetch it whole if it holds trees and
 * this was not done before.  Any thread. */
void nearby_fetch_pack(struct repo *r, uint32_t pack);

/* Headers of packs of the loaded index (SEAL_HEADER_SIZE bytes) that were found to be right, shared
 * by all readers.  NULL: not kept.  Any thread. */
const uint8_t *nearby_header(const struct repo *r, uint32_t pack);
void nearby_keep_header(struct repo *r, uint32_t pack, const uint8_t *header);

/* Ask beside what the caller does whether there is parity, which the first object that is stored
 * needs to know. */
void nearby_ask_parity(struct repo *r, struct aside *a);

/* For the loaded index, and away with it. */
void nearby_init(struct repo *r);
void nearby_done(struct repo *r);

#endif
