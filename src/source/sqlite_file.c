/*
 * A way for SQLite to a file that is open already: the name of the database is the number of the
 * descriptor.  So a copy needs no name that a kill could leave behind, all writes go through
 * base/file.c, and a cancelled check of a large file ends at the next page.
 *
 * The file is one process's alone: there are no locks, no journal and no write-ahead log.  SQLite
 * is told that the file is in rollback journal mode also when the header says WAL, because a
 * copy has no log.
 */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/text.h"
#include "source/sqlite_db.h"

/* SQLite allocates it; base comes first. */
struct fd_file {
    sqlite3_file base;
    int fd; /* borrowed */
    bool is_writable;
    struct err why; /* the first failure */
};

static struct fd_file *fd_file_of(sqlite3_file *f)
{
    return (struct fd_file *)f;
}

/* What the call gives to SQLite in place of the error, which is kept. */
static int failed(struct fd_file *f, const struct err *e, int result)
{
    if (f->why.code == ERR_NONE)
        f->why = *e;
    return result;
}

/* Tell SQLite of rollback journal mode. */
static void hide_wal(uint8_t *bytes, uint64_t offset, size_t size)
{
    for (uint64_t at = SQLITE_MODE_OFFSET; at < SQLITE_MODE_OFFSET + SQLITE_MODE_SIZE; at++)
        if (at >= offset && at - offset < size && bytes[at - offset] == SQLITE_MODE_WAL)
            bytes[at - offset] = SQLITE_MODE_ROLLBACK;
}

static int vfs_close(sqlite3_file *f)
{
    (void)f; /* the descriptor is the caller's */
    return SQLITE_OK;
}

static int vfs_read(sqlite3_file *f, void *to, int size, sqlite3_int64 offset)
{
    struct fd_file *file = fd_file_of(f);
    struct err e = {0};
    size_t got = 0;

    if (cancel_is_requested())
        return SQLITE_IOERR_READ; /* sqlite_db_err() knows why */
    if (!fd_read_at(file->fd, (uint64_t)offset, to, (size_t)size, &got, &e))
        return failed(file, &e, SQLITE_IOERR_READ);
    hide_wal(to, (uint64_t)offset, got);
    if (got == (size_t)size)
        return SQLITE_OK;
    memset((uint8_t *)to + got, 0, (size_t)size - got);
    return SQLITE_IOERR_SHORT_READ;
}

static int vfs_write(sqlite3_file *f, const void *from, int size, sqlite3_int64 offset)
{
    struct fd_file *file = fd_file_of(f);
    struct err e = {0};

    if (!file->is_writable)
        return SQLITE_READONLY;
    if (!fd_write_at(file->fd, (uint64_t)offset, SLICE_OF(from, (size_t)size), &e))
        return failed(file, &e, SQLITE_IOERR_WRITE);
    return SQLITE_OK;
}

static int vfs_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    struct fd_file *file = fd_file_of(f);
    struct err e = {0};

    if (!file->is_writable)
        return SQLITE_READONLY;
    if (!fd_set_size(file->fd, (uint64_t)size, &e))
        return failed(file, &e, SQLITE_IOERR_TRUNCATE);
    return SQLITE_OK;
}

/* Who needs the file to last calls fd_sync(). */
static int vfs_sync(sqlite3_file *f, int flags)
{
    (void)f;
    (void)flags;
    return SQLITE_OK;
}

static int vfs_size(sqlite3_file *f, sqlite3_int64 *size)
{
    struct fd_file *file = fd_file_of(f);
    struct stat st = {0};
    struct err e = {0};

    if (fstat(file->fd, &st) < 0) {
        (void)err_sys(&e, "look at the copy");
        return failed(file, &e, SQLITE_IOERR_FSTAT);
    }
    *size = st.st_size;
    return SQLITE_OK;
}

static int vfs_lock(sqlite3_file *f, int level)
{
    (void)f;
    (void)level;
    return SQLITE_OK;
}

