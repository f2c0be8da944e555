/*
 * The catalog in a file, by SQLite in WAL mode.
 *
 * One connection of a process writes, beside it are some that read.  Every transaction that writes
 * holds "<path>.lock" (flock) from before its beginning to after its commit, and the checkpoint
 * that a commit may bring falls into that time.  So no two connections, in whichever processes,
 * ever write or checkpoint at once: SQLite before 3.51.3 may lose the end of the log when they do.
 * For the same reason connections that read make no checkpoint, and none is made by closing.
 *
 * After a failed fsync nobody knows what the disk holds: the handle writes nothing any more.  A new
 * one begins with a checkpoint, which writes all that the log holds once more and syncs it.
 *
 * The file that is locked is not the database: closing any descriptor of that would drop the locks
 * that SQLite has on it.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "catalog/db_driver.h"

#define NS_PER_MS    INT64_C(1000000)
#define READERS      8
#define LOCK_STEP_MS 3   /* between two tries for the lock of those who write */
#define LOOK_STEP_MS 200 /* between two looks at what other processes did */

struct sqlite_base {
    struct db db;
    char *path, *lock_path;
    atomic_bool is_suspect; /* an fsync failed */
};

struct sqlite_link {
    struct db_link link;
    sqlite3 *db;
    int lock_fd;  /* of the connection that writes; else -1 */
    bool is_open; /* a transaction */
};

static struct sqlite_base *base_of(struct db *d)
{
    return (struct sqlite_base *)d;
}

static struct sqlite_link *link_of(struct db_link *l)
{
    return (struct sqlite_link *)l;
}

/* Failures */

static enum err_code code_of(int result)
{
    switch (result) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
        return ERR_EXISTS;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return ERR_NOT_FOUND;
    case SQLITE_CONSTRAINT_CHECK:
        return ERR_USAGE;
    default:
        break;
    }
    switch (result & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
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

/* Record what went wrong.  Returns false. */
static bool sqlite_err(struct db_link *l, int result, struct err *e)
{
    struct sqlite_base *b = base_of(l->db);
    sqlite3 *db = link_of(l)->db;
    const int primary = result & 0xff;

    l->may_repeat = primary == SQLITE_BUSY || primary == SQLITE_LOCKED;
    if (result == SQLITE_IOERR_FSYNC || result == SQLITE_IOERR_DIR_FSYNC) {
        atomic_store(&b->is_suspect, true);
        return err_set(e, ERR_AWAY, "%s: an fsync failed, so nobody knows what is on the disk",
                       b->path);
    }
    if (l->may_repeat)
        return err_set(e, ERR_TRANSIENT, "%s: another process keeps it locked", b->path);
    if (primary == SQLITE_NOTADB)
        return err_set(e, ERR_CORRUPT, "%s is no catalog: it is not an SQLite database", b->path);
    if (primary == SQLITE_FULL)
        return err_set(e, ERR_FATAL, "%s: the disk is full", b->path);
    errno = sqlite3_system_errno(db);
    if ((primary == SQLITE_CANTOPEN || primary == SQLITE_IOERR) && errno != 0) {
        const bool is_full = errno == ENOSPC || errno == EDQUOT;

        return is_full ? err_set(e, ERR_FATAL, "%s: the disk is full", b->path)
                       : err_sys(e, "%s: %s", b->path, sqlite3_errstr(result));
    }
    return err_set(e, code_of(result), "%s: %s", b->path, sqlite3_errmsg(db));
}

static bool exec(struct db_link *l, const char *sql, struct err *e)
{
    const int result = sqlite3_exec(link_of(l)->db, sql, NULL, NULL, NULL);

    return result == SQLITE_OK || sqlite_err(l, result, e);
}

/* The lock of those who write */

static bool lock_take(struct sqlite_link *s, struct err *e)
{
    const char *path = base_of(s->link.db)->lock_path;
    const int64_t until = clock_monotonic_ns() + DB_WAIT_MS * NS_PER_MS;

    while (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_sys(e, "lock %s", path);
        if (clock_monotonic_ns() > until)
            return err_set(e, ERR_TRANSIENT, "%s: another process keeps it locked", path);
        (void)poll(NULL, 0, LOCK_STEP_MS);
    }
    return true;
}

static void lock_give(struct sqlite_link *s)
{
    if (s->lock_fd >= 0)
        (void)flock(s->lock_fd, LOCK_UN); /* does not fail on a descriptor of ours */
}

/* Connections */

static void sqlite_disconnect(struct db_link *l)
{
    struct sqlite_link *s = link_of(l);

    for (size_t i = 0; i < DB_STATEMENTS_MAX; i++)
        (void)sqlite3_finalize(l->statements[i].prepared);
    (void)sqlite3_close(s->db);
    fd_auto(&s->lock_fd);
    mem_free(s);
}

static void sqlite_link_auto(struct sqlite_link **s)
{
    if (*s != NULL)
        sqlite_disconnect(&(*s)->link);
}

/* What every connection gets before it looks at the file. */
static bool prepare_link(struct sqlite_link *s, struct err *e)
{
    static const struct {
        int option, value;
    } settings[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},   {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 1},      {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1},
    };

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        const int result =
            sqlite3_db_config(s->db, settings[i].option, settings[i].value, (int *)NULL);

        if (result != SQLITE_OK)
            return sqlite_err(&s->link, result, e);
    }
    (void)sqlite3_busy_timeout(s->db, DB_WAIT_MS);
    (void)sqlite3_limit(s->db, SQLITE_LIMIT_ATTACHED, 0);
    return exec(&s->link,
                s->link.mode == DB_READ ? "PRAGMA wal_autocheckpoint = 0; PRAGMA query_only = ON;"
                                          "PRAGMA cell_size_check = ON"
                                        : "PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON",
                e);
}

