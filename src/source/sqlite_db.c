#include "source/sqlite_db.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"

enum {
    NS_PER_MS = 1000000,
    WAIT_MS = 20,              /* between two tries for a lock */
    CANCEL_STEPS = 20000,      /* of SQLite's machine, below a millisecond, between questions */
    SQL_LENGTH_MAX = 16 << 20, /* of one object of the schema; SQLite allows 1 GB */
};

void sqlite_db_auto(sqlite3 **db)
{
    (void)sqlite3_close(*db); /* statements and backups are gone before, so nothing is left open */
}

void sqlite_statement_auto(sqlite3_stmt **s)
{
    (void)sqlite3_finalize(*s); /* repeats what the last step said */
}

static enum err_code code_of(int result)
{
    switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_TRANSIENT;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* what we ask is right, so the schema is not */
    case SQLITE_TOOBIG:
        return ERR_CORRUPT;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
        return ERR_DENIED;
    default:
        return ERR_FATAL;
    }
}

bool sqlite_db_err(struct err *e, sqlite3 *db, int result)
{
    const int primary = result & 0xff;
    const struct err *cause = sqlite_file_failure(db);
    /* Results of backups reach the connection only when they are finished. */
    const char *text =
        (sqlite3_errcode(db) & 0xff) == primary ? sqlite3_errmsg(db) : sqlite3_errstr(result);

    if (cancel_is_requested())
        return cancel_err(e);
    if (cause != NULL) {
        *e = *cause;
        return false;
    }
    if (primary == SQLITE_NOTADB)
        return err_set(e, ERR_CORRUPT, "it is not an SQLite database, or it is encrypted");
    if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED)
        return err_set(e, ERR_TRANSIENT, "another process keeps it locked");
    errno = sqlite3_system_errno(db);
    if ((primary == SQLITE_CANTOPEN || primary == SQLITE_IOERR) && errno != 0)
        return err_sys(e, "%s", text);
    return err_set(e, code_of(result), "%s", text);
}

static int on_progress(void *arg)
{
    (void)arg;
    return cancel_is_requested();
}

/* Wait a little for another's lock; 0: no longer. */
static int on_busy(void *arg, int count)
{
    struct sqlite_patience *p = arg;

    if (count == 0)
        p->since_ns = clock_monotonic_ns();
    if (cancel_is_requested() ||
        clock_monotonic_ns() - p->since_ns >= (int64_t)p->limit_ms * NS_PER_MS)
        return 0;
    (void)sqlite3_sleep(WAIT_MS);
    return 1;
}

bool sqlite_db_run(sqlite3 *db, const char *sql, struct err *e)
{
    const int result = sqlite3_exec(db, sql, NULL, NULL, NULL);

    return result == SQLITE_OK || sqlite_db_err(e, db, result);
}

bool sqlite_db_prepare(sqlite3 *db, const char *sql, const char *bound, sqlite3_stmt **out,
                       struct err *e)
{
    AUTO(sqlite_statement) sqlite3_stmt *s = NULL;
    int result = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

    if (result == SQLITE_OK && bound != NULL)
        result = sqlite3_bind_text(s, 1, bound, -1, SQLITE_TRANSIENT);
    if (result != SQLITE_OK)
        return sqlite_db_err(e, db, result);
    *out = TAKE(s);
    return true;
}

bool sqlite_db_step(sqlite3 *db, sqlite3_stmt *s, bool *more, struct err *e)
{
    const int result = sqlite3_step(s);

    if (result != SQLITE_ROW && result != SQLITE_DONE)
        return sqlite_db_err(e, db, result);
    *more = result == SQLITE_ROW;
    return true;
}

bool sqlite_db_number(sqlite3 *db, const char *sql, int64_t *out, struct err *e)
{
    AUTO(sqlite_statement) sqlite3_stmt *s = NULL;
    bool more = false;

    if (!sqlite_db_prepare(db, sql, NULL, &s, e) || !sqlite_db_step(db, s, &more, e))
        return false;
    *out = more ? sqlite3_column_int64(s, 0) : 0;
    return true;
}

/* What every connection gets before it looks at the file. */
static bool harden(sqlite3 *db, struct err *e)
{
    static const struct {
        int option, value;
    } settings[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},       {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},  {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 0},     {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0}, {SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0},
    };

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        const int result = sqlite3_db_config(db, settings[i].option, settings[i].value, NULL);

        if (result != SQLITE_OK)
            return sqlite_db_err(e, db, result);
    }
    (void)sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, SQL_LENGTH_MAX);
    (void)sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    (void)sqlite3_limit(db, SQLITE_LIMIT_TRIGGER_DEPTH, 1);
    (void)sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
    sqlite3_progress_handler(db, CANCEL_STEPS, on_progress, NULL);

    /* None of these reads the file: that is the caller's to do, who knows how to wait for it. */
    return sqlite_db_run(
        db, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY", e);
}

