/*
 * A server for the tests of a file, databases on it, and backups of them into a recorder.
 * Everything fails the test at once when it goes wrong.
 */
#ifndef SOURCE_POSTGRES_CASE_H
#define SOURCE_POSTGRES_CASE_H

#include <libpq-fe.h>

#include "source/postgres_manifest.h"
#include "source/recorder.h"
#include "support/postgres_server.h"
#include "support/test.h"

extern struct postgres_server *server;
void server_begin(void);
void server_end(void);

/* Make a database and run statements in it. */
void database_new(const char *name, const char *sql);

/* "host=... user=postgres dbname=...", valid for the next 7 calls. */
const char *dsn_of(const char *database);

/* Options for a member "db" with one job. */
struct postgres_options options_of(const char *database);

/* A backup that ran. */
struct backup {
    struct recorder recorder;
    int64_t time_ns; /* of the backup; 0: 1 */
    struct err failure;
    struct postgres_manifest manifest; /* unless it failed */
};
void backup_init(struct backup *b);
void backup_auto(struct backup *b);

/* False as postgres_member_new(), prepare() and send(). */
bool backup_run(struct backup *b, const struct postgres_options *o, struct err *e);
/* One that must not fail, and its manifest. */
void backup_take(struct backup *b, const struct postgres_options *o);
/* One of a database that is made for it. */
void backup_of(struct backup *b, const char *database, const char *sql);
/* The same as backup_take() after backup_init(), with the recorder's hooks set by the test. */
void backup_complete(struct backup *b, const struct postgres_options *o);
/* The same; it must fail as a whole or in part, with this in its sentence: then everything was
 * answered, there is no manifest, and nothing is left on the server. */
void backup_fails(struct backup *b, const struct postgres_options *o, const char *with);

/* The bytes of a file below "/postgres/db/". */
struct slice file_of(const struct backup *b, const char *path);
/* The table of that name, and that its file is this. */
const struct postgres_table *table_of(const struct backup *b, const char *schema, const char *name);
void check_rows(const struct backup *b, const char *table, const char *wanted);

/* A connection for the test itself; not checked. */
PGconn *connect_to(const char *database);
void connection_auto(PGconn **c);
/* Run a statement; its SQLSTATE, "00000" when it went well. */
const char *try_sql(PGconn *c, const char *sql);

/* Wait until a query of the default database answers "t". */
void wait_for(const char *sql);

#endif
