/*
 * Where copies of a far repository's metadata are kept (store_cache_new()).
 */
#ifndef CLI_NEARBY_H
#define CLI_NEARBY_H

#include "cli/call.h"
#include "store/store.h"

/*
 * The store itself, or, when it is worth it, a cache around it: a folder for each URL in
 * --cache-dir, $XDG_CACHE_HOME/holdfast or ~/.cache/holdfast, mode 0700.  A folder that
 * cannot be used is no failure: the work is then done without.  Takes the store.
 */
struct store *nearby_store(const struct call *call, const char *url, struct store *s);

/* Append the path of that folder, which need not be there.  False with --no-cache, and where
 * nothing says where it would be. */
bool nearby_folder(const struct call *call, const char *url, struct buf *out);

#endif
