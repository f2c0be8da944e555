#include "support/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

/* A new directory; the tests run in processes of their own, so one per process will do. */
static char root_path[] = "/tmp/holdfast-file-XXXXXX";

static int root_open(void)
{
    int fd = -1;

    CHECK(mkdtemp(root_path) != NULL);
    CHECK_OK(dir_open(root_path, &fd, e));
    return fd;
}

/* Remove name below dirfd with everything in it. */
static void remove_tree(int dirfd, const char *name)
{
    if (unlinkat(dirfd, name, 0) == 0)
        return;

    const int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    DIR *d = fdopendir(fd);

    CHECK(d != NULL);
    for (const struct dirent *entry = readdir(d); entry != NULL; entry = readdir(d))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_tree(fd, entry->d_name);
    closedir(d);
    CHECK(unlinkat(dirfd, name, AT_REMOVEDIR) == 0);
}

/* The end of AUTO(root): closes the directory of root_open() and removes it. */
static void root_auto(int *fd)
{
    remove_tree(AT_FDCWD, root_path);
    fd_auto(fd);
}

static struct stat stat_of(int dirfd, const char *name)
{
    struct stat st = {0};

    CHECK(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
    return st;
}

static void create(int root, const char *name)
{
    AUTO(fd) int fd = -1;

    CHECK_OK(beneath_create(root, name, &fd, e));
}

TEST(bytes_written_at_offsets_read_back_up_to_the_end)
{
    AUTO(root) int root = root_open();
    AUTO(fd) int fd = -1;
    char bytes[16] = {0};
    size_t got = 0;

    CHECK_OK(beneath_create(root, "f", &fd, e));
    CHECK_OK(fd_write(fd, slice_string("hello"), e));
    CHECK_OK(fd_write_at(fd, 3, slice_string("p me"), e));
    CHECK_OK(fd_read_at(fd, 1, bytes, sizeof(bytes), &got, e));
    ck_assert_uint_eq(got, 6);
    ck_assert_str_eq(bytes, "elp me");
    CHECK_OK(fd_read(fd, bytes, 3, &got, e));
    ck_assert_uint_eq(got, 2);
    CHECK_OK(fd_close(&fd, "f", e));
    CHECK(fd == -1);
}

TEST(short_reads_from_a_pipe_are_put_together)
{
    int ends[2];
    char bytes[8] = {0};
    size_t got = 0;

    CHECK(pipe(ends) == 0);
    if (fork() == 0) {
        for (int i = 0; i < 4; i++)
            CHECK_OK(fd_write(ends[1], slice_string("ab"), e));
        _exit(0);
    }
    close(ends[1]);
    CHECK_OK(fd_read(ends[0], bytes, sizeof(bytes), &got, e));
    CHECK(got == 8 && memcmp(bytes, "abababab", 8) == 0);
}

TEST(a_full_device_and_a_size_limit_are_errors)
{
    AUTO(root) int root = root_open();
    AUTO(fd) int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    AUTO(fd) int fd = -1;
    const struct rlimit limit = {100, 100};
    struct err full_error = {0};

    CHECK(!fd_write(full, slice_string("x"), &full_error));
    CHECK(full_error.code == ERR_FATAL);
    ck_assert_str_eq(full_error.text, "write: No space left on device");

    signal(SIGXFSZ, SIG_IGN);
    CHECK_OK(beneath_create(root, "f", &fd, e));
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK_ERR(fd_write(fd, SLICE_OF(root_path, 20), e) &&
                  fd_write_at(fd, 90, SLICE_OF(root_path, 20), e),
              ERR_FATAL);
    ck_assert_int_eq(stat_of(root, "f").st_size, 100);
}

TEST(descriptors_that_are_not_open_are_errors)
{
    size_t got = 0;
    char byte = 0;
    int fd = 1000;

    CHECK_ERR(fd_read(fd, &byte, 1, &got, e), ERR_FATAL);
    CHECK_ERR(fd_read_at(fd, 0, &byte, 1, &got, e), ERR_FATAL);
    CHECK_ERR(fd_close(&fd, "f", e), ERR_FATAL);
    CHECK(fd == -1);
}

TEST(file_read_appends_up_to_its_limit)
{
    AUTO(root) int root = root_open();
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf out = {0};
    AUTO(fd) int fd = -1;
    AUTO(mem) char *bytes = mem_new(200000);

    buf_printf(&path, "%s/f", root_path);
    CHECK_OK(beneath_create(root, "f", &fd, e));
    CHECK_OK(fd_write(fd, SLICE_OF(bytes, 200000), e));
    buf_append(&out, "<", 1);
    CHECK_ERR(file_read(buf_string(&path), 199999, &out, e), ERR_CORRUPT);
    ck_assert_uint_eq(out.size, 1);
    CHECK_OK(file_read(buf_string(&path), 200000, &out, e));
    ck_assert_uint_eq(out.size, 200001);
    CHECK_ERR(file_read("/nonexistent/file", 10, &out, e), ERR_NOT_FOUND);
    CHECK_ERR(file_read(root_path, 10, &out, e), ERR_FATAL);
    ck_assert_uint_eq(out.size, 200001);
}

TEST(dir_make_all_makes_what_is_missing_and_accepts_what_is_there)
{
    AUTO(root) int root = root_open();
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s/a//b/c/", root_path);
    CHECK_OK(dir_make_all(buf_string(&path), 0700, e));
    CHECK_OK(dir_make_all(buf_string(&path), 0700, e));
    CHECK(S_ISDIR(stat_of(root, "a/b/c").st_mode));
    CHECK(chdir(root_path) == 0);
    CHECK_OK(dir_make_all("x/y", 0700, e));
    CHECK_OK(dir_make_all(".", 0700, e));
    CHECK(S_ISDIR(stat_of(root, "x/y").st_mode));
}

TEST(dir_make_all_does_not_take_a_file_for_a_directory)
{
    AUTO(root) int root = root_open();

    create(root, "f");
    CHECK(chdir(root_path) == 0);
    CHECK_ERR(dir_make_all("f", 0700, e), ERR_EXISTS);
    CHECK_ERR(dir_make_all("f/g", 0700, e), ERR_EXISTS);
    CHECK_ERR(dir_make_all("", 0700, e), ERR_NOT_FOUND);
}

TEST(an_unnamed_file_reads_back_and_leaves_its_folder_empty)
{
    AUTO(fd) int fd = -1;
    struct stat st = {0};
    char bytes[4] = "";
    size_t got = 0;

    CHECK(mkdtemp(root_path) != NULL);
    CHECK_OK(file_unnamed(root_path, &fd, e));
    CHECK_OK(fd_write(fd, SLICE_OF("abcd", 4), e));
    CHECK_OK(fd_sync(fd, "it", e));
    CHECK_OK(fd_read_at(fd, 0, bytes, sizeof(bytes), &got, e));
    CHECK(got == 4 && memcmp(bytes, "abcd", 4) == 0);
    CHECK(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0600 && st.st_nlink == 0);
    CHECK(rmdir(root_path) == 0); /* only an empty one can be removed */
    CHECK_ERR(file_unnamed(root_path, &fd, e), ERR_NOT_FOUND);
    CHECK_ERR(fd_sync(-1, "nothing", e), ERR_FATAL);
}

TEST(removing_what_is_not_there_succeeds)
{
    AUTO(root) int root = root_open();

    CHECK_OK(file_remove(root, "f", e));
    CHECK_OK(dir_remove(root, "d", e));
    CHECK_OK(beneath_mkdir(root, "d", 0700, e));
    create(root, "d/f");
    CHECK_ERR(file_remove(root, "d", e), ERR_FATAL);
    CHECK_ERR(dir_remove(root, "d", e), ERR_FATAL);
    CHECK_OK(file_remove(root, "d/f", e));
    CHECK_OK(dir_remove(root, "d", e));
    CHECK(faccessat(root, "d", F_OK, 0) < 0);
}

/* No call of file.h may reach path. */
static void check_unreachable(int root, const char *path)
{
    AUTO(fd) int fd = -1;

    CHECK_ERR(beneath_create(root, path, &fd, e), ERR_DENIED);
    CHECK_ERR(beneath_mkdir(root, path, 0700, e), ERR_DENIED);
    CHECK_ERR(beneath_symlink(root, path, "t", e), ERR_DENIED);
    CHECK_ERR(beneath_mknod(root, path, S_IFIFO | 0600, 0, e), ERR_DENIED);
    CHECK_ERR(beneath_link(root, "f", root, path, e), ERR_DENIED);
    CHECK_ERR(beneath_link(root, path, root, "g", e), ERR_DENIED);
    CHECK_ERR(beneath_rename(root, "f", path, e), ERR_DENIED);
    CHECK_ERR(at_set_mode(root, path, 0777, e), ERR_DENIED);
    CHECK_ERR(at_set_owner(root, path, getuid(), getgid(), e), ERR_DENIED);
    CHECK_ERR(at_set_mtime(root, path, 0, e), ERR_DENIED);
    CHECK_ERR(at_set_xattr(root, path, "user.x", slice_string("v"), e), ERR_DENIED);
}

TEST(nothing_is_reached_outside_the_root_or_through_a_link)
{
    AUTO(root) int root = root_open();
    AUTO(fd) int inner = -1;
    int unused = -1;

    create(root, "f");
    CHECK_OK(beneath_mkdir(root, "in", 0700, e));
    CHECK_OK(beneath_mkdir(root, "out", 0700, e));
    CHECK_OK(beneath_symlink(root, "in/up", "../out", e));
    CHECK_OK(beneath_symlink(root, "in/abs", "/tmp", e));
    CHECK_OK(beneath_open_dir(root, "in", &inner, e));
    create(inner, "f");
    check_unreachable(root, "in/up/x");
    check_unreachable(inner, "../out/x");
    check_unreachable(inner, "up/x");
    check_unreachable(inner, "abs/x");
    check_unreachable(inner, "/tmp/holdfast-x");
    check_unreachable(inner, "/proc/self/cwd/holdfast-x");
    CHECK_ERR(beneath_open_dir(inner, "..", &unused, e), ERR_DENIED);
    CHECK_ERR(beneath_open_dir(inner, "/", &unused, e), ERR_DENIED);
    CHECK_ERR(beneath_open_dir(inner, "up", &unused, e), ERR_DENIED);
    CHECK(faccessat(root, "out/x", F_OK, 0) < 0);
    CHECK(unused == -1);
}

TEST(a_name_must_be_a_name)
{
    static const char *const names[] = {"", ".", "..", "d/", "d/.", "d/.."};
    AUTO(root) int root = root_open();

    CHECK_OK(beneath_mkdir(root, "d", 0700, e));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        CHECK_ERR(beneath_mkdir(root, names[i], 0700, e), ERR_DENIED);
        CHECK_ERR(at_set_mode(root, names[i], 0777, e), ERR_DENIED);
    }
}

