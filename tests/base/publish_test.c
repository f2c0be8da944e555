/*
 * Publication under faults.  The functions below stand in front of those of the C library
 * for this program and fail where a test says so.
 */
#include "support/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

static bool has_no_tmpfile; /* openat() knows no O_TMPFILE */
static bool has_no_link;    /* linkat() fails with EPERM, as on FAT */
static int fsync_to_fail;   /* this call of fsync() fails; 1 is the next */
static int fsync_errno = EIO;
static int fsync_calls;

int fsync(int fd)
{
    fsync_calls++;
    if (fsync_calls == fsync_to_fail) {
        errno = fsync_errno;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    if (has_no_link) {
        errno = EPERM;
        return -1;
    }
    return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

int openat(int dirfd, const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (has_no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_openat, dirfd, path, flags, mode);
}

static char root_path[] = "/tmp/holdfast-publish-XXXXXX";

static int root_open(void)
{
    int fd = -1;

    CHECK(mkdtemp(root_path) != NULL);
    CHECK_OK(dir_open(root_path, &fd, e));
    CHECK_OK(beneath_mkdir(fd, "d", 0700, e));
    CHECK_OK(beneath_mkdir(fd, "tmp", 0700, e));
    return fd;
}

static void root_auto(int *fd)
{
    static const char *const files[] = {"d/name", "d/other"};

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        unlinkat(*fd, files[i], 0);
    unlinkat(*fd, "d/name", AT_REMOVEDIR);
    unlinkat(*fd, "d", AT_REMOVEDIR);
    unlinkat(*fd, "tmp", AT_REMOVEDIR);
    fd_auto(fd);
    CHECK(rmdir(root_path) == 0); /* fails when a test left litter */
}

static bool is_there(int root, const char *name)
{
    return faccessat(root, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void check_holds(int root, const char *name, const char *wanted)
{
    AUTO(fd) int fd = openat(root, name, O_RDONLY | O_CLOEXEC);
    char bytes[100] = {0};
    size_t got = 0;

    CHECK(fd >= 0);
    CHECK_OK(fd_read(fd, bytes, sizeof(bytes) - 1, &got, e));
    ck_assert_str_eq(bytes, wanted);
}

static bool publish(int root, const char *text, struct err *e)
{
    bool is_suspect = false;
    const bool ok = file_publish(root, "d/name", "tmp/draft", slice_string(text), &is_suspect, e);

    CHECK(!is_suspect);
    return ok;
}

/* What must hold however the file system offers to publish. */
static void check_publication(void)
{
    AUTO(root) int root = root_open();
    struct stat st = {0};

    CHECK_OK(publish(root, "first", e));
    CHECK_ERR(publish(root, "second", e), ERR_EXISTS);
    check_holds(root, "d/name", "first");
    CHECK(!is_there(root, "tmp/draft"));
    CHECK(fstatat(root, "d/name", &st, 0) == 0);
    CHECK(st.st_nlink == 1 && (st.st_mode & 07777) == 0600);
    ck_assert_int_eq(fsync_calls, 3); /* file, directory; the refused file */
}

TEST(a_published_name_is_never_replaced)
{
    check_publication();
}

TEST(publication_works_without_unnamed_files)
{
    has_no_tmpfile = true;
    check_publication();
}

TEST(publication_works_without_hard_links)
{
    has_no_tmpfile = true;
    has_no_link = true;
    check_publication();
}

TEST(litter_under_the_temporary_name_is_replaced)
{
    AUTO(root) int root = root_open();
    AUTO(fd) int litter = -1;

    has_no_tmpfile = true;
    CHECK_OK(beneath_create(root, "tmp/draft", &litter, e));
    CHECK_OK(fd_write(litter, slice_string("litter that is longer"), e));
    CHECK_OK(publish(root, "text", e));
    check_holds(root, "d/name", "text");
}

TEST(a_directory_in_place_of_the_file_is_an_error)
{
    AUTO(root) int root = root_open();
    bool is_suspect = false;

    CHECK_OK(beneath_mkdir(root, "d/name", 0700, e));
    CHECK_ERR(publish(root, "x", e), ERR_EXISTS);
    CHECK_ERR(file_publish_replace(root, "d/name", "tmp/draft", slice_string("x"), &is_suspect, e),
              ERR_FATAL);
    CHECK(!is_suspect && !is_there(root, "tmp/draft"));
}

TEST(a_missing_directory_is_not_found)
{
    AUTO(root) int root = root_open();
    bool is_suspect = false;

    CHECK_ERR(file_publish(root, "gone/name", "tmp/draft", slice_string("x"), &is_suspect, e),
              ERR_NOT_FOUND);
    CHECK_ERR(file_publish_replace(root, "d/name", "gone/draft", slice_string("x"), &is_suspect, e),
              ERR_NOT_FOUND);
    CHECK(!is_suspect);
}

TEST(replacing_leaves_the_new_bytes_and_no_draft)
{
    AUTO(root) int root = root_open();
    bool is_suspect = false;

    CHECK_OK(publish(root, "a longer text", e));
    for (int i = 0; i < 2; i++)
        CHECK_OK(
            file_publish_replace(root, "d/name", "tmp/draft", slice_string("new"), &is_suspect, e));
    CHECK_OK(file_publish_replace(root, "d/other", "tmp/draft", slice_string(""), &is_suspect, e));
    check_holds(root, "d/name", "new");
    check_holds(root, "d/other", "");
    CHECK(!is_suspect && !is_there(root, "tmp/draft"));
}

TEST(nothing_is_linked_after_a_failed_fsync_of_the_file)
{
    AUTO(root) int root = root_open();
    bool is_suspect = false;

    for (int named = 0; named < 2; named++) {
        has_no_tmpfile = named != 0;
        is_suspect = false;
        fsync_calls = 0;
        fsync_to_fail = 1;
        CHECK_ERR(file_publish(root, "d/name", "tmp/draft", slice_string("x"), &is_suspect, e),
                  ERR_FATAL);
        CHECK(is_suspect && fsync_calls == 1);
        CHECK(!is_there(root, "d/name") && !is_there(root, "tmp/draft"));
    }
}

TEST(an_interrupted_fsync_is_final_too)
{
    AUTO(root) int root = root_open();
    bool is_suspect = false;

    fsync_to_fail = 1;
    fsync_errno = EINTR;
    CHECK_ERR(file_publish(root, "d/name", "tmp/draft", slice_string("x"), &is_suspect, e),
              ERR_FATAL);
    CHECK(is_suspect && fsync_calls == 1);
}

TEST(a_failed_fsync_of_the_directory_is_suspect)
{
    AUTO(root) int root = root_open();
    bool is_suspect = false;

    fsync_to_fail = 2;
    CHECK_ERR(file_publish(root, "d/name", "tmp/draft", slice_string("x"), &is_suspect, e),
              ERR_FATAL);
    CHECK(is_suspect && fsync_calls == 2);
    is_suspect = false;
    fsync_calls = 0;
    CHECK_ERR(file_publish_replace(root, "d/name", "tmp/draft", slice_string("y"), &is_suspect, e),
              ERR_FATAL);
    CHECK(is_suspect && fsync_calls == 2);
}

TEST(a_file_system_without_fsync_of_directories_is_not_suspect)
{
    AUTO(root) int root = root_open();

    fsync_to_fail = 2;
    fsync_errno = EINVAL;
    CHECK_OK(publish(root, "x", e));
}

TEST(a_replacement_that_fails_leaves_the_old_bytes)
{
    AUTO(root) int root = root_open();
    bool is_suspect = false;

    CHECK_OK(publish(root, "old", e));
    fsync_to_fail = fsync_calls + 1;
    CHECK_ERR(
        file_publish_replace(root, "d/name", "tmp/draft", slice_string("new"), &is_suspect, e),
        ERR_FATAL);
    CHECK(is_suspect && !is_there(root, "tmp/draft"));
    check_holds(root, "d/name", "old");
}

TEST(every_new_directory_is_made_durable_in_its_parent)
{
    AUTO(root) int root = root_open();

    CHECK(fchdir(root) == 0);
    fsync_calls = 0;
    CHECK_OK(dir_make_all("d/name/x/y", 0700, e));
    ck_assert_int_eq(fsync_calls, 3);
    CHECK_OK(dir_make_all("d/name/x/y", 0700, e));
    ck_assert_int_eq(fsync_calls, 3);
    CHECK_OK(dir_remove(root, "d/name/x/y", e));
    fsync_to_fail = 4;
    CHECK_ERR(dir_make_all("d/name/x/y", 0700, e), ERR_FATAL);
    CHECK_OK(dir_remove(root, "d/name/x/y", e));
    CHECK_OK(dir_remove(root, "d/name/x", e));
}

TESTS("publish", a_published_name_is_never_replaced, publication_works_without_unnamed_files,
      publication_works_without_hard_links, litter_under_the_temporary_name_is_replaced,
      a_directory_in_place_of_the_file_is_an_error, a_missing_directory_is_not_found,
      replacing_leaves_the_new_bytes_and_no_draft,
      nothing_is_linked_after_a_failed_fsync_of_the_file, an_interrupted_fsync_is_final_too,
      a_failed_fsync_of_the_directory_is_suspect,
      a_file_system_without_fsync_of_directories_is_not_suspect,
      a_replacement_that_fails_leaves_the_old_bytes,
      every_new_directory_is_made_durable_in_its_parent)
