/*
 * The part of file.h that restores write through: files, directories and special files
 * below a target, and their metadata.
 *
 * Only openat2() can be told to stay beneath a directory, so every other call is made on
 * the last component alone, against the directory that openat2() opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

static bool open_beneath(int dirfd, const char *path, int flags, int *fd, struct err *e)
{
    const struct open_how how = {
        .flags = (unsigned)(flags | O_CLOEXEC),
        .mode = (flags & O_CREAT) != 0 ? 0600 : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    const long opened = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

    if (opened >= 0) {
        *fd = (int)opened;
        return true;
    }
    if (errno == ELOOP)
        return err_set(e, ERR_DENIED, "open %s: a symbolic link stands in the way", path);
    if (errno == EXDEV)
        return err_set(e, ERR_DENIED, "open %s: leads out of the target", path);
    return err_sys(e, "open %s", path);
}

/* The directory of a name and its last component; fd >= 0 is open and owned. */
struct spot {
    int fd;
    int dirfd; /* fd, or the caller's directory for a name without slashes */
    const char *name;
};

static void spot_auto(struct spot *s)
{
    fd_auto(&s->fd);
}

static bool spot_open(int dirfd, const char *path, struct spot *s, struct err *e)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;

    if (strcmp(name, "") == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return err_set(e, ERR_DENIED, "\"%s\" does not end in a file name", path);
    if (slash == NULL) {
        *s = (struct spot){-1, dirfd, name};
        return true;
    }

    AUTO(buf) struct buf parent = {0};

    buf_append(&parent, path, (size_t)(name - path));
    if (!open_beneath(dirfd, buf_string(&parent), O_PATH | O_DIRECTORY, &s->fd, e))
        return false;
    s->dirfd = s->fd;
    s->name = name;
    return true;
}

bool beneath_open_dir(int root, const char *path, int *fd, struct err *e)
{
    return open_beneath(root, path[0] == '\0' ? "." : path, O_RDONLY | O_DIRECTORY, fd, e);
}

bool beneath_create(int dirfd, const char *name, int *fd, struct err *e)
{
    return open_beneath(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, fd, e);
}

bool beneath_reopen(int dirfd, const char *name, int *fd, struct err *e)
{
    return open_beneath(dirfd, name, O_RDWR | O_NONBLOCK | O_NOCTTY, fd, e);
}

bool beneath_open(int dirfd, const char *name, int *fd, struct err *e)
{
    return open_beneath(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, fd, e);
}

bool beneath_mkdir(int dirfd, const char *name, mode_t mode, struct err *e)
{
    AUTO(spot) struct spot s = {-1, -1, NULL};

    if (!spot_open(dirfd, name, &s, e))
        return false;
    return mkdirat(s.dirfd, s.name, mode) == 0 || err_sys(e, "make directory %s", name);
}

bool beneath_symlink(int dirfd, const char *name, const char *target, struct err *e)
{
    AUTO(spot) struct spot s = {-1, -1, NULL};

    if (!spot_open(dirfd, name, &s, e))
        return false;
    return symlinkat(target, s.dirfd, s.name) == 0 || err_sys(e, "make symbolic link %s", name);
}

bool beneath_mknod(int dirfd, const char *name, mode_t mode, dev_t rdev, struct err *e)
{
    AUTO(spot) struct spot s = {-1, -1, NULL};

    if (!spot_open(dirfd, name, &s, e))
        return false;
    return mknodat(s.dirfd, s.name, mode, rdev) == 0 || err_sys(e, "make special file %s", name);
}

bool beneath_link(int from_dir, const char *from, int dirfd, const char *name, struct err *e)
{
    AUTO(spot) struct spot old = {-1, -1, NULL};
    AUTO(spot) struct spot s = {-1, -1, NULL};

    if (!spot_open(from_dir, from, &old, e) || !spot_open(dirfd, name, &s, e))
        return false;
    return linkat(old.dirfd, old.name, s.dirfd, s.name, 0) == 0 ||
           err_sys(e, "link %s to %s", name, from);
}

/* renameat2() from the name in one directory to that in another. */
static bool rename_spots(const struct beneath_name *from, const struct beneath_name *to,
                         unsigned flags, struct err *e)
{
    AUTO(spot) struct spot a = {-1, -1, NULL};
    AUTO(spot) struct spot b = {-1, -1, NULL};

    if (!spot_open(from->dirfd, from->name, &a, e) || !spot_open(to->dirfd, to->name, &b, e))
        return false;
    if (renameat2(a.dirfd, a.name, b.dirfd, b.name, flags) == 0)
        return true;
    if (errno == EINVAL && flags == RENAME_EXCHANGE)
        return err_set(e, ERR_USAGE, "the file system of %s cannot exchange two names", to->name);
    return err_sys(e, "rename %s to %s", from->name, to->name);
}

