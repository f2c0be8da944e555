/*
 * Reading, writing and publishing files.
 *
 * The order of a publication: the bytes are written and fsynced under no name or a
 * temporary one, then the name appears, then the directory is fsynced.  A descriptor whose
 * fsync failed is never fsynced again: the kernel reports a lost page once and a second
 * call would claim success.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"

enum {
    FILE_MODE = 0600,
    READ_STEP = 64 << 10,
};

void fd_auto(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* what must be known was asked by fd_close() or fsync() */
}

bool fd_close(int *fd, const char *name, struct err *e)
{
    const int closing = *fd;

    *fd = -1;
    /* Linux has released the descriptor even when a signal interrupted the call. */
    if (close(closing) < 0 && errno != EINTR)
        return err_sys(e, "close %s", name);
    return true;
}

bool fd_read(int fd, void *to, size_t size, size_t *got, struct err *e)
{
    size_t filled = 0;

    while (filled < size) {
        const ssize_t n = read(fd, (uint8_t *)to + filled, size - filled);

        if (n == 0)
            break;
        if (n > 0)
            filled += (size_t)n;
        else if (errno != EINTR)
            return err_sys(e, "read");
    }
    *got = filled;
    return true;
}

bool fd_read_at(int fd, uint64_t offset, void *to, size_t size, size_t *got, struct err *e)
{
    size_t filled = 0;

    while (filled < size) {
        const ssize_t n =
            pread(fd, (uint8_t *)to + filled, size - filled, (off_t)(offset + filled));

        if (n == 0)
            break;
        if (n > 0)
            filled += (size_t)n;
        else if (errno != EINTR)
            return err_sys(e, "read at byte %llu", (unsigned long long)(offset + filled));
    }
    *got = filled;
    return true;
}

bool fd_write(int fd, struct slice bytes, struct err *e)
{
    while (bytes.size > 0) {
        const ssize_t n = write(fd, bytes.data, bytes.size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, "write");
        bytes.data += n;
        bytes.size -= (size_t)n;
    }
    return true;
}

bool fd_write_at(int fd, uint64_t offset, struct slice bytes, struct err *e)
{
    while (bytes.size > 0) {
        const ssize_t n = pwrite(fd, bytes.data, bytes.size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, "write at byte %llu", (unsigned long long)offset);
        bytes.data += n;
        bytes.size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return true;
}

bool file_open(const char *path, int *fd, struct err *e)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    return *fd >= 0 || err_sys(e, "open %s", path);
}

bool file_map(int dirfd, const char *name, struct slice *out, struct err *e)
{
    AUTO(fd) int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(e, "open %s", name);
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        return err_set(e, ERR_CORRUPT, "%s is no file, or empty", name);

    void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);

    if (at == MAP_FAILED)
        return err_sys(e, "map %s", name);
    *out = SLICE_OF(at, (size_t)st.st_size);
    return true;
}

void file_unmap(struct slice map)
{
    if (map.data != NULL)
        (void)munmap((void *)(uintptr_t)map.data, map.size);
}

bool file_read(const char *path, size_t limit, struct buf *out, struct err *e)
{
    AUTO(fd) int fd = -1;
    const size_t before = out->size;
    size_t got = 0;

    if (!file_open(path, &fd, e))
        return false;
    do {
        const size_t size = out->size;

        if (!fd_read(fd, buf_extend(out, READ_STEP), READ_STEP, &got, e)) {
            out->size = before;
            return err_wrap(e, "%s", path);
        }
        out->size = size + got;
        if (out->size - before > limit) {
            out->size = before;
            return err_set(e, ERR_CORRUPT, "%s is longer than %zu bytes", path, limit);
        }
    } while (got == READ_STEP);
    return true;
}

bool dir_open(const char *path, int *fd, struct err *e)
{
    const int opened = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (opened < 0)
        return err_sys(e, "open directory %s", path);
    *fd = opened;
    return true;
}

/* Where a name with slashes leads: its directory and its last component. */
struct place {
    int dirfd;
    const char *name; /* borrowed */
};

static void place_auto(struct place *p)
{
    fd_auto(&p->dirfd);
}

