/*
 * Putting a copy in the place of a database.  sqlite.h says in which order and why.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "source/source.h"
#include "source/sqlite_copy.h"
#include "source/sqlite_place.h"
#include "source/xattrs.h"

#define DRAFT_SUFFIX "-holdfast"

enum {
    DRAFT_MODE = 0600,
    LOCK_LIMIT_MS = 5000, /* for replacing the content of a database that others use */
};

/* The copy on its way.  Leaving it removes it, unless it has been renamed. */
struct draft {
    const struct sqlite_place *place;
    char *name; /* NULL: there is none */
    int fd;
};

static void draft_auto(struct draft *d)
{
    struct err e = {0};

    bool is_removed = d->name == NULL || file_remove(d->place->dirfd, d->name, &e);

    (void)is_removed; /* what stays is taken over by the next call */
    mem_free(d->name);
    fd_auto(&d->fd);
}

/*
 * Make the file, or take over what an interrupted call left.  The lock ends with the process, so
 * who gets it on the file that still has the name is alone.
 */
static bool draft_open(const struct sqlite_place *p, struct draft *d, struct err *e)
{
    AUTO(buf) struct buf name = {0};
    AUTO(fd) int fd = -1;
    struct stat mine = {0}, named = {0};

    buf_printf(&name, "%s" DRAFT_SUFFIX, p->name);
    if (!beneath_create(p->dirfd, buf_string(&name), &fd, e) &&
        (e->code != ERR_EXISTS || !beneath_reopen(p->dirfd, buf_string(&name), &fd, e)))
        return false;
    if (fstat(fd, &mine) < 0)
        return err_sys(e, "look at %s", buf_string(&name));
    if (!S_ISREG(mine.st_mode) || mine.st_nlink > 1)
        return err_set(e, ERR_EXISTS, "%s is in the way", buf_string(&name));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 ||
        fstatat(p->dirfd, buf_string(&name), &named, AT_SYMLINK_NOFOLLOW) < 0 ||
        named.st_ino != mine.st_ino || named.st_dev != mine.st_dev)
        return err_set(e, ERR_TRANSIENT, "%s is being restored already", p->path);
    *d = (struct draft){.place = p, .name = mem_string(buf_string(&name)), .fd = fd};
    fd = -1;
    return fd_set_size(d->fd, 0, e);
}

static bool draft_receive(struct draft *d, uint64_t wanted, sqlite_feed_fn *feed, void *arg,
                          struct err *e)
{
    AUTO(buf) struct buf piece = {0};
    uint64_t size = 0;

    for (;; size += piece.size) {
        buf_clear(&piece);
        if (cancel_is_requested())
            return cancel_err(e);
        if (!feed(arg, &piece, e))
            return false;
        if (piece.size == 0)
            break;
        if (piece.size > wanted - size)
            return err_set(e, ERR_CORRUPT, "the copy is longer than its manifest says");
        if (!fd_write(d->fd, buf_slice(&piece), e))
            return err_wrap(e, "%s", d->name);
    }
    return size == wanted || err_set(e, ERR_CORRUPT, "the copy ends after %llu of %llu bytes",
                                     (unsigned long long)size, (unsigned long long)wanted);
}

/* ACLs and what users attached; labels of the system are the system's to set. */
static bool draft_copy_xattrs(const struct draft *d, struct err *e)
{
    AUTO(xattrs) struct xattrs x = {0};
    struct slice name = {0}, value = {0};

    if (!xattrs_read(&x, -1, d->place->path, e))
        return err_wrap(e, "%s", d->place->path);
    for (struct slice pairs = buf_slice(&x.encoded);
         take_bytes(&pairs, &name) && take_bytes(&pairs, &value);) {
        AUTO(mem) char *text = mem_dup(name.data, name.size);

        if (strncmp(text, "security.", 9) != 0 && strncmp(text, "trusted.", 8) != 0 &&
            !fd_set_xattr(d->fd, text, value, e))
            return err_wrap(e, "%s", d->name);
    }
    return true;
}

/* The owner first: a change of owner may take bits of the mode away. */
static bool draft_finish(struct draft *d, const struct sqlite_manifest *m, struct err *e)
{
    const struct stat *old = &d->place->old;
    const bool is_there = d->place->is_there;

    if (is_there && (old->st_uid != geteuid() || old->st_gid != getegid()) &&
        !fd_set_owner(d->fd, old->st_uid, old->st_gid, e))
        return err_wrap(e, "%s", d->name);
    return fd_set_mode(d->fd, is_there ? old->st_mode & 07777 : DRAFT_MODE, e) &&
           (!is_there || draft_copy_xattrs(d, e)) && sqlite_file_set_wal(d->fd, m->was_wal, e) &&
           fd_sync(d->fd, d->name, e);
}

