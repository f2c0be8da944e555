/*
 * SQLite databases: a consistent copy of one file, a manifest of what is in it, and putting it
 * back.  Part of source.h; docs/sources/sqlite.md describes the manifest.
 */
#ifndef SOURCE_SQLITE_H
#define SOURCE_SQLITE_H

#include "base/buf.h"

struct member;

struct sqlite_options {
    const char *name;
    const char *path; /* absolute */
    const char
        *scratch; /* folder for the copy, which has no name there; NULL: $TMPDIR or /var/tmp */
    unsigned lock_limit_ms; /* how long others may keep the database locked; 0: 30 s */
};

/*
 * The kind "sqlite": sends "<name>", the database as one file in rollback journal mode, and
 * "<name>.manifest.json".  Writers go on meanwhile.  A database that is damaged is sent as it is,
 * and *failure says so.  A cancelled send() fails with ERR_CANCELLED.
 */
MUST_CHECK bool sqlite_member_new(const struct sqlite_options *o, struct member **out,
                                  struct err *e);

/*
 * Databases that come from elsewhere and are to take the place of one of ours (sqlite_stranger.c).
 *
 * Append the schema of a database that others may be using, in a form that is the same for two
 * databases exactly when they have the same tables, indexes, views and triggers; columns may stand
 * in another order, as they do when one was added later.  ERR_NOT_FOUND when there is no file.
 */
MUST_CHECK bool sqlite_schema_read(const char *path, struct buf *out, struct err *e);

/*
 * Look at all of a file that somebody has made with intent, perhaps, and append its manifest.  Call
 * it in a process that can do no harm.  ERR_CORRUPT unless its schema is `schema`, as
 * sqlite_schema_read() says it (NULL: any of tables and indexes, without views, triggers and
 * virtual tables), and PRAGMA integrity_check finds nothing.
 */
MUST_CHECK bool sqlite_stranger_look(int fd, const char *schema, struct buf *manifest,
                                     struct err *e);

/*
 * The kind "sqlite" of a file with its manifest.  fd is borrowed, and is open for writing: a
 * database that says WAL of itself says rollback journal then, as copies do.  ERR_CORRUPT when the
 * manifest says another size or sum, or of a damaged database.
 */
MUST_CHECK bool sqlite_member_of_file(const char *name, int fd, struct slice manifest,
                                      struct member **out, struct err *e);

/* What a check found. */
struct sqlite_report {
    uint64_t tables, rows; /* that were compared */
    uint64_t differences;
    struct buf text; /* the first 100 differences, a sentence on a line each */
};
void sqlite_report_done(struct sqlite_report *r);
void sqlite_report_auto(struct sqlite_report *r);

/*
 * Compare the file of a copy with its manifest: its bytes, SQLite's own integrity check, numbers
 * and hashes of rows.  True when that could be done, whatever was found.  The file is only read;
 * nobody may be using it (ERR_TRANSIENT when there is a journal or a write-ahead log beside it).
 */
MUST_CHECK bool sqlite_check(const char *path, struct slice manifest, struct sqlite_report *out,
                             struct err *e);

/* Append the next piece of the copy to *out; nothing at its end. */
typedef bool sqlite_feed_fn(void *arg, struct buf *out, struct err *e);

/*
 * Rows of one table of a copy, in the form in which COPY of PostgreSQL writes texts (copy_rows.h).
 * Numbers are in digits, real ones as they read back; a blob, and a text that is not valid, is \x
 * and the hexadecimal digits of its bytes.  Columns that are computed when they are read, and
 * rowids without a column, are left out.
 *
 * fd is the file, ours alone, and stays the caller's; the database may be hostile: nothing in it is
 * run.  table is named as the manifest does it.  ERR_NOT_FOUND when there is no such table, or it
 * is a virtual one.
 */
struct sqlite_rows;
MUST_CHECK bool sqlite_rows_open(int fd, const char *table, struct sqlite_rows **out,
                                 struct err *e);
void sqlite_rows_close(struct sqlite_rows *r); /* accepts NULL */
void sqlite_rows_auto(struct sqlite_rows **r);

/* Names of the columns, in UTF-8; live as long as the rows. */
const char *const *sqlite_rows_columns(const struct sqlite_rows *r, size_t *count);

