/*
 * Whole operations that join sources, the repository and targets.  The command line is a
 * thin layer over these.  Progress and per-item events go through callbacks; nothing is
 * printed here.
 */
#ifndef JOB_JOB_H
#define JOB_JOB_H

#include "job/config.h"
#include "job/config_travel.h"
#include "repo/repo.h"
#include "source/source.h"

#include "archive/tree_archive.h"
#include "job/arrival.h"
#include "job/catalog_rebuild.h"
#include "job/cfms_export.h"
#include "job/cfms_import.h"
#include "job/child.h"
#include "job/dispatch.h"
#include "job/drill.h"
#include "job/export_pos.h"
#include "job/gateway_export.h"
#include "job/import.h"
#include "job/news.h"
#include "job/object_file.h"
#include "job/open_set.h"
#include "job/pos_first.h"
#include "job/pos_place.h"
#include "job/pos_set.h"
#include "job/pos_sources.h"
#include "job/restore_into.h"
#include "job/restore_set.h"
#include "job/retention.h"
#include "job/retention_run.h"
#include "job/roster.h"
#include "job/schedule.h"
#include "job/school.h"
#include "job/sender.h"
#include "job/simulation.h"
#include "job/spool.h"
#include "job/stores.h"
#include "job/tables.h"
#include "job/timetable.h"

/* A moment's figures; callbacks get them at most 10 times a second, from one thread. */
struct progress {
    int64_t elapsed_ns;
    uint64_t files_done, files_total; /* total 0: not known yet */
    uint64_t bytes_done, bytes_total;
    uint64_t errors;
    const char *current; /* path text of something under way, or NULL */
    const char *source;  /* of a set, that is being read: "postgres/shop"; or NULL */
    uint64_t rows_done;  /* of that source */
};

struct report {
    void *arg;
    void (*progress)(void *arg, const struct progress *p);
    /* Something went wrong with one item; the run goes on.  during: "read", "restore",
     * "verify", "delete". */
    void (*item_error)(void *arg, const char *during, const char *path, const struct err *why);
    /* An item was dealt with, but not quite as it should be: an owner that could not be set. */
    void (*item_warning)(void *arg, const char *path, const struct err *why);
    /* One item was dealt with; only called when set.  action: "new", "changed", "unchanged",
     * "restored", "updated", "skipped", "deleted". */
    void (*item)(void *arg, const char *action, const char *path, uint64_t size);
};

/* Backup (backup.c) */

struct backup_options {
    struct files_options files; /* paths, excludes ...; threads and times are filled in */
    const struct set *set;      /* this set instead of paths; its times and threads too */
    int stream_fd;              /* >= 0: store this stream instead of paths */
    const char *stream_name;    /* its name in the backup, "stdin" by default */
    /* Asked when the stream or the set was read; false fails the backup before anything is
     * committed. */
    bool (*is_whole)(void *arg, struct err *e);
    void *is_whole_arg;
    const char *host; /* NULL: this machine's name */
    const char *const *tags;
    size_t tag_count;
    const char *parent; /* selector; NULL: the latest of same host and paths, or set */
    bool force;         /* no parent: read everything */
    bool is_dry_run;
    bool skip_if_unchanged;
    int level;      /* as in writer_options */
    bool has_level; /* a set's own does not count */
    size_t pack_size;
    int64_t time_ns;           /* 0: now */
    const char *configuration; /* of the set, for its snapshot (config_travel.h); or NULL */
    const char *job;           /* of the set, for its snapshot; or NULL */
    /* Another attempt at that job: a snapshot that a former one committed is the result. */
    bool is_again;
};

struct backup_result {
    struct snapshot_counts counts;
    struct hash snapshot; /* zero for a dry run or skipped one */
    bool is_committed;
    bool is_found;   /* by a former attempt at the job, whose figures these are */
    uint64_t errors; /* > 0: incomplete, exit status 3 */
    uint64_t reused; /* tables of databases that were taken over from the parent, not read */
    uint64_t frames, frames_verified;
    bool has_parent;
    struct hash parent;
    bool is_source_failure; /* set on failure: not the repository is to blame */
    struct lock_stats locks;
};

/*
 * Back up.  True means: committed and durable (or dry run, or skipped as unchanged).  Source
 * errors are in the result, repository errors fail it.
 */
MUST_CHECK bool backup_run(struct repo *r, const struct backup_options *o,
                           const struct report *report, struct backup_result *out, struct err *e);

/* Restore (restore.c) */