/* The first look at the file as a database. */
static bool join_database(struct sqlite_link *s, struct err *e)
{
    sqlite3_stmt *journal = NULL;
    bool is_wal = false;

    if (s->link.mode == DB_READ)
        return exec(&s->link, "SELECT count(*) FROM sqlite_schema", e);
    if (!lock_take(s, e))
        return false;

    int result = sqlite3_prepare_v2(s->db, "PRAGMA journal_mode = WAL", -1, &journal, NULL);

    if (result == SQLITE_OK)
        result = sqlite3_step(journal);
    if (result == SQLITE_ROW)
        is_wal = sqlite3_stricmp((const char *)sqlite3_column_text(journal, 0), "wal") == 0;
    (void)sqlite3_finalize(journal);

    bool ok = is_wal;

    if (result != SQLITE_ROW)
        ok = sqlite_err(&s->link, result, e);
    else if (!is_wal)
        ok = err_set(e, ERR_FATAL, "%s: its file system does not allow SQLite's WAL mode",
                     base_of(s->link.db)->path);
    ok = ok && exec(&s->link, "PRAGMA wal_checkpoint(PASSIVE)", e);
    lock_give(s);
    return ok;
}

static bool sqlite_connect(struct db *d, enum db_mode mode, struct db_link **out, struct err *e)
{
    struct sqlite_base *b = base_of(d);
    AUTO(sqlite_link) struct sqlite_link *s = mem_new(sizeof(*s));
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;

    s->link.db = d;
    s->link.mode = mode;
    s->lock_fd = -1;
    if (mode == DB_WRITE && !file_open(b->lock_path, &s->lock_fd, e))
        return false;

    const int result = sqlite3_open_v2(b->path, &s->db, flags, NULL);

    assert(s->db != NULL); /* but for missing memory */
    if (result != SQLITE_OK)
        return sqlite_err(&s->link, result, e);
    if (!prepare_link(s, e) || !join_database(s, e))
        return false;
    *out = &TAKE(s)->link;
    return true;
}

/* Transactions */

static bool sqlite_begin(struct db_link *l, enum db_mode mode, int64_t *now_ns, struct err *e)
{
    struct sqlite_link *s = link_of(l);
    const bool is_writing = mode == DB_WRITE;

    if (is_writing && atomic_load(&base_of(l->db)->is_suspect))
        return err_set(e, ERR_FATAL,
                       "%s: an fsync failed, so nothing more is written until it is "
                       "opened again",
                       base_of(l->db)->path);
    if (is_writing && !lock_take(s, e))
        return false;
    if (!exec(l, is_writing ? "BEGIN IMMEDIATE" : "BEGIN", e)) {
        lock_give(s);
        return false;
    }
    s->is_open = true;
    *now_ns = clock_now_ns();
    return true;
}