/* sqlite3_open_v2() and what follows it always; the connection is there in case of an error too. */
static bool open_connection(const char *name, int flags, const char *vfs, sqlite3 **out,
                            struct err *e)
{
    AUTO(sqlite_db) sqlite3 *db = NULL;
    const int result = sqlite3_open_v2(name, &db, flags, vfs);

    assert(db != NULL); /* but for missing memory */
    if (result != SQLITE_OK)
        return sqlite_db_err(e, db, result);
    (void)sqlite3_extended_result_codes(db, 1);
    if (!harden(db, e))
        return false;
    *out = TAKE(db);
    return true;
}

bool sqlite_db_open_fd(int fd, bool is_writable, sqlite3 **out, struct err *e)
{
    char name[16];

    assert(fd >= 0);
    (void)sqlite3_snprintf(sizeof(name), name, "%d", fd);
    return open_connection(name, is_writable ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY,
                           sqlite_file_vfs(), out, e);
}

/* Looks at the path only: a descriptor of ours on a file that SQLite has open would, when closed,
 * drop SQLite's locks. */
static bool is_regular(const char *path, struct err *e)
{
    struct stat st = {0};

    if (stat(path, &st) < 0)
        return err_sys(e, "it cannot be opened");
    if (S_ISDIR(st.st_mode))
        return err_set(e, ERR_USAGE, "it is a directory");
    return S_ISREG(st.st_mode) || err_set(e, ERR_USAGE, "it is not a regular file");
}

/* Whether there is a write-ahead log beside the file that a path leads to. */
static bool has_log(const char *path)
{
    AUTO(buf) struct buf log = {0};
    char real[PATH_MAX];

    if (realpath(path, real) == NULL)
        return false;
    buf_printf(&log, "%s-wal", real);
    return access(buf_string(&log), F_OK) == 0;
}

static bool is_in_writable_folder(const char *path)
{
    char real[PATH_MAX];

    if (realpath(path, real) == NULL)
        return false;

    char *slash = strrchr(real, '/');

    slash[slash == real ? 1 : 0] = '\0';
    return access(real, W_OK) == 0;
}

static bool open_immutable(const char *path, sqlite3 **out, struct err *e)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-";
    AUTO(buf) struct buf uri = {0};

    buf_printf(&uri, "file:");
    for (const char *c = path; *c != '\0'; c++)
        if (strchr(plain, *c) != NULL)
            buf_append(&uri, c, 1);
        else
            buf_printf(&uri, "%%%02x", (unsigned char)*c);
    buf_printf(&uri, "?immutable=1");
    return open_connection(buf_string(&uri), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL, out, e);
}

/* The first look into the file: nothing before it reads a page. */
static bool read_schema(sqlite3 *db, struct err *e)
{
    int64_t count = 0;

    return sqlite_db_number(db, "SELECT count(*) FROM sqlite_schema", &count, e);
}

bool sqlite_db_open_live(const char *path, struct sqlite_patience *p, sqlite3 **out,
                         bool *is_immutable, struct err *e)
{
    AUTO(sqlite_db) sqlite3 *db = NULL;
    const bool had_log = has_log(path);
    bool is_fixed = false;

    if (!is_regular(path, e) || !open_connection(path, SQLITE_OPEN_READWRITE, NULL, &db, e))
        return false;
    /* A log that was there is not ours to bring in; one that reading makes goes when we go. */
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, had_log ? 1 : 0, NULL);
    (void)sqlite3_busy_handler(db, on_busy, p);
    if (!read_schema(db, e)) {
        const int result = sqlite3_errcode(db) & 0xff;

        if ((result != SQLITE_CANTOPEN && result != SQLITE_READONLY) || has_log(path) ||
            is_in_writable_folder(path))
            return false;
        sqlite_db_auto(&db);
        db = NULL;
        is_fixed = true;
        if (!open_immutable(path, &db, e) || !read_schema(db, e))
            return false;
    }
    if (!sqlite_db_run(db, "PRAGMA query_only = ON", e))
        return false;
    *is_immutable = is_fixed;
    *out = TAKE(db);
    return true;
}

bool sqlite_db_open_target(const char *path, struct sqlite_patience *p, sqlite3 **out,
                           struct err *e)
{
    AUTO(sqlite_db) sqlite3 *db = NULL;

    if (!open_connection(path, SQLITE_OPEN_READWRITE, NULL, &db, e))
        return false;
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    (void)sqlite3_busy_handler(db, on_busy, p);
    *out = TAKE(db);
    return true;
}
