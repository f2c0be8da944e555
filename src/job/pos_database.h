/*
 * The database of the POS service as its environment names it.  Part of job.h.
 */
#ifndef JOB_POS_DATABASE_H
#define JOB_POS_DATABASE_H

#include "base/buf.h"

/* DATABASE_URL in parts; {0} is empty. */
struct pos_database {
    char *dsn;      /* what config_postgres.dsn takes, without a password */
    char *password; /* for mem_secret_free(); NULL: none is in the URL */
};
void pos_database_done(struct pos_database *d);
void pos_database_auto(struct pos_database *d);

/*
 * Take "postgres://" or "postgresql://" USER:PASSWORD@HOST:PORT/NAME?PARAMETERS apart.  User,
 * password, host and name are percent-decoded; HOST may be "[::1]"; the port is 5432 when absent.
 * Of the parameters those of the transport count (sslmode, sslrootcert, sslcert, sslkey,
 * connect_timeout, application_name); those of the original's database library (schema,
 * connection_limit, pool_timeout, pgbouncer, socket_timeout, statement_cache_size) are passed over,
 * others refused.  ERR_USAGE; the sentence has nothing of the URL in it.
 */
MUST_CHECK bool pos_database_parse(const char *url, struct pos_database *out, struct err *e);

/* Put " NAME='VALUE'" behind a connection string of libpq's form, or NAME='VALUE' into an empty
 * one. */
void pos_database_add(struct buf *dsn, const char *name, const char *value);

#endif
