/*
 * Copies of SQLite databases: making one, and saying what is in it.  Private to src/source.
 */
#ifndef SOURCE_SQLITE_COPY_H
#define SOURCE_SQLITE_COPY_H

#include <sqlite3.h>

#include "base/arena.h"
#include "codec/hash.h"

/*
 * Write all of a database, as of one moment, into the empty file fd, which becomes a database in
 * rollback journal mode; *was_wal says what the original is.  Others may write meanwhile.  In WAL
 * mode nobody waits for it; otherwise writers do while a piece is read, and, should they have made
 * the copy begin again three times, until it is done.
 */
MUST_CHECK bool sqlite_copy_make(sqlite3 *from, int fd, bool *was_wal, struct err *e);

enum sqlite_kind { SQLITE_TABLE, SQLITE_WITHOUT_ROWID, SQLITE_SHADOW, SQLITE_VIRTUAL };

struct sqlite_table {
    char *name; /* as path_escape() writes it */
    enum sqlite_kind kind;
    bool has_rows; /* rows and sum are known */
    uint64_t rows;
    uint8_t sum[16]; /* sqlite_table.c says of what */
};

/* What is in a copy.  docs/sources/sqlite.md describes the JSON text. */
struct sqlite_manifest {
    struct arena arena; /* what the names and lines are in */
    int64_t page_size, page_count, user_version, application_id, auto_vacuum;
    char encoding[12];
    char version[24]; /* of SQLite */
    bool was_wal, was_immutable;
    uint64_t size;
    struct hash sha256; /* of the file, as if in rollback journal mode */
    bool is_quick;      /* quick_check: a function or collation of the application is missing */
    char **faults;      /* what the integrity check says */
    size_t fault_count;
    struct sqlite_table *tables; /* ascending by name */
    size_t table_count;
};
void sqlite_manifest_done(struct sqlite_manifest *m);
void sqlite_manifest_auto(struct sqlite_manifest *m);

/* Look at a copy; was_wal and was_immutable are the caller's to set.  *m is empty before. */
MUST_CHECK bool sqlite_manifest_look(int fd, struct sqlite_manifest *m, struct err *e);
/* The part of it that reads no database: size and sha256. */
MUST_CHECK bool sqlite_manifest_sum(int fd, struct sqlite_manifest *m, struct err *e);
void sqlite_manifest_format(const struct sqlite_manifest *m, struct buf *out);
/* ERR_CORRUPT for what is no manifest. */
MUST_CHECK bool sqlite_manifest_parse(struct slice text, struct sqlite_manifest *m, struct err *e);

/* Append a line to the faults. */
void sqlite_manifest_add_fault(struct sqlite_manifest *m, const char *text);

/* Append "SELECT columns FROM table": the columns that are stored, in the order of the rows.
 * ERR_CORRUPT when there is no such table. */
MUST_CHECK bool sqlite_table_query(sqlite3 *db, const char *table, struct buf *out, struct err *e);

/*
 * All tables of a database with their rows (sqlite_table.c).  A table that cannot be read becomes
 * a fault.  Without with_rows they are only listed.
 */
MUST_CHECK bool sqlite_table_read_all(sqlite3 *db, bool with_rows, struct sqlite_manifest *m,
                                      struct err *e);

#endif
