/*
 * Private to src/repo: a check at work.  check.c goes through documents and trees,
 * check_index.c through index and packs, check_choose.c chooses the packs that check_packs.c
 * reads whole, check_bases.c spares it frames that were read already, check_parity.c looks at
 * parity, check_affected.c finds the files that damage reaches.
 */
#ifndef REPO_CHECK_H
#define REPO_CHECK_H

#include <pthread.h>

#include "repo/discarded.h"
#include "repo/mark.h"
#include "repo/snapshot.h"

struct check {
    struct repo *repo;
    const struct check_options *options;
    struct check_stats stats;
    struct snapshot_list snapshots; /* in all states */
    struct key_list index_keys;     /* as they were loaded */
    struct marks *marks;
    uint32_t indexed;        /* packs of the index with lower numbers are named by index objects */
    bool *is_suspect;        /* by number: the pack is read in any case */
    uint64_t *bad_frames;    /* one bit per frame of the index */
    uint64_t *needed_frames; /* the same: a marked chunk stands in it */
    bool has_parity;         /* it is switched on */
    struct discarded trash;  /* read once a pack is missing */
    bool is_trash_read;
    char **told; /* keys of damaged objects */
    size_t told_count;
    pthread_mutex_t lock; /* guards stats, bad_frames and told while threads read packs */
};

/* Tell of damage, of each object once. */
void check_damage(struct check *c, const char *key, const struct err *why);
bool check_was_told(const struct check *c, const char *key);
void check_pack_damage(struct check *c, uint32_t pack, const struct err *why);
void check_litter(struct check *c, const char *key, const char *sentence);
/* The same of what no prune takes away. */
void check_leftover(struct check *c, const char *key, const char *sentence);
void check_progress(const struct check *c, const char *step, uint64_t done, uint64_t total);

/* Whether a failure to read an object is a fault of that object: damage does not end a check,
 * a network that is down does. */
bool check_is_damage(const struct err *why);

/*
 * Load into the repository what can be read of its index, and compare it with the packs that
 * there are.  Packs that no index object names are added from their own directories, as
 * condemned, so that copies elsewhere are preferred.
 */
MUST_CHECK bool check_index(struct check *c, struct err *e);

/* With all marks made: finds needed_frames, and tells of packs that are missing without need and of
 * packs that no index names. */
void check_index_rest(struct check *c);

/* The numbers of the packs to read, largest first: those that the options choose, and the
 * suspects.  packs has room for all of the index.  Returns how many there are. */
size_t check_choose(const struct check *c, uint32_t *packs);

/* Compare parity with the objects that there are, and with read_data with their bytes; packs
 * apart. */
MUST_CHECK bool check_parity(struct check *c, struct err *e);

/* Tell when an object, which is right and whose SHA-256 is name, has parity that is not.  Any
 * thread. */
void check_parity_of(struct check *c, const char *key, struct slice object,
                     const struct hash *name);

/*
 * What is known of frames that deltas were read after.  NULL is none.  The check's lock guards it.
 */
struct check_bases;
struct check_bases *check_bases_new(struct check *c);
void check_bases_free(struct check_bases *b); /* accepts NULL */
void check_bases_auto(struct check_bases **b);
/* A frame was opened, as the index has it, and has these bytes. */
void check_bases_note(struct check_bases *b, struct mac *mac, uint32_t frame, struct slice plain);
/* Whether that frame was noted and holds all of these chunks, each as its id says.  It says nothing
 * of the pack's bytes at another time, unless they are authentic then. */
bool check_bases_prove(struct check_bases *b, uint32_t frame, const struct pack_chunk *wanted,
                       size_t wanted_count);

/* Read whole the packs that check_choose() names. */
MUST_CHECK bool check_packs(struct check *c, struct err *e);

/* Whether readers get this chunk, as far as the check has seen. */
bool check_chunk_is_sound(const struct check *c, const struct hash *id);

/* Tell of each path in a committed snapshot that cannot be restored. */
MUST_CHECK bool check_affected(struct check *c, struct err *e);

#endif
