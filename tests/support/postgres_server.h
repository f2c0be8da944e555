/*
 * A PostgreSQL server for tests: a cluster of its own in a temporary directory, reached through
 * a socket in it and by nobody else; everybody on it is a superuser.  It ends with the process
 * that started it, however that dies.
 *
 * Tests run in processes of their own.  One server for all tests of a file is started before the
 * first of them and freed after the last:
 *
 *     static struct postgres_server *server;
 *     static void server_begin(void) { CHECK_OK(postgres_server_start(&server, e)); }
 *     static void server_end(void) { postgres_server_free(server); }
 *     TESTS_BETWEEN("tables", server_begin, server_end, one_test, another_test)
 *
 * Such tests must not stop or restart it: only the process that started a server may.
 */
#ifndef SUPPORT_POSTGRES_SERVER_H
#define SUPPORT_POSTGRES_SERVER_H

#include "base/err.h"

struct postgres_server;

/* Make a cluster with the newest server installed and start it: about two seconds.  Its WAL is
 * fit for base backups and archiving; nothing is synced to the disk. */
MUST_CHECK bool postgres_server_start(struct postgres_server **out, struct err *e);

/* "host=/... user=postgres dbname=postgres", for libpq; valid as long as the server. */
const char *postgres_server_dsn(const struct postgres_server *s);

/* The directory of the socket, and the one with the cluster. */
const char *postgres_server_host(const struct postgres_server *s);
const char *postgres_server_directory(const struct postgres_server *s);

/* Run statements in a database; the test fails when they do. */
void postgres_server_sql(struct postgres_server *s, const char *database, const char *sql);

/* Make one of every kind of object in a database: tests/support/everything.sql. */
void postgres_server_fill(struct postgres_server *s, const char *database);

/* The first value of the first row as text, owned by the caller; NULL for null or no row. */
char *postgres_server_value(struct postgres_server *s, const char *database, const char *sql);

/* Stop it with everything written, start it again after a stop, or both. */
void postgres_server_stop(struct postgres_server *s);
void postgres_server_resume(struct postgres_server *s);
void postgres_server_restart(struct postgres_server *s);

/* Stop it and remove the directory.  Accepts NULL. */
void postgres_server_free(struct postgres_server *s);
void postgres_server_auto(struct postgres_server **s);

#endif
