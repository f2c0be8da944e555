/*
 * What a listing found, kept to be told later: by stores that must not call back while
 * they hold a lock, or before they know that the listing is complete.
 */
#ifndef STORE_LISTING_H
#define STORE_LISTING_H

#include "store/store.h"

/* {0} is a valid empty listing; AUTO(listing) releases it. */
struct listing {
    struct buf rows;
};

void listing_auto(struct listing *l);

/* Keep one object; arg is the listing.  Cannot fail: an object_fn by its shape only. */
bool listing_add(void *arg, const struct object_info *info, struct err *e);

/* Call fn for every object in the order added, as store_list() does. */
MUST_CHECK bool listing_tell(const struct listing *l, object_fn *fn, void *arg, struct err *e);

#endif
