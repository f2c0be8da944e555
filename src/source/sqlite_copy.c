#include "source/sqlite_copy.h"

#include <string.h>

#include "base/cancel.h"
#include "source/sqlite_db.h"

enum {
    STEP_PAGES = 1024, /* 4 MiB of the usual pages: milliseconds that writers wait */
    RESTARTS_MAX = 3,
};

static void sqlite3_backup_auto(sqlite3_backup **b)
{
    (void)sqlite3_backup_finish(*b); /* repeats what the last step said */
}

/* Begin a read transaction: what is read from here on is of one moment. */
static bool hold(sqlite3 *db, struct err *e)
{
    int64_t count = 0;

    return sqlite_db_run(db, "BEGIN", e) &&
           sqlite_db_number(db, "SELECT count(*) FROM sqlite_schema", &count, e);
}

static bool is_in_wal_mode(sqlite3 *db, bool *out, struct err *e)
{
    AUTO(sqlite_statement) sqlite3_stmt *s = NULL;
    bool more = false;

    if (!sqlite_db_prepare(db, "PRAGMA journal_mode", NULL, &s, e) ||
        !sqlite_db_step(db, s, &more, e))
        return false;
    *out = more && strcmp((const char *)sqlite3_column_text(s, 0), "wal") == 0;
    return true;
}

/*
 * Step to the end.  A step that leaves as much as or more than the one before began again because
 * somebody wrote in between.
 */
static bool copy_pages(sqlite3 *from, sqlite3 *to, bool is_held, struct err *e)
{
    AUTO(sqlite3_backup) sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    int left = -1, restarts = 0;

    if (b == NULL)
        return sqlite_db_err(e, to, sqlite3_errcode(to));
    for (;;) {
        const int result = sqlite3_backup_step(b, STEP_PAGES);
        const int before = left;

        if (cancel_is_requested())
            return cancel_err(e);
        if (result == SQLITE_DONE)
            return true;
        if (result != SQLITE_OK && sqlite_file_failure(to) != NULL)
            return sqlite_db_err(e, to, result) || err_wrap(e, "its copy");
        if (result != SQLITE_OK)
            return sqlite_db_err(e, from, result);
        left = sqlite3_backup_remaining(b);
        if (!is_held && before >= 0 && left >= before && ++restarts == RESTARTS_MAX) {
            if (!hold(from, e))
                return false;
            is_held = true;
        }
    }
}

/* A file that is empty has nothing that a journal would have to keep. */
static bool write_copy(sqlite3 *from, int fd, bool is_held, struct err *e)
{
    AUTO(sqlite_db) sqlite3 *to = NULL;

    return sqlite_db_open_fd(fd, true, &to, e) &&
           sqlite_db_run(to, "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF", e) &&
           copy_pages(from, to, is_held, e);
}

bool sqlite_copy_make(sqlite3 *from, int fd, bool *was_wal, struct err *e)
{
    bool is_wal = false;

    /* In WAL mode a reader holds up nobody. */
    if (!is_in_wal_mode(from, &is_wal, e) || (is_wal && !hold(from, e)))
        return false;

    const bool is_copied = write_copy(from, fd, is_wal, e);

    if (sqlite3_get_autocommit(from) == 0)
        (void)sqlite3_exec(from, "ROLLBACK", NULL, NULL, NULL); /* ends reading: nothing to lose */
    return is_copied && sqlite_file_get_wal(fd, was_wal, e) && sqlite_file_set_wal(fd, false, e);
}
