/*
 * A repository in memory with snapshots of made-up trees, for the tests of what works on whole
 * repositories.
 */
#ifndef TESTS_REPO_WORLD_H
#define TESTS_REPO_WORLD_H

#include "repo/snapshot.h"

/* A file of a made-up tree.  Seed and size say what it holds; with EDITED(), what became of that
 * after so many small changes, of which each chunk has the one before as its base. */
#define EDITED(seed, times) ((uint64_t)(seed) | (uint64_t)(times) << 32)
struct plant {
    const char *path; /* "a/b", ascending in an array, a directory's files together */
    uint64_t seed;
    size_t size;
    bool is_indirect; /* its chunks stand in lists */
    bool is_text;     /* takes half the room when compressed; otherwise nothing compresses it */
};

#define PIECE_SIZE ((size_t)40000) /* bytes of a chunk of a plant */

/* A file of more than BATCH_BYTES is a frame, and with packs this small a pack. */
#define PACK_SIZE ((size_t)100000)
#define PACKFUL   (BATCH_BYTES + 6000)

/* What opens repositories of world_repo(). */
extern const struct unlock world_unlock;
/* Open what is in the store, or make a repository in an empty one. */
struct repo *world_repo(struct store *s);
/* Open what is in the store, of which parity may be all that is left. */
struct repo *world_open(struct store *s);

struct planting {
    const struct plant *plants;
    size_t count;
    size_t pack_size; /* 0: default */
    uint32_t in_page; /* entries of a directory's page; 0: one page for all */
    int level;        /* of the writer */
    bool has_bases;   /* a page has that of the snapshot before as its base */
};

/* Forty short files in "d", of which the last has this seed: its page hardly differs. */
#define SHORT_FILE(n)                   \
    {                                   \
        "d/" #n, 1000 + (n), 200, false \
    }
#define NINE_FILES(t)                                                                         \
    SHORT_FILE(t##0), SHORT_FILE(t##1), SHORT_FILE(t##2), SHORT_FILE(t##3), SHORT_FILE(t##4), \
        SHORT_FILE(t##5), SHORT_FILE(t##6), SHORT_FILE(t##7), SHORT_FILE(t##8)
#define FORTY_FILES(last)                                                                        \
    NINE_FILES(1), SHORT_FILE(19), NINE_FILES(2), SHORT_FILE(29), NINE_FILES(3), SHORT_FILE(39), \
        NINE_FILES(4),                                                                           \
    {                                                                                            \
        "d/49", last, 200, false                                                                 \
    }
#define FORTY 40

/* A backup, step by step. */
struct growth {
    struct repo *repo;
    struct writer *writer;
    const struct planting *planting;
    struct buf *ids;       /* per plant: those of its chunks */
    struct reader *reader; /* of the snapshot before; NULL: its pages are not bases */
    struct hash former;    /* its tree */
    struct hash snapshot;
};
/* Load the index, which says what need not be stored. */
MUST_CHECK bool growth_open(struct growth *g, struct repo *r, const struct planting *p,
                            struct err *e);
/* Store everything up to the snapshot object. */
MUST_CHECK bool growth_put(struct growth *g, struct err *e);
MUST_CHECK bool growth_confirm(struct growth *g, bool *is_safe, struct err *e);
/* Commit when that is safe, or withdraw. */
MUST_CHECK bool growth_end(struct growth *g, bool is_safe, struct err *e);
void growth_auto(struct growth *g);

/* A whole backup; repeated when a prune took away what it relies on. */
MUST_CHECK bool world_plant(struct repo *r, const struct planting *p, struct hash *snapshot,
                            struct err *e);

/* Whether a snapshot holds all its plants, bit for bit. */
MUST_CHECK bool world_harvest(struct repo *r, const struct hash *snapshot, const struct planting *p,
                              struct err *e);

/* A repository in memory of its own, and what was planted there. */
struct world {
    struct store *store;
    struct repo *repo;
    const struct planting *planting; /* what the snapshot holds */
    struct hash snapshot;
    struct hash second, third; /* what a test plants besides */
};
/* Without a snapshot. */
struct world world_bare(void);
struct world world_new(const struct planting *p);
/* The same objects in a store of their own. */
struct world world_clone(const struct world *w);
void world_auto(struct world *w);
/* Whether the snapshot holds all its plants, bit for bit. */
bool world_is_sound(struct world *w);

/* A pack for each of two files, and one with the rest. */
extern const struct planting world_files;

/* Objects below a prefix. */
size_t world_count(struct store *s, const char *prefix);
/* Key of number n below a prefix, in order; owned. */
char *world_key(struct store *s, const char *prefix, size_t n);

/* Read an object instead of what is in the buffer. */
void world_get(struct store *s, const char *key, struct buf *out);

/* Another store in memory with the same objects. */
struct store *world_copy(struct store *s);

/* Replace the bytes of an object. */
void world_replace(struct store *s, const char *key, struct slice bytes);

#endif
