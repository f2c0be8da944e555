/* SQLite databases to back up, and what came of it. */
#ifndef SOURCE_SQLITE_WORLD_H
#define SOURCE_SQLITE_WORLD_H

#include <sqlite3.h>

#include "source/recorder.h"

/* A path in the directory; one of a few buffers that are used in turn. */
const char *in(const struct scratch *s, const char *name);

/* An open connection, and statements that must succeed.  NULL closes. */
sqlite3 *db_open(const char *path);
void db_do(sqlite3 *db, const char *sql);
int64_t db_ask(sqlite3 *db, const char *sql);
/* The same with a connection for the one call. */
void sql_do(const char *path, const char *sql);
int64_t sql_ask(const char *path, const char *sql);

/* Ask for the one text that a statement yields; it is in a buffer that the next call uses. */
const char *sql_text(const char *path, const char *sql);

/* Back up a database as the member "app.db", waiting 20 s for locks.  False with *e when it
 * could not be prepared or the sink failed; *failure as send() leaves it. */
bool sqlite_backup(struct recorder *r, const char *path, struct err *failure, struct err *e);
bool sqlite_backup_in(struct recorder *r, const char *path, const char *scratch,
                      struct err *failure, struct err *e);

/* Back up with nothing going wrong; the copy is in a file "copy", the manifest in *manifest. */
void sqlite_backup_to(const struct scratch *s, const char *path, struct buf *manifest);

/* What a check of a file says: "" when all is as it should be. */
const char *check_text(const char *path, const struct buf *manifest);

/* Whether a text is in the manifest. */
bool manifest_has(const struct buf *manifest, const char *text);

void file_copy(const char *from, const char *to);
bool is_there(const char *path);

#endif
