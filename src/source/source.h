/*
 * Sources: things that can be backed up and brought back.
 *
 * A source knows one kind of thing and nothing of repositories: it pushes directories and
 * the bytes of files into a sink.  The sink belongs to src/job.  The other way round, a
 * target is a directory that restored entries are written into.
 */
#ifndef SOURCE_SOURCE_H
#define SOURCE_SOURCE_H

#include "base/arena.h"
#include "base/buf.h"
#include "codec/entry.h"

/* The entries of one directory, in ascending order of the bytes of their names. */
struct listing {
    struct entry *entries;
    bool *wanted; /* set by sink->enter(): the source has to send this file's bytes */
    size_t count;
    size_t room;
    struct arena arena; /* what the entries' slices point into */
};
struct listing *listing_new(void);
void listing_free(struct listing *l); /* accepts NULL */
void listing_auto(struct listing **l);
/* A new zeroed entry at the end; pointers to earlier ones become invalid. */
struct entry *listing_add(struct listing *l);
/* Sort by name; asserts that names are unique. */
void listing_sort(struct listing *l);

/*
 * Where a backup goes.  Each thread of a source opens one lane and uses it alone; lanes work
 * side by side.  Any failure of these calls is the repository's and ends the source's work:
 * the source returns it unchanged.  What goes wrong in the source itself is told with skip()
 * or note() and never ends it.
 */
struct sink;
struct sink_dir;
struct lane;

/* Little, because what is left of a batch that is full moves to the next. */
#define SINK_ROOM_MAX ((size_t)128 << 10)

struct sink_ops {
    MUST_CHECK bool (*lane_open)(struct sink *k, struct lane **out, struct err *e);
    void (*lane_close)(struct lane *n); /* after the last end(); accepts NULL */

    /*
     * Announce a directory with all its entries.  A file's cut says how to cut what it has
     * (docs/FORMAT.md, "Cutting"); CUT_WHOLE leaves that to the sink.  parent and slot say which
     * entry it is (NULL: the root).  Takes the listing in any case.  Afterwards each regular file
     * with wanted[] set gets begin() .. end() or skip(), and each directory gets enter() or skip(),
     * in any order and from any lane; *out (borrowed, as is the listing with its entries where they
     * were) lives until the last of them.  *out is NULL when nothing of that kind is to come: then
     * the listing may be gone already.
     */
    MUST_CHECK bool (*enter)(struct lane *n, struct sink_dir *parent, size_t slot,
                             struct listing *l, struct sink_dir **out, struct err *e);

    /*
     * The bytes of one file: begin, any number of room and write, end.  One file at a time per
     * lane; the amount written may differ from the announced size.
     *
     * room: memory for the next bytes of the file, at most SINK_ROOM_MAX; may block until there is
     * some; valid until the lane's next call.  write: the first size bytes of it, size > 0, are
     * those of the file.
     */
    MUST_CHECK bool (*begin)(struct lane *n, struct sink_dir *d, size_t slot, struct err *e);
    uint8_t *(*room)(struct lane *n, size_t size);
    MUST_CHECK bool (*write)(struct lane *n, size_t size, struct err *e);

    /*
     * Close the file.  final holds the metadata that belongs to the bytes read (its slices are
     * copied; name must be equal; size is what was read plus the holes).
     */
    MUST_CHECK bool (*end)(struct lane *n, const struct entry *final, struct err *e);

    /*
     * What the previous backup has in the place of an entry, which is a file in d, into a buffer
     * that is empty, and stays so when there is none, it is longer than max or cannot be read.
     */
    void (*former)(struct lane *n, struct sink_dir *d, size_t slot, size_t max, struct buf *out);
    /*
     * In the place of all write() and of end(): the file that was begun is as the previous backup
     * has it.  *is_kept is false, and nothing has happened, unless that has a file of this size
     * there and all of its content.
     */
    MUST_CHECK bool (*keep)(struct lane *n, uint64_t size, bool *is_kept, struct err *e);

