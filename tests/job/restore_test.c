#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "job/world.h"
#include "repo/chunks.h"

/* A restore of the last backup of a world, into a directory of its own. */
struct restoring {
    struct scratch to;
    struct restore_options o;
    struct restore_result result;
    struct snapshot *snapshot;
    struct exclude *patterns;
};

static void restoring_init(struct restoring *r, struct world *w)
{
    *r = (struct restoring){0};
    scratch_init(&r->to);
    CHECK_OK(snapshot_load(w->repo, &w->result.snapshot, &r->snapshot, e));
    r->patterns = exclude_new();
    r->o = (struct restore_options){.snapshot = r->snapshot,
                                    .sub = w->dir.path,
                                    .target = r->to.path,
                                    .how = {.keep_owner = geteuid() == 0}};
}

static void restoring_auto(struct restoring *r)
{
    scratch_done(&r->to);
    snapshot_free(r->snapshot);
    exclude_free(r->patterns);
}

static bool restore(struct world *w, struct restoring *r, struct err *e)
{
    seen_auto(&w->seen);
    seen_init(&w->seen);
    return restore_run(w->repo, &r->o, &w->seen.report, &r->result, e);
}

static bool is_there(const struct restoring *r, const char *name)
{
    struct stat st;

    return lstat(path_in(r->to.path, name), &st) == 0;
}

static void check_text(const struct restoring *r, const char *name, const char *wanted)
{
    AUTO(buf) struct buf got = {0};

    file_take(path_in(r->to.path, name), &got);
    ck_assert_str_eq(buf_string(&got), wanted);
}

/* "a/x.c", "a/x.h", "a/deep/y.c", "b/z.c", "top.c" */
static void make_sources(struct world *w)
{
    CHECK(mkdir(path_in(w->dir.path, "a"), 0750) == 0);
    CHECK(mkdir(path_in(w->dir.path, "a/deep"), 0700) == 0);
    CHECK(mkdir(path_in(w->dir.path, "b"), 0755) == 0);
    file_put_text(path_in(w->dir.path, "a/x.c"), "x.c");
    file_put_text(path_in(w->dir.path, "a/x.h"), "x.h");
    file_put_text(path_in(w->dir.path, "a/deep/y.c"), "y.c");
    file_put_text(path_in(w->dir.path, "b/z.c"), "z.c");
    file_put_text(path_in(w->dir.path, "top.c"), "top.c");
}

static void sources_init(struct world *w)
{
    world_init(w);
    make_sources(w);
    back_up(w);
}

TEST(everything_is_counted)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    world_init(&w);
    tree_make(w.dir.path);
    back_up(&w);
    restoring_init(&r, &w);
    CHECK_OK(restore(&w, &r, e));
    tree_compare(w.dir.path, r.to.path);
    CHECK(r.result.errors == 0 && r.result.warnings == 0 && r.result.files_skipped == 0);
    ck_assert_uint_eq(r.result.files_restored, r.result.files_total);
    ck_assert_uint_eq(r.result.bytes_restored, r.result.bytes_total);
    ck_assert_uint_eq(w.seen.restored, r.result.files_restored);
}
END

TEST(a_directory_of_the_snapshot_becomes_the_target)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    sources_init(&w);
    restoring_init(&r, &w);
    r.o.sub = path_in(w.dir.path, "a");
    CHECK_OK(restore(&w, &r, e));
    tree_compare(path_in(w.dir.path, "a"), r.to.path);
    r.o.sub = path_in(w.dir.path, "nothing");
    CHECK_ERR(restore(&w, &r, e), ERR_NOT_FOUND);
}
END

TEST(a_file_of_the_snapshot_goes_into_the_target)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    sources_init(&w);
    restoring_init(&r, &w);
    r.o.sub = path_in(w.dir.path, "a/deep/y.c");
    CHECK_OK(restore(&w, &r, e));
    check_text(&r, "y.c", "y.c");
    ck_assert_uint_eq(tree_count(r.to.path), 1);
}
END

TEST(a_target_that_is_not_there_is_made)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    sources_init(&w);
    restoring_init(&r, &w);
    r.o.target = path_in(r.to.path, "new/and/deeper");
    CHECK_OK(restore(&w, &r, e));
    tree_compare(w.dir.path, r.o.target);
}
END

