/*
 * Sets with several repositories.
 */
#ifndef CLI_BACKUP_STORES_H
#define CLI_BACKUP_STORES_H

#include "cli/session.h"
#include "job/job.h"

/* Whether a command about the set is about all its repositories: it has several, and the command
 * line names none. */
bool set_has_several(const struct call *call, const struct config_set *set);

/* A backup of a set, and what became of it. */
struct set_backup {
    const struct config *config;
    const struct config_set *set;
    const struct backup_options *options;
    struct restore_still *still;
    struct session *session; /* receives the repository, of several the first that has it */
    struct hash made;        /* when has_made: the snapshot there */
    bool has_made;
    struct set_made *told; /* who wants to know instead of being told; or NULL */
    bool is_required;      /* and as many repositories of the set have it as it requires */
};

/* Tell of a backup, or let those know who want to (backup_set.c).  stores: as in backup_tell(). */
void set_backup_tell(struct call *call, struct set_backup *b, const struct backup_result *r,
                     const struct stores_result *stores);

/* Back up into all repositories of the set and tell of it. */
MUST_CHECK bool backup_stores(struct call *call, struct set_backup *b, struct err *e);

/* Let each repository of a set have what another has, and tell of it. */
MUST_CHECK bool copy_stores(struct call *call, const struct config_set *set, bool is_dry_run,
                            struct err *e);

/* Open all repositories of a set, tell of those that cannot be, and call fn for each of the others
 * until it fails. */
typedef bool set_repository_fn(void *arg, const struct set_store *one, struct err *e);
MUST_CHECK bool set_each_repository(struct call *call, const struct config_set *set,
                                    set_repository_fn *fn, void *arg, struct err *e);

/*
 * Open the repository of a set that has a snapshot: of several the first, or for "latest" the one
 * with the newest.  With its index.  *sub is released with mem_free().
 */
MUST_CHECK bool set_open_snapshot(struct call *call, const struct config_set *set,
                                  const char *selector, const struct filter_args *args,
                                  struct session *s, struct snapshot **out, char **sub,
                                  struct err *e);

#endif
