/*
 * Bringing one database of a set back into a file or a server, and pushed bundles into files.  Part
 * of job.h.
 */
#ifndef JOB_RESTORE_INTO_H
#define JOB_RESTORE_INTO_H

#include "repo/repo.h"
#include "source/source.h"

struct config_set;
struct postgres_part;

/* A server of PostgreSQL; as in struct postgres_restore_options. */
struct restore_server {
    const char *dsn, *password;
    const char *connect, *passfile; /* or NULL */
    const char *database;           /* that a source of the set is; NULL: of no set */
    int jobs;
    bool with_globals;
};

/* A database of every server: others cannot be renamed by who is connected to them, and may be
 * gone. */
#define RESTORE_CONNECT_TO "postgres"

struct report;

struct restore_into_options {
    const struct snapshot *snapshot;
    const char *place; /* in the snapshot, without the first '/': "sqlite/app.db", "bundle" */
    const char *into;  /* the file of a SQLite database, the name of a PostgreSQL database, the file
                        * of  a bundle, the folder of all bundles; files are absolute */
    bool force;        /* SQLite: also while others have it open; bundles: files give way */
    bool with_sessions;               /* bundles: with the sessions that are in them */
    bool in_place;                    /* PostgreSQL: the database is there already, and gives way */
    const struct postgres_part *part; /* PostgreSQL: only this */
    const struct restore_server *server; /* PostgreSQL; or NULL */
    const struct report *report;         /* gets progress of a PostgreSQL database; or NULL */
};

struct restore_into_result {
    uint64_t tables, rows, bytes; /* compared with the manifest, or added; PostgreSQL only */
    uint64_t statements;          /* of an imported script; rows are those of COPY */
    uint64_t files, dropped;      /* bundles written, and sessions in them that were not */
    char *kept;                   /* the name that the database before has now, owned; or NULL */
};
void restore_into_result_auto(struct restore_into_result *r);

/*
 * SQLite: the file is the old database or the new one at every moment: sqlite_restore().
 *
 * PostgreSQL: a database of a new name is made, filled and compared with the manifest; whatever
 * fails, it is dropped again.  In place that is done beside the old one, which then changes its
 * name with the new one in one transaction and is kept.
 *
 * A part of one: postgres_restore_part(); into a database that is there, or one made for it.
 *
 * An imported dump of a database ("import/NAME", kind vevurn-database): postgres_script_load().
 * There is nothing to compare it with.
 *
 * Bundles: in the form in which the published server stores them; sessions are left out unless
 * asked for.  ERR_EXISTS when a file is there, unless forced.
 *
 * ERR_USAGE for places that hold no database or bundle, and options that the kind does not take.
 */
MUST_CHECK bool restore_into_run(struct repo *r, const struct restore_into_options *o,
                                 struct restore_into_result *out, struct err *e);

/*
 * The server of the source that a place of a snapshot ("postgres/shop") is of.  Borrows from the
 * set and *password, which the caller owns: mem_secret_free().  May run a program.  ERR_NOT_FOUND
 * when the set has no such source.
 */
MUST_CHECK bool restore_server_find(const struct config_set *set, const char *place,
                                    struct restore_server *out, char **password, struct err *e);

/* What would be made, or filled.  Without a part it is all of the database. */
struct restore_into_plan {
    struct postgres_part_plan part; /* its tables; of a part only */
    uint64_t tables, rows, bytes, tables_without_rows;
};
void restore_into_plan_auto(struct restore_into_plan *p);

/*
 * What restore_into_run() would do with a PostgreSQL database: one that is to be made, or a part.
 * Changes nothing, and fails as that would as far as looking tells: ERR_EXISTS when what is to be
 * new is there.  ERR_USAGE for what gives way, and for other kinds.
 */
MUST_CHECK bool restore_into_plan(struct repo *r, const struct restore_into_options *o,
                                  struct restore_into_plan *out, struct err *e);

/* Options of the source for o->server and a database. */
struct postgres_restore_options restore_into_how(const struct restore_into_options *o,
                                                 const char *database);

/* The part of it for bundles (restore_bundle_files.c); the index is loaded. */
MUST_CHECK bool restore_into_bundles(struct repo *r, const struct restore_into_options *o,
                                     struct restore_into_result *out, struct err *e);

/* Make PostgreSQL database how->database out of what is stored at place and compare it with its
 * manifest; what differs is dropped again.  Fills in the figures of out.  report may be NULL. */
MUST_CHECK bool restore_into_make(struct repo *r, const struct snapshot *snapshot,
                                  const char *place, const struct postgres_restore_options *how,
                                  const struct report *report, struct restore_into_result *out,
                                  struct err *e);

#endif
