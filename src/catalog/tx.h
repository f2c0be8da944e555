/*
 * What the files of this folder share: the catalog's object and its transactions.
 */
#ifndef CATALOG_TX_H
#define CATALOG_TX_H

#include <pthread.h>

#include "catalog/catalog.h"
#include "catalog/db.h"
#include "codec/hash.h"

struct catalog {
    struct db *db;
    char *state;               /* folder */
    bool has_key;              /* the three below are set */
    uint8_t *audit_key;        /* HASH_SIZE bytes, secret memory */
    uint8_t *totp_key;         /* the same */
    uint8_t *link_key;         /* the same */
    pthread_mutex_t sink_lock; /* guards the two below and the file of the head */
    catalog_audit_sink_fn *sink;
    void *sink_arg;
    pthread_mutex_t hash_lock; /* guards what follows: user_password.c */
    pthread_cond_t hash_done;
    int hashes_running, hashes_waiting;
};

struct catalog_tx {
    struct catalog *catalog;
    struct db_tx *db;
    /* Records that were added; told to the sink after the commit. */
    struct catalog_audit_added *added;
};

/* What catalog_commit() does about the audit log when the records are there; frees them. */
void catalog_audit_committed(struct catalog_tx *t);
void catalog_audit_forget(struct catalog_tx *t);

/* That a text from outside is UTF-8 without control characters, 1 to limit bytes long: ERR_USAGE
 * "<what> ...". */
MUST_CHECK bool catalog_check_text(const char *what, const char *text, size_t limit, struct err *e);

/* That a document is JSON within CATALOG_DOCUMENT_MAX; NULL is allowed. */
MUST_CHECK bool catalog_check_document(const char *what, const char *text, struct err *e);

/* SHA-256 of a secret of many random bits, in hexadecimal: what is stored instead of it. */
#define CATALOG_HASH_SIZE (2 * HASH_SIZE + 1)
void catalog_secret_hash(const char *secret, char out[CATALOG_HASH_SIZE]);

/* The number of a name among names, -1 when it is none of them; for columns that hold one. */
int catalog_name_number(const char *const *names, size_t count, const char *name);

#endif
