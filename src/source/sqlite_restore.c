/*
 * Putting a copy in the place of a database.  sqlite.h says in which order and why.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "source/source.h"
#include "source/sqlite_copy.h"
#include "source/sqlite_db.h"

#define DRAFT_SUFFIX "-holdfast"

enum {
    DRAFT_MODE = 0600,
    LOCK_LIMIT_MS = 5000, /* for replacing the content of a database that others use */
};

/* Where the database is, or is to be. */
struct place {
    char path[PATH_MAX]; /* without links */
    char *name;          /* its last component, within path */
    int dirfd;
    bool is_there;
    struct stat old;
};

static void place_auto(struct place *p)
{
    fd_auto(&p->dirfd);
}

/* Resolve a path whose last component need not exist. */
static bool place_resolve(const char *path, struct place *p, struct err *e)
{
    AUTO(mem) char *folder = mem_string(path);
    char *slash = strrchr(folder, '/');
    const char *name = slash == NULL ? path : path + (slash - folder) + 1;
    char real[PATH_MAX];

    if (realpath(path, p->path) != NULL)
        return true;
    if (errno != ENOENT || name[0] == '\0' || strcmp(name, "..") == 0)
        return err_sys(e, "restore to %s", path);
    if (slash != NULL)
        slash[slash == folder ? 1 : 0] = '\0';
    if (realpath(slash == NULL ? "." : folder, real) == NULL)
        return err_sys(e, "the folder of %s", path);

    AUTO(buf) struct buf whole = {0};

    buf_printf(&whole, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name);
    if (whole.size >= sizeof(p->path))
        return err_set(e, ERR_USAGE, "the path %s is too long", path);
    memcpy(p->path, buf_string(&whole), whole.size + 1);
    return true;
}

static bool place_open(const char *path, struct place *p, struct err *e)
{
    char folder[PATH_MAX];

    if (!place_resolve(path, p, e))
        return false;
    p->name = strrchr(p->path, '/') + 1;

    const size_t size = (size_t)(p->name - p->path);

    memcpy(folder, p->path, size);
    folder[size] = '\0';
    if (!dir_open(folder, &p->dirfd, e))
        return false;
    p->is_there = fstatat(p->dirfd, p->name, &p->old, AT_SYMLINK_NOFOLLOW) == 0;
    if (!p->is_there && errno != ENOENT)
        return err_sys(e, "look at %s", p->path);
    if (p->is_there && !S_ISREG(p->old.st_mode))
        return err_set(e, ERR_EXISTS, "%s is not a regular file", p->path);
    return true;
}

