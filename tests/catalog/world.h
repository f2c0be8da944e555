/*
 * A catalog for one test.  Each test file is built twice: for SQLite, and with CATALOG_ON_POSTGRES
 * for a server that is started before the first test.
 */
#ifndef CATALOG_TEST_WORLD_H
#define CATALOG_TEST_WORLD_H

#include "catalog/catalog.h"
#include "catalog/tx.h"
#include "support/fixture.h"

struct world {
    struct scratch folder; /* the state folder */
    char address[256];     /* of catalog_options */
    struct catalog *catalog;
};

/* For TESTS_BETWEEN. */
void world_begin(void);
void world_end(void);

/* A new database, and the catalog in it open. */
void world_init(struct world *w);
/* The same without a catalog in it. */
void world_init_empty(struct world *w);
void world_auto(struct world *w);

/* The catalog once more, as another process has it. */
struct catalog *world_open(const struct world *w);
MUST_CHECK bool world_try(const struct world *w, struct catalog **out, struct err *e);

/* Statements past the catalog, and the first value of one as text, owned by the caller. */
void world_sql(const struct world *w, const char *sql);
char *world_value(const struct world *w, const char *sql);

/* What a server does by itself some minutes after many rows came. */
void world_settle(const struct world *w);

/* Begin, and what follows commits; fail the test when they do not work. */
struct catalog_tx *tx_read(const struct world *w);
struct catalog_tx *tx_write(const struct world *w);
void tx_commit(struct catalog_tx **t);

/* Add a job of a set and a run that waits. */
struct catalog_job_ids job_put(const struct world *w, const char *set, const char *dedup);

/* A stored password without the time that a real one takes; of "correct horse battery". */
extern const char some_hash[];

/* Add a user with it. */
void user_put(const struct world *w, const char *name, enum catalog_role role,
              char id[CATALOG_ID_SIZE]);

/* Wait until the clock of the database is past this. */
void world_wait_until(const struct world *w, int64_t time_ns);

#endif
