/*
 * The files of a backup in a recorder, for restores to read, and some of them changed.
 */
#ifndef SOURCE_POSTGRES_STORED_H
#define SOURCE_POSTGRES_STORED_H

#include "source/postgres_case.h"

struct stored {
    const struct backup *backup;
    const char *changed; /* name of a file with other bytes; NULL: none */
    struct slice bytes;
    const char *unreadable; /* name of a file that fails in the middle, or NULL */
    void (*on_read)(void *arg, const char *name); /* before each piece of any file, or NULL */
    void *arg;
};
struct postgres_files stored_files(struct stored *s);

/* Restore options: the test server and this name of a database. */
struct postgres_restore_options restore_to(const char *database);

/* Whether a database is there. */
bool database_exists(const char *name);

/* What pg_dump says of a database, without its random words. */
void dump_of(const char *database, struct buf *out);

/* Equal texts; the first line that differs is told. */
void check_same_lines(struct slice wanted, struct slice found);

#endif
