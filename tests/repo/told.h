/*
 * What a check tells of a world, line by line.
 */
#ifndef TESTS_REPO_TOLD_H
#define TESTS_REPO_TOLD_H

#include "world.h"

struct told {
    char *lines[200]; /* "damaged KEY", "litter KEY", "affected ID PATH" */
    size_t count;
    struct check_stats stats;
};
void told_auto(struct told *t);
/* path may be NULL. */
bool has_told(const struct told *t, const char *word, const char *object, const char *path);
/* Lines that begin with a word. */
size_t count_told(const struct told *t, const char *word);

/* A check with options, one that reads all data, and one that has nothing to tell. */
void check_with(struct repo *r, struct check_options o, struct told *t);
void check(struct repo *r, struct told *t);
void check_sound(struct repo *r);

/* A world with an object of each kind, and so small that every byte of it may be flipped: two
 * snapshots, and a third like the second that is forgotten. */
struct world small_new(void);
/* The first of them. */
extern const struct planting small_files;

#endif