TEST(a_dangling_link_in_place_of_a_new_file_is_not_followed)
{
    AUTO(root) int root = root_open();
    AUTO(fd) int fd = -1;

    CHECK_OK(beneath_symlink(root, "link", "target", e));
    CHECK_ERR(beneath_create(root, "link", &fd, e), ERR_EXISTS);
    CHECK(faccessat(root, "target", F_OK, 0) < 0);
}

TEST(beneath_makes_every_kind_of_file)
{
    AUTO(root) int root = root_open();
    AUTO(fd) int same = -1;
    char target[10] = {0};

    CHECK_OK(beneath_open_dir(root, "", &same, e));
    CHECK_OK(beneath_mkdir(same, "d", 0700, e));
    create(root, "d/f");
    CHECK_OK(beneath_link(root, "d/f", root, "hard", e));
    CHECK_OK(beneath_symlink(root, "d/soft", "../gone", e));
    CHECK_OK(beneath_mknod(root, "d/fifo", S_IFIFO | 0600, 0, e));
    CHECK_OK(beneath_rename(root, "hard", "d/moved", e));
    CHECK_ERR(beneath_mkdir(root, "d", 0700, e), ERR_EXISTS);
    CHECK(stat_of(root, "d/f").st_ino == stat_of(root, "d/moved").st_ino);
    CHECK(S_ISFIFO(stat_of(root, "d/fifo").st_mode));
    CHECK(readlinkat(root, "d/soft", target, sizeof(target)) == 7);
    ck_assert_str_eq(target, "../gone");
}

