/* The names in a directory.  Private to src/source. */
#ifndef SOURCE_NAMES_H
#define SOURCE_NAMES_H

#include "base/arena.h"

struct name {
    const char *text; /* in the arena given to names_read() */
    size_t size;
    uint64_t inode;
    unsigned char type; /* DT_REG, DT_DIR ..., DT_UNKNOWN where the file system does not say */
};

/* Serves one directory after the other; {0} is valid. */
struct names {
    struct name *items;
    size_t count, room;
    uint8_t *buffer;
};
void names_done(struct names *n);
void names_auto(struct names *n);

/*
 * Read the names in an open directory, without "." and "..", in ascending order of bytes.
 * On failure *n holds those that could be read.
 */
MUST_CHECK bool names_read(struct names *n, int fd, struct arena *a, struct err *e);

/* A name in the sorted names, or NULL. */
const struct name *names_find(const struct names *n, const char *text);

/* Let the process open as many files as the system allows; only the first call does anything. */
void names_raise_limit(void);

#endif
