#include <errno.h>
#include <sys/xattr.h>

#include "job/stage_world.h"

TEST(everything_odd_comes_back_exactly_and_what_was_there_goes_back_exactly)
{
    AUTO(site) struct site s;
    AUTO(buf) struct buf before = {0};
    struct stat st, old;

    site_init(&s);
    make_dir(&s, "");
    tree_make(s.path);
    CHECK(chmod(s.path, 0751) == 0 && stat(s.path, &old) == 0);
    site_remember(&s);
    CHECK(rename(in_site(&s, "many"), in_site(&s, "moved")) == 0);
    CHECK(unlink(in_site(&s, "links/file")) == 0 && unlink(in_site(&s, "special/fifo")) == 0);
    put(&s, "links/file", "another");
    CHECK(chmod(s.path, 0700) == 0);
    inventory(&s, &before);
    site_restore(&s);
    check_is_old(&s);
    CHECK(stat(s.path, &st) == 0 && st.st_mode == old.st_mode);
    ck_assert_int_eq(st.st_mtim.tv_nsec, old.st_mtim.tv_nsec);
    CHECK_OK(swap_back(&s.result.swaps, e));
    check_inventory(&s, &before);
    CHECK_OK(stage_remove(staging_of(&s), e));
    check_inventory(&s, &before);
}
END

TEST(what_changed_is_replaced_and_what_did_not_stays_the_same_file)
{
    AUTO(site) struct site s;

    small_init(&s);
    change(&s);
    const uint64_t same = inode_at(in_site(&s, "b/c")), changed = inode_at(in_site(&s, "a"));

    site_restore(&s);
    check_is_old(&s);
    CHECK(inode_at(in_site(&s, "b/c")) == same && inode_at(in_site(&s, "a")) != changed);
    ck_assert_uint_eq(s.result.counts.files_unchanged, 2); /* and the link */
    ck_assert_uint_eq(s.result.counts.files_replaced, 1);
    ck_assert_uint_eq(s.result.counts.files_new, 2);
    ck_assert_uint_eq(s.result.counts.files_removed, 3);
    ck_assert_uint_eq(s.result.counts.files_kept, 0);
    ck_assert_uint_eq(s.result.counts.bytes,
                      strlen("first") + strlen("old d") + strlen("comes back"));
    check_text_at(path_in(staging_of(&s), "site/b/d/under"), "a directory now");
}
END

TEST(the_folder_is_known_before_and_removed_whole)
{
    AUTO(site) struct site s;
    AUTO(mem) char *folder = NULL;

    small_init(&s);
    CHECK_OK(stage_folder(s.path, STAGE_ID, &folder, e));
    ck_assert_str_eq(folder, staging_of(&s));
    CHECK_OK(stage_remove(folder, e));
    site_restore(&s);
    CHECK(is_at(folder));
    CHECK_OK(stage_remove(folder, e));
    CHECK(!is_at(folder));
    check_is_old(&s);
    CHECK_ERR(stage_remove(s.path, e), ERR_USAGE);
}
END

