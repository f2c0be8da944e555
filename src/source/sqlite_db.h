/*
 * Connections to SQLite databases that were written by others and may be hostile.  Private to
 * src/source.
 *
 * No extension is loaded, no trigger fires and no view is expanded, the schema is not trusted, and
 * the functions that SQLite has are all there are.
 */
#ifndef SOURCE_SQLITE_DB_H
#define SOURCE_SQLITE_DB_H

#include <sqlite3.h>

#include "base/buf.h"

void sqlite_db_auto(sqlite3 **db);
void sqlite_statement_auto(sqlite3_stmt **s);

/* How long to wait for the locks of others.  Outlives the connection. */
struct sqlite_patience {
    unsigned limit_ms;
    int64_t since_ns; /* of the present wait */
};

/*
 * Open a database that others may be using, through SQLite's own way to files.  Nothing in it is
 * changed but what every reader does: an interrupted transaction is rolled back.  *is_immutable
 * tells that nobody is able to change it: it is in WAL mode, and neither its log nor the right to
 * make one is there.  Blocks up to the limit.
 */
MUST_CHECK bool sqlite_db_open_live(const char *path, struct sqlite_patience *p, sqlite3 **out,
                                    bool *is_immutable, struct err *e);

/* Open for replacing the content or the file: with locks of SQLite, no waiting, and so that closing
 * it leaves the files beside it alone. */
MUST_CHECK bool sqlite_db_open_target(const char *path, struct sqlite_patience *p, sqlite3 **out,
                                      struct err *e);

/* Open a file that is ours alone by its descriptor, which stays the caller's (sqlite_file.c). */
MUST_CHECK bool sqlite_db_open_fd(int fd, bool is_writable, sqlite3 **out, struct err *e);

/* Record what went wrong: ERR_CANCELLED, ERR_TRANSIENT (locked), ERR_CORRUPT, ERR_DENIED, else
 * ERR_FATAL.  Returns false. */
bool sqlite_db_err(struct err *e, sqlite3 *db, int result);

/* Statements without results, statements that yield one number, a statement with text bound to it
 * (NULL: none). */
MUST_CHECK bool sqlite_db_run(sqlite3 *db, const char *sql, struct err *e);
MUST_CHECK bool sqlite_db_number(sqlite3 *db, const char *sql, int64_t *out, struct err *e);
MUST_CHECK bool sqlite_db_prepare(sqlite3 *db, const char *sql, const char *bound,
                                  sqlite3_stmt **out, struct err *e);

/* Fetch the next row; *more is false after the last. */
MUST_CHECK bool sqlite_db_step(sqlite3 *db, sqlite3_stmt *s, bool *more, struct err *e);

/* The VFS of sqlite_db_open_fd(), and why a call of it failed (NULL: none did, or db is another's).
 */
const char *sqlite_file_vfs(void);
const struct err *sqlite_file_failure(sqlite3 *db);

/* Where the header of a database says how it is journalled. */
enum {
    SQLITE_MODE_OFFSET = 18, /* write version, read version */
    SQLITE_MODE_SIZE = 2,
    SQLITE_MODE_ROLLBACK = 1,
    SQLITE_MODE_WAL = 2,
};
MUST_CHECK bool sqlite_file_get_wal(int fd, bool *is_wal, struct err *e);
MUST_CHECK bool sqlite_file_set_wal(int fd, bool is_wal, struct err *e);

#endif
