/*
 * Bringing one database of a set back into a file or a server, and pushed bundles into files.  Part
 * of job.h.
 */
#ifndef JOB_RESTORE_INTO_H
#define JOB_RESTORE_INTO_H

#include "repo/repo.h"
#include "source/source.h"

struct postgres_part;

/* A server of PostgreSQL; as in struct postgres_restore_options. */
struct restore_server {
    const char *dsn, *password;
    int jobs;
    bool with_globals;
};

struct report;

struct restore_into_options {
    const struct snapshot *snapshot;
    const char *place; /* in the snapshot, without the first '/': "sqlite/app.db", "bundle" */
    const char *into;  /* the file of a SQLite database, the name of a PostgreSQL database, the file
                        * of  a bundle, the folder of all bundles; files are absolute */
    bool force;        /* SQLite: also while others have it open; bundles: files give way */
    bool with_sessions;               /* bundles: with the sessions that are in them */
    bool in_place;                    /* PostgreSQL: the database is there already, and gives way */
    const struct postgres_part *part; /* PostgreSQL: only this, into a database that is there */
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
 * A part of one: postgres_restore_part().
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
