/*
 * Opening the catalog, its transactions, and what the other headers share.  Part of catalog.h.
 */
#ifndef CATALOG_OPENING_H
#define CATALOG_OPENING_H

#include "base/arena.h"
#include "base/err.h"
#include "codec/hash.h"

#define CATALOG_ID_SIZE 33 /* an identifier of 32 hexadecimal digits, with its NUL */

/* Longest JSON document of any kind in the catalog, in bytes. */
#define CATALOG_DOCUMENT_MAX ((size_t)1 << 20)

struct catalog;

struct catalog_options {
    const char *state;    /* folder: of the SQLite file catalog.db and of catalog.key; is there */
    const char *address;  /* NULL or "sqlite", or what libpq takes, without a password */
    const char *password; /* of PostgreSQL, or NULL */
    int connections;      /* to the database at most; 0: 8 */
    /* For those who neither write to the audit log nor check second factors or links: the key is
     * neither read nor made. */
    bool without_key;
};

/*
 * Open the catalog; what is not there is made, an older one is brought up to date.  From any
 * thread, any number of threads afterwards; not across fork().  ERR_USAGE: it is newer than the
 * program.  ERR_CORRUPT: it is damaged or no catalog.  ERR_DENIED: it may not be opened, or the
 * key in the state folder is not the one that this catalog was made with.
 */
MUST_CHECK bool catalog_open(const struct catalog_options *o, struct catalog **out, struct err *e);
/* Look whether there is one, and make nothing. */
MUST_CHECK bool catalog_is_there(const struct catalog_options *o, bool *is_there, struct err *e);
void catalog_close(struct catalog *c); /* accepts NULL */
void catalog_auto(struct catalog **c);

/* "SQLite" or "PostgreSQL". */
const char *catalog_kind(const struct catalog *c);
/* Whether several hosts may have it open. */
bool catalog_is_shared(const struct catalog *c);

/*
 * A transaction, of one thread.  Everything that is done in it happens when it is committed, at
 * once, or not at all.  After a failed call in it nothing works but its end.  Those that write
 * wait for each other (SQLite), so they are short: no network, no password hash inside.
 */
struct catalog_tx;
MUST_CHECK bool catalog_begin_read(struct catalog *c, struct catalog_tx **out, struct err *e);
MUST_CHECK bool catalog_begin(struct catalog *c, struct catalog_tx **out, struct err *e);
/* *t becomes NULL in any case. */
MUST_CHECK bool catalog_commit(struct catalog_tx **t, struct err *e);
void catalog_tx_auto(struct catalog_tx **t);

/* When the transaction began, by the clock of the database, which all hosts share. */
int64_t catalog_tx_now(const struct catalog_tx *t);

/*
 * Call fn in a transaction and commit it; again, up to five times, when it failed because of
 * others.  So fn may not keep anything from a call that failed.
 */
typedef bool catalog_work_fn(struct catalog_tx *t, void *arg, struct err *e);
MUST_CHECK bool catalog_write(struct catalog *c, catalog_work_fn *fn, void *arg, struct err *e);

/* HMAC-SHA-256 with a key that is derived from that of the state folder for nothing but links: the
 * same in every process and on every host that has this catalog open. */
void catalog_link_sum(const struct catalog *c, struct slice text, struct hash *out);

/* A new identifier. */
void catalog_id_new(char out[CATALOG_ID_SIZE]);

/* One page of a list. */
struct catalog_page {
    size_t limit;     /* rows at most, 1 to 1000 */
    size_t offset;    /* rows to leave out; deep pages are quick with after_ns and after_id only */
    int64_t after_ns; /* the created_ns of the last row of the page before; 0: from the top */
    const char *after_id; /* and its id; NULL: none */
};

#endif
