/* The part of excludes that only the walk needs.  Private to src/source. */
#ifndef SOURCE_EXCLUDE_H
#define SOURCE_EXCLUDE_H

#include "source/source.h"

/*
 * exclude_matches() for a tree that was asked for by name: a match has to reach deeper than
 * the first given components, so that what leads to the tree and its own name never exclude it.
 */
bool exclude_matches_below(const struct exclude *x, const char *path, size_t given, bool is_dir);

#endif