static bool place_open(int dirfd, const char *name, struct place *out, struct err *e)
{
    AUTO(buf) struct buf parent = {0};
    const char *slash = strrchr(name, '/');

    if (slash == NULL)
        buf_printf(&parent, ".");
    else
        buf_append(&parent, name, (size_t)(slash - name) + 1);

    const int fd = openat(dirfd, buf_string(&parent), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(e, "open the directory of %s", name);
    *out = (struct place){fd, slash == NULL ? name : slash + 1};
    return true;
}

/* Report a failed fsync: it is final, whatever errno says. */
static bool sync_failed(const char *name, struct err *e)
{
    (void)err_sys(e, "fsync %s", name);
    e->code = ERR_FATAL;
    return false;
}

bool dir_sync(int dirfd, const char *name, struct err *e)
{
    /* Network and FUSE file systems without such a call answer EINVAL: nothing is lost. */
    if (fsync(dirfd) < 0 && errno != EINVAL && errno != ENOTSUP)
        return sync_failed(name, e);
    return true;
}

bool fs_sync(int dirfd, const char *name, struct err *e)
{
    return syncfs(dirfd) == 0 || sync_failed(name, e);
}

bool fd_sync(int fd, const char *name, struct err *e)
{
    return fsync(fd) == 0 || sync_failed(name, e);
}

/* mkdir() for one path; a new directory is made durable in its parent. */
static bool dir_make(const char *path, mode_t mode, struct err *e)
{
    struct stat st = {0};
    AUTO(place) struct place p = {-1, NULL};

    if (mkdir(path, mode) == 0)
        return place_open(AT_FDCWD, path, &p, e) && dir_sync(p.dirfd, path, e);

    const int reason = errno;

    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) || err_set(e, ERR_EXISTS, "%s is not a directory", path);
    errno = reason;
    return err_sys(e, "make directory %s", path);
}

bool dir_make_all(const char *path, mode_t mode, struct err *e)
{
    AUTO(mem) char *partial = mem_string(path);
    size_t end = strlen(partial);

    while (end > 1 && partial[end - 1] == '/')
        partial[--end] = '\0';
    for (size_t i = 1; i < end; i++) {
        if (partial[i] != '/' || partial[i - 1] == '/')
            continue;
        partial[i] = '\0';
        if (!dir_make(partial, mode, e))
            return false;
        partial[i] = '/';
    }
    return dir_make(partial, mode, e);
}

/* What was not published leaves nothing behind. */
void file_draft_auto(struct file_draft *d)
{
    if (d->tmp_name != NULL)
        (void)unlinkat(d->dirfd, d->tmp_name, 0); /* litter at worst */
    fd_auto(&d->fd);
}

static bool draft_open_named(int dirfd, const char *tmp_name, struct file_draft *d, struct err *e)
{
    const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dirfd, tmp_name, flags, FILE_MODE);

    if (fd < 0 && errno == EEXIST && file_remove(dirfd, tmp_name, e))
        fd = openat(dirfd, tmp_name, flags, FILE_MODE);
    if (fd < 0)
        return err_sys(e, "create %s", tmp_name);
    *d = (struct file_draft){fd, dirfd, tmp_name};
    return true;
}

/* Open an unnamed file in the directory of p, or a named one where that is not supported. */
static bool draft_open(int dirfd, const struct place *p, const char *tmp_name, struct file_draft *d,
                       struct err *e)
{
    const int fd = openat(p->dirfd, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, FILE_MODE);

    if (fd >= 0) {
        *d = (struct file_draft){fd, -1, NULL};
        return true;
    }
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
        return err_sys(e, "create a file beside %s", p->name);
    return draft_open_named(dirfd, tmp_name, d, e);
}

static bool draft_fill(struct file_draft *d, struct slice bytes, bool *is_suspect, struct err *e)
{
    if (!fd_write(d->fd, bytes, e))
        return false;
    if (fsync(d->fd) < 0) {
        *is_suspect = true;
        return sync_failed("the new file", e);
    }
    return true;
}

