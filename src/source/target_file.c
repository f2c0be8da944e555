/*
 * Making and replacing what is not a directory, and the metadata of everything.  A file has
 * mode 0600 until its content is complete.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "source/target.h"

bool target_file_begin(struct target *t, const char *path, enum target_action action,
                       struct target_file *out, struct err *e)
{
    AUTO(place) struct place p = {-1, -1, NULL};
    struct target_file f = {.fd = -1};

    assert(action == TARGET_CREATE || action == TARGET_REPLACE);
    if (action == TARGET_CREATE) {
        if (!place_reach(t, path, &p, e) || !beneath_create(p.dirfd, p.name, &f.fd, e))
            return false;
    } else {
        temporary_name(f.temporary);
        if (!place_parent(t, path, &p, e) || !beneath_create(p.dirfd, f.temporary, &f.fd, e))
            return err_wrap(e, "replace %s", path);
    }
    *out = f;
    return true;
}

/* Bytes that were not written at the end are a hole. */
static bool set_size(int fd, uint64_t size, struct err *e)
{
    struct stat st = {0};

    if (fstat(fd, &st) < 0)
        return err_sys(e, "stat");
    return (uint64_t)st.st_size == size || fd_set_size(fd, size, e);
}

bool target_file_finish(struct target *t, const char *path, const struct entry *en,
                        struct target_file *f, struct err *warning, struct err *e)
{
    const struct subject s = {.fd = f->fd};
    AUTO(place) struct place p = {-1, -1, NULL};

    if (!set_size(f->fd, en->size, e) || !meta_set(t, &s, en, warning, e) ||
        !fd_close(&f->fd, "file", e))
        return err_wrap(e, "%s", path);
    if (f->temporary[0] == '\0')
        return true;
    return (place_parent(t, path, &p, e) && place_replace(&p, f->temporary, e)) ||
           err_wrap(e, "replace %s", path);
}

bool target_file_park(struct target_file *f, struct err *e)
{
    struct stat st = {0};

    if (fstat(f->fd, &st) < 0)
        return err_sys(e, "stat");
    f->device = st.st_dev;
    f->inode = st.st_ino;
    return fd_close(&f->fd, "file", e);
}

bool target_file_resume(struct target *t, const char *path, struct target_file *f, struct err *e)
{
    AUTO(place) struct place p = {-1, -1, NULL};
    AUTO(fd) int fd = -1;
    struct stat st = {0};

    if (!place_parent(t, path, &p, e) ||
        !beneath_reopen(p.dirfd, f->temporary[0] == '\0' ? p.name : f->temporary, &fd, e))
        return err_wrap(e, "%s", path);
    if (fstat(fd, &st) < 0)
        return err_sys(e, "stat %s", path);
    if (st.st_dev != f->device || st.st_ino != f->inode)
        return err_set(e, ERR_DENIED, "%s: another file took its place while it was written", path);
    f->fd = fd;
    fd = -1;
    return true;
}

void target_file_abort(struct target *t, const char *path, struct target_file *f)
{
    AUTO(place) struct place p = {-1, -1, NULL};
    struct err ignored = {0}; /* the caller has a failure to tell of already */

    fd_auto(&f->fd);
    f->fd = -1;
    if (place_parent(t, path, &p, &ignored) &&
        !file_remove(p.dirfd, f->temporary[0] == '\0' ? p.name : f->temporary, &ignored))
        return;
}

static bool make_symlink(const struct place *p, const char *name, const struct entry *en,
                         struct err *e)
{
    if (en->target.size == 0 || memchr(en->target.data, '\0', en->target.size) != NULL)
        return err_set(e, ERR_CORRUPT, "the target of the symbolic link is malformed");

    AUTO(mem) char *target = mem_dup(en->target.data, en->target.size);

    return beneath_symlink(p->dirfd, name, target, e);
}

static bool make_node(const struct place *p, const char *name, const struct entry *en,
                      struct err *e)
{
    static const mode_t formats[] = {
        [ENTRY_FIFO] = S_IFIFO,
        [ENTRY_SOCKET] = S_IFSOCK,
        [ENTRY_CHARACTER_DEVICE] = S_IFCHR,
        [ENTRY_BLOCK_DEVICE] = S_IFBLK,
    };

