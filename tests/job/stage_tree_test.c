#include <errno.h>
#include <sys/xattr.h>

#include "base/cancel.h"
#include "job/stage_world.h"

/* "a", "b/c", "b/d", "gone/x" and a link, as the snapshot has them. */
static void small_init(struct site *s)
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
static void change(struct site *s)
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

/* Paths that are no directory, or not there */

TEST(a_single_file_is_replaced_and_the_former_one_comes_back)
{
    AUTO(site) struct site s;
    AUTO(buf) struct buf before = {0};

    site_init(&s);
    file_put_text(s.path, "old");
    CHECK(chmod(s.path, 0640) == 0);
    site_remember(&s);
    site_secure(&s);
    CHECK_OK(site_stage(&s, e));
    CHECK(s.result.swaps.count == 0 && s.result.counts.files_unchanged == 1);
    CHECK_OK(stage_remove(staging_of(&s), e));
    file_put_text(s.path, "changed");
    inventory(&s, &before);
    site_restore(&s);
    check_text_at(s.path, "old");
    CHECK_OK(swap_back(&s.result.swaps, e));
    check_inventory(&s, &before);
}
END

TEST(a_link_is_replaced_by_a_directory_and_nothing_behind_it_is_touched)
{
    AUTO(site) struct site s;
    AUTO(buf) struct buf before = {0};

    small_init(&s);
    CHECK(rename(s.path, path_in(s.w.dir.path, "elsewhere")) == 0);
    CHECK(symlink("elsewhere", s.path) == 0);
    inventory_below(path_in(s.w.dir.path, "elsewhere"), &before);
    site_restore(&s);
    check_is_old(&s);
    struct stat st;

    CHECK(lstat(s.path, &st) == 0 && S_ISDIR(st.st_mode));
    AUTO(buf) struct buf after = {0};

    inventory_below(path_in(s.w.dir.path, "elsewhere"), &after);
    ck_assert_str_eq(buf_string(&before), buf_string(&after));
    CHECK_OK(swap_back(&s.result.swaps, e));
    CHECK(lstat(s.path, &st) == 0 && S_ISLNK(st.st_mode));
}
END

static void cancel_at_item(void *arg, const char *action, const char *path, uint64_t size)
{
    (void)arg;
    (void)action;
    (void)path;
    (void)size;
    cancel_request();
}

TEST(directories_made_above_for_nothing_are_removed)
{
    AUTO(site) struct site s;
    const struct report report = {.item = cancel_at_item};

    small_init(&s);
    (void)snprintf(s.path, sizeof(s.path), "%s/up/er/site", s.w.dir.path);
    CHECK(mkdir(path_in(s.w.dir.path, "up"), 0755) == 0);
    CHECK(mkdir(path_in(s.w.dir.path, "up/er"), 0755) == 0);
    make_dir(&s, "");
    put(&s, "f", "restored before the end");
    site_remember(&s);
    site_secure(&s);
    CHECK_OK(tree_remove(AT_FDCWD, path_in(s.w.dir.path, "up"), e));
    CHECK_ERR(stage_tree(s.w.repo, &s.o, &report, &s.result, e), ERR_CANCELLED);
    CHECK(!is_at(path_in(s.w.dir.path, "up")) && is_at(s.w.dir.path));
}
END

