/*
 * The world that tests of prune begin with: a snapshot that was forgotten, and one that shares
 * some chunks with it.
 */
#ifndef TESTS_REPO_PAIR_H
#define TESTS_REPO_PAIR_H

#include "world.h"

extern const struct planting old, new;

/* Repack nothing, and whatever is worth it. */
extern const struct prune_options plain, eager;

struct pair {
    struct store *store;
    struct hash old, new;
};

/* Made once in a process, then copied. */
struct pair pair_new(void);
void pair_auto(struct pair *p);

/* What others do with a handle of their own. */
MUST_CHECK bool prune(struct store *s, const struct prune_options *o, struct prune_stats *stats,
                      struct err *e);
struct hash plant(struct store *s, const struct planting *p);
void forget(struct store *s, const struct hash *id);
bool is_sound(struct store *s, const struct hash *id, const struct planting *p);

/* Nothing is left of what was forgotten, nor of the prune. */
void check_clean(struct store *s);

#endif
