/* What was read of repositories.  Private to catalog_rebuild*.c. */
#ifndef JOB_CATALOG_REBUILD_PRIVATE_H
#define JOB_CATALOG_REBUILD_PRIVATE_H

#include "job/catalog_rebuild.h"

/* A snapshot of a set in one repository. */
struct rebuild_snapshot {
    struct snapshot *snapshot; /* owned */
    const char *repository;    /* in the arena */
};

/* Evidence of one drill. */
struct rebuild_drill {
    struct hash snapshot;
    int64_t time_ns;
    const char *json, *set; /* in the arena */
};

struct rebuild {
    struct arena arena;
    struct rebuild_snapshot *snapshots;
    size_t snapshot_count;
    struct rebuild_drill *drills;
    size_t drill_count;
    struct rebuild_found found;
};

/* What all copies of a snapshot have in common. */
const struct hash *rebuild_origin(const struct snapshot *s);

/* Copies stand beside each other then, those of one set by their age, and sets by their names. */
void rebuild_sort(struct rebuild *b);

/* The newest snapshots of sets that have a configuration, the newest of all first; out has room
 * for all snapshots. */
size_t rebuild_newest(const struct rebuild *b, const struct snapshot **out);

/* How the set was configured, in the words of holdfast.yaml; NULL when the snapshot does not say.
 * For json_decref(). */
json_t *rebuild_set_config(const struct snapshot *s);

#endif