TEST(what_is_missing_now_is_made_with_the_directories_above_it)
{
    AUTO(site) struct site s;
    struct stat st;

    site_init(&s);
    CHECK(mkdir(path_in(s.w.dir.path, "up"), 0710) == 0 &&
          mkdir(path_in(s.w.dir.path, "up/er"), 0701) == 0);
    (void)snprintf(s.path, sizeof(s.path), "%s/up/er/site", s.w.dir.path);
    make_dir(&s, "");
    put(&s, "f", "there again");
    site_remember(&s);
    site_secure(&s);
    CHECK(unlink(in_site(&s, "f")) == 0 && rmdir(s.path) == 0);
    CHECK(rmdir(path_in(s.w.dir.path, "up/er")) == 0 && rmdir(path_in(s.w.dir.path, "up")) == 0);
    CHECK_OK(site_stage(&s, e));
    CHECK_OK(swap_forward(&s.result.swaps, e));
    check_is_old(&s);
    ck_assert_uint_eq(s.result.counts.files_new, 1);
    CHECK(stat(path_in(s.w.dir.path, "up"), &st) == 0 && (st.st_mode & 07777U) == 0710);
    CHECK(stat(path_in(s.w.dir.path, "up/er"), &st) == 0 && (st.st_mode & 07777U) == 0701);
    CHECK_OK(swap_back(&s.result.swaps, e));
    CHECK(!is_at(s.path));
}
END

/* A snapshot of the set that has another path of the source. */
static void remember_other(struct site *s)
{
    const char *other = path_in(s->w.dir.path, "other");

    file_put_text(other, "other");
    s->path_list = other;
    site_remember(s);
    s->path_list = s->path;
}

TEST(what_the_snapshot_does_not_have_is_taken_away_and_comes_back)
{
    AUTO(site) struct site s;
    AUTO(buf) struct buf before = {0};

    small_init(&s);
    remember_other(&s);
    inventory(&s, &before);
    site_restore(&s);
    CHECK(!is_at(s.path));
    ck_assert_uint_eq(s.result.counts.files_removed, 5);
    ck_assert_uint_eq(s.result.swaps.items[0].inode, 0);
    CHECK_OK(swap_back(&s.result.swaps, e));
    check_inventory(&s, &before);
}
END

TEST(what_the_snapshot_does_not_have_leaves_what_nothing_saves)
{
    AUTO(site) struct site s;

    small_init(&s);
    remember_other(&s);
    CHECK_OK(exclude_add(s.exclude, "c", e));
    const uint64_t kept = inode_at(in_site(&s, "b/c"));

    site_restore(&s);
    CHECK(inode_at(in_site(&s, "b/c")) == kept && !is_at(in_site(&s, "a")));
    ck_assert_uint_eq(tree_count(s.path), 2);
}
END

TEST(what_is_nowhere_needs_nothing)
{
    AUTO(site) struct site s;

    small_init(&s);
    remember_other(&s);
    site_secure(&s);
    (void)snprintf(s.path, sizeof(s.path), "%s/no/where", s.w.dir.path);
    CHECK_OK(site_stage(&s, e));
    CHECK(s.result.swaps.count == 0 && !is_at(path_in(s.w.dir.path, "no")));
}
END

TEST(a_source_that_the_snapshot_does_not_have_is_not_taken_away)
{
    AUTO(site) struct site s;
    struct stage_counts counts;

    small_init(&s);
    site_secure(&s);
    s.o.source = "uploads";
    CHECK_ERR(site_stage(&s, e), ERR_NOT_FOUND);
    CHECK_ERR(stage_plan(s.w.repo, &s.o, &counts, e), ERR_NOT_FOUND);
    CHECK(!is_at(staging_of(&s)));
}
END

/* Planning, and folders of ours */

TEST(a_plan_tells_what_the_staging_does_and_touches_nothing)
{
    AUTO(site) struct site s;
    AUTO(buf) struct buf before = {0};
    AUTO(buf) struct buf pattern = {0};
    struct stage_counts plan;

    small_init(&s);
    change(&s);
    buf_printf(&pattern, "%s/b/cache", s.path);
    CHECK_OK(exclude_add(s.exclude, buf_string(&pattern), e));
    CHECK_OK(exclude_add(s.exclude, "site", e));
    make_dir(&s, "b/cache");
    put(&s, "b/cache/x", "kept");
    s.o.exclude = s.exclude;
    inventory(&s, &before);
    CHECK_OK(stage_plan(s.w.repo, &s.o, &plan, e));
    check_inventory(&s, &before);
    CHECK(!is_at(staging_of(&s)));
    site_restore(&s);
    const struct stage_counts *c = &s.result.counts;

    CHECK(plan.files_kept == 1 && c->files_kept == 1 && plan.bytes == c->bytes);
    CHECK(plan.files_new == c->files_new && plan.files_replaced == c->files_replaced);
    CHECK(plan.files_unchanged == c->files_unchanged && plan.files_removed == c->files_removed);
    CHECK(plan.files_removed == 3 && plan.files_new == 2);
}
END

