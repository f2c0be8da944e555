/*
 * Private to src/job: a set of paths, which are raw bytes.
 */
#ifndef JOB_PATH_SET_H
#define JOB_PATH_SET_H

#include "base/arena.h"

/* {0} is a valid empty set. */
struct path_set {
    const char **paths; /* open addressing; NULL: the place is free */
    size_t room, count; /* room is a power of two, at most half of it used */
    struct arena arena;
};
void path_set_done(struct path_set *s);

/* Add a copy of the path unless it is there. */
void path_set_add(struct path_set *s, const char *path);
bool path_set_has(const struct path_set *s, const char *path);

#endif