TEST(only_what_is_included_comes_back_with_the_directories_above)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    sources_init(&w);
    restoring_init(&r, &w);
    CHECK_OK(exclude_add(r.patterns, "deep/*.c", e));
    r.o.include = r.patterns;
    CHECK_OK(restore(&w, &r, e));
    check_text(&r, "a/deep/y.c", "y.c");
    ck_assert_uint_eq(tree_count(r.to.path), 3);
    struct stat st;

    CHECK(stat(path_in(r.to.path, "a"), &st) == 0 && (st.st_mode & 07777) == 0750);
}
END

TEST(an_included_directory_comes_back_whole)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    sources_init(&w);
    restoring_init(&r, &w);
    CHECK_OK(exclude_add(r.patterns, "/a", e));
    r.o.include = r.patterns;
    CHECK_OK(restore(&w, &r, e));
    tree_compare(path_in(w.dir.path, "a"), path_in(r.to.path, "a"));
    ck_assert_uint_eq(tree_count(r.to.path), 5);
}
END

TEST(what_is_excluded_does_not_come_back)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    sources_init(&w);
    restoring_init(&r, &w);
    CHECK_OK(exclude_add(r.patterns, "deep", e));
    CHECK_OK(exclude_add(r.patterns, "*.h", e));
    r.o.exclude = r.patterns;
    CHECK_OK(restore(&w, &r, e));
    CHECK(!is_there(&r, "a/deep") && !is_there(&r, "a/x.h") && is_there(&r, "a/x.c"));
    ck_assert_uint_eq(r.result.files_total, 3);
}
END

/* Overwriting */

/* A target with an older "same.txt", a newer "other.txt", and one file that is right. */
static void overwrite_init(struct world *w, struct restoring *r)
{
    static const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    static const struct timespec new[2] = {{.tv_sec = 2000}, {.tv_sec = 2000}};

    world_init(w);
    file_put_text(path_in(w->dir.path, "older"), "from backup");
    file_put_text(path_in(w->dir.path, "newer"), "from backup");
    file_put_text(path_in(w->dir.path, "same"), "from backup");
    CHECK(utimensat(AT_FDCWD, path_in(w->dir.path, "older"), new, 0) == 0);
    CHECK(utimensat(AT_FDCWD, path_in(w->dir.path, "newer"), old, 0) == 0);
    CHECK(utimensat(AT_FDCWD, path_in(w->dir.path, "same"), old, 0) == 0);
    back_up(w);
    restoring_init(r, w);
    file_put_text(path_in(r->to.path, "older"), "in target");
    file_put_text(path_in(r->to.path, "newer"), "in target");
    file_put_text(path_in(r->to.path, "same"), "from backup");
    CHECK(utimensat(AT_FDCWD, path_in(r->to.path, "older"), old, 0) == 0);
    CHECK(utimensat(AT_FDCWD, path_in(r->to.path, "newer"), new, 0) == 0);
    CHECK(utimensat(AT_FDCWD, path_in(r->to.path, "same"), old, 0) == 0);
}

TEST(always_overwrites_everything)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    overwrite_init(&w, &r);
    CHECK_OK(restore(&w, &r, e));
    tree_compare(w.dir.path, r.to.path);
    ck_assert_uint_eq(r.result.files_restored, 3);
}
END

TEST(if_changed_leaves_what_is_right)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    overwrite_init(&w, &r);
    r.o.how.overwrite = OVERWRITE_IF_CHANGED;
    CHECK_OK(restore(&w, &r, e));
    tree_compare(w.dir.path, r.to.path);
    CHECK(r.result.files_restored == 2 && r.result.files_skipped == 1);
}
END

TEST(if_changed_sets_metadata_without_writing)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    overwrite_init(&w, &r);
    r.o.how.overwrite = OVERWRITE_IF_CHANGED;
    CHECK(chmod(path_in(r.to.path, "same"), 0600) == 0);
    CHECK_OK(restore(&w, &r, e));
    tree_compare(w.dir.path, r.to.path);
    CHECK(r.result.files_restored == 2 && r.result.files_updated == 1 && w.seen.updated == 1);
}
END

