/*
 * The order matters: changing the owner clears the setuid bit and the capabilities, an ACL
 * changes the mode, and everything but the owner changes the time of the inode only.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "source/target.h"
#include "source/xattrs.h"

#define MODE_SETS_ID (S_ISUID | S_ISGID)

static bool begins_with(struct slice s, const char *prefix)
{
    const size_t size = strlen(prefix);

    return s.size >= size && memcmp(s.data, prefix, size) == 0;
}

/* The owner that a restored file gets: by name where this system has the name. */
static void wanted_owner(struct target *t, const struct entry *en, uint32_t *uid, uint32_t *gid)
{
    *uid = en->uid;
    *gid = en->gid;
    if (t->o.numeric_ids)
        return;

    uint32_t id = 0;

    (void)pthread_mutex_lock(&t->lock);
    if (owner_id(&t->owners, OWNER_USER, en->user, &id))
        *uid = id;
    if (owner_id(&t->owners, OWNER_GROUP, en->group, &id))
        *gid = id;
    (void)pthread_mutex_unlock(&t->lock);
}

/* Without being asked to set owners, files belong to whoever restores: then that is right. */
static bool owner_is_right(struct target *t, const struct stat *st, const struct entry *en)
{
    uint32_t uid = 0;
    uint32_t gid = 0;

    wanted_owner(t, en, &uid, &gid);
    return st->st_uid == uid && st->st_gid == gid;
}

/* True when the owner is that of the entry afterwards. */
static bool set_owner(struct target *t, const struct subject *s, const struct stat *st,
                      const struct entry *en, struct err *warning)
{
    uint32_t uid = 0;
    uint32_t gid = 0;

    if (!t->sets_owner || owner_is_right(t, st, en))
        return owner_is_right(t, st, en);
    wanted_owner(t, en, &uid, &gid);
    return s->fd >= 0 ? fd_set_owner(s->fd, uid, gid, warning)
                      : at_set_owner(s->dirfd, s->name, uid, gid, warning);
}

/* Only the superuser may set these, and nobody else is told that they were left out. */
static bool is_for_superuser(struct slice name)
{
    return begins_with(name, "security.") || begins_with(name, "trusted.");
}

/* All that can be set are; *warning tells of the last that cannot. */
static bool set_xattrs(const struct target *t, const struct subject *s, struct slice pairs,
                       struct err *warning, struct err *e)
{
    while (pairs.size > 0) {
        struct slice name = {0};
        struct slice value = {0};

        if (!take_bytes(&pairs, &name) || !take_bytes(&pairs, &value) || name.size == 0 ||
            memchr(name.data, '\0', name.size) != NULL)
            return err_set(e, ERR_CORRUPT, "the extended attributes of the entry are malformed");
        if (is_for_superuser(name) && !t->is_superuser)
            continue;

        AUTO(mem) char *text = mem_dup(name.data, name.size);
        struct err why = {0};

        if (!(s->fd >= 0 ? fd_set_xattr(s->fd, text, value, &why)
                         : at_set_xattr(s->dirfd, s->name, text, value, &why)))
            *warning = why;
    }
    return true;
}

static bool set_mode(const struct subject *s, const struct stat *st, const struct entry *en,
                     bool has_owner, struct err *warning, struct err *e)
{
    mode_t mode = en->mode & 07777U;

    if (en->type == ENTRY_SYMLINK)
        return true;
    if (!has_owner && (mode & MODE_SETS_ID) != 0) {
        mode &= ~(mode_t)MODE_SETS_ID;
        if (warning->code == ERR_NONE)
            (void)err_set(warning, ERR_DENIED,
                          "the setuid and setgid bits are left out: the owner is another one");
    }
    /* An ACL that was set, or a change of owner, may have changed the mode since. */
    if ((st->st_mode & 07777U) == mode && en->xattrs.size == 0 && (mode & MODE_SETS_ID) == 0)
        return true;
    return s->fd >= 0 ? fd_set_mode(s->fd, mode, e) : at_set_mode(s->dirfd, s->name, mode, e);
}

bool meta_set(struct target *t, const struct subject *s, const struct entry *en,
              struct err *warning, struct err *e)
{
    struct stat st = {0};

    *warning = (struct err){0};
    if ((s->fd >= 0 ? fstat(s->fd, &st) : fstatat(s->dirfd, s->name, &st, AT_SYMLINK_NOFOLLOW)) < 0)
        return err_sys(e, "stat");

    const bool has_owner = set_owner(t, s, &st, en, warning);

    if (!set_xattrs(t, s, en->xattrs, warning, e) || !set_mode(s, &st, en, has_owner, warning, e))
        return false;
    return s->fd >= 0 ? fd_set_mtime(s->fd, en->mtime_ns, e)
                      : at_set_mtime(s->dirfd, s->name, en->mtime_ns, e);
}

bool meta_is_right(struct target *t, const struct place *p, const struct stat *st,
                   const struct entry *en)
{
    AUTO(xattrs) struct xattrs xattrs = {0};
    AUTO(buf) struct buf path = {0};
    struct err ignored = {0}; /* what cannot be read is set again */

    if (en->type != ENTRY_SYMLINK && (st->st_mode & 07777U) != en->mode)
        return false;
    if (clock_from_timespec(st->st_mtim) != en->mtime_ns)
        return false;
    if (t->sets_owner && !owner_is_right(t, st, en))
        return false;
    buf_printf(&path, "/proc/self/fd/%d/%s", p->dirfd, p->name);
    return xattrs_read(&xattrs, -1, buf_string(&path), &ignored) &&
           slice_is_equal(buf_slice(&xattrs.encoded), en->xattrs);
}
