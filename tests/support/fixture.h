/*
 * What tests of the engine share: a scratch directory, a repository in memory, a store that
 * calls the test before each operation, a source tree with everything odd in it, and the
 * comparison of two trees bit for bit.  Everything fails the test at once when it goes wrong.
 */
#ifndef SUPPORT_FIXTURE_H
#define SUPPORT_FIXTURE_H

#include "job/job.h"
#include "support/test.h"

/* A new directory; removed with everything in it at the end of the scope. */
struct scratch {
    char path[64];
};
void scratch_init(struct scratch *s);
void scratch_done(struct scratch *s);
void scratch_auto(struct scratch *s);

/* "<directory>/<name>", valid for the next 255 calls. */
const char *path_in(const char *directory, const char *name);

/* A file of size bytes that nothing compresses, the same for the same seed. */
void file_put(const char *path, uint64_t seed, size_t size);
void file_put_text(const char *path, const char *text);
/* Append the whole of a file. */
void file_take(const char *path, struct buf *out);

/* Bytes that nothing compresses, the same for the same seed. */
void noise_fill(uint64_t seed, uint8_t *out, size_t size);

/*
 * Make a tree below directory: every type of entry, odd names, modes, owners and times, holes,
 * hard links, extended attributes, chunks of every length, a directory of several pages.  What
 * needs root is left out without it.
 */
void tree_make(const char *directory);

/* Two trees are the same, the two directories themselves apart: names, types, content, holes,
 * modes, owners, times, attributes, device numbers, and which names are one file. */
void tree_compare(const char *wanted, const char *found);

/* The same, but files may have further names outside the trees. */
void tree_compare_shared(const char *wanted, const char *found);

/* Entries in a tree, the directory itself apart. */
size_t tree_count(const char *directory);
/* Those in a directory itself. */
size_t directory_count(const char *path);

/* Let the clock be ahead, so that what tests just made counts as old. */
void clock_ahead(void);

/* A repository with a key file, made and opened, or opened again. */
extern const struct unlock fixture_unlock;
struct repo *fixture_repo(struct store *s);
struct repo *fixture_open(struct store *s);

/* Run one backup of a directory with default options; false as backup_run(). */
bool fixture_backup(struct repo *r, const char *path, struct backup_result *out, struct err *e);

/* Restore what was backed up at path from a snapshot into an empty target, and compare. */
void fixture_restore(struct repo *r, const struct hash *snapshot, const char *path,
                     const char *target);

/* Restore every committed snapshot of the store through a fresh handle and compare it with what
 * stands now at the path that it was taken of.  Returns how many there are. */
size_t fixture_check_sound(struct store *s);

/* What a run told about its items.  Pass &seen.report. */
struct seen {
    struct report report;
    size_t new, changed, unchanged, restored, updated, skipped, deleted, errors;
    struct buf error_paths; /* each with a newline behind it */
    char why[500];          /* of the last error */
};
void seen_init(struct seen *s);
void seen_auto(struct seen *s);
bool seen_error(struct seen *s, const char *path);

/* A store that calls fn before each operation; borrows next. */
enum hook_op { HOOK_GET, HOOK_PUT, HOOK_STAT, HOOK_LIST, HOOK_REMOVE };
typedef void hook_fn(void *arg, enum hook_op op, const char *key);
struct hook {
    struct store store; /* pass &hook.store */
    struct store *next;
    hook_fn *fn;
    void *arg;
};
void hook_init(struct hook *h, struct store *next, hook_fn *fn, void *arg);

/* Keys with a prefix, in ascending order; the store's n-th. */
size_t object_count(struct store *s, const char *prefix);
void object_name(struct store *s, const char *prefix, size_t n, char key[128]);
/* Let a collector announce that it is about to remove a pack (its key). */
void pack_condemn(struct repo *r, const char *key);
/* Flip one bit of an object at this offset; negative ones count from its end. */
void object_damage(struct store *s, const char *key, int64_t offset);

#endif