TEST(what_is_excluded_stays_the_same_file_also_where_the_snapshot_has_no_directory)
{
    AUTO(site) struct site s;
    struct stat st;

    small_init(&s);
    CHECK_OK(exclude_add(s.exclude, "cache", e));
    make_dir(&s, "cache");
    make_dir(&s, "cache/empty");
    make_dir(&s, "new");
    make_dir(&s, "new/cache");
    put(&s, "cache/one", "1");
    put(&s, "new/cache/two", "2");
    put(&s, "new/saved", "goes");
    CHECK(symlink("/etc", in_site(&s, "cache/link")) == 0);
    CHECK(chmod(in_site(&s, "new"), 0750) == 0 && chmod(in_site(&s, "cache/empty"), 01777) == 0);
    CHECK(utimensat(AT_FDCWD, in_site(&s, "new"), (struct timespec[]){{1, 2}, {3, 4}}, 0) == 0);
    const uint64_t one = inode_at(in_site(&s, "cache/one")),
                   two = inode_at(in_site(&s, "new/cache/two"));
    const uint64_t link = inode_at(in_site(&s, "cache/link"));

    site_restore(&s);
    ck_assert_uint_eq(s.result.counts.files_kept, 3);
    CHECK(inode_at(in_site(&s, "cache/one")) == one && inode_at(in_site(&s, "cache/link")) == link);
    CHECK(inode_at(in_site(&s, "new/cache/two")) == two && !is_at(in_site(&s, "new/saved")));
    CHECK(stat(in_site(&s, "cache/empty"), &st) == 0 && (st.st_mode & 07777U) == 01777);
    CHECK(stat(in_site(&s, "new"), &st) == 0 && (st.st_mode & 07777U) == 0750);
    CHECK(st.st_mtim.tv_sec == 3 && st.st_mtim.tv_nsec == 4);
    check_text_at(in_site(&s, "a"), "first");
}
END

TEST(what_was_made_after_the_safety_snapshot_is_carried_over)
{
    AUTO(site) struct site s;

    small_init(&s);
    site_secure(&s);
    put(&s, "b/late", "late");
    put(&s, "a", "late too");
    CHECK_OK(site_stage(&s, e));
    CHECK_OK(swap_forward(&s.result.swaps, e));
    check_text_at(in_site(&s, "b/late"), "late");
    check_text_at(in_site(&s, "a"), "first");
    check_text_at(path_in(staging_of(&s), "site/a"), "late too");
    ck_assert_uint_eq(s.result.counts.files_kept, 1);
}
END

TEST(what_nothing_saves_stops_the_restore_where_the_snapshot_has_no_room_for_it)
{
    AUTO(site) struct site s;
    AUTO(buf) struct buf before = {0};

    small_init(&s);
    CHECK_OK(exclude_add(s.exclude, "*.tmp", e));
    CHECK(unlink(in_site(&s, "a")) == 0);
    make_dir(&s, "a");
    put(&s, "a/saved", "yes");
    site_secure(&s);
    CHECK_OK(site_stage(&s, e));
    CHECK_OK(stage_remove(staging_of(&s), e));
    put(&s, "a/b.tmp", "no");
    inventory(&s, &before);
    CHECK_ERR(site_stage(&s, e), ERR_EXISTS);
    check_inventory(&s, &before);
    CHECK(!is_at(staging_of(&s)));
}
END

TEST(files_that_may_have_changed_behind_their_time_are_restored)
{
    AUTO(site) struct site s;
    struct backup_options o;

    small_init(&s);
    const uint64_t same = inode_at(in_site(&s, "b/c"));

    o = options_of(&s.w);
    o.set = &s.set;
    o.force = true;
    clock_set_for_tests(0);
    CHECK_OK(run(&s.w, &o, e));
    CHECK_OK(snapshot_load(s.w.repo, &s.w.result.snapshot, &s.safety, e));
    s.o.safety = s.safety;
    CHECK_OK(site_stage(&s, e));
    CHECK_OK(swap_forward(&s.result.swaps, e));
    check_is_old(&s);
    CHECK(inode_at(in_site(&s, "b/c")) != same);
}
END

TEST(a_file_changed_with_its_old_time_put_back_is_restored)
{
    AUTO(site) struct site s;
    struct stat st;

    small_init(&s);
    site_secure(&s);
    CHECK(stat(in_site(&s, "b/c"), &st) == 0);
    put(&s, "b/c", "SAME");
    CHECK(utimensat(AT_FDCWD, in_site(&s, "b/c"), (struct timespec[]){st.st_atim, st.st_mtim}, 0) ==
          0);
    CHECK_OK(site_stage(&s, e));
    CHECK_OK(swap_forward(&s.result.swaps, e));
    check_text_at(in_site(&s, "b/c"), "same");
    check_is_old(&s);
}
END

