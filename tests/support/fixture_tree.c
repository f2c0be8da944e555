/* Trees with everything odd in them, and whether two are the same. */
#include "support/fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

/* Making one */

#define MUST(call) ck_assert_msg((call) == 0, "%s: %s", #call, strerror(errno))

static void set_mtime(const char *path, int64_t mtime_ns)
{
    const struct timespec t = clock_to_timespec(mtime_ns);
    const struct timespec times[2] = {t, t};

    MUST(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
}

static void make_names(const char *d)
{
    static const char *const names[] = {
        "with space", "new\nline", "\xff\xfe not UTF-8", "back\\slash", "-dash",    "a*[glob]?",
        "...",        "\xc3\xbc",  "'quote\"",           "trailing ",   "\x01\x7f", "~"};
    char longest[256];

    MUST(mkdir(path_in(d, "names"), 0755));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        file_put_text(path_in(path_in(d, "names"), names[i]), names[i]);
    memset(longest, 'n', 255);
    longest[255] = '\0';
    file_put_text(path_in(path_in(d, "names"), longest), "long");
}

static void make_sizes(const char *d)
{
    static const size_t sizes[] = {0, 1, 4095, 65536, (256 << 10) - 1, 256 << 10, 3 << 20};

    MUST(mkdir(path_in(d, "sizes"), 0755));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char name[24];

        (void)snprintf(name, sizeof(name), "%zu", sizes[i]);
        file_put(path_in(path_in(d, "sizes"), name), i, sizes[i]);
    }
}

/* Content at some offsets, holes elsewhere up to size. */
static void make_sparse(const char *path, const off_t *content, size_t count, off_t size)
{
    AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    MUST(ftruncate(fd, size));
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[8192];

        noise_fill((uint64_t)i + 77, bytes, sizeof(bytes));
        CHECK_OK(fd_write_at(fd, (uint64_t)content[i], SLICE_OF(bytes, sizeof(bytes)), e));
    }
}

static void make_holes(const char *d)
{
    MUST(mkdir(path_in(d, "holes"), 0755));
    d = path_in(d, "holes");
    make_sparse(path_in(d, "all"), NULL, 0, 1 << 20);
    make_sparse(path_in(d, "first"), (const off_t[]){1 << 20}, 1, (1 << 20) + 8192);
    make_sparse(path_in(d, "last"), (const off_t[]){0}, 1, 5 << 20);
    make_sparse(path_in(d, "some"), (const off_t[]){0, 65536, 1 << 20}, 3, 2 << 20);
}

static void make_links(const char *d)
{
    char target[3000];

    MUST(mkdir(path_in(d, "links"), 0755));
    d = path_in(d, "links");
    memset(target, 't', sizeof(target) - 1);
    target[sizeof(target) - 1] = '\0';
    file_put_text(path_in(d, "file"), "linked");
    MUST(link(path_in(d, "file"), path_in(d, "again")));
    MUST(mkdir(path_in(d, "other"), 0755));
    MUST(link(path_in(d, "file"), path_in(d, "other/third")));
    MUST(symlink("file", path_in(d, "relative")));
    MUST(symlink("/nowhere/at/all", path_in(d, "dangling")));
    MUST(symlink("..", path_in(d, "up")));
    MUST(symlink(target, path_in(d, "long")));
    MUST(linkat(AT_FDCWD, path_in(d, "relative"), AT_FDCWD, path_in(d, "relative again"), 0));
    set_mtime(path_in(d, "dangling"), 1234567890123456789);
}

static void make_special(const char *d)
{
    MUST(mkdir(path_in(d, "special"), 0755));
    d = path_in(d, "special");
    MUST(mkfifo(path_in(d, "fifo"), 0620));

    AUTO(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    strcpy(at.sun_path, path_in(d, "socket"));
    MUST(bind(fd, (const struct sockaddr *)&at, sizeof(at)));
    if (geteuid() != 0)
        return;
    MUST(mknod(path_in(d, "null"), S_IFCHR | 0666, makedev(1, 3)));
    MUST(mknod(path_in(d, "loop"), S_IFBLK | 0660, makedev(7, 300)));
}

static void set_xattr(const char *path, const char *name, const void *value, size_t size)
{
    if (lsetxattr(path, name, value, size, 0) != 0)
        ck_assert_int_eq(errno, ENOTSUP);
}

static void make_metadata(const char *d)
{
    static const mode_t modes[] = {0000, 0400, 0600, 0755, 04755, 02755, 0777};

    MUST(mkdir(path_in(d, "metadata"), 0755));
    d = path_in(d, "metadata");
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        char name[24];

        (void)snprintf(name, sizeof(name), "mode %o", (unsigned)modes[i]);
        if (modes[i] == 0 && geteuid() != 0)
            continue;
        file_put_text(path_in(d, name), name);
        MUST(chmod(path_in(d, name), modes[i]));
    }
    file_put_text(path_in(d, "attributes"), "x");
    set_xattr(path_in(d, "attributes"), "user.text", "value", 5);
    set_xattr(path_in(d, "attributes"), "user.bytes", "\0\xff\n", 3);
    set_xattr(path_in(d, "attributes"), "user.empty", "", 0);
    MUST(mkdir(path_in(d, "sticky"), 0755));
    MUST(chmod(path_in(d, "sticky"), 01777));
    set_xattr(path_in(d, "sticky"), "user.of.directory", "d", 1);
    file_put_text(path_in(d, "old"), "before 1970");
    set_mtime(path_in(d, "old"), -1234567890987654321);
    file_put_text(path_in(d, "precise"), "time");
    set_mtime(path_in(d, "precise"), 1700000000123456789);
    if (geteuid() != 0)
        return;
    file_put_text(path_in(d, "owned"), "by others");
    MUST(lchown(path_in(d, "owned"), 12345, 54321));
    MUST(symlink("owned", path_in(d, "owned link")));
    MUST(lchown(path_in(d, "owned link"), 1000, 1001));
}

