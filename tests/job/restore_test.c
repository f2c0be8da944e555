#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "job/restoring.h"

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
      verify_does_not_hold_it_against_files_that_were_to_be_kept)
