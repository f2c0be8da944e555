/* A sink that remembers everything, and a folder to work in. */
#ifndef SOURCE_RECORDER_H
#define SOURCE_RECORDER_H

#include <pthread.h>
#include <stdatomic.h>

#include "source/source.h"

/* One entry as it came in the end. */
struct record {
    char *path;      /* "/a/b" */
    struct entry en; /* slices are owned by the recorder */
    struct buf content;
    bool is_sent; /* begin() .. end() */
    bool is_kept; /* keep() */
};

struct remark {
    char *path;
    char text[500];
    bool is_skip;
    bool has_entry;
};

struct recorder {
    struct sink sink; /* first */
    pthread_mutex_t lock;
    struct arena arena;
    struct record *records;
    size_t record_count;
    struct remark *remarks;
    size_t remark_count;
    struct sink_dir *dirs; /* not delivered completely */
    size_t open_dirs, open_lanes, restarts;

    const struct recorder *before; /* the previous backup, or NULL */
    bool has_lost;                 /* nothing of it is there any more but what former() tells */

    bool wants_nothing; /* as when every file is unchanged */
    size_t fail_at;     /* the n-th call fails; 0: none */
    atomic_size_t calls;
    void (*on_enter)(void *arg, const char *path); /* after a directory was announced */
    void (*on_write)(void *arg);                   /* after bytes of a file arrived */
    void *arg;
};
void recorder_init(struct recorder *r);
void recorder_done(struct recorder *r);
void recorder_auto(struct recorder *r);

/* Everything announced was delivered or skipped, and every lane closed. */
bool recorder_is_complete(const struct recorder *r);

/* NULL when there is none. */
const struct record *recorder_find(const struct recorder *r, const char *path);
const struct remark *recorder_remark(const struct recorder *r, const char *path);

/* The value of an attribute; data NULL when it is missing. */
struct slice record_xattr(const struct record *c, const char *name);

/* A new directory; the path is in *path.  Removed by scratch_auto(). */
struct scratch {
    char path[64];
    int fd;
};
void scratch_init(struct scratch *s);
void scratch_auto(struct scratch *s);

/* Write a file of this content below a directory. */
void put_file(int dirfd, const char *name, const void *bytes, size_t size);

/* Back up one path with default options and changes; false with *e as files_backup(). */
bool backup_path(struct recorder *r, const char *path, struct err *e);
struct files_options options_for(const char *const *path);

#endif
