/*
 * Staging where something goes wrong: a full disk, calls that fail, a killed process, damage,
 * mounts, and people who change the tree meanwhile.  Whatever happens, the place has the old tree
 * or the new one, whole, and the way back leads to the old one.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/cancel.h"
#include "job/stage_world.h"
#include "support/shim.h"

#define CALLS_MAX 400

/* Files that stay the same, that change, that go, that are excluded, that come with a restore. */
static void mixed_init(struct site *s)
{
    CHECK(mkdir(s->path, 0755) == 0 || errno == EEXIST);
    make_dir(s, "d");
    make_dir(s, "cache");
    put(s, "same", "same");
    put(s, "d/changes", "old");
    put(s, "d/comes", "comes back");
    file_put(in_site(s, "large"), 7, 300000);
    CHECK(symlink("same", in_site(s, "link")) == 0);
    site_remember(s);
    CHECK_OK(exclude_add(s->exclude, "cache", e));
    put(s, "cache/x", "kept");
    put(s, "d/changes", "new");
    put(s, "goes", "made since");
    file_put(in_site(s, "large"), 8, 200000);
    CHECK(unlink(in_site(s, "d/comes")) == 0);
    site_secure(s);
}

static void check_is_mixed_old(const struct site *s)
{
    check_text_at(in_site(s, "d/changes"), "old");
    check_text_at(in_site(s, "d/comes"), "comes back");
    check_text_at(in_site(s, "cache/x"), "kept");
    CHECK(!is_at(in_site(s, "goes")));
    ck_assert_uint_eq(tree_count(s->path), 8);
}

/* A place for mounts that nobody else sees. */
static void own_mounts(void)
{
    ck_assert_msg(unshare(CLONE_NEWNS) == 0, "needs a mount namespace of its own: %s",
                  strerror(errno));
    CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
}

static void mount_at(const char *path, const char *options)
{
    ck_assert_int_eq(mount("none", path, "tmpfs", 0, options), 0);
}

/* Unmounted at the end of the scope: declared after the site. */
static void mounted_auto(const char **path)
{
    CHECK(umount2(*path, MNT_DETACH) == 0);
}

/* Calls that fail */

static void arm(const char *kind, const char *name, int at)
{
    char text[16];

    CHECK(unsetenv("SHIM_AT") == 0 && unsetenv("SHIM_KILL") == 0);
    CHECK(setenv("SHIM_CALL", kind, 1) == 0 && setenv("SHIM_ERRNO", "28", 1) == 0);
    (void)snprintf(text, sizeof(text), "%d", at);
    CHECK(at == 0 || setenv(name, text, 1) == 0);
    shim_arm();
}

/* Fail one call after the other; returns how many there are. */
static int fail_each(const char *kind)
{
    AUTO(site) struct site s;
    AUTO(buf) struct buf before = {0};

    site_init(&s);
    mixed_init(&s);
    inventory(&s, &before);
    for (int at = 1; at < CALLS_MAX; at++) {
        struct err why = {0};

        arm(kind, "SHIM_AT", at);
        const bool ok = site_stage(&s, &why);

        arm(kind, "SHIM_AT", 0);
        check_inventory(&s, &before);
        CHECK(ok || why.code != ERR_NONE);
        ck_assert_msg(ok || !is_at(staging_of(&s)) || strstr(why.text, "left over") != NULL, "%s",
                      why.text);
        CHECK_OK(!ok || swap_forward(&s.result.swaps, e));
        if (ok)
            check_is_mixed_old(&s);
        CHECK_OK(!ok || swap_back(&s.result.swaps, e));
        check_inventory(&s, &before);
        CHECK_OK(stage_remove(staging_of(&s), e));
        /* A name that cannot be given is not needed: the file is restored. */
        if (ok && strcmp(kind, "link") != 0)
            return at;
        if (ok && at > 20)
            return at;
    }
    return 0;
}

TEST(a_write_that_fails_leaves_the_present_tree_alone)
{
    ck_assert_int_gt(fail_each("write"), 3);
}
END

TEST(a_sync_that_fails_leaves_the_present_tree_alone)
{
    ck_assert_int_eq(fail_each("fsync"), 2);
}
END

TEST(a_link_that_fails_leaves_the_present_tree_alone)
{
    ck_assert_int_gt(fail_each("link"), 3);
}
END

/* Stage and swap in a child that dies at a call.  What it noted down before it swapped is in the
 * list then.  False when it came to the end. */
