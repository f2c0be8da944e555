/*
 * What is in a file that "pg_dump --format=custom" wrote: its table of contents.  Private to
 * src/source.
 *
 * The listing of pg_restore has names with their blanks and line ends changed, so that several can
 * look the same.  Names here are exact.
 */
#ifndef SOURCE_POSTGRES_ARCHIVE_H
#define SOURCE_POSTGRES_ARCHIVE_H

#include "source/postgres_link.h"

struct postgres_archive_entry {
    int64_t id;          /* within this file; "--use-list" takes it */
    struct slice kind;   /* "TABLE", "FK CONSTRAINT" */
    struct slice tag;    /* a name, or several with blanks between them */
    struct slice schema; /* empty: none */
    struct slice sql;
    const int64_t *needs; /* ids of entries, some of which are not in the file */
    size_t need_count;
    bool is_chosen; /* the reader's own */
};

struct postgres_archive {
    struct postgres_archive_entry *entries; /* in the order of a restore */
    size_t count;
    const struct postgres_archive_entry **by_id; /* ascending */
    const char *encoding;                        /* of the script that pg_restore makes of it */
    struct arena arena;
};
void postgres_archive_auto(struct postgres_archive *a);

/* Read one; texts become UTF-8 with the server's help.  ERR_CORRUPT for what is no such file,
 * ERR_USAGE when a newer program wrote it than is known. */
MUST_CHECK bool postgres_archive_read(struct slice bytes, struct postgres_link *l,
                                      struct postgres_archive *out, struct err *e);

bool postgres_archive_is(struct slice text, const char *wanted);
/* The entry of an id, or NULL. */
const struct postgres_archive_entry *postgres_archive_find(const struct postgres_archive *a,
                                                           int64_t id);

#endif
