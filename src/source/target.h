/* What the files of a target share.  Private to src/source. */
#ifndef SOURCE_TARGET_H
#define SOURCE_TARGET_H

#include <pthread.h>
#include <sys/stat.h>

#include "source/owner.h"
#include "source/source.h"

struct target {
    int root;
    struct target_options o;
    bool sets_owner; /* asked to and able to */
    bool is_superuser;
    pthread_mutex_t lock;
    struct owners owners; /* guarded by lock */
};

/* Where a path leads: a directory beneath the root, and the rest of the path from there. */
struct place {
    int dirfd;
    int owned; /* dirfd unless that is the root; -1: none */
    const char *name;
};
void place_auto(struct place *p);

/*
 * place_reach() leaves as much of the path in name as the beneath_*() calls take at once,
 * place_parent() only the last component, for calls that know no better.
 */
MUST_CHECK bool place_reach(const struct target *t, const char *path, struct place *p,
                            struct err *e);
MUST_CHECK bool place_parent(const struct target *t, const char *path, struct place *p,
                             struct err *e);

/* Describe what is there, without following a link; *is_there says whether anything is. */
MUST_CHECK bool place_stat(const struct place *p, struct stat *st, bool *is_there, struct err *e);

/* Put what is called from in place of p; an empty directory gives way to anything. */
MUST_CHECK bool place_replace(const struct place *p, const char *from, struct err *e);

/* A name that nothing else uses; out has room for 40 bytes. */
void temporary_name(char *out);

/* Metadata (target_meta.c) */

/* An open file, or (fd -1) a single name in a directory. */
struct subject {
    int fd;
    int dirfd;
    const char *name;
};

/* Owner, attributes, mode and time, in the order in which none undoes another. */
MUST_CHECK bool meta_set(struct target *t, const struct subject *s, const struct entry *en,
                         struct err *warning, struct err *e);

/* Does everything that meta_set() would set look right already? */
bool meta_is_right(struct target *t, const struct place *p, const struct stat *st,
                   const struct entry *en);

#endif