/* What the report's first line says is the error. */
static bool draft_check(const struct draft *d, struct slice manifest, struct err *e)
{
    AUTO(sqlite_report) struct sqlite_report report = {0};
    AUTO(buf) struct buf path = {0};

    buf_append(&path, d->place->path, (size_t)(d->place->name - d->place->path));
    buf_printf(&path, "%s", d->name);
    if (!sqlite_check(buf_string(&path), manifest, &report, e))
        return false;
    if (report.differences == 0)
        return true;

    char *line = mem_string(buf_string(&report.text));

    line[strcspn(line, "\n")] = '\0';
    (void)err_set(e, ERR_CORRUPT, "the copy is not what was backed up: %s", line);
    mem_free(line);
    return false;
}

/* It has the name that it is to have. */
static bool draft_keep(struct draft *d, struct err *e)
{
    if (!dir_sync(d->place->dirfd, "the folder", e))
        return false;
    mem_free(d->name);
    d->name = NULL;
    return true;
}

static bool replace_file(struct draft *d, struct err *e)
{
    const struct sqlite_place *p = d->place;

    return sqlite_place_clear(p, e) && beneath_rename(p->dirfd, d->name, p->name, e) &&
           draft_keep(d, e);
}

static void sqlite3_backup_auto(sqlite3_backup **b)
{
    (void)sqlite3_backup_finish(*b); /* rolls back unless the last step ended it */
}

/* Make the copy the content of the database that others have open, in one transaction. */
static bool replace_content(const struct draft *d, struct err *e)
{
    struct sqlite_patience patience = {.limit_ms = LOCK_LIMIT_MS};
    AUTO(sqlite_db) sqlite3 *from = NULL;
    AUTO(sqlite_db) sqlite3 *to = NULL;

    if (!sqlite_db_open_fd(d->fd, false, &from, e) ||
        !sqlite_db_open_target(d->place->path, &patience, &to, e))
        return err_wrap(e, "%s", d->place->path);

    AUTO(sqlite3_backup) sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    const int result = b == NULL ? sqlite3_errcode(to) : sqlite3_backup_step(b, -1);

    if (result == SQLITE_DONE)
        return true;
    if (result == SQLITE_READONLY)
        return err_set(e, ERR_TRANSIENT,
                       "%s is in use, in WAL mode and with another size of pages than the copy",
                       d->place->path);
    (void)sqlite_db_err(e, to, result);
    return err_wrap(e, "%s", d->place->path);
}

/* Fill the file and compare it. */
static bool draft_fill(struct draft *d, struct slice manifest, sqlite_feed_fn *feed, void *arg,
                       struct err *e)
{
    AUTO(sqlite_manifest) struct sqlite_manifest m = {0};

    return sqlite_manifest_parse(manifest, &m, e) && draft_receive(d, m.size, feed, arg, e) &&
           draft_finish(d, &m, e) && draft_check(d, manifest, e);
}

bool sqlite_restore(const struct sqlite_restore_options *o, sqlite_feed_fn *feed, void *arg,
                    struct err *e)
{
    AUTO(sqlite_place) struct sqlite_place p = SQLITE_PLACE_NONE;
    AUTO(draft) struct draft d = {.fd = -1};
    AUTO(sqlite_db) sqlite3 *old = NULL; /* closed first: it may hold the lock to the end */

    if (!sqlite_place_open(o->path, &p, e) || !draft_open(&p, &d, e) ||
        !draft_fill(&d, o->manifest, feed, arg, e))
        return err_wrap(e, "restore %s", o->path);
    if (p.is_there && !sqlite_place_hold(&p, &old, e)) {
        if (e->code != ERR_TRANSIENT || !o->force)
            return err_wrap(e, "restore %s", o->path);
        return replace_content(&d, e) || err_wrap(e, "restore %s", o->path);
    }
    return replace_file(&d, e) || err_wrap(e, "restore %s", o->path);
}

bool sqlite_stage(const struct sqlite_stage_options *o, const char *staged, sqlite_feed_fn *feed,
                  void *arg, struct err *e)
{
    AUTO(sqlite_place) struct sqlite_place p = SQLITE_PLACE_NONE;
    AUTO(draft) struct draft d = {.place = &p, .fd = -1};
    const char *name = NULL;
    struct stat st = {0};

    if (!sqlite_place_open(o->path, &p, e) || !sqlite_place_beside(&p, staged, &name, &st, e) ||
        !beneath_create(p.dirfd, name, &d.fd, e))
        return err_wrap(e, "stage %s", o->path);
    d.name = mem_string(name);
    return (draft_fill(&d, o->manifest, feed, arg, e) && draft_keep(&d, e)) ||
           err_wrap(e, "stage %s", o->path);
}
