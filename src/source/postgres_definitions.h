/*
 * The two files of definitions in a backup, and pg_restore, which reads them.  Private to
 * src/source.
 */
#ifndef SOURCE_POSTGRES_DEFINITIONS_H
#define SOURCE_POSTGRES_DEFINITIONS_H

#include "source/postgres_archive.h"
#include "source/postgres_restore_run.h"

/* A file of definitions, at hand for programs. */
struct postgres_definitions {
    int fd; /* without a name */
    char path[POSTGRES_PATH_MAX];
    struct postgres_archive archive; /* once it was read */
};
#define POSTGRES_DEFINITIONS_MAX  ((size_t)1 << 30)
#define POSTGRES_DEFINITIONS_NONE ((struct postgres_definitions){.fd = -1})
void postgres_definitions_auto(struct postgres_definitions *d);

/* Fetch "pre-data.dump" or "post-data.dump". */
MUST_CHECK bool postgres_definitions_open(const struct postgres_target *t, const char *name,
                                          struct postgres_definitions *out, struct err *e);
/* Read what is in it, with the help of a connection.  Part of opening; ERR_CORRUPT when it is
 * longer than POSTGRES_DEFINITIONS_MAX. */
MUST_CHECK bool postgres_definitions_read(const struct postgres_target *t, const char *name,
                                          struct postgres_link *l, struct postgres_definitions *out,
                                          struct err *e);

/* A list of entries for pg_restore: its option in *option, which works as long as *fd is open. */
MUST_CHECK bool postgres_definitions_list(const struct postgres_target *t, struct slice list,
                                          int *fd, struct buf *option, struct err *e);

/* Restore what the data needs. */
MUST_CHECK bool postgres_definitions_before(const struct postgres_target *t, const char *program,
                                            struct err *e);
/* Restore what needs the data, with as many connections as the target's jobs.  l: to the database.
 */
MUST_CHECK bool postgres_definitions_after(const struct postgres_target *t, const char *program,
                                           struct postgres_link *l, struct err *e);

/* Give the database the owner, the settings and the rights of the old one, which pg_restore
 * (program) tells of pre-data.dump; its comment is noted in the target. */
MUST_CHECK bool postgres_settings_restore(struct postgres_target *t, const char *program,
                                          const struct postgres_definitions *before, struct err *e);

#endif