static bool sqlite_commit(struct db_link *l, struct err *e)
{
    struct sqlite_link *s = link_of(l);

    if (!exec(l, "COMMIT", e))
        return false;
    s->is_open = false;
    lock_give(s);
    return true;
}

static void sqlite_rollback(struct db_link *l)
{
    struct sqlite_link *s = link_of(l);

    if (!s->is_open)
        return;
    /* Some failures have rolled back by themselves. */
    if (sqlite3_get_autocommit(s->db) == 0)
        l->is_broken = sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK;
    s->is_open = false;
    lock_give(s);
}

/* Statements */

static bool statement_of(struct db_link *l, const char *sql, sqlite3_stmt **out, struct err *e)
{
    void **place = db_link_statement(l, sql);

    if (*place == NULL) {
        sqlite3_stmt *made = NULL;
        const int result =
            sqlite3_prepare_v3(link_of(l)->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &made, NULL);

        if (result != SQLITE_OK)
            return sqlite_err(l, result, e);
        *place = made;
    }
    *out = *place;
    return true;
}

/* $1 is a name to SQLite, with a number by its first place in the statement. */
static int bind(sqlite3_stmt *s, size_t number, const struct db_value *v)
{
    char name[16];

    (void)sqlite3_snprintf(sizeof(name), name, "$%d", (int)number);

    const int at = sqlite3_bind_parameter_index(s, name);

    assert(at > 0);
    if (v->is_null)
        return sqlite3_bind_null(s, at);
    return v->is_text ? sqlite3_bind_text(s, at, v->text, -1, SQLITE_STATIC)
                      : sqlite3_bind_int64(s, at, v->number);
}

static void take_row(sqlite3_stmt *s, struct db_result *out)
{
    const size_t row = out->rows;
    const size_t columns = (size_t)sqlite3_column_count(s);

    /* Grows by doubling, which the number of rows tells. */
    if ((row & (row - 1)) == 0)
        db_result_set(out, row == 0 ? 1 : 2 * row, columns);
    out->rows = row + 1;
    out->columns = columns;
    for (size_t i = 0; i < columns; i++) {
        struct db_cell *cell = &out->cells[row * columns + i];
        const int type = sqlite3_column_type(s, (int)i);

        *cell = (struct db_cell){.is_null = type == SQLITE_NULL};
        if (type == SQLITE_TEXT)
            cell->text =
                arena_string(&out->arena, SLICE_OF(sqlite3_column_text(s, (int)i),
                                                   (size_t)sqlite3_column_bytes(s, (int)i)));
        else
            cell->number = sqlite3_column_int64(s, (int)i);
    }
}

static bool sqlite_run(struct db_link *l, const char *sql, const struct db_value *values,
                       size_t count, struct db_result *out, struct err *e)
{
    sqlite3_stmt *s = NULL;
    int result = SQLITE_OK;

    if (!statement_of(l, sql, &s, e))
        return false;
    assert(sqlite3_bind_parameter_count(s) == (int)count);
    for (size_t i = 0; i < count && result == SQLITE_OK; i++)
        result = bind(s, i + 1, &values[i]);
    if (result == SQLITE_OK)
        while ((result = sqlite3_step(s)) == SQLITE_ROW && out->rows < DB_ROWS_MAX)
            take_row(s, out);

    const bool is_done = result == SQLITE_DONE;
    const bool ok =
        is_done ||
        (result == SQLITE_ROW ? err_set(e, ERR_FATAL, "a result has more than %d rows", DB_ROWS_MAX)
                              : sqlite_err(l, result, e));

    out->changed = sqlite3_stmt_readonly(s) != 0 ? 0 : sqlite3_changes64(link_of(l)->db);
    (void)sqlite3_reset(s); /* repeats what the last step said */
    (void)sqlite3_clear_bindings(s);
    return ok;
}

/* Waking: a number in the database that those who wait look at, at once when it was this process
 * that changed it. */

static bool sqlite_wake(struct db_link *l, enum db_bell bell, struct err *e)
{
    struct db_result r = {0};
    const bool ok = bell == DB_BELL_NEWS ||
                    sqlite_run(l, "UPDATE wakes SET count = count + 1", DB_NO_VALUES, &r, e);

    db_result_done(&r);
    return ok;
}

