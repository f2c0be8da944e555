#include "source/sqlite_place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

void sqlite_place_auto(struct sqlite_place *p)
{
    fd_auto(&p->dirfd);
}

/* Resolve a path whose last component need not exist. */
static bool place_resolve(const char *path, struct sqlite_place *p, struct err *e)
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

bool sqlite_place_open(const char *path, struct sqlite_place *p, struct err *e)
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

bool sqlite_place_beside(const struct sqlite_place *p, const char *path, const char **name,
                         struct stat *st, struct err *e)
{
    const char *slash = strrchr(path, '/');
    AUTO(buf) struct buf folder = {0};
    struct stat wanted = {0}, found = {0};

    buf_append(&folder, path, slash == NULL ? 0 : (size_t)(slash - path) + 1);
    if (fstat(p->dirfd, &wanted) < 0)
        return err_sys(e, "look at the folder of %s", p->path);
    if (slash == NULL || slash[1] == '\0' || stat(buf_string(&folder), &found) < 0 ||
        found.st_dev != wanted.st_dev || found.st_ino != wanted.st_ino)
        return err_set(e, ERR_USAGE, "%s is not in the folder of %s", path, p->path);
    if (fstatat(p->dirfd, slash + 1, st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (!S_ISREG(st->st_mode))
            return err_set(e, ERR_EXISTS, "%s is not a regular file", path);
    } else if (errno == ENOENT) {
        *st = (struct stat){0};
    } else {
        return err_sys(e, "look at %s", path);
    }
    *name = slash + 1;
    return true;
}

static bool is_held_by_others(const struct sqlite_place *p, struct err *e)
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
static bool is_open_elsewhere(const struct sqlite_place *p)
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

/* SQLite throws a journal away that it finds beside what is no database, and what gives way is to
 * come back as it was. */
static bool is_database(const struct sqlite_place *p)
{
    static const char magic[] = "SQLite format 3"; /* with its NUL */
    AUTO(fd) int fd = openat(p->dirfd, p->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    char head[sizeof(magic)] = {0};
    struct err ignored = {0};
    size_t got = 0;

    return fd < 0 || !fd_read_at(fd, 0, head, sizeof(head), &got, &ignored) || got == 0 ||
           memcmp(head, magic, sizeof(magic)) == 0;
}

bool sqlite_place_check_idle(const struct sqlite_place *p, struct err *e)
{
    return !is_open_elsewhere(p) || is_held_by_others(p, e);
}

bool sqlite_place_hold(const struct sqlite_place *p, sqlite3 **db, struct err *e)
{
    struct sqlite_patience none = {0};
    AUTO(sqlite_db) sqlite3 *old = NULL;
    int64_t is_busy = 0;

    if (!sqlite_place_check_idle(p, e))
        return false;
    if (!is_database(p))
        return true;
    /* The lock stays when the transaction ends, and in WAL mode it is that of the whole file. */
    if (sqlite_db_open_target(p->path, &none, &old, e) &&
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

bool sqlite_place_clear(const struct sqlite_place *p, struct err *e)
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