/* The copy on its way.  Leaving it removes it, unless it has been renamed. */
struct draft {
    const struct place *place;
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
static bool draft_open(const struct place *p, struct draft *d, struct err *e)
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

/* The owner first: a change of owner may take bits of the mode away. */
static bool draft_finish(struct draft *d, const struct sqlite_manifest *m, struct err *e)
{
    const struct stat *old = &d->place->old;
    const bool is_there = d->place->is_there;

    if (is_there && (old->st_uid != geteuid() || old->st_gid != getegid()) &&
        !fd_set_owner(d->fd, old->st_uid, old->st_gid, e))
        return err_wrap(e, "%s", d->name);
    return fd_set_mode(d->fd, is_there ? old->st_mode & 07777 : DRAFT_MODE, e) &&
           sqlite_file_set_wal(d->fd, m->was_wal, e) && fd_sync(d->fd, d->name, e);
}

/* What the report's first line says is the error. */
static bool draft_check(const struct draft *d, struct slice manifest, struct err *e)
{
    AUTO(sqlite_report) struct sqlite_report report = {0};
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s" DRAFT_SUFFIX, d->place->path);
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

static bool is_held_by_others(const struct place *p, struct err *e)
{
    return err_set(e, ERR_TRANSIENT, "another process has %s open", p->path);
}

/* Network file systems refuse leases unless the server has granted something like one. */
static bool has_leases(int fd)
{
    struct statfs fs = {0};

    return fstatfs(fd, &fs) == 0 && fs.f_type != NFS_SUPER_MAGIC && fs.f_type != CIFS_SUPER_MAGIC &&
           fs.f_type != SMB2_SUPER_MAGIC;
}

/*
 * Whether a process has the file open.  SQLite's locks do not tell: in rollback mode a connection
 * between two transactions has none.  The kernel grants a lease for writing only to who is alone.
 * Where it cannot be asked, the locks have to do.
 */
static bool is_open_elsewhere(const struct place *p)
{
    AUTO(fd) int fd = openat(p->dirfd, p->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);

    /* Who opens the file just then is told by this signal, which is ignored by default. */
    if (fd < 0 || !has_leases(fd) || fcntl(fd, F_SETSIG, SIGURG) < 0)
        return false;
    if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
        return errno == EAGAIN;
    (void)fcntl(fd, F_SETLEASE, F_UNLCK); /* closing ends it too */
    return false;
}

/*
 * Lock the old database and bring its log into it.  *db keeps the lock; it stays NULL for what is
 * no sound database: there is nothing to lock then, and nothing to lose.
 */
static bool hold_old(const struct place *p, struct sqlite_patience *patience, sqlite3 **db,
                     struct err *e)
{
    AUTO(sqlite_db) sqlite3 *old = NULL;
    int64_t is_busy = 0;

    if (is_open_elsewhere(p))
        return is_held_by_others(p, e);
    /* The lock stays when the transaction ends, and in WAL mode it is that of the whole file. */
    if (sqlite_db_open_target(p->path, patience, &old, e) &&
        sqlite_db_run(old, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT", e) &&
        sqlite_db_number(old, "PRAGMA wal_checkpoint(TRUNCATE)", &is_busy, e)) {
        if (is_busy != 0)
            return is_held_by_others(p, e);
        *db = TAKE(old);
        return true;
    }
    if (e->code == ERR_TRANSIENT)
        return is_held_by_others(p, e);
    return e->code == ERR_CORRUPT || err_wrap(e, "lock %s", p->path);
}

/* Stale files beside the old database go, durably, before the new one has its name. */
static bool remove_others(const struct place *p, struct err *e)
{
    static const char *const suffixes[] = {"-wal", "-shm", "-journal"};

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        AUTO(buf) struct buf name = {0};

        buf_printf(&name, "%s%s", p->name, suffixes[i]);
        if (!file_remove(p->dirfd, buf_string(&name), e))
            return false;
    }
    return dir_sync(p->dirfd, "the folder", e);
}

static bool replace_file(struct draft *d, struct err *e)
{
    const struct place *p = d->place;

    if (!remove_others(p, e) || !beneath_rename(p->dirfd, d->name, p->name, e))
        return false;
    mem_free(d->name);
    d->name = NULL;
    return dir_sync(p->dirfd, "the folder", e);
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

bool sqlite_restore(const struct sqlite_restore_options *o, sqlite_feed_fn *feed, void *arg,
                    struct err *e)
{
    AUTO(sqlite_manifest) struct sqlite_manifest m = {0};
    AUTO(place) struct place p = {.dirfd = -1};
    AUTO(draft) struct draft d = {.fd = -1};
    struct sqlite_patience none = {0};
    AUTO(sqlite_db) sqlite3 *old = NULL; /* closed first: it may hold the lock to the end */

    if (!sqlite_manifest_parse(o->manifest, &m, e) || !place_open(o->path, &p, e) ||
        !draft_open(&p, &d, e) || !draft_receive(&d, m.size, feed, arg, e) ||
        !draft_finish(&d, &m, e) || !draft_check(&d, o->manifest, e))
        return err_wrap(e, "restore %s", o->path);
    if (p.is_there && !hold_old(&p, &none, &old, e)) {
        if (e->code != ERR_TRANSIENT || !o->force)
            return err_wrap(e, "restore %s", o->path);
        return replace_content(&d, e) || err_wrap(e, "restore %s", o->path);
    }
    return replace_file(&d, e) || err_wrap(e, "restore %s", o->path);
}
