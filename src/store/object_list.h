/*
 * What a listing found, kept to be told later: by stores that must not call back while
 * they hold a lock, or before they know that the listing is complete.
 */
#ifndef STORE_OBJECT_LIST_H
#define STORE_OBJECT_LIST_H

#include "store/store.h"

/* {0} is a valid empty listing; AUTO(object_list) releases it. */
struct object_list {
    struct buf rows;
};

void object_list_auto(struct object_list *l);

/* Keep one object; arg is the listing.  Cannot fail: an object_fn by its shape only. */
bool object_list_add(void *arg, const struct object_info *info, struct err *e);

/* Call fn for every object in the order added, as store_list() does. */
MUST_CHECK bool object_list_tell(const struct object_list *l, object_fn *fn, void *arg,
                                 struct err *e);

#endif