TEST(if_newer_keeps_newer_files_of_the_target)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    overwrite_init(&w, &r);
    r.o.how.overwrite = OVERWRITE_IF_NEWER;
    CHECK_OK(restore(&w, &r, e));
    check_text(&r, "older", "from backup");
    check_text(&r, "newer", "in target");
    CHECK(r.result.files_restored == 1 && r.result.files_skipped == 2);
}
END

TEST(never_keeps_all_files_of_the_target)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    overwrite_init(&w, &r);
    CHECK(unlink(path_in(r.to.path, "same")) == 0);
    r.o.how.overwrite = OVERWRITE_NEVER;
    CHECK_OK(restore(&w, &r, e));
    check_text(&r, "older", "in target");
    check_text(&r, "newer", "in target");
    CHECK(r.result.files_restored == 1 && w.seen.skipped == 2);
}
END

TEST(a_full_directory_in_the_way_of_a_file_is_named)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    sources_init(&w);
    restoring_init(&r, &w);
    CHECK(mkdir(path_in(r.to.path, "top.c"), 0755) == 0);
    file_put_text(path_in(r.to.path, "top.c/inside"), "x");
    CHECK_OK(restore(&w, &r, e));
    CHECK(r.result.errors == 1 && seen_error(&w.seen, "top.c"));
    check_text(&r, "top.c/inside", "x");
    check_text(&r, "b/z.c", "z.c");
}
END

TEST(a_file_in_the_way_of_a_directory_gives_way)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    sources_init(&w);
    restoring_init(&r, &w);
    file_put_text(path_in(r.to.path, "a"), "x");
    CHECK_OK(restore(&w, &r, e));
    tree_compare(w.dir.path, r.to.path);
}
END

/* Deleting */

static void put_extras(const struct restoring *r)
{
    CHECK(mkdir(path_in(r->to.path, "a"), 0755) == 0);
    CHECK(mkdir(path_in(r->to.path, "extra"), 0755) == 0);
    file_put_text(path_in(r->to.path, "extra/file"), "x");
    file_put_text(path_in(r->to.path, "a/extra.o"), "x");
    CHECK(symlink("/etc", path_in(r->to.path, "link")) == 0);
}

TEST(what_the_snapshot_does_not_have_is_deleted_when_asked)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    sources_init(&w);
    restoring_init(&r, &w);
    put_extras(&r);
    CHECK_OK(restore(&w, &r, e));
    CHECK(is_there(&r, "extra/file") && r.result.files_deleted == 0);
    r.o.delete_extra = true;
    CHECK_OK(restore(&w, &r, e));
    tree_compare(w.dir.path, r.to.path);
    CHECK(r.result.files_deleted == 3 && w.seen.deleted == 3);
}
END

TEST(what_is_excluded_is_not_deleted)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    sources_init(&w);
    restoring_init(&r, &w);
    put_extras(&r);
    CHECK_OK(exclude_add(r.patterns, "*.o", e));
    CHECK_OK(exclude_add(r.patterns, "*.c", e));
    file_put_text(path_in(r.to.path, "top.c"), "of the target");
    r.o.exclude = r.patterns;
    r.o.delete_extra = true;
    CHECK_OK(restore(&w, &r, e));
    CHECK(is_there(&r, "a/extra.o") && !is_there(&r, "extra"));
    check_text(&r, "top.c", "of the target");
}
END

TEST(with_includes_only_included_directories_are_cleared)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    sources_init(&w);
    restoring_init(&r, &w);
    put_extras(&r);
    CHECK_OK(exclude_add(r.patterns, "/a", e));
    r.o.include = r.patterns;
    r.o.delete_extra = true;
    CHECK_OK(restore(&w, &r, e));
    CHECK(!is_there(&r, "a/extra.o") && is_there(&r, "extra/file"));
}
END

