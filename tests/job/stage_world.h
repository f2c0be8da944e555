/* What tests of staging need: a set with one file tree, and the present tree told line by line. */
#ifndef TESTS_JOB_STAGE_WORLD_H
#define TESTS_JOB_STAGE_WORLD_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "job/stage_tree.h"
#include "job/world.h"

#define STAGE_ID "0123456789abcdef"
#define STAGING  TARGET_STAGING STAGE_ID

struct site {
    struct world w;
    char path[128]; /* of the tree, in the world's directory */
    const char *path_list;
    struct exclude *exclude;
    struct files_options options;
    struct set_files files;
    struct set set;
    struct snapshot *old, *safety;
    struct stage_options o;
    struct stage_result result;
};

static inline void site_init(struct site *s)
{
    *s = (struct site){0};
    world_init(&s->w);
    (void)snprintf(s->path, sizeof(s->path), "%s/site", s->w.dir.path);
    s->path_list = s->path;
    s->exclude = exclude_new();
    s->options =
        (struct files_options){.paths = &s->path_list, .path_count = 1, .exclude = s->exclude};
    s->files = (struct set_files){"files", &s->options};
    s->set = (struct set){.name = "shop", .files = &s->files, .files_count = 1};
    s->o = (struct stage_options){.source = "files", .path = s->path, .id = STAGE_ID};
}

static inline void site_auto(struct site *s)
{
    snapshot_free(s->old);
    snapshot_free(s->safety);
    exclude_free(s->exclude);
    stage_result_auto(&s->result);
    world_auto(&s->w);
}

static inline const char *in_site(const struct site *s, const char *name)
{
    return path_in(s->path, name);
}

/* The folder of the staging. */
static inline const char *staging_of(const struct site *s)
{
    return path_in(s->w.dir.path, STAGING);
}

/* Back the set up, as if what is there were old. */
static inline struct snapshot *site_snapshot(struct site *s)
{
    struct backup_options o = options_of(&s->w);
    struct snapshot *made = NULL;

    o.set = &s->set;
    clock_ahead();
    CHECK_OK(run(&s->w, &o, e));
    CHECK_OK(snapshot_load(s->w.repo, &s->w.result.snapshot, &made, e));
    return made;
}

/* This is how it was, and is to be again. */
static inline void site_remember(struct site *s)
{
    snapshot_free(s->old);
    s->o.snapshot = s->old = site_snapshot(s);
}

/* This is how it is now. */
static inline void site_secure(struct site *s)
{
    snapshot_free(s->safety);
    s->o.safety = s->safety = site_snapshot(s);
}

static inline bool site_stage(struct site *s, struct err *e)
{
    stage_result_auto(&s->result);
    return stage_tree(s->w.repo, &s->o, &s->w.seen.report, &s->result, e);
}

/* All three: what is there is secured, the new tree staged and put in place. */
static inline void site_restore(struct site *s)
{
    site_secure(s);
    CHECK_OK(site_stage(s, e));
    CHECK_OK(swap_forward(&s->result.swaps, e));
}

static inline bool is_at(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static inline uint64_t inode_at(const char *path)
{
    struct stat st;

    ck_assert_msg(lstat(path, &st) == 0, "%s is not there", path);
    return st.st_ino;
}

static inline void check_text_at(const char *path, const char *wanted)
{
    AUTO(buf) struct buf got = {0};

    file_take(path, &got);
    ck_assert_str_eq(buf_string(&got), wanted);
}

/* Write a file in place, or make it. */
static inline void put(const struct site *s, const char *name, const char *text)
{
    file_put_text(in_site(s, name), text);
}

static inline void make_dir(const struct site *s, const char *name)
{
    ck_assert_int_eq(mkdir(name[0] == '\0' ? s->path : in_site(s, name), 0755), 0);
}

/* Each thing below a path with what tells whether it is still that: inode, type, mode, owner, size
 * and time. */
static inline void inventory_below(const char *path, struct buf *out)
{
    struct dirent **names = NULL;
    struct stat st;

    if (lstat(path, &st) != 0)
        return;
    buf_printf(out, "%s %llu %o %u %u %lld %lld.%ld\n", path, (unsigned long long)st.st_ino,
               st.st_mode, st.st_uid, st.st_gid, S_ISDIR(st.st_mode) ? 0 : (long long)st.st_size,
               (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    if (!S_ISDIR(st.st_mode))
        return;

    const int count = scandir(path, &names, NULL, alphasort);

    ck_assert_int_ge(count, 0);
    for (int i = 0; i < count; i++) {
        AUTO(buf) struct buf below = {0};

        buf_printf(&below, "%s/%s", path, names[i]->d_name);
        if (strcmp(names[i]->d_name, ".") != 0 && strcmp(names[i]->d_name, "..") != 0)
            inventory_below(buf_string(&below), out);
        (free)(names[i]);
    }
    (free)(names);
}

static inline void inventory(const struct site *s, struct buf *out)
{
    buf_clear(out);
    inventory_below(s->path, out);
}

static inline void check_inventory(const struct site *s, struct buf *wanted)
{
    AUTO(buf) struct buf now = {0};

    inventory(s, &now);
    ck_assert_str_eq(buf_string(&now), buf_string(wanted));
}

/* The tree in place is exactly that of the old snapshot. */
static inline void check_is_old(struct site *s)
{
    AUTO(scratch) struct scratch to = {0};
    AUTO(buf) struct buf sub = {0};
    struct restore_result result;

    scratch_init(&to);
    buf_printf(&sub, "files%s", s->path);
    CHECK_OK(restore_run(s->w.repo,
                         &(struct restore_options){.snapshot = s->old,
                                                   .sub = buf_string(&sub),
                                                   .target = to.path,
                                                   .how = {.keep_owner = geteuid() == 0}},
                         &s->w.seen.report, &result, e));
    CHECK(result.errors == 0);
    tree_compare_shared(to.path, s->path);
}

/* "a", "b/c", "b/d", "gone/x" and a link, as the snapshot has them. */
static inline void small_init(struct site *s)
{
    site_init(s);
    make_dir(s, "");
    make_dir(s, "b");
    make_dir(s, "gone");
    put(s, "a", "first");
    put(s, "b/c", "same");
    put(s, "b/d", "old d");
    put(s, "gone/x", "comes back");
    CHECK(symlink("b/c", in_site(s, "link")) == 0);
    site_remember(s);
}

/* What happens to it afterwards. */
static inline void change(struct site *s)
{
    make_dir(s, "new");
    put(s, "a", "second");
    put(s, "b/e", "made since");
    put(s, "new/file", "made since too");
    CHECK(unlink(in_site(s, "gone/x")) == 0 && rmdir(in_site(s, "gone")) == 0);
    CHECK(unlink(in_site(s, "b/d")) == 0);
    make_dir(s, "b/d");
    put(s, "b/d/under", "a directory now");
}

#endif