static int vfs_is_reserved(sqlite3_file *f, int *out)
{
    (void)f;
    *out = 0;
    return SQLITE_OK;
}

static int vfs_control(sqlite3_file *f, int op, void *arg)
{
    (void)f;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int vfs_sector_size(sqlite3_file *f)
{
    (void)f;
    return 4096;
}

static int vfs_characteristics(sqlite3_file *f)
{
    return fd_file_of(f)->is_writable ? 0 : SQLITE_IOCAP_IMMUTABLE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = vfs_close,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xTruncate = vfs_truncate,
    .xSync = vfs_sync,
    .xFileSize = vfs_size,
    .xLock = vfs_lock,
    .xUnlock = vfs_lock,
    .xCheckReservedLock = vfs_is_reserved,
    .xFileControl = vfs_control,
    .xSectorSize = vfs_sector_size,
    .xDeviceCharacteristics = vfs_characteristics,
};

/* Only the database itself: everything temporary is kept in memory. */
static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
    struct fd_file *file = fd_file_of(f);
    uint64_t fd = 0;
    struct err e = {0};

    (void)v;
    *file = (struct fd_file){.fd = -1};
    if ((flags & SQLITE_OPEN_MAIN_DB) == 0 || !parse_u64(name, &fd, &e))
        return SQLITE_CANTOPEN;
    *file = (struct fd_file){
        .base = {&methods},
        .fd = (int)fd,
        .is_writable = (flags & SQLITE_OPEN_READWRITE) != 0,
    };
    if (out_flags != NULL)
        *out_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *v, const char *name, int sync_folder)
{
    (void)v;
    (void)name;
    (void)sync_folder;
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *v, const char *name, int flags, int *out)
{
    (void)v;
    (void)name;
    (void)flags;
    *out = 0;
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *v, const char *name, int room, char *out)
{
    const size_t size = strlen(name) + 1;

    (void)v;
    if (size > (size_t)room)
        return SQLITE_CANTOPEN;
    memcpy(out, name, size);
    return SQLITE_OK;
}

#define VFS_NAME "holdfast-descriptor"

/* Time and chance are as in SQLite's own; set once, read by SQLite from then on. */
static sqlite3_vfs vfs;

static void vfs_register(void)
{
    vfs = *sqlite3_vfs_find(NULL);
    vfs.iVersion = 1;
    vfs.szOsFile = sizeof(struct fd_file);
    vfs.zName = VFS_NAME;
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    vfs.xAccess = vfs_access;
    vfs.xFullPathname = vfs_full_path;
    (void)sqlite3_vfs_register(&vfs,
                               0); /* what could fail is the initialization, done by _find() */
}

const char *sqlite_file_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, vfs_register);
    return VFS_NAME;
}

const struct err *sqlite_file_failure(sqlite3 *db)
{
    sqlite3_file *f = NULL;

    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &f) != SQLITE_OK ||
        f->pMethods != &methods || fd_file_of(f)->why.code == ERR_NONE)
        return NULL;
    return &fd_file_of(f)->why;
}

bool sqlite_file_get_wal(int fd, bool *is_wal, struct err *e)
{
    uint8_t mode[SQLITE_MODE_SIZE] = {0};
    size_t got = 0;

    if (!fd_read_at(fd, SQLITE_MODE_OFFSET, mode, sizeof(mode), &got, e))
        return false;
    *is_wal = mode[1] == SQLITE_MODE_WAL;
    return true;
}

bool sqlite_file_set_wal(int fd, bool is_wal, struct err *e)
{
    const uint8_t mode = is_wal ? SQLITE_MODE_WAL : SQLITE_MODE_ROLLBACK;
    const uint8_t modes[SQLITE_MODE_SIZE] = {mode, mode};

    return fd_write_at(fd, SQLITE_MODE_OFFSET, SLICE_OF(modes, sizeof(modes)), e);
}