TEST(a_dry_run_changes_nothing_and_tells_what_would_be_done)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    sources_init(&w);
    restoring_init(&r, &w);
    put_extras(&r);
    file_put_text(path_in(r.to.path, "top.c"), "of the target");
    r.o.delete_extra = true;
    r.o.is_dry_run = true;
    const size_t count = tree_count(r.to.path);

    CHECK_OK(restore(&w, &r, e));
    ck_assert_uint_eq(tree_count(r.to.path), count);
    check_text(&r, "top.c", "of the target");
    CHECK(r.result.files_restored == 5 && r.result.files_deleted == 3);
    r.o.target = path_in(r.to.path, "not there");
    CHECK_OK(restore(&w, &r, e));
    CHECK(r.result.files_restored == 5 && !is_there(&r, "not there"));
}
END

/* Verifying */

static void spoil_restored(void *arg, const char *action, const char *path, uint64_t size)
{
    const char *root = arg;
    AUTO(fd) int fd = -1;

    (void)size;
    if (strcmp(action, "restored") != 0 || strcmp(path, "large") != 0)
        return;
    fd = open(path_in(root, path), O_WRONLY | O_CLOEXEC);
    CHECK(pwrite(fd, "?", 1, 2 << 20) == 1);
}

TEST(verify_reads_everything_back)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    world_init(&w);
    tree_make(w.dir.path);
    back_up(&w);
    restoring_init(&r, &w);
    r.o.verify = true;
    CHECK_OK(restore(&w, &r, e));
    CHECK(r.result.errors == 0 && r.result.files_verified > 700);
}
END

TEST(verify_finds_a_file_that_was_changed_after_it_was_restored)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    world_init(&w);
    file_put(path_in(w.dir.path, "large"), 1, 3 << 20);
    file_put(path_in(w.dir.path, "other"), 2, 1000);
    back_up(&w);
    restoring_init(&r, &w);
    struct report report = {.arg = r.to.path, .item = spoil_restored};

    r.o.verify = true;
    CHECK_OK(restore_run(w.repo, &r.o, &report, &r.result, e));
    CHECK(r.result.errors == 1 && r.result.files_verified == 1);
}
END

TEST(verify_does_not_hold_it_against_files_that_were_to_be_kept)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;

    overwrite_init(&w, &r);
    r.o.how.overwrite = OVERWRITE_NEVER;
    r.o.verify = true;
    CHECK_OK(restore(&w, &r, e));
    CHECK(r.result.errors == 0 && r.result.files_skipped == 3);
}
END

/* Damage */

/* "first" in a pack of its own, then "second" in another; the key of the first pack. */
static void two_packs(struct world *w, char key[128])
{
    world_init(w);
    file_put(path_in(w->dir.path, "first"), 1, 100000);
    CHECK(link(path_in(w->dir.path, "first"), path_in(w->dir.path, "linked")) == 0);
    clock_ahead();
    back_up(w);
    for (size_t i = 0; i < 2; i++) {
        AUTO(buf) struct buf head = {0};
        char pack[128];

        object_name(w->store, "packs/", i, pack);
        CHECK_OK(store_get(w->store, pack, 0, SEAL_HEADER_SIZE, &head, e));
        if (head.data[9] == CLASS_CONTENT)
            memcpy(key, pack, sizeof(pack));
    }
    file_put(path_in(w->dir.path, "second"), 2, 100000);
    back_up(w);
}

TEST(of_a_damaged_pack_the_files_are_named_and_the_others_restored)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;
    char key[128];
    struct err e = {0};

    two_packs(&w, key);
    object_damage(w.store, key, 1000);
    restoring_init(&r, &w);
    CHECK(!restore(&w, &r, &e));
    ck_assert_int_eq(e.code, ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(e.text, key));
    CHECK(seen_error(&w.seen, "first") && !seen_error(&w.seen, "second"));
    CHECK(!is_there(&r, "first"));
    CHECK(is_there(&r, "second") && r.result.files_restored == 1);
}
END

TEST(of_a_lost_pack_the_files_are_named_and_the_others_restored)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;
    char key[128];

    two_packs(&w, key);
    CHECK_OK(store_remove(w.store, key, e));
    restoring_init(&r, &w);
    CHECK_ERR(restore(&w, &r, e), ERR_CORRUPT);
    CHECK(seen_error(&w.seen, "first") && is_there(&r, "second"));
}
END