    /* Start the file at begin() again: what was written since is dropped. */
    MUST_CHECK bool (*restart)(struct lane *n, struct err *e);

    /*
     * Leave an entry out of the backup and name it in the report.  path is the whole path.
     * Also ends a file that was begun.  d is NULL (and slot means nothing) for what never
     * became an entry, such as a path that is missing: then there is only the report to write.
     */
    MUST_CHECK bool (*skip)(struct lane *n, struct sink_dir *d, size_t slot, const char *path,
                            const struct err *why, struct err *e);

    /* Name something that is stored although not as it should be (changed while read). */
    MUST_CHECK bool (*note)(struct lane *n, const char *path, const struct err *why, struct err *e);

    /* For progress alone; either may be NULL.  source: which source of a set is read from here on
     * ("postgres", "shop"; kind is NULL for a file tree).  rows: more rows of it were read; any
     * thread. */
    void (*source)(struct sink *k, const char *kind, const char *name);
    void (*rows)(struct sink *k, uint64_t more);
};

struct sink {
    const struct sink_ops *ops;
};

/* File trees (files.c, walk.c, exclude.c) */

struct exclude; /* patterns */
struct exclude *exclude_new(void);
void exclude_free(struct exclude *x); /* accepts NULL */
void exclude_auto(struct exclude **x);
/*
 * Add a pattern as restic and gitignore users expect: "*" and "?" and "[...]" within one
 * component, "**" across; a pattern without '/' matches at any depth, one that begins with '/'
 * from the root, others ("foo/bar") at any depth as a run of components; a leading '!' takes back;
 * a match of a directory covers what is below.  ERR_USAGE for a malformed one.
 */
MUST_CHECK bool exclude_add(struct exclude *x, const char *pattern, struct err *e);
/* One pattern per line; empty lines and lines that begin with '#' are skipped. */
MUST_CHECK bool exclude_add_file(struct exclude *x, const char *path, struct err *e);
/* path without leading '/'. The last matching pattern decides. */
bool exclude_matches(const struct exclude *x, const char *path, bool is_dir);
/*
 * The same for a tree that was asked for by name: a match has to reach deeper than the first given
 * components, so that what leads to the tree and its own name never exclude it.
 */
bool exclude_matches_below(const struct exclude *x, const char *path, size_t given, bool is_dir);
/* For includes: could something below this directory match? */
bool exclude_may_match_below(const struct exclude *x, const char *path);

/*
 * Files that stand in one directory of a backup instead of those of their names, or beside what is
 * there (over.c).  One that takes a place has the owner, mode and attributes of the file in it; any
 * other has the owner of the directory, and is readable by its group where the directory is.
 */
struct over_file {
    const char *name;
    uint64_t offset, size; /* in the file that holds the bytes of all */
};
struct files_over {
    const char *folder; /* one of the paths */
    int fd;
    const struct over_file *files; /* ascending by name */
    size_t count;
    _Atomic size_t *sent; /* how many got into the backup; whoever needs them all compares */
};

struct files_options {
    const char *const *paths; /* absolute, normalised, none inside another */
    size_t path_count;
    const struct exclude *exclude;         /* or NULL */
    const char *const *exclude_if_present; /* names, or "name:first bytes" */
    size_t exclude_if_present_count;
    bool exclude_caches; /* directories with a valid CACHEDIR.TAG */
    bool one_file_system;
    bool no_xattrs;
    int threads;             /* 0: one per processor */
    int64_t scan_started_ns; /* entries changed 2 s before this or later are ENTRY_UNTRUSTED_TIME */
    struct sink_dir *above;  /* the entry that stands for "/": NULL is the root of the snapshot */
    size_t above_slot;
    const struct files_over *over; /* or NULL; what is in the way of one of them ends the backup */
};

/* Whether any of the paths can be read; ERR_NOT_FOUND, ERR_DENIED for the first when none can. */
MUST_CHECK bool files_probe(const struct files_options *o, struct err *e);