static bool read_wakes(struct db *d, uint64_t *out, struct err *e)
{
    AUTO(db_tx) struct db_tx *t = NULL;
    AUTO(db_result) struct db_result r = {0};

    if (!db_begin(d, DB_READ, &t, e) || !db_run(t, "SELECT count FROM wakes", DB_NO_VALUES, &r, e))
        return false;
    if (r.rows != 1)
        return err_set(e, ERR_CORRUPT, "%s: its table wakes is empty", base_of(d)->path);
    *out = (uint64_t)db_get_number(&r, 0, 0);
    return true;
}

/* What only this process rings. */
static void wait_here(struct db *d, enum db_bell bell, int64_t until_ns, uint64_t *seen)
{
    (void)pthread_mutex_lock(&d->lock);
    while (d->rung[bell] == *seen && !cancel_is_requested() && clock_monotonic_ns() < until_ns) {
        const int64_t look = clock_monotonic_ns() + LOOK_STEP_MS * NS_PER_MS;

        (void)db_cond_wait(&d->woken, &d->lock, look < until_ns ? look : until_ns);
    }
    *seen = d->rung[bell];
    (void)pthread_mutex_unlock(&d->lock);
}

static bool sqlite_wait(struct db *d, enum db_bell bell, int timeout_ms, uint64_t *seen,
                        struct err *e)
{
    const int64_t until = clock_monotonic_ns() + timeout_ms * NS_PER_MS;

    if (bell == DB_BELL_NEWS) {
        wait_here(d, bell, until, seen);
        return true;
    }
    for (;;) {
        uint64_t found = 0;

        (void)pthread_mutex_lock(&d->lock);
        const uint64_t here = d->rung[bell];
        (void)pthread_mutex_unlock(&d->lock);

        if (!read_wakes(d, &found, e))
            return false;

        const int64_t now = clock_monotonic_ns();
        const int64_t look = now + LOOK_STEP_MS * NS_PER_MS;

        if (found != *seen || now >= until || cancel_is_requested()) {
            *seen = found;
            return true;
        }
        (void)pthread_mutex_lock(&d->lock);
        while (d->rung[bell] == here &&
               db_cond_wait(&d->woken, &d->lock, look < until ? look : until))
            continue;
        (void)pthread_mutex_unlock(&d->lock);
    }
}

/* Opening */

static void sqlite_close(struct db *d)
{
    struct sqlite_base *b = base_of(d);

    db_done(d);
    mem_free(b->path);
    mem_free(b->lock_path);
    mem_free(b);
}

static const struct db_ops sqlite_ops = {
    .connect = sqlite_connect,
    .disconnect = sqlite_disconnect,
    .begin = sqlite_begin,
    .run = sqlite_run,
    .script = exec,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .wake = sqlite_wake,
    .wait = sqlite_wait,
    .close = sqlite_close,
};

/* An empty file with mode 0600, unless there is one: to SQLite a database without tables. */
static bool make_file(const char *path, struct err *e)
{
    AUTO(buf) struct buf draft = {0};
    bool is_suspect = false;

    if (access(path, F_OK) == 0)
        return true;
    buf_printf(&draft, "%s.new", path);
    return file_publish(AT_FDCWD, path, buf_string(&draft), (struct slice){0}, &is_suspect, e) ||
           e->code == ERR_EXISTS;
}

bool db_sqlite_open(const struct db_options *o, struct db **out, struct err *e)
{
    struct sqlite_base *b = mem_new(sizeof(*b));
    AUTO(db) struct db *d = &b->db;
    AUTO(buf) struct buf lock_path = {0};
    struct db_tx *t = NULL;

    db_init(d, &sqlite_ops, DB_SQLITE);
    d->pools[DB_READ].limit = o->connections > 0 ? o->connections : READERS;
    d->pools[DB_WRITE].limit = 1;
    buf_printf(&lock_path, "%s.lock", o->path);
    b->path = mem_string(o->path);
    b->lock_path = mem_string(buf_string(&lock_path));
    if (!make_file(b->path, e) || !make_file(b->lock_path, e))
        return false;
    /* Makes it a database in WAL mode and checkpoints what is there. */
    if (!db_begin(d, DB_WRITE, &t, e))
        return false;
    db_abort(t);
    *out = TAKE(d);
    return true;
}