TEST(a_name_of_a_damaged_file_is_not_linked_to_what_was_there_before)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;
    char key[128];

    two_packs(&w, key);
    object_damage(w.store, key, 1000);
    restoring_init(&r, &w);
    file_put_text(path_in(r.to.path, "first"), "of the target");
    CHECK_ERR(restore(&w, &r, e), ERR_CORRUPT);
    check_text(&r, "first", "of the target");
    CHECK(!is_there(&r, "linked"));
    CHECK(r.result.errors == 2 && seen_error(&w.seen, "linked"));
}
END

TEST(a_damaged_directory_is_named_and_the_others_restored)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;
    char key[128];
    struct hash good;

    world_init(&w);
    make_sources(&w);
    clock_ahead();
    back_up(&w);
    good = w.result.snapshot;
    /* The trees of this backup, but not that of "b", go to a pack of their own. */
    file_put_text(path_in(w.dir.path, "a/deep/new"), "x");
    const size_t before = object_count(w.store, "packs/");
    char old[8][128];

    for (size_t i = 0; i < before; i++)
        object_name(w.store, "packs/", i, old[i]);
    back_up(&w);
    CHECK_OK(repo_load_index(w.repo, e));
    AUTO(snapshot) struct snapshot *s = NULL;

    CHECK_OK(snapshot_load(w.repo, &good, &s, e));
    AUTO(reader) struct reader *rd = reader_new(w.repo);
    AUTO(buf) struct buf keep = {0};
    struct entry en;
    struct place at;

    CHECK_OK(tree_find(rd, &s->tree, path_in(w.dir.path, "b"), &keep, &en, e));
    CHECK(repo_find(w.repo, &en.subtree, &at));
    pack_key(&index_pack_at(w.repo->index, index_frame_at(w.repo->index, at.frame)->pack)->id, key);
    object_damage(w.store, key, 150);
    restoring_init(&r, &w);
    r.o.delete_extra = true;
    CHECK(mkdir(path_in(r.to.path, "b"), 0755) == 0);
    file_put_text(path_in(r.to.path, "b/kept"), "x");
    CHECK_ERR(restore(&w, &r, e), ERR_CORRUPT);
    CHECK(r.result.errors == 1 && seen_error(&w.seen, "b"));
    CHECK(is_there(&r, "b/kept") && is_there(&r, "a/deep/new") && is_there(&r, "top.c"));
}
END

static void cancel_after(void *arg, const char *action, const char *path, uint64_t size)
{
    (void)action;
    (void)path;
    (void)size;
    if (--*(int *)arg == 0)
        cancel_request();
}

TEST(a_cancelled_restore_leaves_no_half_files)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;
    int left = 20;
    struct report report = {.arg = &left, .item = cancel_after};

    world_init(&w);
    for (int i = 0; i < 60; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "%02d", i);
        file_put(path_in(w.dir.path, name), (uint64_t)i, 700000);
    }
    back_up(&w);
    restoring_init(&r, &w);
    CHECK_ERR(restore_run(w.repo, &r.o, &report, &r.result, e), ERR_CANCELLED);
    ck_assert_uint_eq(tree_count(r.to.path), r.result.files_restored);
    for (int i = 0; i < 60; i++) {
        char name[16];
        struct stat st;

        (void)snprintf(name, sizeof(name), "%02d", i);
        CHECK(stat(path_in(r.to.path, name), &st) != 0 || st.st_size == 700000);
    }
}
END

/* Snapshots made by hand */

/* A root tree of n files, each made of chunk i and chunk n + i of 1,000 bytes. */
static struct hash interleaved(struct repo *r, size_t n)
{
    AUTO(buf) struct buf page = {0};

    (void)chunks_store(r, 0, n, 1000, 100);
    (void)chunks_store(r, n, n, 1000, 100);
    page_begin(&page, PAGE_ENTRIES);
    for (size_t i = 0; i < n; i++) {
        char name[24];
        const struct hash content[] = {chunk_number_id(r, i, 1000),
                                       chunk_number_id(r, n + i, 1000)};
        struct entry en = {.type = ENTRY_FILE,
                           .mode = 0640,
                           .uid = geteuid(),
                           .gid = getegid(),
                           .mtime_ns = (int64_t)i * NS_PER_S + 7,
                           .size = 2000,
                           .content = SLICE_OF(content, sizeof(content))};

        (void)snprintf(name, sizeof(name), "%05zu", i);
        en.name = slice_string(name);
        entry_encode(&en, &page);
    }
    page_finish(&page, (uint32_t)n);
    return chunk_store(r, CHUNK_TREE, buf_slice(&page));
}

