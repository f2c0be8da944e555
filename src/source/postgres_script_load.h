/*
 * Running a script that pg_dump is said to have written, without psql.  Part of source.h.
 *
 * Nobody answers for what is in it: it may be any SQL.  Commands of psql are never run, and what is
 * run has the rights of the role that connects, which may therefore be none that leads out of its
 * own databases.
 */
#ifndef SOURCE_POSTGRES_SCRIPT_LOAD_H
#define SOURCE_POSTGRES_SCRIPT_LOAD_H

#include "source/postgres_restore.h"

#define POSTGRES_STATEMENT_MAX ((size_t)64 << 20) /* bytes of one statement, not of rows */

/* Append the next piece of the script; nothing at its end. */
typedef bool postgres_script_next_fn(void *arg, struct buf *out, struct err *e);

struct postgres_script_report {
    uint64_t statements, rows; /* rows of COPY */
};

/*
 * Make o->database and run the script in it, as one transaction.  Whatever fails, the database is
 * dropped again, and the sentence names the line.  ERR_EXISTS when there is one of that name;
 * ERR_DENIED for superusers and roles that may make roles, start programs or read files on the
 * server; ERR_USAGE for commands of psql but \restrict and \unrestrict, which are passed over, COPY
 * of other forms than COPY ... FROM stdin, what ends the transaction (BEGIN and COMMIT as pg_dump
 * writes them are passed over) and scripts that end too early.
 */
MUST_CHECK bool postgres_script_load(const struct postgres_restore_options *o,
                                     postgres_script_next_fn *next, void *arg,
                                     struct postgres_script_report *out, struct err *e);

#endif
