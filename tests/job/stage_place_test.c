/*
 * Staging at paths that are no directory or not there, plans, and the folders that trees are built
 * in.
 */
#include "base/cancel.h"
#include "job/stage_world.h"

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

TESTS("stage_place", a_single_file_is_replaced_and_the_former_one_comes_back,
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