static void check_interleaved(const struct restoring *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        AUTO(buf) struct buf got = {0};
        const struct slice a = chunk_bytes(i, 1000), b = chunk_bytes(n + i, 1000);
        char name[24];
        struct stat st;

        (void)snprintf(name, sizeof(name), "%05zu", i);
        file_take(path_in(r->to.path, name), &got);
        CHECK(got.size == 2000 && memcmp(got.data, a.data, 1000) == 0);
        CHECK(memcmp(got.data + 1000, b.data, 1000) == 0);
        CHECK(stat(path_in(r->to.path, name), &st) == 0 && st.st_mtim.tv_sec == (time_t)i);
        CHECK(st.st_mtim.tv_nsec == 7 && (st.st_mode & 07777) == 0640);
        mem_free((void *)(uintptr_t)a.data);
        mem_free((void *)(uintptr_t)b.data);
    }
}

TEST(more_half_written_files_than_may_be_open_are_right)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r = {0};
    AUTO(snapshot) struct snapshot *s = snapshot_new();
    const struct rlimit few = {800, 800};

    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    world_init(&w);
    s->tree = interleaved(w.repo, 1500);
    scratch_init(&r.to);
    r.o = (struct restore_options){.snapshot = s, .target = r.to.path, .verify = true};
    CHECK_OK(restore(&w, &r, e));
    CHECK(r.result.files_restored == 1500 && r.result.errors == 0);
    check_interleaved(&r, 1500);
    /* And when each replaces a file. */
    CHECK_OK(restore(&w, &r, e));
    ck_assert_uint_eq(tree_count(r.to.path), 1500);
    check_interleaved(&r, 1500);
}
END

TEST(a_file_whose_chunks_are_not_as_long_as_its_size_is_damage)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r = {0};
    AUTO(snapshot) struct snapshot *s = snapshot_new();
    AUTO(buf) struct buf page = {0};
    struct hash id;
    struct entry en = {.type = ENTRY_FILE, .name = slice_string("f"), .size = 1001};

    world_init(&w);
    (void)chunks_store(w.repo, 0, 1, 1000, 1);
    id = chunk_number_id(w.repo, 0, 1000);
    en.content = SLICE_OF(id.bytes, HASH_SIZE);
    page_begin(&page, PAGE_ENTRIES);
    entry_encode(&en, &page);
    page_finish(&page, 1);
    s->tree = chunk_store(w.repo, CHUNK_TREE, buf_slice(&page));
    scratch_init(&r.to);
    r.o = (struct restore_options){.snapshot = s, .target = r.to.path};
    CHECK_ERR(restore(&w, &r, e), ERR_CORRUPT);
    CHECK(seen_error(&w.seen, "f") && !is_there(&r, "f"));
}
END

TEST(nothing_is_deleted_when_only_part_of_a_directory_can_be_read)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r = {0};
    AUTO(snapshot) struct snapshot *s = snapshot_new();
    AUTO(buf) struct buf page = {0};
    const struct entry en = {.type = ENTRY_FILE, .name = slice_string("f")};

    world_init(&w);
    page_begin(&page, PAGE_ENTRIES);
    entry_encode(&en, &page);
    page_finish(&page, 1);
    const struct hash pages[] = {chunk_store(w.repo, CHUNK_TREE, buf_slice(&page)), {{1}}};

    page_begin(&page, PAGE_PAGES);
    buf_append(&page, pages, sizeof(pages));
    page_finish(&page, 2);
    s->tree = chunk_store(w.repo, CHUNK_TREE, buf_slice(&page));
    scratch_init(&r.to);
    file_put_text(path_in(r.to.path, "extra"), "x");
    r.o = (struct restore_options){.snapshot = s, .target = r.to.path, .delete_extra = true};
    CHECK_ERR(restore(&w, &r, e), ERR_CORRUPT);
    CHECK(is_there(&r, "extra") && is_there(&r, "f") && r.result.files_restored == 1);
}
END

