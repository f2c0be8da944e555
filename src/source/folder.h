/*
 * Directories under way, linked to their parents: each is opened relative to its parent's
 * descriptor, so that no path is ever too long or too deep.  Private to src/source.
 */
#ifndef SOURCE_FOLDER_H
#define SOURCE_FOLDER_H

#include <stdatomic.h>

#include "source/source.h"

/*
 * Where the given paths lead on from a directory: count paths that agree in their first `at`
 * bytes and go on with a component there.  count 0: the whole directory was asked for.
 */
struct route {
    const char *const *paths; /* sorted with route_sort() */
    size_t count;
    size_t at;
};

/* Sort so that paths which begin with the same component stand together. */
void route_sort(const char **paths, size_t count);

/* How many of the paths, from the first one on, go on with its component; its size. */
size_t route_group(const struct route *r, size_t *component_size);

/* The route from the component called name; false when no path goes on with it.  A path that
 * ends there yields count 0. */
bool route_follow(const struct route *r, const char *name, struct route *out);

struct folder {
    struct folder *parent; /* held for the path; NULL: "/" */
    atomic_size_t refs;    /* users together count as one; each child counts as one */
    atomic_size_t users;   /* who may use fd */
    int fd;                /* -1: the directory could not be opened or must not be */
    uint64_t device;
    bool has_over;      /* files of the options stand in it */
    size_t given;       /* components up to the given path that this is part of */
    struct route route; /* count 0: a whole directory */

    struct sink_dir *dir;        /* borrowed from the sink, like the entries */
    const struct entry *entries; /* names end in NUL */
    size_t *order;               /* slots: files to be read, then directories to visit */
    size_t file_count, count;
    size_t next;          /* in order; guarded by the lock of the stack */
    struct folder *below; /* on the stack; the same lock */
    char name[];
};

/* A new folder with one user; name is copied.  Holds the parent. */
struct folder *folder_new(struct folder *parent, const char *name);

void folder_use(struct folder *f);
void folder_release(struct folder *f); /* the last user closes the descriptor */

/* Append the path of a name in the folder ("": of the folder itself; f NULL: "/"). */
void folder_path(const struct folder *f, const char *name, struct buf *out);

#endif