TEST(files_that_differ_only_in_content_mode_or_attributes_are_restored)
{
    AUTO(site) struct site s;
    struct stat st;
    const bool has_xattrs =
        setxattr("/tmp", "user.holdfast.none", "", 0, XATTR_REPLACE) == 0 || errno == ENODATA;

    small_init(&s);
    CHECK(stat(in_site(&s, "b/c"), &st) == 0);
    put(&s, "b/c", "SAME");
    CHECK(utimensat(AT_FDCWD, in_site(&s, "b/c"), (struct timespec[]){st.st_atim, st.st_mtim}, 0) ==
          0);
    CHECK(chmod(in_site(&s, "a"), 0600) == 0);
    CHECK(!has_xattrs || setxattr(in_site(&s, "gone/x"), "user.text", "new", 3, 0) == 0);
    CHECK(chmod(in_site(&s, "gone"), 0700) == 0);
    site_restore(&s);
    check_is_old(&s);
    ck_assert_uint_eq(s.result.counts.files_unchanged, has_xattrs ? 2 : 3);
    CHECK(stat(path_in(staging_of(&s), "site/a"), &st) == 0 && (st.st_mode & 07777U) == 0600);
}
END

TEST(names_of_one_file_are_one_file_again_whichever_of_them_are_left)
{
    for (unsigned left = 0; left < 8; left++) {
        AUTO(site) struct site s;
        static const char *const names[] = {"p", "q", "sub/r"};

        site_init(&s);
        make_dir(&s, "");
        make_dir(&s, "sub");
        put(&s, "p", "one file");
        CHECK(link(in_site(&s, "p"), in_site(&s, "q")) == 0);
        CHECK(link(in_site(&s, "p"), in_site(&s, "sub/r")) == 0);
        site_remember(&s);
        for (unsigned i = 0; i < 3; i++)
            CHECK((left >> i & 1) != 0 || unlink(in_site(&s, names[i])) == 0);
        site_restore(&s);
        check_is_old(&s);
    }
}
END

TEST(files_that_became_one_are_several_again)
{
    AUTO(site) struct site s;
    struct stat st;

    small_init(&s);
    CHECK(stat(in_site(&s, "b/c"), &st) == 0);
    put(&s, "b/twin", "same");
    CHECK(utimensat(AT_FDCWD, in_site(&s, "b/twin"), (struct timespec[]){st.st_atim, st.st_mtim},
                    0) == 0);
    site_remember(&s);
    CHECK(unlink(in_site(&s, "b/twin")) == 0 &&
          link(in_site(&s, "b/c"), in_site(&s, "b/twin")) == 0);
    site_restore(&s);
    check_is_old(&s);
    CHECK(inode_at(in_site(&s, "b/c")) != inode_at(in_site(&s, "b/twin")));
}
END

TEST(a_restore_after_a_restore_still_moves_no_data_for_what_is_the_same)
{
    AUTO(site) struct site s;

    small_init(&s);
    site_restore(&s);
    site_remember(&s);
    put(&s, "a", "third");
    s.o.id = "00000000deadbeef";
    site_secure(&s);
    CHECK_OK(site_stage(&s, e));
    CHECK_OK(swap_forward(&s.result.swaps, e));
    check_is_old(&s);
    ck_assert_uint_eq(s.result.counts.files_unchanged, 4);
    ck_assert_uint_eq(s.result.counts.bytes, strlen("first"));
}
END

