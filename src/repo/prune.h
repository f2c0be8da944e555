/*
 * Private to src/repo: a collector at work.  prune.c has the protocol, prune_look.c lists,
 * prune_plan.c chooses, prune_recompress.c tries what would be shorter, prune_repack.c copies,
 * prune_rescue.c takes back, prune_index.c writes the index without what went, prune_trash.c keeps
 * what went for a while, prune_locks.c looks after locks.
 */
#ifndef REPO_PRUNE_H
#define REPO_PRUNE_H

#include "repo/condemned_list.h"
#include "repo/discarded.h"
#include "repo/mark.h"
#include "repo/snapshot.h"

/* What a collector sees of the world of others, read in this order. */
struct look {
    struct condemned others; /* without its own list */
    struct key_list packs;   /* only keys that are packs' */
    struct hash *pack_ids;   /* of packs, in the same order: ascending */
    struct snapshot_standing *snapshots;
    size_t snapshot_count;
};
/* own_list: the key of the collector's list, or NULL before it is published. */
MUST_CHECK bool look_take(struct repo *r, const char *own_list, struct look *l, struct err *e);
void look_auto(struct look *l);
/* Number of a pack among those that exist. */
MUST_CHECK bool look_has_pack(const struct look *l, const struct hash *id, size_t *number);
/* Packs younger than this may be those of a backup that is still running. */
#define PACK_YOUNG_S (INT64_C(24) * 60 * 60)

/* A store that shows packs and no sign of any snapshot is believed to be half there: ERR_CORRUPT;
 * or, when all are young, to be in its first backup: ERR_TRANSIENT. */
MUST_CHECK bool look_is_plausible(struct repo *r, const struct look *l, struct err *e);

enum pack_fate {
    FATE_KEEP,
    FATE_REPACK, /* its needed chunks go to new packs, then it is removed */
    FATE_REMOVE,
};

/* A pack of the index, by its number there. */
struct pack_use {
    enum pack_fate fate;
    uint64_t size;        /* stored; 0: not there when the collector began */
    uint64_t plain, used; /* bytes of its chunks, and of those marked in it */
    uint64_t gain;        /* about what repacking would save by more compression */
    bool is_locked;       /* and therefore kept */
};

struct prune {
    struct repo *repo;
    const struct prune_options *options;
    struct prune_stats stats;
    int64_t now_s; /* when it began */

    struct key_list index_keys; /* objects of the index before anything else was read */
    struct look first;
    struct marks *marks;
    struct pack_use *uses;
    size_t use_count;

    /* The own list: what it condemns, and its key once it is published. */
    struct hash *doomed;
    bool *is_rescued; /* by position in doomed */
    size_t doomed_count;
    struct hash *forgotten; /* snapshots */
    size_t forgotten_count;
    char *list_key;

    struct index *moved; /* the packs that repacking made; NULL when the loaded index has them */

    int64_t store_now_s;  /* by the store's clock, as far as it shows */
    bool keeps_versions;  /* the store does: removing frees nothing */
    uint32_t below_epoch; /* of the options */
    uint32_t *epochs;     /* by number of the pack in the first look, with below_epoch; else NULL */
    bool *is_locked;      /* by number of the pack in the first look: kept for that */
    struct hash *held;    /* forgotten snapshots that are kept for that, ascending */
    size_t held_count;

    /* Where the store has locks: what committed snapshots need, by number of the pack in the loaded
     * index, and these snapshots. */
    bool *is_needed;
    struct hash *committed;
    size_t committed_count;
};

/* Choose what to condemn and what to repack, from marks and the first look; fills in stats.  Reads
 * locks, and nothing else. */
MUST_CHECK bool prune_plan(struct prune *p, struct err *e);

/* Fill in the gain of packs that stay, until those that have one add up to enough bytes; reads some
 * frames of each. */
MUST_CHECK bool prune_try_compression(struct prune *p, uint64_t enough, struct err *e);

/* Note that a pack stays after all, for what is said of past epochs. */
void prune_keep_past(struct prune *p, const struct hash *pack);

/* Find out which forgotten snapshots, and which of the packs that may go, are locked. */
MUST_CHECK bool prune_hold_snapshots(struct prune *p, const struct look *l, struct err *e);
bool prune_is_held(const struct prune *p, const struct hash *snapshot);
MUST_CHECK bool prune_hold_packs(struct prune *p,
                                 bool (*may_go)(const struct prune *p, size_t pack), struct err *e);

/* Note what is marked at the moment that the marks are those of committed snapshots. */
void prune_note_needed(struct prune *p, const struct look *l);
/* Extend the locks of what was noted, where it still stands, and of what every snapshot needs. */
MUST_CHECK bool prune_extend_locks(struct prune *p, struct err *e);

/* Copy the needed chunks of packs with FATE_REPACK to new packs, durable and in the index. */
MUST_CHECK bool prune_repack(struct prune *p, struct err *e);

/*
 * Every chunk that was marked keeps a copy that exists and that nobody else condemned.  One on
 * the own list counts when it is rescued, which this does; where others condemned all of them too,
 * none of them may be removed here.
 */
MUST_CHECK bool prune_rescue(struct prune *p, const struct look *now, struct err *e);

/*
 * Write the rows of index objects with a pack that is going or gone, and of many small objects,
 * anew, then remove these objects.  now says which packs exist.  Objects that appeared after
 * the collector began are left alone.
 */
MUST_CHECK bool prune_index(struct prune *p, const struct look *now, struct err *e);

/* The position of a pack on the own list. */
MUST_CHECK bool prune_find_doomed(const struct prune *p, const struct hash *pack, size_t *number);

struct discard {
    struct hash pack;
    uint64_t size;
};

/* Take packs out of the repository: into the trash where the store can move, otherwise for good.
 * One that another collector took is fine. */
MUST_CHECK bool prune_discard(struct prune *p, const struct discard *list, size_t count,
                              struct err *e);

/* Remove what has been in the trash for long enough, or all of it; in a dry run only count.  What
 * nobody refers to must have been shown before, by marking. */
MUST_CHECK bool prune_trash(struct prune *p, struct err *e);

/* True for a pack that is condemned and was not rescued. */
bool prune_is_doomed(const struct prune *p, const struct hash *pack);

void prune_progress(const struct prune *p, const char *step, uint64_t done, uint64_t total);

#endif