static bool dies_at(struct site *s, int at, struct swap_list *noted)
{
    const struct report none = {0};
    uint64_t inodes[2];
    int fds[2], status = 0;

    CHECK(pipe(fds) == 0);
    const pid_t child = fork();

    if (child == 0) {
        struct err e = {0};

        arm("any", "SHIM_KILL", at);
        bool ok = stage_tree(s->w.repo, &s->o, &none, &s->result, &e);
        const struct swap *it = s->result.swaps.items;

        if (ok)
            ok = syscall(SYS_write, fds[1], (uint64_t[]){it->inode, it->old_inode}, 16) == 16 &&
                 swap_forward(&s->result.swaps, &e);
        _exit(ok ? 0 : 1);
    }
    close(fds[1]);
    if (read(fds[0], inodes, sizeof(inodes)) == (ssize_t)sizeof(inodes))
        swap_list_add(noted, s->path, path_in(staging_of(s), "site"), inodes[0], inodes[1]);
    close(fds[0]);
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

TEST(after_a_kill_the_place_is_old_or_new_and_the_old_one_comes_back)
{
    AUTO(site) struct site s;
    AUTO(buf) struct buf before = {0};
    bool has_died = true;
    int at = 1, swapped = 0;

    site_init(&s);
    mixed_init(&s);
    for (; has_died && at < CALLS_MAX; at++) {
        AUTO(swap_list) struct swap_list noted = {0};

        inventory(&s, &before);
        has_died = dies_at(&s, at, &noted);
        if (noted.count == 0 || inode_at(s.path) == noted.items[0].old_inode) {
            check_inventory(&s, &before);
        } else {
            swapped++;
            ck_assert_uint_eq(inode_at(s.path), noted.items[0].inode);
            check_is_mixed_old(&s);
        }
        CHECK_OK(swap_back(&noted, e));
        check_inventory(&s, &before);
        CHECK_OK(stage_remove(staging_of(&s), e));
        CHECK(!is_at(staging_of(&s)));
    }
    CHECK(!has_died && at > 10);
    ck_assert_int_eq(swapped, 3); /* before either of two syncs, and at the end */
}
END

TEST(a_full_disk_fails_the_staging_and_leaves_nothing)
{
    if (geteuid() != 0)
        return;

    AUTO(site) struct site s;
    AUTO(buf) struct buf before = {0};
    struct statvfs disk, after;

    site_init(&s);
    own_mounts();
    AUTO(mounted) const char *mounted = s.w.dir.path;

    mount_at(mounted, "size=700k");
    mixed_init(&s);
    file_put(path_in(s.w.dir.path, "other"), 9, 300000);
    inventory(&s, &before);
    CHECK(statvfs(s.w.dir.path, &disk) == 0);
    struct err why = {0};

    CHECK(!site_stage(&s, &why));
    ck_assert_ptr_nonnull(strstr(why.text, "large"));
    ck_assert_ptr_nonnull(strstr(why.text, strerror(ENOSPC)));
    check_inventory(&s, &before);
    CHECK(!is_at(staging_of(&s)) && statvfs(s.w.dir.path, &after) == 0);
    ck_assert_uint_eq(disk.f_bfree, after.f_bfree);
}
END

/* Interrupted, damaged */

static void cancel_at_item(void *arg, const char *action, const char *path, uint64_t size)
{
    (void)arg;
    (void)path;
    (void)size;
    if (strcmp(action, "restored") == 0)
        cancel_request();
}

TEST(an_interrupted_staging_leaves_nothing)
{
    AUTO(site) struct site s;
    AUTO(buf) struct buf before = {0};
    struct report report = {.item = cancel_at_item};

    site_init(&s);
    mixed_init(&s);
    inventory(&s, &before);
    CHECK_ERR(stage_tree(s.w.repo, &s.o, &report, &s.result, e), ERR_CANCELLED);
    CHECK(!is_at(staging_of(&s)));
    CHECK_ERR(site_stage(&s, e), ERR_CANCELLED);
    CHECK(!is_at(staging_of(&s)));
    check_inventory(&s, &before);
}
END

TEST(a_damaged_file_fails_the_staging_naming_it)
{
    AUTO(site) struct site s;
    AUTO(buf) struct buf byte = {0};
    char key[128];
    struct err why = {0};

    site_init(&s);
    mixed_init(&s);
    for (size_t i = 0; i < object_count(s.w.store, "packs/"); i++) {
        object_name(s.w.store, "packs/", i, key);
        if (store_get(s.w.store, key, 150000, 1, &byte, &why))
            object_damage(s.w.store, key, 150000);
    }
    AUTO(repo) struct repo *again = fixture_open(s.w.store);

    CHECK(!stage_tree(again, &s.o, &s.w.seen.report, &s.result, &why));
    ck_assert_int_eq(why.code, ERR_CORRUPT);
    /* Small files may share the frame. */
    CHECK(strstr(why.text, ": large: ") != NULL || strstr(why.text, ": d/c") != NULL);
    CHECK(!is_at(staging_of(&s)));
    check_text_at(in_site(&s, "d/changes"), "new");
}
END

/* Mounts */

TEST(a_tree_with_a_mount_in_it_is_refused)
{
    if (geteuid() != 0)
        return;

    AUTO(site) struct site s;
    struct stage_counts counts;
    struct err why = {0};

    site_init(&s);
    mixed_init(&s);
    own_mounts();
    AUTO(mounted) const char *mounted = in_site(&s, "cache");

    /* Of the same device: only the kernel knows that it is a mount. */
    CHECK(mount(in_site(&s, "d"), mounted, NULL, MS_BIND, NULL) == 0);
    CHECK(!site_stage(&s, &why));
    CHECK(why.code == ERR_USAGE && strstr(why.text, in_site(&s, "cache")) != NULL);
    CHECK_ERR(stage_plan(s.w.repo, &s.o, &counts, e), ERR_USAGE);
    CHECK(!is_at(staging_of(&s)));
}
END

/* Restore what is mounted at the site: what is in it changes places. */
static void check_mount(struct site *s)
{
    AUTO(buf) struct buf before = {0};
    AUTO(buf) struct buf folder = {0};
    AUTO(mem) char *known = NULL;
    const uint64_t root = inode_at(s->path);

    mixed_init(s);
    make_dir(s, "lost+found");
    const uint64_t lost = inode_at(in_site(s, "lost+found"));

    inventory(s, &before);
    CHECK_OK(stage_folder(s->path, STAGE_ID, &known, e));
    buf_printf(&folder, "%s/" STAGING, s->path);
    ck_assert_str_eq(known, buf_string(&folder));
    CHECK_OK(site_stage(s, e));
    for (int again = 0; again < 2; again++)
        CHECK_OK(swap_forward(&s->result.swaps, e));
    check_text_at(in_site(s, "d/changes"), "old");
    check_text_at(in_site(s, "cache/x"), "kept");
    CHECK(!is_at(in_site(s, "goes")) && inode_at(s->path) == root);
    ck_assert_uint_eq(inode_at(in_site(s, "lost+found")), lost);
    for (int again = 0; again < 2; again++)
        CHECK_OK(swap_back(&s->result.swaps, e));
    CHECK_OK(stage_remove(known, e));
    buf_clear(&folder);
    inventory(s, &folder);
    /* The time of the root itself is that of the last change. */
    ck_assert_str_eq(strchr(buf_string(&folder), '\n'), strchr(buf_string(&before), '\n'));
}

TEST(what_is_mounted_at_the_path_changes_places_one_by_one)
{
    if (geteuid() != 0)
        return;

    AUTO(site) struct site s;

    site_init(&s);
    CHECK(mkdir(s.path, 0755) == 0);
    own_mounts();
    AUTO(mounted) const char *mounted = s.path;

    mount_at(mounted, "size=4m");
    check_mount(&s);
}
END

TEST(what_is_bound_to_the_path_changes_places_one_by_one)
{
    if (geteuid() != 0)
        return;

    AUTO(site) struct site s;

    site_init(&s);
    CHECK(mkdir(s.path, 0755) == 0 && mkdir(path_in(s.w.dir.path, "bound"), 0755) == 0);
    own_mounts();
    AUTO(mounted) const char *mounted = s.path;

    CHECK(mount(path_in(s.w.dir.path, "bound"), mounted, NULL, MS_BIND, NULL) == 0);
    check_mount(&s);
}
END

TEST(a_mounted_file_is_refused)
{
    if (geteuid() != 0)
        return;

    AUTO(site) struct site s;
    AUTO(mem) char *folder = NULL;

    site_init(&s);
    file_put_text(s.path, "1");
    file_put_text(path_in(s.w.dir.path, "2"), "2");
    own_mounts();
    AUTO(mounted) const char *mounted = s.path;

    CHECK(mount(path_in(s.w.dir.path, "2"), mounted, NULL, MS_BIND, NULL) == 0);
    CHECK_ERR(stage_folder(s.path, STAGE_ID, &folder, e), ERR_USAGE);
}
END

/* People */

TEST(a_directory_that_became_a_link_is_not_followed)
{
    AUTO(site) struct site s;
    AUTO(buf) struct buf before = {0};
    AUTO(buf) struct buf after = {0};
    const char *outside;

    site_init(&s);
    mixed_init(&s);
    outside = path_in(s.w.dir.path, "outside");
    CHECK(rename(in_site(&s, "d"), outside) == 0 && symlink(outside, in_site(&s, "d")) == 0);
    CHECK(rename(in_site(&s, "cache"), path_in(outside, "cache")) == 0);
    CHECK(symlink("/etc", in_site(&s, "cache")) == 0);
    file_put_text(path_in(outside, "comes"), "not ours");
    inventory_below(outside, &before);
    CHECK_OK(site_stage(&s, e));
    CHECK_OK(swap_forward(&s.result.swaps, e));
    inventory_below(outside, &after);
    ck_assert_str_eq(buf_string(&before), buf_string(&after));
    check_text_at(in_site(&s, "d/changes"), "old");
    struct stat st;

    CHECK(lstat(in_site(&s, "d"), &st) == 0 && S_ISDIR(st.st_mode));
}
END

/* A server at work: files and directories that no backup saves come and go until it is killed.
 * Without any check, which would write to the pipe that the test itself reports through. */
static void work(const char *directory)
{
    char names[3][40];

    if (chdir(directory) != 0)
        _exit(1);
    for (unsigned i = 0;; i++) {
        (void)snprintf(names[0], sizeof(names[0]), "%u", i % 20);
        (void)snprintf(names[1], sizeof(names[1]), "%u/sub", i % 20);
        (void)snprintf(names[2], sizeof(names[2]), "%u/sub/file", i % 20);
        if (i / 20 % 2 == 0) {
            (void)mkdir(names[0], 0755);
            (void)mkdir(names[1], 0755);
            (void)mkfifo(names[2], 0600);
        } else {
            (void)unlink(names[2]);
            (void)rmdir(names[1]);
            (void)rmdir(names[0]);
        }
    }
}

TEST(what_comes_and_goes_meanwhile_does_no_harm)
{
    AUTO(site) struct site s;

    site_init(&s);
    mixed_init(&s);
    const char *cache = in_site(&s, "cache");
    const pid_t child = fork();

    if (child == 0)
        work(cache);
    for (int i = 0; i < 200; i++) {
        CHECK_OK(site_stage(&s, e));
        CHECK(is_at(path_in(staging_of(&s), "site/cache/x")));
        check_text_at(path_in(staging_of(&s), "site/d/changes"), "old");
        CHECK_OK(stage_remove(staging_of(&s), e));
    }
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
}
END

TEST(new_files_do_not_inherit_what_the_directory_above_gives_to_its_own)
{
    /* A default ACL: user::rwx, user 12345:rwx, group::r-x, mask::rwx, other::--- */
    static const uint8_t acl[] = {2,    0,    0,    0,    1,    0,    7,    0,    0xff, 0xff, 0xff,
                                  0xff, 2,    0,    7,    0,    0x39, 0x30, 0,    0,    4,    0,
                                  5,    0,    0xff, 0xff, 0xff, 0xff, 16,   0,    7,    0,    0xff,
                                  0xff, 0xff, 0xff, 32,   0,    0,    0,    0xff, 0xff, 0xff, 0xff};
    AUTO(site) struct site s;

    site_init(&s);
    mixed_init(&s);
    if (setxattr(s.w.dir.path, "system.posix_acl_default", acl, sizeof(acl), 0) != 0)
        return; /* the file system has none */
    CHECK_OK(site_stage(&s, e));
    CHECK_OK(swap_forward(&s.result.swaps, e));
    ck_assert_int_lt((int)getxattr(in_site(&s, "d/comes"), "system.posix_acl_access", NULL, 0), 0);
    ck_assert_int_lt((int)getxattr(in_site(&s, "d"), "system.posix_acl_default", NULL, 0), 0);
}
END

TESTS("stage_fault", a_write_that_fails_leaves_the_present_tree_alone,
      a_sync_that_fails_leaves_the_present_tree_alone,
      a_link_that_fails_leaves_the_present_tree_alone,
      after_a_kill_the_place_is_old_or_new_and_the_old_one_comes_back,
      a_full_disk_fails_the_staging_and_leaves_nothing, an_interrupted_staging_leaves_nothing,
      a_damaged_file_fails_the_staging_naming_it, a_tree_with_a_mount_in_it_is_refused,
      what_is_mounted_at_the_path_changes_places_one_by_one,
      what_is_bound_to_the_path_changes_places_one_by_one, a_mounted_file_is_refused,
      a_directory_that_became_a_link_is_not_followed, what_comes_and_goes_meanwhile_does_no_harm,
      new_files_do_not_inherit_what_the_directory_above_gives_to_its_own)