static void make_directories(const char *d)
{
    MUST(mkdir(path_in(d, "empty"), 0711));
    MUST(mkdir(path_in(d, "many"), 0755));
    for (int i = 0; i < 700; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "many/%04d", i);
        file_put_text(path_in(d, name), name);
    }
    MUST(mkdir(path_in(d, "deep"), 0700));
    d = path_in(d, "deep");
    for (int i = 0; i < 40; i++) {
        d = path_in(d, "d");
        MUST(mkdir(d, 0755));
    }
    file_put_text(path_in(d, "bottom"), "down here");
}

/* Leaves first: making an entry changes the time of its directory. */
static int date_directory(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    if (type == FTW_DP)
        set_mtime(path, INT64_C(1600000000000000000) + at->level * INT64_C(1000000001));
    return 0;
}

void tree_make(const char *directory)
{
    make_names(directory);
    make_sizes(directory);
    make_holes(directory);
    make_links(directory);
    make_special(directory);
    make_metadata(directory);
    make_directories(directory);
    MUST(nftw(directory, date_directory, 32, FTW_DEPTH | FTW_PHYS));
}

/* Comparing */

struct file_name {
    dev_t device;
    ino_t inode;
    char *path;
};

struct comparison {
    const char *roots[2];
    struct file_name *names[2]; /* of files with several names */
    size_t counts[2], rooms[2];
    struct buf path; /* below the roots, begins with '/' */
    bool may_share;  /* files may have names elsewhere too */
};

static void comparison_auto(struct comparison *c)
{
    for (int i = 0; i < 2; i++) {
        for (size_t n = 0; n < c->counts[i]; n++)
            mem_free(c->names[i][n].path);
        mem_free(c->names[i]);
    }
    buf_done(&c->path);
}

/* The first path of this file on this side. */
static const char *first_name(struct comparison *c, int side, const struct stat *st)
{
    for (size_t i = 0; i < c->counts[side]; i++)
        if (c->names[side][i].device == st->st_dev && c->names[side][i].inode == st->st_ino)
            return c->names[side][i].path;
    if (c->counts[side] == c->rooms[side]) {
        c->rooms[side] = c->rooms[side] == 0 ? 16 : c->rooms[side] * 2;
        c->names[side] = mem_resize(c->names[side], c->rooms[side], sizeof(struct file_name));
    }
    c->names[side][c->counts[side]++] =
        (struct file_name){st->st_dev, st->st_ino, mem_string(buf_string(&c->path))};
    return buf_string(&c->path);
}

static const char *full_path(struct comparison *c, int side, struct buf *out)
{
    buf_clear(out);
    buf_printf(out, "%s%s", c->roots[side], buf_string(&c->path));
    return buf_string(out);
}

#define SAME(what, a, b)                                                                \
    ck_assert_msg((a) == (b), "%s: %s differs: %lld, %lld", buf_string(&c->path), what, \
                  (long long)(a), (long long)(b))

static void compare_stat(struct comparison *c, const struct stat *a, const struct stat *b)
{
    SAME("mode", a->st_mode, b->st_mode);
    SAME("uid", a->st_uid, b->st_uid);
    SAME("gid", a->st_gid, b->st_gid);
    SAME("mtime", a->st_mtim.tv_sec, b->st_mtim.tv_sec);
    SAME("mtime ns", a->st_mtim.tv_nsec, b->st_mtim.tv_nsec);
    if (!S_ISDIR(a->st_mode) && !c->may_share)
        SAME("links", a->st_nlink, b->st_nlink);
    if (S_ISREG(a->st_mode))
        SAME("size", a->st_size, b->st_size);
    if (S_ISREG(a->st_mode) && a->st_blocks * 512 < a->st_size)
        ck_assert_msg(b->st_blocks * 512 < b->st_size, "%s: no holes", buf_string(&c->path));
    if (S_ISCHR(a->st_mode) || S_ISBLK(a->st_mode))
        SAME("device number", a->st_rdev, b->st_rdev);
}

static size_t xattr_names(const char *path, char *names, size_t room)
{
    const ssize_t size = llistxattr(path, names, room);

    return size < 0 ? 0 : (size_t)size;
}

