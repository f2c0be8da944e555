/*
 * A relational database: transactions, statements with parameters, results in memory.  Private to
 * src/catalog.
 *
 * Two drivers stand behind it, SQLite and PostgreSQL (db_driver.h).  A statement is written once,
 * in the SQL that both understand: parameters are $1, $2 ..., columns are BIGINT and TEXT, whole
 * numbers stand for truth, expected conflicts are ON CONFLICT.  Its text is a constant of the
 * program: the connections know their prepared statements by its address, and no value ever
 * becomes part of one.
 */
#ifndef CATALOG_DB_H
#define CATALOG_DB_H

#include "base/arena.h"
#include "base/err.h"

struct db;

enum db_kind {
    DB_SQLITE,
    DB_POSTGRES,
};

enum db_mode {
    DB_READ,  /* sees one moment of the database, changes nothing */
    DB_WRITE, /* SQLite: one at a time; PostgreSQL: READ COMMITTED */
};

/* What a transaction may ring when it is committed, for those who wait for it. */
enum db_bell {
    DB_BELL_QUEUE, /* something is to be done */
    DB_BELL_NEWS,  /* something is under way, or has ended */
    DB_BELLS,
};

/* How long db_begin() waits for a connection and, with SQLite, for the other writers. */
#define DB_WAIT_MS 10000

/* How long one statement may take; PostgreSQL only. */
#define DB_STATEMENT_MS 30000

struct db_options {
    const char *path;     /* of SQLite's file; NULL: PostgreSQL */
    const char *dsn;      /* what libpq takes, without a password; or NULL */
    const char *password; /* for it, or NULL */
    int connections;      /* at most, for reading (SQLite) or in all; 0: 8 */
};

/* The SQLite file is made when it is not there, with mode 0600; its folder is there.  A server is
 * connected to by the first transaction.  Borrows nothing.  ERR_CORRUPT when the file is no
 * database or another program's. */
MUST_CHECK bool db_open(const struct db_options *o, struct db **out, struct err *e);
/* No transaction is open any more.  Accepts NULL. */
void db_close(struct db *d);
void db_auto(struct db **d);

enum db_kind db_kind(const struct db *d);

/*
 * A transaction, of one thread.  After the first failure in it nothing works but db_abort().
 * ERR_TRANSIENT: the same transaction may succeed later.
 */
struct db_tx {
    struct db *db;
    struct db_link *link;
    enum db_mode mode;
    int64_t now_ns;  /* when it began, by the clock of the database */
    bool is_failed;  /* a statement failed */
    bool may_repeat; /* it failed because of others or of the connection: the work is not done */
    bool rings[DB_BELLS]; /* db_wait() ends elsewhere when this is committed */
};

MUST_CHECK bool db_begin(struct db *d, enum db_mode mode, struct db_tx **out, struct err *e);
/* *t becomes NULL in any case.  ERR_AWAY: the connection broke, and nobody knows whether it is
 * committed. */
MUST_CHECK bool db_commit(struct db_tx **t, struct err *e);
/* Accepts NULL. */
void db_abort(struct db_tx *t);
void db_tx_auto(struct db_tx **t);

struct db_value {
    bool is_text;
    bool is_null;
    int64_t number;
    const char *text; /* borrowed */
};

static inline struct db_value db_number(int64_t n)
{
    return (struct db_value){.number = n};
}

/* 0 becomes null: for times that are not known. */
static inline struct db_value db_time(int64_t ns)
{
    return (struct db_value){.number = ns, .is_null = ns == 0};
}

/* NULL is null. */
static inline struct db_value db_text(const char *text)
{
    return (struct db_value){.is_text = true, .is_null = text == NULL, .text = text};
}

#define DB_VALUES(...)                        \
    ((const struct db_value[]){__VA_ARGS__}), \
        (sizeof((struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value))
#define DB_NO_VALUES NULL, 0

/* All rows of a result.  {0} is an empty one; AUTO(db_result). */
struct db_result {
    struct arena arena;
    size_t rows, columns;
    struct db_cell *cells; /* rows * columns */
    int64_t changed;       /* rows that the statement changed */
};
struct db_cell {
    bool is_null;
    int64_t number;
    const char *text; /* of texts */
};
void db_result_done(struct db_result *r);
void db_result_auto(struct db_result *r);

/* Rows of a result at most; more is ERR_FATAL. */
#define DB_ROWS_MAX 200000

/*
 * Run one statement.  out becomes the result and must be empty before; NULL when nobody wants it.
 * ERR_EXISTS when a name is taken, ERR_NOT_FOUND when something that is referred to is not there.
 */
MUST_CHECK bool db_run(struct db_tx *t, const char *sql, const struct db_value *values,
                       size_t count, struct db_result *out, struct err *e);

/* The same for a statement that must change exactly one row: otherwise ERR_NOT_FOUND "no such
 * <what>". */
MUST_CHECK bool db_change(struct db_tx *t, const char *what, const char *sql,
                          const struct db_value *values, size_t count, struct err *e);

/* Several statements without values: for the schema. */
MUST_CHECK bool db_script(struct db_tx *t, const char *sql, struct err *e);

/* Of a cell; null is 0, and NULL. */
int64_t db_get_number(const struct db_result *r, size_t row, size_t column);
const char *db_get_text(const struct db_result *r, size_t row, size_t column);
/* A copy in an arena; null stays NULL. */
const char *db_keep_text(const struct db_result *r, size_t row, size_t column, struct arena *to);

/* Wake those who wait in db_wait() for this, here and in other processes, when t is committed. News
 * in SQLite stay in the process. */
MUST_CHECK bool db_wake(struct db_tx *t, enum db_bell bell, struct err *e);
/*
 * Wait until somebody called db_wake() and committed, or the time is over, or
 * cancel_is_requested().  May return early.  *seen is 0 at first and then what the last wait made
 * of it, so that nothing between two waits is missed.
 */
MUST_CHECK bool db_wait(struct db *d, enum db_bell bell, int timeout_ms, uint64_t *seen,
                        struct err *e);

#endif
