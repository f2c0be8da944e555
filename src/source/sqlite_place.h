/*
 * Where SQLite databases are, or are to be, and what may be beside them.  Private to src/source.
 */
#ifndef SOURCE_SQLITE_PLACE_H
#define SOURCE_SQLITE_PLACE_H

#include <limits.h>
#include <sys/stat.h>

#include "source/sqlite_db.h"

struct sqlite_place {
    char path[PATH_MAX]; /* without links */
    char *name;          /* its last component, within path */
    int dirfd;
    bool is_there;
    struct stat old;
};
#define SQLITE_PLACE_NONE ((struct sqlite_place){.dirfd = -1})

/* The last component of path need not exist; ERR_EXISTS when it is no regular file. */
MUST_CHECK bool sqlite_place_open(const char *path, struct sqlite_place *p, struct err *e);
void sqlite_place_auto(struct sqlite_place *p);

/* The last component of another path, which is to be in the same folder: else ERR_USAGE.  *st is
 * all 0 when there is no such file; ERR_EXISTS when it is no regular one. */
MUST_CHECK bool sqlite_place_beside(const struct sqlite_place *p, const char *path,
                                    const char **name, struct stat *st, struct err *e);

/* ERR_TRANSIENT while any process has the file open, as far as the system tells. */
MUST_CHECK bool sqlite_place_check_idle(const struct sqlite_place *p, struct err *e);

/*
 * Lock the database that is there exclusively and bring its log into it: from then on the file
 * needs no other.  *db keeps the lock; it stays NULL for what is no sound database, which cannot be
 * locked.  ERR_TRANSIENT while any process has it open.
 */
MUST_CHECK bool sqlite_place_hold(const struct sqlite_place *p, sqlite3 **db, struct err *e);

/* Remove "-wal", "-shm" and "-journal", durably: SQLite would apply stale ones to whatever gets the
 * name next. */
MUST_CHECK bool sqlite_place_clear(const struct sqlite_place *p, struct err *e);

#endif
