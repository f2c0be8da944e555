/*
 * Connections to a PostgreSQL server, with libpq.  Private to src/source.
 *
 * Every wait ends within half a second of a request to stop, but for that for a connection: 15 s
 * unless the dsn says otherwise.  Every connection has the same settings, so that the text of a
 * value is the same whoever reads it.
 */
#ifndef SOURCE_POSTGRES_LINK_H
#define SOURCE_POSTGRES_LINK_H

#include <libpq-fe.h>
#include <stdatomic.h>

#include "source/postgres_address.h"

/* How long to wait for a table that somebody changes. */
#define POSTGRES_LOCK_WAIT_MS 30000

/* A connection.  {0} is none. */
struct postgres_link {
    PGconn *conn;
    const atomic_bool *is_stopping; /* another thread failed: give up; or NULL */
    bool is_tidying;                /* goes on after a request to stop: it puts things in order */
    char sqlstate[6];               /* of the last failure, "" when the server gave none */
    PGresult *failure;              /* what else the server said with it; or NULL */
};

MUST_CHECK bool postgres_link_open(struct postgres_link *l, const struct postgres_address *a,
                                   struct err *e);
/* Give it its settings again, after statements of others have run. */
MUST_CHECK bool postgres_link_reset(struct postgres_link *l, struct err *e);
/* Cancel what runs on the server and disconnect. */
void postgres_link_close(struct postgres_link *l);
static inline void postgres_link_auto(struct postgres_link *l)
{
    postgres_link_close(l);
}

struct postgres_query {
    const char *sql;
    const char *values[6]; /* of $1, $2 ...; NULL is null */
    int count;
    bool is_binary; /* the result is */
};

/*
 * Run a query; without values sql may hold several statements, and the result is the last one's.
 * ERR_DENIED, ERR_NOT_FOUND and ERR_TRANSIENT as the server's answer suggests; ERR_CANCELLED after
 * cancel_request() and when another thread failed.  out is NULL when nobody wants the result.
 */
MUST_CHECK bool postgres_link_query(struct postgres_link *l, const struct postgres_query *q,
                                    PGresult **out, struct err *e);
MUST_CHECK bool postgres_link_run(struct postgres_link *l, const char *sql, struct err *e);

/* Run one statement that somebody else wrote: a text with several is refused, rows are dropped as
 * they come, and COPY is none (ERR_USAGE; the connection is then of no use). */
MUST_CHECK bool postgres_link_statement(struct postgres_link *l, const char *sql, struct err *e);

/* Called for each line of COPY TO STDOUT, the newline included. */
typedef bool postgres_line_fn(void *arg, struct slice line, struct err *e);
/* A failure of fn ends the copying and comes back unchanged. */
MUST_CHECK bool postgres_link_copy(struct postgres_link *l, const char *sql, postgres_line_fn *fn,
                                   void *arg, struct err *e);

typedef bool postgres_row_fn(void *arg, const PGresult *row, struct err *e);
/* Run a query and call fn for each row, the first of its result.  A failure of fn comes back
 * unchanged; after it the connection is of no use. */
MUST_CHECK bool postgres_link_rows(struct postgres_link *l, const char *sql, postgres_row_fn *fn,
                                   void *arg, struct err *e);

/* Append the next piece of what is to be sent to *out; nothing at its end. */
typedef bool postgres_piece_fn(void *arg, struct buf *out, struct err *e);
/*
 * Run COPY FROM STDIN; *rows is how many the server took.  A failure of fn ends the copying and
 * comes back unchanged.  After a failure the connection is of no use.
 */
MUST_CHECK bool postgres_link_load(struct postgres_link *l, const char *sql, postgres_piece_fn *fn,
                                   void *arg, uint64_t *rows, struct err *e);

/* Append a name or a text to a statement, quoted. */
void postgres_name_quote(const char *name, struct buf *out);
void postgres_text_quote(const char *text, struct buf *out);

void postgres_result_auto(PGresult **r);
/* What the server said with a failure (PG_DIAG_...), "" for nothing; r may be NULL. */
const char *postgres_result_field(const PGresult *r, int field);
/* Numbers that the server printed. */
uint64_t postgres_result_u64(const PGresult *r, int row, int column);
bool postgres_result_bool(const PGresult *r, int row, int column);

#endif