struct restore_options {
    const struct snapshot *snapshot;
    const char *sub;     /* path inside the snapshot that becomes the root of the target, or NULL */
    const char *target;  /* directory */
    struct target *into; /* an open target instead of that directory and how; borrowed */
    struct target_options how;
    const struct exclude *include; /* only what matches, or NULL */
    const struct exclude *exclude; /* or NULL */
    bool delete_extra; /* remove what the snapshot does not have (inside restored directories) */
    bool is_dry_run;
    bool verify;        /* read everything back and compare */
    bool stop_at_error; /* the first item that fails ends the restore, with its sentence */
};

struct restore_result {
    uint64_t files_total, files_restored, files_updated, files_skipped, files_deleted;
    uint64_t bytes_total, bytes_restored, bytes_skipped;
    uint64_t files_verified;
    uint64_t errors; /* items that failed: exit status 1 */
    uint64_t warnings;
};

/* True also when single items failed (see errors), unless they end the restore; false when nothing
 * sensible can go on. Damage of the repository: the files it touches are named, the rest is
 * restored, and the result is false with ERR_CORRUPT at the end. */
MUST_CHECK bool restore_run(struct repo *r, const struct restore_options *o,
                            const struct report *report, struct restore_result *out, struct err *e);

/* Looking (browse.c, diff.c) */

/* Called for each entry; path begins with '/' and is raw bytes with a NUL.  Entries in path
 * order, a directory before what is in it.  *descend (true on call) may be set to false. */
typedef bool visit_fn(void *arg, const char *path, const struct entry *en, bool *descend,
                      struct err *e);
/* Visit what is below path (the entry itself first unless it is the root). */
MUST_CHECK bool browse_walk(struct repo *r, const struct hash *tree, const char *path, visit_fn *fn,
                            void *arg, struct err *e);

/* Length of a path in the form in which browse_walk() tells paths. */
size_t browse_path_size(const char *path);

enum diff_kind {
    DIFF_ADDED,
    DIFF_REMOVED,
    DIFF_CONTENT,  /* bytes differ */
    DIFF_METADATA, /* only metadata differs */
    DIFF_TYPE,     /* another type */
};
struct diff_stats {
    uint64_t changed_files;
    struct {
        uint64_t files, dirs, others, bytes;
    } added, removed;
};
/* A difference; borrowed, for the length of a call. */
struct diff_change {
    enum diff_kind kind;
    const char *path; /* begins with '/', raw bytes with a NUL */
    bool is_dir;
    const struct entry *before, *after; /* NULL: there is none on this side */
};
typedef bool diff_fn(void *arg, const struct diff_change *c, struct err *e);

/* One side of a comparison: a tree, and the directory in it that is compared (NULL: all). */
struct diff_side {
    const struct hash *tree;
    const char *path;
};
struct diff_options {
    bool with_metadata;
    diff_fn *fn;
    void *arg;
};
MUST_CHECK bool diff_run(struct repo *r, const struct diff_side *before,
                         const struct diff_side *after, const struct diff_options *o,
                         struct diff_stats *out, struct err *e);

/* What dump_run() would write: ERR_NOT_FOUND, or ERR_USAGE for what is neither a file nor a
 * directory. *out borrows from keep. */
MUST_CHECK bool dump_find(struct repo *r, const struct hash *tree, const char *path,
                          struct buf *keep, struct entry *out, struct err *e);

/* Write the content of a file, or a directory as an archive, to fd.  ERR_USAGE, with nothing
 * written, when zip cannot hold all of it. */
MUST_CHECK bool dump_run(struct repo *r, const struct hash *tree, const char *path,
                         enum tree_format format, int fd, struct err *e);

/* Forget (forget.c) */

struct forget_options {
    struct snapshot_filter filter;
    struct retention rules;
    bool group_by_host, group_by_paths, group_by_tags;
    bool is_dry_run;
};
struct forget_group {
    const char *host;              /* NULL when not grouped by it */
    const struct snapshot *sample; /* its tags and paths name the group */
    struct snapshot *const *newest_first;
    const struct keep_reasons *reasons;
    size_t count;
};
/* Apply rules; fn sees each group after its tombstones are written (or would be). */
typedef bool forget_fn(void *arg, const struct forget_group *g, struct err *e);
MUST_CHECK bool forget_run(struct repo *r, const struct forget_options *o, forget_fn *fn, void *arg,
                           uint64_t *removed, struct err *e);

/* What the rules keep of some snapshots, group by group as "forget" does; empty rules keep all.
 * Reorders list, to which is_kept belongs then. */
void forget_choose(const struct retention *rules, struct snapshot **list, size_t count,
                   bool *is_kept);

/* Replace tags: a new snapshot object is committed, the old one forgotten. */
MUST_CHECK bool tag_run(struct repo *r, const struct snapshot *s, const char *const *tags,
                        size_t tag_count, struct hash *out, struct err *e);

#endif
