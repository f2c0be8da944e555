/*
 * What a target holds already, and building another tree out of it: names are added to files that
 * stand, and nothing that stands is changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "source/names.h"
#include "source/target.h"
#include "source/walk.h"
#include "source/xattrs.h"

#define STAGING_DIGITS 16

struct target_listing {
    int fd;
    dev_t device;
    struct names names;
    struct arena arena;
    size_t next;
};

static int64_t time_of(struct statx_timestamp t)
{
    return clock_from_timespec((struct timespec){.tv_sec = t.tv_sec, .tv_nsec = t.tv_nsec});
}

static void entry_of(const struct statx *sx, const char *name, struct entry *out)
{
    *out = (struct entry){.name = slice_string(name),
                          .mode = sx->stx_mode & 07777U,
                          .uid = sx->stx_uid,
                          .gid = sx->stx_gid,
                          .mtime_ns = time_of(sx->stx_mtime),
                          .ctime_ns = time_of(sx->stx_ctime),
                          .device = makedev(sx->stx_dev_major, sx->stx_dev_minor),
                          .inode = sx->stx_ino,
                          .links = sx->stx_nlink,
                          .size = sx->stx_size,
                          .rdev = makedev(sx->stx_rdev_major, sx->stx_rdev_minor)};
}

/* device: of the directory that holds the name.  A subvolume is no mount, but can no more take
 * names of what is outside it than one. */
static bool look_at(int dirfd, const char *name, dev_t device, struct present *out, bool *is_there,
                    struct err *e)
{
    struct statx sx;

    *is_there =
        statx(dirfd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &sx) == 0;
    if (!*is_there)
        return errno == ENOENT || err_sys(e, "stat %s", name);
    entry_of(&sx, name, &out->entry);
    if (!entry_set_type(&out->entry, sx.stx_mode))
        return err_set(e, ERR_FATAL, "the type of %s is not known", name);
    out->is_mount = (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 || out->entry.device != device;
    return true;
}

static bool device_of(int fd, dev_t *out, struct err *e)
{
    struct stat st = {0};

    if (fstat(fd, &st) < 0)
        return err_sys(e, "stat");
    *out = st.st_dev;
    return true;
}

bool target_look(struct target *t, const char *path, struct present *out, bool *is_there,
                 struct err *e)
{
    AUTO(place) struct place p = {-1, -1, NULL};
    dev_t device = 0;

    if (!place_parent(t, path, &p, e)) {
        *is_there = false;
        return e->code == ERR_NOT_FOUND;
    }
    if (!device_of(p.dirfd, &device, e) || !look_at(p.dirfd, p.name, device, out, is_there, e))
        return err_wrap(e, "%s", path);
    out->entry.name = slice_string(path + strlen(path) - strlen(p.name));
    return true;
}

void target_listing_free(struct target_listing *l)
{
    if (l == NULL)
        return;
    fd_auto(&l->fd);
    names_done(&l->names);
    arena_done(&l->arena);
    mem_free(l);
}

void target_listing_auto(struct target_listing **l)
{
    target_listing_free(*l);
}

bool target_list(struct target *t, const char *path, struct target_listing **out, struct err *e)
{
    AUTO(place) struct place p = {-1, -1, NULL};
    AUTO(target_listing) struct target_listing *l = mem_new(sizeof(*l));

    l->fd = -1;
    if (!place_reach(t, path, &p, e) || !beneath_open_dir(p.dirfd, p.name, &l->fd, e))
        return false;
    if (!device_of(l->fd, &l->device, e) || !names_read(&l->names, l->fd, &l->arena, e))
        return err_wrap(e, "%s", path);
    mem_free(TAKE(l->names.buffer));
    *out = TAKE(l);
    return true;
}

bool target_list_next(struct target_listing *l, struct present *out, bool *more, struct err *e)
{
    for (*more = false; !*more && l->next < l->names.count; l->next++)
        if (!look_at(l->fd, l->names.items[l->next].text, l->device, out, more, e))
            return false;
    return true;
}

bool target_carry(struct target *from, struct target *to, const char *path, struct err *e)
{
    AUTO(place) struct place old = {-1, -1, NULL};
    AUTO(place) struct place new = {-1, -1, NULL};

    return (place_parent(from, path, &old, e) && place_parent(to, path, &new, e) &&
            beneath_link(old.dirfd, old.name, new.dirfd, new.name, e)) ||
           err_wrap(e, "%s", path);
}

bool target_copy_metadata(const struct target_listing *from, struct target *to, const char *path,
                          struct err *warning, struct err *e)
{
    AUTO(xattrs) struct xattrs xattrs = {0};
    struct statx sx;
    struct entry en;

    if (statx(from->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx) < 0)
        return err_sys(e, "stat %s", path);
    if (!xattrs_read(&xattrs, from->fd, NULL, e))
        return err_wrap(e, "%s", path);
    entry_of(&sx, "", &en);
    en.type = ENTRY_DIRECTORY;
    en.xattrs = buf_slice(&xattrs.encoded);
    return target_directory_finish(to, path, &en, warning, e);
}

bool target_is_staging(const char *name)
{
    const size_t size = sizeof(TARGET_STAGING) - 1;

    return strncmp(name, TARGET_STAGING, size) == 0 && strlen(name) == size + STAGING_DIGITS &&
           strspn(name + size, "0123456789abcdef") == STAGING_DIGITS;
}

bool target_make_staging(struct target *t, const char *name, struct target **out, struct err *e)
{
    AUTO(target) struct target *made = NULL;

    if (!beneath_mkdir(t->root, name, 0700, e) || !target_open_below(t, name, &made, e))
        return false;
    /* What is made in it would get the attributes that its parent has for new files. */
    if (!fd_remove_xattr(made->root, "system.posix_acl_default", e))
        return err_wrap(e, "%s", name);
    *out = TAKE(made);
    return true;
}

bool target_sync(struct target *t, struct err *e)
{
    return fs_sync(t->root, "the file system", e);
}