TEST(names_are_exchanged_and_moved_but_never_replaced)
{
    AUTO(root) int root = root_open();
    AUTO(fd) int folder = -1;

    CHECK_OK(beneath_mkdir(root, "d", 0700, e));
    CHECK_OK(beneath_open_dir(root, "d", &folder, e));
    create(root, "a");
    create(folder, "b");

    const struct beneath_name a = {root, "a"}, b = {folder, "b"}, c = {folder, "c"};
    const ino_t first = stat_of(root, "a").st_ino, second = stat_of(root, "d/b").st_ino;

    CHECK_OK(beneath_exchange(&a, &b, e));
    CHECK(stat_of(root, "a").st_ino == second && stat_of(root, "d/b").st_ino == first);
    CHECK_ERR(beneath_move(&a, &b, e), ERR_EXISTS);
    CHECK_OK(beneath_move(&a, &c, e));
    CHECK(stat_of(root, "d/c").st_ino == second);
    CHECK_ERR(beneath_exchange(&a, &b, e), ERR_NOT_FOUND);
    CHECK_ERR(beneath_move(&a, &c, e), ERR_NOT_FOUND);
}

TEST(names_of_255_bytes_work_and_longer_ones_are_errors)
{
    AUTO(root) int root = root_open();
    AUTO(fd) int fd = -1;
    char name[257] = {0};

    memset(name, 'n', 255);
    create(root, name);
    CHECK_OK(at_set_mode(root, name, 0640, e));
    CHECK_OK(at_set_mtime(root, name, -1, e));
    ck_assert_int_eq(stat_of(root, name).st_mode & 07777, 0640);
    name[255] = 'n';
    CHECK_ERR(beneath_create(root, name, &fd, e), ERR_FATAL);
    CHECK_ERR(beneath_mkdir(root, name, 0700, e), ERR_FATAL);
}