    if (en->type == ENTRY_SYMLINK)
        return make_symlink(p, name, en, e);
    assert(en->type < sizeof(formats) / sizeof(formats[0]) && formats[en->type] != 0);
    return beneath_mknod(p->dirfd, name, formats[en->type] | 0600, en->rdev, e);
}

bool target_special(struct target *t, const char *path, const struct entry *en,
                    enum target_action action, struct err *warning, struct err *e)
{
    AUTO(place) struct place p = {-1, -1, NULL};
    char temporary[40];

    assert(action == TARGET_CREATE || action == TARGET_REPLACE);
    if (!place_parent(t, path, &p, e))
        return false;
    temporary_name(temporary);

    const char *name = action == TARGET_REPLACE ? temporary : p.name;
    const struct subject s = {-1, p.dirfd, name};
    struct err ignored = {0};

    if (!make_node(&p, name, en, e))
        return err_wrap(e, "%s", path);
    if (meta_set(t, &s, en, warning, e) && (name == p.name || place_replace(&p, name, e)))
        return true;
    if (!file_remove(p.dirfd, name, &ignored))
        return err_wrap(e, "%s (%s is left over)", path, name);
    return err_wrap(e, "%s", path);
}

bool target_link(struct target *t, const char *earlier, const char *path, enum target_action action,
                 struct err *e)
{
    AUTO(place) struct place old = {-1, -1, NULL};
    AUTO(place) struct place p = {-1, -1, NULL};
    char temporary[40];

    assert(action == TARGET_CREATE || action == TARGET_REPLACE);
    if (!place_reach(t, earlier, &old, e))
        return false;
    if (action == TARGET_CREATE)
        return place_reach(t, path, &p, e) && beneath_link(old.dirfd, old.name, p.dirfd, p.name, e);
    temporary_name(temporary);
    if (!place_parent(t, path, &p, e) || !beneath_link(old.dirfd, old.name, p.dirfd, temporary, e))
        return err_wrap(e, "replace %s", path);

    const bool is_replaced = place_replace(&p, temporary, e);
    struct err leftover = {0};

    /* When both are the same file already, rename() leaves both names. */
    if (!file_remove(p.dirfd, temporary, &leftover) && is_replaced) {
        *e = leftover;
        return err_wrap(e, "replace %s", path);
    }
    return is_replaced || err_wrap(e, "replace %s", path);
}

bool target_directory_finish(struct target *t, const char *path, const struct entry *en,
                             struct err *warning, struct err *e)
{
    AUTO(place) struct place p = {-1, -1, NULL};
    AUTO(fd) int fd = -1;

    if (!place_reach(t, path, &p, e) || !beneath_open_dir(p.dirfd, p.name, &fd, e))
        return false;

    const struct subject s = {.fd = fd};

    return meta_set(t, &s, en, warning, e) || err_wrap(e, "%s", path);
}

bool target_update(struct target *t, const char *path, const struct entry *en, struct err *warning,
                   struct err *e)
{
    AUTO(place) struct place p = {-1, -1, NULL};

    if (!place_parent(t, path, &p, e))
        return false;

    const struct subject s = {-1, p.dirfd, p.name};

    return meta_set(t, &s, en, warning, e) || err_wrap(e, "%s", path);
}

bool target_open_read(struct target *t, const char *path, int *fd, struct err *e)
{
    AUTO(place) struct place p = {-1, -1, NULL};
    struct stat st = {0};

    if (!place_parent(t, path, &p, e))
        return false;

    AUTO(fd)
    int opened = openat(p.dirfd, p.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

    if (opened < 0 && errno == ELOOP)
        return err_set(e, ERR_DENIED, "open %s: a symbolic link stands in the way", path);
    if (opened < 0 || fstat(opened, &st) < 0)
        return err_sys(e, "open %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_FATAL, "%s is not a regular file", path);
    *fd = opened;
    opened = -1;
    return true;
}