TEST(names_of_any_bytes_are_restored_kept_and_shared)
{
    static const char *const odd[] = {"new\nline", "\xff\xfe invalid", " ", "\x01", "-rf"};
    AUTO(site) struct site s;
    AUTO(buf) struct buf before = {0};

    site_init(&s);
    make_dir(&s, "");
    for (size_t i = 0; i < 5; i++) {
        make_dir(&s, odd[i]);
        put(&s, path_in(odd[i], odd[i]), "same");
        put(&s, path_in(odd[i], "changes"), "old");
    }
    CHECK_OK(exclude_add(s.exclude, "kept*", e));
    site_remember(&s);
    for (size_t i = 0; i < 5; i++) {
        put(&s, path_in(odd[i], "changes"), "changed");
        put(&s, path_in(odd[i], "kept \n\xc3"), "kept");
    }
    inventory(&s, &before);
    site_restore(&s);
    CHECK(s.result.counts.files_kept == 5 && s.result.counts.files_unchanged == 5);
    for (size_t i = 0; i < 5; i++) {
        check_text_at(in_site(&s, path_in(odd[i], "changes")), "old");
        check_text_at(in_site(&s, path_in(odd[i], odd[i])), "same");
        check_text_at(in_site(&s, path_in(odd[i], "kept \n\xc3")), "kept");
    }
    CHECK_OK(swap_back(&s.result.swaps, e));
    check_inventory(&s, &before);
}
END

TEST(directories_that_their_owner_may_not_write_into_are_restored_and_removed)
{
    AUTO(site) struct site s;
    struct stat st;

    CHECK(geteuid() != 0 || setresuid(65534, 65534, 65534) == 0);
    small_init(&s);
    put(&s, "b/c", "changed");
    CHECK(chmod(in_site(&s, "b"), 0555) == 0 && chmod(in_site(&s, "gone"), 0500) == 0);
    site_restore(&s);
    CHECK(stat(in_site(&s, "b"), &st) == 0 && (st.st_mode & 07777U) == 0755);
    CHECK_OK(stage_remove(staging_of(&s), e));
    CHECK(!is_at(staging_of(&s)));
    check_is_old(&s);
}
END

/* Directories "d" in each other, with a file at the bottom. */
static void make_deep(const struct site *s, int levels)
{
    int fd = open(s->path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    for (int i = 0; i < levels; i++) {
        CHECK(mkdirat(fd, "deep", 0755) == 0);
        const int below = openat(fd, "deep", O_PATH | O_DIRECTORY | O_CLOEXEC);

        CHECK(below >= 0 && close(fd) == 0);
        fd = below;
    }
    CHECK(symlinkat("saved", fd, "saved") == 0 && symlinkat("kept", fd, "kept") == 0);
    CHECK(close(fd) == 0);
}

TEST(a_tree_deeper_than_any_path_is_restored_and_removed)
{
    AUTO(site) struct site s;

    site_init(&s);
    make_dir(&s, "");
    make_deep(&s, 1200);
    CHECK_OK(exclude_add(s.exclude, "kept", e));
    site_remember(&s);
    site_restore(&s);
    CHECK(s.result.counts.files_unchanged == 1 && s.result.counts.files_kept == 1);
    CHECK_OK(stage_remove(staging_of(&s), e));
    CHECK(!is_at(staging_of(&s)));
    CHECK_OK(tree_remove(AT_FDCWD, s.path, e));
}
END

TESTS("stage_tree", everything_odd_comes_back_exactly_and_what_was_there_goes_back_exactly,
      what_changed_is_replaced_and_what_did_not_stays_the_same_file,
      the_folder_is_known_before_and_removed_whole,
      what_is_excluded_stays_the_same_file_also_where_the_snapshot_has_no_directory,
      what_was_made_after_the_safety_snapshot_is_carried_over,
      what_nothing_saves_stops_the_restore_where_the_snapshot_has_no_room_for_it,
      files_that_may_have_changed_behind_their_time_are_restored,
      a_file_changed_with_its_old_time_put_back_is_restored,
      files_that_differ_only_in_content_mode_or_attributes_are_restored,
      names_of_one_file_are_one_file_again_whichever_of_them_are_left,
      files_that_became_one_are_several_again,
      a_restore_after_a_restore_still_moves_no_data_for_what_is_the_same,
      names_of_any_bytes_are_restored_kept_and_shared,
      directories_that_their_owner_may_not_write_into_are_restored_and_removed,
      a_tree_deeper_than_any_path_is_restored_and_removed)