TEST(a_backup_looks_into_no_folder_of_a_restore_but_into_others)
{
    AUTO(site) struct site s;
    AUTO(reader) struct reader *rd = NULL;
    AUTO(buf) struct buf keep = {0};
    struct entry en;
    const char *const there[] = {".holdfast-restore-0123456789abcde",
                                 ".holdfast-restore-0123456789abcdeG", ".holdfast-restore-",
                                 STAGING "0"};

    small_init(&s);
    make_dir(&s, "b/" STAGING);
    put(&s, "b/" STAGING "/f", "ours");
    put(&s, STAGING, "a file");
    for (size_t i = 0; i < 4; i++)
        make_dir(&s, there[i]);
    site_remember(&s);
    CHECK_OK(repo_load_index(s.w.repo, e));
    rd = reader_new(s.w.repo);
    CHECK_ERR(
        tree_find(rd, &s.old->tree, path_in(path_in("files", s.path), "b/" STAGING), &keep, &en, e),
        ERR_NOT_FOUND);
    CHECK_OK(
        tree_find(rd, &s.old->tree, path_in(path_in("files", s.path), STAGING), &keep, &en, e));
    for (size_t i = 0; i < 4; i++)
        CHECK_OK(tree_find(rd, &s.old->tree, path_in(path_in("files", s.path), there[i]), &keep,
                           &en, e));
    ck_assert_uint_eq(s.w.seen.errors, 0);
}
END

TEST(a_folder_that_is_there_already_stays)
{
    AUTO(site) struct site s;

    small_init(&s);
    site_secure(&s);
    CHECK(mkdir(staging_of(&s), 0700) == 0);
    file_put_text(path_in(staging_of(&s), "kept"), "of another run");
    CHECK_ERR(site_stage(&s, e), ERR_EXISTS);
    check_text_at(path_in(staging_of(&s), "kept"), "of another run");
}
END

TEST(a_tree_that_holds_what_another_restore_kept_is_left_alone)
{
    AUTO(site) struct site s;
    struct stage_counts counts;

    small_init(&s);
    make_dir(&s, "b/" TARGET_STAGING "00000000deadbeef");
    site_secure(&s);
    CHECK_ERR(site_stage(&s, e), ERR_EXISTS);
    CHECK_ERR(stage_plan(s.w.repo, &s.o, &counts, e), ERR_EXISTS);
    CHECK(!is_at(staging_of(&s)) && is_at(in_site(&s, "b/" TARGET_STAGING "00000000deadbeef")));
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
      a_tree_deeper_than_any_path_is_restored_and_removed,
      a_single_file_is_replaced_and_the_former_one_comes_back,
      a_link_is_replaced_by_a_directory_and_nothing_behind_it_is_touched,
      directories_made_above_for_nothing_are_removed,
      what_is_missing_now_is_made_with_the_directories_above_it,
      what_the_snapshot_does_not_have_is_taken_away_and_comes_back,
      what_the_snapshot_does_not_have_leaves_what_nothing_saves, what_is_nowhere_needs_nothing,
      a_source_that_the_snapshot_does_not_have_is_not_taken_away,
      a_plan_tells_what_the_staging_does_and_touches_nothing,
      a_backup_looks_into_no_folder_of_a_restore_but_into_others,
      a_folder_that_is_there_already_stays,
      a_tree_that_holds_what_another_restore_kept_is_left_alone)
