/*
 * Paths that people type, made absolute and free of "." and "..".
 */
#ifndef CLI_PATHS_H
#define CLI_PATHS_H

#include "base/buf.h"
#include "cli/options.h"

/*
 * Append the absolute form.  Links on the way are resolved, a link at the end is kept: it
 * is what shall be backed up.  A path whose parent does not exist is made absolute by its
 * words alone.  ERR_USAGE for an empty path.
 */
MUST_CHECK bool path_absolute(const char *path, struct buf *out, struct err *e);

/* The same without looking at the file system: base is absolute.  Appends. */
void path_join(const char *base, const char *path, struct buf *out);

/* Append $XDG_STATE_HOME/holdfast or ~/.local/state/holdfast, where programs of a user keep what is
 * theirs; false when nobody says where that is. */
bool state_folder(struct buf *out);

/* Sort; drop doubles and what lies inside another path.  All are absolute. */
void paths_prune(struct strings *paths);

/* Whether path is the root of the file system, by whatever way. */
bool path_is_root(const char *path);

#endif