/*
 * Push the trees below paths, with the directories that lead to them, as one tree whose root
 * is "/".  Fails at once as files_probe() does, unless it goes below another directory: who made
 * that has asked.  A path among several that is missing is told by skip().  ERR_CANCELLED after
 * cancel_request().
 */
MUST_CHECK bool files_backup(const struct files_options *o, struct sink *k, struct err *e);

/* ERR_USAGE unless a stream can be backed up under this name. */
MUST_CHECK bool stream_check_name(const char *name, struct err *e);

/*
 * Push one stream as the only file of a backup, "/name": from a descriptor to its end.  The
 * caller finds out whether the stream was whole before it commits.
 */
MUST_CHECK bool stream_backup(int fd, const char *name, int64_t now_ns, struct sink *k,
                              struct err *e);

/* Members of sets */

#include "source/bundle.h"
#include "source/command.h"
#include "source/member.h"
#include "source/parts.h"
#include "source/postgres.h"
#include "source/postgres_cluster.h"
#include "source/postgres_restore.h"
#include "source/postgres_script_load.h"
#include "source/set.h"
#include "source/sqlite.h"
#include "source/stored_table.h"

/* Tables of a database as JSON */

#include "source/school_log.h"
#include "source/table_json.h"

/* What CFMS keeps */

#include "source/cfms_app.h"
#include "source/cfms_contents.h"
#include "source/cfms_stage.h"

/* Targets (target.c) */

enum overwrite {
    OVERWRITE_ALWAYS,
    OVERWRITE_IF_CHANGED, /* size or mtime differ */
    OVERWRITE_IF_NEWER,   /* the backup's mtime is newer */
    OVERWRITE_NEVER,
};

struct target_options {
    enum overwrite overwrite;
    bool keep_owner;  /* set uid and gid (by name when the name exists here); root only */
    bool numeric_ids; /* use the numbers even when names exist */
};

struct target;
/* Open, and make unless it exists, the directory to restore into. */
MUST_CHECK bool target_open(const char *path, const struct target_options *o, struct target **out,
                            struct err *e);
/* Open a directory of a target as a target of its own, with the same options. */
MUST_CHECK bool target_open_below(struct target *t, const char *path, struct target **out,
                                  struct err *e);
void target_close(struct target *t); /* accepts NULL */
void target_auto(struct target **t);

enum target_action {
    TARGET_CREATE,  /* nothing is there */
    TARGET_REPLACE, /* something is there and gives way */
    TARGET_UPDATE,  /* the content is right, metadata is not (if-changed) */
    TARGET_SKIP,    /* stays as it is */
};

/*
 * All paths are relative to the target, without leading '/'; nothing outside it is ever
 * touched, whatever links are in it (ERR_DENIED naming the path).  Paths longer than PATH_MAX
 * work.  Any thread.
 *
 * What would be done with this entry: looks only.  A non-empty directory in the way of a
 * non-directory: ERR_EXISTS.
 */
MUST_CHECK bool target_decide(struct target *t, const char *path, const struct entry *en,
                              enum target_action *out, struct err *e);

/* Make a directory with mode 0700 unless there is one (a non-directory is replaced unless
 * OVERWRITE_NEVER: ERR_EXISTS). */
MUST_CHECK bool target_mkdir(struct target *t, const char *path, struct err *e);

/* A regular file being written.  Replaced files are written under a temporary name beside
 * the old one and renamed in target_file_finish(). */
struct target_file {
    int fd;
    char temporary[40];     /* name; empty: written in place */
    uint64_t device, inode; /* while parked: what to find again */
};
MUST_CHECK bool target_file_begin(struct target *t, const char *path, enum target_action action,
                                  struct target_file *out, struct err *e);
/* Set size, owner, mode, xattrs, times; rename; close. Problems with owner or xattrs alone go
 * to *warning (its code is ERR_NONE otherwise) and do not fail the file. */
MUST_CHECK bool target_file_finish(struct target *t, const char *path, const struct entry *en,
                                   struct target_file *f, struct err *warning, struct err *e);