static void compare_xattrs(struct comparison *c, const char *a, const char *b)
{
    char names[4096], other[4096], value[4096], other_value[4096];
    const size_t size = xattr_names(a, names, sizeof(names));

    SAME("size of attributes' names", size, xattr_names(b, other, sizeof(other)));
    for (size_t at = 0; at < size; at += strlen(names + at) + 1) {
        const ssize_t n = lgetxattr(a, names + at, value, sizeof(value));

        SAME(names + at, n, lgetxattr(b, names + at, other_value, sizeof(other_value)));
        ck_assert_msg(n <= 0 || memcmp(value, other_value, (size_t)n) == 0, "%s: %s differs",
                      buf_string(&c->path), names + at);
    }
}

/* Piece by piece: whole files in memory are pages that the kernel has to find, several for each
 * where a sanitizer keeps a shadow. */
static void compare_content(struct comparison *c, const char *a, const char *b)
{
    uint8_t pieces[2][32 << 10];
    AUTO(fd) int left = -1;
    AUTO(fd) int right = -1;
    size_t got[2] = {1, 1};

    CHECK_OK(file_open(a, &left, e));
    CHECK_OK(file_open(b, &right, e));
    while (got[0] > 0) {
        CHECK_OK(fd_read(left, pieces[0], sizeof(pieces[0]), &got[0], e));
        CHECK_OK(fd_read(right, pieces[1], sizeof(pieces[1]), &got[1], e));
        ck_assert_msg(got[0] == got[1] && memcmp(pieces[0], pieces[1], got[0]) == 0,
                      "%s: content differs", buf_string(&c->path));
    }
}

static void compare_targets(struct comparison *c, const char *a, const char *b)
{
    char left[4097] = "", right[4097] = "";

    ck_assert_int_ge(readlink(a, left, sizeof(left) - 1), 0);
    ck_assert_int_ge(readlink(b, right, sizeof(right) - 1), 0);
    ck_assert_msg(strcmp(left, right) == 0, "%s: target differs", buf_string(&c->path));
}

static void compare_directories(struct comparison *c);

static void compare_entry(struct comparison *c)
{
    AUTO(buf) struct buf left = {0};
    AUTO(buf) struct buf right = {0};
    const char *a = full_path(c, 0, &left), *b = full_path(c, 1, &right);
    struct stat st[2];

    ck_assert_msg(lstat(a, &st[0]) == 0 && lstat(b, &st[1]) == 0, "%s: %s", b, strerror(errno));
    compare_stat(c, &st[0], &st[1]);
    compare_xattrs(c, a, b);
    if (!S_ISDIR(st[0].st_mode) && (st[0].st_nlink > 1 || c->may_share))
        ck_assert_str_eq(first_name(c, 0, &st[0]), first_name(c, 1, &st[1]));
    if (S_ISREG(st[0].st_mode))
        compare_content(c, a, b);
    if (S_ISLNK(st[0].st_mode))
        compare_targets(c, a, b);
    if (S_ISDIR(st[0].st_mode))
        compare_directories(c);
}

static int is_name(const struct dirent *d)
{
    return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

static int order_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void free_names(struct dirent **names, int count)
{
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

static void compare_directories(struct comparison *c)
{
    AUTO(buf) struct buf path = {0};
    const size_t base = c->path.size;
    struct dirent **names[2];
    int counts[2];

    for (int i = 0; i < 2; i++) {
        counts[i] = scandir(full_path(c, i, &path), &names[i], is_name, order_names);
        ck_assert_msg(counts[i] >= 0, "%s: %s", buf_string(&path), strerror(errno));
    }
    for (int i = 0; i < counts[0] || i < counts[1]; i++) {
        const char *a = i < counts[0] ? names[0][i]->d_name : "nothing";
        const char *b = i < counts[1] ? names[1][i]->d_name : "nothing";

        ck_assert_msg(strcmp(a, b) == 0, "%s: \"%s\" wanted, \"%s\" found", buf_string(&c->path), a,
                      b);
        buf_printf(&c->path, "/%s", a);
        compare_entry(c);
        c->path.size = base;
    }
    free_names(names[0], counts[0]);
    free_names(names[1], counts[1]);
}

void tree_compare(const char *wanted, const char *found)
{
    AUTO(comparison) struct comparison c = {.roots = {wanted, found}};

    compare_directories(&c);
}

void tree_compare_shared(const char *wanted, const char *found)
{
    AUTO(comparison) struct comparison c = {.roots = {wanted, found}, .may_share = true};

    compare_directories(&c);
}

static size_t counted;

static int count_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)path;
    (void)st;
    (void)type;
    counted += at->level > 0;
    return 0;
}

size_t tree_count(const char *directory)
{
    counted = 0;
    MUST(nftw(directory, count_one, 32, FTW_PHYS));
    return counted;
}

size_t directory_count(const char *path)
{
    struct dirent **names = NULL;
    const int count = scandir(path, &names, is_name, NULL);

    CHECK(count >= 0);
    free_names(names, count);
    return (size_t)count;
}