TEST(metadata_is_set_on_the_open_file)
{
    AUTO(root) int root = root_open();
    AUTO(fd) int fd = -1;
    const int64_t mtime_ns = -5 * NS_PER_S - 1;

    CHECK_OK(beneath_create(root, "f", &fd, e));
    CHECK_OK(fd_set_size(fd, 12345, e));
    CHECK_OK(fd_set_owner(fd, getuid(), getgid(), e));
    CHECK_OK(fd_set_mode(fd, 0751, e));
    CHECK_OK(fd_set_mtime(fd, mtime_ns, e));

    const struct stat st = stat_of(root, "f");

    CHECK(st.st_size == 12345 && (st.st_mode & 07777) == 0751);
    CHECK(clock_from_timespec(st.st_mtim) == mtime_ns);
    CHECK_ERR(fd_set_size(fd, UINT64_MAX, e), ERR_FATAL);
    CHECK_ERR(fd_set_xattr(fd, "nonsense", slice_string("v"), e), ERR_FATAL);
}

TEST(metadata_is_set_on_a_link_and_not_on_its_target)
{
    AUTO(root) int root = root_open();

    create(root, "f");
    CHECK_OK(beneath_mkdir(root, "d", 0700, e));
    CHECK_OK(beneath_symlink(root, "d/link", "../f", e));

    const struct stat before = stat_of(root, "f");

    CHECK_OK(at_set_mtime(root, "d/link", 7, e));
    CHECK_OK(at_set_owner(root, "d/link", getuid(), getgid(), e));
    CHECK(clock_from_timespec(stat_of(root, "d/link").st_mtim) == 7);
    CHECK(clock_from_timespec(stat_of(root, "f").st_mtim) == clock_from_timespec(before.st_mtim));
    CHECK_ERR(at_set_mode(root, "d/link", 0777, e), ERR_FATAL);
    CHECK(stat_of(root, "f").st_mode == before.st_mode);
}

TEST(extended_attributes_are_set_by_name)
{
    AUTO(root) int root = root_open();
    AUTO(fd) int fd = -1;
    char value[10] = {0};

    CHECK_OK(beneath_create(root, "f", &fd, e));
    if (fsetxattr(fd, "user.probe", "p", 1, 0) < 0)
        return; /* the file system has none */
    CHECK_OK(fd_set_xattr(fd, "user.one", slice_string("1st"), e));
    CHECK_OK(at_set_xattr(root, "f", "user.two", slice_string("2nd"), e));
    CHECK(fgetxattr(fd, "user.one", value, sizeof(value)) == 3);
    ck_assert_str_eq(value, "1st");
    CHECK(fgetxattr(fd, "user.two", value, sizeof(value)) == 3);
    ck_assert_str_eq(value, "2nd");
}

TESTS("file", bytes_written_at_offsets_read_back_up_to_the_end,
      short_reads_from_a_pipe_are_put_together, a_full_device_and_a_size_limit_are_errors,
      descriptors_that_are_not_open_are_errors, file_read_appends_up_to_its_limit,
      dir_make_all_makes_what_is_missing_and_accepts_what_is_there,
      dir_make_all_does_not_take_a_file_for_a_directory,
      an_unnamed_file_reads_back_and_leaves_its_folder_empty, removing_what_is_not_there_succeeds,
      nothing_is_reached_outside_the_root_or_through_a_link, a_name_must_be_a_name,
      a_dangling_link_in_place_of_a_new_file_is_not_followed, beneath_makes_every_kind_of_file,
      names_are_exchanged_and_moved_but_never_replaced,
      names_of_255_bytes_work_and_longer_ones_are_errors, metadata_is_set_on_the_open_file,
      metadata_is_set_on_a_link_and_not_on_its_target, extended_attributes_are_set_by_name)