/* Give the file its name unless that is taken. */
static bool draft_link(struct file_draft *d, const struct place *p)
{
    if (d->tmp_name == NULL) {
        char self[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

        (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", d->fd);
        return linkat(AT_FDCWD, self, p->dirfd, p->name, AT_SYMLINK_FOLLOW) == 0;
    }
    if (linkat(d->dirfd, d->tmp_name, p->dirfd, p->name, 0) == 0)
        return true;
    if (errno != EPERM && errno != EOPNOTSUPP)
        return false;

    /* A file system without hard links, such as FAT. */
    if (renameat2(d->dirfd, d->tmp_name, p->dirfd, p->name, RENAME_NOREPLACE) < 0)
        return false;
    d->tmp_name = NULL;
    return true;
}

static bool publication_sync(const struct place *p, bool *is_suspect, struct err *e)
{
    if (dir_sync(p->dirfd, "the directory", e))
        return true;
    *is_suspect = true;
    return false;
}

bool file_publish(int dirfd, const char *name, const char *tmp_name, struct slice bytes,
                  bool *is_suspect, struct err *e)
{
    AUTO(place) struct place p = {-1, NULL};
    AUTO(file_draft) struct file_draft d = {-1, -1, NULL};

    if (!place_open(dirfd, name, &p, e))
        return false;
    if (!draft_open(dirfd, &p, tmp_name, &d, e) || !draft_fill(&d, bytes, is_suspect, e))
        return err_wrap(e, "publish %s", name);
    if (!draft_link(&d, &p))
        return err_sys(e, "publish %s", name);
    return publication_sync(&p, is_suspect, e) || err_wrap(e, "publish %s", name);
}

bool file_draft_open(int dirfd, const char *tmp_name, struct file_draft *out, struct err *e)
{
    const struct place here = {dirfd, "a new file"};

    return draft_open(dirfd, &here, tmp_name, out, e);
}

bool file_draft_link(struct file_draft *d, int dirfd, const char *name, struct err *e)
{
    return fd_sync(d->fd, name, e) &&
           (draft_link(d, &(struct place){dirfd, name}) || err_sys(e, "publish %s", name));
}

/* A failure whose errno stands yet. */
static bool placing_failed(struct file_placing *p)
{
    p->is_full = p->is_full || errno == ENOSPC || errno == EDQUOT;
    return false;
}

bool file_place(struct file_placing *p, struct slice bytes, struct err *e)
{
    struct place where = {p->dirfd, "a new file"};
    AUTO(file_draft) struct file_draft d = {-1, -1, NULL};

    errno = 0;
    if (!draft_open(p->dirfd, &where, p->tmp_name, &d, e) ||
        !draft_fill(&d, bytes, &p->is_suspect, e))
        return placing_failed(p);
    for (;;) {
        if (!p->next(p->arg, &where.name, e))
            return false;
        if (draft_link(&d, &where))
            return true;
        if (errno == EEXIST)
            continue;
        (void)err_sys(e, "publish %s", where.name);
        return placing_failed(p);
    }
}

bool file_publish_replace(int dirfd, const char *name, const char *tmp_name, struct slice bytes,
                          bool *is_suspect, struct err *e)
{
    AUTO(place) struct place p = {-1, NULL};
    AUTO(file_draft) struct file_draft d = {-1, -1, NULL};

    if (!place_open(dirfd, name, &p, e))
        return false;
    if (!draft_open_named(dirfd, tmp_name, &d, e) || !draft_fill(&d, bytes, is_suspect, e))
        return err_wrap(e, "replace %s", name);
    if (renameat(dirfd, tmp_name, p.dirfd, p.name) < 0)
        return err_sys(e, "replace %s", name);
    d.tmp_name = NULL;
    return publication_sync(&p, is_suspect, e) || err_wrap(e, "replace %s", name);
}

const char *file_scratch_folder(void)
{
    const char *folder = getenv("TMPDIR");

    return folder != NULL && folder[0] == '/' ? folder : "/var/tmp";
}

bool file_unnamed(const char *folder, int *fd, struct err *e)
{
    char name[40];
    AUTO(place) struct place p = {-1, "the new file"};
    AUTO(file_draft) struct file_draft d = {-1, -1, NULL}; /* removes the name, if there is one */

    (void)snprintf(name, sizeof(name), ".holdfast-unnamed-%u", geteuid());
    if (!dir_open(folder, &p.dirfd, e))
        return false;
    if (!draft_open(p.dirfd, &p, name, &d, e))
        return err_wrap(e, "%s", folder);
    *fd = d.fd;
    d.fd = -1;
    return true;
}

bool file_in_memory(int *fd, struct err *e)
{
    const int made = memfd_create("holdfast", MFD_CLOEXEC);

    if (made < 0)
        return err_sys(e, "make a file in memory");
    *fd = made;
    return true;
}

bool file_remove(int dirfd, const char *name, struct err *e)
{
    if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
        return err_sys(e, "remove %s", name);
    return true;
}

bool dir_remove(int dirfd, const char *name, struct err *e)
{
    if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return err_sys(e, "remove directory %s", name);
    return true;
}

char *file_resolve(const char *path)
{
    AUTO(mem) char *there = mem_string(path);
    size_t size = strlen(path);
    AUTO(buf) struct buf out = {0};
    char real[PATH_MAX];

    while (size > 0 && realpath(there, real) == NULL) {
        while (size > 0 && path[--size] != '/')
            ;
        there[size] = '\0';
    }
    if (size == 0)
        return mem_string(path);
    buf_printf(&out, "%s%s", real, path + size);
    return mem_string(buf_string(&out));
}
