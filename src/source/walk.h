/*
 * The threads of a backup of files and what they share.  Private to src/source.
 *
 * files.c hands out work, walk.c lists directories, content.c reads files.
 */
#ifndef SOURCE_WALK_H
#define SOURCE_WALK_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "source/folder.h"
#include "source/names.h"
#include "source/owner.h"
#include "source/source.h"
#include "source/xattrs.h"

/* A file whose presence empties a directory in the backup. */
struct tag {
    struct slice name;
    struct slice begins_with; /* empty: whatever it holds */
};

/* Constant while the threads run, except the part under the lock. */
struct run {
    const struct files_options *o;
    struct sink *sink;
    struct route route; /* from "/" */
    struct tag *tags;
    size_t tag_count;
    bool has_proc; /* attributes of what is not opened are reached through /proc */

    pthread_mutex_t lock;
    pthread_cond_t change;
    struct folder *top;   /* directories with work left, last one first */
    bool is_root_visited; /* taken by some thread */
    size_t working;       /* threads that may add work */
    size_t waiting;
    struct err failure;      /* the first one */
    atomic_bool is_stopping; /* there is a failure; set under the lock, read without */
};

/* One thread. */
struct worker {
    struct run *run;
    struct lane *lane;
    struct names names;
    struct owners owners;
    struct xattrs xattrs;
    struct buf path, link, holes;
    uint64_t disk; /* the device that is_rotational speaks of */
    bool has_disk, is_rotational;
    bool is_cold; /* the last files it sent came from a disk, not from memory */
};

/*
 * Tell the sink what could not be read: why is worded without the path.  slot in dir; for
 * worker_miss() there is no entry.
 */
MUST_CHECK bool worker_skip(struct worker *w, const struct folder *f, size_t slot,
                            const struct err *why, struct err *e);
MUST_CHECK bool worker_miss(struct worker *w, const struct folder *f, const char *name,
                            const struct err *why, struct err *e);
MUST_CHECK bool worker_note(struct worker *w, const struct folder *f, const char *name,
                            const struct err *why, struct err *e);

/* Fail when somebody asked to stop or another thread has failed. */
MUST_CHECK bool worker_go_on(const struct worker *w, struct err *e);

/* Fill in what a struct stat tells; not names of owners. */
void entry_set_stat(struct entry *en, const struct stat *st, const struct files_options *o);

/* False when mode is of no type that a backup knows. */
bool entry_set_type(struct entry *en, mode_t mode);

/*
 * List the directory in a slot of parent (NULL: the root) and enter it.  *out gets a folder
 * with one user when it leaves work to do, NULL otherwise.
 */
MUST_CHECK bool walk_visit(struct worker *w, struct folder *parent, size_t slot,
                           struct folder **out, struct err *e);

/* Put the files of the options into the listing of their directory (over.c), and which of them has
 * a slot; NULL: it is the directory's own. */
MUST_CHECK bool over_apply(struct worker *w, struct folder *f, struct listing *l, struct err *e);
const struct over_file *over_find(const struct worker *w, const struct folder *f, size_t slot);
MUST_CHECK bool over_send(struct worker *w, const struct folder *f, size_t slot,
                          const struct over_file *file, struct err *e);

/*
 * Have the kernel fetch the beginning of the file in a slot, which is going to be sent; does not
 * wait for it.  Advice: what goes wrong is found when the file is sent.
 */
void content_read_ahead(const struct worker *w, const struct folder *f, size_t slot);

/* Send the bytes of the file in a slot. */
MUST_CHECK bool content_send(struct worker *w, const struct folder *f, size_t slot, struct err *e);

#endif
