/*
 * One entry of a snapshot as a line for people.
 */
#ifndef CLI_LISTING_H
#define CLI_LISTING_H

#include "cli/output.h"
#include "codec/entry.h"

/* The path, or with is_long as `ls -l` shows it. */
void listing_line(struct output *out, const char *path, const struct entry *en, bool is_long);

#endif