bool beneath_rename(int dirfd, const char *from, const char *to, struct err *e)
{
    return rename_spots(&(struct beneath_name){dirfd, from}, &(struct beneath_name){dirfd, to}, 0,
                        e);
}

bool beneath_move(const struct beneath_name *from, const struct beneath_name *to, struct err *e)
{
    return rename_spots(from, to, RENAME_NOREPLACE, e);
}

bool beneath_exchange(const struct beneath_name *a, const struct beneath_name *b, struct err *e)
{
    return rename_spots(a, b, RENAME_EXCHANGE, e);
}

/* The access time stays; the modification time becomes time_ns. */
static void times_of(int64_t time_ns, struct timespec times[2])
{
    times[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
    times[1] = clock_to_timespec(time_ns);
}

bool fd_set_size(int fd, uint64_t size, struct err *e)
{
    if (size > INT64_MAX)
        return err_set(e, ERR_FATAL, "set size: %llu bytes are too many", (unsigned long long)size);

    int result = 0;

    do
        result = ftruncate(fd, (off_t)size);
    while (result < 0 && errno == EINTR);
    return result == 0 || err_sys(e, "set size");
}

bool fd_set_owner(int fd, uid_t uid, gid_t gid, struct err *e)
{
    return fchown(fd, uid, gid) == 0 || err_sys(e, "set owner");
}

bool fd_set_mode(int fd, mode_t mode, struct err *e)
{
    return fchmod(fd, mode) == 0 || err_sys(e, "set mode");
}

bool fd_set_mtime(int fd, int64_t mtime_ns, struct err *e)
{
    struct timespec times[2];

    times_of(mtime_ns, times);
    return futimens(fd, times) == 0 || err_sys(e, "set modification time");
}

bool fd_set_xattr(int fd, const char *name, struct slice value, struct err *e)
{
    return fsetxattr(fd, name, value.data, value.size, 0) == 0 ||
           err_sys(e, "set extended attribute %s", name);
}

bool fd_remove_xattr(int fd, const char *name, struct err *e)
{
    return fremovexattr(fd, name) == 0 || errno == ENODATA || errno == ENOTSUP ||
           err_sys(e, "remove extended attribute %s", name);
}

bool at_set_owner(int dirfd, const char *name, uid_t uid, gid_t gid, struct err *e)
{
    AUTO(spot) struct spot s = {-1, -1, NULL};

    if (!spot_open(dirfd, name, &s, e))
        return false;
    return fchownat(s.dirfd, s.name, uid, gid, AT_SYMLINK_NOFOLLOW) == 0 ||
           err_sys(e, "set owner of %s", name);
}

bool at_set_mode(int dirfd, const char *name, mode_t mode, struct err *e)
{
    AUTO(spot) struct spot s = {-1, -1, NULL};

    if (!spot_open(dirfd, name, &s, e))
        return false;
    return fchmodat(s.dirfd, s.name, mode, AT_SYMLINK_NOFOLLOW) == 0 ||
           err_sys(e, "set mode of %s", name);
}

bool at_set_mtime(int dirfd, const char *name, int64_t mtime_ns, struct err *e)
{
    AUTO(spot) struct spot s = {-1, -1, NULL};
    struct timespec times[2];

    if (!spot_open(dirfd, name, &s, e))
        return false;
    times_of(mtime_ns, times);
    return utimensat(s.dirfd, s.name, times, AT_SYMLINK_NOFOLLOW) == 0 ||
           err_sys(e, "set modification time of %s", name);
}

bool at_set_xattr(int dirfd, const char *name, const char *xattr, struct slice value, struct err *e)
{
    AUTO(spot) struct spot s = {-1, -1, NULL};
    AUTO(buf) struct buf path = {0};

    if (!spot_open(dirfd, name, &s, e))
        return false;

    /* There is no lsetxattrat(); the directory's own link in /proc stands in for dirfd. */
    buf_printf(&path, "/proc/self/fd/%d/%s", s.dirfd, s.name);
    return lsetxattr(buf_string(&path), xattr, value.data, value.size, 0) == 0 ||
           err_sys(e, "set extended attribute %s of %s", xattr, name);
}