/*
 * Close the descriptor of a file that is not finished, and open it again later: ERR_DENIED
 * when another file has taken its place meanwhile.
 */
MUST_CHECK bool target_file_park(struct target_file *f, struct err *e);
MUST_CHECK bool target_file_resume(struct target *t, const char *path, struct target_file *f,
                                   struct err *e);
/* Close and remove what was begun. */
void target_file_abort(struct target *t, const char *path, struct target_file *f);

/* Symlinks, FIFOs, sockets, devices, with their metadata. */
MUST_CHECK bool target_special(struct target *t, const char *path, const struct entry *en,
                               enum target_action action, struct err *warning, struct err *e);
/* Hard link path to a file restored earlier in this run. */
MUST_CHECK bool target_link(struct target *t, const char *earlier, const char *path,
                            enum target_action action, struct err *e);
/* Metadata of a directory, after everything in it. */
MUST_CHECK bool target_directory_finish(struct target *t, const char *path, const struct entry *en,
                                        struct err *warning, struct err *e);
/* Set only metadata of an existing file (TARGET_UPDATE). */
MUST_CHECK bool target_update(struct target *t, const char *path, const struct entry *en,
                              struct err *warning, struct err *e);
/* Read a restored file back: open for reading beneath the target. */
MUST_CHECK bool target_open_read(struct target *t, const char *path, int *fd, struct err *e);

/*
 * Call fn for each name in a directory of the target that is not in names (sorted): for
 * --delete.  A missing directory has none.
 */
typedef bool target_extra_fn(void *arg, const char *path, struct err *e);
MUST_CHECK bool target_extras(struct target *t, const char *path, const struct slice *names,
                              size_t count, target_extra_fn *fn, void *arg, struct err *e);
/*
 * A tree that is built beside the one that stands (target_present.c).
 *
 * What stands somewhere: name (valid until the next call), type, mode, uid, gid, times, device,
 * inode, links, size and rdev are set.
 */
struct present {
    struct entry entry;
    bool is_mount; /* the root of a file system, or of a part of one */
};
MUST_CHECK bool target_look(struct target *t, const char *path, struct present *out, bool *is_there,
                            struct err *e);
/* What stands in a directory, in ascending order of names. */
struct target_listing;
MUST_CHECK bool target_list(struct target *t, const char *path, struct target_listing **out,
                            struct err *e);
/* *more = false at the end.  What vanished meanwhile is left out. */
MUST_CHECK bool target_list_next(struct target_listing *l, struct present *out, bool *more,
                                 struct err *e);
void target_listing_free(struct target_listing *l); /* accepts NULL */
void target_listing_auto(struct target_listing **l);

/* Give what stands in one target, and is no directory, the same path in another, of the same file
 * system: a second name. */
MUST_CHECK bool target_carry(struct target *from, struct target *to, const char *path,
                             struct err *e);
/* Give a directory the metadata of the one that was listed, which may be gone by now. */
MUST_CHECK bool target_copy_metadata(const struct target_listing *from, struct target *to,
                                     const char *path, struct err *warning, struct err *e);

/*
 * A folder in the target to build such a tree in, for nobody else to see.  ERR_EXISTS when it is
 * there.  It is called TARGET_STAGING and 16 hex digits; target_is_staging() tells such names, and
 * no backup of files looks into directories that have one.
 */
#define TARGET_STAGING ".holdfast-restore-"
bool target_is_staging(const char *name);
MUST_CHECK bool target_make_staging(struct target *t, const char *name, struct target **out,
                                    struct err *e);
/* Make everything on the target's file system durable. */
MUST_CHECK bool target_sync(struct target *t, struct err *e);

/* Remove a file or a whole tree, never following links. */
MUST_CHECK bool target_remove(struct target *t, const char *path, struct err *e);
/* The same for an entry of an open directory, to the end whatever was cancelled: for what is our
 * own and in nobody's way only as long as it is there. */
MUST_CHECK bool tree_remove(int dirfd, const char *name, struct err *e);

#endif