/* The trees of directories "d/d/d/...", depth of them, with a file at the bottom. */
static struct hash nested(struct repo *r, size_t depth)
{
    AUTO(writer) struct writer *w = NULL;
    struct receiver v = {0};
    const struct writer_options o = options_to(&v);
    struct writer_stats stats;
    struct hash tree;

    CHECK_OK(writer_open(r, &o, &w, e));
    for (size_t i = 0; i <= depth; i++) {
        AUTO(buf) struct buf page = {0};
        struct entry en = {.type = ENTRY_DIRECTORY, .name = slice_string("d"), .mode = 0755};

        if (i == 0)
            en = (struct entry){.type = ENTRY_FILE, .name = slice_string("bottom")};
        else
            en.subtree = tree;
        page_begin(&page, PAGE_ENTRIES);
        entry_encode(&en, &page);
        page_finish(&page, 1);
        CHECK_OK(writer_put_tree(w, CHUNK_TREE, buf_slice(&page), &tree, e));
    }
    CHECK_OK(writer_finish(w, &stats, e));
    repo_drop_index(r);
    CHECK_OK(repo_load_index(r, e));
    return tree;
}

/* What is too deep for nftw(). */
static void remove_nested(const char *path)
{
    const struct target_options o = {0};
    AUTO(target) struct target *t = NULL;

    CHECK_OK(target_open(path, &o, &t, e));
    CHECK_OK(target_remove(t, "d", e));
}

TEST(directories_nested_deeper_than_any_path_come_back)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r = {0};
    AUTO(snapshot) struct snapshot *s = snapshot_new();

    world_init(&w);
    s->tree = nested(w.repo, 2500);
    scratch_init(&r.to);
    r.o = (struct restore_options){.snapshot = s, .target = r.to.path};
    CHECK_OK(restore(&w, &r, e));
    CHECK(r.result.errors == 0 && r.result.files_restored == 1);
    ck_assert_uint_eq(r.result.warnings, 0);
    CHECK(chdir(r.to.path) == 0);
    for (int i = 0; i < 2500; i++)
        CHECK(chdir("d") == 0);
    CHECK(access("bottom", F_OK) == 0 && chdir("/") == 0);
    w.path = r.to.path;
    back_up(&w);
    ck_assert_uint_eq(w.result.errors, 0);
    remove_nested(r.to.path);
}
END

TESTS("restore", everything_is_counted, a_directory_of_the_snapshot_becomes_the_target,
      a_file_of_the_snapshot_goes_into_the_target, a_target_that_is_not_there_is_made,
      only_what_is_included_comes_back_with_the_directories_above,
      an_included_directory_comes_back_whole, what_is_excluded_does_not_come_back,
      always_overwrites_everything, if_changed_leaves_what_is_right,
      if_changed_sets_metadata_without_writing, if_newer_keeps_newer_files_of_the_target,
      never_keeps_all_files_of_the_target, a_full_directory_in_the_way_of_a_file_is_named,
      a_file_in_the_way_of_a_directory_gives_way,
      what_the_snapshot_does_not_have_is_deleted_when_asked, what_is_excluded_is_not_deleted,
      with_includes_only_included_directories_are_cleared,
      a_dry_run_changes_nothing_and_tells_what_would_be_done, verify_reads_everything_back,
      verify_finds_a_file_that_was_changed_after_it_was_restored,
      verify_does_not_hold_it_against_files_that_were_to_be_kept,
      of_a_damaged_pack_the_files_are_named_and_the_others_restored,
      of_a_lost_pack_the_files_are_named_and_the_others_restored,
      a_name_of_a_damaged_file_is_not_linked_to_what_was_there_before,
      a_damaged_directory_is_named_and_the_others_restored,
      a_cancelled_restore_leaves_no_half_files, more_half_written_files_than_may_be_open_are_right,
      a_file_whose_chunks_are_not_as_long_as_its_size_is_damage,
      nothing_is_deleted_when_only_part_of_a_directory_can_be_read,
      directories_nested_deeper_than_any_path_come_back)
