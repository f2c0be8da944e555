/*
 * Damage to the objects of a world, what a check finds of it, and parity that undoes it.
 */
#ifndef TESTS_REPO_DAMAGE_H
#define TESTS_REPO_DAMAGE_H

#include "world.h"

enum damage {
    DAMAGE_REMOVE,
    DAMAGE_RUBBISH,
    DAMAGE_CUT,
    DAMAGE_FLIP,
    DAMAGE_KINDS,
};
void hurt(struct store *s, const char *key, enum damage kind);
/* Change the bytes from one on, as far as there are some; SIZE_MAX / 2 of them are all. */
void spoil(struct store *s, const char *key, size_t from, size_t size);

/* A number below a limit, of a fixed sequence in each test. */
size_t below(size_t limit);

/* Every object of one store is in the other with the same bytes, parity apart. */
bool holds(struct store *s, struct store *wanted);

/* What a check that reads all calls damaged. */
struct found {
    char *keys[200];
    size_t count;
    struct check_stats stats;
};
void find_damage(struct repo *r, struct found *out);
void found_auto(struct found *f);
bool was_found(const struct found *f, const char *key);
bool is_clean(struct repo *r);

/* Bring back from parity what was found; recover() does so until there is nothing left to find. */
struct heal_stats heal(struct repo *r, const struct found *f);
void recover(struct repo *r);

struct parity_figures enable(struct repo *r, const struct parity_rule *rule);
struct parity_figures figures_of(struct repo *r);
/* A world of world_files with the usual parity. */
struct world guarded_new(void);
/* Close it and open it again. */
void reopen(struct world *w);

/* What parity_enable() and parity_disable() say of their work goes nowhere. */
extern const struct parity_work quiet;
/* Another snapshot than that of world_files. */
extern const struct planting other_files;

#endif
