/*
 * What the parts of a restore of a database share.  Private to src/source.
 *
 * postgres_restore.c goes through the stages, postgres_roles.c makes roles, postgres_load.c brings
 * rows and large objects.
 */
#ifndef SOURCE_POSTGRES_RESTORE_RUN_H
#define SOURCE_POSTGRES_RESTORE_RUN_H

#include "source/postgres_link.h"
#include "source/postgres_manifest.h"
#include "source/postgres_restore.h"

struct postgres_target {
    const struct postgres_restore_options *o;
    const struct postgres_files *files;
    struct postgres_restore_report *report;
    struct postgres_manifest manifest;
    struct postgres_address server;  /* where o->dsn leads */
    struct postgres_address address; /* of the database */
    struct postgres_link link;       /* to the server */
    int password_fd;                 /* for programs; -1: there is no password */
    struct buf roles;                /* that were made: quoted names, each with a NUL behind it */
    struct buf comment; /* the statement that gives the database its own; empty: it has none */
};
#define POSTGRES_TARGET_NONE ((struct postgres_target){.password_fd = -1})
/* Connect to the server; no database of that name is needed. */
MUST_CHECK bool postgres_target_open(struct postgres_target *t,
                                     const struct postgres_restore_options *o, struct err *e);
void postgres_target_auto(struct postgres_target *t);

/* A stored file being read: a piece of it, or all of it. */
struct postgres_file {
    const struct postgres_files *files;
    struct postgres_stream *stream; /* NULL: none */
};
MUST_CHECK bool postgres_file_open(struct postgres_file *f, const struct postgres_files *files,
                                   const char *name, struct err *e);
void postgres_file_auto(struct postgres_file *f);
/* arg is the file: a postgres_piece_fn. */
MUST_CHECK bool postgres_file_next(void *arg, struct buf *out, struct err *e);
/* ERR_CORRUPT when it is longer than limit. */
MUST_CHECK bool postgres_file_read(const struct postgres_files *files, const char *name,
                                   size_t limit, struct buf *out, struct err *e);
MUST_CHECK bool postgres_file_manifest(const struct postgres_files *files,
                                       struct postgres_manifest *out, struct err *e);

/* pg_restore, of at least the version of both servers. */
MUST_CHECK bool postgres_program_find(const struct postgres_target *t, char **program,
                                      struct err *e);

/* A file without a name, and the path by which a program can open it. */
#define POSTGRES_PATH_MAX 60
MUST_CHECK bool postgres_scratch_file(const struct postgres_target *t, int *fd,
                                      char path[POSTGRES_PATH_MAX], struct err *e);

/* Make the database, in the form that the manifest tells of if there is one, with a comment that
 * says that it is incomplete; it is, until the latter is called. */
MUST_CHECK bool postgres_database_make(struct postgres_target *t, struct err *e);
MUST_CHECK bool postgres_database_complete(struct postgres_target *t, struct err *e);
/* Unless it is there. */
MUST_CHECK bool postgres_schema_make(struct postgres_link *l, const char *schema, struct err *e);
/* Remove what was made after a failure, which *e is; says there if that cannot be done.  Returns
 * false. */
bool postgres_database_give_up(const struct postgres_target *t, struct err *e);

/* Make the roles of globals.sql that are missing. */
MUST_CHECK bool postgres_roles_make(struct postgres_target *t, struct err *e);
/* Drop those that were made. */
MUST_CHECK bool postgres_roles_drop(const struct postgres_target *t, struct postgres_link *l,
                                    struct err *e);

/* Bring all rows and large objects. */
MUST_CHECK bool postgres_load(struct postgres_target *t, struct err *e);
/* Append the statement that takes the rows of a table as they are stored. */
void postgres_load_format(const struct postgres_table *t, const char *encoding, struct buf *out);
/* The rows of one table that has some stored. */
MUST_CHECK bool postgres_rows_load(const struct postgres_target *target, struct postgres_link *l,
                                   const struct postgres_table *t, struct err *e);
MUST_CHECK bool postgres_sequence_set(struct postgres_link *l, const struct postgres_sequence *s,
                                      struct err *e);
/* All large objects, by a connection to the database. */
MUST_CHECK bool postgres_blobs_load(const struct postgres_target *t, struct postgres_link *l,
                                    struct err *e);

/* Append schema.table, quoted. */
void postgres_table_quote(const char *schema, const char *name, struct buf *out);

#endif