/* Append the next piece, about 128 KiB; nothing at the end.  arg is the rows: a sqlite_feed_fn. */
MUST_CHECK bool sqlite_rows_next(void *arg, struct buf *out, struct err *e);

/* What a manifest says, for plans: tables of the application and their rows. */
struct sqlite_stored {
    uint64_t tables, rows, bytes;
};
MUST_CHECK bool sqlite_stored_read(struct slice manifest, struct sqlite_stored *out, struct err *e);

struct sqlite_restore_options {
    const char *path; /* a symbolic link is followed */
    struct slice manifest;
    bool force; /* replace the content also while others have the database open */
};

/*
 * Put a copy in the place of a database.  Whatever fails, and at whatever moment the process or
 * the machine stops, path holds the old database or the new one, whole and usable:
 *
 *  1. The copy is written beside it as "<file>-holdfast" with the old file's owner and mode (or
 *     ours and 0600), put in WAL mode if the original was, and fsynced.
 *  2. It is compared with the manifest: ERR_CORRUPT unless all is equal.
 *  3. The old database is locked exclusively through SQLite, which rolls back what an interrupted
 *     writer left.  ERR_TRANSIENT while any process has it open.
 *  4. Its write-ahead log is brought into it completely.  From here on the old file needs no other.
 *  5. "-wal", "-shm" and "-journal" are removed and the folder is fsynced, because SQLite would
 *     apply a stale one to whatever has the name.
 *  6. The copy is renamed into place and the folder is fsynced.
 *
 * With force, a database that others have open is not replaced as a file: the copy becomes its
 * content in one transaction of SQLite, which they see as any other; its journal mode stays.
 * That fails with ERR_TRANSIENT while they keep it locked, and when it is in WAL mode with another
 * size of pages.  An old file that is no database, or damaged, cannot be locked and gives way
 * unless somebody has it open.
 *
 * What an interrupted call left is removed by the next for the same path; of two at the same time
 * one fails with ERR_TRANSIENT.
 */
MUST_CHECK bool sqlite_restore(const struct sqlite_restore_options *o, sqlite_feed_fn *feed,
                               void *arg, struct err *e);

/*
 * The same in two steps, with a way back: a copy is staged beside the database, and they change
 * names.
 *
 * Append the path for a staged copy to *out: that of the file which path leads to, with this at its
 * end.  Links are followed, and the file need not exist.
 */
MUST_CHECK bool sqlite_staged_path(const char *path, const char *suffix, struct buf *out,
                                   struct err *e);

struct sqlite_stage_options {
    const char *path; /* of the database; there may be none */
    struct slice manifest;
};

/*
 * Write a copy as `staged`, which is in the same folder and not there (ERR_EXISTS), ready to take
 * the database's place: with its owner, mode, ACLs and extended attributes (or ours and 0600), in
 * WAL mode if the original was, fsynced and equal to the manifest, else ERR_CORRUPT.  The database
 * is not touched.  When it fails the file is removed; after a kill sqlite_discard() does that.
 */
MUST_CHECK bool sqlite_stage(const struct sqlite_stage_options *o, const char *staged,
                             sqlite_feed_fn *feed, void *arg, struct err *e);

/*
 * Let path and staged change names at one moment, durably; where only one of them is there it gets
 * the other's name.  Doing it again undoes it.  ERR_NOT_FOUND when neither is there.
 *
 * What is at path is locked and its log brought in as sqlite_restore() does it: ERR_TRANSIENT while
 * any process has it open.  No stale "-wal", "-shm" or "-journal" is beside what comes to path.
 * The log and journal of what is no sound database cannot be brought in: they leave path with it,
 * as "<staged>-<inode>-wal" and "...-journal", and come back with it.
 *
 * A crash leaves the names as they were or exchanged; the inodes tell which.
 */
MUST_CHECK bool sqlite_exchange(const char *path, const char *staged, struct err *e);

/* ERR_TRANSIENT when sqlite_exchange() would be told so just now; there need be no file. */
MUST_CHECK bool sqlite_check_idle(const char *path, struct err *e);

/* Remove what has the name staged, and all that belongs to it; nothing there counts as removed.
 * After a crash in sqlite_exchange() the database at path has again what belongs to it. */
MUST_CHECK bool sqlite_discard(const char *path, const char *staged, struct err *e);

#endif
