/*
 * The database of an application, in SQLite or PostgreSQL.  Private to src/source.
 *
 * A statement is written once, in the SQL that both understand: parameters are $1, $2 ..., the
 * application's tables are public.NAME, tables of ours are temporary, and COLLATE "C" is the order
 * of bytes.  Statements are constants of the program; no value ever becomes part of one.
 */
#ifndef SOURCE_APP_DB_H
#define SOURCE_APP_DB_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct app_db_place {
    const char *file;     /* of SQLite; NULL: PostgreSQL */
    const char *dsn;      /* what libpq takes */
    const char *password; /* for it; NULL: where libpq finds one */
};

enum app_db_use {
    APP_DB_READ,  /* nothing can be changed */
    APP_DB_WRITE, /* foreign keys are kept; triggers of SQLite do not fire */
};

struct app_db;
MUST_CHECK bool app_db_open(const struct app_db_place *p, enum app_db_use use, struct app_db **out,
                            struct err *e);
/* What was not committed is undone.  Accepts NULL. */
void app_db_close(struct app_db *d);
void app_db_auto(struct app_db **d);

bool app_db_is_sqlite(const struct app_db *d);

/*
 * A transaction; with APP_DB_READ all of it sees one moment.  app_db_commit(): ERR_AWAY when the
 * connection broke and nobody knows what became of it; otherwise nothing was changed when it fails.
 */
MUST_CHECK bool app_db_begin(struct app_db *d, struct err *e);
MUST_CHECK bool app_db_commit(struct app_db *d, struct err *e);

struct app_value {
    const char *text; /* NULL: null, or real */
    double real;
    bool is_real;
};
static inline struct app_value app_text(const char *text)
{
    return (struct app_value){.text = text};
}
static inline struct app_value app_real(double real)
{
    return (struct app_value){.real = real, .is_real = true};
}
#define APP_VALUES_MAX 6
#define APP_VALUES(...)                        \
    ((const struct app_value[]){__VA_ARGS__}), \
        (sizeof((struct app_value[]){__VA_ARGS__}) / sizeof(struct app_value))
#define APP_NO_VALUES NULL, 0

/* Several statements without values. */
MUST_CHECK bool app_db_script(struct app_db *d, const char *sql, struct err *e);

/* Run one statement; *changed is how many rows it changed, or NULL. */
MUST_CHECK bool app_db_run(struct app_db *d, const char *sql, const struct app_value *values,
                           size_t count, uint64_t *changed, struct err *e);

/*
 * Rows of a query, one after the other.  Without values they are fetched as they are asked for, in
 * a transaction; with values all are in memory at once.  ERR_CORRUPT for a text with a NUL.
 */
struct app_rows;
MUST_CHECK bool app_db_query(struct app_db *d, const char *sql, const struct app_value *values,
                             size_t count, struct app_rows **out, struct err *e);
/* False at the end (*more), or with *e.  Texts are valid until the next call. */
MUST_CHECK bool app_rows_next(struct app_rows *r, bool *more, struct err *e);
const char *app_rows_text(const struct app_rows *r, int column); /* NULL: null */
/* 0 for null; and of PostgreSQL for what is below 0. */
int64_t app_rows_number(const struct app_rows *r, int column);
double app_rows_real(const struct app_rows *r, int column);
void app_rows_auto(struct app_rows **r); /* accepts NULL; before the database is closed */

/* One number of a query without values that yields one row. */
MUST_CHECK bool app_db_number(struct app_db *d, const char *sql, uint64_t *out, struct err *e);

#endif
