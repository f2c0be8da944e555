/*
 * What a driver of db.h is made of.  Private to db.c and the drivers.
 */
#ifndef CATALOG_DB_DRIVER_H
#define CATALOG_DB_DRIVER_H

#include <pthread.h>

#include "catalog/db.h"

/* Different statements of one connection; the program has some 150. */
#define DB_STATEMENTS_MAX 512

/* One connection; belongs to the transaction that uses it. */
struct db_link {
    struct db *db;
    enum db_mode mode; /* that it was made for */
    bool is_broken;    /* of no use any more */
    bool may_repeat;   /* the last failure was others' or the connection's */
    struct db_link *next;
    /* Prepared statements by the address of their text; a table with open addressing. */
    struct {
        const char *sql;
        void *prepared; /* the driver's; NULL: not yet */
    } statements[DB_STATEMENTS_MAX];
    size_t statement_count;
};

/* Where the statement has its place.  Never full. */
void **db_link_statement(struct db_link *l, const char *sql);

struct db_ops {
    bool (*connect)(struct db *d, enum db_mode mode, struct db_link **out, struct err *e);
    void (*disconnect)(struct db_link *l);
    bool (*begin)(struct db_link *l, enum db_mode mode, int64_t *now_ns, struct err *e);
    bool (*run)(struct db_link *l, const char *sql, const struct db_value *values, size_t count,
                struct db_result *out, struct err *e);
    bool (*script)(struct db_link *l, const char *sql, struct err *e);
    /* ERR_AWAY: nobody knows. */
    bool (*commit)(struct db_link *l, struct err *e);
    /* Sets is_broken when it does not work. */
    void (*rollback)(struct db_link *l);
    /* Tell other processes in the transaction, or after it. */
    bool (*wake)(struct db_link *l, enum db_bell bell, struct err *e);
    /* Wait for other processes, or for d->rung[bell] to leave *seen. */
    bool (*wait)(struct db *d, enum db_bell bell, int timeout_ms, uint64_t *seen, struct err *e);
    void (*close)(struct db *d);
};

/* Connections that may be open at a time, and those of them that nobody uses. */
struct db_pool {
    struct db_link *idle;
    int open, limit;
};

struct db {
    const struct db_ops *ops;
    enum db_kind kind;
    pthread_mutex_t lock;    /* guards what follows it here */
    pthread_cond_t freed;    /* a connection was given back */
    struct db_pool pools[2]; /* by mode; a driver with limit 0 for writing has one for all */
    pthread_cond_t woken;
    uint64_t rung[DB_BELLS]; /* commits here that woke somebody */
};

/* The common part of a driver's object. */
void db_init(struct db *d, const struct db_ops *ops, enum db_kind kind);
void db_done(struct db *d);

/* A condition that waits by the monotonic clock, and a wait on it until then; false: time is up. */
void db_cond_init(pthread_cond_t *c);
bool db_cond_wait(pthread_cond_t *c, pthread_mutex_t *m, int64_t until_ns);

MUST_CHECK bool db_sqlite_open(const struct db_options *o, struct db **out, struct err *e);
MUST_CHECK bool db_postgres_open(const struct db_options *o, struct db **out, struct err *e);

/* Room for the rows of a result, filled in by the driver. */
void db_result_set(struct db_result *r, size_t rows, size_t columns);

#endif
